"""sersupport.sound.effects: a tone's new pitch, a room's decay, both measured."""

from __future__ import annotations

import numpy as np
import pytest

from sersupport.sound.effects import pitch_shift, reverberant

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
