"""Trained systems on the grids of noise: recording by recording, sources heard and unheard, types never heard."""

from collections.abc import Collection, Iterable, Mapping

import numpy as np
import pandas as pd

from sersupport.evaluation.curves import area_weights
from sersupport.evaluation.intervals import speaker_interval
from sersupport.evaluation.metrics import metrics
from sersupport.evaluation.noise import CELLS
from sersupport.evaluation.paired import holm
from sersupport.evaluation.ranking import every_pair, ranks
from sersupport.evaluation.resampling import resampled
from sersupport.evaluation.tables import number_of_sources
from sersupport.recipes.drawing import MADE
from sersupport.studies.jobs import Bench, Trained

UNHEARD = "unheard"  # noise_part of types that training never has
HEARD = "types of training"


def on_grids(
    bench: Bench,
    systems: Iterable[Trained],
    grids: Mapping[str, tuple[str, pd.DataFrame]],
    tested: Mapping[int, Collection[str]],
) -> pd.DataFrame:
    """Predictions of every system on what its fold tests of every grid.

    Parameters
    ----------
    bench : Bench
    systems : iterable of Trained
    grids : mapping
        By name: the part whose noise sources it has ("train", "test"), and its recipes.
    tested : mapping
        By fold, the utterances that it tests.

    Returns
    -------
    pandas.DataFrame
        Predictions table with ``noise_part``.
    """
    tables = []
    for part, recipes in grids.values():
        of_fold = {fold: recipes[recipes["utterance"].isin(own)] for fold, own in tested.items()}
        tables.append(bench.test(systems, of_fold).assign(noise_part=part))
    return pd.concat(tables, ignore_index=True)


def by_source(predictions: pd.DataFrame, system: str, samples: int = 1000) -> pd.DataFrame:
    """One system's UAR in noise from each recording by itself, all decibels together, with intervals over speakers.

    Parameters
    ----------
    predictions : pandas.DataFrame
        Of :func:`on_grids`.
    system : str
    samples : int
        Bootstrap samples.

    Returns
    -------
    pandas.DataFrame
        ``noise``, ``source``, ``utterances`` (each with an offset of its own), ``UAR``, ``low``, ``high``, and
        ``clean``, the UAR of the same utterances without noise.
    """
    own = predictions[(predictions["system"] == system) & (predictions["noise_part"] == "test")]
    clean, rows = own[own["condition"] == "clean"], []
    noisy = own[(own["level_kind"] == "snr") & (own["source"] != "")]
    for (noise, source), part in noisy.groupby(["noise", "source"]):
        same = clean[clean["utterance"].isin(set(part["utterance"]))]
        low, high = speaker_interval(part, samples)
        uar = [metrics(one)["recall"] for one in (part, same)]
        rows.append((noise, source, part["utterance"].nunique(), uar[0], low, high, uar[1]))
    return pd.DataFrame(rows, columns=["noise", "source", "utterances", "UAR", "low", "high", "clean"])


def heard_less_unheard(predictions: pd.DataFrame, samples: int = 1000) -> pd.DataFrame:
    """Area under UAR over decibels in noise from the sources of training less that from others, paired by speaker.

    Parameters
    ----------
    predictions : pandas.DataFrame
        Of :func:`on_grids`; utterances that are in both grids are compared, at the decibels that both have.
    samples : int
        Bootstrap samples, over speakers and over the sources of both parts.

    Returns
    -------
    pandas.DataFrame
        ``system``, ``noise``, ``heard`` and ``unheard`` (numbers of sources), ``difference``, ``low``, ``high``, ``p``,
        ``p_holm`` over all rows. Where either part has a single source nothing is tested: one recording says nothing
        about a kind of noise.
    """
    at_snr = predictions[predictions["level_kind"] == "snr"]
    heard, other = (at_snr[at_snr["noise_part"] == part] for part in ("train", "test"))
    shared = ["system", "noise", "level", "utterance"]
    pairs = heard[shared].drop_duplicates().merge(other[shared].drop_duplicates())
    cells = pd.concat([heard, other]).merge(pairs, on=shared)
    scores = resampled(cells, [*CELLS, "noise_part"], samples=samples, sources=True)
    rows = []
    for (system, noise), own in cells.groupby(["system", "noise"], sort=False):
        parts = {part: area_weights(scores, system=system, noise=noise, noise_part=part) for part in ("train", "test")}
        numbers = [number_of_sources(own[own["noise_part"] == part]) for part in parts]
        found = scores.tested(parts["train"] - parts["test"])
        if min(numbers) < 2:
            found["p"] = np.nan
        rows.append({"system": system, "noise": noise, "heard": numbers[0], "unheard": numbers[1], **found})
    frame = pd.DataFrame(rows)
    return frame.assign(p_holm=holm(frame["p"]))


class UnheardTypes:
    """UAR under what training never has, all levels together, beside clean speech and the types of training.

    Parameters
    ----------
    predictions : pandas.DataFrame
        Of :func:`on_grids`. The recorded types of training stand together, at the same decibels as the unheard ones;
        all rows are of the same utterances.
    samples : int
        Bootstrap samples, over speakers and over the sources of each noise.
    """

    def __init__(self, predictions: pd.DataFrame, samples: int = 1000) -> None:
        new = predictions[predictions["noise_part"] == UNHEARD]
        here = predictions[predictions["utterance"].isin(set(new["utterance"])) & (predictions["noise_part"] == "test")]
        at_levels = (here["level_kind"] == "snr") & here["level"].isin(new.loc[new["level_kind"] == "snr", "level"])
        kinds = [
            here[here["condition"] == "clean"].assign(kind="clean"),
            here[at_levels & ~here["noise"].isin(MADE)].assign(kind=HEARD),
            new.assign(kind=new["noise"]),
        ]
        cells = pd.concat(kinds)
        self.scores = resampled(cells, ["system", "kind"], samples=samples, sources=True)
        self.sources = {kind: number_of_sources(rows) for kind, rows in cells.groupby("kind", sort=False)}

    def table(self) -> pd.DataFrame:
        """A row a system and kind.

        Returns
        -------
        pandas.DataFrame
            ``system``, ``kind``, ``recall`` (UAR), ``uar_low``, ``uar_high``, ``sources``, then what is lost against
            clean speech: ``less clean``, ``low``, ``high``, ``speakers``, ``p_holm`` (NaN for a single source); NaN for
            clean speech.
        """
        found, rows = self.scores.table().rename(columns={"score": "recall", "low": "uar_low", "high": "uar_high"}), []
        for system, kind in self.scores.groups.itertuples(index=False):
            lost = self.scores.tested(self._of(system, kind) - self._of(system, "clean")) if kind != "clean" else {}
            lost |= {"p": np.nan} if self.sources[kind] == 1 else {}
            rows.append({"sources": self.sources[kind], **lost})
        found = found.join(pd.DataFrame(rows).rename(columns={"difference": "less clean"}))
        return found.assign(p_holm=holm(found["p"])).drop(columns="p")

    def ranks(self, system: str) -> pd.DataFrame:
        """Ranks (1 is easiest) of the unheard kinds; see :meth:`sersupport.evaluation.noise.Axis.ranks`."""
        several = [kind for kind, number in self.sources.items() if number != 1 and kind not in ("clean", HEARD)]
        return ranks(several, every_pair(self.scores, {kind: self._of(system, kind) for kind in several}))

    def _of(self, system: str, kind: str) -> np.ndarray:
        return self.scores.where(system=system, kind=kind)
