"""Prosody functionals: signals whose prosody is known."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from sersupport.core.errors import UserError
from sersupport.sound.audio import RATE_HZ
from sersupport.sound.functionals import NAMES, _lines, _statistics, functionals


def harmonics(f0_hz: np.ndarray) -> np.ndarray:
    phase = 2 * np.pi * np.cumsum(f0_hz) / RATE_HZ
    return 0.05 * sum(np.cos(k * phase) / k for k in range(1, 9))


def tone(seconds: float, f0_hz: float = 150) -> np.ndarray:
    return harmonics(np.full(round(seconds * RATE_HZ), f0_hz))


def silence(seconds: float) -> np.ndarray:
    return np.zeros(round(seconds * RATE_HZ))


def named(y: np.ndarray) -> dict[str, float]:
    return dict(zip(NAMES, functionals(y, RATE_HZ), strict=True))


def test_order_is_disvoices():
    assert len(NAMES) == len(set(NAMES)) == 103
    places = {1: "F0 mean", 6: "F0 kurtosis", 7: "F0 tilt mean", 8: "F0 error mean", 18: "F0 error kurtosis"}
    places |= {19: "F0 first segment mean", 30: "F0 last segment kurtosis", 31: "voiced energy mean"}
    places |= {35: "voiced energy tilt mean", 43: "voiced energy first segment mean", 55: "unvoiced energy mean"}
    places |= {78: "unvoiced energy last segment kurtosis", 79: "voiced segments per second"}
    places |= {80: "voiced duration mean", 91: "unvoiced duration min", 97: "pause duration min"}
    places |= {98: "pause/(voiced + unvoiced)", 103: "unvoiced/pause"}
    assert {place: NAMES[place - 1] for place in places} == places


@pytest.mark.parametrize("f0_hz", [100, 220])
def test_steady_tone(f0_hz):
    found = named(tone(1, f0_hz))
    assert found["F0 mean"] == pytest.approx(f0_hz, abs=0.1)
    assert found["F0 sd"] == pytest.approx(0, abs=0.1)
    assert found["F0 tilt mean"] == pytest.approx(0, abs=0.5)
    assert found["voiced energy sd"] < 1  # 20 ms do not hold a whole number of periods
    assert found["voiced segments per second"] == pytest.approx(1, abs=0.01)
    assert found["voiced duration mean"] == pytest.approx(1, abs=0.06)  # no frame within 25 ms of an end


def test_glide():
    """From 120 to 200 Hz within 1 s."""
    found = named(harmonics(np.linspace(120, 200, RATE_HZ)))
    assert found["F0 tilt mean"] == pytest.approx(80, rel=0.01)
    assert found["F0 mean"] == pytest.approx(160, abs=0.5)
    assert found["F0 error mean"] < 0.1
    assert found["F0 sd"] == pytest.approx(80 / np.sqrt(12), rel=0.06)
    assert found["F0 skewness"] == pytest.approx(0, abs=0.02)
    assert found["F0 kurtosis"] == pytest.approx(-1.2, abs=0.02)  # of a uniform distribution


def test_tones_and_a_pause():
    y = np.concatenate([silence(0.2), tone(0.5, 120), silence(0.3), tone(0.3, 240), silence(0.2)])
    found, frames = named(y), 0.021
    assert found["voiced segments per second"] == pytest.approx(2 / 1.5, abs=1e-3)
    assert found["voiced duration max"] == pytest.approx(0.5, abs=frames)
    assert found["voiced duration min"] == pytest.approx(0.3, abs=frames)
    assert found["voiced duration sd"] == pytest.approx(0.1, abs=frames)
    assert found["pause duration max"] == pytest.approx(0.3, abs=frames)
    assert found["unvoiced duration mean"] == 0
    ratio = found["pause duration mean"] / found["voiced duration mean"]
    assert found["pause/(voiced + unvoiced)"] == pytest.approx(ratio)
    assert found["voiced/pause"] == pytest.approx(1 / ratio)
    assert found["pause/unvoiced"] == found["unvoiced/pause"] == 0
    assert found["F0 first segment mean"] == pytest.approx(120, abs=0.5)
    assert found["F0 last segment mean"] == pytest.approx(240, abs=1)


def test_a_short_gap_is_an_unvoiced_segment():
    hiss = 0.003 * np.random.default_rng(0).standard_normal(round(0.1 * RATE_HZ))
    found = named(np.concatenate([tone(0.4), hiss, tone(0.4)]))
    assert found["unvoiced duration mean"] == pytest.approx(0.1, abs=0.021)
    assert found["pause duration mean"] == 0
    share = found["unvoiced duration mean"] / (found["unvoiced duration mean"] + found["voiced duration mean"])
    assert found["unvoiced/(unvoiced + voiced)"] == pytest.approx(share)
    assert found["voiced/(unvoiced + voiced)"] == pytest.approx(1 - share)
    assert found["unvoiced energy mean"] < found["voiced energy mean"] - 10


def test_energy_in_decibels():
    """The second tone is 12 dB below the first; the gain of the whole clip does not matter."""
    y = np.concatenate([tone(0.5), silence(0.3), tone(0.5) * 10 ** (-12 / 20)])
    found = named(y)
    first, last = (found[f"voiced energy {which} segment max"] for which in ("first", "last"))
    assert last - first == pytest.approx(-12, abs=0.2)
    peak_db = 10 * np.log10(np.mean(tone(0.5) ** 2) / np.max(np.abs(y - y.mean())) ** 2)
    assert first == pytest.approx(peak_db, abs=0.5)
    np.testing.assert_allclose(functionals(0.1 * y, RATE_HZ), functionals(y, RATE_HZ), rtol=1e-4, atol=1e-4)


def test_energy_tilt():
    """A tone that falls by 10 dB within 1 s."""
    y = tone(1) * 10 ** (-np.linspace(0, 10, RATE_HZ) / 20)
    assert named(y)["voiced energy tilt mean"] == pytest.approx(-10, abs=0.2)


def test_statistics_and_lines_are_scipys():
    rng = np.random.default_rng(0)
    contours = [rng.normal(size=n) for n in (1, 2, 30)]
    tilts, errors = _lines(contours)
    for x, tilt, error in zip(contours[1:], tilts, errors, strict=True):
        t = 0.01 * np.arange(len(x))
        line = scipy.stats.linregress(t, x)
        assert tilt == pytest.approx(line.slope)
        assert error == pytest.approx(np.mean((x - line.intercept - line.slope * t) ** 2), abs=1e-12)
    x = contours[2]
    expected = [x.mean(), x.std(), scipy.stats.skew(x), scipy.stats.kurtosis(x), x.max(), x.min()]
    np.testing.assert_allclose(list(_statistics(x).values()), expected)
    assert list(_statistics([3.0, 3.0]).values()) == [3, 0, 0, 0, 3, 3]


@pytest.mark.parametrize("n", [0, 1, 100, 1_200, RATE_HZ])
@pytest.mark.parametrize("gain", [0, 0.1])
def test_without_voice_all_is_finite(n, gain):
    y = gain * np.random.default_rng(n).standard_normal(n)
    found = functionals(y, RATE_HZ)
    assert found.shape == (103,) and np.isfinite(found).all()
    voice = [value for name, value in zip(NAMES, found, strict=True) if name.startswith(("F0", "voiced energy"))]
    assert not any(voice)


def test_what_is_no_signal_is_refused():
    for bad in (np.full(RATE_HZ, np.nan), np.ones((2, RATE_HZ))):
        with pytest.raises(UserError, match="prosody"):
            functionals(bad, RATE_HZ)
