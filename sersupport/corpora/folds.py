"""Who is heard in training and who only in the test: published folds, and splits by speaker."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Literal

import numpy as np
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
# in audEERING's release 1.1.0, which holds these 17 speakers out; IEMOCAP by session, as is usual; elsewhere one
# speaker is left out.
STANDARD_FOLDS: Mapping[str, list[tuple[str, ...]]] = MappingProxyType({
    "ravdess": _folds("01 11 20 21|04 10 12 14|08 09 19 23|03 05 07 24|02 15 16 18|06 13 17 22"),
    "cremad": _cremad_folds(),
    "tess": _folds("OAF|YAF"),
    "savee": _folds("JE|KL|DC|JK"),
    "emodb": _folds("03|08|09|10|11|12|13|14|15|16"),
    "emovo": _folds("f1|f2|f3|m1|m2|m3"),
    "iemocap": _folds("Ses01F Ses01M|Ses02F Ses02M|Ses03F Ses03M|Ses04F Ses04M|Ses05F Ses05M"),
})  # fmt: skip
# results on RAVDESS compare only within one scheme; Luna-Jimenez et al. (2022) have five folds
SCHEMES: Mapping[str, Mapping[str, list[tuple[str, ...]]]] = MappingProxyType({
    "emobox": STANDARD_FOLDS,
    "luna-jimenez": {
        **STANDARD_FOLDS,
        "ravdess": _folds("02 05 14 15 16|03 06 07 13 18|10 11 12 19 20|08 17 21 23 24|01 04 09 22"),
    },
})  # fmt: skip


def speaker_folds(utterances: pd.DataFrame, scheme: str = "emobox") -> pd.Series:
    """Put each utterance into its speaker's published fold, or into one of five stratified group folds.

    Parameters
    ----------
    utterances : pandas.DataFrame
        The utterance table; any subset of the corpora and of their speakers.
    scheme : str
        A key of :data:`SCHEMES`.

    Returns
    -------
    pandas.Series of int
        Fold within the corpus, from 0, by utterance ``id``. A fold means nothing across corpora. Folds of a corpus
        with a speaker whom no published fold names are drawn: speakers whole, emotions as even as may be.

    References
    ----------
    Ma et al., "EmoBox: Multilingual Multi-corpus Speech Emotion Recognition Toolkit and Benchmark",
    Interspeech 2024.
    Luna-Jiménez et al., "A Proposal for Multimodal Emotion Recognition Using Aural Transformers and Action Units on
    RAVDESS Dataset", Applied Sciences 12(1), 2022.
    """
    fold_of = {
        f"{corpus}-{code}": fold
        for corpus, folds in SCHEMES[scheme].items()
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


def held_out(utterances: pd.DataFrame, scheme: str = "emobox") -> pd.Series:
    """In which fold each utterance is tested, from 0 within its corpus, by ``id``.

    Of the published folds those that have speakers in the table, counted anew; with fewer than three of them each
    speaker is a fold.

    Raises
    ------
    UserError
        If no corpus has two speakers.
    """
    folds, groups = speaker_folds(utterances, scheme), []
    for _, rows in utterances.set_index("id").groupby("corpus", sort=False):
        own = folds[rows.index]
        own = own if own.nunique() > 2 else rows["speaker"]
        groups.append(own.rank(method="dense").astype(int) - 1)
    found = pd.concat(groups)[utterances["id"]]
    if found.max() < 1:
        alone = utterances.drop_duplicates("corpus")
        speakers = ", ".join(f"corpus {row.corpus}: one speaker only ({row.speaker})" for row in alone.itertuples())
        raise UserError(f"{speakers}; a disjoint split needs a corpus with two or more")
    return found


def chosen(utterances: pd.DataFrame, folds: Literal["all"] | Sequence[int], scheme: str = "emobox") -> list[int]:
    """The folds that are asked for; "all" are those of the corpus that has most.

    Raises
    ------
    UserError
        If there is no such fold, or no corpus with two speakers.
    """
    count = int(held_out(utterances, scheme).max()) + 1
    if folds == "all":
        return list(range(count))
    if unknown := [fold for fold in folds if not 0 <= fold < count]:
        raise UserError(f"fold {unknown[0]}: folds count from 0 to {count - 1} with these corpora; choose among them")
    return list(folds)


def divided(groups: pd.Series, corpora: pd.Series, kept_back: pd.Series, fold: int) -> pd.Series:
    """Parts of rows, corpus by corpus, by what is held out together.

    Test is group number `fold`, validation the next one, training the rest. A corpus with fewer groups is not tested
    in the folds beyond, so that over all folds each row is tested once. Where there are only two groups, or one,
    validation is what is kept back of the rows that are not tested.

    Parameters
    ----------
    groups : pandas.Series of int
        From 0 in every corpus.
    corpora, kept_back : pandas.Series of str, of bool
        By the same index.
    fold : int >= 0

    Returns
    -------
    pandas.Series of str
        One of :data:`PARTS`, by the same index.
    """
    count = groups.groupby(corpora).transform("max") + 1
    test = (groups == fold) & (count > 1)
    validation = ((fold + 1) % count == groups).where(count > 2, kept_back & ~test)
    return pd.Series(np.select([test, validation], ["test", "validation"], "train"), index=groups.index, name="split")


def speaker_disjoint(utterances: pd.DataFrame, fold: int, scheme: str = "emobox") -> pd.Series:
    """Split so that no test speaker is heard in training or validation, corpus by corpus; see :func:`divided`.

    Of two speakers (TESS) one is the test; of the other's texts every fifth is validation, so that validation shares
    the voice with training but no text, and the test set is never looked at. Where texts are unknown, or there is one
    only, validation is every fifth utterance of a class instead. A corpus with a single speaker goes to training and
    validation in the same way, and is not tested.

    Parameters
    ----------
    utterances : pandas.DataFrame
        The utterance table; ``text`` is "" where it is unknown.
    fold : int
        Of those that :func:`chosen` gives.
    scheme : str
        A key of :data:`SCHEMES`.

    Returns
    -------
    pandas.Series of str
        One of :data:`PARTS` by utterance ``id``. All three occur.

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
    chosen(utterances, [fold], scheme)
    table = utterances.set_index("id")
    split = divided(held_out(utterances, scheme), table["corpus"], _kept_back(table), fold)
    if empty := [part for part in PARTS if part not in set(split)]:
        raise UserError(f"fold {fold}: no utterance is left for {', '.join(empty)}; read more files or corpora")
    return split


def _kept_back(table: pd.DataFrame) -> pd.Series:
    """Of each speaker the utterances of every fifth text, else every fifth of a class; bool by id."""
    kept = pd.Series(False, index=table.index)
    for _, rows in table.groupby(["corpus", "speaker"]):
        texts = sorted(rows["text"].unique())
        if len(texts) > 1 and "" not in texts:
            kept[rows.index] = rows["text"].isin(texts[::VALIDATION_EVERY])
            continue
        ordered = rows.sort_index()
        # from the second of a class on: one that has a single utterance is trained
        own = ordered.index[ordered.groupby("emotion").cumcount() % VALIDATION_EVERY == 1]
        kept[own if len(own) else ordered.index[1:][-1:]] = True
    return kept
