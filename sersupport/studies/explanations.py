"""Explanations of a trained system's decisions, and the tests that they have to pass.

Works on any system: occlusion needs nothing but a classifier of waveforms, SHAP a role that is described by
:class:`sersupport.inputs.descriptors.Descriptors`, Score-CAM a system that has feature maps of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
import torch
from scipy.stats import spearmanr

from sersupport.core.keys import digest
from sersupport.core.seeds import generator
from sersupport.explain.attribution import Attribution, expected_gradients, integrated_gradients
from sersupport.explain.given import GivenInputs
from sersupport.explain.perturbation import deletion, enrichment, occlusion
from sersupport.explain.score_cam import score_cam
from sersupport.inputs.descriptors import Descriptors, deserialise, extract, frame_times_s
from sersupport.recipes.rendering import Renderer
from sersupport.sound.audio import RATE_HZ
from sersupport.systems.recogniser import Recogniser


def chosen(predictions: pd.DataFrame, system: str, count: int) -> pd.DataFrame:
    """Test utterances that a system gets right, the emotions in turn, and within each the speakers.

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
    right = right if len(right) else own
    lot = right["utterance"].map(lambda name: digest(["explained", name]))
    right = right.assign(again=right.groupby(["true", "speaker"]).cumcount(), lot=lot).sort_values(["again", "lot"])
    turn = right.groupby("true").cumcount()
    return right.assign(turn=turn).sort_values(["turn", "true"]).head(count)


@dataclass
class Decisions:
    """Clips, and the class of each that is explained.

    Parameters
    ----------
    recognisers : list of Recogniser
        Of the system, for each clip the one of its fold.
    descriptors : Descriptors
        Whose frames give every map its times, whatever the system eats.
    utterances : list of str
    waves : np.ndarray, shape (n, N)
    n_valid : np.ndarray of int, shape (n,)
        Samples before the padding.
    targets : list of int
        Indices into the system's classes.
    """

    recognisers: list[Recogniser]
    descriptors: Descriptors
    utterances: list[str]
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
        return cls(own, descriptors, list(clean["utterance"]), waves, n_valid, targets)

    def __len__(self) -> int:
        return len(self.waves)

    @cached_property
    def role(self) -> str | None:
        """The role that is described by descriptors, whose shares and maps have names; None where there is none."""
        roles = [role for role, one in self.recognisers[0].inputs.items() if isinstance(one, Descriptors)]
        return roles[0] if roles else None

    @cached_property
    def tensors(self) -> list[dict[str, torch.Tensor]]:
        """The system's inputs, for each clip a batch of one."""
        clips = zip(self.recognisers, self.waves, self.n_valid, strict=True)
        return [own.tensors(wave[None], np.array([n])) for own, wave, n in clips]

    @cached_property
    def values(self) -> torch.Tensor:
        """What the :attr:`functions` take, (n, L): standardised where the system does so apart from its network."""
        return torch.stack([function.values for function in self.functions])

    @cached_property
    def functions(self) -> list[GivenInputs]:
        """For each clip its system as a function of :attr:`role` alone."""
        clips = zip(self.recognisers, self.tensors, strict=True)
        return [GivenInputs(own.model, tensors, self.role) for own, tensors in clips]

    @cached_property
    def logits(self) -> torch.Tensor:
        """Of every class, (n, C)."""
        with torch.no_grad():
            clips = zip(self.recognisers, self.tensors, strict=True)
            return torch.cat([own.model(**tensors).logits for own, tensors in clips])

    @property
    def times_s(self) -> np.ndarray:
        """Middle of each frame, (T,)."""
        return frame_times_s(self.descriptors, self.descriptors.n_frames(self.waves.shape[1]))

    @cached_property
    def energy(self) -> np.ndarray:
        """RMS of each frame, (n, T)."""
        return np.stack([extract(wave, self.descriptors)[1] for wave in self.waves])

    def in_frames(self, maps: np.ndarray) -> np.ndarray:
        """Maps over the serialised vector (n, L), summed over the descriptors of each frame: (n, T)."""
        return deserialise(maps, self.descriptors.n_mfcc).sum(axis=1)


def score_cams(decisions: Decisions) -> np.ndarray | None:
    """Score-CAM of each decision, (n, L), not negative; None where the system has no feature maps."""
    if decisions.role is None:
        return None
    found = []
    for i, (function, values) in enumerate(zip(decisions.functions, decisions.values, strict=True)):
        with torch.no_grad():
            maps = decisions.recognisers[i].model.feature_maps(decisions.role, values[None])
        if maps is None:
            return None
        found.append(score_cam(function, maps[0], values, decisions.targets[i]).saliency.numpy())
    return np.stack(found)


def shap_values(
    decisions: Decisions, backgrounds: Sequence[torch.Tensor], samples: int, seed: int
) -> list[Attribution]:
    """SHAP values of each decision by expected gradients, against its background (n, L) as the network sees it."""
    cells = zip(decisions.functions, decisions.values, decisions.targets, strict=True)
    return [
        expected_gradients(*cell, background=background, samples=samples, seed=seed)
        for cell, background in zip(cells, backgrounds, strict=True)
    ]


def path_values(decisions: Decisions) -> list[Attribution]:
    """Integrated gradients of each decision: the check on SHAP values."""
    return [
        integrated_gradients(*cell)
        for cell in zip(decisions.functions, decisions.values, decisions.targets, strict=True)
    ]


def backgrounds(
    decisions: Decisions, renderer: Renderer, training: Sequence[pd.DataFrame], count: int, seed: int
) -> list[torch.Tensor]:
    """For each decision clean training rows as the network of the role sees them, (count, L), or all that there are.

    Parameters
    ----------
    decisions : Decisions
    renderer : Renderer
    training : sequence of pandas.DataFrame
        Recipes that each decision's system was trained on.
    count, seed : int
        Of the rows, and of their draw.
    """
    found, known = [], {}
    for own, function, recipes in zip(decisions.recognisers, decisions.functions, training, strict=True):
        if id(own) not in known:
            rows = recipes[recipes["variant"] == "clean"]
            rows = rows.sample(min(count, len(rows)), random_state=seed)
            waves, n_valid = zip(*((sample.signal, n) for sample, n in renderer.render(rows)), strict=True)
            values, _ = own.inputs[decisions.role].compute(np.stack(waves), np.array(n_valid))
            known[id(own)] = function.seen(torch.from_numpy(values)).detach()
        found.append(known[id(own)])
    return found


def additivity(decisions: Decisions, methods: Mapping[str, list[Attribution]]) -> pd.DataFrame:
    """By how much shares fail to add up to the logit (equation 25), mean over clips: in logits, and of their range."""
    span = float((decisions.logits.amax(dim=1) - decisions.logits.amin(dim=1)).mean())
    errors = {name: np.mean([one.additivity_error for one in method]) for name, method in methods.items()}
    table = pd.DataFrame({"method": list(errors), "error (logits)": list(errors.values())})
    return table.assign(**{"share of the logits' range (%)": 100 * table["error (logits)"] / span})


def by_descriptor(layout: pd.DataFrame, importance: np.ndarray) -> pd.DataFrame:
    """Share of the importance by descriptor, in all and for each of its features (mean over all features 1).

    Parameters
    ----------
    layout : pandas.DataFrame
        From :func:`sersupport.inputs.descriptors.layout`.
    importance : np.ndarray, shape (L,)
        Mean absolute share of each feature.
    """
    groups = layout.assign(importance=importance).groupby("descriptor")["importance"]
    share, mean = 100 * groups.sum() / importance.sum(), groups.mean() / importance.mean()
    columns = {"features": groups.size(), "share of |φ| (%)": share, "per feature, mean = 1": mean}
    return pd.DataFrame(columns).reset_index()


def occlusions(decisions: Decisions, window_s: float, hop_s: float) -> list[pd.DataFrame]:
    """Curves of :func:`sersupport.explain.perturbation.occlusion`, one a decision."""
    one_by_one = zip(decisions.recognisers, decisions.waves, decisions.n_valid, decisions.targets, strict=True)
    return [
        occlusion(own.for_length(n), wave, target, RATE_HZ, window_s, hop_s, n_valid=n)
        for own, wave, n, target in one_by_one
    ]


def over_time(decisions: Decisions, curves: list[pd.DataFrame]) -> np.ndarray:
    """Falls of :func:`occlusions` at the middle of each frame, rises as zero, (n, T)."""
    middles = [(curve["start_s"] + curve["end_s"]) / 2 for curve in curves]
    falls = zip(middles, curves, strict=True)
    return np.stack([np.interp(decisions.times_s, middle, curve["drop"].clip(lower=0)) for middle, curve in falls])


def agreement(first: np.ndarray, second: np.ndarray) -> tuple[float, int]:
    """Mean rank correlation of two sets of maps (n, T), and over how many clips: those where neither map is flat."""
    pairs = [pair for pair in zip(first, second, strict=True) if min(map(np.ptp, pair)) > 0]
    return float(np.mean([spearmanr(*pair).statistic for pair in pairs])) if pairs else float("nan"), len(pairs)


def following(decisions: Decisions, maps: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Rank correlation of each map with the energy of its frames, a column an explanation; NaN for a flat map."""
    return pd.DataFrame({
        name: [spearmanr(m, e).statistic if np.ptp(m) else np.nan for m, e in zip(own, decisions.energy, strict=True)]
        for name, own in maps.items()
    })  # fmt: skip


def deletions(decisions: Decisions, maps: Mapping[str, np.ndarray], seed: int) -> pd.DataFrame:
    """Probability after muting what each map marks and after muting as much elsewhere.

    Parameters
    ----------
    decisions : Decisions
    maps : mapping
        Maps (n, T) by explanation.
    seed : int
        Of the controls.

    Returns
    -------
    pandas.DataFrame
        A row a map that is not flat: ``explanation``, ``utterance``, what
        :func:`sersupport.explain.perturbation.deletion` gives, ``more than control`` and ``falls more (%)``.
    """
    rows = []
    for name, own in maps.items():
        for i, (wave, n, target) in enumerate(zip(decisions.waves, decisions.n_valid, decisions.targets, strict=True)):
            classify, rng = decisions.recognisers[i].for_length(n), generator(seed, name, i)
            found = deletion(classify, wave, target, own[i], decisions.descriptors.hop_length, rng, n_valid=n)
            rows.append({"explanation": name, "utterance": decisions.utterances[i], **found})
    tests = pd.DataFrame(rows).dropna()  # a flat map chooses nothing to mute
    more = tests["control_muted"] - tests["salient_muted"]
    return tests.assign(**{"more than control": more, "falls more (%)": 100.0 * (more > 0)})


def in_cues(
    decisions: Decisions, maps: Mapping[str, np.ndarray], cues: Mapping[str, tuple[float, float]]
) -> pd.DataFrame:
    """Share of each map's saliency inside the known place of the emotion, a flat map being 1; empty without cues.

    Parameters
    ----------
    decisions : Decisions
    maps : mapping
        Maps (n, T) by explanation.
    cues : mapping
        Start and end in s of the clip, by utterance.
    """
    known = [(i, cues[name]) for i, name in enumerate(decisions.utterances) if name in cues]
    if not known:
        return pd.DataFrame(columns=["explanation", "saliency in the cue, flat = 1"])
    scores = [[enrichment(own[i], decisions.times_s, *cue) for i, cue in known] for own in maps.values()]
    return pd.DataFrame({"explanation": list(maps), "saliency in the cue, flat = 1": np.nanmean(scores, axis=1)})
