"""From recipes to arrays: computed once, whatever the order; and a recogniser that agrees with them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import soundfile as sf
import torch

from sersupport import audio, backbones, dataset, features, noise, training
from sersupport.cache import Cache
from sersupport.dataset import Materials, MaterialsDataset, Renderer, Window
from sersupport.features import FeatureParameters
from sersupport.models.fusion import FusionModel, row_config
from sersupport.recogniser import Recogniser

WINDOW = Window(start_s=0.1, length_s=0.5)


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
    return Renderer(pd.DataFrame(rows), None, WINDOW)


@pytest.fixture(scope="module")
def recipes(renderer):
    table = renderer.utterances.reset_index(drop=True)
    grid = noise.grid(table, None, ["white", "brown"], [0.25, 0.75], "lambda", seed=0, clip_length_s=0.5)
    return pd.concat([noise.clean(table), grid], ignore_index=True)


@pytest.fixture(scope="module")
def encoder():
    return backbones.load(backbones.TINY, [-1])


def test_materials_are_the_descriptors_and_frames_of_each_sample(renderer, recipes, encoder, tmp_path):
    parameters = FeatureParameters()
    made = dataset.materialise(renderer, recipes, parameters, encoder, Cache(tmp_path))
    assert len(made) == 15 and made.arrays["spectral"].shape == (15, parameters.length(round(0.5 * audio.RATE_HZ)))
    sample, n_valid = renderer.render(recipes.iloc[[7]])[0]
    reference = features.serialise(features.extract(sample.signal, parameters))
    np.testing.assert_allclose(made.arrays["spectral"][7], reference, rtol=1e-3, atol=1e-3 * np.abs(reference).max())
    slow = audio.resample(sample.signal, audio.RATE_HZ, 16_000)
    count = torch.tensor([round(n_valid * 16_000 / audio.RATE_HZ)])
    with torch.no_grad():
        frames, mask = encoder(torch.from_numpy(slow)[None], count)
    np.testing.assert_allclose(made.arrays["frames"][7], frames[0], atol=5e-3)
    assert made.arrays["n_frames"][7] == mask.sum()
    assert set(made.arrays["n_frames"]) == {24, 19}  # the clip of 0.4 s is padded, and its padding masked
    assert made.labels[:3].tolist() == [0, 5, 2]


def test_nothing_is_computed_twice(renderer, recipes, encoder, tmp_path, monkeypatch):
    cache = Cache(tmp_path)
    first = dataset.materialise(renderer, recipes, FeatureParameters(), encoder, cache)
    monkeypatch.setattr(dataset, "encode", lambda *_: pytest.fail("computed again"))
    second = dataset.materialise(renderer, recipes, FeatureParameters(), encoder, cache)
    np.testing.assert_array_equal(first.arrays["frames"], second.arrays["frames"])
    with pytest.raises(pytest.fail.Exception):
        dataset.materialise(renderer, recipes, FeatureParameters(n_mfcc=13), encoder, cache)


def test_a_speaker_is_found_by_any_table_that_has_all_rows_of_a_condition(
    renderer, recipes, encoder, tmp_path, monkeypatch
):
    cache = Cache(tmp_path)
    whole = dataset.materialise(renderer, recipes, None, encoder, cache)
    assert set(whole.arrays) == {"frames", "n_frames"}
    monkeypatch.setattr(dataset, "encode", lambda *_: pytest.fail("computed again"))
    keep = recipes["utterance"].isin(["toy/0", "toy/1"]) & recipes["condition"].isin(["clean", "white@0.75"])
    some = dataset.materialise(renderer, recipes[keep], None, encoder, cache)
    np.testing.assert_array_equal(some.arrays["frames"], whole.arrays["frames"][keep])


def test_order_and_batch_do_not_change_a_sample(renderer, recipes, encoder, tmp_path):
    whole = dataset.materialise(renderer, recipes, FeatureParameters(), encoder, Cache(tmp_path))
    order = np.random.default_rng(0).permutation(len(recipes))[:6]
    some = dataset.materialise(renderer, recipes.iloc[order], FeatureParameters(), encoder, Cache(tmp_path))
    np.testing.assert_allclose(some.arrays["spectral"], whole.arrays["spectral"][order], rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(some.arrays["frames"], whole.arrays["frames"][order], atol=5e-3)


def test_the_snr_of_every_recipe_is_recorded(renderer, recipes, tmp_path):
    measured = dataset.with_snr(renderer, recipes, Cache(tmp_path))
    assert measured.loc[measured["variant"] == "clean", ["snr_clip_db", "snr_active_db"]].isna().all().all()
    levels = measured.query("variant == 'noisy'").pivot(
        index=["utterance", "noise"], columns="level", values="snr_clip_db"
    )
    np.testing.assert_allclose(levels[0.25] - levels[0.75], 20 * np.log10(3), atol=1e-6)


def test_selecting_keeps_rows_together(renderer, recipes, encoder, tmp_path):
    made = dataset.materialise(renderer, recipes, FeatureParameters(), encoder, Cache(tmp_path))
    clean = made.clean_of("toy")
    assert isinstance(clean, Materials) and len(clean) == 3
    np.testing.assert_array_equal(clean.arrays["spectral"], made.arrays["spectral"][:3])
    item = MaterialsDataset(clean)[2]
    assert item["frame_mask"].sum() == 19 and item["labels"] == 2 and len(made.clean_of("other")) == 0


@pytest.mark.parametrize("row", "ABCD")
def test_a_recogniser_agrees_with_prediction_from_materials(row, renderer, recipes, encoder, tmp_path):
    parameters = FeatureParameters()
    made = dataset.materialise(renderer, recipes, parameters, encoder, Cache(tmp_path))
    config = row_config(row, spectral_length=made.arrays["spectral"].shape[1], frame_dim=48, cnn_width=0.03)
    model = FusionModel(config).eval()
    training.set_standardisation(model, made)
    rendered = renderer.render(recipes)
    waves, n_valid = np.stack([s.signal for s, _ in rendered]), np.array([n for _, n in rendered])
    found = Recogniser(model, parameters, encoder)(waves, n_valid)
    np.testing.assert_allclose(found, training.predict(model, made), atol=5e-3)
