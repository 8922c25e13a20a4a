"""What explanations found, as tables: a row for each clip, model (trained, or a draw untrained) and explanation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.stats import spearmanr

from sersupport.explain.attribution import Attribution
from sersupport.explain.perturbation import enrichment

SCORE_CAM, SHAP, OCCLUSION = "Score-CAM", "SHAP", "occlusion"
SHAP_METHOD, CHECK = "expected gradients (SHAP)", "integrated gradients (check)"


@dataclass
class Explained:
    """One clip as one model explains it.

    Parameters
    ----------
    names : dict
        ``model``, ``draw`` (0 where it is trained), ``utterance``, ``speaker``.
    logits, given : Tensor, shape (C,)
        Of the whole system, and of the function that stands for it in attributions: they are to be equal.
    maps : dict of str to np.ndarray, shape (T,)
        Saliency in time, not negative, by explanation.
    attributions : dict of str to Attribution
        By method.
    curve : pandas.DataFrame
        ``start_s``, ``end_s``, ``drop``: fall of the class's probability when the window is muted, in [-1, 1].
    muted : list of dict
        ``explanation`` and what :func:`sersupport.explain.perturbation.deletion` gives.
    """

    names: dict[str, Any]
    logits: torch.Tensor
    given: torch.Tensor
    curve: pd.DataFrame
    maps: dict[str, np.ndarray] = field(default_factory=dict)
    attributions: dict[str, Attribution] = field(default_factory=dict)
    muted: list[dict[str, Any]] = field(default_factory=list)


def additivity(found: Sequence[Explained]) -> pd.DataFrame:
    """By how much shares fail to add up to the logit (equation 25).

    Returns
    -------
    pandas.DataFrame
        Names; ``method``, ``error`` and ``range`` (of the clip's logits over the classes), in logits; ``share`` of the
        range that the error is.
    """

    def rows() -> Iterator[dict[str, Any]]:
        for one in found:
            span = float(one.logits.max() - one.logits.min())
            for method, own in one.attributions.items():
                error = own.additivity_error
                share = error / span if span else np.nan
                yield {**one.names, "method": method, "error": error, "range": span, "share": share}

    return pd.DataFrame(rows())


def importances(found: Sequence[Explained]) -> pd.DataFrame:
    """|SHAP value| of every feature, a row a clip and model; 1 is the mean over the features of that clip.

    So neither a clip nor a model counts for more because its logits are larger.
    """
    rows = {tuple(one.names.values()): np.abs(one.attributions[SHAP_METHOD].values) for one in found}
    index = pd.MultiIndex.from_tuples(rows, names=list(found[0].names))
    sizes = np.stack(list(rows.values()))
    return pd.DataFrame(sizes / sizes.mean(axis=1, keepdims=True), index)


def over_speakers(importance: pd.DataFrame) -> pd.DataFrame:
    """Rows of :func:`importances` averaged over each speaker's clips: ``model``, ``draw``, ``speaker`` in the index."""
    return importance.groupby(["model", "draw", "speaker"]).mean()


def by_descriptor(importance: pd.DataFrame, layout: pd.DataFrame) -> pd.DataFrame:
    """Mean importance of one feature of each descriptor.

    Parameters
    ----------
    importance : pandas.DataFrame
        From :func:`importances`.
    layout : pandas.DataFrame
        From :func:`sersupport.inputs.descriptors.layout`.

    Returns
    -------
    pandas.DataFrame
        ``model``, ``draw``, ``speaker``, ``descriptor``, ``importance``.
    """
    own = over_speakers(importance).T.groupby(layout["descriptor"].to_numpy()).mean().T
    return own.rename_axis(columns="descriptor").stack().rename("importance").reset_index()


def by_feature(importance: pd.DataFrame, layout: pd.DataFrame) -> pd.DataFrame:
    """The layout with each feature's importance, mean over speakers, for the trained and the untrained model.

    Parameters
    ----------
    importance, layout
        As for :func:`by_descriptor`, whose means these have.
    """
    means = over_speakers(importance).groupby(["model", "speaker"]).mean().groupby("model").mean()
    return layout.assign(**{name: own.to_numpy() for name, own in means.iterrows()})


def following(found: Sequence[Explained], references: Mapping[str, np.ndarray] | str) -> pd.DataFrame:
    """Rank correlation of each map with something in its frames; NaN where either is flat.

    Parameters
    ----------
    found : sequence of Explained
    references : mapping of str to np.ndarray, shape (T,), or str
        By utterance, such as the energy; or the explanation whose map the others are compared with.

    Returns
    -------
    pandas.DataFrame
        Names, ``explanation``, ``correlation``.
    """

    def rows() -> Iterator[dict[str, Any]]:
        for one in found:
            other = one.maps[references] if isinstance(references, str) else references[one.names["utterance"]]
            for name, own in one.maps.items():
                flat = name == references or np.ptp(own) == 0 or np.ptp(other) == 0
                correlation = np.nan if flat else spearmanr(own, other).statistic
                yield {**one.names, "explanation": name, "correlation": correlation}

    return pd.DataFrame(rows())


def deletions(found: Sequence[Explained]) -> pd.DataFrame:
    """Probability after muting what each map marks and after muting as much elsewhere.

    Returns
    -------
    pandas.DataFrame
        A row a map that is not flat: names, ``explanation``, what :func:`sersupport.explain.perturbation.deletion`
        gives, and ``beyond_control``, by how much more it falls.
    """
    tests = pd.DataFrame([{**one.names, **row} for one in found for row in one.muted]).dropna()
    return tests.assign(beyond_control=tests["control_muted"] - tests["salient_muted"])


def in_cues(found: Sequence[Explained], times_s: np.ndarray, cues: Mapping[str, tuple[float, float]]) -> pd.DataFrame:
    """Saliency inside the known place of the emotion, a flat map being 1; empty without cues.

    Parameters
    ----------
    found : sequence of Explained
    times_s : np.ndarray, shape (T,)
        Middle of each frame.
    cues : mapping
        Start and end in s of the clip, by utterance.

    Returns
    -------
    pandas.DataFrame
        Names, ``explanation``, ``enrichment``.
    """
    rows = [
        {**one.names, "explanation": name, "enrichment": enrichment(own, times_s, *cue)}
        for one in found
        if (cue := cues.get(one.names["utterance"]))
        for name, own in one.maps.items()
    ]
    return pd.DataFrame(rows)


def occlusions(found: Sequence[Explained]) -> pd.DataFrame:
    """Curves of the trained model, with their utterance."""
    return pd.concat([one.curve.assign(**one.names) for one in found if one.names["draw"] == 0], ignore_index=True)


def in_words(compared: pd.DataFrame, form: str) -> str:
    """What :func:`sersupport.explain.against_untrained.against_untrained` found, a clause a row.

    Parameters
    ----------
    compared : pandas.DataFrame
        Its first column names the rows.
    form : str
        Format specification of the numbers; differences get a sign.
    """
    signed = f"+{form.lstrip('+')}"
    clauses = []
    for row in compared.to_dict("records"):
        name, numbers = (
            next(iter(row.values())),
            f"{row['trained']:{form}} trained, {row['untrained']:{form}} untrained",
        )
        interval = "" if np.isnan(row["low"]) else f", from {row['low']:{signed}} to {row['high']:{signed}}"
        clauses.append(f"{name} {row['told_apart']} ({numbers}; difference {row['difference']:{signed}}{interval})")
    return "; ".join(clauses)
