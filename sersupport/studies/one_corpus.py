"""Row D of Table VI (arXiv 2512.18298) on each corpus alone."""

from collections.abc import Mapping

from sersupport.studies.jobs import Job
from sersupport.studies.setup import Parts, Setup

ONE_CORPUS = "D, one corpus"  # the full fusion, trained and tested on one corpus alone, clean


def one_corpus(setup: Setup, folds: Mapping[int, Parts]) -> list[Job]:
    """Row D on the clean rows of each corpus alone, as Table IV has it.

    With as many steps as the rows that are trained on all corpora and copies. Corpora that lack a part in a fold, or
    have a single training row, are left out of it.
    """
    jobs = []
    for fold, parts in folds.items():
        clean = {part: rows[rows["condition"] == "clean"] for part, rows in parts.items()}
        for corpus in dict.fromkeys(clean["train"]["utterance"].str.partition("/")[0]):
            own = {part: rows[rows["utterance"].str.startswith(f"{corpus}/")] for part, rows in clean.items()}
            if all(map(len, own.values())) and len(own["train"]) > 1:
                jobs += setup.jobs("D", own, setup.budget(len(parts["train"])), "speaker-disjoint", fold, ONE_CORPUS)
    return jobs
