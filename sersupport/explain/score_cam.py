"""Score-CAM over a one-dimensional CNN (arXiv 2512.18298, equations 26 and 27, Algorithm 1)."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn


def normalised(maps: Tensor) -> Tensor:
    """Each map scaled to [0, 1] over its last axis; a constant map becomes zero."""
    low, high = maps.amin(dim=-1, keepdim=True), maps.amax(dim=-1, keepdim=True)
    return torch.where(high > low, (maps - low) / (high - low).clamp(min=torch.finfo(maps.dtype).tiny), 0.0)


@torch.no_grad()
def score_cam(function: Callable[[Tensor], Tensor], maps: Tensor | np.ndarray, values: Tensor, target: int) -> Tensor:
    """Score-CAM of one clip.

    The baseline X_b is zero, which after standardising is the training rows' mean. The paper calls F^c both
    "confidence" and "output score"; it is the probability here.

    Parameters
    ----------
    function : callable
        F, from inputs (B, L) to logits (B, C), such as :class:`sersupport.explain.given.GivenInputs`.
    maps : Tensor or np.ndarray, shape (K, P)
        Activations of the last convolution over X, in P positions along it.
    values : Tensor, shape (L,)
        X.
    target : int
        Class c.

    Returns
    -------
    Tensor, shape (L,)
        L_Score-CAM of equation 27, not negative.

    References
    ----------
    arXiv 2512.18298, equations 26 and 27, Algorithm 1; Wang et al. (2020), Score-CAM.
    """
    maps = torch.as_tensor(maps)[None]
    maps = nn.functional.interpolate(maps, size=len(values), mode="linear", align_corners=False)[0]
    inputs = torch.cat([torch.zeros_like(values)[None], values * normalised(maps)])
    logits = torch.cat([function(part) for part in inputs.split(64)])
    confidence = logits.softmax(dim=-1)[:, target]
    return torch.relu(((confidence[1:] - confidence[0])[:, None] * maps).sum(dim=0))
