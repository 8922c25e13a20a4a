"""sersupport.corpora.listing: a corpus of one's own, and tables of other tools."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile as sf
from hypothesis import given, settings
from hypothesis import strategies as st

from sersupport.core.errors import UserError
from sersupport.corpora.folds import chosen
from sersupport.corpora.listing import corpus_name, read_listing
from sersupport.corpora.protocols import own_split
from sersupport.corpora.reading import audio_files, located, read_all
from sersupport.report import preflight
from sersupport.run.parameters import Parameters

RATE_HZ = 16_000


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """Two speakers of a corpus of one's own, in three emotions and one that nobody knows."""
    folder = tmp_path_factory.mktemp("data")
    rows = []
    for number, (speaker, emotion) in enumerate((s, e) for s in "ab" for e in ("Happy", "sad", "calm", "bored")):
        name = f"wav/{speaker}/{number}.wav"
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        sf.write(folder / name, 0.1 * np.sin(np.arange(RATE_HZ) * (0.05 + 0.01 * number)), RATE_HZ)
        rows.append((name, emotion, speaker, "female" if speaker == "a" else "", f"line {number % 2}", "train"))
    table = pd.DataFrame(rows, columns=["file", "emotion", "speaker", "gender", "text", "split"])
    table.to_csv(folder / "mine.csv", index=False)
    return folder


def test_a_table_is_a_corpus_like_any_other(data):
    utterances, skipped, presence = read_all(data, ["mine.csv"])
    assert list(presence["corpus"]) == ["mine"] and presence["speakers"].item() == 2
    assert utterances.groupby("emotion").size().to_dict() == {"happy": 2, "neutral": 2, "sad": 2}
    assert set(skipped["reason"]) == {"emotion 'bored' is left out; the parameter classes can name it"}
    first = utterances.iloc[0]
    assert (first["id"], first["speaker"], first["sex"], first["split"]) == ("mine/wav/a/0", "mine-a", "F", "train")
    assert located(data, ["mine.csv"]) == {"mine": data / "mine.csv"}
    assert audio_files(data, ["mine.csv"]) == sorted([data / "mine.csv", *(data / "wav").rglob("*.wav")])
    assert chosen(utterances, "all") == [0, 1]


@pytest.mark.parametrize(
    ("classes", "expected"),
    [
        ({}, {"calm": 2, "happy": 2, "sad": 2}),
        ({"bored": "bored"}, {"bored": 2, "calm": 2, "happy": 2, "sad": 2}),
        ({"happy": "aroused", "sad": "", "calm": "quiet", "bored": "quiet"}, {"aroused": 2, "quiet": 4}),
    ],
)
def test_classes_are_mapped_and_follow_the_data(data, classes, expected):
    utterances, *_ = read_all(data, ["mine.csv"], classes)
    assert utterances.groupby("emotion").size().to_dict() == expected


def test_the_forms_of_other_tools_are_read(data, tmp_path):
    """The file in the index and categories, as audformat writes them; tabs; names of columns that others use."""
    own = read_listing(data / "mine.csv")
    plain = pd.read_csv(data / "mine.csv")
    indexed = plain.assign(file=[str(data / file) for file in plain["file"]])
    indexed["emotion"] = indexed["emotion"].astype("category")
    indexed.set_index("file").to_parquet(tmp_path / "audformat.parquet")
    renamed = indexed.rename(columns={"file": "path", "emotion": "label", "speaker": "speaker_id", "split": "subset"})
    renamed.assign(subset="dev").to_csv(tmp_path / "other.tsv", sep="\t", index=False)
    found = {name: read_listing(tmp_path / name) for name in ("audformat.parquet", "other.tsv")}
    for table in found.values():
        pd.testing.assert_frame_equal(table.drop(columns="split"), own.drop(columns="split"))
    assert set(found["other.tsv"]["split"]) == {"validation"}
    (tmp_path / "bom.csv").write_text("\ufefffile;x", encoding="utf-8")
    with pytest.raises(UserError, match="no column 'file'"):
        read_listing(tmp_path / "bom.csv")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,emotion\na.wav,sad\n", "no column 'speaker'; it has file, emotion"),
        ("file,emotion,speaker\n", "no rows"),
        ("", "not a CSV"),
        ("file,emotion,speaker,start,end\na.wav,sad,x,1.5,2\n", "pieces of files"),
        ("file,emotion,speaker\na.wav,sad,x,y,z\n", "not a CSV|more cells"),
    ],
)
def test_a_table_that_cannot_be_used_is_one_line(tmp_path, text, message):
    path = tmp_path / "mine.csv"
    path.write_text(text)
    with pytest.raises(UserError, match=message) as caught:
        read_all(tmp_path, ["mine.csv"])
    assert "\n" not in str(caught.value)


def test_a_split_of_its_own_is_a_protocol(data):
    utterances, *_ = read_all(data, ["mine.csv"])
    assert own_split(utterances, ["clean", "noisy"]).empty  # all of it is training
    utterances["split"] = ["train", "validation", "test", "train", "", "test"]
    own = own_split(utterances, ["clean", "noisy"])
    assert list(own.columns) == ["fold", "utterance", "variant", "split"] and len(own) == 2 * 5
    assert own.set_index("utterance")["split"][utterances["id"][1]].tolist() == ["validation"] * 2
    assert not read_all(data, ["mine.csv"])[0]["split"].isin(["test"]).any()


def test_names_that_cannot_be_are_refused(tmp_path):
    with pytest.raises(UserError, match="no such table"):
        read_all(tmp_path, ["mine.csv"])
    for name in ("ravdess.csv", "--.csv"):
        with pytest.raises(UserError, match="call the table something else"):
            corpus_name(name)


def test_a_listed_corpus_is_checked_before_the_first_notebook(data):
    parameters = Parameters(data_dir=str(data), corpora=["mine.csv"], folds=[2])
    with pytest.raises(UserError, match="fold 2: folds count from 0 to 1"):
        preflight.check(parameters, Path("/"), {"corpora"}, print)


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=200))
def test_no_text_is_a_traceback(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("any") / "mine.csv"
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    try:
        read_listing(path)
    except UserError as error:
        assert "\n" not in str(error)
