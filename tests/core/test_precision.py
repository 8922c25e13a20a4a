"""Sixteen bits: where they are taken, and where they are not."""

from __future__ import annotations

import pytest
import torch

from sersupport.core import precision


@pytest.mark.parametrize(("name", "dtype"), [("float32", torch.float32), ("bfloat16", torch.bfloat16)])
def test_products_are_in_the_precision_within_and_in_32_bits_after(name, dtype):
    one = torch.ones(2, 2)
    with precision.within(name, "cpu"):
        assert (one @ one).dtype == dtype
    assert (one @ one).dtype == torch.float32


def test_the_best_is_sixteen_bits_only_where_the_machine_multiplies_them(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for has, expected in ((True, "bfloat16"), (False, "float32")):
        for instruction in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
            monkeypatch.setattr(torch.cpu, instruction, lambda has=has: has)
        assert precision.best() == expected
