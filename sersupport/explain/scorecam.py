"""Score-CAM on the one-dimensional CNN (arXiv 2512.18298, equations 26 and 27, Algorithm 1)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sersupport.models.fusion import FusionModel


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


class GivenContext(nn.Module):
    """The model as a function of its standardised descriptors alone, the temporal context of one clip held fixed.

    Parameters
    ----------
    model : FusionModel
        With a spectral branch.
    context : Tensor, shape (1, F), optional
        v_ctx of the clip, where the model has a temporal branch.
    """

    def __init__(self, model: FusionModel, context: Tensor | None = None) -> None:
        super().__init__()
        self.model = model.eval()
        self.context = context

    @classmethod
    @torch.no_grad()
    def of(cls, model: FusionModel, inputs: dict[str, Tensor], index: int) -> GivenContext:
        """Hold fixed the context of one clip of a batch of model inputs, not standardised."""
        model = model.eval()
        if not model.config.temporal:
            return cls(model)
        clip = {name: tensor[[index]] for name, tensor in inputs.items()}
        return cls(model, model.context(**clip)[0])

    def forward(self, spectral: Tensor) -> Tensor:
        """Logits (B, 7) of standardised descriptors (B, L)."""
        embedded = self.model.spectral_encoder(spectral)
        if self.context is not None:
            embedded = torch.cat([self.context.expand(len(spectral), -1), embedded], dim=1)
        return self.model.classifier(embedded)


def normalised(maps: Tensor) -> Tensor:
    """Each map scaled to [0, 1] over its last axis; a constant map becomes zero."""
    low, high = maps.amin(dim=-1, keepdim=True), maps.amax(dim=-1, keepdim=True)
    return torch.where(high > low, (maps - low) / (high - low).clamp(min=torch.finfo(maps.dtype).tiny), 0.0)


@torch.no_grad()
def score_cam(
    function: GivenContext,
    spectral: Tensor,
    target: int,
    baseline: Tensor | None = None,
    score: str = "probability",
    batch_size: int = 64,
) -> ScoreCam:
    """Score-CAM of one clip on the last convolution of the spectral branch.

    Parameters
    ----------
    function : GivenContext
        F: the model given the clip's temporal context.
    spectral : Tensor, shape (L,)
        X, standardised.
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
    maps = function.model.spectral_encoder.feature_maps(spectral[None])
    maps = nn.functional.interpolate(maps, size=len(spectral), mode="linear", align_corners=False)[0]
    baseline = torch.zeros_like(spectral) if baseline is None else baseline
    masked = spectral * normalised(maps)

    def confidence(inputs: Tensor) -> Tensor:
        logits = torch.cat([function(part) for part in inputs.split(batch_size)])
        return (logits.softmax(dim=-1) if score == "probability" else logits)[:, target]

    weights = confidence(masked) - confidence(baseline[None])
    saliency = torch.relu((weights[:, None] * maps).sum(dim=0))
    return ScoreCam(saliency, weights, maps)
