"""sersupport.sound.prosody: signals whose prosody is known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from sersupport.core.errors import UserError
from sersupport.sound.audio import RATE_HZ
from sersupport.sound.prosody import measure_prosody, relative_to_neutral

QUANTITIES = ["f0_mean_hz", "f0_range_semitones", "rate_syllables_per_s", "intensity_db"]


def harmonics(f0_hz: np.ndarray) -> np.ndarray:
    phase = 2 * np.pi * np.cumsum(f0_hz) / RATE_HZ
    return 0.05 * sum(np.cos(k * phase) / k for k in range(1, 9))


def test_prosody_of_a_syllable_train():
    """Four bumps a second of a steady 200 Hz voice."""
    time_s = np.arange(2 * RATE_HZ) / RATE_HZ
    y = harmonics(np.full(len(time_s), 200.0)) * (0.55 - 0.45 * np.cos(2 * np.pi * 4 * time_s))
    found = measure_prosody(y, RATE_HZ)
    assert found["f0_mean_hz"] == pytest.approx(200, abs=0.5)
    assert found["f0_range_semitones"] == pytest.approx(0, abs=0.1)
    assert found["rate_syllables_per_s"] == pytest.approx(4, abs=0.3)


def test_prosody_of_a_glide():
    """An octave's glide at constant speed: 5th to 95th percentile spans 90 % of 12 semitones."""
    y = harmonics(150 * 2 ** np.linspace(0, 1, 2 * RATE_HZ))
    found = measure_prosody(y, RATE_HZ)
    assert found["f0_range_semitones"] == pytest.approx(0.9 * 12, abs=0.3)
    assert found["f0_mean_hz"] == pytest.approx(150 / np.log(2), rel=0.01)  # mean of 2**u over an octave
    assert found["intensity_db"] == pytest.approx(10 * np.log10(np.mean(y**2)), abs=0.1)
    assert measure_prosody(y / 2, RATE_HZ)["intensity_db"] == pytest.approx(found["intensity_db"] - 6.02, abs=0.02)


def test_prosody_without_voice_or_signal():
    found = measure_prosody(0.1 * np.random.default_rng(0).standard_normal(RATE_HZ), RATE_HZ)
    assert found["rate_syllables_per_s"] < 1
    for bad in (np.zeros(RATE_HZ), np.full(RATE_HZ, np.nan), np.ones(10), np.ones((2, RATE_HZ))):
        with pytest.raises(UserError, match="prosody"):
            measure_prosody(bad, RATE_HZ)


def test_relative_to_neutral_by_hand():
    index = pd.MultiIndex.from_tuples(
        [("a", "neutral"), ("a", "sad"), ("b", "neutral"), ("b", "sad"), ("c", "sad")], names=["speaker", "emotion"]
    )
    means = pd.DataFrame(
        [[100, 4, 5, -20], [90, 3, 4, -25], [200, 6, 4, -22], [150, 5, 5, -23], [1, 1, 1, 1]], index, QUANTITIES, float
    )
    change = relative_to_neutral(means)
    assert "c" not in change.index.get_level_values("speaker")
    np.testing.assert_allclose(change.loc[("a", "sad")], [-10, -1, -20, -5])
    np.testing.assert_allclose(change.loc[("b", "sad")], [-25, -1, 25, -1])
    np.testing.assert_allclose(change.xs("neutral", level="emotion"), 0)


def test_without_neutral_speech_there_is_nothing_relative_to_it():
    index = pd.MultiIndex.from_tuples([("a", "sad"), ("b", "happy")], names=["speaker", "emotion"])
    change = relative_to_neutral(pd.DataFrame(1.0, index, QUANTITIES))
    assert change.empty and list(change.columns) == QUANTITIES and change.index.names == index.names
