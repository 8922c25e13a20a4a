"""Layers that the systems share."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def valid_mask(n_steps: int, lengths: Tensor) -> Tensor:
    """Which of ``n_steps`` are not padding, bool (B, n_steps), from lengths (B,)."""
    return torch.arange(n_steps, device=lengths.device) < lengths[:, None]


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


class StatisticsPooling(nn.Module):
    """Mean and standard deviation over the frames that are not padding, as x-vectors pool them.

    Parameters
    ----------
    epsilon : float
        Added to the variance, for the slope of its root at zero is infinite.

    References
    ----------
    Snyder et al. (2018), X-vectors: robust DNN embeddings for speaker recognition, ICASSP.
    """

    def __init__(self, epsilon: float = 1e-8) -> None:
        super().__init__()
        self.epsilon = epsilon

    def forward(self, frames: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Pool ``frames`` (B, T, D) under ``mask`` (B, T); returns context (B, 2 D) and equal weights (B, T)."""
        mean, weights = MeanPooling()(frames, mask)
        variance = torch.einsum("bt,btd->bd", weights, (frames - mean[:, None]) ** 2)
        return torch.cat([mean, (variance + self.epsilon).sqrt()], dim=1), weights


class MeanPooling(nn.Module):
    """Mean over the frames that are not padding, with the interface of :class:`AttentivePooling`."""

    def forward(self, frames: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Pool ``frames`` (B, T, D) under ``mask`` (B, T); returns context (B, D) and equal weights (B, T)."""
        weights = mask.to(frames) / mask.sum(dim=1, keepdim=True)
        return torch.einsum("bt,btd->bd", weights, frames), weights
