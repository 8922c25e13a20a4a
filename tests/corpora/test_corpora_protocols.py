"""sersupport.corpora.protocols: what each keeps apart, on whole corpora and odd ones; the leak check."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_folds import WHOLE, table

from sersupport.core.errors import UserError
from sersupport.corpora import protocols
from sersupport.corpora.convention import EMOTIONS
from sersupport.corpora.conventions import CORPORA
from sersupport.corpora.folds import chosen, speaker_disjoint
from sersupport.corpora.protocols import (
    KEPT_APART,
    RUNGS,
    THINNED,
    assert_disjoint,
    capped,
    levelled,
    sample_evenly,
    write,
)
from sersupport.corpora.synthesis.script import SPEAKERS, items

VARIANTS = ("clean", "noisy", "pitched", "pitched_noisy")


def assign(utterances: pd.DataFrame, protocol: str, fold: int = 0, seed: int = 0) -> pd.DataFrame:
    return protocols.assign(utterances, protocol, VARIANTS, [fold], seed)


def possible(utterances: pd.DataFrame, fold: int = 0, seed: int = 0) -> dict[str, pd.DataFrame]:
    return protocols.possible(utterances, VARIANTS, [fold], seed)


def test_a_leaking_split_is_named():
    split = speaker_disjoint(WHOLE, 0)
    leak = split.copy()
    leak[split.index[(split == "test") & split.index.str.startswith("ravdess/01")][0]] = "train"
    with pytest.raises(UserError, match=r"1 speakers both in test and in another part: ravdess-01"):
        assert_disjoint(WHOLE, leak)


def test_an_incomplete_split_is_refused():
    split = speaker_disjoint(WHOLE, 0)
    with pytest.raises(UserError, match="1 utterances have no part"):
        assert_disjoint(WHOLE, split.iloc[1:])
    with pytest.raises(UserError, match="none of them empty"):
        assert_disjoint(WHOLE, split.replace("validation", "train"))
    with pytest.raises(UserError, match="dev"):
        assert_disjoint(WHOLE, split.replace("validation", "dev"))


RAVDESS = pd.DataFrame(
    [
        (f"ravdess/{actor:02d}-{emotion}-{text}-{take}", "ravdess", f"ravdess-{actor:02d}", emotion, f"text {text}")
        for actor in range(1, 25)
        for emotion in EMOTIONS
        for text in (1, 2)
        for take in range(6 if emotion == "neutral" else 4)
    ],
    columns=["id", "corpus", "speaker", "emotion", "text"],
)  # 24 x 60 utterances, as published


@pytest.mark.parametrize("fold", [0, 1])
@pytest.mark.parametrize("protocol", KEPT_APART)
def test_protocols_keep_apart_what_they_say_on_all_corpora(protocol, fold):
    rows = assign(WHOLE, protocol, fold)
    assert_disjoint(WHOLE, rows, protocol)
    assert list(rows.columns) == ["fold", "utterance", "variant", "split"]
    assert not rows.duplicated(["utterance", "variant"]).any()
    who = WHOLE.set_index("id").loc[rows["utterance"]].assign(split=rows["split"].to_numpy())
    classes = who.groupby(["corpus", "split"])["emotion"].nunique()
    assert (classes == len(EMOTIONS)).all() and len(classes) == 3 * len(CORPORA)


@pytest.mark.parametrize("loose", ["row-random", "utterance-grouped"])
def test_protocols_are_compared_at_equal_sizes(loose):
    sizes = {name: assign(RAVDESS, name, 2)["split"].value_counts() for name in (loose, "speaker-disjoint")}
    assert sizes["speaker-disjoint"].to_dict() == {"train": 3840, "validation": 960, "test": 960}
    assert (sizes[loose] - sizes["speaker-disjoint"]).abs().max() <= 4 * len(EMOTIONS)


def test_row_random_leaves_a_sibling_of_nearly_every_test_row_in_training():
    """Three siblings, each in training with probability 2/3: 1 - (1/3)^3 of the test rows have one there."""
    rows = assign(RAVDESS, "row-random", 0, seed=3)
    trained = set(rows.loc[rows["split"] == "train", "utterance"])
    share = rows.loc[rows["split"] == "test", "utterance"].isin(trained).mean()
    assert share == pytest.approx(1 - (1 / 3) ** 3, abs=0.02)
    assert rows.groupby("utterance")["split"].nunique().mean() > 1.5


def test_text_disjoint_halves_ravdess_and_keeps_its_test_speakers():
    strict, texts = assign(RAVDESS, "speaker-disjoint", 1), assign(RAVDESS, "speaker-and-text-disjoint", 1)
    assert texts["split"].value_counts().to_dict() == {"train": 1920, "validation": 480, "test": 480}
    both = texts.merge(strict, on=["utterance", "variant"])
    assert (both["split_x"] == both["split_y"]).all()


def test_levelled_protocols_have_equal_training_rows_by_fold_corpus_and_class():
    found = protocols.possible(RAVDESS, VARIANTS, [0, 1, 2], 0)
    level = levelled(found, RAVDESS)
    emotion = RAVDESS.set_index("id")["emotion"]
    train = level[level["split"] == "train"]
    counts = train.assign(emotion=train["utterance"].map(emotion)).groupby(["fold", "emotion", "protocol"]).size()
    assert level["protocol"].unique().tolist() == list(RUNGS)
    for rungs, count in ((RUNGS[:3], 3800), (RUNGS[3:], 1920)):
        assert (counts.unstack()[list(rungs)].nunique(axis=1) == 1).all()
        sizes = train[train["protocol"].isin(rungs)].groupby(["fold", "protocol"]).size()
        assert sizes.between(count, count + 40).all()  # up to rounding a class
    found[THINNED] = found["speaker-disjoint"]
    untouched = level[level["split"] != "train"].groupby("protocol").size()
    assert untouched.to_dict() == {name: (rows["split"] != "train").sum() for name, rows in found.items()}
    thinned = level[level["protocol"] == THINNED].merge(found.pop(THINNED), how="left", indicator=True)
    assert (thinned["_merge"] == "both").all()
    for name, rows in level.groupby("protocol"):
        for _, own in rows.groupby("fold"):
            assert_disjoint(RAVDESS, own, "speaker-disjoint" if name == THINNED else name)
    whole = train[train["protocol"] != "row-random"].groupby(["protocol", "fold", "utterance"]).size()
    assert (whole == len(VARIANTS)).all()
    again = levelled({name: found[name].sample(frac=1, random_state=1) for name in found}, RAVDESS)
    key = ["protocol", "fold", "utterance", "variant"]
    tables = [rows.sort_values(key, ignore_index=True) for rows in (level, again)]
    pd.testing.assert_frame_equal(*tables)


@pytest.mark.parametrize("protocol", list(KEPT_APART)[:3])
def test_over_all_folds_every_row_is_tested_once(protocol):
    rows = protocols.assign(WHOLE, protocol, VARIANTS, chosen(WHOLE, "all"))
    tested = rows[rows["split"] == "test"]
    assert len(tested) == len(VARIANTS) * len(WHOLE) and not tested.duplicated(["utterance", "variant"]).any()
    assert (rows.groupby("fold").size() == len(VARIANTS) * len(WHOLE)).all()


def test_no_speaker_is_most_of_a_capped_test():
    """Two voices of TESS have as many utterances as 24 actors."""
    both = pd.concat([RAVDESS, odd({"tess": ["OAF", "YAF"]}, classes=7, texts=100)], ignore_index=True)
    some = capped(both)
    counts = some.groupby("speaker").size()
    assert (counts == 60).all() and len(counts) == 26 and some.index.is_monotonic_increasing
    tess = some[some["corpus"] == "tess"].groupby(["speaker", "emotion"]).size()
    assert tess.max() - tess.min() <= 1
    assert set(capped(both.sample(frac=1, random_state=2))["id"]) == set(some["id"])
    assert len(capped(RAVDESS)) == len(RAVDESS)


def test_one_recording_under_two_names_stays_together():
    twins = RAVDESS.assign(sha256=RAVDESS["id"])
    twins.loc[1, "sha256"] = twins.loc[0, "sha256"]
    for seed in range(20):
        rows = assign(twins, "utterance-grouped", seed=seed)
        assert rows[rows["utterance"].isin(twins["id"][:2])]["split"].nunique() == 1


@settings(max_examples=30, deadline=None)
@given(
    protocol=st.sampled_from(sorted(KEPT_APART)),
    seed=st.integers(0, 9),
    fold=st.integers(0, 9),
    shuffle=st.integers(0, 99),
)
def test_assignment_depends_on_names_seed_and_fold_alone(protocol, seed, fold, shuffle):
    key = ["utterance", "variant"]
    rows = assign(WHOLE, protocol, fold, seed).sort_values(key, ignore_index=True)
    again = assign(WHOLE.sample(frac=1, random_state=shuffle), protocol, fold, seed)
    pd.testing.assert_frame_equal(again.sort_values(key, ignore_index=True), rows)
    assert set(rows["variant"]) == set(VARIANTS)


def test_another_seed_draws_other_rows():
    first, second = (assign(RAVDESS, "row-random", seed=seed)["split"] for seed in (0, 1))
    assert (first != second).mean() > 0.2


def test_unknown_protocols_and_too_few_texts_are_refused():
    with pytest.raises(UserError, match="no protocol 'random'; there are: row-random"):
        assign(RAVDESS, "random")
    with pytest.raises(UserError, match="corpus ravdess: too few texts"):
        assign(RAVDESS.assign(text="one"), "speaker-and-text-disjoint")


@pytest.mark.parametrize("protocol", [name for name in KEPT_APART if name != "speaker-and-text-disjoint"])
def test_a_looser_protocol_fails_the_stricter_check(protocol):
    names = list(KEPT_APART)
    stricter = names[names.index(protocol) + 1]
    with pytest.raises(UserError, match=rf"{KEPT_APART[stricter][-1]}s both in test and in another part"):
        assert_disjoint(RAVDESS, assign(RAVDESS, protocol), stricter)


def test_the_plain_file_says_everything(tmp_path):
    paths = "corpora/" + RAVDESS["speaker"] + "/" + RAVDESS["id"].str.removeprefix("ravdess/") + ".wav"
    utterances, rows = RAVDESS.assign(path=paths), assign(RAVDESS, "utterance-grouped")
    write(rows, utterances, "utterance-grouped", tmp_path / "splits" / "u.csv", ["ravdess-02"])
    read = pd.read_csv(tmp_path / "splits" / "u.csv")
    pd.testing.assert_frame_equal(read[list(rows.columns)], rows, check_dtype=False)
    assert set(read.loc[read["heard"], "speaker"]) == {"ravdess-02"}
    assert read["file"][0] == "ravdess-01/01-angry-1-0.wav" and set(read["protocol"]) == {"utterance-grouped"}
    assert [path.name for path in (tmp_path / "splits").iterdir()] == ["u.csv"]


@pytest.mark.parametrize("seed", [16, 35, 42, 51, 55])
def test_an_unlucky_draw_of_texts_is_drawn_again(seed):
    """Some seeds once left a class of the embedded corpus without test texts."""
    embedded = pd.DataFrame(
        [
            (f"{speaker.corpus}/{item.stem}", speaker.corpus, f"{speaker.corpus}-{speaker.code}", emotion, item.text)
            for speaker in SPEAKERS
            for item in items(speaker, 1.0)
            for emotion in ["neutral" if item.emotion == "calm" else item.emotion]
        ],
        columns=["id", "corpus", "speaker", "emotion", "text"],
    )
    assert set(possible(embedded, 1, seed)) == set(KEPT_APART)


def test_a_protocol_that_is_impossible_is_left_out():
    assert list(possible(RAVDESS.assign(text="one"))) == list(KEPT_APART)[:-1]


def test_an_unknown_utterance_or_protocol_is_refused_in_words():
    rows = assign(RAVDESS, "row-random")
    with pytest.raises(UserError, match="no protocol 'x'"):
        assert_disjoint(RAVDESS, rows, "x")
    with pytest.raises(UserError, match="are not in the table, first ravdess/01"):
        assert_disjoint(RAVDESS.iloc[100:], rows)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 200), st.integers(0, 5))
def test_a_sample_is_even_over_speakers_and_classes(count, seed):
    some = table({"ravdess": ["01", "02"], "tess": ["OAF"]})
    sample = sample_evenly(some, count, seed)
    assert len(sample) == min(count, len(some)) and sample["id"].is_unique and sample.index.is_monotonic_increasing
    sizes = some.groupby(["speaker", "emotion"]).size()
    counts = sample.groupby(["speaker", "emotion"]).size().reindex(sizes.index, fill_value=0)
    open_groups = counts[counts < sizes]
    assert open_groups.empty or counts.max() - open_groups.min() <= 1
    assert sample_evenly(some.sample(frac=1, random_state=1), count, seed)["id"].isin(sample["id"]).all()
    assert len(sample_evenly(some, 0)) == len(some)


# corpora that lack something ------------------------------------------------------------------------------------------


def odd(corpora: dict[str, list[str]], classes: int, texts: int, takes: int = 1) -> pd.DataFrame:
    """Utterances of some speakers, in the first few classes; with no texts they are unknown."""
    rows = [
        (f"{name}/{code}-{emotion}-{text}-{take}", name, f"{name}-{code}", emotion, f"t{text}" if texts else "", "")
        for name, codes in corpora.items()
        for code in codes
        for emotion in EMOTIONS[:classes]
        for text in range(texts or 1)
        for take in range(takes)
    ]
    return pd.DataFrame(rows, columns=["id", "corpus", "speaker", "emotion", "text", "sex"])


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_every_protocol_that_is_possible_holds_on_odd_corpora(data):
    """Two speakers somewhere; elsewhere one perhaps, classes and texts of any number, sexes unknown."""
    names = data.draw(st.lists(st.sampled_from(sorted(CORPORA)), min_size=1, max_size=3, unique=True))
    speakers = {
        name: sorted(CORPORA[name].speakers)[: data.draw(st.integers(1 if number else 2, 4))]
        for number, name in enumerate(names)
    }
    utterances = odd(speakers, *(data.draw(st.integers(low, high)) for low, high in ((2, 7), (0, 3), (2, 4))))
    if data.draw(st.booleans()):
        utterances.loc[utterances.index[::3], "text"] = ""
    fold = data.draw(st.sampled_from(chosen(utterances, "all")))
    found = possible(utterances, fold, data.draw(st.integers(0, 9)))
    assert list(found) in (list(KEPT_APART), list(KEPT_APART)[:-1])
    for protocol, rows in found.items():
        assert_disjoint(utterances, rows, protocol)
        assert set(rows["variant"]) == set(VARIANTS)
    corpus_of = utterances.set_index("id")["corpus"]
    tested = found["speaker-disjoint"].query("split == 'test'")["utterance"].map(corpus_of)
    assert set(tested) == {name for name, codes in speakers.items() if len(codes) > max(1, fold)}


def test_a_corpus_of_one_speaker_is_trained_and_validated_only():
    utterances = odd({"savee": ["DC"], "tess": ["OAF", "YAF"]}, classes=7, texts=10)
    for protocol in KEPT_APART:
        rows = assign(utterances, protocol, fold=1)
        assert_disjoint(utterances, rows, protocol)
        alone = rows[rows["utterance"].str.startswith("savee")]
        assert set(alone["split"]) == {"train", "validation"} and len(alone) == 4 * 70


def test_texts_that_are_unknown_cannot_be_kept_apart():
    utterances = odd({"savee": ["DC", "JE", "JK"]}, classes=4, texts=0, takes=5)
    assert list(possible(utterances)) == list(KEPT_APART)[:-1]
    known = odd({"savee": ["DC", "JE", "JK"]}, classes=4, texts=4, takes=2)
    known.loc[::7, "text"] = ""
    rows = assign(known, "speaker-and-text-disjoint")
    assert not set(rows["utterance"]) & set(known.loc[known["text"] == "", "id"])


def test_classes_of_few_rows_leave_no_part_empty():
    """Two of each class, a twelfth for validation: rounded class by class that is none."""
    utterances = odd({"savee": ["DC", "JE"]}, classes=6, texts=0)
    rows = assign(utterances, "utterance-grouped")
    assert rows["split"].value_counts().to_dict() == {"test": 24, "train": 20, "validation": 4}


def test_halves_are_even_in_every_class_and_depend_on_no_order():
    half = protocols.halves(RAVDESS)
    counts = RAVDESS.assign(half=half.to_numpy()).groupby(["speaker", "emotion", "half"]).size().unstack(fill_value=0)
    assert (counts[0] - counts[1]).abs().max() <= 1
    whole = counts.groupby("speaker").sum()
    assert (whole[0] - whole[1]).isin([0, 1]).all()
    shuffled = protocols.halves(RAVDESS.sample(frac=1, random_state=0))
    pd.testing.assert_series_equal(shuffled[half.index], half)
    some = RAVDESS[RAVDESS["speaker"].isin(RAVDESS["speaker"].unique()[:5])]
    pd.testing.assert_series_equal(protocols.halves(some), half[some["id"]])
    assert (protocols.halves(RAVDESS, seed=1) != half).mean() > 0.3


def test_copies_of_one_recording_are_in_one_half():
    copies = RAVDESS.assign(sha256=RAVDESS["id"].str.replace("-3", "-2"))
    half = protocols.halves(copies).groupby(copies["sha256"].to_numpy())
    assert half.size().max() == 2 and (half.nunique() == 1).all()
