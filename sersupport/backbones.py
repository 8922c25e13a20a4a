"""Pretrained speech encoders behind one interface: 16 kHz waveforms in, frames at about 50 Hz out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from os import PathLike
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    HubertModel,
    PreTrainedModel,
    Wav2Vec2Config,
    Wav2Vec2Model,
    WavLMModel,
    WhisperFeatureExtractor,
    WhisperModel,
)
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from sersupport import UserError
from sersupport.cache import digest

BACKBONE_RATE_HZ = 16_000
MINI = "w2v2-mini"  # in the package, see its README.md
UNTRAINED = "w2v2-mini-untrained"  # its shape with random weights
TINY = "tiny-wav2vec2"
MINI_FOLDER = Path(__file__).parent / "encoders" / MINI
_CLASSES = {"wav2vec2": Wav2Vec2Model, "hubert": HubertModel, "wavlm": WavLMModel, "whisper": WhisperEncoder}


def tiny_config() -> Wav2Vec2Config:
    """A Wav2Vec 2.0 of a thousandth of the base model's size, for trying things out: it has learnt nothing."""
    return Wav2Vec2Config(
        hidden_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=96,
        conv_dim=(32,) * 7,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=4,
        feat_extract_norm="layer",
        mask_time_prob=0.0,
        layerdrop=0.0,
    )


class Backbone(nn.Module):
    """A wav2vec2, HuBERT, WavLM or Whisper encoder that returns the mean of chosen hidden states.

    Parameters
    ----------
    encoder : transformers.PreTrainedModel
        The bare encoder.
    layers : sequence of int
        Hidden states to average; 0 is the input to the first transformer layer, -1 the last layer's output.

    Raises
    ------
    UserError
        If the encoder is of another kind or has no such layer.

    References
    ----------
    Baevski et al. (2020), wav2vec 2.0; Radford et al. (2022), Whisper. Branch I of arXiv 2512.18298, section III-E.
    """

    def __init__(self, encoder: PreTrainedModel, layers: Sequence[int]) -> None:
        super().__init__()
        self.kind = encoder.config.model_type
        if self.kind not in _CLASSES:
            raise UserError(f"backbone of type {self.kind!r} is not supported; supported: {', '.join(_CLASSES)}")
        depth = encoder.config.num_hidden_layers
        if any(not -depth - 1 <= layer <= depth for layer in layers):
            raise UserError(
                f"backbone_layers {list(layers)}: this encoder's hidden states are 0 to {depth}, -1 the last"
            )
        self.encoder = encoder
        self.layers = tuple(layers)
        self.n_parameters = sum(parameter.numel() for parameter in encoder.parameters())
        if self.kind == "whisper":
            self._features = WhisperFeatureExtractor(feature_size=encoder.config.num_mel_bins)

    @property
    def frame_dim(self) -> int:
        """Dimension D of a frame."""
        return self.encoder.config.hidden_size

    @cached_property
    def fingerprint(self) -> str:
        """Digest of the kind and weights."""
        state = self.encoder.state_dict().items()
        sums = [[name, float(tensor.double().abs().sum())] for name, tensor in state]
        return digest([self.kind, sums])

    def n_frames(self, n_samples: Tensor) -> Tensor:
        """Frames that a number of samples yields, elementwise."""
        if self.kind == "whisper":  # hop of 160 samples, then a convolution of stride 2
            return torch.div(torch.div(n_samples, 160, rounding_mode="floor") + 1, 2, rounding_mode="floor")
        return self.encoder._get_feat_extract_output_lengths(n_samples)

    def forward(self, waves: Tensor, n_valid: Tensor) -> tuple[Tensor, Tensor]:
        """Encode a batch.

        Parameters
        ----------
        waves : Tensor, shape (B, N)
            16 kHz, zero-padded on the right.
        n_valid : Tensor, shape (B,)
            Samples before the padding.

        Returns
        -------
        frames : Tensor, shape (B, T, D)
        mask : Tensor of bool, shape (B, T)
            False where a frame lies in the padding.
        """
        states = self._whisper_states(waves) if self.kind == "whisper" else self._wav2vec2_states(waves, n_valid)
        frames = torch.stack([states[layer] for layer in self.layers]).mean(dim=0)
        lengths = self.n_frames(n_valid).clamp(min=1, max=frames.shape[1])
        return frames, torch.arange(frames.shape[1], device=frames.device) < lengths[:, None]

    @torch.inference_mode()
    def encode(self, waves: np.ndarray, n_valid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Encode a batch on the GPU where there is one, without gradients.

        Parameters
        ----------
        waves : np.ndarray of float32, shape (B, N)
            16 kHz, zero-padded on the right.
        n_valid : np.ndarray of int, shape (B,)
            Samples before the padding.

        Returns
        -------
        frames : np.ndarray of float32, shape (B, T, D)
        n_frames : np.ndarray of int, shape (B,)
            Frames before the padding.
        """
        device = "cuda" if torch.cuda.is_available() else "cpu"
        frames, mask = self.to(device)(torch.from_numpy(waves).to(device), torch.from_numpy(n_valid).to(device))
        return frames.cpu().numpy(), mask.sum(dim=1).cpu().numpy()

    def _wav2vec2_states(self, waves: Tensor, n_valid: Tensor) -> tuple[Tensor, ...]:
        sample_mask = torch.arange(waves.shape[1], device=waves.device) < n_valid[:, None]
        count = n_valid[:, None].clamp(min=1)
        mean = (waves * sample_mask).sum(1, keepdim=True) / count
        centred = (waves - mean) * sample_mask
        normalised = centred / ((centred**2).sum(1, keepdim=True) / count + 1e-7).sqrt()
        # encoders with group normalisation were pretrained on zero-padded batches without an attention mask
        mask = sample_mask.long() if self.encoder.config.feat_extract_norm == "layer" else None
        return self.encoder(normalised, attention_mask=mask, output_hidden_states=True).hidden_states

    def _whisper_states(self, waves: Tensor) -> tuple[Tensor, ...]:
        # the encoder insists on 30 s; its positions are sliced to the clip instead of padding the clip to 30 s
        n_frames = math.ceil(waves.shape[1] // 160 / 2)
        whole, longest = self.encoder.embed_positions, self.encoder.config.max_source_positions
        if n_frames > whole.num_embeddings:
            raise UserError(f"Whisper takes clips of at most {whole.num_embeddings / 50:.0f} s; shorten clip_length_s")
        mel = (
            self._features(
                list(waves.detach().cpu().numpy()),
                sampling_rate=BACKBONE_RATE_HZ,
                padding=False,
                return_tensors="pt",
            )
            .input_features[..., : 2 * n_frames]
            .to(waves)
        )
        if mel.shape[-1] < 2 * n_frames:
            mel = nn.functional.pad(mel, (0, 2 * n_frames - mel.shape[-1]), mode="replicate")
        # for this call only: what is saved must have every position
        self.encoder.embed_positions = nn.Embedding.from_pretrained(whole.weight[:n_frames].detach(), freeze=True)
        self.encoder.config.max_source_positions = n_frames
        try:
            return self.encoder(mel, output_hidden_states=True).hidden_states
        finally:
            self.encoder.embed_positions, self.encoder.config.max_source_positions = whole, longest


def from_config(config: dict, layers: Sequence[int]) -> Backbone:
    """A backbone of a given configuration with random weights, for ``from_pretrained`` to fill and to be fine-tuned.

    The convolutions over the waveform stay as they are in training, as in wav2vec 2.0 (Baevski et al. 2020, section
    4.3); Whisper has none.

    Parameters
    ----------
    config : dict
        ``PretrainedConfig.to_dict()`` of the encoder, with its ``model_type``.
    layers : sequence of int
        As for :class:`Backbone`.
    """
    kind = config["model_type"]
    backbone = Backbone(_CLASSES[kind](AutoConfig.for_model(**config)), layers)
    if kind != "whisper":
        backbone.encoder.feature_extractor._freeze_parameters()  # HubertModel lacks the public name
    return backbone


def load(name: str | PathLike[str], layers: Sequence[int], seed: int = 0, fetch: bool = True) -> Backbone:
    """Load an encoder by hub name or folder, ready for inference.

    Parameters
    ----------
    name : str or PathLike
        :data:`MINI`, :data:`UNTRAINED`, :data:`TINY`, a folder with ``config.json``, or a hub name
        (``facebook/wav2vec2-base``, ``facebook/hubert-base-ls960``, ``microsoft/wavlm-base-plus``,
        ``openai/whisper-base``).
    layers : sequence of int
        As for :class:`Backbone`.
    seed : int
        Of the weights of :data:`UNTRAINED` and :data:`TINY`.
    fetch : bool
        Whether what is not on this machine may be fetched from the hub.

    Raises
    ------
    UserError
        If there is no such encoder, it cannot be fetched, or its type is not supported.
    """
    if name in (TINY, UNTRAINED):
        config = tiny_config() if name == TINY else AutoConfig.from_pretrained(MINI_FOLDER)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return Backbone(Wav2Vec2Model(config), layers).eval()
    source = str(MINI_FOLDER if name == MINI else name)
    try:
        encoder = _pretrained(source, local_files_only=not fetch)
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:  # the last two: truncated weights
        raise UserError(
            f"backbone {str(name)!r} could not be loaded: {str(error).strip().splitlines()[0].rstrip('.')}. "
            "Give a folder that holds its config.json and weights, or a hub name that can be reached."
        ) from None
    return Backbone(encoder.float(), layers).eval()


def _pretrained(source: str, **options: bool) -> PreTrainedModel:
    config = AutoConfig.from_pretrained(source, **options)
    if config.model_type not in _CLASSES:
        raise UserError(f"backbone of type {config.model_type!r} is not supported; supported: {', '.join(_CLASSES)}")
    if config.model_type == "whisper" and "WhisperEncoder" not in (config.architectures or []):
        return WhisperModel.from_pretrained(source, **options).encoder
    return _CLASSES[config.model_type].from_pretrained(source, **options)


def describe(backbone: Backbone, name: str) -> str:
    """One sentence for a report's front page: what the encoder is and what it was taught."""
    millions = backbone.n_parameters / 1e6
    short = name.rstrip("/").rpartition("/")[2]
    if name in (TINY, UNTRAINED):
        made = "made on the spot with random weights; it has learnt nothing"
        return f"{name}: a Wav2Vec 2.0 of {millions:.2f} M parameters {made}"
    if name == MINI:
        made = "distilled from Whisper base's encoder for this report; it stands in for the published ones"
        return f"{MINI}: a small Wav2Vec 2.0 of {millions:.2f} M parameters, {made}"
    taught = {
        "whisper": "trained with text supervision; it is not Wav2Vec 2.0 and stands in for it",
        "wav2vec2": "Wav2Vec 2.0, self-supervised",
        "hubert": "HuBERT, self-supervised; it stands in for Wav2Vec 2.0",
        "wavlm": "WavLM, self-supervised; it stands in for Wav2Vec 2.0",
    }[backbone.kind]
    return f"{short}: {millions:.1f} M parameters, {taught}"
