"""The fusion of a temporal and a spectral branch, and its four ablation rows (arXiv 2512.18298, section III-E)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from sersupport.core.errors import UserError
from sersupport.inputs.encoders import encoder as encoders
from sersupport.systems.base import System, SystemConfig, SystemOutput, register
from sersupport.systems.layers import AttentivePooling, MeanPooling, StatisticsPooling, valid_mask
from sersupport.systems.moments import moments

if TYPE_CHECKING:
    from sersupport.inputs.store import Materials

KERNELS = (5, 5, 3)
FILTERS = (512, 256, 128)
POOLS = (5, 5, 3)
POOL_STRIDE = 2
POOLINGS = ("attentive", "mean", "statistics")
ROWS = {
    "A": {"temporal": False, "spectral": True, "pooling": "mean"},
    "B": {"temporal": True, "spectral": False, "pooling": "mean"},
    "C": {"temporal": True, "spectral": True, "pooling": "mean"},
    "D": {"temporal": True, "spectral": True, "pooling": "attentive"},
}
ROW_NAMES = {
    "A": "A spectral branch only",
    "B": "B temporal branch only",
    "C": "C concatenation, mean pooling",
    "D": "D concatenation, attentive pooling",
}


class FusionConfig(SystemConfig):
    """Configuration of :class:`FusionModel`; its roles are ``spectral`` (descriptors) and ``frames`` or ``waves``.

    Parameters
    ----------
    temporal, spectral : bool
        Which branches there are (at least one).
    pooling : {"attentive", "mean", "statistics"}
        Over the temporal branch's frames; statistics (mean and deviation) are not the paper's.
    spectral_length : int
        Length L of the serialised descriptors (equation 28).
    frame_dim : int
        Dimension D of an encoder's frame.
    cnn_width : float
        Factor on the published 512, 256 and 128 filters.
    embedding_dim, hidden_dim : int
        Of the spectral embedding (512 as published) and of the classifier's hidden layer; the paper does not print
        the latter, 256 gives its 114.6 M parameters of row C.
    encoder, encoder_layers : dict or None, list of int
        :attr:`sersupport.inputs.encoders.encoder.Encoder.config` of the encoder where it is part of the model
        (fine-tuning), which then takes ``waves``; without it the model takes ``frames``.
    encoder_learning_rate_factor : float
        On the learning rate of that encoder: what is pretrained would be lost at the rate of a head that learns from
        nothing.

    Raises
    ------
    UserError
        Without any branch, or for an unknown pooling.
    """

    model_type = "ser-fusion"
    keys_to_ignore_at_inference: ClassVar[list[str]] = ["pooling_weights"]

    temporal: bool = True
    spectral: bool = True
    pooling: str = "attentive"
    spectral_length: int = 2376
    frame_dim: int = 768
    cnn_width: float = 1.0
    embedding_dim: int = 512
    hidden_dim: int = 256
    cnn_dropout: float = 0.2
    head_dropout: float = 0.5
    encoder: dict | None = None
    encoder_layers: list | tuple = (-1,)
    encoder_learning_rate_factor: float = 0.1

    def __post_init__(self, **kwargs) -> None:
        if not (self.temporal or self.spectral):
            raise UserError("a fusion model needs at least one branch: temporal or spectral")
        if self.pooling not in POOLINGS:
            raise UserError(f"pooling {self.pooling!r}: choose one of {', '.join(POOLINGS)}")
        self.encoder_layers = list(self.encoder_layers)
        super().__post_init__(**kwargs)


def row_config(row: str, **settings: object) -> FusionConfig:
    """Configuration of a row of Table VI.

    Parameters
    ----------
    row : {"A", "B", "C", "D"}
        A: spectral branch; B: temporal branch; C: both, mean-pooled; D: both, attentive pooling.
    **settings
        Further arguments of :class:`FusionConfig`, which go before the row's own.
    """
    if row not in ROWS:
        raise UserError(f"row {row!r}: Table VI has rows {', '.join(ROWS)}")
    return FusionConfig(**ROWS[row] | settings)


def frames_after_blocks(length: int) -> list[int]:
    """Positions left after each block's unpadded convolution and its pooling, alternating, six numbers."""
    sizes = []
    for kernel, pool in zip(KERNELS, POOLS, strict=True):
        sizes.append(length - kernel + 1)
        length = (sizes[-1] - pool) // POOL_STRIDE + 1
        sizes.append(length)
    return sizes


class SpectralEncoder(nn.Module):
    """Branch II: a 1-D CNN over the serialised descriptors, "expansion, compression, abstraction".

    Its layers are PyTorch's for images of height 1, whose pooling and convolution take half the time of the 1-D ones
    where the channels of a position lie side by side in memory.

    Parameters
    ----------
    config : FusionConfig
        ``spectral_length``, ``cnn_width``, ``embedding_dim`` and ``cnn_dropout`` are used.

    Raises
    ------
    UserError
        If the input is too short for the three blocks.
    """

    def __init__(self, config: FusionConfig) -> None:
        super().__init__()
        left = frames_after_blocks(config.spectral_length)
        if min(left) < 1:
            raise UserError(f"{config.spectral_length} spectral features are too few for the CNN: use longer clips")
        blocks, channels = [], 1
        for index, (filters, kernel) in enumerate(zip(FILTERS, KERNELS, strict=True)):
            width = max(1, round(filters * config.cnn_width))
            pool = [nn.MaxPool2d((1, POOLS[index]), (1, POOL_STRIDE))] + [nn.Dropout(config.cnn_dropout)] * (index > 0)
            convolution = [nn.Conv2d(channels, width, (1, kernel)), nn.BatchNorm2d(width), nn.ReLU()]
            blocks.append(nn.ModuleDict({"convolution": nn.Sequential(*convolution), "pool": nn.Sequential(*pool)}))
            channels = width
        self.blocks = nn.ModuleList(blocks).to(memory_format=torch.channels_last)
        self.project = nn.Sequential(
            nn.Linear(channels * left[-1], config.embedding_dim), nn.ReLU(), nn.BatchNorm1d(config.embedding_dim)
        )

    def feature_maps(self, spectral: Tensor) -> Tensor:
        """Activations of the last convolution, (B, filters, positions), for (B, L): the A^k of Score-CAM."""
        return self._maps(spectral).squeeze(2)

    def _maps(self, spectral: Tensor) -> Tensor:
        maps = spectral[:, None, None].contiguous(memory_format=torch.channels_last)
        for block in self.blocks[:-1]:
            maps = block["pool"](block["convolution"](maps))
        return self.blocks[-1]["convolution"](maps)

    def forward(self, spectral: Tensor) -> Tensor:
        """Embed ``spectral`` (B, L) as (B, embedding_dim)."""
        return self.project(self.blocks[-1]["pool"](self._maps(spectral)).flatten(1))


@dataclass
class FusionOutput(SystemOutput):
    """Loss (with labels), logits (B, C) and, where frames are pooled, their weights (B, T)."""

    pooling_weights: Tensor | None = None


class FusionModel(System):
    """Both branches, pooled and concatenated, and the classifier (equations 20 to 23).

    Inputs are standardised by buffers that training sets once from the training rows, so that a saved model takes
    raw descriptors and raw frames.

    Parameters
    ----------
    config : FusionConfig
        Which branches, which pooling, which sizes.
    """

    config_class = FusionConfig
    base_model_prefix = "fusion"
    main_input_name = "spectral"

    def __init__(self, config: FusionConfig) -> None:
        super().__init__(config)
        fused = 0
        self.encoder = None
        if config.temporal:
            if config.encoder is not None:
                self.encoder = encoders.from_config(config.encoder, config.encoder_layers)
            if config.pooling == "attentive":
                self.pooling = AttentivePooling(config.frame_dim)
            else:
                self.pooling = StatisticsPooling() if config.pooling == "statistics" else MeanPooling()
            self.register_buffer("frame_mean", torch.zeros(config.frame_dim))
            self.register_buffer("frame_scale", torch.ones(config.frame_dim))
            fused += config.frame_dim * (2 if config.pooling == "statistics" else 1)
        if config.spectral:
            self.spectral_encoder = SpectralEncoder(config)
            self.register_buffer("spectral_mean", torch.zeros(config.spectral_length))
            self.register_buffer("spectral_scale", torch.ones(config.spectral_length))
            fused += config.embedding_dim
        self.classifier = nn.Sequential(
            nn.Linear(fused, config.hidden_dim),
            nn.ReLU(),
            nn.Dropout(config.head_dropout),
            nn.Linear(config.hidden_dim, config.num_labels),
        )
        self.post_init()

    @property
    def branches(self) -> tuple[str, ...]:
        """``frames`` or ``waves``, and ``spectral``, as far as there are."""
        temporal = "frames" if self.encoder is None else "waves"
        return (temporal,) * self.config.temporal + ("spectral",) * self.config.spectral

    def prepare(self, role: str, values: Tensor) -> Tensor:
        """Descriptors (B, L) or frames (B, T, D) with mean 0 and deviation 1 over the training rows; waves as given."""
        if role == "spectral":
            return (values - self.spectral_mean) / self.spectral_scale
        return values if role == "waves" else (values.float() - self.frame_mean) / self.frame_scale

    def context(self, role: str, values: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
        """v_ctx (B, F) and the pooling weights (B, T), from prepared frames (B, T, D) or waves (B, N)."""
        if role == "frames":
            return self.pooling(values, valid_mask(values.shape[1], length))
        frames, mask = self.encoder(values, length)
        return self.pooling(self.prepare("frames", frames), mask)

    def branch(self, role: str, values: Tensor, length: Tensor | None = None) -> Tensor:
        """v_ctx (B, F), or v_spec (B, embedding_dim); see :meth:`System.branch`."""
        return self.spectral_encoder(values) if role == "spectral" else self.context(role, values, length)[0]

    def classify(self, embeddings: dict[str, Tensor]) -> Tensor:
        """Logits (B, C) of v_ctx ⊕ v_spec, equation 22."""
        return self.classifier(torch.cat([embeddings[role] for role in self.branches], dim=1))

    def feature_maps(self, role: str, values: Tensor) -> Tensor | None:
        """Of the spectral branch only; see :meth:`System.feature_maps`."""
        return self.spectral_encoder.feature_maps(values) if role == "spectral" else None

    def forward(
        self,
        spectral: Tensor | None = None,
        frames: Tensor | None = None,
        frames_length: Tensor | None = None,
        waves: Tensor | None = None,
        waves_length: Tensor | None = None,
        labels: Tensor | None = None,
        **_: Tensor,
    ) -> FusionOutput:
        """Classify a batch.

        Parameters
        ----------
        spectral : Tensor, shape (B, L), optional
            Serialised descriptors, not standardised.
        frames, frames_length : Tensor, shapes (B, T, D) and (B,), optional
            An encoder's frames and how many of them are not padding.
        waves, waves_length : Tensor, shapes (B, N) and (B,), optional
            16 kHz waveforms instead of frames, where the encoder is part of the model.
        labels : Tensor of int, shape (B,), optional
            Indices into the classes.

        Returns
        -------
        FusionOutput
            Logits (B, C), pooling weights, and the class-weighted cross-entropy where labels are given.
        """
        given = {"spectral": (spectral, None), "frames": (frames, frames_length), "waves": (waves, waves_length)}
        embeddings, weights = {}, None
        for role in self.branches:
            values, length = self.prepare(role, given[role][0]), given[role][1]
            if role == "spectral":
                embeddings[role] = self.branch(role, values)
            else:
                embeddings[role], weights = self.context(role, values, length)
        return FusionOutput(**self.output(self.classify(embeddings), labels), pooling_weights=weights)

    def set_statistics(self, train: Materials) -> None:
        """Means and deviations by which descriptors and frames are standardised; an encoder inside listens once."""
        if self.config.spectral:
            mean, deviation = moments(train.arrays["spectral"])
            self.spectral_mean.copy_(mean)
            self.spectral_scale.copy_(deviation)
        if self.config.temporal:
            mean, deviation = moments(frames[:length] for frames, length in self._frames(train))
            self.frame_mean.copy_(mean)
            self.frame_scale.copy_(deviation)

    def _frames(self, rows: Materials) -> Iterator[tuple[np.ndarray, int]]:
        """Frames (T, D) and their number before the padding, row by row, from an encoder inside as it is now."""
        if self.encoder is None:
            yield from zip(rows.arrays["frames"], rows.lengths["frames"], strict=True)
            return
        training = self.training
        self.encoder.eval()
        for start in range(0, len(rows), 64):
            some = slice(start, start + 64)
            waves = np.asarray(rows.arrays["waves"][some])
            (frames,), n_frames = self.encoder.encode(waves, rows.lengths["waves"][some], [self.encoder.layers])
            yield from zip(frames, n_frames, strict=True)
        self.encoder.train(training)

    def parameter_groups(self, learning_rate: float, weight_decay: float) -> list[dict[str, Any]] | None:
        """An encoder inside learns more slowly than the rest."""
        if self.encoder is None:
            return None
        inside = list(self.encoder.parameters())
        ids = {id(parameter) for parameter in inside}
        others = [parameter for parameter in self.parameters() if id(parameter) not in ids]
        slow = learning_rate * self.config.encoder_learning_rate_factor
        return [{"params": inside, "lr": slow}, {"params": others, "lr": learning_rate}]


register(FusionConfig, FusionModel)
