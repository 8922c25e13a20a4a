"""The fusion of a temporal and a spectral branch, and its four ablation rows (arXiv 2512.18298, section III-E)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import PretrainedConfig, PreTrainedModel, Wav2Vec2Config
from transformers.utils import ModelOutput

from sersupport import UserError, backbones
from sersupport.corpora import EMOTIONS
from sersupport.models.layers import AttentivePooling, MeanPooling, StatisticsPooling

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


class FusionConfig(PretrainedConfig):
    """Configuration of :class:`FusionModel`.

    Parameters
    ----------
    temporal, spectral : bool
        Which branches there are (at least one).
    pooling : {"attentive", "mean", "statistics"}
        Over the temporal branch's frames; statistics (mean and deviation) are not the paper's.
    spectral_length : int
        Length L of the serialised descriptors (equation 28).
    frame_dim : int
        Dimension D of a backbone frame.
    cnn_width : float
        Factor on the published 512, 256 and 128 filters.
    embedding_dim, hidden_dim : int
        Of the spectral embedding (512 as published) and of the classifier's hidden layer; the paper does not print
        the latter, 256 gives its 114.6 M parameters of row C.
    backbone, backbone_layers : dict or None, list of int
        The encoder's own configuration where it is part of the model (fine-tuning); without it the model takes frames.
    class_weights : list of float, optional
        Of the cross-entropy loss, length 7.
    """

    model_type = "ser-fusion"

    def __init__(
        self,
        temporal: bool = True,
        spectral: bool = True,
        pooling: str = "attentive",
        spectral_length: int = 2376,
        frame_dim: int = 768,
        cnn_width: float = 1.0,
        embedding_dim: int = 512,
        hidden_dim: int = 256,
        cnn_dropout: float = 0.2,
        head_dropout: float = 0.5,
        backbone: dict | None = None,
        backbone_layers: Sequence[int] = (-1,),
        class_weights: list[float] | None = None,
        **kwargs,
    ) -> None:
        if not (temporal or spectral):
            raise UserError("a fusion model needs at least one branch: temporal or spectral")
        if pooling not in POOLINGS:
            raise UserError(f"pooling {pooling!r}: choose one of {', '.join(POOLINGS)}")
        self.temporal = temporal
        self.spectral = spectral
        self.pooling = pooling
        self.spectral_length = spectral_length
        self.frame_dim = frame_dim
        self.cnn_width = cnn_width
        self.embedding_dim = embedding_dim
        self.hidden_dim = hidden_dim
        self.cnn_dropout = cnn_dropout
        self.head_dropout = head_dropout
        self.backbone = backbone
        self.backbone_layers = list(backbone_layers)
        self.class_weights = class_weights
        kwargs.setdefault("id2label", dict(enumerate(EMOTIONS)))
        kwargs.setdefault("label2id", {emotion: index for index, emotion in enumerate(EMOTIONS)})
        super().__init__(**kwargs)


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
            pool = [nn.MaxPool1d(POOLS[index], POOL_STRIDE)] + [nn.Dropout(config.cnn_dropout)] * (index > 0)
            convolution = [nn.Conv1d(channels, width, kernel), nn.BatchNorm1d(width), nn.ReLU()]
            blocks.append(nn.ModuleDict({"convolution": nn.Sequential(*convolution), "pool": nn.Sequential(*pool)}))
            channels = width
        self.blocks = nn.ModuleList(blocks)
        self.project = nn.Sequential(
            nn.Linear(channels * left[-1], config.embedding_dim), nn.ReLU(), nn.BatchNorm1d(config.embedding_dim)
        )

    def feature_maps(self, spectral: Tensor) -> Tensor:
        """Activations of the last convolution, (B, filters, positions), for (B, L): the A^k of Score-CAM."""
        maps = spectral[:, None]
        for block in self.blocks[:-1]:
            maps = block["pool"](block["convolution"](maps))
        return self.blocks[-1]["convolution"](maps)

    def forward(self, spectral: Tensor) -> Tensor:
        """Embed ``spectral`` (B, L) as (B, embedding_dim)."""
        return self.project(self.blocks[-1]["pool"](self.feature_maps(spectral)).flatten(1))


@dataclass
class FusionOutput(ModelOutput):
    """Loss (with labels), logits (B, 7) and, where frames are pooled, their weights (B, T)."""

    loss: Tensor | None = None
    logits: Tensor | None = None
    pooling_weights: Tensor | None = None


class FusionModel(PreTrainedModel):
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
        self.backbone = None
        if config.temporal:
            if config.backbone is not None:
                self.backbone = backbones.from_config(config.backbone, config.backbone_layers)
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
            nn.Linear(config.hidden_dim, len(config.id2label)),
        )
        self.register_buffer("class_weights", torch.tensor(config.class_weights or [1.0] * len(config.id2label)))
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        """Keep PyTorch's own initialisation; the paper names none."""

    def standardise(self, spectral: Tensor) -> Tensor:
        """Descriptors (B, L) as the CNN sees them: zero mean, unit deviation over the training rows."""
        return (spectral - self.spectral_mean) / self.spectral_scale

    def context(
        self,
        frames: Tensor | None = None,
        frame_mask: Tensor | None = None,
        waves: Tensor | None = None,
        n_valid: Tensor | None = None,
        **_: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """v_ctx (B, D) and the pooling weights (B, T), from frames or, with a backbone inside, from waveforms."""
        if frames is None:
            frames, frame_mask = self.backbone(waves, n_valid)
        return self.pooling((frames.float() - self.frame_mean) / self.frame_scale, frame_mask)

    def forward(
        self,
        spectral: Tensor | None = None,
        frames: Tensor | None = None,
        frame_mask: Tensor | None = None,
        waves: Tensor | None = None,
        n_valid: Tensor | None = None,
        labels: Tensor | None = None,
        return_dict: bool = True,
    ) -> FusionOutput:
        """Classify a batch.

        Parameters
        ----------
        spectral : Tensor, shape (B, L), optional
            Serialised descriptors, not standardised.
        frames, frame_mask : Tensor, shapes (B, T, D) and (B, T), optional
            Backbone frames and which of them are not padding.
        waves, n_valid : Tensor, shapes (B, N) and (B,), optional
            16 kHz waveforms instead of frames, where the backbone is part of the model.
        labels : Tensor of int, shape (B,), optional
            Indices into :data:`sersupport.corpora.EMOTIONS`.

        Returns
        -------
        FusionOutput
            Logits (B, 7), pooling weights, and the class-weighted cross-entropy where labels are given.
        """
        views, weights = [], None
        if self.config.temporal:
            context, weights = self.context(frames, frame_mask, waves, n_valid)
            views.append(context)
        if self.config.spectral:
            views.append(self.spectral_encoder(self.standardise(spectral)))
        logits = self.classifier(torch.cat(views, dim=1))  # v_ctx ⊕ v_spec, equation 22
        loss = None if labels is None else nn.functional.cross_entropy(logits, labels, weight=self.class_weights)
        return FusionOutput(loss=loss, logits=logits, pooling_weights=weights)


def count_parameters(row: str, spectral_length: int = 2376, backbone: PretrainedConfig | None = None) -> int:
    """Parameters of a row at full width, its backbone included, without allocating them.

    Parameters
    ----------
    row : {"A", "B", "C", "D"}
    spectral_length : int
        Length L.
    backbone : PretrainedConfig, optional
        Wav2Vec 2.0 base by default.
    """
    encoder = backbone or Wav2Vec2Config()
    with torch.device("meta"):
        settings = {"spectral_length": spectral_length, "frame_dim": encoder.hidden_size}
        model = FusionModel(row_config(row, **settings, backbone=encoder.to_dict() if ROWS[row]["temporal"] else None))
    return sum(parameter.numel() for parameter in model.parameters())


def lengths_that_give(row: str, millions: float, tolerance_m: float = 0.05, longest: int = 6000) -> range | None:
    """Spectral lengths L at which a row has a printed number of parameters, or None.

    Parameters
    ----------
    row : {"A", "C", "D"}
        A row with a spectral branch.
    millions, tolerance_m : float
        The printed figure and half its last digit.
    longest : int
        Search limit.
    """
    shortest = next(length for length in range(1, longest) if min(frames_after_blocks(length)) >= 1)
    base = count_parameters(row, shortest)
    per_position = FILTERS[-1] * 512
    first = frames_after_blocks(shortest)[-1]
    fits = [
        length
        for length in range(shortest, longest)
        if abs(base + per_position * (frames_after_blocks(length)[-1] - first) - millions * 1e6) <= tolerance_m * 1e6
    ]
    return range(fits[0], fits[-1] + 1) if fits else None
