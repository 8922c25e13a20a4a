"""Linear probe: what a frozen encoder's frames tell without any further network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

from sersupport.core.errors import UserError
from sersupport.systems.base import System, SystemConfig, SystemOutput, register
from sersupport.systems.layers import StatisticsPooling, valid_mask

if TYPE_CHECKING:
    from sersupport.inputs.store import Materials

PENALTY = 0.01  # scikit-learn's C, by default
NEVER = -1e9  # logit of a class that was not in training: its probability is 0, and no difference of logits is NaN


class ProbeConfig(SystemConfig):
    """Configuration of :class:`Probe`; its one role is ``frames``.

    Parameters
    ----------
    frame_dim : int
        Dimension D of a frame.
    penalty : float
        Inverse strength C of the penalty on weights, of standardised dimensions.
    """

    model_type = "ser-probe"

    frame_dim: int = 768
    penalty: float = PENALTY


class Probe(System):
    """Logistic regression on the mean and deviation of a clip's frames, fitted in closed form.

    Dimensions are standardised, every class weighs the same; a class that is not in training gets probability 0.

    References
    ----------
    Alain and Bengio (2017), Understanding intermediate layers using linear classifier probes, arXiv 1610.01644.
    """

    config_class = ProbeConfig
    base_model_prefix = "probe"
    main_input_name = "frames"
    branches = ("frames",)

    def __init__(self, config: ProbeConfig) -> None:
        super().__init__(config)
        self.pooling = StatisticsPooling(epsilon=1e-12)
        self.register_buffer("mean", torch.zeros(2 * config.frame_dim))
        self.register_buffer("scale", torch.ones(2 * config.frame_dim))
        self.linear = nn.Linear(2 * config.frame_dim, config.num_labels)
        self.post_init()

    def branch(self, role: str, values: Tensor, length: Tensor | None = None) -> Tensor:
        """Standardised mean and deviation (B, 2 D) of frames (B, T, D)."""
        return (self.pooling(values, valid_mask(values.shape[1], length.clamp(min=1)))[0] - self.mean) / self.scale

    def classify(self, embeddings: dict[str, Tensor]) -> Tensor:
        return self.linear(embeddings["frames"])

    def forward(self, frames: Tensor, frames_length: Tensor, labels: Tensor | None = None, **_: Tensor) -> SystemOutput:
        """Classify frames (B, T, D), of which ``frames_length`` (B,) are not padding."""
        embeddings = self.embed(frames=frames, frames_length=frames_length)
        return self.output(self.classify(embeddings), labels)

    @torch.no_grad()
    def solve(self, train: Materials) -> bool:
        """Fit scikit-learn's regression and take over its numbers; see :meth:`System.solve`.

        Raises
        ------
        UserError
            If all rows are of one class.
        """
        if len(np.unique(train.labels)) < 2:
            raise UserError("a probe needs training rows of two classes or more: choose more utterances")
        scaler, classifier = (
            step for _, step in regression(self.config.penalty).fit(pooled(train), train.labels).steps
        )
        weights, biases = classifier.coef_, classifier.intercept_
        if len(classifier.classes_) == 2:  # of two classes scikit-learn keeps the difference only
            weights, biases = np.stack([0 * weights[0], weights[0]]), np.array([0.0, biases[0]])
        self.mean.copy_(torch.from_numpy(scaler.mean_))
        self.scale.copy_(torch.from_numpy(scaler.scale_))
        self.linear.weight.zero_()
        self.linear.bias.fill_(NEVER)
        self.linear.weight[classifier.classes_] = torch.from_numpy(weights).float()
        self.linear.bias[classifier.classes_] = torch.from_numpy(biases).float()
        return True


def regression(penalty: float = PENALTY) -> Pipeline:
    """Logistic regression on standardised dimensions, every class weighing the same, not yet fitted."""
    return make_pipeline(StandardScaler(), LogisticRegression(C=penalty, class_weight="balanced", max_iter=2000))


def pooled(rows: Materials) -> np.ndarray:
    """Mean and standard deviation over time of the frames before the padding, shape (n, 2 D), in float32."""
    frames, lengths = rows.arrays["frames"], np.maximum(rows.lengths["frames"], 1)
    clips = (own[:length].astype(np.float32) for own, length in zip(frames, lengths, strict=True))
    return np.stack([np.concatenate([clip.mean(axis=0), clip.std(axis=0)]) for clip in clips])


register(ProbeConfig, Probe)
