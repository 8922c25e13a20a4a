"""sersupport.sound.mixing: measured peaks and signal-to-noise ratios."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sersupport.core.errors import UserError
from sersupport.sound import mixing

seeds = st.integers(0, 2**32)
levels = st.floats(1e-3, 2)
gains = st.floats(1e-3, 1e3)


def two(seed: int, n: int = 400) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return 0.3 * rng.standard_normal(n), 5 * rng.laplace(size=n)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 30), st.integers(0, 30))
def test_align_cuts_or_pads_and_never_loops(n_noise, n):
    recorded = np.arange(1.0, n_noise + 1)
    aligned = mixing.align(recorded, n)
    assert aligned.shape == (n,)
    kept = min(n, n_noise)
    np.testing.assert_array_equal(aligned[:kept], recorded[:kept])
    assert not aligned[kept:].any()


@settings(max_examples=40, deadline=None)
@given(seeds, levels, gains)
def test_peak_mixing(seed, level, gain):
    speech, recorded = two(seed)
    mixture = mixing.mix(speech, recorded, level)
    assert np.abs(mixture.noise_added).max() == level * np.abs(speech).max()  # exactly: eqs. 1, 2
    np.testing.assert_array_equal(mixture.signal, speech + mixture.noise_added)  # eq. 3
    # the noise's own gain is nothing to it; a gain on the speech passes through
    of_gained_noise = mixing.mix(speech, gain * recorded, level).signal
    of_gained_speech = mixing.mix(gain * speech, recorded, level).signal / gain
    np.testing.assert_allclose(of_gained_noise, mixture.signal, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(of_gained_speech, mixture.signal, rtol=1e-9, atol=1e-12)


@settings(max_examples=40, deadline=None)
@given(seeds, levels, levels, st.sampled_from(["peak", "unit", "raw"]))
def test_snr_falls_by_the_ratio_of_levels(seed, level_1, level_2, scale):
    speech, recorded = two(seed)
    mixtures = [mixing.mix(speech, recorded, level, scale) for level in (level_1, level_2)]
    snr_1, snr_2 = (mixing.snr_db(speech, mixture.noise_added) for mixture in mixtures)
    assert snr_1 - snr_2 == pytest.approx(20 * np.log10(level_2 / level_1), abs=1e-9)


@settings(max_examples=20, deadline=None)
@given(seeds, levels, gains)
def test_unit_and_raw_mixing_ignore_the_speech(seed, level, gain):
    speech, recorded = two(seed)
    unit = mixing.mix(gain * speech, recorded, level, "unit").noise_added
    np.testing.assert_allclose(unit, level * recorded / np.abs(recorded).max(), rtol=1e-12)  # eq. 8
    raw = mixing.mix(gain * speech, recorded, level, "raw").noise_added
    np.testing.assert_allclose(raw, level * recorded, rtol=1e-12)  # eq. 10


@settings(max_examples=40, deadline=None)
@given(seeds, st.floats(-30, 40), gains, st.booleans())
def test_mix_at_snr_gives_the_snr(seed, snr_db, gain, partly):
    speech, recorded = two(seed)
    active = np.arange(len(speech)) % 3 == 0 if partly else None
    mixture = mixing.mix_at_snr(speech, gain * recorded, snr_db, active)
    kept = slice(None) if active is None else active
    power = [np.sum(x[kept] ** 2) for x in (speech, mixture.signal - speech)]  # measured on the sum
    assert 10 * np.log10(power[0] / power[1]) == pytest.approx(snr_db, abs=1e-6)
    assert mixing.snr_db(speech, mixture.noise_added, active) == pytest.approx(snr_db, abs=1e-6)


def test_snr_of_known_powers():
    speech, added = np.array([3.0, -3.0, 0, 0]), np.array([1.0, 1, 1, 1])
    assert mixing.snr_db(speech, added) == pytest.approx(10 * np.log10(4.5))
    active = np.array([True, True, False, False])
    assert mixing.snr_db(speech, added, active) == pytest.approx(10 * np.log10(9))


def test_silence_is_defined():
    loud, silent = np.array([0.5, -0.2]), np.zeros(2)
    for scale in ("peak", "unit", "raw"):
        np.testing.assert_array_equal(mixing.mix(loud, silent, 0.5, scale).signal, loud)
    np.testing.assert_array_equal(mixing.mix(silent, loud, 0.5).signal, silent)
    assert np.abs(mixing.mix(silent, loud, 0.5, "unit").noise_added).max() == 0.5
    assert mixing.snr_db(loud, silent) == np.inf
    assert mixing.snr_db(silent, loud) == -np.inf
    assert np.isnan(mixing.snr_db(silent, silent))
    assert np.isnan(mixing.snr_db(loud, loud, np.zeros(2, bool)))
    with pytest.raises(UserError, match="noise is silent"):
        mixing.mix_at_snr(loud, silent, 5)
    with pytest.raises(UserError, match="speech is silent"):
        mixing.mix_at_snr(silent, loud, 5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.ones(3), np.ones(4), 0.5), "align"),
        ((np.ones((3, 1)), np.ones((3, 1)), 0.5), "1-D"),
        ((np.ones(3), np.ones(3), -0.1), "level"),
        ((np.ones(3), np.ones(3), np.nan), "level"),
        ((np.ones(3), np.ones(3), 0.5, "rms"), "scale"),
    ],
)
def test_mix_refuses(arguments, message):
    with pytest.raises(UserError, match=message):
        mixing.mix(*arguments)
