"""Who is heard in training and who only in the test: published speaker folds and speaker-disjoint splits."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import pandas as pd

from sersupport import UserError
from sersupport.corpora import CORPORA

PARTS = ("train", "validation", "test")
# what a protocol keeps apart: no two parts share a value of these columns; rows of an utterance are its four variants
KEPT_APART: Mapping[str, tuple[str, ...]] = MappingProxyType({
    "row-random": (),
    "utterance-grouped": ("utterance",),
    "speaker-disjoint": ("utterance", "speaker"),
    "speaker-and-text-disjoint": ("utterance", "speaker", "text"),
})  # fmt: skip
VALIDATION_EVERY = 5  # where only one speaker is left to train on: every fifth of that speaker's texts


def _numbers(codes: str) -> list[tuple[str, ...]]:
    return [tuple(fold.split()) for fold in codes.split("|")]


def _cremad_folds() -> list[tuple[str, ...]]:
    """The published test speakers, then the others dealt by sex and number into five."""
    (test,) = _numbers("1048 1069 1071 1074 1076 1077 1078 1079 1082 1083 1084 1086 1087 1088 1089 1090 1091")
    sexes = CORPORA["cremad"].speakers
    rest = sorted(set(sexes) - set(test), key=lambda actor: (sexes[actor], actor))
    return [test, *(tuple(rest[deal::5]) for deal in range(5))]


def _one_each(corpus: str) -> list[tuple[str, ...]]:
    return [(speaker,) for speaker in CORPORA[corpus].speakers]


# corpus -> folds of speaker codes. RAVDESS as in EmoBox (Ma et al. 2024), 6 x 4 actors; CREMA-D's fold 0 as
# in audEERING's release 1.1.0, which holds these 17 speakers out; elsewhere one speaker is left out.
STANDARD_FOLDS: Mapping[str, list[tuple[str, ...]]] = MappingProxyType({
    "ravdess": _numbers("01 11 20 21|04 10 12 14|08 09 19 23|03 05 07 24|02 15 16 18|06 13 17 22"),
    "cremad": _cremad_folds(),
    "tess": _one_each("tess"),
    "savee": _numbers("JE|KL|DC|JK"),
    "emodb": _one_each("emodb"),
    "emovo": _one_each("emovo"),
})  # fmt: skip


def speaker_folds(utterances: pd.DataFrame) -> pd.Series:
    """Put each utterance into its speaker's published fold.

    Parameters
    ----------
    utterances : pandas.DataFrame
        The utterance table; any subset of the corpora and of their speakers.

    Returns
    -------
    pandas.Series of int
        Fold within the corpus, from 0, by utterance ``id``. A fold means nothing across corpora.

    Raises
    ------
    UserError
        A speaker whom no fold names.

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
    if unknown := sorted(set(speakers) - set(fold_of)):
        raise UserError(f"no published fold for speakers {', '.join(unknown[:5])}; there are {', '.join(CORPORA)}")
    return speakers.map(fold_of).astype(int).rename("fold")


def speaker_disjoint(utterances: pd.DataFrame, fold: int) -> pd.Series:
    """Split so that no test speaker is heard in training or validation, corpus by corpus.

    Of the published folds that have speakers in the table, test is number `fold` (modulo their count),
    validation the next one, training the rest. With fewer than three such folds each speaker is a fold. With
    two speakers (TESS) one is the test; of the other's texts every fifth is validation, so that validation
    shares the voice with training but no text, and the test set is never looked at.

    Parameters
    ----------
    utterances : pandas.DataFrame
        The utterance table.
    fold : int >= 0
        Which fold to test on.

    Returns
    -------
    pandas.Series of str
        One of :data:`PARTS` by utterance ``id``; in every corpus all three occur.

    Raises
    ------
    UserError
        A negative fold, a speaker without a published fold, a corpus with a single speaker, or one with two
        speakers and a single text.

    Examples
    --------
    >>> split = speaker_disjoint(utterances, fold=0)  # doctest: +SKIP
    >>> split.value_counts().to_dict()  # RAVDESS  # doctest: +SKIP
    {'train': 960, 'validation': 240, 'test': 240}
    """
    if fold < 0:
        raise UserError(f"fold {fold}: folds count from 0")
    folds = speaker_folds(utterances)
    split = pd.Series("train", index=folds.index, name="split")
    for corpus, rows in utterances.set_index("id").groupby("corpus"):
        groups = folds[rows.index]
        if groups.nunique() < 3:
            groups = rows["speaker"]
        present = sorted(groups.unique())
        if len(present) < 2:
            raise UserError(f"corpus {corpus}: one speaker only ({present[0]}); a disjoint split needs two or more")
        held_out = groups == present[fold % len(present)]
        if len(present) > 2:
            validation = groups == present[(fold + 1) % len(present)]
        else:
            validation = ~held_out & rows["text"].isin(_fifth_of_texts(str(corpus), rows.loc[~held_out, "text"]))
        split[validation.index[validation]] = "validation"
        split[held_out.index[held_out]] = "test"
    return split


def assert_disjoint(utterances: pd.DataFrame, split: pd.Series) -> None:
    """Check that no test speaker is heard in another part.

    Parameters
    ----------
    utterances : pandas.DataFrame
        The utterance table.
    split : pandas.Series of str
        One of :data:`PARTS` by utterance ``id``, for every utterance.

    Raises
    ------
    UserError
        Naming the shared speakers, an utterance without a part, or the parts that do not exist or are empty.
    """
    speakers = utterances.set_index("id")["speaker"]
    if missing := sorted(set(speakers.index) - set(split.index)):
        raise UserError(f"split: {len(missing)} utterances have no part, first {missing[0]}")
    parts = split[speakers.index]
    if set(parts) != set(PARTS):
        raise UserError(f"split: parts are {sorted(set(parts))}; needed are {', '.join(PARTS)}, none of them empty")
    in_test = parts == "test"
    if shared := sorted(set(speakers[in_test]) & set(speakers[~in_test])):
        raise UserError(f"split: {len(shared)} speakers both in test and in another part: {', '.join(shared[:10])}")


def _fifth_of_texts(corpus: str, texts: pd.Series) -> list[str]:
    distinct = sorted(texts.unique())
    if len(distinct) < 2:
        raise UserError(f"corpus {corpus}: two speakers and one text; no text is left for validation")
    return distinct[::VALIDATION_EVERY]
