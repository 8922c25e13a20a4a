"""The rows of Table VI (arXiv 2512.18298) and the linear probe, on all corpora together and on each alone."""

from collections.abc import Mapping, Sequence

from sersupport.studies.jobs import Job
from sersupport.studies.setup import Parts, Setup

ONE_CORPUS = "D, one corpus"  # the full fusion, trained and tested on one corpus alone, clean


def together(setup: Setup, systems: Sequence[str], folds: Mapping[int, Parts]) -> list[Job]:
    """A job for each fold, system and seed, speakers apart.

    Parameters
    ----------
    setup : Setup
    systems : sequence of str
        As for :meth:`Setup.jobs`.
    folds : mapping
        Recipes by fold and part.
    """
    return [
        job
        for fold, parts in folds.items()
        for name in systems
        for job in setup.jobs(name, parts, setup.budget(len(parts["train"])), "speaker-disjoint", fold)
    ]


def one_corpus(setup: Setup, folds: Mapping[int, Parts]) -> list[Job]:
    """Row D on the clean rows of each corpus alone, as Table IV has it.

    Corpora that lack a part in a fold, or have a single training row, are left out of it.
    """
    jobs = []
    for fold, parts in folds.items():
        clean = {part: rows[rows["condition"] == "clean"] for part, rows in parts.items()}
        for corpus in dict.fromkeys(clean["train"]["utterance"].str.partition("/")[0]):
            own = {part: rows[rows["utterance"].str.startswith(f"{corpus}/")] for part, rows in clean.items()}
            if all(map(len, own.values())) and len(own["train"]) > 1:
                jobs += setup.jobs("D", own, setup.budget(len(own["train"])), "speaker-disjoint", fold, ONE_CORPUS)
    return jobs
