"""sersupport.sound.effects: a tone's new pitch, a room's decay, a telephone's band, all measured."""

from __future__ import annotations

import numpy as np
import pytest

from sersupport.sound.effects import EFFECTS, pitch_shift, reverberant, telephone

RATE_HZ = 22_050
N = 55_125  # 2.5 s


@pytest.mark.parametrize("semitones", [0.7, -3.0])
@pytest.mark.parametrize("tone_hz", [220.0, 1_000.0])
def test_pitch_shift_moves_a_tone_and_keeps_its_length(tone_hz, semitones):
    shifted = pitch_shift(np.sin(2 * np.pi * tone_hz * np.arange(N) / RATE_HZ), RATE_HZ, semitones)
    assert shifted.shape == (N,)
    spectrum = np.abs(np.fft.rfft(shifted * np.hanning(N), 8 * N))
    measured_hz = np.argmax(spectrum) * RATE_HZ / (8 * N)
    assert measured_hz == pytest.approx(tone_hz * 2 ** (semitones / 12), rel=0.005)


@pytest.mark.parametrize("rate_hz", [16_000, 22_050])
def test_a_room_decays_in_its_time_and_is_no_louder(rate_hz):
    click = np.zeros(rate_hz, dtype=np.float32)
    click[0] = 1
    wet = reverberant(click, 0.4, np.random.default_rng(0), rate_hz)
    assert np.sum(wet**2) == pytest.approx(np.sum(click**2), rel=1e-4)
    energy = 10 * np.log10(np.cumsum(wet[1:][::-1] ** 2)[::-1] + 1e-20)  # Schroeder's backward integration
    at = [np.argmax(energy < energy[0] - fall) / rate_hz for fall in (5, 25)]
    assert 3 * (at[1] - at[0]) == pytest.approx(0.4, rel=0.15)  # T20


@pytest.mark.parametrize("rate_hz", [16_000, 22_050])
def test_a_telephone_passes_its_band_and_nothing_else(rate_hz):
    time_s = np.arange(2 * rate_hz) / rate_hz

    def gain_db(hz: float) -> float:
        y = np.sin(2 * np.pi * hz * time_s)
        heard = telephone(y, rate_hz)[rate_hz // 2 : -rate_hz // 2]
        at = np.exp(-2j * np.pi * hz * np.arange(len(heard)) / rate_hz)
        return 20 * np.log10(2 * abs(np.mean(heard * at)) + 1e-12)

    assert abs(gain_db(1000)) < 0.5 and gain_db(100) < -30 and gain_db(5500) < -30


def test_a_telephone_s_steps_are_those_of_mu_law():
    """A signal-to-quantisation ratio of 35 to 40 dB whatever the level, where eight even steps lose it."""
    tone = np.sin(2 * np.pi * 1000 * np.arange(22_050) / 22_050)
    for level in (1.0, 0.05):
        mixed = np.concatenate([level * tone, tone])  # the peak sets full scale
        heard = telephone(mixed, 22_050)[4000:18_000]
        own = level * tone[4000:18_000]
        basis = np.stack([own, np.roll(own, 5)])  # the filter's delay is a phase
        rest = heard - basis.T @ np.linalg.lstsq(basis.T, heard, rcond=None)[0]
        assert 30 < 10 * np.log10(np.mean(heard**2) / np.mean(rest**2)) < 45


@pytest.mark.parametrize("name", EFFECTS)
def test_an_effect_keeps_the_length_and_depends_on_its_generator_alone(name):
    y = (0.1 * np.random.default_rng(1).standard_normal(N)).astype(np.float32)
    once, again = (EFFECTS[name](y, RATE_HZ, np.random.default_rng(3)) for _ in range(2))
    assert once.shape == (N,) and once.dtype == np.float32 and np.isfinite(once).all()
    np.testing.assert_array_equal(once, again)
    assert not EFFECTS[name](np.zeros(N, np.float32), RATE_HZ, np.random.default_rng(3)).any()
