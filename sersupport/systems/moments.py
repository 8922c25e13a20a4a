"""What systems standardise by: mean and deviation over the training rows."""

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

# of the mean, or of 1: a dimension that does not vary in training may do so in the test, and is not divided by nothing
SMALLEST = 1e-6


def moments(rows: Iterable[np.ndarray]) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (D,) in float32 over all frames (T, D) of some rows, which are read one by one."""
    total, squares, count = 0.0, 0.0, 0
    for row in rows:
        frames = np.atleast_2d(np.asarray(row, dtype=np.float64))
        total, squares, count = total + frames.sum(axis=0), squares + (frames**2).sum(axis=0), count + len(frames)
    mean = total / count
    deviation = np.sqrt(np.maximum(squares / count - mean**2, 0))
    deviation[deviation < SMALLEST * np.maximum(1, np.abs(mean))] = 1
    return torch.from_numpy(mean).float(), torch.from_numpy(deviation).float()
