"""sersupport.sound.textures: events at their rate, in their band, and nowhere silent."""

from __future__ import annotations

import numpy as np
import pytest

from sersupport.sound.textures import TEXTURES, bursts

RATE_HZ = 22_050


@pytest.mark.parametrize("rate_per_s", [3.0, 40.0])
def test_bursts_come_at_their_rate_and_ring_out(rate_per_s):
    """The power of a Poisson train of decaying bursts is proportional to rate and decay."""
    n = 40 * RATE_HZ
    power = {
        (factor, longer): np.mean(
            bursts(n, factor * rate_per_s, longer * 0.01, (1000, 4000), np.random.default_rng(7), RATE_HZ) ** 2
        )
        for factor, longer in ((1, 1), (2, 1), (1, 2))
    }
    assert power[2, 1] / power[1, 1] == pytest.approx(2, rel=0.25)
    assert power[1, 2] / power[1, 1] == pytest.approx(2, rel=0.35)


@pytest.mark.parametrize("name", TEXTURES)
def test_a_texture_depends_on_its_generator_alone_and_is_never_silent(name):
    n = round(2.5 * RATE_HZ)
    once, again = (TEXTURES[name](n, np.random.default_rng(4), RATE_HZ) for _ in range(2))
    np.testing.assert_array_equal(once, again)
    assert once.shape == (n,) and np.isfinite(once).all()
    pieces = once[: 10 * (n // 10)].reshape(10, -1)
    assert (pieces.std(axis=1) > 0.01 * once.std()).all()
    other = TEXTURES[name](n, np.random.default_rng(5), RATE_HZ)
    assert abs(np.corrcoef(once, other)[0, 1]) < 0.2
