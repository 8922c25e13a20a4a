"""The systems of four papers on the same recordings: which to use, at what noise the answer changes, and what warns."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from torch.utils.data import DataLoader

from sersupport.evaluation import SIGNIFICANT
from sersupport.evaluation.paired import holm, over_folds
from sersupport.evaluation.ranking import every_pair, over_both, ranks
from sersupport.evaluation.resampling import resampled
from sersupport.evaluation.speed import throughput
from sersupport.evaluation.tables import summarise
from sersupport.explain.untrained import untrained
from sersupport.inputs.base import Input
from sersupport.inputs.frames import Frames
from sersupport.inputs.logmel import LogMel
from sersupport.inputs.store import MaterialsDataset
from sersupport.inputs.waveform import Waveform
from sersupport.studies.jobs import Bench, Trained
from sersupport.systems import trnet
from sersupport.systems.humpcat import uniformity

CLEAN = "clean"
NEUTRAL = "neutral"
GAP = 0.15  # of accuracy, clean less noisy: more of it is a sign of failure (digest of arXiv 2512.18298)
UNTRAINED = {"none", "spectral gating"}  # enhancers without trained weights
NEARLY_EVEN = 0.95  # of the entropy that even attention has: it has become a mean; not printed


class Comparison:
    """Every system clean and at each level of noise, all noises together.

    Parameters
    ----------
    predictions : pandas.DataFrame
        Predictions table of the same recordings from every system: clean, and on the SNR axis.
    samples : int
        Bootstrap samples, over speakers and over the sources of each noise.

    Attributes
    ----------
    apart : pandas.DataFrame
        Every pair of systems on each kind of speech, p corrected over all of them; see :func:`.ranking.every_pair`.
        ``p_folds`` is that over folds, corrected alike; see :func:`.paired.over_folds`.
    """

    def __init__(self, predictions: pd.DataFrame, samples: int = 1000) -> None:
        self.systems = list(predictions["system"].unique())
        noisy = predictions["level_kind"] == "snr"
        self.levels = sorted(predictions.loc[noisy, "level"].unique(), reverse=True)
        self.cells = predictions.assign(speech=predictions["level"].map("{:g} dB".format).where(noisy, CLEAN))
        self.speech = [CLEAN, *(f"{level:g} dB" for level in self.levels)]
        self.samples = samples
        heard = dict(list(self.cells.groupby("speech")))
        self._scores = resampled(self.cells, ["system", "speech"], samples=samples, sources=True)
        each = pd.concat([self.pairs([kind]).assign(speech=kind) for kind in self.speech], ignore_index=True)
        over = [over_folds(heard[one.speech], one.first, one.second) for one in each.itertuples()]
        self.apart = each.assign(p_holm=holm(each["p"]), p_folds=holm(over))

    def table(self) -> pd.DataFrame:
        """What :func:`sersupport.evaluation.tables.summarise` gives by ``system`` and ``speech``, loudest last."""
        found = summarise(self.cells, ["system", "speech"], self.samples, sources=True)
        found = found.sort_values("speech", key=lambda own: own.map(self.speech.index), kind="stable")
        noisy = self.cells[self.cells["speech"] != CLEAN].assign(speech="all noise")
        every = summarise(noisy, ["system", "speech"], self.samples, sources=True)
        return pd.concat([found, every], ignore_index=True)

    def pairs(self, speech: Sequence[str]) -> pd.DataFrame:
        """Every pair of systems on some kinds of speech together; see :func:`.ranking.every_pair`."""
        weights = {
            system: np.mean([self._scores.where(system=system, speech=kind) for kind in speech], axis=0)
            for system in self.systems
        }
        return every_pair(self._scores, weights)

    def first(self) -> pd.DataFrame:
        """Who may be first, clean and at each level: all that are told apart from none as the worse one.

        Returns
        -------
        pandas.DataFrame
            ``speech``, ``system`` (the highest UAR), ``recall`` (its), ``may be first`` and ``by folds as well`` (lists
            of systems): where pairs are told apart over speakers, and where over folds too, if there are enough.
        """
        rows = []
        for kind in self.speech:
            own = [self._scores.scores @ self._scores.where(system=name, speech=kind) for name in self.systems]
            pairs, best = self.apart[self.apart["speech"] == kind], int(np.argmax(own))
            both = pairs.assign(p_holm=over_both(pairs))
            first = [ranks(self.systems, one).query("first == 1")["name"].tolist() for one in (pairs, both)]
            rows.append((kind, self.systems[best], own[best], *first))
        return pd.DataFrame(rows, columns=["speech", "system", "recall", "may be first", "by folds as well"])

    def gaps(self) -> pd.DataFrame:
        """UAR on clean speech less that in all noise, as many rows at each level, by ``system``.

        Returns
        -------
        pandas.DataFrame
            ``system``, ``difference``, ``low``, ``high`` (95 %), ``wide`` ("yes", "no", or "undecided" where the
            interval holds :data:`GAP`).
        """
        rows = []
        for system in self.systems:
            clean, *noisy = (self._scores.where(system=system, speech=kind) for kind in self.speech)
            found = self._scores.tested(clean - np.mean(noisy, axis=0))
            wide = "yes" if found["low"] > GAP else "no" if found["high"] < GAP else "undecided"
            rows.append((system, found["difference"], found["low"], found["high"], wide))
        return pd.DataFrame(rows, columns=["system", "difference", "low", "high", "wide"])

    def reversals(self) -> list[tuple[str, str]]:
        """Pairs of systems of which each is told apart as the better one, on different kinds of speech."""
        sure = self.apart[self.apart["p_holm"] < SIGNIFICANT]
        signs = np.sign(sure["difference"]).groupby([sure["first"], sure["second"]]).nunique()
        return list(signs.index[signs == 2])


def costs(
    bench: Bench, trained: Sequence[Trained], recipes: pd.DataFrame, history: pd.DataFrame, seconds: float = 0.3
) -> pd.DataFrame:
    """What each system takes: numbers trained, clips a second from the waveform on, seconds of training.

    Parameters
    ----------
    bench : Bench
    trained : sequence of Trained
        The first of each system is timed.
    recipes : pandas.DataFrame
        The first 16 are classified.
    history : pandas.DataFrame
        Courses of trainings of the systems; see :meth:`.jobs.Bench.history`.
    seconds : float
        For which each is repeated.

    Returns
    -------
    pandas.DataFrame
        ``system``, ``pretrained`` (what hears the clip first and was trained before: "encoder", an enhancer; or
        nothing), ``parameters`` (that training sets), ``clips_per_s``, ``training_s`` (of a processor, mean over
        trainings; NaN where there is no descent).
    """
    rendered = bench.store.renderer.render(recipes.head(16))
    waves, n_valid = np.stack([sample.signal for sample, _ in rendered]), [count for _, count in rendered]
    rows = []
    for name in dict.fromkeys(one.names["system"] for one in trained):
        own = [one for one in trained if one.names["system"] == name]
        recogniser = bench.recogniser(own[0])
        parts = recogniser.model.named_parameters()
        rows.append({
            "system": name,
            "pretrained": ", ".join(_pretrained(recogniser.inputs)),
            "parameters": sum(part.numel() for name, part in parts if not name.startswith(trnet.FROZEN)),
            "clips_per_s": throughput(lambda ask=recogniser: len(ask(waves, n_valid)), seconds),
            "training_s": history[history["system"] == name].groupby(["fold", "seed"])["cpu_s"].max().mean(),
        })  # fmt: skip
    return pd.DataFrame(rows)


def _pretrained(inputs: Mapping[str, Input]) -> list[str]:
    hears = any(isinstance(one, Frames | Waveform) for one in inputs.values())
    enhancers = {one.enhancer for one in inputs.values() if isinstance(one, LogMel)} - UNTRAINED
    return ["encoder"] * hears + sorted(enhancers)


def neutral_share(predictions: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """How often neutral is said, and how often it is true: a bias that transfer between languages may show.

    Parameters
    ----------
    predictions : pandas.DataFrame
    by : sequence of str
        Columns that define the groups.

    Returns
    -------
    pandas.DataFrame
        ``by``, ``said`` and ``true``, shares of the rows.
    """
    is_neutral = predictions[["predicted", "true"]].eq(NEUTRAL).rename(columns={"predicted": "said"})
    return is_neutral.groupby([predictions[name] for name in by], sort=False).mean().reset_index()


def evenness(bench: Bench, trained: Trained, recipes: pd.DataFrame) -> pd.DataFrame:
    """How evenly HuMP-CAT attends, and the same network with random weights: what nothing learnt would look like.

    Parameters
    ----------
    bench : Bench
    trained : Trained
        A :class:`sersupport.systems.humpcat.Humpcat`.
    recipes : pandas.DataFrame
        One row or more.

    Returns
    -------
    pandas.DataFrame
        By ``stage``, of those that attend, and recipe: ``trained`` and ``untrained``, see
        :func:`sersupport.systems.humpcat.uniformity`.
    """
    model, inputs = bench.model(trained)
    rows = MaterialsDataset(bench.store.materials(inputs, recipes))
    given = next(iter(DataLoader(rows, batch_size=len(rows))))
    lengths = {"prosody": torch.ones(len(rows)), "frames": given["low_length"].clamp(min=1)}
    found = {}
    for kind, own in (("trained", model), ("untrained", untrained(model, seed=0))):
        for stage, weights in own.attention(**given).items():
            even = uniformity(weights, given["cepstra_length"].clamp(min=2), lengths[stage])
            found.setdefault(stage, {})[kind] = even.numpy().clip(0, 1)
    return pd.concat([pd.DataFrame(own).assign(stage=stage) for stage, own in found.items()], ignore_index=True)
