"""TRNet: noisy and enhanced speech, refined towards clean speech at two levels (arXiv 2404.12979)."""

from __future__ import annotations

import copy
import itertools
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from sersupport.core.errors import UserError
from sersupport.systems.base import System, SystemConfig, SystemOutput, register
from sersupport.systems.layers import AttentivePooling, valid_mask
from sersupport.systems.moments import moments

if TYPE_CHECKING:
    from sersupport.inputs.store import Materials

NAME = "TRNet"
CLEAN, REFINE = STAGES = ("clean", "refine")
FROZEN = "reference."  # how the names of parameters begin that no training sets
COMPENSATIONS = ("c", "enhanced", "noisy")


class TrnetConfig(SystemConfig):
    """Configuration of :class:`Trnet`; its roles are ``noisy`` and ``enhanced``, log-mel spectrograms.

    The encoder and the bridge's size are not printed where this was read; a convolutional-recurrent encoder of half a
    million parameters is usual for spectrograms of so few recordings.

    Parameters
    ----------
    stage : {"clean", "refine"}
        First the encoder and the classifier are trained alone, on clean speech given as ``noisy``; then, from those
        weights, everything with noisy speech, its enhancement and its clean partner.
    compensate : {"c", "enhanced", "noisy"}
        What the encoder hears: both, weighted by c, or one of them, as with c = 0 or c = 1.
    low_loss, high_loss : bool
        Which of the two further losses there are; with either, rows come with their clean partners.
    alpha, beta : float
        Their weights, α and β.
    n_mels : int
        Bands of a spectrogram.
    channels : list of int
        Of the encoder's convolutions, each of which halves time and frequency.
    hidden_dim : int
        Of its recurrent layer, in each direction: an embedding has F = 2 hidden_dim dimensions.
    bridge_dim : int
        Of the hidden layer that makes FiLM's factors and terms of c.
    dropout : float
        Before the classifier.

    Raises
    ------
    UserError
        For an unknown stage or compensation.
    """

    model_type = "ser-trnet"

    stage: str = REFINE
    compensate: str = "c"
    low_loss: bool = True
    high_loss: bool = True
    alpha: float = 0.5
    beta: float = 0.5
    n_mels: int = 80
    channels: list | tuple = (16, 32, 64)
    hidden_dim: int = 96
    bridge_dim: int = 32
    dropout: float = 0.3

    def __post_init__(self, **kwargs) -> None:
        for name, known in (("stage", STAGES), ("compensate", COMPENSATIONS)):
            if getattr(self, name) not in known:
                raise UserError(f"TRNet's {name} {getattr(self, name)!r}: choose one of {', '.join(known)}")
        self.clean_partners = self.stage == REFINE and (self.low_loss or self.high_loss)
        self.channels = list(self.channels)
        super().__post_init__(**kwargs)


class SpectrogramEncoder(nn.Module):
    """Convolutions, a bidirectional GRU, and attentive pooling over the frames that are not padding.

    Parameters
    ----------
    config : TrnetConfig
        ``n_mels``, ``channels`` and ``hidden_dim`` are used.
    """

    def __init__(self, config: TrnetConfig) -> None:
        super().__init__()
        widths, bands = [1, *config.channels], config.n_mels
        self.blocks = nn.ModuleList()
        for before, after in itertools.pairwise(widths):
            convolution = nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False)
            self.blocks.append(nn.Sequential(convolution, nn.BatchNorm2d(after), nn.ReLU()))
            bands = -(-bands // 2)
        self.recurrent = nn.GRU(widths[-1] * bands, config.hidden_dim, batch_first=True, bidirectional=True)
        self.pooling = AttentivePooling(2 * config.hidden_dim)

    def forward(self, frames: Tensor, length: Tensor) -> Tensor:
        """Embed standardised ``frames`` (B, T, n_mels), ``length`` (B,) of them valid, as h (B, F)."""
        maps = frames[:, None]
        for block in self.blocks:  # nothing flows in from the padding, whatever is there
            maps = block(maps * valid_mask(maps.shape[2], length)[:, None, :, None])
            length = (length + 1) // 2
        steps, n_steps = maps.transpose(1, 2).flatten(2), maps.shape[2]
        packed = pack_padded_sequence(steps, length.cpu(), batch_first=True, enforce_sorted=False)
        states, _ = pad_packed_sequence(self.recurrent(packed)[0], batch_first=True, total_length=n_steps)
        return self.pooling(states, valid_mask(n_steps, length))[0]


class Trnet(System):
    """Compensated spectrogram, encoder, bridge, classifier.

    c = hardtanh(a cos(X, X_e) + b) in [0, 1], where a = 1 and b = 0 at the start; X~ = c X + (1 - c) X_e; h of X~ by
    the encoder; h~ = (1 + γ(c)) h + β(c), the identity at the start. The loss is the cross-entropy, plus α times the
    mean square of X~ - X_clean [low], plus β times that of h~ - h_s [high], with h_s what the encoder of the clean
    stage, frozen as ``reference``, makes of the clean partner.

    Two things are not printed where this was read. As c is described nothing in X~ could be learnt, and the low-level
    loss would train nothing: the affine map of the cosine, a and b, is what it trains here, besides what the task
    says. And of what the cosine is taken: here of the standardised spectrograms, each band less its own mean over the
    clip. Logarithms are all negative and their cosine is near 1 at any SNR; that of standardised ones says above all
    how loud the clip is.

    Parameters
    ----------
    config : TrnetConfig

    References
    ----------
    arXiv 2404.12979, sections 3.2 (c and X~), 3.4 (bridge).
    Perez et al. (2018), FiLM: visual reasoning with a general conditioning layer, arXiv 1709.07871.
    """

    config_class = TrnetConfig
    base_model_prefix = "trnet"
    main_input_name = "noisy"

    def __init__(self, config: TrnetConfig) -> None:
        super().__init__(config)
        dim = 2 * config.hidden_dim
        self.register_buffer("mean", torch.zeros(config.n_mels))
        self.register_buffer("scale", torch.ones(config.n_mels))
        self.similarity = nn.Parameter(torch.tensor([1.0, 0.0]))  # a, b
        self.encoder = SpectrogramEncoder(config)
        self.bridge = nn.Sequential(nn.Linear(1, config.bridge_dim), nn.ReLU(), nn.Linear(config.bridge_dim, 2 * dim))
        nn.init.zeros_(self.bridge[-1].weight)
        nn.init.zeros_(self.bridge[-1].bias)
        self.classifier = nn.Sequential(nn.Dropout(config.dropout), nn.Linear(dim, config.num_labels))
        self.reference = copy.deepcopy(self.encoder).requires_grad_(False)
        self.similarity.requires_grad_(config.stage == REFINE and config.compensate == "c")
        self.bridge.requires_grad_(config.stage == REFINE)
        self.post_init()

    def train(self, mode: bool = True) -> Trnet:
        """As PyTorch's; the reference stays in evaluation mode."""
        super().train(mode)
        self.reference.eval()
        return self

    def taken_over(self) -> None:
        """What the clean stage made of the encoder is what refined speech is drawn towards."""
        self.reference.load_state_dict(self.encoder.state_dict())

    def prepare(self, role: str, values: Tensor) -> Tensor:
        """Log-mels with mean 0 and deviation 1 in each band over the clean stage's training rows."""
        return (values - self.mean) / self.scale

    def coefficient(self, noisy: Tensor, noisy_length: Tensor, enhanced: Tensor, **_: Tensor) -> Tensor:
        """c (B,), from log-mels as :meth:`forward` takes them."""
        return self._coefficient(self.prepare("noisy", noisy), self.prepare("enhanced", enhanced), noisy_length)

    def _coefficient(self, noisy: Tensor, enhanced: Tensor, length: Tensor) -> Tensor:
        if self.config.compensate != "c":
            return noisy.new_full((len(noisy),), float(self.config.compensate == "noisy"))
        mask = valid_mask(noisy.shape[1], length)[..., None]
        varying = []
        for frames in (noisy * mask, enhanced * mask):
            mean = frames.sum(dim=1, keepdim=True) / length[:, None, None]
            varying.append(((frames - mean) * mask).flatten(1))
        scale, shift = self.similarity
        return nn.functional.hardtanh(scale * nn.functional.cosine_similarity(*varying) + shift, 0.0, 1.0)

    def forward(
        self,
        noisy: Tensor,
        noisy_length: Tensor,
        enhanced: Tensor | None = None,
        clean_noisy: Tensor | None = None,
        labels: Tensor | None = None,
        **_: Tensor,
    ) -> SystemOutput:
        """Classify a batch.

        Parameters
        ----------
        noisy, noisy_length : Tensor, shapes (B, T, n_mels) and (B,)
            Log-mels of speech as it is, and how many frames of them are not padding.
        enhanced : Tensor, shape (B, T, n_mels)
            Those of the same speech enhanced; the clean stage does without.
        clean_noisy : Tensor, shape (B, T, n_mels), optional
            Those of the clean partner; without it the loss is the task's alone.
        labels : Tensor of int, shape (B,), optional

        Returns
        -------
        SystemOutput
            Logits (B, C), and the loss where labels are given.
        """
        config = self.config
        noisy = self.prepare("noisy", noisy)
        if config.stage == CLEAN:
            return self.output(self.classifier(self.encoder(noisy, noisy_length)), labels)
        enhanced = self.prepare("enhanced", enhanced)
        c = self._coefficient(noisy, enhanced, noisy_length)[:, None]
        compensated = torch.lerp(enhanced, noisy, c[..., None])
        gamma, beta = self.bridge(c).chunk(2, dim=1)
        h = (1 + gamma) * self.encoder(compensated, noisy_length) + beta
        found = self.output(self.classifier(h), labels)
        if labels is not None and clean_noisy is not None:
            clean = self.prepare("noisy", clean_noisy)
            mask = valid_mask(clean.shape[1], noisy_length)[..., None]
            low = ((compensated - clean) * mask).square().sum() / (mask.sum() * clean.shape[2])
            with torch.no_grad():
                aim = self.reference(clean, noisy_length)
            high = nn.functional.mse_loss(h, aim)
            found.loss = found.loss + config.low_loss * config.alpha * low + config.high_loss * config.beta * high
        return found

    def set_statistics(self, train: Materials) -> None:
        """Mean and deviation of each band over the frames of ``noisy`` that are not padding.

        Raises
        ------
        UserError
            In the second stage, which has those of the first: there is none to go on from.
        """
        if self.config.stage == REFINE:
            raise UserError("TRNet's stage 'refine' goes on from a model of stage 'clean': train that first, give it")
        rows = zip(train.arrays["noisy"], train.lengths["noisy"], strict=True)
        mean, deviation = moments(frames[:length] for frames, length in rows)
        self.mean.copy_(mean)
        self.scale.copy_(deviation)


register(TrnetConfig, Trnet)
