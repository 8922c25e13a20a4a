"""Speech encoders: every kind against its own layers, padding, preprocessing, and what is not whole."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    HubertConfig,
    HubertModel,
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2ForPreTraining,
    Wav2Vec2Model,
    WavLMConfig,
    WavLMModel,
    WhisperConfig,
    WhisperForConditionalGeneration,
)
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from sersupport.core.errors import UserError
from sersupport.evaluation.tables import side_by_side
from sersupport.inputs.encoders import encoder as encoders
from sersupport.inputs.encoders.encoder import Encoder
from sersupport.inputs.encoders.find import find_encoder, inspect
from sersupport.inputs.frames import Frames

PRECISIONS = ("float32", "bfloat16")
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
    encoder = encoders.load(str(save_encoder(kind, tmp_path / kind)), [1, 2])
    waves = 0.1 * torch.randn(2, 16_000, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        frames, mask = encoder(waves, torch.tensor([16_000, 8_000]))
        (one, _), (two, _) = (Encoder(encoder.model, [layer])(waves, torch.tensor([16_000, 8_000])) for layer in (1, 2))
    assert frames.shape == (2, mask.shape[1], 16) and encoder.frame_dim == 16
    assert 48 <= mask[0].sum() <= 50 and 23 <= mask[1].sum() <= 26  # 50 frames a second
    torch.testing.assert_close(frames, (one + two) / 2)
    assert frames.isfinite().all()


def test_padding_does_not_reach_the_frames_of_a_masked_encoder(tmp_path):
    encoder = encoders.load(str(save_encoder("wav2vec2", tmp_path)), [-1])
    wave = 0.1 * torch.randn(1, 12_000, generator=torch.Generator().manual_seed(2))
    padded = torch.nn.functional.pad(wave, (0, 6_000))
    with torch.inference_mode():
        alone, mask = encoder(wave, torch.tensor([12_000]))
        inside, _ = encoder(padded, torch.tensor([12_000]))
    n = int(mask.sum()) - 1  # the last frame's receptive field ends at the padding
    torch.testing.assert_close(inside[:, :n], alone[:, :n], atol=1e-4, rtol=1e-3)


def test_whisper_slices_its_positions_to_each_clip(tmp_path):
    encoder = encoders.load(str(save_encoder("whisper", tmp_path)), [-1])
    plain, positions = encoder.model, encoder.model.embed_positions.weight.clone()
    waves = 0.1 * torch.randn(1, 32_000, generator=torch.Generator().manual_seed(3))
    for n in (32_000, 16_000):  # one object, two lengths
        with torch.no_grad():
            frames, _ = encoder(waves[:, :n], torch.tensor([n]))
            mel = encoder._features([waves[0, :n].numpy()], sampling_rate=16_000, padding=False, return_tensors="pt")
            x = torch.nn.functional.gelu(plain.conv1(mel.input_features[..., : n // 160]))
            x = torch.nn.functional.gelu(plain.conv2(x)).permute(0, 2, 1)
            x = x + positions[: x.shape[1]]
            for layer in plain.layers:
                x = layer(x, None)
            x = plain.layer_norm(x)
        torch.testing.assert_close(frames, x, atol=1e-5, rtol=1e-4)


def test_weights_are_found_beside_the_data(tmp_path):
    folder = save_encoder("whisper", tmp_path / "weights" / "whisper-base-encoder")
    (tmp_path / "data").mkdir()
    assert find_encoder("openai/whisper-base", tmp_path, "data") == folder
    assert find_encoder(str(folder.relative_to(tmp_path)), tmp_path, None) == folder  # as the project sees it
    assert find_encoder("openai/whisper-small", tmp_path, "data") is None
    assert encoders.load(folder, [-1]).kind == "whisper"


def test_the_fingerprint_follows_the_weights_and_not_the_clip(tmp_path):
    encoder = encoders.load(str(save_encoder("whisper", tmp_path)), [-1])
    again = encoders.load(str(tmp_path), [-1])
    again(torch.randn(1, 8_000), torch.tensor([8_000]))
    assert encoder.fingerprint == again.fingerprint
    assert encoders.load(encoders.TINY, [-1], seed=1).fingerprint != encoders.load(encoders.TINY, [-1]).fingerprint
    shutil.copytree(tmp_path, tmp_path / "elsewhere")
    assert encoders.load(tmp_path / "elsewhere", [-1]).fingerprint == encoder.fingerprint


@pytest.mark.parametrize(
    "change",
    [
        lambda model: model.encoder.layers[0].attention.k_proj.weight.neg_(),
        lambda model: model.encoder.layers[0].attention.k_proj.weight.copy_(
            model.encoder.layers[0].attention.k_proj.weight.flip(0).clone()
        ),
        lambda model: setattr(model.config, "hidden_act", "relu"),
        lambda model: setattr(model.config, "do_normalize", False),
    ],
    ids=["signs", "order", "activation", "preprocessing"],
)
@torch.no_grad()
def test_the_fingerprint_follows_signs_order_and_configuration(change):
    """Sums of absolute weights once stood for an encoder."""
    before = encoders.load(encoders.TINY, [-1])
    known, sums = before.fingerprint, sum(tensor.abs().sum() for tensor in before.model.state_dict().values())
    change(before.model)
    after = before.with_layers([-1])
    torch.testing.assert_close(sum(tensor.abs().sum() for tensor in after.model.state_dict().values()), sums)
    assert after.fingerprint != known


def test_other_layers_share_the_weights():
    last = encoders.load(encoders.TINY, [-1])
    first = last.with_layers([0])
    assert first.model is last.model and not first.training and first.fingerprint == last.fingerprint
    waves, n_valid = torch.randn(2, 4_000), torch.tensor([4_000, 3_000])
    with torch.no_grad():
        states, mask = last.states(waves, n_valid)
        torch.testing.assert_close(first(waves, n_valid), (states[0], mask), atol=0, rtol=0)
    with pytest.raises(UserError, match=r"encoder_layers \[7\]"):
        last.with_layers([7])


@pytest.mark.parametrize("normalised", [True, False])
@pytest.mark.parametrize("kind", ["wav2vec2", "wavlm"])
def test_waveforms_are_prepared_as_the_checkpoint_says(kind, normalised, tmp_path):
    """All were once normalised, also for checkpoints that take waveforms as they are."""
    folder = save_encoder(kind, tmp_path)
    own = Wav2Vec2FeatureExtractor(do_normalize=normalised, return_attention_mask=True)
    own.save_pretrained(folder)
    encoder = encoders.load(folder, [-1])
    waves = [0.1 * torch.randn(n, generator=torch.Generator().manual_seed(n)).numpy() + 0.05 for n in (8_000, 6_000)]
    expected = own(waves, sampling_rate=16_000, padding=True, return_tensors="pt")
    padded = torch.full((2, 8_000), 0.3)  # what stands in the padding, such as noise, is not the encoder's business
    for row, wave in zip(padded, waves, strict=True):
        row[: len(wave)] = torch.from_numpy(wave)
    again = encoders.from_config(encoder.config, [-1]).eval()
    for one in (encoder, again):
        given = []
        one.model.register_forward_pre_hook(lambda _, args, given=given: given.append(args[0]))
        one(padded, torch.tensor([8_000, 6_000]))
        torch.testing.assert_close(given[0], expected.input_values, atol=1e-5, rtol=1e-5)
    assert encoder.config["do_normalize"] is normalised


def test_a_preprocessor_that_cannot_be_read_is_not_passed_over(tmp_path):
    folder = save_encoder("wav2vec2", tmp_path)
    (folder / "preprocessor_config.json").write_text("{")
    with pytest.raises(UserError, match=r"preprocessor_config\.json' is not a valid JSON"):
        encoders.load(folder, [-1])


def test_the_encoder_in_the_box_is_a_plain_wav2vec2(tmp_path):
    mini = encoders.load(encoders.MINI, [-1])
    plain = Wav2Vec2Model.from_pretrained(encoders.MINI_FOLDER).eval()
    assert plain.dtype == torch.float32
    waves = torch.randn(1, 16_000, generator=torch.Generator().manual_seed(0))
    normalised = (waves - waves.mean()) / waves.std(correction=0)
    with torch.no_grad():
        torch.testing.assert_close(mini(waves, torch.tensor([16_000]))[0], plain(normalised)[0], atol=1e-3, rtol=1e-3)
    assert sum(path.stat().st_size for path in encoders.MINI_FOLDER.iterdir()) < 16e6
    assert "distilled" in encoders.describe(mini, encoders.MINI)


def test_the_card_in_the_box_shows_the_table_it_comes_with():
    box = pd.read_csv(encoders.MINI_FOLDER / "lessons.csv")
    lines = (encoders.MINI_FOLDER / "README.md").read_text(encoding="utf-8").splitlines()
    view = side_by_side(box, ["encoder", "taught for"], ["protocol", "speech"])
    assert {encoders.MINI, "before teaching"} < set(view["encoder"]) and len(view) >= 9  # six changes or more
    for row in view.itertuples(index=False):
        (line,) = (line for line in lines if line.startswith(f"| {row[0]} | {row[1]} |"))
        assert line.endswith(f"| {' | '.join(row[2:])} |")


def test_the_untaught_encoder_has_the_shape_and_not_the_weights():
    mini, untrained = (encoders.load(name, [-1]) for name in (encoders.MINI, encoders.UNTRAINED))
    assert untrained.n_parameters == mini.n_parameters and untrained.fingerprint != mini.fingerprint
    assert encoders.load(encoders.UNTRAINED, [-1], seed=1).fingerprint != untrained.fingerprint
    assert encoders.load(encoders.UNTRAINED, [-1]).fingerprint == untrained.fingerprint
    assert "learnt nothing" in encoders.describe(untrained, encoders.UNTRAINED)


def test_what_cannot_be_loaded_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    for name, words in ((str(tmp_path), "not supported"), (str(tmp_path / "none"), "could not be loaded")):
        with pytest.raises(UserError, match=words) as caught:
            encoders.load(name, [-1])
        assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match="hidden states"):
        encoders.load(encoders.TINY, [9])


@pytest.mark.parametrize("kept", [0, 5, 100_000])
def test_truncated_weights_are_one_line(kept, tmp_path):
    for path in encoders.MINI_FOLDER.iterdir():
        shutil.copy(path, tmp_path)
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:kept])
    with pytest.raises(UserError, match="could not be loaded") as caught:
        encoders.load(tmp_path, [-1])
    assert str(tmp_path) in str(caught.value) and "\n" not in str(caught.value)
    assert ". Give a folder" in str(caught.value)


def without(folder: Path, *parts: str, rename=lambda key: key) -> Path:
    """The weights of a folder less those whose names hold one of some parts."""
    path = folder / "model.safetensors"
    kept = {rename(key): tensor for key, tensor in load_file(path).items() if not any(part in key for part in parts)}
    save_file(kept, path, metadata={"format": "pt"})
    return folder


@pytest.mark.parametrize("kind", ["wav2vec2", "hubert", "wavlm", "whisper"])
def test_weights_that_lack_a_layer_are_one_line(kind, tmp_path):
    """They were once filled with random numbers."""
    folder = without(save_encoder(kind, tmp_path), "layers.1.")
    with pytest.raises(UserError, match=r"could not be loaded: its weights lack .*layers\.1\.") as caught:
        encoders.load(folder, [-1])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_one_line(value, tmp_path):
    path = save_encoder("hubert", tmp_path) / "model.safetensors"
    weights = load_file(path)
    weights["encoder.layers.2.final_layer_norm.bias"][3] = value
    save_file(weights, path, metadata={"format": "pt"})
    with pytest.raises(UserError, match=r"layers\.2\.final_layer_norm\.bias and 0 other tensors are not finite"):
        encoders.load(tmp_path, [-1])


def test_what_only_masks_in_training_may_be_missing(tmp_path):
    folder = without(save_encoder("wav2vec2", tmp_path), "masked_spec_embed")
    first, again = encoders.load(folder, [-1]), encoders.load(folder, [-1])
    assert first.fingerprint == again.fingerprint


def test_checkpoints_with_a_head_and_old_names_load(tmp_path):
    """As the hub has them: pretraining heads, and weight normalisation under its old names."""
    torch.manual_seed(0)
    whole = Wav2Vec2ForPreTraining(
        Wav2Vec2Config(**SMALL, num_codevector_groups=2, codevector_dim=8, proj_codevector_dim=8)
    )
    whole.save_pretrained(tmp_path / "w2v2")
    old = {"parametrizations.weight.original0": "weight_g", "parametrizations.weight.original1": "weight_v"}

    def rename(key: str) -> str:
        return next((key.replace(new, name) for new, name in old.items() if new in key), key)

    folder = without(tmp_path / "w2v2", rename=rename)
    assert any(key.endswith("weight_g") for key in load_file(folder / "model.safetensors"))
    encoder = encoders.load(folder, [-1])
    for name, tensor in whole.wav2vec2.state_dict().items():
        torch.testing.assert_close(encoder.model.state_dict()[name], tensor, atol=0, rtol=0)
    sizes = {"encoder_attention_heads": 2, "decoder_attention_heads": 2, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32}
    config = WhisperConfig(d_model=16, encoder_layers=2, decoder_layers=1, vocab_size=64, **sizes)
    for token in ("pad_token_id", "bos_token_id", "eos_token_id", "decoder_start_token_id"):
        setattr(config, token, 1)
    WhisperForConditionalGeneration(config).save_pretrained(tmp_path / "whisper")
    assert encoders.load(tmp_path / "whisper", [-1]).frame_dim == 16
    inspect(tmp_path / "whisper")


# before loading ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["wav2vec2", "hubert", "wavlm", "whisper"])
def test_a_whole_folder_passes_the_inspection(kind, tmp_path):
    inspect(save_encoder(kind, tmp_path))


@pytest.mark.parametrize(
    ("file", "spoil", "words"),
    [
        ("config.json", lambda _: b"{", "config.json cannot be read"),
        ("config.json", lambda _: b"[]", "config.json cannot be read"),
        ("config.json", lambda _: b'{"model_type": "bert"}', "'bert' is not supported; supported: wav2vec2"),
        ("config.json", lambda _: b"{}", "None is not supported"),
        ("model.safetensors", lambda content: content[:0], "truncated or damaged"),
        ("model.safetensors", lambda content: content[:5], "truncated or damaged"),
        ("model.safetensors", lambda content: content[:100], "truncated or damaged"),
        ("model.safetensors", lambda content: content[:-1], "truncated or damaged"),
        ("model.safetensors", lambda content: content + b"x", "truncated or damaged"),
        ("model.safetensors", lambda content: b"\xff" * 8 + content[8:], "truncated or damaged"),
        ("model.safetensors", lambda content: content[:8] + b"[" + content[9:], "truncated or damaged"),
        ("model.safetensors", None, "it has no weights"),
    ],
)
def test_a_broken_folder_does_not(file, spoil, words, tmp_path):
    path = save_encoder("wav2vec2", tmp_path) / file
    path.unlink() if spoil is None else path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(UserError, match=words) as caught:
        inspect(tmp_path)
    assert "\n" not in str(caught.value)


def test_what_is_encoded_at_once_does_not_change_a_row():
    encoder = encoders.load(encoders.TINY, [1])
    waves = np.random.default_rng(0).normal(size=(2 * encoders.CLIPS_AT_ONCE + 1, 8000)).astype(np.float32)
    n_valid = np.full(len(waves), 8000)
    n_valid[::3] = 5000
    (together,), n_frames = encoder.encode(waves, n_valid, [[1]])
    for row in (0, encoders.CLIPS_AT_ONCE, len(waves) - 1):
        (alone,), n_alone = encoder.encode(waves[row : row + 1], n_valid[row : row + 1], [[1]])
        assert n_alone[0] == n_frames[row]
        np.testing.assert_allclose(together[row, : n_alone[0]], alone[0, : n_alone[0]], atol=1e-4)


@pytest.mark.parametrize("agree", [True, False])
def test_sixteen_bits_are_taken_where_they_agree_with_thirty_two(agree, monkeypatch):
    """How far a random encoder is off depends on the processor, so the bound is moved, not the encoder."""
    monkeypatch.setattr(encoders, "AGREEMENT", encoders.AGREEMENT if agree else 1e-9)
    encoder = encoders.load(encoders.MINI, [-1]).with_layers([-1])
    waves = np.random.default_rng(1).normal(size=(3, 8000)).astype(np.float32)
    inputs = [Frames(encoder, "", precision) for precision in PRECISIONS]
    assert [one.spec()["precision"] for one in inputs] == ["float32", "bfloat16" if agree else "float32"]
    exact, near = (one.compute(waves, np.full(3, 8000))[0].astype(np.float64) for one in inputs)
    off = np.sqrt(np.mean((near - exact) ** 2)) / exact.std()
    assert 0 < off < 0.05 if agree else off == 0


def test_an_encoder_that_was_found_goes_to_a_worker_by_name_whatever_its_layers(tmp_path):
    found = encoders.Encoders(tmp_path, None, 0)(encoders.MINI, [-1])
    for one in (found, found.with_layers([0, 1])):
        sent = pickle.dumps(one)
        assert len(sent) < 1000
        again = pickle.loads(sent)
        assert again.layers == one.layers and again.fingerprint == one.fingerprint
