"""Studies: one model and one budget under changed circumstances, the split of the data or a part of the system."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

import pandas as pd

from sersupport import evaluation, series
from sersupport.backbones import Backbone
from sersupport.dataset import Materials, Renderer, materialise
from sersupport.run import Run
from sersupport.splits import PARTS, THINNED, thinned

BASELINE = "baseline"  # the study's own row, trained like its variants
_SETTINGS = {
    "mean pooling": {"pooling": "mean"},
    "statistics pooling": {"pooling": "statistics"},
}
_WIDTH = {"half width": 0.5, "double width": 2.0}
_LEFT_OUT = {"no noisy rows": "noisy", "no pitched rows": "pitched", "clean rows only": "noisy|pitched"}
# what a protocol takes away from the one before it
TAKEN_AWAY = {
    "utterance-grouped": "augmented siblings",
    "speaker-disjoint": "known voices",
    THINNED: "training rows",
    "speaker-and-text-disjoint": "known texts",
}


def rungs(protocols: pd.DataFrame, utterances: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Assignments in the ladder's order, with the control that loses as many training rows as the last but no text.

    Parameters
    ----------
    protocols : pandas.DataFrame
        Assignments of :func:`sersupport.splits.possible`, one below the other, with ``protocol``.
    utterances : pandas.DataFrame
        The utterance table.
    """
    found = dict(iter(protocols.groupby("protocol", sort=False)))
    strictest = found.pop("speaker-and-text-disjoint", None)
    if strictest is None:
        return found
    control = thinned(found["speaker-disjoint"], strictest, utterances)
    return found | {THINNED: control, "speaker-and-text-disjoint": strictest}


def divided(rows: Materials, assignment: pd.DataFrame) -> dict[str, Materials]:
    """Materials by part of a protocol.

    Parameters
    ----------
    rows : Materials
        All variants of all utterances.
    assignment : pandas.DataFrame
        From :func:`sersupport.splits.assign`: utterance, variant, split. Rows that it lacks are left out.
    """
    parts = rows.recipes[["utterance", "variant"]].merge(assignment, on=["utterance", "variant"], how="left")["split"]
    return {part: rows.select((parts == part).to_numpy()) for part in PARTS}


def ladder(
    run: Run,
    rows: Materials,
    assignments: Mapping[str, pd.DataFrame],
    utterances: pd.DataFrame,
    encoder: Backbone,
) -> pd.DataFrame:
    """Train the study's row under each protocol, for each seed, and classify the protocol's own test rows.

    Every protocol gets the same model and the same number of optimiser steps, so that what is left between them is
    who and what was heard before.

    Parameters
    ----------
    run : Run
    rows : Materials
        All variants of all utterances.
    assignments : mapping
        Protocol to assignment.
    utterances : pandas.DataFrame
        The utterance table.
    encoder : Backbone

    Returns
    -------
    pandas.DataFrame
        Predictions table with ``protocol`` and ``variant``.
    """
    tables, most = [], None
    for protocol, assignment in assignments.items():
        parts = divided(rows, assignment)
        most = most or len(parts["train"])
        who = {"system": run.p.study_row, "protocol": protocol}
        tables += _trained(run, f"ladder/{protocol}", parts, most, utterances, encoder, who)
    return pd.concat(tables, ignore_index=True).assign(variant=lambda frame: frame["condition"])


def variants(
    run: Run,
    data: Mapping[str, Materials],
    utterances: pd.DataFrame,
    renderer: Renderer,
    encoder: Backbone,
) -> pd.DataFrame:
    """Train the study's row as it is and with one part changed at a time, and classify the same test rows.

    Every variant takes as many optimiser steps as the baseline, also where it has fewer training rows.

    Parameters
    ----------
    run : Run
        Its ``variants`` say which.
    data : mapping
        Materials by part: the training quadruplets, validation, and the test rows on which all are compared.
    utterances : pandas.DataFrame
        The utterance table.
    renderer, encoder
        For variants that need other descriptors or the waveforms themselves.

    Returns
    -------
    pandas.DataFrame
        Predictions table, ``system`` being the variant or :data:`BASELINE`.
    """
    tables = []
    for name in (BASELINE, *run.p.variants):
        own, changes, factor = _changed(run, name, data, renderer, encoder)
        who = {"system": name, "protocol": "speaker-disjoint"}
        rows = len(data["train"])
        tables += _trained(run, f"variants/{name}", own, rows, utterances, encoder, who, changes, factor)
    return pd.concat(tables, ignore_index=True)


def _trained(
    run: Run,
    folder: str,
    parts: Mapping[str, Materials],
    rows: int,
    utterances: pd.DataFrame,
    encoder: Backbone,
    who: Mapping[str, str],
    changes: Mapping[str, object] = MappingProxyType({}),
    factor: float = 1.0,
) -> list[pd.DataFrame]:
    """The study's row, trained for each seed and tested on its test rows.

    It takes as many optimiser steps as the study's epochs over ``rows`` would; ``changes`` are arguments of the
    configuration, ``factor`` is on the learning rate.
    """
    tables = []
    epochs = max(1, round(run.p.study_epochs * rows / max(len(parts["train"]), 1)))
    for seed in run.p.study_seeds:
        how = series.settings(run, seed=seed, epochs=epochs, learning_rate=run.p.learning_rate * factor)
        config = series.configuration(run, run.p.study_row, encoder, **{"cnn_width": run.p.study_width} | dict(changes))
        fit = series.fit(run, config, encoder, parts, f"{folder}-{seed}", how)
        constants = {"protocol": who["protocol"], "fold": run.p.fold, "seed": seed}
        tables.append(evaluation.predictions_of({who["system"]: fit.model}, parts["test"], utterances, **constants))
    return tables


def _changed(
    run: Run, name: str, data: Mapping[str, Materials], renderer: Renderer, encoder: Backbone
) -> tuple[Mapping[str, Materials], dict[str, object], float]:
    """Materials, arguments of the configuration, and factor on the learning rate of a variant."""
    if name in _LEFT_OUT:
        kept = ~data["train"].recipes["condition"].str.contains(_LEFT_OUT[name])
        return {**data, "train": data["train"].select(kept.to_numpy())}, {}, 1.0
    if name in _WIDTH:
        return data, {"cnn_width": run.p.study_width * _WIDTH[name]}, 1.0
    if name == "K = 40":
        longer = replace(series.feature_parameters(run), n_mfcc=40)
        other = {
            part: rows.with_spectral(materialise(renderer, rows.recipes, longer, None, run.cache))
            for part, rows in data.items()
        }
        return other, {"spectral_length": longer.length(series.clip_samples(run))}, 1.0
    if name == "fine-tuned":
        parameters = series.feature_parameters(run)
        waves = {
            part: materialise(renderer, rows.recipes, parameters, encoder, run.cache, frozen=False)
            for part, rows in data.items()
        }
        # what is pretrained would be lost at the rate at which the head learns from nothing
        return waves, {"backbone": series.encoder_config(encoder)}, 0.1
    return data, _SETTINGS.get(name, {}), 1.0
