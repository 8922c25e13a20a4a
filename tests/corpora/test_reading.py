"""sersupport.corpora.reading: broken files, folder look-up, links, real corpora."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile as sf

from sersupport.claims import facts
from sersupport.core.errors import UserError
from sersupport.corpora.conventions import CORPORA
from sersupport.corpora.reading import (
    SKIPPED_COLUMNS,
    UTTERANCE_COLUMNS,
    audio_files,
    duplicates,
    located,
    read,
    read_all,
)
from sersupport.corpora.tables import table2, table3

RATE_HZ = 8_000


def write(path: Path, seed: int, duration_s: float = 0.25) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    y = 0.3 * np.random.default_rng(seed).uniform(-1, 1, round(duration_s * RATE_HZ))
    sf.write(path, y, RATE_HZ, format=path.suffix[1:].upper())
    return path


FIRST_NAMES = {
    "RAVDESS": ["Actor_02/03-01-05-02-01-01-02.wav", "Actor_01/03-01-02-01-02-01-01.wav"],
    "CREMA-D": ["AudioWAV/1001_DFA_ANG_XX.wav", "AudioWAV/1040_ITH_SAD_X.wav"],
    "TESS": ["OAF_Sad/OAF_back_sad.flac", "OAF_neutral/OA_bite_neutral.WAV"],
    "savee": ["AudioData/DC/a01.wav", "KL_su11.ogg"],
    "EMO-DB": ["wav/03a01Fa.wav", "wav/16b10Td.aiff"],
    "Emovo": ["f1/dis-f1-b1.wav", "m3/sor-m3-n5.wav"],
    "IEMOCAP_full_release": [
        f"Session1/sentences/wav/{turn[:-5]}/{turn}.wav" for turn in ("Ses01F_impro01_F000", "Ses01F_script01_1_M003")
    ],
}


def labelled(folder: Path, dialogue: str, *lines: str) -> None:
    """Labels as IEMOCAP has them, each turn's followed by those of its listeners."""
    path = folder / f"Session{dialogue[4]}" / "dialog" / "EmoEvaluation" / f"{dialogue}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    turns = [f"{line}\nC-E2:\tNeutral;\t()\nA-E3:\tval 3; act 2; dom  2;\t()\n" for line in lines]
    path.write_text("% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n" + "\n".join(turns))


def line(turn: str, emotion: str) -> str:
    return f"[6.2901 - 8.2357]\t{turn}\t{emotion}\t[2.5000, 2.5000, 2.5000]"


@pytest.fixture
def data_dir(tmp_path):
    for seed, (folder, names) in enumerate(FIRST_NAMES.items()):
        for number, name in enumerate(names):
            write(tmp_path / folder / name, seed=10 * seed + number)
    for path in map(Path, FIRST_NAMES["IEMOCAP_full_release"]):
        labelled(tmp_path / "IEMOCAP_full_release", path.parent.name, line(path.stem, "neu"))
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
        "emovo": "it", "iemocap": "en",
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


def test_labels_beside_the_recordings_are_read_and_what_lacks_one_says_why(tmp_path):
    tmp_path = tmp_path / "iemocap"
    said = {
        "Ses01F_impro01_F000": "neu", "Ses01F_impro01_M000": "exc", "Ses02M_script01_1b_F004": "ang",
        "Ses02M_script01_1b_MXX0": "sad", "Ses01F_impro01_F001": "xxx", "Ses01F_impro01_F002": "fru",
        "Ses01F_impro01_F003": "bor", "Ses01F_impro01_F004": "neu",
    }  # fmt: skip
    cut = "[8.1 - 9.2]\tSes01F_impro01_F004\tne"  # in the middle of a line
    for dialogue in ("Ses01F_impro01", "Ses02M_script01_1b"):
        own = [cut if turn.endswith("F004") and dialogue[4] == "1" else line(turn, emotion)
               for turn, emotion in said.items() if turn.startswith(dialogue)]  # fmt: skip
        labelled(tmp_path, dialogue, *own)
    for seed, turn in enumerate([*said, "Ses01F_impro01_F005", "Ses03M_impro02_M000"]):
        dialogue = turn.rpartition("_")[0]
        write(tmp_path / f"Session{turn[4]}" / "sentences" / "wav" / dialogue / f"{turn}.wav", seed)
    write(tmp_path / "Session1" / "dialog" / "wav" / "Ses01F_impro01.wav", 99)
    watched = audio_files(tmp_path.parent, ["iemocap"])
    assert {path.suffix for path in watched} == {".wav", ".txt"}, "a changed label is a changed corpus"
    utterances, skipped = read("iemocap", tmp_path)
    columns = ["id", "speaker", "sex", "emotion", "text"]
    assert [tuple(row) for row in utterances[columns].to_numpy()] == [
        ("iemocap/Ses01F_impro01_F000", "iemocap-Ses01F", "F", "neutral", "Ses01F_impro01_F000"),
        ("iemocap/Ses01F_impro01_M000", "iemocap-Ses01M", "M", "happy", "Ses01F_impro01_M000"),
        ("iemocap/Ses02M_script01_1b_F004", "iemocap-Ses02F", "F", "angry", "script01_1"),
        ("iemocap/Ses02M_script01_1b_MXX0", "iemocap-Ses02M", "M", "sad", "script01_1"),
    ]
    unknown = "no emotion known here stands beside it in dialog/EmoEvaluation/Ses01F_impro01.txt"
    assert {Path(path).stem: reason for path, reason in zip(skipped["path"], skipped["reason"], strict=True)} == {
        "Ses01F_impro01": "name off the convention Ses01F_impro01_F000.wav",
        "Ses01F_impro01_F001": "no emotion that most listeners named",
        "Ses01F_impro01_F002": "frustration: not one of the seven classes",
        **dict.fromkeys(["Ses01F_impro01_F003", "Ses01F_impro01_F004", "Ses01F_impro01_F005"], unknown),
        "Ses03M_impro02_M000": "its labels, dialog/EmoEvaluation/Ses03M_impro02.txt, cannot be read",
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
    with pytest.raises(UserError, match="no reader for corpus 'crema'"):
        read("crema", tmp_path)


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


def test_recordings_below_links_are_read_and_watched(tmp_path):
    """A corpus, and a speaker's folder within one, may lie elsewhere; a link in a circle does no harm."""
    data, store = tmp_path / "data", tmp_path / "store"
    write(data / "tess" / "OAF" / "OAF_back_angry.wav", seed=0)
    write(store / "YAF" / "YAF_back_angry.wav", seed=1)
    write(store / "emovo" / "f1" / "dis-f1-b1.wav", seed=2)
    (data / "tess" / "YAF").symlink_to(store / "YAF")
    (data / "tess" / "YAF" / "round").symlink_to(data / "tess")
    (data / "EMOVO").symlink_to(store / "emovo")
    (data / "tess" / "broken.wav").write_text("looked at too")
    (data / "tess" / "notes.txt").write_text("not looked at")
    utterances, skipped, _ = read_all(data)
    assert list(utterances["id"]) == ["tess/OAF_back_angry", "tess/YAF_back_angry", "emovo/dis-f1-b1"]
    assert located(data) == {"tess": data / "tess", "emovo": data / "EMOVO"}
    assert [str(path) for path in audio_files(data)] == sorted([*utterances["path"], *skipped["path"]])
    assert audio_files(data, ["emovo"]) == [data / "EMOVO" / "f1" / "dis-f1-b1.wav"]


def test_what_cannot_be_located_is_an_error_of_reading_and_of_watching(tmp_path):
    for function in (located, audio_files, read_all):
        with pytest.raises(UserError, match=r"no corpus found; .* ravdess"):
            function(tmp_path)
        with pytest.raises(UserError, match="no such folder"):
            function(tmp_path / "absent")
