"""Means and deviations against numpy's, and dimensions that do not vary."""

from __future__ import annotations

import numpy as np
import pytest

from sersupport.systems.moments import moments


def test_they_are_those_of_all_frames_together():
    rng = np.random.default_rng(0)
    rows = [rng.normal([3, -70], [1, 20], size=(n, 2)).astype(np.float32) for n in (1, 7, 200)]
    mean, deviation = moments(rows)
    frames = np.concatenate(rows).astype(np.float64)
    np.testing.assert_allclose(mean, frames.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(deviation, frames.std(axis=0), rtol=1e-5)
    np.testing.assert_allclose(
        moments(row[0] for row in rows)[0], np.stack([row[0] for row in rows]).mean(axis=0), 1e-5
    )


@pytest.mark.parametrize("value", [0.0, -100.0, 350.7])
def test_what_does_not_vary_is_not_blown_up(value):
    _, deviation = moments(np.full((1, 1), value, dtype=np.float32) for _ in range(5760))
    assert deviation.tolist() == [1.0]
