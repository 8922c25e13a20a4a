"""Trained systems on the grids of noise: what is left at each level, which noise is hardest, what hearing it brings."""

from collections.abc import Collection, Iterable, Mapping

import pandas as pd

from sersupport.evaluation.curves import robustness_area
from sersupport.evaluation.paired import paired_difference
from sersupport.evaluation.tables import summarise
from sersupport.recipes.drawing import MADE
from sersupport.studies.jobs import Bench, Trained


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


def areas(scores: pd.DataFrame) -> pd.Series:
    """Area under UAR over decibels, by system and noise.

    Parameters
    ----------
    scores : pandas.DataFrame
        ``system``, ``noise``, ``level`` (dB) and ``recall``, as :func:`sersupport.evaluation.tables.summarise` gives
        them.
    """
    curves = scores.groupby(["system", "noise"], sort=False)[["level", "recall"]]
    return curves.apply(lambda curve: robustness_area(curve["level"], curve["recall"])).rename("area")


def ranks(at_equal_lambda: pd.Series, at_equal_snr: pd.Series) -> pd.DataFrame:
    """Rank of each noise (one is easiest) on both axes.

    Parameters
    ----------
    at_equal_lambda, at_equal_snr : pandas.Series
        A score by noise.

    Returns
    -------
    pandas.DataFrame
        ``noise``, ``equal λ``, ``equal SNR``.
    """
    both = {"equal λ": at_equal_lambda, "equal SNR": at_equal_snr}
    found = pd.DataFrame({name: scores.rank(ascending=False) for name, scores in both.items()})
    return found.rename_axis("noise").reset_index()


def heard_less_unheard(predictions: pd.DataFrame, samples: int = 1000) -> pd.DataFrame:
    """UAR in environmental noise from the sources of training less that from others, all λ together, paired by speaker.

    Parameters
    ----------
    predictions : pandas.DataFrame
        Of :func:`on_grids`; utterances that are in both grids are compared.
    samples : int
        Bootstrap samples.

    Returns
    -------
    pandas.DataFrame
        ``system``, ``noise``, and what :func:`sersupport.evaluation.paired.paired_difference` gives.
    """
    same = set(predictions.loc[predictions["noise_part"] == "train", "utterance"])
    kept = predictions["utterance"].isin(same) & ~predictions["noise"].isin(MADE)
    cells = predictions[kept & (predictions["level_kind"] == "lambda")]
    rows = [
        {"system": system, "noise": noise, **paired_difference(part, "train", "test", samples=samples, by="noise_part")}
        for (system, noise), part in cells.groupby(["system", "noise"], sort=False)
    ]
    return pd.DataFrame(rows)


UNHEARD = "unheard"  # noise_part of types that training never has
HEARD = "types of training"


def in_unheard_types(predictions: pd.DataFrame, samples: int = 1000) -> pd.DataFrame:
    """UAR by noise type that training never has, all its levels together, and what is lost against clean speech.

    Parameters
    ----------
    predictions : pandas.DataFrame
        Of :func:`on_grids`. Beside each unheard type stand clean speech and, together, the recorded types of training
        at the same levels, all on the same utterances.
    samples : int
        Bootstrap samples.

    Returns
    -------
    pandas.DataFrame
        What :func:`sersupport.evaluation.tables.summarise` gives by ``system`` and ``noise``, then ``less clean``,
        ``low`` and ``high``, paired by speaker; NaN for clean speech.
    """
    new = predictions[predictions["noise_part"] == UNHEARD]
    here = predictions[predictions["utterance"].isin(set(new["utterance"])) & (predictions["noise_part"] == "test")]
    clean = here[here["condition"] == "clean"].assign(noise="clean")
    at_levels = (here["level_kind"] == "snr") & here["level"].isin(new.loc[new["level_kind"] == "snr", "level"])
    known = here[at_levels & ~here["noise"].isin(MADE)].assign(noise=HEARD)
    rows = []
    for (system, noise), part in pd.concat([clean, known, new]).groupby(["system", "noise"], sort=False):
        both = pd.concat([part, clean[clean["system"] == system]]) if noise != "clean" else part[:0]
        gap = paired_difference(both, noise, "clean", samples=samples, by="noise") if len(both) else {}
        lost = {"less clean": gap.get("difference"), "low": gap.get("low"), "high": gap.get("high")}
        rows.append({**summarise(part, ["system", "noise"], samples).iloc[0], **lost})
    return pd.DataFrame(rows).astype(dict.fromkeys(["less clean", "low", "high"], float))
