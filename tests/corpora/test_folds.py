"""sersupport.corpora.folds: published folds, splits by speaker of whole and thinned-out corpora."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sersupport.core.errors import UserError
from sersupport.corpora.convention import EMOTIONS
from sersupport.corpora.conventions import CORPORA
from sersupport.corpora.folds import PARTS, SCHEMES, STANDARD_FOLDS, chosen, speaker_disjoint, speaker_folds
from sersupport.corpora.protocols import assert_disjoint

TEXTS = {"ravdess": 2, "cremad": 3, "tess": 10, "savee": 5, "emodb": 2, "emovo": 3, "iemocap": 3}


def table(speakers: dict[str, list[str]]) -> pd.DataFrame:
    """An utterance table of every class and a few texts for the given speaker codes of each corpus."""
    rows = [
        (f"{corpus}/{code}-{emotion}-{text}", corpus, f"{corpus}-{code}", emotion, f"text {text}")
        for corpus, codes in speakers.items()
        for code in codes
        for emotion in EMOTIONS
        for text in range(TEXTS[corpus])
    ]
    return pd.DataFrame(rows, columns=["id", "corpus", "speaker", "emotion", "text"])


WHOLE = table({name: list(corpus.speakers) for name, corpus in CORPORA.items()})


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("corpus", CORPORA)
def test_folds_partition_the_speakers(corpus, scheme):
    codes = [code for fold in SCHEMES[scheme][corpus] for code in fold]
    assert len(codes) == len(set(codes))
    assert set(codes) == set(CORPORA[corpus].speakers)


def test_folds_are_the_published_ones():
    """EmoBox's six for RAVDESS, each with two women and two men; 17 test speakers for CREMA-D."""
    folds = speaker_folds(WHOLE).groupby(WHOLE.set_index("id")["speaker"]).first()
    expected = [
        {1, 11, 20, 21},
        {4, 10, 12, 14},
        {8, 9, 19, 23},
        {3, 5, 7, 24},
        {2, 15, 16, 18},
        {6, 13, 17, 22},
    ]
    for fold, actors in enumerate(expected):
        assert {int(s[-2:]) for s in folds.index[folds == fold] if s.startswith("ravdess")} == actors
    test = {1048, 1069, 1071, 1074, *range(1076, 1080), *range(1082, 1085), *range(1086, 1092)}
    assert {int(s[-4:]) for s in folds.index[folds == 0] if s.startswith("cremad")} == test


def test_cremad_training_folds_are_balanced_by_sex():
    sexes = CORPORA["cremad"].speakers
    women = [np.mean([sexes[code] == "F" for code in fold]) for fold in STANDARD_FOLDS["cremad"][1:]]
    assert max(women) - min(women) < 0.07
    assert {len(fold) for fold in STANDARD_FOLDS["cremad"][1:]} == {14, 15}


@pytest.mark.parametrize("fold", range(6))
def test_split_of_all_six_corpora(fold):
    split = speaker_disjoint(WHOLE, fold)
    assert_disjoint(WHOLE, split)
    parts = WHOLE.assign(part=split[WHOLE["id"]].to_numpy())
    counts = parts.groupby("corpus")["part"].agg(set)
    folds = {name: len(STANDARD_FOLDS[name]) for name in counts.index}
    assert all((part == set(PARTS)) == (fold < folds[name]) for name, part in counts.items())
    assert all(part >= {"train", "validation"} for part in counts)
    ravdess = parts[parts["corpus"] == "ravdess"].groupby("part")["speaker"].nunique()
    assert ravdess.to_dict() == {"test": 4, "train": 16, "validation": 4}
    more = parts[parts["corpus"] != "tess"].groupby("speaker")["part"].nunique()
    assert (more == 1).all()  # where there are speakers enough, validation shares none either


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_speaker_of_every_corpus_is_tested_once_over_the_folds(scheme):
    """Two speakers of TESS and ten of EmoDB alike: in the folds beyond its own a corpus is not tested."""
    splits = [speaker_disjoint(WHOLE, fold, scheme) for fold in chosen(WHOLE, "all", scheme)]
    tested = [set(split.index[split == "test"]) for split in splits]
    assert len(tested) == 10 and set.union(*tested) == set(WHOLE["id"])
    assert sum(map(len, tested)) == len(WHOLE)


def test_the_other_scheme_is_the_printed_one():
    """Luna-Jimenez et al. 2022: actors 2, 5, 14, 15 and 16 are tested first; five folds."""
    ravdess = WHOLE[WHOLE["corpus"] == "ravdess"]
    assert chosen(ravdess, "all", "luna-jimenez") == [0, 1, 2, 3, 4]
    split = speaker_disjoint(ravdess, 0, "luna-jimenez")
    assert set(split.index[split == "test"].str[8:10]) == {"02", "05", "14", "15", "16"}


def test_tess_validation_shares_the_voice_but_no_text():
    tess = WHOLE[WHOLE["corpus"] == "tess"]
    for fold, speaker in enumerate(["tess-OAF", "tess-YAF"]):
        parts = tess.assign(part=speaker_disjoint(tess, fold)[tess["id"]].to_numpy())
        assert set(parts.loc[parts["part"] == "test", "speaker"]) == {speaker}
        texts = parts[parts["part"] != "test"].groupby("part")["text"].agg(set)
        assert texts["train"].isdisjoint(texts["validation"])
        assert (len(texts["train"]), len(texts["validation"])) == (8, 2)


def test_split_does_not_depend_on_row_order():
    shuffled = WHOLE.sample(frac=1, random_state=0)
    pd.testing.assert_series_equal(speaker_disjoint(shuffled, 1).sort_index(), speaker_disjoint(WHOLE, 1).sort_index())


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_thinned_out_corpora_still_fill_all_parts(data):
    """Whichever two or more speakers are there, no part is empty and no test speaker is heard elsewhere."""
    corpora = data.draw(st.sets(st.sampled_from(sorted(CORPORA)), min_size=1, max_size=3))
    speakers = {
        corpus: sorted(data.draw(st.sets(st.sampled_from(sorted(CORPORA[corpus].speakers)), min_size=2, max_size=8)))
        for corpus in sorted(corpora)
    }
    utterances = table(speakers)
    folds = chosen(utterances, "all")
    splits = {fold: speaker_disjoint(utterances, fold) for fold in folds}
    for split in splits.values():
        assert_disjoint(utterances, split)
        assert list(split.index) == list(utterances["id"])
        present = split.groupby(utterances.set_index("id")["corpus"]).agg(set)
        assert all(parts >= {"train", "validation"} for parts in present)
    tested = [name for split in splits.values() for name in split.index[split == "test"]]
    assert sorted(tested) == sorted(utterances["id"])


def test_eight_ravdess_actors_of_three_folds():
    embedded = table({"ravdess": ["01", "11", "20", "21", "08", "09", "04", "10"]})
    split = speaker_disjoint(embedded, 0)
    speakers = embedded.set_index("id")["speaker"]
    assert set(speakers[split == "test"]) == {f"ravdess-{code}" for code in ("01", "11", "20", "21")}
    assert set(speakers[split == "validation"]) == {"ravdess-04", "ravdess-10"}
    assert set(speakers[split == "train"]) == {"ravdess-08", "ravdess-09"}


@pytest.mark.parametrize(
    ("utterances", "fold", "message"),
    [
        (WHOLE, -1, "count from 0"),
        (WHOLE, 99, "fold 99: folds count from 0 to 9 with these corpora"),
        (WHOLE[WHOLE["corpus"] == "ravdess"], 6, "fold 6: folds count from 0 to 5"),
        (table({"savee": ["DC"]}), 0, r"corpus savee: one speaker only \(savee-DC\)"),
        (WHOLE.assign(speaker="radio-1"), 0, "one speaker only"),
        (table({"savee": ["DC", "JE"]}).query("emotion == 'sad' and text == 'text 0'"), 0, "is left for validation"),
    ],
)
def test_impossible_splits_are_refused(utterances, fold, message):
    with pytest.raises(UserError, match=message):
        speaker_disjoint(utterances, fold)


def test_speakers_without_a_published_fold_get_stratified_group_folds():
    radio = WHOLE[WHOLE["corpus"] == "emodb"].copy()
    radio["speaker"] = radio["speaker"].str.replace("emodb", "radio")
    folds = speaker_folds(radio)
    assert (folds.groupby(radio.set_index("id")["speaker"]).nunique() == 1).all()
    assert sorted(folds.unique()) == [0, 1, 2, 3, 4]
    assert_disjoint(radio, speaker_disjoint(radio, 0))


def test_a_fold_must_be_one_of_the_corpus_that_has_most():
    """RAVDESS has six, TESS two: there is a fold 5, in which TESS is not tested; there is no fold 6."""
    both = WHOLE[WHOLE["corpus"].isin(["ravdess", "tess"])]
    assert chosen(both, "all") == list(range(6)) and len(chosen(WHOLE, "all")) == 10
    tess = speaker_disjoint(both, 5)[both["id"][both["corpus"] == "tess"]]
    assert set(tess) == {"train", "validation"}
    with pytest.raises(UserError, match="from 0 to 5"):
        speaker_disjoint(both, 6)
    with pytest.raises(UserError, match="fold 6"):
        chosen(both, [0, 6])


@pytest.mark.parametrize("text", ["", "back"])
def test_two_speakers_without_texts_are_validated_on_every_fifth_utterance_of_a_class(text):
    tess = WHOLE[WHOLE["corpus"] == "tess"].assign(text=text)
    parts = tess.assign(part=speaker_disjoint(tess, 0)[tess["id"]].to_numpy())
    assert set(parts.loc[parts["part"] == "test", "speaker"]) == {"tess-OAF"}
    counts = parts[parts["speaker"] == "tess-YAF"].groupby(["emotion", "part"]).size().unstack()
    assert (counts["validation"] == 2).all() and (counts["train"] == 8).all() and len(counts) == len(EMOTIONS)


def test_speakers_of_too_few_utterances_are_dealt_into_folds():
    radio = pd.DataFrame({"id": list("abcdef"), "speaker": list("uvwxyz"), "corpus": "emodb", "text": ""})
    radio["emotion"] = ["sad", "happy", "angry", "fear", "neutral", "disgust"]
    assert sorted(speaker_folds(radio)) == [0, 0, 1, 2, 3, 4]
    assert_disjoint(radio, speaker_disjoint(radio, 4))
