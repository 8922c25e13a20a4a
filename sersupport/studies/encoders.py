"""What encoders tell: linear probes and rows on each, and students taught by one of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from sersupport.core.errors import UserError
from sersupport.inputs.encoders.encoder import Encoder
from sersupport.recipes.bank import NoiseBank
from sersupport.recipes.drawing import clean, environmental, grid
from sersupport.studies.ablation import BASELINE
from sersupport.studies.jobs import Job
from sersupport.studies.setup import PROBE, Parts, Setup
from sersupport.systems import distill
from sersupport.systems.distill import Plan
from sersupport.systems.lessons import Speech, heard

UNTAUGHT = "before teaching"
# of three for row D with Whisper base on RAVDESS, the best on validation speakers: UAR 0.753, with 0.1 0.724, with 0.3
# 0.686 (mean of folds 0, 2 and 4)
FINETUNED_RATE = 0.03


def compared(
    setup: Setup, encoders: Mapping[str, Encoder], rows: Sequence[str], folds: Mapping[int, Parts]
) -> list[Job]:
    """Every encoder frozen: a linear probe and rows of Table VI, all trained on the same rows.

    With the first seed of the setup.

    Parameters
    ----------
    setup : Setup
        The encoder is replaced.
    encoders : mapping
        By name.
    rows : sequence of str
    folds : mapping
        Recipes by fold and part; tested are the clean rows and those with environmental noise. The label ``encoder``
        says which.
    """
    jobs = []
    for fold, recipes in folds.items():
        parts = dict(recipes, test=recipes["test"][environmental(recipes["test"])])
        budget = setup.budget(len(parts["train"]))
        for name, encoder in encoders.items():
            own, labels = setup.with_one_seed().with_encoder(encoder, name), {"encoder": name}
            for system in (PROBE, *rows):
                jobs += own.jobs(system, parts, budget, "speaker-disjoint", fold, labels=labels)
    return jobs


def on_clean(folds: Mapping[int, Parts]) -> dict[int, Parts]:
    """Folds whose training and test rows are their clean ones."""
    return {
        fold: own | {part: own[part].query("condition == 'clean'") for part in ("train", "test")}
        for fold, own in folds.items()
    }


def finetuned(
    setup: Setup, encoders: Mapping[str, Encoder], rows: Sequence[str], folds: Mapping[str, Mapping[int, Parts]]
) -> list[Job]:
    """Rows of Table VI with each encoder trained along, on the augmented rows, as :func:`compared` has them frozen.

    The encoder's learning rate is :data:`FINETUNED_RATE` of the setup's.

    Parameters
    ----------
    setup, encoders, rows
        As for :func:`compared`.
    folds : mapping
        By encoder: recipes by fold and part.
    """
    jobs = []
    for name, encoder in encoders.items():
        own = replace(setup.with_one_seed().with_encoder(encoder, name), frozen=False)
        for fold, recipes in folds[name].items():
            parts = dict(recipes, test=recipes["test"][environmental(recipes["test"])])
            budget = own.budget(len(parts["train"]))
            for row in rows:
                jobs += own.jobs(
                    row, parts, budget, "speaker-disjoint", fold, labels={"encoder": name},
                    encoder_learning_rate_factor=FINETUNED_RATE,
                )  # fmt: skip
    return jobs


def corpus_to_probe(utterances: pd.DataFrame) -> pd.DataFrame:
    """Utterances of the corpus with the most speakers who may, and who may not, be heard in teaching.

    Raises
    ------
    UserError
        If there is nobody who may be heard.
    """
    sizes = {}
    for name, rows in utterances.groupby("corpus", sort=False):
        taught = heard(rows)["speaker"].nunique()
        sizes[name] = min(taught, rows["speaker"].nunique() - taught), taught
    name = max(sizes, key=sizes.get)
    if sizes[name][1] == 0:
        raise UserError("every speaker of this run must stay unheard in teaching: add corpora or speakers")
    return utterances[utterances["corpus"] == name]


def probed(
    setup: Setup,
    encoders: Mapping[str, Encoder],
    utterances: pd.DataFrame,
    bank: NoiseBank,
    noises: Sequence[str],
    seed: int,
    clip_length_s: float,
    snr_db: float = 10.0,
) -> list[Job]:
    """Linear probes of encoders on one corpus, trained on clean speech of the speakers whom students may hear.

    Parameters
    ----------
    setup : Setup
        The encoder is replaced.
    encoders : mapping
        By name, which is the system's name in the predictions table.
    utterances : pandas.DataFrame
        Utterances of the corpus.
    bank : NoiseBank
    noises : sequence of str
        Types of recorded noise.
    seed : int
        Of the noise.
    clip_length_s, snr_db : float
        Each clip is classified clean and in each noise, at this level and from the test sources.

    Returns
    -------
    list of Job
        With ``protocol`` "heard" (each of those speakers by a probe trained on the others: for choosing among
        students) or "unheard" (for reporting).
    """
    noisy = grid(utterances, bank, noises, [snr_db], "snr", seed, clip_length_s=clip_length_s)
    recipes = pd.concat([clean(utterances), noisy], ignore_index=True)
    speaker = recipes["utterance"].map(utterances.set_index("id")["speaker"])
    may_hear = recipes["utterance"].isin(heard(utterances)["id"])
    plain = recipes["condition"] == "clean"
    parts = []
    taught = sorted(speaker[may_hear].unique())
    for own in taught if len(taught) > 1 else []:
        parts.append(("heard", recipes[may_hear & plain & (speaker != own)], recipes[may_hear & (speaker == own)]))
    if not may_hear.all():
        parts.append(("unheard", recipes[may_hear & plain], recipes[~may_hear]))
    jobs = []
    for name, encoder in encoders.items():
        own = setup.with_encoder(encoder, name)
        for fold, (protocol, train, test) in enumerate(parts):
            rows = {"train": train, "validation": train.head(1), "test": test}
            jobs += own.jobs(PROBE, rows, setup.budget(len(train)), protocol, fold, name)
    return jobs


def students(
    plan: Plan,
    changes: Sequence[str],
    listen: Callable[[Plan], Speech],
    bank: NoiseBank,
    folder: Path,
    start: Encoder | None,
) -> dict[str, Encoder]:
    """Teach a student by a plan, and one by each change of it; those that are finished are loaded.

    Parameters
    ----------
    plan : Plan
    changes : sequence of str
        Of :func:`sersupport.systems.distill.changed_plans`.
    listen : callable
        What the teacher hears by a plan's layers and speeds.
    bank : NoiseBank
    folder : Path
        Of all students.
    start : Encoder, optional
        A student to be taught further.

    Returns
    -------
    dict of str to Encoder
        By :data:`UNTAUGHT` (before the first lesson), :data:`sersupport.studies.ablation.BASELINE` or change.
    """
    changed = distill.changed_plans(plan)
    plans = {BASELINE: plan} | {name: changed[name] for name in changes}
    taught, speech = {UNTAUGHT: distill.untaught(plan, start)}, {}
    for name, own in plans.items():
        if (own.layers, own.speeds) not in speech:
            speech[own.layers, own.speeds] = listen(own)
        student = distill.teach(speech[own.layers, own.speeds], bank, folder / name, own, start)
        taught[name] = Encoder(student, [-1])
    return taught
