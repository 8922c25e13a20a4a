"""Four protocols, from leaking to strict: which rows of which utterances are trained on and which are tested."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd

from sersupport.core.errors import UserError
from sersupport.core.files import whole
from sersupport.core.keys import digest
from sersupport.corpora.folds import PARTS, speaker_disjoint

# what a protocol keeps out of the test: no test row shares a value of these columns with another part
KEPT_APART: Mapping[str, tuple[str, ...]] = MappingProxyType({
    "row-random": (),
    "utterance-grouped": ("utterance",),
    "speaker-disjoint": ("utterance", "speaker"),
    "speaker-and-text-disjoint": ("utterance", "speaker", "text"),
})  # fmt: skip
THINNED = "speaker-disjoint, thinned"  # the control of the ladder's last step, see :func:`thinned`
TEST_TEXTS = 3  # every third text of a kind is kept for the test where texts are kept apart
TEXT_DRAWS = 40  # until every part has every class


def checked(protocol: str) -> str:
    """The protocol, a key of :data:`KEPT_APART`; UserError for any other."""
    if protocol not in KEPT_APART:
        raise UserError(f"no protocol {protocol!r}; there are: {', '.join(KEPT_APART)}")
    return protocol


def assign(
    utterances: pd.DataFrame, protocol: str, variants: Sequence[str], fold: int = 0, seed: int = 0
) -> pd.DataFrame:
    """Put the rows of every utterance into parts, as a protocol says, corpus by corpus.

    - row-random: rows are drawn whatever utterance they come from, stratified by emotion. Recipes that stack the
      variants of all utterances and split afterwards do this.
    - utterance-grouped: the rows of one recording, under whatever name, stay together; otherwise the same.
    - speaker-disjoint: :func:`speaker_disjoint`.
    - speaker-and-text-disjoint: of the speaker-disjoint split, test speakers keep every third text (one of two), the
      others the other texts; rows that fit nowhere, or whose text is unknown (""), are left out. Texts are dealt among
      those that occur in the same emotions, since SAVEE has sentences of single emotions. Validation shares texts with
      training, which would otherwise lose a third part of its rows. A corpus with a single speaker, which is not
      tested, loses nothing.

    Each part of the first two has as many rows as that of speaker-disjoint, up to rounding a class: a comparison of
    protocols must not compare amounts of training data.

    Parameters
    ----------
    utterances : pandas.DataFrame
        The utterance table.
    protocol : str
        A key of :data:`KEPT_APART`.
    variants : sequence of str
        Rows of an utterance.
    fold : int >= 0
        Fold of the test speakers.
    seed : int
        Of what is drawn; a draw depends on the names alone, not on the order of the table.

    Returns
    -------
    pandas.DataFrame
        ``utterance``, ``variant``, ``split`` (one of :data:`PARTS`), in the order of the table and of the variants.

    Raises
    ------
    UserError
        An unknown protocol, or what :func:`speaker_disjoint` refuses, or a corpus of too few texts.
    """
    checked(protocol)
    table = utterances.set_index("id", drop=False)
    strict = speaker_disjoint(utterances, fold)
    rows = pd.DataFrame({
        "utterance": np.repeat(table["id"].to_numpy(), len(variants)),
        "variant": np.tile(np.array(variants, dtype=object), len(table)),
    })  # fmt: skip
    if protocol == "speaker-and-text-disjoint":
        strict = _without_heard_texts(table, strict, seed)
    if protocol in ("speaker-disjoint", "speaker-and-text-disjoint"):
        rows["split"] = strict.reindex(rows["utterance"]).to_numpy()
        return rows.dropna(ignore_index=True)
    unit = rows["utterance"]
    if protocol == "row-random":
        unit = rows["utterance"] + "@" + rows["variant"]
    elif "sha256" in table:
        unit = unit.map(table["sha256"])
    of_row = table.loc[rows["utterance"]]
    rows["split"] = _drawn(unit, of_row, strict, table["corpus"], seed)
    return rows


def _drawn(unit: pd.Series, of_row: pd.DataFrame, strict: pd.Series, corpora: pd.Series, seed: int) -> np.ndarray:
    """Parts of rows: units drawn within each corpus and emotion, in the proportions of a given split."""
    shares = strict.groupby(corpora).value_counts(normalize=True).unstack().reindex(columns=PARTS).fillna(0)
    units = of_row[["corpus", "emotion"]].assign(unit=unit.to_numpy()).drop_duplicates("unit")
    part_of: dict[str, str] = {}

    def deal(dealt: pd.Series, share: pd.Series) -> None:
        order = sorted(dealt, key=lambda key: digest([seed, key]))
        ends = np.round(share.cumsum().to_numpy() * len(order)).astype(int)
        for part, chosen in zip(PARTS, np.split(np.array(order, dtype=object), ends[:-1]), strict=True):
            part_of.update(dict.fromkeys(chosen, part))

    for name, own in units.groupby("corpus"):
        for _, group in own.groupby("emotion"):
            deal(group["unit"], shares.loc[name])
        if own["unit"].map(part_of).nunique() < (shares.loc[name] > 0).sum():  # classes of too few rows for some part
            deal(own["unit"], shares.loc[name])
    return unit.map(part_of).to_numpy()


def _without_heard_texts(table: pd.DataFrame, split: pd.Series, seed: int) -> pd.Series:
    """A split, less the test rows of the other parts' texts and the other rows of the test's texts."""
    kept = pd.Series(False, index=table.index)
    for corpus, rows in table.groupby("corpus"):
        own, known = split[rows.index], rows["text"] != ""
        if not (own == "test").any():  # a single speaker
            kept[rows.index] = True
            continue
        kinds = rows[known].groupby("text")["emotion"].agg(lambda emotions: "/".join(sorted(set(emotions))))
        classes = rows.groupby(own)["emotion"].nunique()
        for attempt in range(TEXT_DRAWS):  # a draw can leave a part without some class
            test_texts = _test_texts(kinds, seed, corpus, attempt)
            mine = known & (rows["text"].isin(test_texts) == (own == "test"))
            if rows[mine].groupby(own)["emotion"].nunique().reindex(classes.index, fill_value=0).eq(classes).all():
                break
        else:
            raise UserError(f"corpus {corpus}: too few texts to keep those of the test out of training")
        kept[rows.index] = mine
    return split[kept[split.index]]


def _test_texts(kinds: pd.Series, seed: int, corpus: object, attempt: int) -> list[str]:
    """Every third of the texts that occur in the same emotions, in a drawn order; ``kinds`` by text."""
    drawn: list[str] = []
    for _, texts in kinds.groupby(kinds):
        order = sorted(texts.index, key=lambda text: digest([seed, corpus, text, attempt]))
        drawn += order[1::TEST_TEXTS]
    return drawn


def possible(
    utterances: pd.DataFrame, variants: Sequence[str], fold: int = 0, seed: int = 0
) -> dict[str, pd.DataFrame]:
    """Assignments by protocol, strictest last; without the last one where a corpus has too few texts for it.

    Parameters
    ----------
    utterances, variants, fold, seed
        As for :func:`assign`.
    """
    *always, last = KEPT_APART
    found = {protocol: assign(utterances, protocol, variants, fold, seed) for protocol in always}
    try:
        return found | {last: assign(utterances, last, variants, fold, seed)}
    except UserError:
        return found


def thinned(assignment: pd.DataFrame, like: pd.DataFrame, utterances: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """An assignment with as few training utterances as another, class by class.

    The control of the ladder's last step, which takes away texts and, with them, training rows.

    Parameters
    ----------
    assignment, like : pandas.DataFrame
        From :func:`assign`; ``like`` has fewer training utterances in every corpus and class.
    utterances : pandas.DataFrame
        The utterance table.
    seed : int
        Of the draw.
    """
    kind = utterances.set_index("id")[["corpus", "emotion"]].agg("/".join, axis=1)
    heard, fewer = (
        pd.Index(part.loc[part["split"] == "train", "utterance"].unique()).to_series() for part in (assignment, like)
    )
    wanted = fewer.map(kind).value_counts()
    kept: set[str] = set()
    for name, group in heard.groupby(heard.map(kind)):
        kept |= set(sorted(group, key=lambda key: digest([seed, "thinned", key]))[: wanted.get(name, 0)])
    return assignment[(assignment["split"] != "train") | assignment["utterance"].isin(kept)].reset_index(drop=True)


def sample_evenly(utterances: pd.DataFrame, count: int, seed: int = 0) -> pd.DataFrame:
    """A sample in which every speaker has as many utterances of every class as any other, as far as there are.

    Parameters
    ----------
    utterances : pandas.DataFrame
        Utterance table.
    count : int
        Rows wanted; all where there are no more, and with 0.
    seed : int
        Of the draw.

    Returns
    -------
    pandas.DataFrame
        Rows of the table, in its order.
    """
    order = utterances["id"].map(lambda name: digest([seed, "sample", name])).sort_values().index
    turn = utterances.loc[order].groupby(["speaker", "emotion"]).cumcount().sort_values(kind="stable")
    return utterances.loc[sorted(turn.index[: count or None])]


def write(assignment: pd.DataFrame, utterances: pd.DataFrame, protocol: str, path: str | os.PathLike[str]) -> None:
    """Write an assignment as a plain CSV that other projects can use, whole or not at all.

    Columns file (below the corpus's folder), split, speaker, text, utterance, variant, corpus, protocol.
    """
    top = utterances.groupby("corpus")["path"].transform(lambda own: os.path.commonpath([*map(os.path.dirname, own)]))
    files = [Path(file).relative_to(folder).as_posix() for file, folder in zip(utterances["path"], top, strict=True)]
    known = utterances.assign(file=files, protocol=protocol).rename(columns={"id": "utterance"})
    table = assignment.merge(known, on="utterance")
    columns = ["file", "split", "speaker", "text", "utterance", "variant", "corpus", "protocol"]
    with whole(Path(path)) as temporary:
        table[columns].to_csv(temporary, index=False)


def assert_disjoint(
    utterances: pd.DataFrame, split: pd.Series | pd.DataFrame, protocol: str = "speaker-disjoint"
) -> None:
    """Check that a split keeps out of the test what its protocol says.

    Parameters
    ----------
    utterances : pandas.DataFrame
        The utterance table.
    split : pandas.Series or pandas.DataFrame
        One of :data:`PARTS` by utterance ``id``, for every utterance; or an assignment, as :func:`assign` gives it.
    protocol : str
        A key of :data:`KEPT_APART`.

    Raises
    ------
    UserError
        Naming what is shared, an utterance without a part, or the parts that do not exist or are empty.
    """
    columns = KEPT_APART[checked(protocol)]
    table = utterances.set_index("id").assign(utterance=lambda frame: frame.index)
    if isinstance(split, pd.Series):
        if missing := sorted(set(table.index) - set(split.index)):
            raise UserError(f"split: {len(missing)} utterances have no part, first {missing[0]}")
        split = split.rename("split").rename_axis("utterance").reset_index()
    if set(split["split"]) != set(PARTS):
        found = sorted(set(split["split"]))
        raise UserError(f"split: parts are {found}; needed are {', '.join(PARTS)}, none of them empty")
    if unknown := sorted(set(split["utterance"]) - set(table.index)):
        raise UserError(f"split: {len(unknown)} utterances are not in the table, first {unknown[0]}")
    rows, in_test = table.loc[split["utterance"]], (split["split"] == "test").to_numpy()
    for column in columns:
        own = rows[column] if column != "text" else rows["corpus"] + ": " + rows["text"]
        if shared := sorted(set(own[in_test]) & set(own[~in_test])):
            listed = ", ".join(shared[:10])
            raise UserError(f"split: {len(shared)} {column}s both in test and in another part: {listed}")
