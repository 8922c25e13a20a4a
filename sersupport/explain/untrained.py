"""The same model untrained."""

from __future__ import annotations

import copy

import torch

from sersupport.systems.base import System


def untrained(model: System, seed: int) -> System:
    """A system of the same configuration with random weights, in evaluation mode.

    All that is learnt is drawn anew by the architecture's own initialisation, the running statistics of its
    normalisations included, and the encoder where it is part of the model. What the system measured on its training
    rows beforehand, such as means to subtract, is kept: standardising is not learning. Those are the buffers that are
    its own, not a layer's.

    Parameters
    ----------
    model : System
        Left as it is.
    seed : int
        Of the weights. The global generator is left as it was.

    References
    ----------
    Adebayo et al. (2018), Sanity checks for saliency maps, arXiv 1810.03292: the model parameter randomisation test.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        found = type(model)(copy.deepcopy(model.config))
    measured = dict(model.named_buffers(recurse=False))
    for name, buffer in found.named_buffers(recurse=False):
        buffer.copy_(measured[name])
    return found.eval()
