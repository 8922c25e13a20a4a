"""Studies: one model and one budget under changed circumstances, the split of the data or a part of the system."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

import pandas as pd

from sersupport import UserError, distill, evaluation, noise, probe, series
from sersupport.backbones import Backbone
from sersupport.dataset import Materials, Renderer, materialise
from sersupport.distill import Speech
from sersupport.noise import NoiseBank
from sersupport.run import Run
from sersupport.splits import PARTS, THINNED, thinned

BASELINE = "baseline"  # what is trained like its variants, with nothing changed
UNTAUGHT = "before teaching"
PROBE = "linear probe"
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
        who = {"system": run.p.study_row, "row": run.p.study_row, "protocol": protocol}
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
        Predictions table with ``speech`` (clean, noisy), ``system`` being the variant or :data:`BASELINE`.
    """
    tables = []
    for name in (BASELINE, *run.p.variants):
        own, changes, factor = _changed(run, name, data, renderer, encoder)
        who = {"system": name, "row": run.p.study_row, "protocol": "speaker-disjoint"}
        rows = len(data["train"])
        tables += _trained(run, f"variants/{name}", own, rows, utterances, encoder, who, changes, factor)
    return _by_speech(tables)


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
    """A row (``who["row"]``), trained for each of the study's seeds and tested on its test rows.

    It takes as many optimiser steps as the study's epochs over ``rows`` would; ``changes`` are arguments of the
    configuration, ``factor`` is on the learning rate.
    """
    tables = []
    epochs = max(1, round(run.p.study_epochs * rows / max(len(parts["train"]), 1)))
    for seed in run.p.study_seeds:
        how = series.settings(run, seed=seed, epochs=epochs, learning_rate=run.p.learning_rate * factor)
        config = series.configuration(run, who["row"], encoder, **{"cnn_width": run.p.study_width} | dict(changes))
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


def encoders(
    run: Run,
    recipes: Mapping[str, pd.DataFrame],
    utterances: pd.DataFrame,
    renderer: Renderer,
    here: Mapping[str, Backbone],
) -> pd.DataFrame:
    """Classify the same test rows with each encoder frozen: by a linear probe, and by rows of the ablation.

    Parameters
    ----------
    run : Run
    recipes : mapping
        Recipes by part. The probe is trained on the clean training rows, the rows on all of them; tested are the
        clean rows and those with environmental noise.
    utterances : pandas.DataFrame
        The utterance table.
    renderer : Renderer
    here : mapping
        Encoders by name, see :func:`sersupport.series.encoders`.

    Returns
    -------
    pandas.DataFrame
        Predictions table with ``encoder`` and ``speech`` (clean, noisy), ``system`` being :data:`PROBE` or the row.
    """
    tables, tested = [], recipes["test"][noise.environmental(recipes["test"])]
    for name, encoder in here.items():
        parts = {**recipes, "test": tested}.items()
        data = {part: series.materials(run, rows, renderer, encoder, frozen=True) for part, rows in parts}
        clean = data["train"].select((data["train"].recipes["condition"] == "clean").to_numpy())
        constants = {"protocol": "speaker-disjoint", "fold": run.p.fold, "seed": run.p.seed}
        own = [probe.predictions(clean, data["test"], utterances, system=PROBE, **constants)]
        for row in run.p.encoder_rows:
            who = {"system": row, "row": row, "protocol": "speaker-disjoint"}
            folder = f"encoders/{name.replace('/', '--')}/{row}"
            own += _trained(run, folder, data, len(data["train"]), utterances, encoder, who, {"backbone": None})
        tables += [table.assign(encoder=name) for table in own]
    return _by_speech(tables)


def _by_speech(tables: list[pd.DataFrame]) -> pd.DataFrame:
    rows = pd.concat(tables, ignore_index=True)
    return rows.assign(speech=rows["condition"].where(rows["condition"] == "clean", "noisy"))


def students(run: Run, bank: NoiseBank, speech: Speech) -> dict[str, Backbone]:
    """Teach a student by the run's plan, and one by each of its variants; those that are finished are loaded.

    Parameters
    ----------
    run : Run
    bank : NoiseBank
    speech : Speech
        To which the teacher listened by the run's plan; for a plan with other layers or speeds it listens again.

    Returns
    -------
    dict of str to Backbone
        By :data:`UNTAUGHT` (before the first lesson), :data:`BASELINE` or variant.
    """
    plan = series.plan(run)
    changed = distill.variants(plan)
    plans = {BASELINE: plan} | {name: changed[name] for name in run.p.lesson_variants}
    start = series.encoder(run, run.p.student_start, [-1]) if run.p.student_start else None
    taught = {UNTAUGHT: distill.untaught(plan, start)}
    for name, own in plans.items():
        same = (own.layers, own.speeds) == (plan.layers, plan.speeds)
        heard = speech if same else series.lesson_speech(run, own)
        taught[name] = Backbone(distill.teach(heard, bank, run.path(f"models/{name}"), own, start), [-1])
    return taught


def corpus_to_probe(utterances: pd.DataFrame) -> pd.DataFrame:
    """Utterances of the corpus with the most speakers who may, and who may not, be heard in teaching.

    Raises
    ------
    UserError
        If there is nobody who may be heard.
    """
    sizes = {}
    for name, rows in utterances.groupby("corpus", sort=False):
        heard = distill.heard(rows)["speaker"].nunique()
        sizes[name] = min(heard, rows["speaker"].nunique() - heard), heard
    name = max(sizes, key=sizes.get)
    if sizes[name][1] == 0:
        raise UserError("every speaker of this run must stay unheard in teaching: add corpora or speakers")
    return utterances[utterances["corpus"] == name]


def probed(
    run: Run, encoders: Mapping[str, Backbone], utterances: pd.DataFrame, renderer: Renderer, snr_db: float = 10.0
) -> pd.DataFrame:
    """Linear probes of encoders on one corpus, trained on clean speech of the speakers whom students may hear.

    Parameters
    ----------
    run : Run
    encoders : mapping
        By name.
    utterances : pandas.DataFrame
        Utterances of the corpus.
    renderer : Renderer
    snr_db : float
        Of the environmental noise, from the test sources, in which each clip is classified besides.

    Returns
    -------
    pandas.DataFrame
        Predictions table with ``speech`` (clean, noisy), ``system`` being the encoder, ``protocol`` "heard" (each of
        those speakers by a probe trained on the others: for choosing among students) or "unheard" (for reporting).
    """
    noisy = noise.grid(
        utterances, renderer.bank, noise.ENVIRONMENTS, [snr_db], "snr", run.p.seed, clip_length_s=run.p.clip_length_s
    )
    recipes = pd.concat([noise.clean(utterances), noisy], ignore_index=True)
    heard = recipes["utterance"].isin(distill.heard(utterances)["id"]).to_numpy()
    clean = (recipes["condition"] == "clean").to_numpy()
    speakers = utterances.set_index("id")["speaker"]
    tables = []
    for name, encoder in encoders.items():
        rows = materialise(renderer, recipes, None, encoder, run.cache)
        constants = {"system": name, "fold": 0, "seed": run.p.seed}
        train, own = rows.select(heard & clean), rows.select(heard)
        if speakers[train.recipes["utterance"]].nunique() > 1:
            tables.append(probe.cross_validated(train, own, speakers, utterances, protocol="heard", **constants))
        if not heard.all():
            others = rows.select(~heard)
            tables.append(probe.predictions(train, others, utterances, protocol="unheard", **constants))
    return _by_speech(tables)
