"""Inputs from their specifications, as a saved system's configuration holds them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sersupport.core.errors import UserError
from sersupport.inputs.base import Input, LoadEncoder
from sersupport.inputs.cepstra import Cepstra
from sersupport.inputs.coefficients import Coefficients
from sersupport.inputs.descriptors import Descriptors
from sersupport.inputs.frames import Frames
from sersupport.inputs.logmel import LogMel
from sersupport.inputs.prosody import Prosody
from sersupport.inputs.waveform import Waveform

KINDS = {own.kind: own for own in (Descriptors, Frames, Waveform, Cepstra, Prosody, LogMel, Coefficients)}


def build(spec: Mapping[str, Any], load_encoder: LoadEncoder) -> Input:
    """The input that a specification describes.

    Parameters
    ----------
    spec : mapping
        From :meth:`sersupport.inputs.base.Input.spec`, also when it has been through JSON.
    load_encoder : callable
        Takes an encoder's name and layers, returns the :class:`sersupport.inputs.encoders.encoder.Encoder`.

    Raises
    ------
    UserError
        If there is no such kind, or the encoder of that name is not the one that the specification was made with.
    """
    if spec.get("kind") not in KINDS:
        raise UserError(f"input of kind {spec.get('kind')!r} is not known; there are: {', '.join(KINDS)}")
    return KINDS[spec["kind"]].from_spec(spec, load_encoder)
