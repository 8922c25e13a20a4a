"""Layers that the systems share."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class AttentivePooling(nn.Module):
    """Attentive temporal pooling over the frames that are not padding.

    Parameters
    ----------
    dim : int
        Dimension D of a frame; W_a is D x D, w has no bias.

    References
    ----------
    arXiv 2512.18298, equations 20 and 21.

    Examples
    --------
    >>> context, weights = AttentivePooling(8)(torch.randn(2, 5, 8), torch.ones(2, 5, dtype=torch.bool))
    >>> context.shape, weights.shape
    (torch.Size([2, 8]), torch.Size([2, 5]))
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.projection = nn.Linear(dim, dim)  # W_a, b_a
        self.score = nn.Linear(dim, 1, bias=False)  # w

    def forward(self, frames: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Pool ``frames`` (B, T, D) under ``mask`` (B, T); returns context (B, D) and weights (B, T) that sum to 1."""
        scores = self.score(torch.tanh(self.projection(frames))).squeeze(-1)
        weights = scores.masked_fill(~mask, -torch.inf).softmax(dim=1)
        return torch.einsum("bt,btd->bd", weights, frames), weights


class MeanPooling(nn.Module):
    """Mean over the frames that are not padding, with the interface of :class:`AttentivePooling`."""

    def forward(self, frames: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Pool ``frames`` (B, T, D) under ``mask`` (B, T); returns context (B, D) and equal weights (B, T)."""
        weights = mask.to(frames) / mask.sum(dim=1, keepdim=True)
        return torch.einsum("bt,btd->bd", weights, frames), weights
