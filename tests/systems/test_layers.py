"""Pooling layers against their equations, and without regard to padding."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sersupport.systems.layers import AttentivePooling, MeanPooling, StatisticsPooling, valid_mask


@pytest.fixture
def frames():
    generator = torch.Generator().manual_seed(0)
    mask = torch.tensor([[True] * 7, [True] * 4 + [False] * 3])
    assert torch.equal(valid_mask(7, torch.tensor([7, 4])), mask)
    return torch.randn(2, 7, 5, generator=generator), mask


def test_attentive_pooling_is_equations_20_and_21(frames):
    x, mask = frames
    pooling = AttentivePooling(5)
    context, weights = pooling(x, mask)
    matrix, bias = (p.detach().numpy() for p in (pooling.projection.weight, pooling.projection.bias))
    w = pooling.score.weight.detach().numpy()[0]
    for row, length in enumerate((7, 4)):
        h = x[row, :length].numpy()
        e = np.tanh(h @ matrix.T + bias) @ w
        alpha = np.exp(e) / np.exp(e).sum()
        np.testing.assert_allclose(weights[row, :length].detach(), alpha, atol=1e-6)
        np.testing.assert_allclose(context[row].detach(), alpha @ h, atol=1e-6)
    assert (weights[1, 4:] == 0).all()


@pytest.mark.parametrize("pooling", [AttentivePooling(5), MeanPooling(), StatisticsPooling()])
def test_padding_changes_nothing(frames, pooling):
    x, mask = frames
    other = x.clone()
    other[1, 4:] = 100.0
    for one, two in zip(pooling(x, mask), pooling(other, mask), strict=True):
        torch.testing.assert_close(one, two)
    torch.testing.assert_close(pooling(x, mask)[1].sum(dim=1), torch.ones(2))


def test_mean_pooling_is_the_mean(frames):
    x, mask = frames
    torch.testing.assert_close(MeanPooling()(x, mask)[0][1], x[1, :4].mean(dim=0))


def test_statistics_pooling_is_mean_and_deviation(frames):
    x, mask = frames
    expected = torch.cat([x[1, :4].mean(dim=0), x[1, :4].std(dim=0, unbiased=False)])
    torch.testing.assert_close(StatisticsPooling()(x, mask)[0][1], expected, atol=1e-4, rtol=1e-4)
    still = torch.ones(1, 3, 5, requires_grad=True)  # a deviation of zero must still have a slope
    StatisticsPooling()(still, torch.ones(1, 3, dtype=torch.bool))[0].sum().backward()
    assert torch.isfinite(still.grad).all()
