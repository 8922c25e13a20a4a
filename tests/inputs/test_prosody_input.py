"""The prosody input: the functionals of what is not padding."""

from __future__ import annotations

import numpy as np

from sersupport.inputs.prosody import Prosody
from sersupport.sound.audio import RATE_HZ
from sersupport.sound.functionals import functionals


def test_prosody_is_that_of_the_samples_before_the_padding():
    time_s = np.arange(RATE_HZ) / RATE_HZ
    tone = sum(np.cos(2 * np.pi * 150 * k * time_s) / k for k in range(1, 6)).astype(np.float32)
    n_valid = np.array([RATE_HZ, 9_000, 0])
    waves = np.where(np.arange(RATE_HZ) < n_valid[:, None], tone, 0)
    values, lengths = Prosody().compute(waves, n_valid)
    assert values.shape == (3, 103) and values.dtype == np.float32 and lengths is None
    for own, n in zip(values, n_valid, strict=True):
        np.testing.assert_array_equal(own, functionals(tone[:n], RATE_HZ).astype(np.float32))
