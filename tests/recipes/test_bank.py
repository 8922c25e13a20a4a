"""sersupport.recipes.bank: its partition, its listing without audio, links."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from sersupport.core.errors import UserError
from sersupport.recipes.bank import NoiseBank, noise_files
from sersupport.sound import audio

RATE_HZ = 22_050
N = 55_125  # 2.5 s


def test_bank_reads_folder(bank):
    read = {(row.recording, row.source, row.noise, row.part) for row in bank.sources.itertuples()}
    assert read == {
        ("street/fish_market/a.wav", "street/fish_market/a", "fish_market", "train"),
        ("street/fish_market/b.flac", "street/fish_market/b", "fish_market", "train"),
        ("street/Railway Engine/a.wav", "street/railway_engine/a", "railway_engine", "train"),
        ("us8k/children/14470-2-0-10.wav", "14470", "children_playing", "train"),
        ("us8k/children/14470-2-0-14.wav", "14470", "children_playing", "train"),
        ("us8k/children/27070-2-0-2.wav", "27070", "children_playing", "train"),
        ("held/fish/a.wav", "held/fish_market/a", "fish_market", "test"),
        ("held/railway_engine/x.wav", "held/railway_engine/x", "railway_engine", "test"),
        ("held/children/3_Children_445.wav", "held/children_playing/3_Children_445", "children_playing", "test"),
    }
    assert sorted(bank.sources["duration_s"]) == [1, 3, 3, 3, 3, 4, 4, 4, 4]
    assert [len(files) for files in bank.choices("train")["children_playing"]] == [2, 1]


def test_segment_is_the_recording_from_its_offset(bank, folder):
    recorded, _ = sf.read(folder / "us8k/children/14470-2-0-14.wav", dtype="float32")
    segment = bank.segment("us8k/children/14470-2-0-14.wav", 0.5, N, RATE_HZ)
    np.testing.assert_array_equal(segment[:11_025], recorded[11_025:])
    assert segment.shape == (N,) and not segment[11_025:].any()
    with pytest.raises(UserError, match="no recording 'elsewhere'"):
        bank.segment("elsewhere", 0, N, RATE_HZ)


def test_fingerprint_is_of_the_content(bank, folder, tmp_path):
    assert NoiseBank.from_folder(folder, ["held"]).fingerprint() == bank.fingerprint()
    fewer = NoiseBank(bank.sources[bank.sources["recording"] != "street/fish_market/b.flac"])
    assert fewer.fingerprint() != bank.fingerprint()
    moved = tmp_path / "moved"
    moved.symlink_to(folder)
    assert NoiseBank.from_folder(moved, ["held"]).fingerprint() == bank.fingerprint()


def test_exactly_the_files_that_are_read_are_watched(bank, folder, tmp_path, monkeypatch):
    """Also such as lie behind links; none that are left alone."""
    assert {str(path) for path in noise_files(folder)} == set(bank.sources["path"])
    for collection in ("street", "held"):
        (tmp_path / collection).mkdir()
        for kind in (folder / collection).iterdir():
            (tmp_path / collection / kind.name).symlink_to(kind)
    (tmp_path / "us8k").symlink_to(folder / "us8k")
    (tmp_path / "us8k-more").mkdir()
    (tmp_path / "us8k-more" / "fish.wav").mkdir()
    read, probe = [], audio.probe
    monkeypatch.setattr(audio, "probe", lambda path: read.append(Path(path)) or probe(path))
    assert NoiseBank.from_folder(tmp_path, ["held"]).fingerprint() == bank.fingerprint()
    assert read == noise_files(tmp_path) and len(read) == 9
    assert noise_files(tmp_path, ["rain"]) == [tmp_path / "held/rain/a.wav"]


def test_a_listing_decodes_nothing_and_refuses_the_same(folder, bank, tmp_path, monkeypatch, write):
    monkeypatch.setattr(audio, "probe", lambda path: pytest.fail("decoded"))
    listed = NoiseBank.listed(folder, ["held"])
    known = bank.sources.sort_values("recording", ignore_index=True)
    assert listed.sort_values("recording", ignore_index=True).equals(known[listed.columns])
    write(tmp_path, "one/fish_market/a.wav")
    write(tmp_path, "two/fish_market/c.wav")
    for make in (NoiseBank.listed, NoiseBank.from_folder):
        with pytest.raises(UserError, match="train noises lack railway_engine, children_playing"):
            make(tmp_path, ["two"])
        with pytest.raises(UserError, match="no noise found in three"):
            make(tmp_path, ["three"])
        with pytest.raises(UserError, match="no noise found in it"):
            make(tmp_path / "absent", [])
    write(tmp_path, "one/fish_market/7-1-0-1.wav")
    write(tmp_path, "two/fish_market/7-1-0-2.wav")
    with pytest.raises(UserError, match="one noise source"):
        NoiseBank.listed(tmp_path, ["two"], ["fish_market"])


def test_one_source_in_both_parts_is_refused(tmp_path, write):
    for part in ("one", "two"):
        for kind in ("fish_market", "railway_engine"):
            write(tmp_path, f"{part}/{kind}/{kind}.wav")
    write(tmp_path, "one/children/14470-2-0-10.wav")
    write(tmp_path, "two/children/14470-2-0-14.wav")
    with pytest.raises(UserError, match=r"one noise source .*14470-2-0-10.wav, two/children/14470-2-0-14.wav"):
        NoiseBank.from_folder(tmp_path, ["two"])


def test_one_name_in_two_types_is_two_sources(tmp_path, write):
    write(tmp_path, "one/fish_market/a.wav", seed=1)
    write(tmp_path, "one/rain/a.wav", seed=2)
    write(tmp_path, "two/fish_market/b.wav", seed=3)
    bank = NoiseBank.listed(tmp_path, ["two"], ["fish_market"], ["rain"])
    assert bank["source"].nunique() == 3


def test_one_sound_in_both_parts_is_refused(tmp_path, write):
    write(tmp_path, "one/fish_market/a.wav", seed=1)
    write(tmp_path, "two/fish_market/b.wav", seed=1)
    with pytest.raises(UserError, match="one noise sha256"):
        NoiseBank.from_folder(tmp_path, ["two"], noises=["fish_market"])


def test_a_part_that_lacks_a_type_is_refused(tmp_path, write):
    write(tmp_path, "one/fish_market/a.wav")
    write(tmp_path, "one/railway_engine/b.wav")
    write(tmp_path, "two/fish_market/c.wav")
    with pytest.raises(UserError, match="train noises lack children_playing"):
        NoiseBank.from_folder(tmp_path, ["two"])
    with pytest.raises(UserError, match="test noises lack railway_engine"):
        NoiseBank.from_folder(tmp_path, ["two"], noises=["fish_market", "railway_engine"])
    with pytest.raises(UserError, match="no noise found in three"):
        NoiseBank.from_folder(tmp_path, ["three"])
    with pytest.raises(UserError, match="no noise found in it"):
        NoiseBank.from_folder(tmp_path / "absent", [])


@pytest.mark.skipif("SERSUPPORT_DATA" not in os.environ, reason="SERSUPPORT_DATA does not name the real corpora")
def test_real_noises_part_by_source():
    bank = NoiseBank.from_folder(Path(os.environ["SERSUPPORT_DATA"]) / "noise", ("sas-kiit",))
    per_type = bank.sources.groupby(["part", "noise"])["source"].nunique()
    assert per_type["train", "children_playing"] == 27
    assert per_type["test"].to_dict() == {"children_playing": 2, "fish_market": 2, "railway_engine": 1}


def test_a_type_that_is_for_testing_alone_is_so_in_every_collection(folder, tmp_path, write):
    write(tmp_path, "one/fish_market/a.wav")
    write(tmp_path, "two/fish_market/c.wav")
    write(tmp_path, "one/rain/r.wav")
    bank = NoiseBank.from_folder(tmp_path, ["two"], ["fish_market"], ["rain"])
    assert set(bank.choices("test")) == {"fish_market", "rain"} and set(bank.choices("train")) == {"fish_market"}
    with pytest.raises(UserError, match="the test noises lack dishes"):
        NoiseBank.from_folder(tmp_path, ["two"], ["fish_market"], ["dishes"])
    both = bank.joined(NoiseBank.from_folder(folder, ["held"]))
    assert len(both.sources) == 3 + 9 and both.segment("one/rain/r.wav", 0, N, RATE_HZ).any()
