"""Numbers of 16 bits where the processor multiplies them faster: which there are, and a stretch of code in them."""

from __future__ import annotations

from typing import Literal

import torch

Precision = Literal["float32", "bfloat16"]


def best() -> Precision:
    """``bfloat16`` where this machine's GPU, or without one its processor, has instructions for it."""
    if torch.cuda.is_available():
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    # without them a processor takes longer than in 32 bits
    return "bfloat16" if torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported() else "float32"


def within(precision: Precision, device: str) -> torch.autocast:
    """Matrix products and convolutions in this precision; weights, losses and the optimiser stay in 32 bits."""
    return torch.autocast(device, torch.bfloat16, enabled=precision == "bfloat16")
