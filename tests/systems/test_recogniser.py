"""From waveforms to probabilities: the same as from materials, whatever the system and its inputs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import soundfile as sf
import torch
from toy import Toy, ToyConfig

from sersupport.core.cache import Cache
from sersupport.inputs.build import build
from sersupport.inputs.descriptors import Descriptors
from sersupport.inputs.encoders import encoder as encoders
from sersupport.inputs.frames import Frames
from sersupport.inputs.store import Store
from sersupport.inputs.waveform import Waveform
from sersupport.recipes import drawing
from sersupport.recipes.rendering import Renderer, Window
from sersupport.sound.audio import RATE_HZ, probe
from sersupport.systems.fusion import FusionModel, row_config
from sersupport.systems.probe import Probe, ProbeConfig
from sersupport.systems.recogniser import Recogniser, predict

DESCRIPTORS, CLIP_S = Descriptors(n_mfcc=13), 0.5


@pytest.fixture(scope="module")
def renderer(tmp_path_factory):
    folder, rng, rows = tmp_path_factory.mktemp("audio"), np.random.default_rng(0), []
    for number, seconds in enumerate((0.9, 0.4)):
        path = str(folder / f"{number}.wav")
        sf.write(path, 0.3 * rng.standard_normal(round(seconds * RATE_HZ)).cumsum().clip(-20, 20) / 20, RATE_HZ)
        own = {"emotion": ("angry", "sad")[number], "speaker": "one", "path": path, "sha256": probe(path).sha256}
        rows.append({"id": f"toy/{number}"} | own)
    return Renderer(pd.DataFrame(rows), None, Window(0.1, CLIP_S))


@pytest.fixture(scope="module")
def recipes(renderer):
    table = renderer.utterances.reset_index(drop=True)
    noisy = drawing.grid(table, None, ["white"], [0.25, 0.75], "lambda", seed=0, clip_length_s=CLIP_S)
    return pd.concat([drawing.clean(table), noisy], ignore_index=True)


def systems():
    tiny = encoders.load(encoders.TINY, [-1])
    length = DESCRIPTORS.length(round(CLIP_S * RATE_HZ))
    inputs = {"spectral": DESCRIPTORS, "frames": Frames(tiny, encoders.TINY), "waves": Waveform()}
    sizes = {"spectral_length": length, "frame_dim": 48, "cnn_width": 0.03}

    def eaten(*roles):
        return {role: inputs[role].spec() for role in roles}

    rows = {"A": ("spectral",), "B": ("frames",), "C": ("frames", "spectral"), "D": ("spectral", "frames")}
    made = {row: FusionModel(row_config(row, **sizes, inputs=eaten(*roles))) for row, roles in rows.items()}
    inside = {"encoder": tiny.config, "inputs": eaten("spectral", "waves")}
    made["fine-tuned"] = FusionModel(row_config("D", **sizes, **inside))
    made["probe"] = Probe(ProbeConfig(frame_dim=48, inputs=eaten("frames")))
    made["toy"] = Toy(ToyConfig(length=length, inputs=eaten("spectral")))
    return made


@pytest.mark.parametrize("name", ["A", "B", "C", "D", "fine-tuned", "probe", "toy"])
def test_a_recogniser_agrees_with_prediction_from_materials(name, renderer, recipes, tmp_path):
    model = systems()[name].eval()
    inputs = {role: build(spec, encoders.load) for role, spec in model.config.inputs.items()}
    made = Store(renderer, Cache(tmp_path)).materials(inputs, recipes)
    model.set_statistics(made)
    model.solve(made)
    rendered = renderer.render(recipes)
    waves, n_valid = np.stack([s.signal for s, _ in rendered]), np.array([n for _, n in rendered])
    recogniser = Recogniser(model, inputs)
    found = recogniser(waves, n_valid)
    np.testing.assert_allclose(found, predict(model, made), atol=5e-3)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)
    n = int(n_valid[1])
    np.testing.assert_allclose(recogniser.for_length(n)(waves[[1, 4, 5]]), found[[1, 4, 5]], atol=5e-3)
    tensors = recogniser.tensors(waves, n_valid)
    assert set(model.config.inputs) <= set(tensors) and all(len(tensor) == 6 for tensor in tensors.values())
    assert all(tensor.dtype in (torch.float32, torch.int64) for tensor in tensors.values())
