"""Who is heard in training and who only in the test: published folds, and splits by speaker."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold

from sersupport.core.errors import UserError
from sersupport.corpora.conventions import CORPORA

PARTS = ("train", "validation", "test")
FOLDS = 5  # where none are published
VALIDATION_EVERY = 5  # where only one speaker is left to train on: every fifth of that speaker's texts


def _folds(codes: str) -> list[tuple[str, ...]]:
    return [tuple(fold.split()) for fold in codes.split("|")]


def _cremad_folds() -> list[tuple[str, ...]]:
    """The published test speakers, then the others dealt by sex and number into five."""
    (test,) = _folds("1048 1069 1071 1074 1076 1077 1078 1079 1082 1083 1084 1086 1087 1088 1089 1090 1091")
    sexes = CORPORA["cremad"].speakers
    rest = sorted(set(sexes) - set(test), key=lambda actor: (sexes[actor], actor))
    return [test, *(tuple(rest[deal::5]) for deal in range(5))]


# corpus -> folds of speaker codes. RAVDESS as in EmoBox (Ma et al. 2024), 6 x 4 actors; CREMA-D's fold 0 as
# in audEERING's release 1.1.0, which holds these 17 speakers out; elsewhere one speaker is left out.
STANDARD_FOLDS: Mapping[str, list[tuple[str, ...]]] = MappingProxyType({
    "ravdess": _folds("01 11 20 21|04 10 12 14|08 09 19 23|03 05 07 24|02 15 16 18|06 13 17 22"),
    "cremad": _cremad_folds(),
    "tess": _folds("OAF|YAF"),
    "savee": _folds("JE|KL|DC|JK"),
    "emodb": _folds("03|08|09|10|11|12|13|14|15|16"),
    "emovo": _folds("f1|f2|f3|m1|m2|m3"),
})  # fmt: skip


def speaker_folds(utterances: pd.DataFrame) -> pd.Series:
    """Put each utterance into its speaker's published fold, or into one of five stratified group folds.

    Parameters
    ----------
    utterances : pandas.DataFrame
        The utterance table; any subset of the corpora and of their speakers.

    Returns
    -------
    pandas.Series of int
        Fold within the corpus, from 0, by utterance ``id``. A fold means nothing across corpora. Folds of a corpus
        with a speaker whom no published fold names are drawn: speakers whole, emotions as even as may be.

    References
    ----------
    Ma et al., "EmoBox: Multilingual Multi-corpus Speech Emotion Recognition Toolkit and Benchmark",
    Interspeech 2024.
    """
    fold_of = {
        f"{corpus}-{code}": fold
        for corpus, folds in STANDARD_FOLDS.items()
        for fold, codes in enumerate(folds)
        for code in codes
    }
    speakers = utterances.set_index("id")["speaker"]
    folds = speakers.map(fold_of)
    for _, rows in utterances.groupby("corpus"):
        if folds[rows["id"]].isna().any():
            drawn = _stratified_folds(rows.sort_values("id"))
            folds[drawn.index] = drawn
    return folds.astype(int).rename("fold")


def _stratified_folds(rows: pd.DataFrame) -> pd.Series:
    folds = pd.Series(0, index=rows["id"])
    count = min(FOLDS, rows["speaker"].nunique())
    if count > 1 and rows["emotion"].value_counts().max() >= count:
        splitter = StratifiedGroupKFold(count, shuffle=True, random_state=0)
        for fold, (_, held_out) in enumerate(splitter.split(rows, rows["emotion"], rows["speaker"])):
            folds.iloc[held_out] = fold
    elif count > 1:  # too few rows to make emotions even
        folds[:] = pd.factorize(rows["speaker"])[0] % count
    return folds


def _groups(utterances: pd.DataFrame) -> tuple[dict[str, pd.Series], int]:
    """By corpus, what is held out together: the fold of each utterance, or its speaker with fewer than three folds.

    And how many such groups the corpus has that has most.
    """
    folds, groups = speaker_folds(utterances), {}
    for corpus, rows in utterances.set_index("id").groupby("corpus"):
        own = folds[rows.index]
        groups[str(corpus)] = own if own.nunique() > 2 else rows["speaker"]
    count = max(own.nunique() for own in groups.values())
    if count < 2:
        speakers = ", ".join(f"corpus {corpus}: one speaker only ({own.iloc[0]})" for corpus, own in groups.items())
        raise UserError(f"{speakers}; a disjoint split needs a corpus with two or more")
    return groups, count


def fold_count(utterances: pd.DataFrame) -> int:
    """How many folds :func:`speaker_disjoint` knows: those of the corpus that has most.

    A UserError if no corpus has two speakers.
    """
    return _groups(utterances)[1]


def speaker_disjoint(utterances: pd.DataFrame, fold: int) -> pd.Series:
    """Split so that no test speaker is heard in training or validation, corpus by corpus.

    Of the published folds that have speakers in the table, test is number `fold`, validation the next one, training
    the rest. With fewer than three such folds each speaker is a fold. With two speakers (TESS) one is the test; of
    the other's texts every fifth is validation, so that validation shares the voice with training but no text, and
    the test set is never looked at. Where texts are unknown, or there is one only, validation is every fifth
    utterance of a class instead. A corpus with a single speaker goes to training and validation in the same way, and
    is not tested.

    Parameters
    ----------
    utterances : pandas.DataFrame
        The utterance table; ``text`` is "" where it is unknown.
    fold : int in [0, fold_count(utterances))
        Which fold to test on; in a corpus with fewer folds, `fold` modulo their count.

    Returns
    -------
    pandas.Series of str
        One of :data:`PARTS` by utterance ``id``. All three occur, in every corpus of two or more speakers that has
        the utterances for it.

    Raises
    ------
    UserError
        No such fold, no corpus with two speakers, or so few utterances that a part would be empty.

    Examples
    --------
    >>> import pandas as pd
    >>> speakers = [f"savee-{code}" for code in ("JE", "KL", "DC", "JK")]
    >>> rows = pd.DataFrame({"id": speakers, "speaker": speakers, "corpus": "savee", "emotion": "sad", "text": "t"})
    >>> speaker_disjoint(rows, fold=0).to_dict()
    {'savee-JE': 'test', 'savee-KL': 'validation', 'savee-DC': 'train', 'savee-JK': 'train'}
    """
    held_together, count = _groups(utterances)
    if not 0 <= fold < count:
        raise UserError(f"fold {fold}: folds count from 0 to {count - 1} with these corpora; choose one of them")
    split = pd.Series("train", index=pd.Index(utterances["id"]), name="split")
    table = utterances.set_index("id")
    for groups in held_together.values():
        present = sorted(groups.unique())
        held_out = groups.index[groups == present[fold % len(present)]] if len(present) > 1 else []
        if len(present) > 2:
            validation = groups.index[groups == present[(fold + 1) % len(present)]]
        else:
            validation = _fifth(table.loc[groups.index.difference(held_out, sort=False)])
        split[validation] = "validation"
        split[held_out] = "test"
    if empty := [part for part in PARTS if part not in set(split)]:
        raise UserError(f"fold {fold}: no utterance is left for {', '.join(empty)}; read more files or corpora")
    return split


def _fifth(rows: pd.DataFrame) -> pd.Index:
    """Utterances of one speaker that are for validation: those of every fifth text, else every fifth of a class."""
    texts = sorted(rows["text"].unique())
    if len(texts) > 1 and "" not in texts:
        return rows.index[rows["text"].isin(texts[::VALIDATION_EVERY])]
    ordered = rows.sort_index()
    # from the second of a class on: one that has a single utterance is trained
    chosen = ordered.groupby("emotion").cumcount() % VALIDATION_EVERY == 1
    return ordered.index[chosen] if chosen.any() else ordered.index[1:][-1:]
