"""Four protocols, from leaking to strict: which rows of which utterances are trained on and which are tested."""

import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd
from pandas.api.typing import SeriesGroupBy

from sersupport.core.errors import UserError
from sersupport.core.files import whole
from sersupport.core.keys import digest
from sersupport.corpora.folds import PARTS, VALIDATION_EVERY, divided, held_out, speaker_disjoint

# what a protocol keeps out of the test: no test row shares a value of these columns with another part
KEPT_APART: Mapping[str, tuple[str, ...]] = MappingProxyType({
    "row-random": (),
    "utterance-grouped": ("utterance",),
    "speaker-disjoint": ("utterance", "speaker"),
    "speaker-and-text-disjoint": ("utterance", "speaker", "text"),
})  # fmt: skip
THINNED = "speaker-disjoint-thinned"  # what the last of these is compared with: it leaves fewer rows to train on
RUNGS = (*list(KEPT_APART)[:-1], THINNED, list(KEPT_APART)[-1])
OWN = "own split"  # what corpora bring themselves; it promises nothing
TEST_TEXTS = 3  # every third text of a kind is kept for the test where texts are kept apart
TEXT_DRAWS = 40  # until every part has every class


def checked(protocol: str) -> str:
    """The protocol, a key of :data:`KEPT_APART`; UserError for any other."""
    if protocol not in KEPT_APART:
        raise UserError(f"no protocol {protocol!r}; there are: {', '.join(KEPT_APART)}")
    return protocol


def assign(
    utterances: pd.DataFrame,
    protocol: str,
    variants: Sequence[str],
    folds: Sequence[int],
    seed: int = 0,
    scheme: str = "emobox",
) -> pd.DataFrame:
    """Put the rows of every utterance into parts, as a protocol says, fold by fold and corpus by corpus.

    - row-random: rows are drawn whatever utterance they come from, stratified by emotion. Recipes that stack the
      variants of all utterances and split afterwards do this.
    - utterance-grouped: the rows of one recording, under whatever name, stay together; otherwise the same.
    - speaker-disjoint: :func:`sersupport.corpora.folds.speaker_disjoint`.
    - speaker-and-text-disjoint: of the speaker-disjoint split, test speakers keep every third text (one of two), the
      others the other texts; rows that fit nowhere, or whose text is unknown (""), are left out. Texts are dealt among
      those that occur in the same emotions, since SAVEE has sentences of single emotions. Validation shares texts with
      training, which would otherwise lose a third part of its rows. A corpus that is not tested in a fold loses
      nothing.

    In each of the first three every row is tested in one fold, and each part of the first two has as many rows as
    that of speaker-disjoint, up to rounding a class.

    Parameters
    ----------
    utterances : pandas.DataFrame
        The utterance table.
    protocol : str
        A key of :data:`KEPT_APART`.
    variants : sequence of str
        Rows of an utterance.
    folds : sequence of int
        Of those that :func:`sersupport.corpora.folds.chosen` gives.
    seed : int
        Of what is drawn; a draw depends on the names alone, not on the order of the table.
    scheme : str
        A key of :data:`sersupport.corpora.folds.SCHEMES`.

    Returns
    -------
    pandas.DataFrame
        ``fold``, ``utterance``, ``variant``, ``split`` (one of :data:`PARTS`), in the order of the folds, of the table
        and of the variants.

    Raises
    ------
    UserError
        An unknown protocol, or what :func:`speaker_disjoint` refuses, or a corpus of too few texts.
    """
    checked(protocol)
    table = utterances.set_index("id", drop=False)
    strict = {fold: speaker_disjoint(utterances, fold, scheme) for fold in folds}
    rows = pd.DataFrame({
        "utterance": np.repeat(table["id"].to_numpy(), len(variants)),
        "variant": np.tile(np.array(variants, dtype=object), len(table)),
    })  # fmt: skip
    if protocol in ("row-random", "utterance-grouped"):
        unit = rows["utterance"]
        if protocol == "row-random":
            unit = rows["utterance"] + "@" + rows["variant"]
        elif "sha256" in table:
            unit = unit.map(table["sha256"])
        of_row = table.loc[rows["utterance"], ["corpus", "emotion"]].reset_index(drop=True).assign(unit=unit)
        dealt = _dealt(of_row, held_out(utterances, scheme).groupby(table["corpus"]), seed)
        splits = {fold: divided(dealt["group"], of_row["corpus"], dealt["kept back"], fold) for fold in folds}
    else:
        if protocol == "speaker-and-text-disjoint":
            strict = {fold: _without_heard_texts(table, split, seed) for fold, split in strict.items()}
        splits = {fold: split.reindex(rows["utterance"]) for fold, split in strict.items()}
    tables = [rows.assign(fold=fold, split=split.to_numpy()) for fold, split in splits.items()]
    return pd.concat(tables).dropna(ignore_index=True)[["fold", "utterance", "variant", "split"]]


def _dealt(of_row: pd.DataFrame, sizes: SeriesGroupBy, seed: int) -> pd.DataFrame:
    """Units drawn within each corpus and emotion into groups of the sizes of given ones.

    Parameters
    ----------
    of_row : pandas.DataFrame
        ``corpus``, ``emotion`` and ``unit`` of every row.
    sizes : SeriesGroupBy
        By corpus, the group of each utterance.

    Returns
    -------
    pandas.DataFrame
        ``group``, and ``kept back``: every fifth unit of each group and emotion.
    """
    units = of_row.drop_duplicates("unit")
    order = units["unit"].map(lambda key: digest([seed, key])).sort_values().index
    group_of: dict[str, int] = {}

    def deal(dealt: pd.Series, shares: np.ndarray) -> None:
        ends = np.round(shares.cumsum() * len(dealt)).astype(int)
        for group, chosen in enumerate(np.split(dealt.to_numpy(), ends[:-1])):
            group_of.update(dict.fromkeys(chosen, group))

    for name, own in units.loc[order].groupby("corpus"):
        shares = sizes.get_group(name).value_counts(normalize=True).sort_index().to_numpy()
        for _, of_class in own.groupby("emotion"):
            deal(of_class["unit"], shares)
        if own["unit"].map(group_of).nunique() < len(shares):  # classes of too few rows for some group
            deal(own["unit"], shares)
    units = units.loc[order].assign(group=lambda frame: frame["unit"].map(group_of))
    turn = units.groupby(["corpus", "emotion", "group"]).cumcount()
    units["kept back"] = turn % VALIDATION_EVERY == 1
    groups = units.groupby(["corpus", "group"])  # where no class has two units, the second of all
    units["kept back"] |= ~groups["kept back"].transform("any") & (groups.cumcount() == 1)
    return units.set_index("unit").loc[of_row["unit"], ["group", "kept back"]].reset_index(drop=True)


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
    utterances: pd.DataFrame, variants: Sequence[str], folds: Sequence[int], seed: int = 0, scheme: str = "emobox"
) -> dict[str, pd.DataFrame]:
    """Assignments by protocol, strictest last; without the last one where a corpus has too few texts for it.

    Parameters
    ----------
    utterances, variants, folds, seed, scheme
        As for :func:`assign`.
    """
    *always, last = KEPT_APART
    found = {protocol: assign(utterances, protocol, variants, folds, seed, scheme) for protocol in always}
    try:
        return found | {last: assign(utterances, last, variants, folds, seed, scheme)}
    except UserError:
        return found


def own_split(utterances: pd.DataFrame, variants: Sequence[str]) -> pd.DataFrame:
    """The split that the corpora bring themselves, as an assignment of fold 0; no rows where a part is empty.

    Parameters
    ----------
    utterances : pandas.DataFrame
        The utterance table; ``split`` is "" where a corpus brings none.
    variants : sequence of str
        As for :func:`assign`.
    """
    known = utterances[utterances["split"].isin(PARTS)]
    if known["split"].nunique() < len(PARTS):
        known = known[:0]
    rows = (
        known[["id", "split"]].rename(columns={"id": "utterance"}).merge(pd.DataFrame({"variant": variants}), "cross")
    )
    return rows.assign(fold=0)[["fold", "utterance", "variant", "split"]]


def levelled(assignments: Mapping[str, pd.DataFrame], utterances: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Assignments with equally many training rows in every fold, corpus and class: as many as the smallest has.

    Where texts are kept apart, far fewer are left. So that this takes none from the others, :data:`THINNED` goes before
    it: the speaker-disjoint assignment with as few training rows.

    Parameters
    ----------
    assignments : mapping
        By protocol, from :func:`possible`.
    utterances : pandas.DataFrame
        The utterance table.
    seed : int
        Of the draw; where utterances stay together, they are drawn whole.

    Returns
    -------
    pandas.DataFrame
        One assignment below the other, with ``protocol`` in front, in the order of :data:`RUNGS`.
    """
    *_, last = KEPT_APART
    groups = [{name: rows for name, rows in assignments.items() if name != last}]
    if last in assignments:
        groups.append({THINNED: assignments["speaker-disjoint"], last: assignments[last]})
    both = pd.concat([_levelled(group, utterances, seed) for group in groups], ignore_index=True)
    return both[["protocol", *next(iter(assignments.values())).columns]]


def _levelled(assignments: Mapping[str, pd.DataFrame], utterances: pd.DataFrame, seed: int) -> pd.DataFrame:
    both = pd.concat([rows.assign(protocol=name) for name, rows in assignments.items()], ignore_index=True)
    train = both[both["split"] == "train"]
    kind = utterances.set_index("id")[["corpus", "emotion"]].agg("/".join, axis=1)
    train = train.assign(kind=train["utterance"].map(kind))
    wanted = train.groupby(["fold", "kind", "protocol"]).size().unstack(fill_value=0).min(axis=1).rename("wanted")
    unit = train["utterance"].where(train["protocol"] != "row-random", train["utterance"] + "@" + train["variant"])
    drawn = {key: digest([seed, "levelled", key]) for key in unit.unique()}
    train = train.assign(order=unit.map(drawn)).sort_values("order", kind="stable")
    turn = train.groupby(["protocol", "fold", "kind"]).cumcount()
    return both.drop(index=train.index[(turn >= train.join(wanted, on=["fold", "kind"])["wanted"]).to_numpy()])


def capped(utterances: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """As many utterances of each speaker, at most, as the median speaker has: nobody is most of a test.

    Parameters
    ----------
    utterances, seed
        As for :func:`sample_evenly`.

    Returns
    -------
    pandas.DataFrame
        Rows of the table, in its order; of a speaker with more, drawn evenly over the classes.
    """
    most = int(utterances.groupby("speaker").size().median())
    rank = _turns(utterances, seed).to_frame("turn").groupby(utterances["speaker"]).cumcount()
    return utterances[rank.reindex(utterances.index) < most]


def halves(utterances: pd.DataFrame, seed: int = 0) -> pd.Series:
    """Two halves of every speaker's recordings, as even in each class as may be; copies of one stay together.

    Parameters
    ----------
    utterances : pandas.DataFrame
        Utterance table.
    seed : int
        Of the draw, which depends on the recordings alone, not on the order of the table.

    Returns
    -------
    pandas.Series of int
        0 or 1 by utterance ``id``; a speaker's odd recording is in the first.
    """
    unit = utterances["sha256" if "sha256" in utterances else "id"]
    drawn = unit.map(lambda key: digest([seed, "halves", key])).rename("drawn")
    order = utterances[["speaker", "emotion"]].assign(unit=unit, drawn=drawn).drop_duplicates("unit")
    order = order.sort_values(["speaker", "emotion", "drawn"]).set_index("unit")
    return (order.groupby("speaker").cumcount() % 2)[unit].set_axis(utterances["id"]).rename("half")


def _turns(utterances: pd.DataFrame, seed: int) -> pd.Series:
    """When each row is drawn: within a speaker and class by lot; sorted, by index."""
    order = utterances["id"].map(lambda name: digest([seed, "sample", name])).sort_values().index
    return utterances.loc[order].groupby(["speaker", "emotion"]).cumcount().sort_values(kind="stable")


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
    return utterances.loc[sorted(_turns(utterances, seed).index[: count or None])]


def write(
    assignment: pd.DataFrame,
    utterances: pd.DataFrame,
    protocol: str,
    path: str | os.PathLike[str],
    heard: Collection[str] = (),
) -> None:
    """Write an assignment as a plain CSV that other projects can use, whole or not at all.

    Columns file (below the corpus's folder), split, speaker, text, utterance, variant, corpus, protocol, fold, and
    heard: whether the speaker is one of ``heard``, whom the encoder that comes with this package knows, unlabelled.
    """
    top = utterances.groupby("corpus")["path"].transform(lambda own: os.path.commonpath([*map(os.path.dirname, own)]))
    files = [Path(file).relative_to(folder).as_posix() for file, folder in zip(utterances["path"], top, strict=True)]
    known = utterances.assign(file=files, heard=utterances["speaker"].isin(heard)).rename(columns={"id": "utterance"})
    known = known[["utterance", "file", "speaker", "text", "corpus", "heard"]]
    table = assignment.assign(protocol=protocol).merge(known, on="utterance")
    columns = ["file", "split", "speaker", "text", "utterance", "variant", "corpus", "protocol", "fold", "heard"]
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
