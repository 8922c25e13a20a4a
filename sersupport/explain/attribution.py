"""Attributions to an input that add up to the prediction, and by how much they fail to."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import shap
import torch
from captum.attr import IntegratedGradients
from torch import Tensor, nn


@dataclass
class Attribution:
    """Additive attribution of one logit.

    Parameters
    ----------
    values : np.ndarray, shape (...)
        Of the input's shape: phi_i of equation 25, in logits.
    base : float
        phi_0: the logit's mean over the background, or at the baseline.
    output : float
        The logit that is explained.
    """

    values: np.ndarray
    base: float
    output: float

    @property
    def additivity_error(self) -> float:
        """|f(x) - phi_0 - sum of phi_i| in logits; zero for an exact method (equation 25)."""
        return abs(self.output - self.base - float(self.values.sum()))


class _OneLogit(nn.Module):
    """One class's logit, (B, 1): SHAP would otherwise explain every class, at the cost of each."""

    def __init__(self, function: Callable[[Tensor], Tensor], target: int) -> None:
        super().__init__()
        self.function = function
        self.target = target

    def forward(self, values: Tensor) -> Tensor:
        return self.function(values)[:, [self.target]]


def expected_gradients(
    function: Callable[[Tensor], Tensor],
    values: Tensor,
    target: int,
    background: Tensor,
    samples: int = 200,
    seed: int = 0,
) -> Attribution:
    """SHAP values by expected gradients (``shap.GradientExplainer``).

    ``shap.DeepExplainer`` is not used: its rule for max-pooling assumes windows that do not overlap, and here pools of
    5, 5 and 3 move by 2.

    Parameters
    ----------
    function : callable
        From inputs (B, ...) to logits (B, C), such as :class:`sersupport.explain.given.GivenInputs`.
    values : Tensor, shape (...)
        The input that is explained.
    target : int
        Class whose logit is explained.
    background : Tensor, shape (n, ...)
        Training rows over which absent features are marginalised.
    samples : int
        Draws of background row and position on the path.
    seed : int

    Returns
    -------
    Attribution

    References
    ----------
    arXiv 2512.18298, equations 24 and 25; Erion et al. (2021), expected gradients.
    """
    explainer = shap.GradientExplainer(_OneLogit(function, target), background)
    shares = np.asarray(explainer.shap_values(values[None], nsamples=samples, rseed=seed))
    with torch.no_grad():
        base = function(background)[:, target].mean().item()
        output = function(values[None])[0, target].item()
    return Attribution(shares.reshape(values.shape), base, output)


def integrated_gradients(
    function: Callable[[Tensor], Tensor], values: Tensor, target: int, steps: int = 128
) -> Attribution:
    """Integrated gradients from zero, the training mean of standardised inputs (captum): the check on SHAP values.

    Parameters
    ----------
    function, values, target
        As for :func:`expected_gradients`.
    steps : int
        Points on the straight path.

    Returns
    -------
    Attribution
        ``base`` is the logit at the baseline.
    """
    baseline = torch.zeros_like(values)[None]
    shares = IntegratedGradients(function).attribute(values[None], baseline, target=target, n_steps=steps)
    with torch.no_grad():
        base, output = function(torch.cat([baseline, values[None]]))[:, target].tolist()
    return Attribution(shares[0].detach().numpy(), base, output)
