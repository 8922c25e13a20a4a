"""The fusion model and its backbones: printed sizes, equations evaluated by hand, round trips, padding."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from transformers import (
    HubertConfig,
    HubertModel,
    Wav2Vec2Config,
    Wav2Vec2Model,
    WavLMConfig,
    WavLMModel,
    WhisperConfig,
)
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from sersupport import UserError, backbones, evaluation, facts
from sersupport.models import fusion
from sersupport.models.layers import AttentivePooling, MeanPooling, StatisticsPooling
from sersupport.run import find_encoder

SMALL = {
    "hidden_size": 16,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "conv_dim": (8,) * 7,
    "num_conv_pos_embeddings": 8,
    "num_conv_pos_embedding_groups": 2,
    "layerdrop": 0.0,
}


@pytest.fixture
def frames():
    generator = torch.Generator().manual_seed(0)
    mask = torch.tensor([[True] * 7, [True] * 4 + [False] * 3])
    return torch.randn(2, 7, 5, generator=generator), mask


def test_attentive_pooling_is_equations_20_and_21(frames):
    x, mask = frames
    pooling = AttentivePooling(5)
    context, weights = pooling(x, mask)
    matrix, bias = (p.detach().numpy() for p in (pooling.projection.weight, pooling.projection.bias))
    w = pooling.score.weight.detach().numpy()[0]
    for row, length in enumerate((7, 4)):
        h = x[row, :length].numpy()
        e = np.tanh(h @ matrix.T + bias) @ w
        alpha = np.exp(e) / np.exp(e).sum()
        np.testing.assert_allclose(weights[row, :length].detach(), alpha, atol=1e-6)
        np.testing.assert_allclose(context[row].detach(), alpha @ h, atol=1e-6)
    assert (weights[1, 4:] == 0).all()


@pytest.mark.parametrize("pooling", [AttentivePooling(5), MeanPooling(), StatisticsPooling()])
def test_padding_changes_nothing(frames, pooling):
    x, mask = frames
    other = x.clone()
    other[1, 4:] = 100.0
    for one, two in zip(pooling(x, mask), pooling(other, mask), strict=True):
        torch.testing.assert_close(one, two)
    torch.testing.assert_close(pooling(x, mask)[1].sum(dim=1), torch.ones(2))


def test_mean_pooling_is_the_mean(frames):
    x, mask = frames
    torch.testing.assert_close(MeanPooling()(x, mask)[0][1], x[1, :4].mean(dim=0))


def test_statistics_pooling_is_mean_and_deviation(frames):
    x, mask = frames
    expected = torch.cat([x[1, :4].mean(dim=0), x[1, :4].std(dim=0, unbiased=False)])
    torch.testing.assert_close(StatisticsPooling()(x, mask)[0][1], expected, atol=1e-4, rtol=1e-4)
    still = torch.ones(1, 3, 5, requires_grad=True)  # a deviation of zero must still have a slope
    StatisticsPooling()(still, torch.ones(1, 3, dtype=torch.bool))[0].sum().backward()
    assert torch.isfinite(still.grad).all()


def test_row_c_has_the_printed_size_and_row_a_has_not():
    printed = facts.table("2512.18298-table6-ablation").set_index("row")["params_m"]
    assert abs(fusion.count_parameters("C") / 1e6 - printed["C"]) < 0.05
    assert abs(fusion.count_parameters("A") / 1e6 - printed["A"]) > 5
    gap = fusion.count_parameters("D") - fusion.count_parameters("C")
    assert gap == 768 * 768 + 768 + 768  # W_a, b_a, w
    with torch.device("meta"):
        encoder = sum(p.numel() for p in Wav2Vec2Model(Wav2Vec2Config()).parameters())
    assert fusion.count_parameters("B") - encoder == 768 * 256 + 256 + 256 * 7 + 7


def test_lengths_that_give_a_size_against_counting():
    span = fusion.lengths_that_give("C", 114.6)
    around = range(span.start - 3, span.stop + 3)
    fits = [n for n in around if abs(fusion.count_parameters("C", n) / 1e6 - 114.6) <= 0.05]
    assert fits == list(span) and 2376 in span
    assert fusion.lengths_that_give("A", 0.5) is None


@pytest.mark.parametrize("length", [300, 2376, 4536])
def test_positions_after_each_block_are_those_of_the_layers(length):
    encoder = fusion.SpectralEncoder(fusion.FusionConfig(spectral_length=length, cnn_width=0.02))
    x, seen = torch.zeros(1, 1, length), []
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
    head = ["Conv1d", "BatchNorm1d", "ReLU", "MaxPool1d"]
    assert names == head + [*head, "Dropout"] * 2
    convolutions = [layer for layer in layers if isinstance(layer, torch.nn.Conv1d)]
    assert [(c.out_channels, c.kernel_size[0]) for c in convolutions] == [(512, 5), (256, 5), (128, 3)]
    pools = [layer for layer in layers if isinstance(layer, torch.nn.MaxPool1d)]
    assert [(p.kernel_size, p.stride) for p in pools] == [(5, 2), (5, 2), (3, 2)]
    assert {layer.p for layer in layers if isinstance(layer, torch.nn.Dropout)} == {0.2}


@pytest.mark.parametrize("row", fusion.ROWS)
def test_a_saved_row_gives_the_same_logits(row, tmp_path):
    model = fusion.FusionModel(fusion.row_config(row, spectral_length=300, frame_dim=5, cnn_width=0.05)).eval()
    with torch.no_grad():
        for buffer in ("spectral_mean", "frame_scale"):
            if hasattr(model, buffer):
                getattr(model, buffer).add_(0.5)
    inputs = {"spectral": torch.randn(2, 300), "frames": torch.randn(2, 7, 5), "frame_mask": torch.ones(2, 7).bool()}
    model.save_pretrained(tmp_path)
    again = fusion.FusionModel.from_pretrained(tmp_path).eval()
    torch.testing.assert_close(model(**inputs).logits, again(**inputs).logits)
    assert json.loads((tmp_path / "config.json").read_text())["model_type"] == "ser-fusion"
    assert not list(tmp_path.glob("*.bin"))


def test_a_model_with_its_own_backbone_takes_waveforms(tmp_path):
    encoder = backbones.load(backbones.TINY, [-1])
    own = {**encoder.encoder.config.to_diff_dict(), "model_type": "wav2vec2"}
    config = fusion.row_config("D", spectral_length=300, frame_dim=48, cnn_width=0.05, backbone=own)
    model = fusion.FusionModel(config).eval()
    model.backbone.load_state_dict(encoder.state_dict())
    waves, n_valid, spectral = torch.randn(2, 8000), torch.tensor([8000, 8000]), torch.randn(2, 300)
    frames, mask = encoder(waves, n_valid)
    inside = model(spectral=spectral, waves=waves, n_valid=n_valid).logits
    torch.testing.assert_close(inside, model(spectral=spectral, frames=frames, frame_mask=mask).logits)
    model.save_pretrained(tmp_path)
    again = fusion.FusionModel.from_pretrained(tmp_path).eval()
    torch.testing.assert_close(again(spectral=spectral, waves=waves, n_valid=n_valid).logits, inside)


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


# backbones -----------------------------------------------------------------------------------------------------------


def save_encoder(kind: str, folder: Path) -> Path:
    torch.manual_seed(0)
    made = {
        "wav2vec2": lambda: Wav2Vec2Model(Wav2Vec2Config(**SMALL, feat_extract_norm="layer")),
        "hubert": lambda: HubertModel(HubertConfig(**SMALL)),
        "wavlm": lambda: WavLMModel(WavLMConfig(**SMALL)),
        "whisper": lambda: WhisperEncoder(
            WhisperConfig(d_model=16, encoder_layers=3, encoder_attention_heads=2, encoder_ffn_dim=32, num_mel_bins=80)
        ),
    }[kind]()
    made.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("kind", ["wav2vec2", "hubert", "wavlm", "whisper"])
def test_every_kind_loads_from_a_folder_and_gives_frames(kind, tmp_path):
    backbone = backbones.load(str(save_encoder(kind, tmp_path / kind)), [1, 2])
    waves = 0.1 * torch.randn(2, 16_000, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        frames, mask = backbone(waves, torch.tensor([16_000, 8_000]))
        (one, _), (two, _) = (
            backbones.Backbone(backbone.encoder, [layer])(waves, torch.tensor([16_000, 8_000])) for layer in (1, 2)
        )
    assert frames.shape == (2, mask.shape[1], 16) and backbone.frame_dim == 16
    assert 48 <= mask[0].sum() <= 50 and 23 <= mask[1].sum() <= 26  # 50 frames a second
    torch.testing.assert_close(frames, (one + two) / 2)
    assert frames.isfinite().all()


def test_padding_does_not_reach_the_frames_of_a_masked_encoder(tmp_path):
    backbone = backbones.load(str(save_encoder("wav2vec2", tmp_path)), [-1])
    wave = 0.1 * torch.randn(1, 12_000, generator=torch.Generator().manual_seed(2))
    padded = torch.nn.functional.pad(wave, (0, 6_000))
    with torch.inference_mode():
        alone, mask = backbone(wave, torch.tensor([12_000]))
        inside, _ = backbone(padded, torch.tensor([12_000]))
    n = int(mask.sum()) - 1  # the last frame's receptive field ends at the padding
    torch.testing.assert_close(inside[:, :n], alone[:, :n], atol=1e-4, rtol=1e-3)


def test_whisper_slices_its_positions_to_each_clip(tmp_path):
    backbone = backbones.load(str(save_encoder("whisper", tmp_path)), [-1])
    encoder, positions = backbone.encoder, backbone.encoder.embed_positions.weight.clone()
    waves = 0.1 * torch.randn(1, 32_000, generator=torch.Generator().manual_seed(3))
    for n in (32_000, 16_000):  # one object, two lengths
        with torch.no_grad():
            frames, _ = backbone(waves[:, :n], torch.tensor([n]))
            mel = backbone._features([waves[0, :n].numpy()], sampling_rate=16_000, padding=False, return_tensors="pt")
            x = torch.nn.functional.gelu(encoder.conv1(mel.input_features[..., : n // 160]))
            x = torch.nn.functional.gelu(encoder.conv2(x)).permute(0, 2, 1)
            x = x + positions[: x.shape[1]]
            for layer in encoder.layers:
                x = layer(x, None)
            x = encoder.layer_norm(x)
        torch.testing.assert_close(frames, x, atol=1e-5, rtol=1e-4)


def test_weights_are_found_beside_the_data(tmp_path):
    folder = save_encoder("whisper", tmp_path / "weights" / "whisper-base-encoder")
    (tmp_path / "data").mkdir()
    assert find_encoder("openai/whisper-base", tmp_path, "data") == folder
    assert find_encoder(str(folder.relative_to(tmp_path)), tmp_path, "embedded") == folder  # as the project sees it
    assert find_encoder("openai/whisper-small", tmp_path, "data") is None
    assert backbones.load(folder, [-1]).kind == "whisper"


def test_the_fingerprint_follows_the_weights_and_not_the_clip(tmp_path):
    backbone = backbones.load(str(save_encoder("whisper", tmp_path)), [-1])
    again = backbones.load(str(tmp_path), [-1])
    again(torch.randn(1, 8_000), torch.tensor([8_000]))
    assert backbone.fingerprint == again.fingerprint
    assert backbones.load(backbones.TINY, [-1], seed=1).fingerprint != backbones.load(backbones.TINY, [-1]).fingerprint


def test_the_encoder_in_the_box_is_a_plain_wav2vec2(tmp_path):
    encoder = backbones.load(backbones.MINI, [-1])
    plain = Wav2Vec2Model.from_pretrained(backbones.MINI_FOLDER).eval()
    assert plain.dtype == torch.float32
    waves = torch.randn(1, 16_000, generator=torch.Generator().manual_seed(0))
    normalised = (waves - waves.mean()) / waves.std(correction=0)
    with torch.no_grad():
        torch.testing.assert_close(
            encoder(waves, torch.tensor([16_000]))[0], plain(normalised)[0], atol=1e-3, rtol=1e-3
        )
    assert sum(path.stat().st_size for path in backbones.MINI_FOLDER.iterdir()) < 16e6
    assert "distilled" in backbones.describe(encoder, backbones.MINI)


def test_the_card_in_the_box_shows_the_table_it_comes_with():
    box = pd.read_csv(backbones.MINI_FOLDER / "lessons.csv")
    lines = (backbones.MINI_FOLDER / "README.md").read_text(encoding="utf-8").splitlines()
    view = evaluation.side_by_side(box, ["encoder", "taught for"], ["protocol", "speech"])
    assert {backbones.MINI, "before teaching"} < set(view["encoder"]) and len(view) >= 9  # six variants or more
    for row in view.itertuples(index=False):
        (line,) = (line for line in lines if line.startswith(f"| {row[0]} | {row[1]} |"))
        assert line.endswith(f"| {' | '.join(row[2:])} |")


def test_the_untaught_encoder_has_the_shape_and_not_the_weights():
    mini, untrained = (backbones.load(name, [-1]) for name in (backbones.MINI, backbones.UNTRAINED))
    assert untrained.n_parameters == mini.n_parameters and untrained.fingerprint != mini.fingerprint
    assert backbones.load(backbones.UNTRAINED, [-1], seed=1).fingerprint != untrained.fingerprint
    assert backbones.load(backbones.UNTRAINED, [-1]).fingerprint == untrained.fingerprint
    assert "learnt nothing" in backbones.describe(untrained, backbones.UNTRAINED)


def test_what_cannot_be_loaded_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    for name, words in ((str(tmp_path), "not supported"), (str(tmp_path / "none"), "could not be loaded")):
        with pytest.raises(UserError, match=words) as caught:
            backbones.load(name, [-1])
        assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match="hidden states"):
        backbones.load(backbones.TINY, [9])


@pytest.mark.parametrize("kept", [0, 5, 100_000])
def test_truncated_weights_are_one_line(kept, tmp_path):
    for path in backbones.MINI_FOLDER.iterdir():
        shutil.copy(path, tmp_path)
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:kept])
    with pytest.raises(UserError, match="could not be loaded") as caught:
        backbones.load(tmp_path, [-1])
    assert str(tmp_path) in str(caught.value) and "\n" not in str(caught.value)
    assert ". Give a folder" in str(caught.value)


def test_a_fine_tuned_whisper_is_saved_whole_and_gives_the_same_again(tmp_path):
    """Positions were once sliced for good, so that a used model could not be loaded."""
    backbone = backbones.load(str(save_encoder("whisper", tmp_path / "encoder")), [-1])
    own = {**backbone.encoder.config.to_diff_dict(), "model_type": "whisper"}
    model = fusion.FusionModel(fusion.row_config("B", frame_dim=backbone.frame_dim, backbone=own)).eval()
    waves, n_valid = 0.1 * torch.randn(2, 16_000), torch.tensor([16_000, 12_000])
    with torch.no_grad():
        before = model(waves=waves, n_valid=n_valid).logits
        model.save_pretrained(tmp_path / "model")
        after = fusion.FusionModel.from_pretrained(tmp_path / "model").eval()(waves=waves, n_valid=n_valid).logits
    torch.testing.assert_close(after, before)
