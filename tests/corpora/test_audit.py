"""sersupport.corpora.audit: what splits share, by column, by name and by ear; the command and its exit status."""

from __future__ import annotations

import io
import json
import os

import numpy as np
import pandas as pd
import pytest
import soundfile as sf
from hypothesis import given, settings
from hypothesis import strategies as st

from sersupport import cli
from sersupport.core.errors import UserError
from sersupport.corpora.audit import SAME_RECORDING, audit, correlation, identify, read_split
from sersupport.corpora.protocols import KEPT_APART, assign, write
from sersupport.corpora.reading import read_all
from sersupport.sound import audio

RATE_HZ = 16_000
VARIANTS = ("clean", "noisy", "pitched", "pitched_noisy")


def rows(*lines: tuple[str, str], **columns) -> pd.DataFrame:
    return pd.DataFrame(lines, columns=["file", "split"], dtype=str).assign(**columns)


def finding(report, kind):
    return next(item for item in report.findings if item.kind == kind)


def voice(seed: int, seconds: float = 1.5) -> np.ndarray:
    """Something like speech: a gliding harmonic tone in syllables, different for each seed."""
    rng = np.random.default_rng(seed)
    t = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    phase = 2 * np.pi * np.cumsum(rng.uniform(100, 250) + 20 * np.sin(2 * np.pi * rng.uniform(0.5, 2) * t)) / RATE_HZ
    tone = sum(np.sin(k * phase + rng.uniform(0, 6)) * rng.uniform(0.1, 1) / k for k in range(1, 12))
    syllables = np.interp(t, np.linspace(0, seconds, 9), rng.uniform(0.05, 1, 9))
    return (0.3 * tone * syllables / np.abs(tone).max()).astype(np.float32)


@pytest.fixture
def folder(tmp_path):
    for seed in range(6):
        sf.write(tmp_path / f"v{seed}.wav", voice(seed), RATE_HZ, subtype="PCM_16")
    return tmp_path


# names ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "utterance", "speaker"),
    [
        ("03-01-05-02-01-02-12.wav", "ravdess/03-01-05-02-01-02-12", "ravdess-12"),
        ("aug/03-01-05-02-01-02-12_noisy.wav", "ravdess/03-01-05-02-01-02-12", "ravdess-12"),
        ("pitch2_1001_DFA_ANG_XX.flac", "cremad/1001_DFA_ANG_XX", "cremad-1001"),
        ("1001_DFA_ANG_XX-stretch0.wav", "cremad/1001_DFA_ANG_XX", "cremad-1001"),
        ("OAF_back_angry.wav", "tess/OAF_back_angry", "tess-OAF"),
        ("SAVEE/DC/a01.wav", "savee/DC_a01", "savee-DC"),
        ("emodb/03a01Fa_aug.wav", "emodb/03a01Fa", "emodb-03"),
        ("dis-f1-b1.wav", "emovo/dis-f1-b1", "emovo-f1"),
    ],
)
def test_names_of_known_corpora_tell(file, utterance, speaker):
    row = identify(rows((file, "train"))).iloc[0]
    assert (row["utterance"], row["speaker"], row["known"]) == (utterance, speaker, "convention")


@pytest.mark.parametrize("suffix", ["", "_noise", "_noisy2", "-pitch", "_pitched_noisy", "_aug3", "_stretch", "_orig"])
def test_usual_suffixes_are_taken_off_other_names(suffix):
    row = identify(rows((f"a/call17{suffix}.wav", "train"))).iloc[0]
    assert (row["utterance"], row["known"], row["speaker"]) == ("a/call17", "guess", "")


def test_numbered_names_are_not_siblings():
    table = identify(rows(("utt_01.wav", "train"), ("utt_02.wav", "test"), ("x-17.wav", "test")))
    assert table["utterance"].is_unique


def test_columns_go_before_names():
    table = rows(("03-01-05-02-01-02-12.wav", "train"), speaker="X", text="hello", utterance="u7")
    row = identify(table).iloc[0]
    assert (row["utterance"], row["speaker"], row["text"], row["known"]) == ("u7", "X", "hello", "column")


# what is shared ------------------------------------------------------------------------------------------------------


def test_siblings_of_a_row_random_split_are_found():
    lines = [("1001_DFA_ANG_XX.wav", "train"), ("1001_DFA_ANG_XX_noisy.wav", "test"), ("1002_IEO_SAD_LO.wav", "train"),
             ("1003_IEO_SAD_LO.wav", "test")]  # fmt: skip
    report = audit(rows(*lines), protocol="utterance-grouped")
    siblings = finding(report, "utterance")
    assert (siblings.shared, siblings.test_share, siblings.leak) == (1, 0.5, True)
    assert siblings.examples == ["cremad/1001_DFA_ANG_XX"]
    assert finding(report, "text").shared == 2 and not finding(report, "text").leak
    assert report.leaks and "LEAK: 1 utterances" in report.in_words()
    assert not audit(rows(*lines), protocol="row-random").leaks


def test_what_is_not_known_is_not_checked():
    report = audit(rows(("a.wav", "train"), ("b.wav", "test")))
    assert report.protocol == "utterance-grouped" and not report.leaks
    assert [item.checked for item in report.findings] == [False, True, False, False, False]
    assert "not checked: speakers" in report.in_words()


@pytest.mark.parametrize("protocol", KEPT_APART)
@pytest.mark.parametrize("claimed", KEPT_APART)
def test_own_protocols_hold_what_they_claim_and_nothing_stricter(protocol, claimed):
    names = [f"{actor:02d}" for actor in range(1, 25)]
    ids = [f"03-01-0{e}-01-0{t}-01-{a}" for a in names for e in range(1, 9) for t in (1, 2)]
    utterances = pd.DataFrame({
        "id": [f"ravdess/{name}" for name in ids],
        "corpus": "ravdess",
        "speaker": [f"ravdess-{name[-2:]}" for name in ids],
        "emotion": [name[6:8] for name in ids],
        "text": [name[12:14] for name in ids],
    })  # fmt: skip
    table = assign(utterances, protocol, VARIANTS, [0])
    table["file"] = table["utterance"] + "_" + table["variant"] + ".wav"
    strictness = list(KEPT_APART)
    leaks = audit(table[["file", "split"]], protocol=claimed).leaks
    assert leaks == (strictness.index(protocol) < strictness.index(claimed))


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("abcde"), st.sampled_from(["train", "dev", "test"])), min_size=2, max_size=30)
)
def test_shared_speakers_are_those_of_several_parts(pairs):
    """Against a plain count."""
    table = rows(*((f"f{i}.wav", part) for i, (_, part) in enumerate(pairs)), speaker=[who for who, _ in pairs])
    found = finding(audit(table), "speaker")
    parts = {who: {part for other, part in pairs if other == who} for who, _ in pairs}
    assert found.shared == sum(len(own) > 1 for own in parts.values())
    tested = [who for who, part in pairs if part == "test"] or [who for who, _ in pairs]
    assert found.test_share == pytest.approx(np.mean([len(parts[who]) > 1 for who in tested]))


# audio ---------------------------------------------------------------------------------------------------------------


def test_identical_recordings_are_found_in_another_container(folder):
    y, rate = sf.read(folder / "v0.wav", dtype="float32")
    sf.write(folder / "other.flac", y, rate)
    report = audit(rows(("v0.wav", "train"), ("other.flac", "test"), ("v1.wav", "test")), folder)
    same = finding(report, "duplicate")
    assert (same.shared, same.test_share, same.leak) == (1, 0.5, True)
    assert same.examples == ["other.flac = v0.wav"]


def test_many_identical_recordings_are_linked_once_each(tmp_path):
    """A file that stands there a thousand times must not make half a million pairs."""
    tone = np.sin(np.arange(8000) / 5)
    names = [f"{name}.wav" for name in "abcdefgh"]
    for name in names:
        sf.write(tmp_path / name, tone, 16_000)
    parts = [(name, "train" if name < "e" else "test") for name in names]
    same = finding(audit(rows(*parts), tmp_path), "duplicate")
    assert (same.shared, same.test_share) == (7, 1.0)
    assert same.examples == [f"{pair[0]}.wav = {pair[1]}.wav" for pair in ("be", "ce", "de", "ae", "af")]


def copies(y: np.ndarray) -> dict[str, np.ndarray]:
    stream = io.BytesIO()
    sf.write(stream, y, RATE_HZ, format="MP3", subtype="MPEG_LAYER_III")
    stream.seek(0)
    noise = np.random.default_rng(0).standard_normal(len(y)) * y.std() * 0.1
    return {
        "mp3": sf.read(stream)[0],
        "quiet": 0.3 * y,
        "cut": y[3000:-2000],
        "noise at 20 dB": y + noise,
        "slow rate": audio.resample(audio.resample(y, RATE_HZ, 8000), 8000, RATE_HZ),
    }


@pytest.mark.parametrize("kind", copies(voice(0)))
def test_copies_are_found_and_other_recordings_are_not(folder, kind):
    sf.write(folder / "copy.wav", copies(voice(0))[kind], RATE_HZ)
    lines = [(f"v{seed}.wav", "train") for seed in range(5)]
    report = audit(rows(*lines, ("copy.wav", "test"), ("v5.wav", "test")), folder)
    alike = finding(report, "near-duplicate")
    assert (alike.shared, alike.examples, alike.leak) == (1, ["copy.wav = v0.wav"], True)
    assert finding(report, "duplicate").shared == 0


def test_correlation_by_hand():
    rng = np.random.default_rng(0)
    y, other = rng.standard_normal((2, 4000))
    assert correlation(y, -0.2 * np.r_[np.zeros(500), y]) == pytest.approx(1, abs=0.01)
    assert correlation(y, other) < 0.2
    assert correlation(y, np.zeros(4000)) == 0
    # a mixture at 0 dB correlates by 1 / sqrt(2)
    assert correlation(y, y + other) == pytest.approx(0.5**0.5, abs=0.05)


def test_unreadable_audio_is_passed_over(folder):
    (folder / "bad.wav").write_text("not audio")
    report = audit(rows(("v0.wav", "train"), ("bad.wav", "test")), folder)
    assert (report.named["audio"], report.named["unread"]) == (1, 1) and not report.leaks
    assert "1 files cannot be read as audio" in report.in_words()
    none = audit(rows(("bad.wav", "train"), ("bad.wav", "test")), folder)
    assert not finding(none, "duplicate").checked and "not checked: recordings with identical" in none.in_words()


def test_a_file_of_five_samples_is_compared_by_its_samples_alone(folder):
    for name in ("a", "b"):
        sf.write(folder / f"{name}.wav", np.full(5, 0.1), RATE_HZ)
    report = audit(rows(("a.wav", "train"), ("b.wav", "test"), ("v0.wav", "train"), ("v1.wav", "test")), folder)
    assert finding(report, "duplicate").examples == ["a.wav = b.wav"]
    assert finding(report, "near-duplicate").shared == 0


def test_each_file_is_decoded_once(folder, monkeypatch):
    decoded, reader = [], sf.read
    monkeypatch.setattr(sf, "read", lambda *args, **kwargs: decoded.append(1) or reader(*args, **kwargs))
    audit(rows(*((f"v{seed}.wav", part) for seed in range(3) for part in ("train", "test"))), folder)
    assert len(decoded) == 3


@pytest.mark.parametrize("cell", [".", "", "..", "/", "a/..", "sub", "./", "~", "x" * 5000, "a\0b", "sub/."])
def test_a_cell_that_names_no_file_is_audio_that_is_not_there(folder, cell):
    (folder / "sub").mkdir()
    report = audit(rows((cell, "train"), (cell, "test"), ("v0.wav", "test")), folder)
    assert report.named["audio"] == 1 and finding(report, "duplicate").shared == 0
    if cell in (".", "", "/", "./"):
        assert not finding(report, "utterance").shared  # two cells without a name are not one utterance


PIECES = ["/", ".", "..", "~", "\0", "\n", '"', ",", "DC", "a01", "03-01-05-02-01-02-12", ".wav", "_noisy", " ", "v0"]


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.one_of(st.text(max_size=12), st.lists(st.sampled_from(PIECES), max_size=6).map("".join)),
            st.sampled_from(["train", "test"]),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_no_file_cell_breaks_reading_naming_or_auditing(tmp_path_factory, cells):
    folder = tmp_path_factory.mktemp("cells")
    sf.write(folder / "v0.wav", np.full(5, 0.1), RATE_HZ)
    table = rows(*cells)
    named = identify(table)
    assert len(named) == len(table) and set(named["known"]) <= {"", "column", "convention", "guess"}
    report = audit(table, folder)
    assert sum(report.parts.values()) == len(table) and report.in_words() and json.loads(report.to_json())
    table.to_csv(folder / "split.csv", index=False)
    try:
        again = read_split(folder / "split.csv")
    except UserError as error:
        assert "\n" not in str(error)
    else:
        assert list(again.columns) == ["file", "split"] and audit(again, folder).in_words()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,split,speaker,Speaker\na,train,x,y\nb,test,x,y\n", "two columns 'speaker'"),
        ("file,split,split\na,train,x\nb,test,y\n", "two columns 'split'"),
        ("file,split\na,train\nb,\n", "some rows have no split"),
    ],
)
def test_a_header_or_a_cell_that_says_two_things_or_nothing_is_refused(tmp_path, text, message):
    (tmp_path / "split.csv").write_text(text)
    with pytest.raises(UserError, match=message):
        read_split(tmp_path / "split.csv")


# the command ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def command(monkeypatch, capsys):
    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["sersupport", "audit", *map(str, arguments)])
        status = cli.main()
        return status, *capsys.readouterr()

    return run


def test_exit_status_words_and_json(command, folder):
    rows(("v0.wav", "train"), ("v1.wav", "test"), speaker=["x", "y"]).to_csv(folder / "good.csv", index=False)
    status, out, err = command(folder / "good.csv", "--json", folder / "report.json")
    assert (status, err) == (0, "") and "keeps what speaker-disjoint keeps apart" in out
    report = json.loads((folder / "report.json").read_text())
    assert report["leaks"] is False and report["parts"] == {"train": 1, "test": 1}
    assert {item["kind"] for item in report["findings"]} == {
        "speaker",
        "utterance",
        "text",
        "duplicate",
        "near-duplicate",
    }
    rows(("v0.wav", "train"), ("v1.wav", "test"), speaker="x").to_csv(folder / "bad.csv", index=False)
    status, out, _ = command(folder / "bad.csv", "--json", "-")
    assert status == 1 and json.loads(out)["leaks"] is True


@pytest.mark.parametrize(
    ("content", "arguments", "message"),
    [
        (b"", (), "not a CSV"),
        (b"file,part\na,b\n", (), "no column 'split'; it has file, part"),
        (b"file,split\na,train\nb,train\n", (), "an audit needs two or more"),
        (b"file,split,File\na,train,b\nb,test,c\n", (), "two columns 'file'"),
        (b"file,split\na,b,train\nc,d,test\n", (), "more cells than its header"),
        (b"\xff\xfe\x00\x01", (), "not a CSV"),
        (b"file,split\na,train\nb,test\n", ("--protocol", "none"), "no protocol 'none'; there are: row-random"),
        (b"file,split\na,train\nb,test\n", ("--data", "nowhere"), "no folder nowhere"),
        (None, (), "no such file"),
    ],
)
def test_bad_input_is_one_line(command, tmp_path, content, arguments, message):
    if content is not None:
        (tmp_path / "split.csv").write_bytes(content)
    status, out, err = command(tmp_path / "split.csv", *arguments)
    assert (status, out) == (2, "") and message in err and err.count("\n") == 1


def test_it_reads_what_splits_write(tmp_path):
    ids = [f"ravdess/03-01-0{e}-01-0{t}-01-{a:02d}" for a in range(1, 25) for e in range(1, 9) for t in (1, 2)]
    utterances = pd.DataFrame({"id": ids, "corpus": "ravdess", "emotion": [name[14:16] for name in ids]})
    utterances["speaker"] = "ravdess-" + utterances["id"].str[-2:]
    utterances["text"] = utterances["id"].str[20:22]
    utterances["path"] = "r/" + utterances["speaker"] + "/" + utterances["id"].str.removeprefix("ravdess/") + ".wav"
    write(assign(utterances, "speaker-disjoint", VARIANTS, [0]), utterances, "speaker-disjoint", tmp_path / "s.csv")
    report = audit(read_split(tmp_path / "s.csv"), tmp_path)
    assert report.protocol == "speaker-disjoint" and not report.leaks and report.named["column"] == 4 * len(ids)


@pytest.mark.skipif("SERSUPPORT_DATA" not in os.environ, reason="SERSUPPORT_DATA does not name the real corpora")
def test_ravdess_has_an_identical_pair():
    data = os.environ["SERSUPPORT_DATA"]
    utterances, *_ = read_all(data, ["ravdess"])
    twins = utterances[utterances.duplicated("sha256", keep=False)]
    assert len(twins) == 2
    split = np.where(utterances["id"] == twins["id"].iloc[0], "test", "train")
    table = pd.DataFrame({"file": utterances["path"], "split": split})
    report = audit(table, "/")
    assert finding(report, "duplicate").shared == 1 and finding(report, "near-duplicate").shared == 0


def test_an_unknown_protocol_is_refused():
    with pytest.raises(UserError, match="no protocol"):
        audit(rows(("a", "train"), ("b", "test")), protocol="x")
    assert 0.5 < SAME_RECORDING < 0.9


def test_the_split_is_not_overwritten_by_its_own_findings(command, folder):
    """It once was, with exit status 0."""
    path = folder / "split.csv"
    path.write_text("file,split\nv0.wav,train\nv1.wav,test\n")
    (folder / "link.json").symlink_to(path)
    for target in (path, folder / "link.json"):
        status, _, error = command(path, "--json", target)
        assert status == 2 and "is the split itself" in error and error.count("\n") == 1
    assert path.read_text().startswith("file,split")
