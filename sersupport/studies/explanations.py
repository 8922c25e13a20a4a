"""Explanations of a trained system's decisions and, for the same clips and classes, of the same system untrained.

Works on any system: occlusion needs nothing but a classifier of waveforms, SHAP a role that is described by
:class:`sersupport.inputs.descriptors.Descriptors`, Score-CAM a system that has feature maps of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
import torch

from sersupport.core.keys import digest
from sersupport.core.seeds import generator, key_seed
from sersupport.explain.against_untrained import TRAINED, UNTRAINED
from sersupport.explain.attribution import expected_gradients, integrated_gradients
from sersupport.explain.given import GivenInputs
from sersupport.explain.perturbation import deletion, occluded
from sersupport.explain.score_cam import score_cam
from sersupport.explain.untrained import untrained
from sersupport.inputs.descriptors import Descriptors, deserialise, extract, frame_times_s
from sersupport.recipes.rendering import Renderer
from sersupport.sound.audio import RATE_HZ
from sersupport.studies.cluster import each
from sersupport.studies.explained import CHECK, OCCLUSION, SCORE_CAM, SHAP, SHAP_METHOD, Explained
from sersupport.systems.recogniser import Recogniser


def chosen(predictions: pd.DataFrame, system: str, count: int) -> pd.DataFrame:
    """Test utterances that a system gets right, the emotions in turn, of speakers as different as there are.

    An explanation is then one of a decision that was not a mistake. Where a system gets nothing right, any will do.
    Of several seeds the first is asked.

    Parameters
    ----------
    predictions : pandas.DataFrame
        Predictions table with clean speech.
    system : str
    count : int
        At most.
    """
    own = predictions[(predictions["system"] == system) & (predictions["seed"] == predictions["seed"].min())]
    right = own[own["true"] == own["predicted"]]
    right = (right if len(right) else own).reset_index(drop=True)
    lot = right["utterance"].map(lambda name: digest(["explained", name]))
    left = {true: list(rows.index) for true, rows in right.loc[lot.sort_values().index].groupby("true")}
    picked: list[int] = []
    times: Counter[str] = Counter()  # that each speaker was picked
    while len(picked) < min(count, len(right)):
        for rows in filter(None, left.values()):
            picked.append(min(rows, key=lambda row: times[right.at[row, "speaker"]]))
            rows.remove(picked[-1])
            times[right.at[picked[-1], "speaker"]] += 1
    return right.loc[picked[:count]]


@dataclass
class Decisions:
    """Clips, and the class of each that is explained.

    Parameters
    ----------
    recognisers : list of Recogniser
        Of the system, for each clip the one of its fold.
    descriptors : Descriptors
        Whose frames give every map its times, whatever the system eats.
    rows : pandas.DataFrame
        ``utterance``, ``speaker`` and ``fold`` of each clip.
    waves : np.ndarray, shape (n, N)
    n_valid : np.ndarray of int, shape (n,)
        Samples before the padding.
    targets : list of int
        Indices into the system's classes.
    """

    recognisers: list[Recogniser]
    descriptors: Descriptors
    rows: pd.DataFrame
    waves: np.ndarray
    n_valid: np.ndarray
    targets: list[int]

    @classmethod
    def of(
        cls,
        recognisers: Mapping[int, Recogniser],
        descriptors: Descriptors,
        renderer: Renderer,
        recipes: pd.DataFrame,
        rows: pd.DataFrame,
    ) -> Decisions:
        """Decisions for rows of :func:`chosen`.

        Parameters
        ----------
        recognisers : mapping
            Of the system, by fold.
        descriptors : Descriptors
            As for the class.
        renderer : Renderer
        recipes : pandas.DataFrame
            Test recipes, the clean ones among them.
        rows : pandas.DataFrame
            From :func:`chosen`.
        """
        clean = recipes[recipes["condition"] == "clean"].set_index("utterance", drop=False).loc[rows["utterance"]]
        rendered = renderer.render(clean)
        waves = np.stack([sample.signal for sample, _ in rendered])
        own, n_valid = [recognisers[fold] for fold in rows["fold"]], np.array([n for _, n in rendered])
        targets = [one.model.config.label2id[emotion] for one, emotion in zip(own, rows["true"], strict=True)]
        names = rows[["utterance", "speaker", "fold"]].reset_index(drop=True)
        return cls(own, descriptors, names, waves, n_valid, targets)

    def __len__(self) -> int:
        return len(self.waves)

    @property
    def role(self) -> str | None:
        """The role that is described by descriptors, whose shares and maps have names; None where there is none."""
        roles = [role for role, one in self.recognisers[0].inputs.items() if isinstance(one, Descriptors)]
        return roles[0] if roles else None

    @property
    def times_s(self) -> np.ndarray:
        """Middle of each frame, (T,)."""
        return frame_times_s(self.descriptors, self.descriptors.n_frames(self.waves.shape[1]))

    @cached_property
    def energy(self) -> dict[str, np.ndarray]:
        """RMS of each frame, (T,), by utterance."""
        clips = zip(self.rows["utterance"], self.waves, strict=True)
        return {name: extract(wave, self.descriptors)[1] for name, wave in clips}

    def in_frames(self, maps: np.ndarray) -> np.ndarray:
        """Maps over the serialised vector (..., L), summed over the descriptors of each frame: (..., T)."""
        return deserialise(maps, self.descriptors.n_mfcc).sum(axis=-2)

    def backgrounds(
        self, renderer: Renderer, training: Mapping[int, pd.DataFrame], count: int, seed: int
    ) -> dict[int, torch.Tensor]:
        """By fold the role's values of clean training rows, (count, L), or of all that there are.

        Parameters
        ----------
        renderer : Renderer
        training : mapping
            By fold the recipes that its system was trained on.
        count, seed : int
            Of the rows, and of their draw.
        """
        found = {}
        for fold, own in zip(self.rows["fold"], self.recognisers, strict=True):
            if fold not in found:
                rows = training[fold][training[fold]["variant"] == "clean"]
                rows = rows.sample(min(count, len(rows)), random_state=seed)
                waves, n_valid = zip(*((sample.signal, n) for sample, n in renderer.render(rows)), strict=True)
                values, _ = own.inputs[self.role].compute(np.stack(waves), np.array(n_valid))
                found[fold] = torch.from_numpy(values)
        return found


@dataclass(frozen=True)
class How:
    """How decisions are explained.

    Parameters
    ----------
    backgrounds : mapping
        From :meth:`Decisions.backgrounds`: what absent features are replaced by.
    shap_samples : int
        Draws for each SHAP value.
    window_s, hop_s : float
        Of occlusion.
    untrained : int
        Copies with random weights that explain each decision, too.
    seed : int
        Of all that is drawn.
    """

    backgrounds: Mapping[int, torch.Tensor]
    shap_samples: int
    window_s: float
    hop_s: float
    untrained: int
    seed: int


def explain(decisions: Decisions, how: How) -> list[Explained]:
    """Every decision by the trained system and by each untrained copy, side by side where there are workers."""
    clips = each(_explain, (decisions, how), range(len(decisions)), "explanations")
    return [one for clip in clips for one in clip]


def _explain(shared: tuple[Decisions, How], number: int) -> list[Explained]:
    clip = _Clip(*shared, number)
    return [clip.explained(draw) for draw in range(1 + clip.how.untrained)]


class _Clip:
    """One clip for all models: what they eat does not depend on their weights, and is computed once."""

    def __init__(self, decisions: Decisions, how: How, number: int) -> None:
        self.decisions, self.how = decisions, how
        self.trained, self.target = decisions.recognisers[number], decisions.targets[number]
        self.utterance, self.speaker, self.fold = decisions.rows.loc[number, ["utterance", "speaker", "fold"]]
        self.wave, self.n_valid = decisions.waves[number], int(decisions.n_valid[number])
        hidden, self.windows = occluded(self.wave, RATE_HZ, how.window_s, how.hop_s, self.n_valid)
        self.tensors = self.trained.tensors(hidden, np.full(len(hidden), self.n_valid))

    def explained(self, draw: int) -> Explained:
        """By the trained model (0), or by a copy with random weights."""
        model = self.trained
        if draw:
            seed = key_seed(self.how.seed, "untrained", draw, self.fold)
            model = Recogniser(untrained(model.model, seed), model.inputs)
        names = {"model": UNTRAINED if draw else TRAINED, "draw": draw}
        names |= {"utterance": self.utterance, "speaker": self.speaker}
        with torch.no_grad():
            logits = model.model(**self.tensors).logits
        found = Explained(names, logits[0], logits[0], self._curve(logits))
        if self.decisions.role is not None:
            self._attribute(model, found)
        found.muted = [{"explanation": name, **self._muted(model, name, own)} for name, own in found.maps.items()]
        middles = found.curve[["start_s", "end_s"]].mean(axis=1)
        found.maps[OCCLUSION] = np.interp(self.decisions.times_s, middles, found.curve["drop"].clip(lower=0))
        return found

    def _curve(self, logits: torch.Tensor) -> pd.DataFrame:
        probability = logits.softmax(dim=-1)[:, self.target].numpy()
        return self.windows.assign(drop=probability[0] - probability[1:])

    def _attribute(self, model: Recogniser, found: Explained) -> None:
        """Score-CAM, where there are feature maps, and SHAP values with their check."""
        role, whole = self.decisions.role, {name: values[:1] for name, values in self.tensors.items()}
        function = GivenInputs(model.model, whole, role)
        values, target = function.values, self.target
        with torch.no_grad():
            found.given = function(values[None])[0]
            features = model.model.feature_maps(role, values[None])
            background = function.seen(self.how.backgrounds[self.fold])
        if features is not None:
            saliency = score_cam(function, features[0], values, target)
            found.maps[SCORE_CAM] = self.decisions.in_frames(saliency.numpy())
        shares = expected_gradients(function, values, target, background, self.how.shap_samples, self.how.seed)
        found.attributions = {SHAP_METHOD: shares, CHECK: integrated_gradients(function, values, target)}
        found.maps[SHAP] = self.decisions.in_frames(np.abs(shares.values))

    def _muted(self, model: Recogniser, name: str, saliency: np.ndarray) -> dict[str, float]:
        """Never asked of occlusion, whose map was made by muting. The controls are the same for all models."""
        rng, hop = generator(self.how.seed, name, self.utterance), self.decisions.descriptors.hop_length
        classify = model.for_length(self.n_valid)
        return deletion(classify, self.wave, self.target, saliency, hop, rng, n_valid=self.n_valid)
