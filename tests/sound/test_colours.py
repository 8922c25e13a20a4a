"""sersupport.sound.colours: spectra against their law, and against plain regressions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import periodogram

from sersupport.core.errors import UserError
from sersupport.core.seeds import generator
from sersupport.sound import colours

RATE_HZ = 22_050
N = 55_125  # 2.5 s


@pytest.mark.parametrize(("colour", "slope"), [("white", 0.0), ("pink", -3.0103), ("brown", -6.0206)])
def test_colours_have_their_slope(colour, slope):
    make = getattr(colours, colour)
    twenty_s = [make(20 * RATE_HZ, generator(seed, colour)) for seed in range(6)]
    measured = [colours.spectral_slope_db_per_octave(x, RATE_HZ) for x in twenty_s]
    np.testing.assert_allclose(measured, slope, atol=0.2)  # standard deviation of one: about 0.04
    assert np.mean(measured) == pytest.approx(slope, abs=0.08)


def test_slope_against_a_plain_regression():
    x = colours.pink(2**18, np.random.default_rng(0))
    f_hz, density = periodogram(x, RATE_HZ)
    edges_hz = 62.5 * 2.0 ** np.arange(6)  # five whole octaves
    octave_db = [10 * np.log10(density[(f_hz >= low) & (f_hz < 2 * low)].mean()) for low in edges_hz[:-1]]
    by_octave = np.polyfit(np.arange(5), octave_db, 1)[0]
    measured = colours.spectral_slope_db_per_octave(x, RATE_HZ, (edges_hz[0], edges_hz[-1]))
    assert measured == pytest.approx(by_octave, abs=0.1)


def test_slope_needs_energy_in_the_band():
    with pytest.raises(UserError, match="spectral slope"):
        colours.spectral_slope_db_per_octave(np.zeros(10_000), RATE_HZ)


def test_pink_is_white_filtered_by_the_printed_response():
    white = colours.white(N, np.random.default_rng(5))
    pink = colours.pink(N, np.random.default_rng(5))
    response = np.abs(np.fft.rfft(pink))[1:] / np.abs(np.fft.rfft(white))[1:]
    f = np.fft.rfftfreq(N)[1:]
    np.testing.assert_allclose(response * np.sqrt(f), response[0] * np.sqrt(f[0]), rtol=1e-6)
    assert pink.mean() == pytest.approx(0, abs=1e-12)
    assert pink.std() == pytest.approx(1, rel=0.1)


def test_brown_is_literally_the_running_sum():
    white = colours.white(1_000, np.random.default_rng(6))
    brown = colours.brown(1_000, np.random.default_rng(6))
    total = 0.0
    for n, step in enumerate(white):  # eq. 7, second form
        total = total + step
        assert brown[n] == total


@pytest.mark.parametrize("colour", colours.COLOURS)
@pytest.mark.parametrize("n", [1, 2, 3, 101])
def test_colours_of_any_length(colour, n):
    x = getattr(colours, colour)(n, np.random.default_rng(0))
    assert x.shape == (n,)
    assert np.isfinite(x).all()
