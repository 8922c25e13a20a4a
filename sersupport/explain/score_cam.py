"""Score-CAM over a one-dimensional CNN (arXiv 2512.18298, equations 26 and 27, Algorithm 1)."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn


@dataclass
class ScoreCam:
    """A saliency map and what it was made of.

    Parameters
    ----------
    saliency : Tensor, shape (L,)
        L_Score-CAM of equation 27, not negative.
    weights : Tensor, shape (K,)
        Importance of each of the K feature maps, equation 26.
    maps : Tensor, shape (K, L)
        The maps A^k, upsampled to the input's size.
    """

    saliency: Tensor
    weights: Tensor
    maps: Tensor


def normalised(maps: Tensor) -> Tensor:
    """Each map scaled to [0, 1] over its last axis; a constant map becomes zero."""
    low, high = maps.amin(dim=-1, keepdim=True), maps.amax(dim=-1, keepdim=True)
    return torch.where(high > low, (maps - low) / (high - low).clamp(min=torch.finfo(maps.dtype).tiny), 0.0)


@torch.no_grad()
def score_cam(
    function: Callable[[Tensor], Tensor],
    maps: Tensor | np.ndarray,
    values: Tensor,
    target: int,
    baseline: Tensor | None = None,
    score: str = "probability",
    batch_size: int = 64,
) -> ScoreCam:
    """Score-CAM of one clip.

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
    baseline : Tensor, shape (L,), optional
        X_b; zero by default, which after standardising is the training rows' mean.
    score : {"probability", "logit"}
        What F^c is: the paper says both "confidence" and "output score".
    batch_size : int
        Masked inputs a forward pass.

    Returns
    -------
    ScoreCam

    References
    ----------
    arXiv 2512.18298, equations 26 and 27, Algorithm 1; Wang et al. (2020), Score-CAM.
    """
    maps = torch.as_tensor(maps)[None]
    maps = nn.functional.interpolate(maps, size=len(values), mode="linear", align_corners=False)[0]
    baseline = torch.zeros_like(values) if baseline is None else baseline
    masked = values * normalised(maps)

    def confidence(inputs: Tensor) -> Tensor:
        logits = torch.cat([function(part) for part in inputs.split(batch_size)])
        return (logits.softmax(dim=-1) if score == "probability" else logits)[:, target]

    weights = confidence(masked) - confidence(baseline[None])
    saliency = torch.relu((weights[:, None] * maps).sum(dim=0))
    return ScoreCam(saliency, weights, maps)
