"""A fifth system, written against the contract alone: what it takes to add one."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from sersupport.systems.base import System, SystemConfig, register


class ToyConfig(SystemConfig):
    model_type = "ser-toy"
    length: int = 300


class Toy(System):
    """A convolution over the descriptors; in training it may be drawn towards what it makes of the clean partner."""

    config_class = ToyConfig
    branches = ("spectral",)

    def __init__(self, config: ToyConfig) -> None:
        super().__init__(config)
        self.register_buffer("mean", torch.zeros(config.length))
        self.convolution = nn.Conv1d(1, 4, 5)
        self.linear = nn.Linear(4 * (config.length - 4), config.num_labels)
        self.post_init()

    def set_statistics(self, train):
        self.mean.copy_(torch.from_numpy(np.asarray(train.arrays["spectral"]).mean(axis=0)))

    def prepare(self, role, values):
        return values - self.mean

    def feature_maps(self, role, values):
        return self.convolution(values[:, None])

    def branch(self, role, values, length=None):
        return self.feature_maps(role, values).relu().flatten(1)

    def classify(self, embeddings):
        return self.linear(embeddings["spectral"])

    def forward(self, spectral, labels=None, clean_spectral=None):
        embeddings = self.embed(spectral=spectral)
        found = self.output(self.classify(embeddings), labels)
        if labels is not None and clean_spectral is not None:
            found.loss += nn.functional.mse_loss(
                embeddings["spectral"], self.embed(spectral=clean_spectral)["spectral"]
            )
        return found


register(ToyConfig, Toy)
