"""HuMP-CAT: encoder frames, cepstra and prosody under two stages of cross-attention (arXiv 2501.10408)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from sersupport.core.errors import UserError
from sersupport.systems.base import System, SystemConfig, SystemOutput, register
from sersupport.systems.layers import MeanPooling, StatisticsPooling, valid_mask
from sersupport.systems.moments import moments

if TYPE_CHECKING:
    from sersupport.inputs.store import Materials

NAME = "HuMP-CAT"


class HumpcatConfig(SystemConfig):
    """Configuration of :class:`Humpcat`; its roles are ``low``, ``high``, ``cepstra`` and ``prosody``.

    The paper is known by a digest, which gives the sizes of the inputs and none of the model.

    Parameters
    ----------
    frame_dim : int
        Dimension D of a frame of ``low`` and of ``high``: 768 of HuBERT-base, whose layers 1 and 9 are printed.
    cepstra_dim, prosody_dim : int
        39 and 103 in print.
    attend_prosody, attend_frames : bool
        Whether stage 1 and stage 2 attend; else the mean of what would be attended to is concatenated.
    dim, heads : int
        Of both stages, not printed; ``dim`` is a multiple of ``heads``.
    lstm_dim : int
        Of each direction, not printed.
    dropout : float
        On attention weights, in the stages and before the classifier; not printed, that of the other systems here.
    scale, margin : float
        s and m of the loss; not printed, those of arXiv 1801.05599.

    Raises
    ------
    UserError
        If ``dim`` is not a multiple of ``heads``.
    """

    model_type = "ser-humpcat"

    frame_dim: int = 768
    cepstra_dim: int = 39
    prosody_dim: int = 103
    attend_prosody: bool = True
    attend_frames: bool = True
    dim: int = 64
    heads: int = 4
    lstm_dim: int = 64
    dropout: float = 0.3
    scale: float = 30.0
    margin: float = 0.35

    def __post_init__(self, **kwargs) -> None:
        if self.dim % self.heads:
            raise UserError(f"dim={self.dim} cannot be shared by heads={self.heads}: make it a multiple")
        super().__post_init__(**kwargs)


class CrossAttention(nn.Module):
    """One transformer layer whose queries come from one sequence, keys and values from another.

    Normalised before, not after: of the small numbers that layers begin with, every softmax would be a plain mean. The
    context comes normalised.
    """

    def __init__(self, config: HumpcatConfig) -> None:
        super().__init__()
        dim = config.dim
        self.query_norm, self.feed_norm = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attention = nn.MultiheadAttention(dim, config.heads, config.dropout, batch_first=True)
        self.feed = nn.Sequential(
            nn.Linear(dim, 4 * dim), nn.ReLU(), nn.Dropout(config.dropout), nn.Linear(4 * dim, dim)
        )
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, query: Tensor, context: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Queries (B, Q, d) that have attended to ``context`` (B, K, d) under ``mask`` (B, K); weights (B, H, Q, K)."""
        found, weights = self.attention(
            self.query_norm(query), context, context, key_padding_mask=~mask, average_attn_weights=False
        )
        query = query + self.dropout(found)
        return query + self.dropout(self.feed(self.feed_norm(query))), weights


class Concatenation(nn.Module):
    """What takes the place of :class:`CrossAttention` in the ablation: the context's mean beside every query."""

    def __init__(self, config: HumpcatConfig) -> None:
        super().__init__()
        self.linear = nn.Linear(2 * config.dim, config.dim)

    def forward(self, query: Tensor, context: Tensor, mask: Tensor) -> tuple[Tensor, None]:
        mean = MeanPooling()(context, mask)[0][:, None].expand_as(query)
        return self.linear(torch.cat([query, mean], dim=2)), None


class Humpcat(System):
    """Two encoder layers attend to cepstra that have been fused with prosody.

    What attends to what is not printed. A vector as the only key has weight 1 whatever the query, so prosody is the
    query of stage 1 (one token) and the Bi-LSTM's frames are its keys and values. What it gathers is added to each of
    these frames, and this sequence R(pm) is what the encoder's frames (both layers concatenated, convolution of
    kernel 1) attend to in stage 2. The digest has cepstra averaged before the Bi-LSTM, without saying over what; here
    it reads every frame. Roles are standardised by buffers that training sets once from the training rows.

    Parameters
    ----------
    config : HumpcatConfig

    References
    ----------
    Wang et al. (2018), Additive margin softmax for face verification, arXiv 1801.05599.
    """

    config_class = HumpcatConfig
    base_model_prefix = "humpcat"
    main_input_name = "low"

    def __init__(self, config: HumpcatConfig) -> None:
        super().__init__(config)
        dim, frame = config.dim, config.frame_dim
        sizes = {"low": frame, "high": frame, "cepstra": config.cepstra_dim, "prosody": config.prosody_dim}
        for role, size in sizes.items():
            self.register_buffer(f"{role}_mean", torch.zeros(size))
            self.register_buffer(f"{role}_scale", torch.ones(size))
        self.lstms = nn.ModuleList(nn.LSTM(config.cepstra_dim, config.lstm_dim, batch_first=True) for _ in range(2))
        self.cepstra_projection = nn.Sequential(nn.Linear(2 * config.lstm_dim, dim, bias=False), nn.LayerNorm(dim))
        self.prosody_layers = nn.Sequential(
            nn.Linear(config.prosody_dim, dim), nn.ReLU(), nn.Linear(dim, dim), nn.Sigmoid()
        )
        self.frame_projection = nn.Linear(2 * frame, dim)  # a convolution of kernel 1, faster
        self.prosody_stage = (CrossAttention if config.attend_prosody else Concatenation)(config)
        self.fused_norm = nn.LayerNorm(dim)
        self.frame_stage = (CrossAttention if config.attend_frames else Concatenation)(config)
        self.pooling = StatisticsPooling()
        self.dropout = nn.Dropout(config.dropout)
        self.classes = nn.Linear(2 * dim, config.num_labels, bias=False)
        self.post_init()

    def prepare(self, role: str, values: Tensor) -> Tensor:
        """Values with mean 0 and deviation 1 over the training rows."""
        return (values.float() - getattr(self, f"{role}_mean")) / getattr(self, f"{role}_scale")

    def _recurrent(self, cepstra: Tensor, length: Tensor) -> Tensor:
        """States (B, T2, 2 lstm_dim) of the Bi-LSTM; those of padding mean nothing.

        Each direction on its own, the backward one over the valid frames in reverse: packed sequences give the same and
        take three times as long.
        """
        forward, backward = self.lstms
        return torch.cat([forward(cepstra)[0], _reversed(backward(_reversed(cepstra, length))[0], length)], dim=2)

    def _fused(
        self, low: Tensor, high: Tensor, low_length: Tensor, cepstra: Tensor, cepstra_length: Tensor, prosody: Tensor
    ) -> tuple[Tensor, Tensor, dict[str, Tensor | None]]:
        """Frames after stage 2 (B, T, d), which of them are not padding (B, T), and weights by stage."""
        cepstra_length = cepstra_length.clamp(min=1)
        spectral = self.cepstra_projection(self._recurrent(self.prepare("cepstra", cepstra), cepstra_length))
        mask = valid_mask(cepstra.shape[1], cepstra_length)
        token = self.prosody_layers(self.prepare("prosody", prosody))[:, None]
        token, weights = self.prosody_stage(token, spectral, mask)
        both = torch.cat([self.prepare("low", low), self.prepare("high", high)], dim=2)
        frames = self.frame_projection(both)
        frames, frame_weights = self.frame_stage(frames, self.fused_norm(spectral + token), mask)
        own = valid_mask(low.shape[1], low_length.clamp(min=1))
        return frames, own, {"prosody": weights, "frames": frame_weights}

    def forward(
        self,
        low: Tensor,
        high: Tensor,
        low_length: Tensor,
        cepstra: Tensor,
        cepstra_length: Tensor,
        prosody: Tensor,
        labels: Tensor | None = None,
        **_: Tensor,
    ) -> SystemOutput:
        """Classify a batch.

        Parameters
        ----------
        low, high : Tensor, shape (B, T, D)
            Frames of two layers of one encoder.
        low_length : Tensor of int, shape (B,)
            How many of them are not padding; those of ``high`` are as many.
        cepstra, cepstra_length : Tensor, shapes (B, T2, C) and (B,)
        prosody : Tensor, shape (B, P)
        labels : Tensor of int, shape (B,), optional

        Returns
        -------
        SystemOutput
            Logits (B, C) s cos θ. The loss takes s (cos θ - m) of the true class instead (arXiv 1801.05599), weighted
            by class.
        """
        frames, mask, _ = self._fused(low, high, low_length, cepstra, cepstra_length, prosody)
        clip = self.dropout(self.pooling(frames, mask)[0])
        cosines = nn.functional.linear(*(nn.functional.normalize(v, dim=1) for v in (clip, self.classes.weight)))
        logits = self.config.scale * cosines
        if labels is None:
            return SystemOutput(logits=logits)
        margins = self.config.margin * nn.functional.one_hot(labels, self.config.num_labels)
        return SystemOutput(loss=self.output(logits - self.config.scale * margins, labels).loss, logits=logits)

    @torch.no_grad()
    def attention(self, **inputs: Tensor) -> dict[str, Tensor]:
        """Attention weights of what :meth:`forward` takes, by head; see :func:`uniformity`.

        Returns
        -------
        dict of str to Tensor
            ``prosody`` (B, H, 1, T2) and ``frames`` (B, H, T, T2) as far as these stages attend: rows sum to 1, but are
            0 where the query is padding.
        """
        roles = ("low", "high", "low_length", "cepstra", "cepstra_length", "prosody")
        _, mask, weights = self._fused(*(inputs[role] for role in roles))
        return {
            stage: own * mask[:, None, :, None] if stage == "frames" else own
            for stage, own in weights.items()
            if own is not None
        }

    def set_statistics(self, train: Materials) -> None:
        """Means and deviations of every role over what is not padding."""
        for role in ("low", "high", "cepstra", "prosody"):
            lengths = train.lengths.get(role, [None] * len(train))
            rows = zip(train.arrays[role], lengths, strict=True)
            mean, deviation = moments(values if length is None else values[:length] for values, length in rows)
            getattr(self, f"{role}_mean").copy_(mean)
            getattr(self, f"{role}_scale").copy_(deviation)


def _reversed(frames: Tensor, length: Tensor) -> Tensor:
    """Frames (B, T, d) with the first ``length`` (B,) of each in reverse order."""
    place = torch.arange(frames.shape[1], device=frames.device).expand(len(frames), -1)
    place = torch.where(place < length[:, None], length[:, None] - 1 - place, place)
    return frames.gather(1, place[..., None].expand_as(frames))


def uniformity(weights: Tensor, n_keys: Tensor, n_queries: Tensor) -> Tensor:
    """How evenly attention is spread: 1 is a plain mean (attention has collapsed), 0 a single key.

    Parameters
    ----------
    weights : Tensor, shape (B, H, Q, K)
        Of :meth:`Humpcat.attention`.
    n_keys, n_queries : Tensor of int, shape (B,)
        How many are not padding; two keys at least.

    Returns
    -------
    Tensor, shape (B,)
        Entropy of the weights over the logarithm of the number of keys, mean over queries and heads.
    """
    return torch.special.entr(weights).sum(dim=(2, 3)).mean(dim=1) / (n_queries * n_keys.log())


register(HumpcatConfig, Humpcat)
