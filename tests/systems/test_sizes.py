"""Published sizes: parameters and operations against counting by hand."""

from __future__ import annotations

import torch
from transformers import Wav2Vec2Config, Wav2Vec2Model

from sersupport.claims import facts
from sersupport.systems import sizes


def test_row_c_has_the_printed_size_and_row_a_has_not():
    printed = facts.table("2512.18298-table6-ablation").set_index("row")["params_m"]
    assert abs(sizes.count_parameters("C") / 1e6 - printed["C"]) < 0.05
    assert abs(sizes.count_parameters("A") / 1e6 - printed["A"]) > 5
    gap = sizes.count_parameters("D") - sizes.count_parameters("C")
    assert gap == 768 * 768 + 768 + 768  # W_a, b_a, w
    with torch.device("meta"):
        encoder = sum(p.numel() for p in Wav2Vec2Model(Wav2Vec2Config()).parameters())
    assert sizes.count_parameters("B") - encoder == 768 * 256 + 256 + 256 * 7 + 7


def test_lengths_that_give_a_size_against_counting():
    span = sizes.lengths_that_give("C", 114.6)
    around = range(span.start - 3, span.stop + 3)
    fits = [n for n in around if abs(sizes.count_parameters("C", n) / 1e6 - 114.6) <= 0.05]
    assert fits == list(span) and 2376 in span
    assert sizes.lengths_that_give("A", 0.5) is None
    span = sizes.lengths_that_give("C", 114.6, hidden_dim=128)
    assert (2 + 40) * 57 in span and 2376 not in span  # the other reading
    assert abs(sizes.count_parameters("C", 2394, hidden_dim=128) / 1e6 - 114.6) < 0.05


def test_operations_against_counting_by_hand():
    """Two for each weight and position of the convolutions, and for each weight of the dense layers."""
    positions = {1: 2372, 2: 1180, 3: 586}  # after each unpadded convolution of 2,376 values
    convolutions = 512 * 5 * positions[1] + 256 * 512 * 5 * positions[2] + 128 * 256 * 3 * positions[3]
    dense = 128 * 292 * 512 + 512 * 256 + 256 * 7
    assert sizes.count_operations("A") == 2 * (convolutions + dense)
    # attentive pooling: W_a and w, frame by frame, and the weighted sum
    assert sizes.count_operations("D") - sizes.count_operations("C") == 2 * 124 * (768 * 768 + 768)
    more = sizes.count_operations("C") - sizes.count_operations("B")
    assert more == 2 * (convolutions + 128 * 292 * 512 + 512 * 256)
