"""sersupport.recipes.babble: other corpora's voices, always the same, made once."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile as sf

from sersupport.core.errors import UserError
from sersupport.recipes import babble

RATE_HZ = 22_050


@pytest.fixture
def data(tmp_path):
    """Two corpora: the run's, and another whose speakers are tones."""
    rng = np.random.default_rng(0)
    for name, words, low in (("tess", ("back", "bar", "base"), 200.0), ("savee", (), 0.0)):
        for number, word in enumerate(words):
            (tmp_path / name).mkdir(exist_ok=True)
            time_s = np.arange(RATE_HZ) / RATE_HZ
            y = 0.2 * np.sin(2 * np.pi * low * (1 + number) * time_s) + 1e-3 * rng.standard_normal(RATE_HZ)
            sf.write(tmp_path / name / f"OAF_{word}_sad.wav", y, RATE_HZ)
    return tmp_path


def test_babble_is_made_of_the_other_corpora_and_of_nothing_else(data, tmp_path):
    assert [path.parent.name for path in babble.voices(data, ["savee"])] == ["tess"] * 3
    bank = babble.babble_bank(tmp_path / "made", data, ["savee"], seed=0)
    assert set(bank.choices("test")) == {babble.BABBLE} and not bank.choices("train")
    recording = bank.sources["recording"].iloc[0]
    y = bank.segment(recording, 0.0, 4 * RATE_HZ, RATE_HZ)
    peaks_hz = np.argsort(np.abs(np.fft.rfft(y)))[-3:] / 4
    assert all(min(abs(peak - tone) for tone in (200, 400, 600)) < 2 for peak in peaks_hz)
    assert bank.sha256 == babble.babble_bank(tmp_path / "again", data, ["savee"], seed=0).sha256
    assert bank.sha256 != babble.babble_bank(tmp_path / "again", data, ["savee"], seed=1).sha256


def test_without_another_corpus_it_is_one_line(data):
    with pytest.raises(UserError, match="there is none; add a corpus") as caught:
        babble.voices(data, ["tess"])
    assert "\n" not in str(caught.value)


def test_recorded_babble_is_taken_where_there_is_any(data):
    assert babble.is_to_be_made(data / "noise", [babble.BABBLE]) and not babble.is_to_be_made(data / "noise", ["room"])
    (data / "noise/street/babble").mkdir(parents=True)
    sf.write(data / "noise/street/babble/a.wav", np.full(100, 0.1), RATE_HZ)
    assert not babble.is_to_be_made(data / "noise", [babble.BABBLE])
