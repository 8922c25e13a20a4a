"""sersupport.corpora: names to fields and back, broken files, folder look-up, the paper's tables."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile as sf
from hypothesis import given, settings
from hypothesis import strategies as st

from sersupport import UserError, facts
from sersupport.audio import AudioError
from sersupport.corpora import (
    CORPORA,
    EMOTIONS,
    SKIPPED_COLUMNS,
    UTTERANCE_COLUMNS,
    duplicates,
    parse,
    read,
    read_all,
    table2,
    table3,
)

RATE_HZ = 8_000


def write(path: Path, seed: int, duration_s: float = 0.25) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    y = 0.3 * np.random.default_rng(seed).uniform(-1, 1, round(duration_s * RATE_HZ))
    sf.write(path, y, RATE_HZ, format=path.suffix[1:].upper())
    return path


# Writers of the published conventions, apart from the readers' patterns: fields -> (path, expected label).
def ravdess_name(emotion, intensity, text, take, actor):
    label = ("neutral", "neutral", "happy", "sad", "angry", "fear", "disgust", "surprise")[emotion - 1]
    sentence = ("Kids are talking by the door", "Dogs are sitting by the door")[text - 1]
    name = f"03-01-{emotion:02d}-{intensity:02d}-{text:02d}-{take:02d}-{actor:02d}"
    return f"Actor_{actor:02d}/{name}.wav", (
        f"ravdess/{name}", f"ravdess-{actor:02d}", "M" if actor % 2 else "F", label,
        ("normal", "strong")[intensity - 1], sentence)  # fmt: skip


def cremad_name(actor, sentence, emotion, level):
    name = f"{actor}_{sentence}_{emotion[:3].upper()}_{level[:2].upper() if level != 'unspecified' else 'XX'}"
    text = {"DFA": "Don't forget a jacket", "IEO": "It's eleven o'clock", "TSI": "The surface is slick"}[sentence]
    level = {"lo": "low", "md": "medium", "hi": "high"}.get(level, level)
    sex = "M" if actor in {1001, 1005, 1064, 1090} else "F"
    emotion = {"anger": "angry"}.get(emotion, emotion)
    return f"AudioWAV/{name}.wav", (f"cremad/{name}", f"cremad-{actor}", sex, emotion, level, text)


def tess_name(speaker, word, emotion):
    name = f"{speaker}_{word}_{'ps' if emotion == 'surprise' else emotion}"
    return f"{speaker}_{emotion}/{name}.wav", (
        f"tess/{name}", f"tess-{speaker}", "F", emotion, "unspecified", f"Say the word {word}")  # fmt: skip


def savee_name(speaker, emotion, number, separator):
    code = {"sad": "sa", "surprise": "su"}.get(emotion, emotion[0])
    common = {
        1: "She had your dark suit in greasy wash water all year",
        2: "Don't ask me to carry an oily rag like that",
        3: "Will you tell me why",
    }
    text = common.get(number, f"{code}{number:02d}")
    return f"AudioData/{speaker}{separator}{code}{number:02d}.wav", (
        f"savee/{speaker}_{code}{number:02d}", f"savee-{speaker}", "M", emotion, "unspecified", text,
    )  # fmt: skip


def emodb_name(speaker, text, emotion, version):
    letter = {"angry": "W", "disgust": "E", "fear": "A", "happy": "F", "neutral": "N", "sad": "T"}[emotion]
    sentence = {
        "a02": "Das will sie am Mittwoch abgeben",
        "b10": "Die wird auf dem Platz sein, wo wir sie immer hinlegen",
    }
    name = f"{speaker}{text}{letter}{version}"
    sex = {"03": "M", "08": "F", "12": "M", "16": "F"}[speaker]
    return f"wav/{name}.wav", (
        f"emodb/{name}",
        f"emodb-{speaker}",
        sex,
        emotion,
        "unspecified",
        sentence[text],
    )


def emovo_name(emotion, speaker, text):
    italian = {"angry": "rab", "disgust": "dis", "fear": "pau", "happy": "gio", "neutral": "neu",
               "sad": "tri", "surprise": "sor"}[emotion]  # fmt: skip
    sentence = {"b3": "La cascata fa molto rumore", "d1": "Sabato sera cosa farà"}[text]
    name = f"{italian}-{speaker}-{text}"
    return f"{speaker}/{name}.wav", (
        f"emovo/{name}", f"emovo-{speaker}", speaker[0].upper(), emotion, "unspecified", sentence,
    )  # fmt: skip


six = st.sampled_from([emotion for emotion in EMOTIONS if emotion != "surprise"])
seven = st.sampled_from(EMOTIONS)
CONVENTIONS = {
    "ravdess": st.builds(
        ravdess_name,
        emotion=st.integers(1, 8),
        intensity=st.integers(1, 2),
        text=st.integers(1, 2),
        take=st.integers(1, 2),
        actor=st.integers(1, 24),
    ),
    "cremad": st.builds(
        cremad_name,
        actor=st.sampled_from([1001, 1002, 1005, 1064, 1075, 1090, 1091]),
        sentence=st.sampled_from(["DFA", "IEO", "TSI"]),
        emotion=st.sampled_from(["anger", "fear", "happy", "neutral", "sad"]),
        level=st.sampled_from(["lo", "md", "hi", "unspecified"]),
    ),
    "tess": st.builds(
        tess_name,
        speaker=st.sampled_from(["OAF", "YAF"]),
        word=st.text("abcdefghijklmnopqrstuvwxyz", min_size=2, max_size=8),
        emotion=seven,
    ),
    "savee": st.builds(
        savee_name,
        speaker=st.sampled_from(["DC", "JE", "JK", "KL"]),
        emotion=seven,
        number=st.integers(1, 30),
        separator=st.sampled_from("_/"),
    ),
    "emodb": st.builds(
        emodb_name,
        speaker=st.sampled_from(["03", "08", "12", "16"]),
        text=st.sampled_from(["a02", "b10"]),
        emotion=six,
        version=st.sampled_from(["", "a", "b", "d"]),
    ),
    "emovo": st.builds(
        emovo_name,
        emotion=seven,
        speaker=st.sampled_from(["f1", "f3", "m2"]),
        text=st.sampled_from(["b3", "d1"]),
    ),
}


@pytest.mark.parametrize("corpus", CORPORA)
def test_names_are_read_as_they_were_written(corpus):
    @settings(max_examples=50, deadline=None)
    @given(CONVENTIONS[corpus])
    def round_trip(written):
        path, expected = written
        assert tuple(parse(corpus, path)) == expected
        assert tuple(parse(corpus, f"/deep/in/a.folder/{path}")) == expected

    round_trip()


@pytest.mark.parametrize("corpus", CORPORA)
def test_any_name_is_read_or_refused(corpus):
    """Random text never breaks the parser, and what it accepts is a speaker and a class that exist."""

    @settings(max_examples=50, deadline=None)
    @given(st.one_of(st.text(min_size=1, max_size=30), st.from_regex(CORPORA[corpus].pattern, fullmatch=True)))
    def refuse_or_read(stem):
        name = stem.strip("/. \n\0").replace("\0", "") or "x"
        try:
            label = parse(corpus, f"{name}.wav")
        except AudioError as error:
            assert error.reason
        else:
            assert label.speaker.removeprefix(f"{corpus}-") in CORPORA[corpus].speakers
            assert label.emotion in EMOTIONS

    refuse_or_read()


@pytest.mark.parametrize(
    ("corpus", "stem", "reason"),
    [
        ("ravdess", "03-02-04-01-01-01-05", "song, not speech"),
        ("ravdess", "01-01-04-01-01-01-05", "audio-visual, not audio-only"),
        ("ravdess", "02-01-04-01-01-01-05", "video-only"),
        ("ravdess", "03-01-04-01-01-01-25", "name off the convention"),
        ("ravdess", "03-01-09-01-01-01-05", "name off the convention"),
        ("ravdess", "03-01-04-01-01-01-05-1", "name off the convention"),
        ("ravdess", "._03-01-04-01-01-01-05", "name off the convention"),
        ("cremad", "1076_MTI_NEU_XX", "known faulty"),
        ("cremad", "1076_MTI_SAD_XX", "known faulty"),
        ("cremad", "1064_TIE_SAD_XX", "known faulty"),
        ("cremad", "1064_IEO_DIS_MD", "known faulty"),
        ("cremad", "1092_TIE_SAD_XX", "name off the convention"),
        ("cremad", "1001_TIE_SUR_XX", "name off the convention"),
        ("tess", "MAF_back_angry", "name off the convention"),
        ("savee", "DC_x01", "name off the convention"),
        ("savee", "a01", "name off the convention"),
        ("emodb", "03a01La", "boredom: not one of the seven classes"),
        ("emodb", "04a01Fa", "name off the convention"),
        ("emovo", "amo-f1-b1", "name off the convention"),
    ],
)
def test_what_is_left_out_says_why(corpus, stem, reason):
    with pytest.raises(AudioError) as caught:
        parse(corpus, f"{stem}.wav")
    assert caught.value.reason.startswith(reason)


def test_known_misnamed_files_are_read():
    assert parse("tess", "OA_bite_neutral.wav") == (
        "tess/OA_bite_neutral", "tess-OAF", "F", "neutral", "unspecified", "Say the word bite")  # fmt: skip
    assert parse("cremad", "1040_ITH_SAD_X.wav")[:4] == ("cremad/1040_ITH_SAD_X", "cremad-1040", "M", "sad")


def test_published_speaker_counts():
    """(women, men) as the corpora's own papers give them."""
    counts = {name: pd.Series(corpus.speakers).value_counts() for name, corpus in CORPORA.items()}
    assert {name: (int(sexes.get("F", 0)), int(sexes.get("M", 0))) for name, sexes in counts.items()} == {
        "ravdess": (12, 12), "cremad": (43, 48), "tess": (2, 0), "savee": (0, 4), "emodb": (5, 5),
        "emovo": (3, 3),
    }  # fmt: skip


FIRST_NAMES = {
    "RAVDESS": ["Actor_02/03-01-05-02-01-01-02.wav", "Actor_01/03-01-02-01-02-01-01.wav"],
    "CREMA-D": ["AudioWAV/1001_DFA_ANG_XX.wav", "AudioWAV/1040_ITH_SAD_X.wav"],
    "TESS": ["OAF_Sad/OAF_back_sad.flac", "OAF_neutral/OA_bite_neutral.WAV"],
    "savee": ["AudioData/DC/a01.wav", "KL_su11.ogg"],
    "EMO-DB": ["wav/03a01Fa.wav", "wav/16b10Td.aiff"],
    "Emovo": ["f1/dis-f1-b1.wav", "m3/sor-m3-n5.wav"],
}


@pytest.fixture
def data_dir(tmp_path):
    for seed, (folder, names) in enumerate(FIRST_NAMES.items()):
        for number, name in enumerate(names):
            write(tmp_path / folder / name, seed=10 * seed + number)
    return tmp_path


def test_read_all_finds_every_corpus_by_any_folder_name(data_dir):
    utterances, skipped, presence = read_all(data_dir)
    assert list(utterances.columns) == list(UTTERANCE_COLUMNS)
    assert list(skipped.columns) == list(SKIPPED_COLUMNS)
    assert skipped.empty
    assert list(presence["corpus"]) == list(CORPORA)
    assert presence["present"].all()
    assert (presence["utterances"] == 2).all()
    assert utterances["id"].is_unique
    written = {str(data_dir / folder / name) for folder, names in FIRST_NAMES.items() for name in names}
    assert set(utterances["path"]) == written
    np.testing.assert_allclose(utterances["duration_s"], 0.25, rtol=0.02)
    assert dict(zip(utterances["corpus"], utterances["language"], strict=True)) == {
        "ravdess": "en", "cremad": "en", "tess": "en", "savee": "en", "emodb": "de",
        "emovo": "it",
    }  # fmt: skip
    again, *_ = read_all(data_dir)
    pd.testing.assert_frame_equal(utterances, again)


def test_a_corpus_in_two_folders_is_refused(data_dir):
    (data_dir / "S.A.V.E.E").mkdir()
    with pytest.raises(UserError, match="both read as SAVEE"):
        read_all(data_dir, ["savee"])


def test_absent_corpora_are_reported(data_dir):
    for name in ("TESS", "Emovo"):
        (data_dir / name).rename(data_dir / f"not {name}")
    utterances, _, presence = read_all(data_dir, ["tess", "savee"])
    assert set(utterances["corpus"]) == {"savee"}
    assert presence.set_index("corpus")["present"].to_dict() == {"tess": False, "savee": True}
    assert presence.set_index("corpus")["folder"].to_dict() == {"tess": "", "savee": str(data_dir / "savee")}


def test_cremad_is_found_as_audiowav(tmp_path):
    write(tmp_path / "AudioWAV" / "1001_DFA_ANG_XX.wav", seed=0)
    assert list(read_all(tmp_path, ["cremad"])[0]["id"]) == ["cremad/1001_DFA_ANG_XX"]


def test_broken_files_are_listed_and_never_fatal(tmp_path):
    good = write(tmp_path / "OAF_back_angry.wav", seed=0)
    aiff = tmp_path / "OAF_bar_angry.wav"
    sf.write(aiff, 0.3 * np.ones(8000), RATE_HZ, format="AIFF")
    (tmp_path / "OAF_base_angry.wav").touch()
    (tmp_path / "OAF_bath_angry.wav").write_text("version https://git-lfs.github.com/spec/v1\n")
    (tmp_path / "OAF_bean_angry.wav").write_text("no audio here\n" * 100)
    sf.write(tmp_path / "OAF_beg_angry.wav", np.zeros(0), RATE_HZ)
    sf.write(tmp_path / "OAF_bite_angry.wav", np.zeros(800), RATE_HZ)
    sf.write(tmp_path / "OAF_boat_angry.wav", np.full(800, np.nan), RATE_HZ, subtype="FLOAT")
    write(tmp_path / "cough.wav", seed=1)
    (tmp_path / "notes.txt").write_text("not even looked at")
    utterances, skipped = read("tess", tmp_path)
    assert list(utterances["path"]) == [str(good), str(aiff)]
    assert set(skipped["corpus"]) == {"tess"}
    reasons = {Path(path).stem: reason for path, reason in zip(skipped["path"], skipped["reason"], strict=True)}
    assert reasons.pop("OAF_bean_angry").startswith("not audio: ")
    assert reasons == {
        "OAF_base_angry": "empty file",
        "OAF_bath_angry": "Git LFS pointer",
        "OAF_beg_angry": "no samples",
        "OAF_bite_angry": "silent",
        "OAF_boat_angry": "all samples are NaN",
        "cough": "name off the convention OAF_back_angry.wav",
    }


def test_an_archive_that_holds_the_corpus_twice_counts_once(tmp_path):
    for folder in ("Actor_01", "audio_speech_actors_01-24/Actor_01"):
        write(tmp_path / folder / "03-01-05-02-01-01-01.wav", seed=0)
    utterances, skipped = read("ravdess", tmp_path)
    assert len(utterances) == 1
    assert list(skipped["reason"]) == ["second copy of 03-01-05-02-01-01-01"]


def test_a_broken_first_copy_gives_way_to_the_second(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "03-01-05-02-01-01-01.wav").touch()
    second = write(tmp_path / "b" / "03-01-05-02-01-01-01.wav", seed=0)
    assert list(read("ravdess", tmp_path)[0]["path"]) == [str(second)]


def test_same_recording_under_two_names_is_kept_and_listed(tmp_path):
    for name in ("03a01Fa.wav", "03a02Fa.flac", "03a04Fa.wav"):
        write(tmp_path / name, seed=len(name))
    utterances, _ = read("emodb", tmp_path)
    assert len(utterances) == 3
    assert list(duplicates(utterances)["id"]) == ["emodb/03a01Fa", "emodb/03a04Fa"]


def test_nothing_usable_names_folder_convention_and_reasons(tmp_path):
    for name in ("a.wav", "b.wav", "1064_TIE_SAD_XX.wav"):
        write(tmp_path / name, seed=0)
    with pytest.raises(UserError) as caught:
        read("cremad", tmp_path)
    message = str(caught.value)
    assert str(tmp_path) in message
    assert "CREMA-D" in message
    assert "1001_DFA_ANG_XX.wav" in message
    assert "2 × name off the convention" in message
    assert "1 × known faulty" in message
    assert "\n" not in message


def test_missing_folders_and_names_are_user_errors(tmp_path):
    with pytest.raises(UserError, match="no such folder"):
        read("tess", tmp_path / "absent")
    with pytest.raises(UserError, match="no such folder"):
        read_all(tmp_path / "absent")
    with pytest.raises(UserError, match=r"no corpus found; .* ravdess, tess"):
        read_all(tmp_path, ["ravdess", "tess"])
    with pytest.raises(UserError, match="no audio file at all"):
        read("tess", tmp_path)
    with pytest.raises(UserError, match="no reader for corpus 'iemocap'"):
        read("iemocap", tmp_path)


def composite() -> pd.DataFrame:
    """The paper's four corpora by their published design; CREMA-D, whose design is uneven, by its counts."""
    names = [
        ("ravdess", ravdess_name(emotion, intensity, text, take, actor)[0])
        for emotion in range(1, 9)
        for intensity in ((1,) if emotion == 1 else (1, 2))  # there is no strong neutral
        for text in (1, 2)
        for take in (1, 2)
        for actor in range(1, 25)
    ]
    names += [
        ("tess", tess_name(speaker, f"word{chr(97 + word // 20)}{chr(97 + word % 20)}", emotion)[0])
        for speaker in ("OAF", "YAF")
        for word in range(200)
        for emotion in EMOTIONS
    ]
    names += [
        ("savee", savee_name(speaker, emotion, number, "_")[0])
        for speaker in ("DC", "JE", "JK", "KL")
        for emotion in EMOTIONS
        for number in range(1, 31 if emotion == "neutral" else 16)
    ]
    rows = pd.DataFrame([{"corpus": corpus} | parse(corpus, path)._asdict() for corpus, path in names])
    printed = facts.table("2512.18298-table3-classes").set_index("emotion")["CREMA-D"]
    emotions = np.repeat(printed.index, printed)
    speakers = np.resize(list(CORPORA["cremad"].speakers), len(emotions))
    cremad = pd.DataFrame({
        "corpus": "cremad",
        "id": [f"cremad/{number}" for number in range(len(emotions))],
        "speaker": np.char.add("cremad-", speakers),
        "sex": [CORPORA["cremad"].speakers[code] for code in speakers],
        "emotion": emotions,
    })  # fmt: skip
    return pd.concat([rows, cremad], ignore_index=True)


def test_tables_have_the_papers_layout_and_figures():
    utterances = composite()
    assert utterances["id"].is_unique
    for ours, name in ((table2(utterances), "table2-corpora"), (table3(utterances), "table3-classes")):
        pd.testing.assert_frame_equal(ours, facts.table(f"2512.18298-{name}"), check_names=False, check_dtype=False)


@pytest.mark.skipif("SERSUPPORT_DATA" not in os.environ, reason="SERSUPPORT_DATA does not name the real corpora")
@pytest.mark.parametrize(
    ("corpus", "speakers", "copies"),
    [
        ("ravdess", 24, ["ravdess/03-01-03-01-02-01-07", "ravdess/03-01-03-01-02-02-07"]),
        ("tess", 2, []),
        ("emovo", 6, []),
    ],
)
def test_real_corpus_has_its_published_size(corpus, speakers, copies):
    started = time.perf_counter()
    utterances, skipped, _ = read_all(os.environ["SERSUPPORT_DATA"], [corpus])
    assert time.perf_counter() - started < 20
    assert skipped.empty
    assert utterances["speaker"].nunique() == speakers
    assert list(duplicates(utterances)["id"]) == copies
    if corpus == "emovo":
        assert (table3(utterances)["EMOVO"] == 84).all()
    else:
        title = CORPORA[corpus].title
        printed2, printed3 = (facts.table(f"2512.18298-table{name}") for name in ("2-corpora", "3-classes"))
        printed2 = printed2[printed2["corpus"] == title].reset_index(drop=True)
        pd.testing.assert_frame_equal(table2(utterances), printed2, check_dtype=False)
        np.testing.assert_array_equal(table3(utterances)[title], printed3[title])


def test_a_file_that_was_cut_off_is_listed(tmp_path):
    sf.write(tmp_path / "OAF_back_angry.wav", np.full(22050, 0.1), 22050)
    sf.write(tmp_path / "OAF_bar_angry.wav", np.full(1000, 0.1), 22050)
    utterances, skipped = read("tess", tmp_path)
    assert len(utterances) == 1 and "too short for an utterance" in skipped["reason"][0]
