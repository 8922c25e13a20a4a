"""From recipes to arrays: computed once, whatever else is asked for, and read from disk row by row."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import soundfile as sf
import torch

from sersupport.core.cache import Cache, Rows
from sersupport.core.errors import UserError
from sersupport.inputs import descriptors
from sersupport.inputs.base import compute
from sersupport.inputs.build import build
from sersupport.inputs.descriptors import Descriptors
from sersupport.inputs.encoders import encoder as encoders
from sersupport.inputs.encoders.encoder import Encoder
from sersupport.inputs.frames import Frames
from sersupport.inputs.store import MaterialsDataset, Store
from sersupport.inputs.waveform import Waveform
from sersupport.recipes import drawing
from sersupport.recipes.rendering import Renderer, Window
from sersupport.sound import audio


@pytest.fixture(scope="module")
def renderer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("audio")
    rng, rows = np.random.default_rng(0), []
    for number, seconds in enumerate((1.0, 0.8, 0.4)):
        time_s = np.arange(int(seconds * audio.RATE_HZ)) / audio.RATE_HZ
        y = 0.3 * np.sin(2 * np.pi * (150 + 50 * number) * time_s) * (1 + rng.normal(size=len(time_s)) / 10)
        sf.write(folder / f"{number}.wav", y, audio.RATE_HZ)
        probe = audio.probe(folder / f"{number}.wav")
        emotion = ("angry", "sad", "fear")[number]
        rows.append({"id": f"toy/{number}", "path": str(folder / f"{number}.wav"), "sha256": probe.sha256})
        rows[-1] |= {"emotion": emotion, "speaker": "toy-one" if number < 2 else "toy-two"}
    return Renderer(pd.DataFrame(rows), None, Window(start_s=0.1, length_s=0.5))


@pytest.fixture(scope="module")
def recipes(renderer):
    table = renderer.utterances.reset_index(drop=True)
    grid = drawing.grid(table, None, ["white", "brown"], [0.25, 0.75], "lambda", seed=0, clip_length_s=0.5)
    return pd.concat([drawing.clean(table), grid], ignore_index=True)


@pytest.fixture(scope="module")
def encoder():
    return encoders.load(encoders.TINY, [-1])


@pytest.fixture
def inputs(encoder):
    return {"spectral": Descriptors(), "frames": Frames(encoder, encoders.TINY)}


@pytest.fixture
def passes(monkeypatch):
    """Fingerprints of the encoders that listened, one entry a batch."""
    seen, states = [], Encoder.states
    monkeypatch.setattr(Encoder, "states", lambda self, *batch: seen.append(self.fingerprint) or states(self, *batch))
    return seen


@pytest.fixture
def described(monkeypatch):
    """Numbers of clips that were described, one entry a batch."""
    seen, extract = [], descriptors.extract_batch
    monkeypatch.setattr(descriptors, "extract_batch", lambda waves, p: seen.append(len(waves)) or extract(waves, p))
    return seen


def test_materials_are_the_descriptors_and_frames_of_each_sample(renderer, recipes, inputs, encoder, tmp_path):
    made = Store(renderer, Cache(tmp_path)).materials(inputs, recipes)
    assert len(made) == 15
    assert made.arrays["spectral"].shape == (15, Descriptors().length(round(0.5 * audio.RATE_HZ)))
    sample, n_valid = renderer.render(recipes.iloc[[7]])[0]
    reference = descriptors.serialise(descriptors.extract(sample.signal, Descriptors()))
    np.testing.assert_allclose(made.arrays["spectral"][7], reference, rtol=1e-3, atol=1e-3 * np.abs(reference).max())
    slow = audio.resample(sample.signal, audio.RATE_HZ, 16_000)
    count = torch.tensor([round(n_valid * 16_000 / audio.RATE_HZ)])
    with torch.no_grad():
        frames, mask = encoder(torch.from_numpy(slow)[None], count)
    np.testing.assert_allclose(made.arrays["frames"][7], frames[0], atol=5e-3)
    assert made.arrays["frames"].dtype == np.float16 and made.lengths["frames"][7] == mask.sum()
    assert set(made.lengths) == {"frames"} and set(made.lengths["frames"]) == {24, 19}  # the clip of 0.4 s is padded
    assert made.classes == ("angry", "fear", "sad") and made.labels[:3].tolist() == [0, 2, 1]


def test_waveforms_are_the_samples_at_the_rate_of_encoders(renderer, recipes, tmp_path):
    made = Store(renderer, Cache(tmp_path)).materials({"waves": Waveform()}, recipes)
    assert made.arrays["waves"].shape == (15, 8_000) and made.arrays["waves"].dtype == np.float32
    assert set(made.lengths["waves"]) == {8_000, 6_400}


def test_nothing_is_computed_twice_nor_for_another_input_s_sake(renderer, recipes, inputs, passes, described, tmp_path):
    """Other cepstra once encoded every clip again, and another encoder described it again."""
    store = Store(renderer, Cache(tmp_path))
    first = store.materials(inputs, recipes)
    n_passes, n_described = len(passes), len(described)
    assert n_passes and n_described
    second = store.materials(inputs, recipes)
    np.testing.assert_array_equal(first.arrays["frames"], second.arrays["frames"])
    assert (len(passes), len(described)) == (n_passes, n_described)
    store.materials(inputs | {"spectral": Descriptors(n_mfcc=13)}, recipes)
    assert len(passes) == n_passes and len(described) == 2 * n_described
    store.materials(inputs | {"frames": Frames(encoders.load(encoders.TINY, [-1], seed=1), "other")}, recipes)
    assert len(passes) == 2 * n_passes and len(described) == 2 * n_described


def test_two_layers_of_one_encoder_come_from_one_pass(renderer, recipes, encoder, passes, tmp_path):
    sets = {"last": [-1], "first": [0], "mean": [0, 1, 2]}
    inputs = {role: Frames(encoder.with_layers(layers), "x") for role, layers in sets.items()}
    made = Store(renderer, Cache(tmp_path)).materials(inputs, recipes)
    groups = renderer.utterances["speaker"].loc[recipes["utterance"]].to_numpy() + recipes["condition"].to_numpy()
    assert len(passes) == len(set(groups))
    for role, layers in sets.items():
        alone = Store(renderer, Cache(tmp_path / role)).materials(
            {role: Frames(encoder.with_layers(layers), "x")}, recipes
        )
        np.testing.assert_array_equal(made.arrays[role], alone.arrays[role])
    passes.clear()
    other = Frames(encoders.load(encoders.TINY, [1], seed=1), "other")
    found = compute(
        {"a": inputs["last"], "b": other, "c": inputs["first"]}, np.zeros((2, 9_000), np.float32), np.full(2, 9_000)
    )
    assert list(found) == ["a", "b", "c"] and passes == [encoder.fingerprint, other.encoder.fingerprint]


@pytest.mark.parametrize("rows", [[0], [14, 3, 7], [2, 1, 0, 11]])
def test_any_rows_are_found_again(rows, renderer, recipes, inputs, passes, tmp_path):
    """Rows were once found by whole groups only."""
    store = Store(renderer, Cache(tmp_path))
    whole = store.materials(inputs, recipes)
    passes.clear()
    some = store.materials(inputs, recipes.iloc[rows])
    assert not passes
    np.testing.assert_array_equal(some.arrays["frames"], whole.arrays["frames"].array()[rows])
    assert list(some.recipes["utterance"]) == list(recipes["utterance"].iloc[rows])


def test_order_and_batch_do_not_change_a_sample(renderer, recipes, inputs, tmp_path):
    whole = Store(renderer, Cache(tmp_path / "a")).materials(inputs, recipes)
    order = np.random.default_rng(0).permutation(len(recipes))[:6]
    some = Store(renderer, Cache(tmp_path / "b")).materials(inputs, recipes.iloc[order])
    np.testing.assert_allclose(some.arrays["spectral"], whole.arrays["spectral"][order], rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(some.arrays["frames"], whole.arrays["frames"][order], atol=5e-3)


def test_selecting_keeps_rows_together_and_on_disk(renderer, recipes, inputs, tmp_path, monkeypatch):
    made = Store(renderer, Cache(tmp_path)).materials(inputs, recipes)
    expected = made.arrays["spectral"].array()
    monkeypatch.setattr(Rows, "array", lambda self: pytest.fail("all rows were read"))
    clean = made.select((recipes["condition"] == "clean").to_numpy())
    assert len(clean) == 3 and isinstance(clean.arrays["frames"], Rows)
    np.testing.assert_array_equal(clean.arrays["spectral"][2], expected[2])
    item = MaterialsDataset(clean)[2]
    assert {name: (tensor.dtype, tensor.ndim) for name, tensor in item.items()} == {
        "labels": (torch.int64, 0),
        "spectral": (torch.float32, 1),
        "frames": (torch.float32, 2),
        "frames_length": (torch.int64, 0),
    }
    assert item["frames_length"] == 19 and item["labels"] == 1
    assert list(made.only(["spectral"]).arrays) == ["spectral"] and not made.only(["spectral"]).lengths
    with pytest.raises(UserError, match="eats waves; its rows have spectral, frames"):
        made.only(["spectral", "waves"])


def test_clean_partners_go_beside_their_rows(renderer, recipes, inputs, tmp_path):
    store = Store(renderer, Cache(tmp_path))
    noisy = store.materials(inputs, recipes.iloc[3:])
    partners = store.materials(inputs, drawing.clean_partners(recipes.iloc[3:]))
    dataset = MaterialsDataset(noisy, partners)
    for index in (0, 5, 11):
        item, own = dataset[index], recipes["utterance"].iloc[3 + index]
        clean = store.materials(inputs, recipes[(recipes["utterance"] == own) & (recipes["condition"] == "clean")])
        torch.testing.assert_close(item["clean_spectral"], torch.from_numpy(clean.arrays["spectral"][0]))
        assert item["clean_frames_length"] == clean.lengths["frames"][0]
        assert not torch.equal(item["clean_spectral"], item["spectral"])
    with pytest.raises(UserError, match="not those of the rows"):
        MaterialsDataset(noisy, partners.select(np.arange(len(partners)) > 0))


def test_frames_of_another_encoder_are_refused(encoder):
    spec = json.loads(json.dumps(Frames(encoder, encoders.TINY).spec()))
    again = build(spec, encoders.load)
    assert again.spec() == spec and again.describe() == Frames(encoder, "elsewhere").describe()
    with pytest.raises(UserError, match="trained on the frames of another encoder"):
        build(spec, lambda name, layers: encoders.load(name, layers, seed=1))
