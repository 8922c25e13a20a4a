"""Trained systems on the grids of noise: what is left at each level, which noise is hardest, what hearing it brings."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from sersupport.evaluation.curves import robustness_area
from sersupport.evaluation.paired import paired_difference
from sersupport.recipes.bank import ENVIRONMENTS
from sersupport.studies.jobs import Bench, Trained


def on_grids(
    bench: Bench, systems: Mapping[str, Trained], grids: Mapping[str, tuple[str, pd.DataFrame]]
) -> pd.DataFrame:
    """Predictions of every system on every grid.

    Parameters
    ----------
    bench : Bench
    systems : mapping
        Trained systems by name.
    grids : mapping
        By name: the part whose noise sources it has ("train", "test"), and its recipes.

    Returns
    -------
    pandas.DataFrame
        Predictions table with ``noise_part``.
    """
    tables = [
        bench.predictions(system, recipes).assign(noise_part=part)
        for part, recipes in grids.values()
        for system in systems.values()
    ]
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
    kept = predictions["utterance"].isin(same) & predictions["noise"].isin(ENVIRONMENTS)
    cells = predictions[kept & (predictions["level_kind"] == "lambda")]
    rows = [
        {"system": system, "noise": noise, **paired_difference(part, "train", "test", samples=samples, by="noise_part")}
        for (system, noise), part in cells.groupby(["system", "noise"], sort=False)
    ]
    return pd.DataFrame(rows)
