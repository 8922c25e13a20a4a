"""Published sizes of the rows of Table VI (arXiv 2512.18298): parameters, operations, lengths that would fit."""

import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import PretrainedConfig, Wav2Vec2Config

from sersupport.systems.fusion import FILTERS, ROWS, FusionModel, frames_after_blocks, row_config


def count_parameters(
    row: str, spectral_length: int = 2376, encoder: PretrainedConfig | None = None, **settings: object
) -> int:
    """Parameters of a row at full width, its encoder included, without allocating them.

    Parameters
    ----------
    row : {"A", "B", "C", "D"}
    spectral_length : int
        Length L.
    encoder : PretrainedConfig, optional
        Wav2Vec 2.0 base by default.
    **settings
        Further arguments of :class:`FusionConfig`.
    """
    return sum(parameter.numel() for parameter in _published(row, spectral_length, encoder, **settings).parameters())


def _published(
    row: str, spectral_length: int, encoder: PretrainedConfig | None = None, **settings: object
) -> FusionModel:
    """A row at full width with its encoder, without memory for its weights."""
    own = encoder or Wav2Vec2Config()
    with torch.device("meta"):
        settings |= {"spectral_length": spectral_length, "frame_dim": own.hidden_size}
        return FusionModel(row_config(row, **settings, encoder=own.to_dict() if ROWS[row]["temporal"] else None))


def count_operations(row: str, spectral_length: int = 2376, samples: int = 40_000) -> int:
    """Multiplications and additions that a row at full width takes for a clip, without carrying them out.

    Parameters
    ----------
    row : {"A", "B", "C", "D"}
    spectral_length : int
        Length L.
    samples : int
        Of the clip at the encoder's rate of 16 kHz.
    """
    model, counter = _published(row, spectral_length).eval(), FlopCounterMode(display=False)
    with torch.device("meta"), torch.no_grad(), counter:
        model(torch.zeros(1, spectral_length), waves=torch.zeros(1, samples), waves_length=torch.tensor([samples]))
    return counter.get_total_flops()


def lengths_that_give(
    row: str, millions: float, tolerance_m: float = 0.05, longest: int = 6000, hidden_dim: int = 256
) -> range | None:
    """Spectral lengths L at which a row has a printed number of parameters, or None.

    Parameters
    ----------
    row : {"A", "C", "D"}
        A row with a spectral branch.
    millions, tolerance_m : float
        The printed figure and half its last digit.
    longest : int
        Search limit.
    hidden_dim : int
        Of the classifier.
    """
    shortest = next(length for length in range(1, longest) if min(frames_after_blocks(length)) >= 1)
    base = count_parameters(row, shortest, hidden_dim=hidden_dim)
    per_position = FILTERS[-1] * 512
    first = frames_after_blocks(shortest)[-1]
    fits = [
        length
        for length in range(shortest, longest)
        if abs(base + per_position * (frames_after_blocks(length)[-1] - first) - millions * 1e6) <= tolerance_m * 1e6
    ]
    return range(fits[0], fits[-1] + 1) if fits else None
