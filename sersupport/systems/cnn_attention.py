"""A CNN with channel and spatial attention over MFCCs (arXiv 2507.03251), and its form in the authors' public code."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from sersupport.core.errors import UserError
from sersupport.systems.base import System, SystemConfig, SystemOutput, register
from sersupport.systems.layers import valid_mask
from sersupport.systems.moments import moments

if TYPE_CHECKING:
    from sersupport.inputs.store import Materials

NAME = "CNN + attention"
NO_SPATIAL = 251  # columns of the public code's table of which the printed parameters leave no room for it


class CnnAttentionConfig(SystemConfig):
    """Configuration of :class:`CnnAttention`; its one role is ``cepstra``.

    Parameters
    ----------
    n_steps, n_channels : int
        T frames of C coefficients. T is fixed: the maps are flattened.
    blocks, filters, kernel : int
        Of the convolutions, as printed; they are not padded, as in the public code.
    pool : int
        Size and stride of the max-pooling after each block (not printed; 2 is usual).
    channel_attention, spatial_attention : bool
        Whether there is the one, the other, both or neither: the paper's ablation.
    ratio : int
        By which the channel attention's hidden layer is narrower than its input.
    spatial_kernel : int, odd
        Of the spatial attention.
    dense : int
        Units before the classifier.
    dropout : float
        Of these units (not printed; 0.3, within what is usual).

    Raises
    ------
    UserError
        If no step is left after the blocks.
    """

    model_type = "ser-cnn-attention"

    n_steps: int = 108
    n_channels: int = 40
    blocks: int = 3
    filters: int = 256
    kernel: int = 7
    pool: int = 2
    channel_attention: bool = True
    spatial_attention: bool = True
    ratio: int = 16
    spatial_kernel: int = 7
    dense: int = 64
    dropout: float = 0.3

    def __post_init__(self, **kwargs) -> None:
        if self.steps_left < 1:
            raise UserError(f"{self.n_steps} frames are too few for {self.blocks} blocks of the CNN: use longer clips")
        super().__post_init__(**kwargs)

    @property
    def steps_left(self) -> int:
        """Steps after the last block."""
        steps = self.n_steps
        for _ in range(self.blocks):
            steps = (steps - self.kernel + 1) // self.pool
        return steps


def as_public_code(n_columns: int, n_classes: int = 7, **changes: object) -> CnnAttentionConfig:
    """The form of the authors' public code (July 2025): two blocks, pools of size one, one channel.

    :func:`keras_count` of it is what their notebooks print: 37,434,661 on 2,268 columns and 4,388,119 on 251. The
    latter leaves no room for the 14 weights of the spatial attention, which is therefore left out there; nothing else
    is known.

    Parameters
    ----------
    n_columns : int
        Steps of a sample.
    n_classes : int
        Training sets those of its rows.
    **changes
        Arguments of :class:`CnnAttentionConfig`, which go before these.
    """
    classes = {index: f"class {index}" for index in range(n_classes)}
    form = {"n_steps": n_columns, "n_channels": 1, "blocks": 2, "pool": 1, "dropout": 0.0, "id2label": classes}
    return CnnAttentionConfig(**form | {"spatial_attention": n_columns != NO_SPATIAL} | changes)


class ChannelAttention(nn.Module):
    """Weights of channels: the sigmoid of one MLP's sum over the mean and the maximum over time.

    Parameters
    ----------
    channels, ratio : int

    References
    ----------
    Woo et al. (2018), CBAM: convolutional block attention module, arXiv 1807.06521, equation 2.
    """

    def __init__(self, channels: int, ratio: int) -> None:
        super().__init__()
        hidden = max(1, channels // ratio)
        self.mlp = nn.Sequential(nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, channels))

    def forward(self, maps: Tensor) -> Tensor:
        """Weights (B, C, 1) in (0, 1) of maps (B, C, T)."""
        return (self.mlp(maps.mean(dim=2)) + self.mlp(maps.amax(dim=2))).sigmoid()[..., None]


class SpatialAttention(nn.Module):
    """Weights of steps: the sigmoid of a convolution over the mean and the maximum over channels.

    Parameters
    ----------
    kernel : int, odd

    References
    ----------
    arXiv 1807.06521, equation 3; without bias, as the public code's count of parameters has it.
    """

    def __init__(self, kernel: int) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(2, 1, kernel, padding=kernel // 2, bias=False)

    def forward(self, maps: Tensor) -> Tensor:
        """Weights (B, 1, T) in (0, 1) of maps (B, C, T)."""
        both = torch.stack([maps.mean(dim=1), maps.amax(dim=1)], dim=1)
        return self.convolution(both).sigmoid()


class CnnAttention(System):
    """Blocks of convolution, ReLU, batch normalisation and pooling; channel, then spatial attention; a dense layer.

    Both attentions stand after the last block and the dense layer is normalised, as in the public code; the digest of
    the paper does not say. Coefficients are standardised by the training rows (not printed; as is usual).
    """

    config_class = CnnAttentionConfig
    base_model_prefix = "cnn_attention"
    main_input_name = "cepstra"
    branches = ("cepstra",)

    def __init__(self, config: CnnAttentionConfig) -> None:
        super().__init__(config)
        self.register_buffer("mean", torch.zeros(config.n_channels))
        self.register_buffer("scale", torch.ones(config.n_channels))
        layers: list[nn.Module] = []
        for block in range(config.blocks):
            own = nn.Conv1d(config.filters if block else config.n_channels, config.filters, config.kernel)
            layers += [own, nn.ReLU(), nn.BatchNorm1d(config.filters), nn.MaxPool1d(config.pool)]
        self.convolutions = nn.Sequential(*layers)
        self.attentions = nn.ModuleList()
        if config.channel_attention:
            self.attentions.append(ChannelAttention(config.filters, config.ratio))
        if config.spatial_attention:
            self.attentions.append(SpatialAttention(config.spatial_kernel))
        dense = nn.Linear(config.filters * config.steps_left, config.dense)
        self.dense = nn.Sequential(nn.Flatten(), dense, nn.ReLU(), nn.BatchNorm1d(config.dense))
        self.classifier = nn.Sequential(nn.Dropout(config.dropout), nn.Linear(config.dense, config.num_labels))
        self.post_init()

    def prepare(self, role: str, values: Tensor) -> Tensor:
        """Coefficients (B, T, C) with mean 0 and deviation 1 over the training rows' frames."""
        return (values - self.mean) / self.scale

    def branch(self, role: str, values: Tensor, length: Tensor | None = None) -> Tensor:
        """The dense layer's units (B, dense) of prepared coefficients (B, T, C); padding is the mean frame, 0."""
        if length is not None:
            values = values * valid_mask(values.shape[1], length)[..., None]
        maps = self.convolutions(values.transpose(1, 2))
        for attention in self.attentions:
            maps = maps * attention(maps)
        return self.dense(maps)

    def classify(self, embeddings: dict[str, Tensor]) -> Tensor:
        return self.classifier(embeddings["cepstra"])

    def forward(
        self, cepstra: Tensor, cepstra_length: Tensor | None = None, labels: Tensor | None = None, **_: Tensor
    ) -> SystemOutput:
        """Classify MFCC frames (B, T, C), not standardised, of which ``cepstra_length`` (B,) are not padding."""
        embeddings = self.embed(cepstra=cepstra, cepstra_length=cepstra_length)
        return self.output(self.classify(embeddings), labels)

    def set_statistics(self, train: Materials) -> None:
        """Mean and deviation of each coefficient over the training rows' frames before the padding."""
        lengths = train.lengths.get("cepstra", [None] * len(train))
        rows = zip(train.arrays["cepstra"], lengths, strict=True)
        mean, deviation = moments(frames[:length] for frames, length in rows)
        self.mean.copy_(mean)
        self.scale.copy_(deviation)


def keras_count(model: CnnAttention) -> int:
    """Parameters as Keras counts them: with the running mean and variance of every batch normalisation."""
    running = sum(2 * module.num_features for module in model.modules() if isinstance(module, nn.BatchNorm1d))
    return running + sum(parameter.numel() for parameter in model.parameters())


register(CnnAttentionConfig, CnnAttention)
