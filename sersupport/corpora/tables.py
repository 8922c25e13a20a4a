"""The corpora in the layout of the paper's tables."""

import pandas as pd

from sersupport.corpora.convention import EMOTIONS
from sersupport.corpora.conventions import CORPORA, title


def table2(utterances: pd.DataFrame) -> pd.DataFrame:
    """Corpora, speakers, gender and samples, in the layout of Table II of arXiv 2512.18298.

    Returns
    -------
    pandas.DataFrame
        One row a corpus present, the paper's four first and in its order, unknown ones last; columns ``corpus``
        (title), ``speakers``, ``gender`` ("M/F", "F" or "M"; "" if unknown), ``samples``.
    """
    order = ("cremad", "ravdess", "tess", "savee", "emodb", "emovo")
    summary = utterances.groupby("corpus").agg(
        speakers=("speaker", "nunique"),
        gender=("sex", lambda sex: "/".join(sorted(set(sex) - {""}, reverse=True))),
        samples=("id", "size"),
    )
    present = [*(name for name in order if name in summary.index), *summary.index.difference(order)]
    return summary.loc[present].rename(index=title).reset_index()


def table3(utterances: pd.DataFrame) -> pd.DataFrame:
    """Utterances a class and corpus, in the layout of Table III of arXiv 2512.18298.

    Returns
    -------
    pandas.DataFrame
        One row a class that occurs or is one of :data:`EMOTIONS`; columns ``emotion``, the titles of the corpora
        present (the paper's four first and in its order, unknown ones last), ``total``.
    """
    counts = pd.crosstab(utterances["emotion"], utterances["corpus"])
    counts = counts.reindex(sorted({*EMOTIONS, *counts.index}), fill_value=0).rename_axis("emotion")
    present = [*(name for name in CORPORA if name in counts.columns), *counts.columns.difference([*CORPORA])]
    table = counts[present].set_axis([title(name) for name in present], axis="columns")
    return table.assign(total=table.sum(axis="columns")).reset_index()
