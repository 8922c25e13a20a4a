"""Pretrained speech encoders behind one interface: 16 kHz waveforms in, frames at about 50 Hz out."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    HubertModel,
    PreTrainedModel,
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2Model,
    WavLMModel,
    WhisperFeatureExtractor,
    WhisperModel,
)
from transformers.models.whisper.modeling_whisper import WhisperEncoder
from transformers.utils import logging as transformers_logging

from sersupport.core.errors import UserError
from sersupport.core.keys import digest
from sersupport.core.precision import Precision, within
from sersupport.inputs.encoders.find import KINDS, find_encoder, unsupported

# bars over milliseconds of loading and saving; those over minutes are this package's own
transformers_logging.disable_progress_bar()
# its warnings are of this machine, such as coarse file times, and would stand in the notebooks' outputs
transformers_logging.set_verbosity_error()

ENCODER_RATE_HZ = 16_000
AGREEMENT = 0.05  # root mean square of a difference between frames, as a share of their deviation
CLIPS_AT_ONCE = 16  # on a CPU: more fall out of its caches and take half as long again
MINI = "w2v2-mini"  # in the package, see its README.md
UNTRAINED = "w2v2-mini-untrained"  # its shape with random weights
TINY = "tiny-wav2vec2"
MINI_FOLDER = Path(__file__).parent / MINI
_CLASSES = dict(zip(KINDS, (Wav2Vec2Model, HubertModel, WavLMModel, WhisperEncoder), strict=True))
# entries of a configuration on which no frame depends
_INCIDENTAL = ("_name_or_path", "architectures", "dtype", "torch_dtype", "transformers_version")


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


class Encoder(nn.Module):
    """A wav2vec2, HuBERT, WavLM or Whisper encoder that returns the mean of chosen hidden states.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        The bare encoder. ``do_normalize`` in its configuration says whether it takes waveforms of mean 0 and
        deviation 1, as most do; WavLM's base+ and others take them as they are. :func:`load` sets it.
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

    def __init__(self, model: PreTrainedModel, layers: Sequence[int]) -> None:
        super().__init__()
        self.kind = model.config.model_type
        self.origin: tuple[str, tuple[int, ...], int, bool] | None = None
        if self.kind not in _CLASSES:
            raise UserError(unsupported(self.kind))
        depth = model.config.num_hidden_layers
        if any(not -depth - 1 <= layer <= depth for layer in layers):
            raise UserError(
                f"encoder_layers {list(layers)}: this encoder's hidden states are 0 to {depth}, -1 the last"
            )
        self.model = model
        self.layers = tuple(layers)
        self.n_parameters = sum(parameter.numel() for parameter in model.parameters())
        if self.kind == "whisper":
            self._features = WhisperFeatureExtractor(feature_size=model.config.num_mel_bins)

    def __reduce__(self) -> tuple:
        """One that :class:`Encoders` found goes to another process by its name, any other with its weights."""
        if self.origin is not None:
            return _layered, self.origin
        return _rebuilt, (self.config, self.layers, self.state_dict(), self.training)

    def with_layers(self, layers: Sequence[int]) -> Encoder:
        """The same encoder, its weights shared, with other layers."""
        found = Encoder(self.model, layers).train(self.training)
        if self.origin is not None:
            source, _, *how = self.origin
            found.origin = source, found.layers, *how
        return found

    @property
    def frame_dim(self) -> int:
        """Dimension D of a frame."""
        return self.model.config.hidden_size

    @property
    def config(self) -> dict[str, Any]:
        """The configuration as plain values, less what no frame depends on; :func:`from_config` takes it."""
        config = self.model.config
        own = {name: value for name, value in config.to_diff_dict().items() if name not in _INCIDENTAL}
        return own | {"model_type": config.model_type}

    @cached_property
    def bears_16_bits(self) -> bool:
        """Whether its frames of a second of noise stay what they are, to within :data:`AGREEMENT`, in 16 bits.

        Those of trained encoders do; with random weights roundings can be as loud as what a frame says.
        """
        waves = np.random.default_rng(0).normal(0, 0.1, (2, ENCODER_RATE_HZ)).astype(np.float32)
        whole = np.full(len(waves), ENCODER_RATE_HZ)
        exact, near = (self.encode(waves, whole, [self.layers], own)[0][0] for own in ("float32", "bfloat16"))
        return bool(np.sqrt(np.mean((near - exact) ** 2)) <= AGREEMENT * exact.std())

    @cached_property
    def fingerprint(self) -> str:
        """Digest of the configuration and of every weight."""
        found = hashlib.blake2b(digest(self.config).encode(), digest_size=16)
        for name, tensor in sorted(self.model.state_dict().items()):
            found.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
            found.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
        return found.hexdigest()

    def n_frames(self, n_samples: Tensor) -> Tensor:
        """Frames that a number of samples yields, elementwise."""
        if self.kind == "whisper":  # hop of 160 samples, then a convolution of stride 2
            return torch.div(torch.div(n_samples, 160, rounding_mode="floor") + 1, 2, rounding_mode="floor")
        return self.model._get_feat_extract_output_lengths(n_samples)

    def states(self, waves: Tensor, n_valid: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
        """Every hidden state of a batch.

        Parameters
        ----------
        waves : Tensor, shape (B, N)
            16 kHz, zero-padded on the right.
        n_valid : Tensor, shape (B,)
            Samples before the padding.

        Returns
        -------
        states : tuple of Tensor, shape (B, T, D)
            One more than there are transformer layers.
        mask : Tensor of bool, shape (B, T)
            False where a frame lies in the padding.
        """
        states = self._whisper_states(waves) if self.kind == "whisper" else self._wav2vec2_states(waves, n_valid)
        n_frames = states[0].shape[1]
        lengths = self.n_frames(n_valid).clamp(min=1, max=n_frames)
        return states, torch.arange(n_frames, device=waves.device) < lengths[:, None]

    def forward(self, waves: Tensor, n_valid: Tensor) -> tuple[Tensor, Tensor]:
        """Frames (B, T, D), the mean of the chosen layers, and their mask (B, T); see :meth:`states`."""
        states, mask = self.states(waves, n_valid)
        return _mean(states, self.layers), mask

    @torch.inference_mode()
    def encode(
        self, waves: np.ndarray, n_valid: np.ndarray, layers: Sequence[Sequence[int]], precision: Precision = "float32"
    ) -> tuple[list[np.ndarray], np.ndarray]:
        """Encode a batch once, on the GPU where there is one, without gradients.

        Parameters
        ----------
        waves : np.ndarray of float32, shape (B, N)
            16 kHz, zero-padded on the right.
        n_valid : np.ndarray of int, shape (B,)
            Samples before the padding.
        layers : sequence of sequences of int
            Sets of hidden states, each to be averaged.
        precision : {"float32", "bfloat16"}
            Of its products.

        Returns
        -------
        frames : list of np.ndarray of float32, shape (B, T, D)
            One a set.
        n_frames : np.ndarray of int, shape (B,)
            Frames before the padding.
        """
        device = "cuda" if torch.cuda.is_available() else "cpu"
        rows = len(waves) if device == "cuda" else CLIPS_AT_ONCE
        self.to(device)
        found = []
        for part in zip(torch.from_numpy(waves).split(rows), torch.from_numpy(n_valid).split(rows), strict=True):
            with within(precision, device):
                states, mask = self.states(*(own.to(device) for own in part))
            found.append([*(_mean(states, own).float() for own in layers), mask.sum(dim=1)])
        *frames, n_frames = (torch.cat(parts).cpu().numpy() for parts in zip(*found, strict=True))
        return frames, n_frames

    def _wav2vec2_states(self, waves: Tensor, n_valid: Tensor) -> tuple[Tensor, ...]:
        sample_mask = torch.arange(waves.shape[1], device=waves.device) < n_valid[:, None]
        if getattr(self.model.config, "do_normalize", True):
            count = n_valid[:, None].clamp(min=1)
            mean = (waves * sample_mask).sum(1, keepdim=True) / count
            centred = (waves - mean) * sample_mask
            waves = centred / ((centred**2).sum(1, keepdim=True) / count + 1e-7).sqrt()
        else:
            waves = waves * sample_mask
        # encoders with group normalisation were pretrained on zero-padded batches without an attention mask
        mask = sample_mask.long() if self.model.config.feat_extract_norm == "layer" else None
        return self.model(waves, attention_mask=mask, output_hidden_states=True).hidden_states

    def _whisper_states(self, waves: Tensor) -> tuple[Tensor, ...]:
        # the encoder insists on 30 s; its positions are sliced to the clip instead of padding the clip to 30 s
        n_frames = math.ceil(waves.shape[1] // 160 / 2)
        whole, longest = self.model.embed_positions, self.model.config.max_source_positions
        if n_frames > whole.num_embeddings:
            raise UserError(f"Whisper takes clips of at most {whole.num_embeddings / 50:.0f} s; shorten clip_length_s")
        with torch.autocast("cpu", enabled=False):
            mel = (
                self._features(
                    list(waves.detach().cpu().numpy()),
                    sampling_rate=ENCODER_RATE_HZ,
                    padding=False,
                    return_tensors="pt",
                )
                .input_features[..., : 2 * n_frames]
                .to(waves)
            )
        if mel.shape[-1] < 2 * n_frames:
            mel = nn.functional.pad(mel, (0, 2 * n_frames - mel.shape[-1]), mode="replicate")
        # for this call only: what is saved must have every position
        self.model.embed_positions = nn.Embedding.from_pretrained(whole.weight[:n_frames].detach(), freeze=True)
        self.model.config.max_source_positions = n_frames
        try:
            return self.model(mel, output_hidden_states=True).hidden_states
        finally:
            self.model.embed_positions, self.model.config.max_source_positions = whole, longest


def _mean(states: Sequence[Tensor], layers: Sequence[int]) -> Tensor:
    return torch.stack([states[layer] for layer in layers]).mean(dim=0)


def from_config(config: dict[str, Any], layers: Sequence[int]) -> Encoder:
    """An encoder of a given configuration with random weights, for ``from_pretrained`` to fill and to be fine-tuned.

    The convolutions over the waveform stay as they are in training, as in wav2vec 2.0 (Baevski et al. 2020, section
    4.3); Whisper has none.

    Parameters
    ----------
    config : dict
        :attr:`Encoder.config`.
    layers : sequence of int
        As for :class:`Encoder`.
    """
    kind = config["model_type"]
    encoder = Encoder(_CLASSES[kind](AutoConfig.for_model(**config)), layers)
    if kind != "whisper":
        encoder.model.feature_extractor._freeze_parameters()  # HubertModel lacks the public name
    return encoder


def load(name: str | PathLike[str], layers: Sequence[int], seed: int = 0, fetch: bool = True) -> Encoder:
    """Load an encoder by hub name or folder, ready for inference.

    Parameters
    ----------
    name : str or PathLike
        :data:`MINI`, :data:`UNTRAINED`, :data:`TINY`, a folder with ``config.json``, or a hub name
        (``facebook/wav2vec2-base``, ``facebook/hubert-base-ls960``, ``microsoft/wavlm-base-plus``,
        ``openai/whisper-base``).
    layers : sequence of int
        As for :class:`Encoder`.
    seed : int
        Of the weights of :data:`UNTRAINED` and :data:`TINY`.
    fetch : bool
        Whether what is not on this machine may be fetched from the hub.

    Raises
    ------
    UserError
        If there is no such encoder, it cannot be fetched, its type is not supported, or weights of it are missing or
        not finite.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if name in (TINY, UNTRAINED):
            config = tiny_config() if name == TINY else AutoConfig.from_pretrained(MINI_FOLDER)
            return Encoder(Wav2Vec2Model(config), layers).eval()
        source = str(MINI_FOLDER if name == MINI else name)
        try:
            model = _pretrained(source, local_files_only=not fetch)
        except UserError:
            raise
        except (OSError, ValueError, RuntimeError, SafetensorError) as error:  # the last two: truncated weights
            raise _unloadable(name, str(error).strip().splitlines()[0].rstrip(".")) from None
    broken = [key for key, tensor in model.state_dict().items() if not tensor.isfinite().all()]
    if broken:
        raise _unloadable(name, f"{broken[0]} and {len(broken) - 1} other tensors are not finite")
    return Encoder(model.float(), layers).eval()


def _rebuilt(config: dict[str, Any], layers: tuple[int, ...], weights: dict[str, Tensor], training: bool) -> Encoder:
    encoder = from_config(config, layers)
    encoder.load_state_dict(weights)
    return encoder.train(training)


@dataclass(frozen=True)
class Encoders:
    """Encoders by name, each loaded once a process.

    Parameters
    ----------
    root, data_dir
        Where to look for folders, as for :func:`sersupport.inputs.encoders.find.find_encoder`.
    seed : int
        As for :func:`load`.
    """

    root: Path
    data_dir: str | None
    seed: int

    def __call__(self, name: str, layers: Sequence[int], fetch: bool = True) -> Encoder:
        """The encoder with chosen layers; see :func:`load`."""
        source = find_encoder(name, self.root, self.data_dir) or name
        return _layered(str(source), tuple(layers), self.seed, fetch)


@lru_cache(maxsize=8)
def _layered(source: str, layers: tuple[int, ...], seed: int, fetch: bool) -> Encoder:
    """One object for one choice of layers, so that its weights are digested once and not for every saved system."""
    found = _loaded(source, seed, fetch).with_layers(layers)
    found.origin = source, layers, seed, fetch
    return found


@lru_cache(maxsize=4)
def _loaded(source: str, seed: int, fetch: bool) -> Encoder:
    return load(source, [-1], seed=seed, fetch=fetch)


def _unloadable(name: object, why: str) -> UserError:
    return UserError(
        f"encoder {str(name)!r} could not be loaded: {why}. "
        "Give a folder that holds its config.json and weights, or a hub name that can be reached."
    )


def _pretrained(source: str, **options: bool) -> PreTrainedModel:
    config = AutoConfig.from_pretrained(source, **options)
    if config.model_type not in _CLASSES:
        raise UserError(unsupported(config.model_type))
    decoder_too = config.model_type == "whisper" and "WhisperEncoder" not in (config.architectures or [])
    own = WhisperModel if decoder_too else _CLASSES[config.model_type]
    model, info = own.from_pretrained(source, output_loading_info=True, **options)
    # what masks spans in training is not used here, and many checkpoints lack it
    missing = sorted(
        key
        for key in info["missing_keys"]
        if key != "masked_spec_embed" and not (decoder_too and key.startswith("decoder."))
    )
    if missing:
        raise ValueError(f"its weights lack {missing[0]} and {len(missing) - 1} other tensors")
    if config.model_type == "whisper":
        return model.encoder if decoder_too else model
    if (normalises := _normalises(source, **options)) is not None:
        model.config.do_normalize = normalises
    return model


def _normalises(source: str, **options: bool) -> bool | None:
    """What the checkpoint's own preprocessor says about waveforms; None where there is none."""
    try:
        settings, _ = Wav2Vec2FeatureExtractor.get_feature_extractor_dict(source, **options)
    except OSError as error:
        if "valid JSON" in str(error):
            raise
        return None
    return bool(settings.get("do_normalize", True))


def describe(encoder: Encoder, name: str) -> str:
    """One sentence for a report's front page: what the encoder is and what it was taught."""
    millions = encoder.n_parameters / 1e6
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
    }[encoder.kind]
    return f"{short}: {millions:.1f} M parameters, {taught}"
