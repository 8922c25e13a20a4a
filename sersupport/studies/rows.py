"""The rows of Table VI (arXiv 2512.18298) and the linear probe, on all corpora together and on each alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from sersupport.studies.jobs import Job
from sersupport.studies.setup import Setup

ONE_CORPUS = "D, one corpus"  # the full fusion, trained and tested on one corpus alone, clean


def together(setup: Setup, systems: Sequence[str], recipes: Mapping[str, pd.DataFrame]) -> list[Job]:
    """A job for each system and seed, speakers apart.

    Parameters
    ----------
    setup : Setup
    systems : sequence of str
        As for :meth:`Setup.jobs`.
    recipes : mapping
        Recipes by "train", "validation", "test".
    """
    budget = setup.budget(len(recipes["train"]))
    return [job for name in systems for job in setup.jobs(name, dict(recipes), budget, "speaker-disjoint")]


def one_corpus(setup: Setup, recipes: Mapping[str, pd.DataFrame]) -> list[Job]:
    """Row D on the clean rows of each corpus alone, as Table IV has it.

    Corpora that lack a part, or have a single training row, are left out.
    """
    clean = {part: rows[rows["condition"] == "clean"] for part, rows in recipes.items()}
    jobs = []
    for corpus in dict.fromkeys(clean["train"]["utterance"].str.partition("/")[0]):
        own = {part: rows[rows["utterance"].str.startswith(f"{corpus}/")] for part, rows in clean.items()}
        if all(map(len, own.values())) and len(own["train"]) > 1:
            jobs += setup.jobs("D", own, setup.budget(len(own["train"])), "speaker-disjoint", ONE_CORPUS)
    return jobs
