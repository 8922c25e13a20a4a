"""Small systems to explain, and one batch of two clips."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from sersupport.systems.base import System, SystemConfig, SystemOutput
from sersupport.systems.fusion import FusionModel, row_config

LENGTH, DIM = 300, 5


@pytest.fixture(scope="session")
def fusion():
    """Makes a row of the fusion model, with statistics and normalisations as of some data, not degenerate."""

    def make(row: str) -> FusionModel:
        torch.manual_seed(0)
        model = FusionModel(row_config(row, spectral_length=LENGTH, frame_dim=DIM, cnn_width=0.03)).eval()
        for module in model.modules():
            if isinstance(module, nn.BatchNorm1d):
                nn.init.uniform_(module.running_mean, -0.1, 0.1)
        for name, buffer in model.named_buffers(recurse=False):
            if name.endswith(("_mean", "_scale")):
                nn.init.uniform_(buffer, 0.5, 1.5)
        return model

    return make


class Whole(System):
    """A system without branches: it multiplies what it hears, so that no input can be replaced beside the others."""

    def __init__(self, config: SystemConfig) -> None:
        super().__init__(config)
        self.layer = nn.Linear(LENGTH, config.num_labels)
        self.post_init()

    def prepare(self, role, values):
        return 3 * values

    def forward(self, spectral, frames, frames_length, labels=None):
        kept = torch.arange(frames.shape[1]) < frames_length[:, None]
        heard = (frames * kept[..., None]).sum(dim=(1, 2))[:, None]
        return SystemOutput(logits=self.layer(self.prepare("spectral", spectral) * heard))


@pytest.fixture
def whole():
    torch.manual_seed(0)
    return Whole(SystemConfig())


@pytest.fixture
def inputs():
    generator = torch.Generator().manual_seed(1)
    spectral = torch.randn(2, LENGTH, generator=generator)
    frames = torch.randn(2, 6, DIM, generator=generator)
    return {"spectral": spectral, "frames": frames, "frames_length": torch.tensor([6, 3])}
