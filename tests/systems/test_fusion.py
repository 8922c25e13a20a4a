"""The fusion model: equations and layers as specified, round trips, an encoder inside."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from toy_rows import DIM, FRAMES, LENGTH, config, materials
from transformers import WhisperConfig
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from sersupport.core.errors import UserError
from sersupport.inputs.encoders import encoder as encoders
from sersupport.inputs.store import Materials
from sersupport.systems import fusion, registry


@pytest.mark.parametrize("length", [300, 2376, 4536])
def test_positions_after_each_block_are_those_of_the_layers(length):
    encoder = fusion.SpectralEncoder(fusion.FusionConfig(spectral_length=length, cnn_width=0.02))
    x, seen = torch.zeros(1, 1, 1, length), []
    for block in encoder.blocks:
        x = block["convolution"](x)
        seen.append(x.shape[-1])
        x = block["pool"](x)
        seen.append(x.shape[-1])
    assert seen == fusion.frames_after_blocks(length)


def test_the_cnn_is_as_specified():
    encoder = fusion.SpectralEncoder(fusion.FusionConfig())
    layers = [module for block in encoder.blocks for module in (*block["convolution"], *block["pool"])]
    names = [type(layer).__name__ for layer in layers]
    head = ["Conv2d", "BatchNorm2d", "ReLU", "MaxPool2d"]
    assert names == head + [*head, "Dropout"] * 2
    convolutions = [layer for layer in layers if isinstance(layer, torch.nn.Conv2d)]
    assert [(c.out_channels, c.kernel_size) for c in convolutions] == [(512, (1, 5)), (256, (1, 5)), (128, (1, 3))]
    pools = [layer for layer in layers if isinstance(layer, torch.nn.MaxPool2d)]
    assert [(p.kernel_size, p.stride) for p in pools] == [((1, 5), (1, 2)), ((1, 5), (1, 2)), ((1, 3), (1, 2))]
    assert {layer.p for layer in layers if isinstance(layer, torch.nn.Dropout)} == {0.2}


def test_the_cnn_gives_what_one_dimensional_layers_give():
    torch.manual_seed(0)
    encoder = fusion.SpectralEncoder(fusion.FusionConfig(spectral_length=LENGTH, cnn_width=0.02)).eval()
    spectral = torch.randn(3, LENGTH)
    maps = spectral[:, None]
    for block in encoder.blocks:
        convolution, norm, _ = block["convolution"]
        norm.running_mean.uniform_(-1, 1)
        maps = torch.nn.functional.conv1d(maps, convolution.weight[:, :, 0], convolution.bias)
        statistics = norm.running_mean, norm.running_var, norm.weight, norm.bias
        maps = torch.nn.functional.batch_norm(maps, *statistics, eps=norm.eps).relu()
        last = maps
        pool = block["pool"][0]
        maps = torch.nn.functional.max_pool1d(maps, pool.kernel_size[1], pool.stride[1])
    torch.testing.assert_close(encoder.feature_maps(spectral), last)
    torch.testing.assert_close(encoder(spectral), encoder.project(maps.flatten(1)))


@pytest.mark.parametrize("row", fusion.ROWS)
def test_a_saved_row_says_what_it_eats_and_gives_the_same_logits(row, tmp_path):
    model = fusion.FusionModel(config(row)).eval()
    with torch.no_grad():
        for buffer in ("spectral_mean", "frame_scale"):
            if hasattr(model, buffer):
                getattr(model, buffer).add_(0.5)
    lengths = torch.tensor([FRAMES, 4])
    inputs = {"spectral": torch.randn(2, LENGTH), "frames": torch.randn(2, FRAMES, DIM), "frames_length": lengths}
    model.save_pretrained(tmp_path)
    again = registry.load(tmp_path)
    assert isinstance(again, fusion.FusionModel) and again.config.inputs == model.config.inputs
    torch.testing.assert_close(model(**inputs).logits, again(**inputs).logits)
    assert json.loads((tmp_path / "config.json").read_text())["model_type"] == "ser-fusion"
    assert not list(tmp_path.glob("*.bin"))


@pytest.mark.parametrize("row", fusion.ROWS)
def test_branches_make_the_logits(row):
    model = fusion.FusionModel(config(row)).eval()
    model.set_statistics(materials(28, 0))
    assert list(model.branches) == sorted(model.config.inputs)  # the temporal branch first, as equation 22 has it
    inputs = {"spectral": torch.randn(3, LENGTH), "frames": torch.randn(3, FRAMES, DIM)}
    lengths = {"frames_length": torch.tensor([FRAMES, 4, 1])}
    with torch.no_grad():
        whole = model(**inputs, **lengths)
        embeddings = model.embed(**inputs, **lengths)
        torch.testing.assert_close(model.classify(embeddings), whole.logits)
        assert list(embeddings) == list(model.branches)
        for role in model.branches:
            prepared = model.prepare(role, inputs[role])
            torch.testing.assert_close(model.branch(role, prepared, lengths.get(f"{role}_length")), embeddings[role])
    if "frames" in model.branches:
        assert model.feature_maps("frames", inputs["frames"]) is None
        assert (whole.pooling_weights[1, 4:] == 0).all()
    if "spectral" in model.branches:
        assert model.feature_maps("spectral", inputs["spectral"]).shape[:2] == (3, round(128 * 0.03))


@pytest.fixture(scope="module")
def encoder():
    return encoders.load(encoders.TINY, [-1])


def with_encoder_inside(encoder, row="D"):
    inside = {"encoder": encoder.config, "encoder_layers": encoder.layers, "frame_dim": encoder.frame_dim}
    roles = ["waves"] if row == "B" else ["waves", "spectral"]
    model = fusion.FusionModel(config(row, **inside, inputs={role: {} for role in roles})).eval()
    model.encoder.load_state_dict(encoder.state_dict())
    return model


def heard(encoder, n=14):
    """The same rows for a model with the encoder inside and for one with frozen frames."""
    own = materials(n, 0)
    waves = np.random.default_rng(0).normal(size=(n, 3_200)).astype(np.float32)
    lengths = np.where(np.arange(n) % 3, 3_200, 2_400)
    (frames,), n_frames = encoder.encode(waves, lengths, [encoder.layers])
    spectral = {"spectral": own.arrays["spectral"]}
    inside = Materials(own.recipes, own.labels, own.classes, spectral | {"waves": waves}, {"waves": lengths})
    return inside, Materials(
        own.recipes, own.labels, own.classes, spectral | {"frames": frames.astype(np.float16)}, {"frames": n_frames}
    )


def test_a_model_with_its_own_encoder_takes_waveforms(encoder, tmp_path):
    model, (rows, frozen) = with_encoder_inside(encoder), heard(encoder)
    model.set_statistics(rows)
    outside = fusion.FusionModel(config("D", frame_dim=48)).eval()
    outside.load_state_dict(model.state_dict(), strict=False)
    waves, frames, spectral = (
        torch.from_numpy(array).float()
        for array in (rows.arrays["waves"], frozen.arrays["frames"], rows.arrays["spectral"])
    )
    own = {"waves": waves, "waves_length": torch.from_numpy(rows.lengths["waves"])}
    inside = model(spectral=spectral, **own).logits
    given = {"frames": frames, "frames_length": torch.from_numpy(frozen.lengths["frames"])}
    torch.testing.assert_close(inside, outside(spectral=spectral, **given).logits, atol=2e-3, rtol=2e-3)
    assert model.branches == ("waves", "spectral")
    torch.testing.assert_close(model.classify(model.embed(spectral=spectral, **own)), inside)
    model.save_pretrained(tmp_path)
    torch.testing.assert_close(registry.load(tmp_path)(spectral=spectral, **own).logits, inside)


def test_an_encoder_inside_has_the_statistics_of_its_frames(encoder):
    """Fine-tuning once changed the standardisation too: frames came as they were."""
    rows, frozen = heard(encoder, 70)  # more than one batch
    inside, outside = with_encoder_inside(encoder).train(), fusion.FusionModel(config("D", frame_dim=48))
    inside.set_statistics(rows)
    outside.set_statistics(frozen)
    torch.testing.assert_close(inside.frame_mean, outside.frame_mean, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(inside.frame_scale, outside.frame_scale, atol=1e-3, rtol=1e-3)
    assert inside.encoder.training and inside.frame_scale.std() > 0.01


def test_an_encoder_inside_learns_more_slowly_than_the_rest(encoder):
    """Fine-tuning once changed the head's learning rate too."""
    model = with_encoder_inside(encoder)
    slow, rest = model.parameter_groups(1e-3, 0.01)
    assert slow["lr"] == pytest.approx(1e-4) and rest["lr"] == 1e-3
    assert [id(own) for own in slow["params"]] == [id(own) for own in model.encoder.parameters()]
    assert len(slow["params"]) + len(rest["params"]) == len(list(model.parameters()))
    assert fusion.FusionModel(config("D")).parameter_groups(1e-3, 0.01) is None


def test_an_encoder_s_preprocessing_is_kept_in_the_configuration(encoder, tmp_path):
    other = encoders.load(encoders.TINY, [-1])
    other.model.config.do_normalize = False
    model = with_encoder_inside(other, "B")
    waves, n_valid = 0.1 * torch.randn(2, 8_000), torch.tensor([8_000, 6_000])
    model.save_pretrained(tmp_path)
    again = registry.load(tmp_path)
    assert again.config.encoder["do_normalize"] is False
    with torch.no_grad():
        logits = again(waves=waves, waves_length=n_valid).logits
        torch.testing.assert_close(logits, model(waves=waves, waves_length=n_valid).logits)
        normal = with_encoder_inside(encoder, "B")
        normal.load_state_dict(model.state_dict())
        assert not torch.allclose(normal(waves=waves, waves_length=n_valid).logits, logits, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    "make",
    [
        lambda: fusion.FusionConfig(temporal=False, spectral=False),
        lambda: fusion.FusionConfig(pooling="max"),
        lambda: fusion.row_config("E"),
        lambda: fusion.SpectralEncoder(fusion.FusionConfig(spectral_length=20)),
    ],
)
def test_an_impossible_model_is_refused(make):
    with pytest.raises(UserError):
        make()


def test_a_fine_tuned_whisper_is_saved_whole_and_gives_the_same_again(tmp_path):
    """Positions were once sliced for good, so that a used model could not be loaded."""
    sizes = {
        "d_model": 16,
        "encoder_layers": 3,
        "encoder_attention_heads": 2,
        "encoder_ffn_dim": 32,
        "num_mel_bins": 80,
    }
    whisper = encoders.Encoder(WhisperEncoder(WhisperConfig(**sizes)), [-1]).eval()
    model = with_encoder_inside(whisper, "B")
    waves, n_valid = 0.1 * torch.randn(2, 16_000), torch.tensor([16_000, 12_000])
    with torch.no_grad():
        before = model(waves=waves, waves_length=n_valid).logits
        model.save_pretrained(tmp_path)
        after = registry.load(tmp_path)(waves=waves, waves_length=n_valid).logits
    torch.testing.assert_close(after, before)


def test_standardisation_is_that_of_the_valid_training_rows():
    model, rows = fusion.FusionModel(config()), materials(112, 0)
    model.set_statistics(rows)
    spectral = rows.arrays["spectral"]
    np.testing.assert_allclose(model.spectral_mean, spectral.mean(axis=0), rtol=1e-4)
    np.testing.assert_allclose(model.spectral_scale, spectral.std(axis=0), rtol=1e-4)
    valid = rows.arrays["frames"][:, : FRAMES - 1].astype(float).reshape(-1, DIM)
    np.testing.assert_allclose(model.frame_mean, valid.mean(axis=0), rtol=1e-4)
    np.testing.assert_allclose(model.frame_scale, valid.std(axis=0), rtol=1e-4)
