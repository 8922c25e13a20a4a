"""Under which conditions a study builds and trains its systems."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from sersupport.core.precision import Precision
from sersupport.corpora.folds import PARTS
from sersupport.inputs.base import Input
from sersupport.inputs.cepstra import Cepstra
from sersupport.inputs.descriptors import Descriptors
from sersupport.inputs.encoders.encoder import Encoder
from sersupport.inputs.frames import Frames
from sersupport.inputs.logmel import LogMel
from sersupport.inputs.prosody import Prosody
from sersupport.inputs.waveform import Waveform
from sersupport.studies.jobs import Job
from sersupport.systems import cnn_attention, humpcat, trnet
from sersupport.systems.base import SystemConfig
from sersupport.systems.fit import Budget, whole_batches
from sersupport.systems.fusion import row_config
from sersupport.systems.probe import ProbeConfig

PROBE = "linear probe"
RELATED = (cnn_attention.NAME, humpcat.NAME, trnet.NAME)  # the systems of the other papers
CNN_MFCC = 40  # of the CNN with attention; not printed
LAST = (-1, -1)  # layers of HuMP-CAT where it has an encoder's last one alone
Parts = Mapping[str, pd.DataFrame]  # recipes by "train", "validation", "test"


def parted(recipes: pd.DataFrame, part: pd.Series) -> dict[str, pd.DataFrame]:
    """Recipes by part: all variants for training, the clean and the noisy one of an utterance for everything else.

    Parameters
    ----------
    recipes : pandas.DataFrame
        All variants of utterances.
    part : pandas.Series of str
        One of :data:`sersupport.corpora.folds.PARTS` for each row, in its order; others are left out.
    """
    plain = recipes["variant"].isin(["clean", "noisy"]).to_numpy()
    return {name: recipes[(part == name).to_numpy() & (plain | (name == "train"))] for name in PARTS}


def clean_rows(parts: Mapping[str, Any]) -> dict[str, pd.DataFrame]:
    """Training and validation without noise: the rows of these parts that have none, pitched ones among them."""
    return {name: parts[name][parts[name]["level_kind"] == "none"] for name in ("train", "validation")}


def by_fold(recipes: pd.DataFrame, tests: pd.DataFrame, split: pd.DataFrame) -> dict[int, Parts]:
    """Recipes by fold and part.

    Parameters
    ----------
    recipes : pandas.DataFrame
        All variants of all utterances.
    tests : pandas.DataFrame
        Recipes of the test.
    split : pandas.DataFrame
        ``fold``, ``id`` and ``split`` of every utterance.
    """
    found = {}
    for fold, own in split.groupby("fold"):
        part = own.set_index("id")["split"]
        tested = tests[(tests["utterance"].map(part) == "test").to_numpy()]
        found[int(fold)] = parted(recipes, recipes["utterance"].map(part)) | {"test": tested}
    return found


@dataclass(frozen=True)
class Setup:
    """Inputs, sizes and training that the systems of one study share.

    Parameters
    ----------
    descriptors : Descriptors
        Of the spectral branch.
    clip_samples : int
        Samples of a clip at the working rate.
    encoder, encoder_name : Encoder, str
        Of the temporal branch, and its name in the saved configurations.
    frozen : bool
        Whether the encoder is an input, or part of the model and trained with it.
    width : float
        Factor on the published filters of the CNN.
    epochs, batch_size : int
        Epochs over the rows that a budget is made for.
    learning_rate, weight_decay, warmup_fraction : float
    seeds : tuple of int
        One job each.
    precision : {"float32", "bfloat16"}
        Of encoding and training.
    filters : int
        Of each convolution of the CNN with attention; 256 in print.
    layers : tuple of int
        The two of the encoder that HuMP-CAT has; HuBERT's 1 and 9 in print.
    channels : tuple of int
        Of the convolutions of TRNet's encoder.
    enhancer : str
        Of TRNet; see :mod:`sersupport.sound.enhancers`.
    """

    descriptors: Descriptors
    clip_samples: int
    encoder: Encoder
    encoder_name: str
    frozen: bool
    width: float
    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    warmup_fraction: float
    seeds: tuple[int, ...]
    precision: Precision = "float32"
    filters: int = 256
    layers: tuple[int, int] = LAST
    channels: tuple[int, ...] = (16, 32, 64)
    enhancer: str = "none"

    def budget(self, rows: int) -> Budget:
        """As many steps as the epochs over a number of rows take, validated after each epoch's worth of them.

        It holds for every job that is compared, however many rows that one has.
        """
        every = math.ceil(rows / whole_batches(rows, self.batch_size))
        return Budget(
            steps=self.epochs * every,
            evaluate_every=every,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            warmup_fraction=self.warmup_fraction,
            precision=self.precision,
        )

    def system(self, name: str, **changes: object) -> tuple[SystemConfig, dict[str, Input]]:
        """Configuration and inputs of a row of Table VI of arXiv 2512.18298, of the probe, or of another paper's.

        Parameters
        ----------
        name : str
            "A" to "D", :data:`PROBE` or one of :data:`RELATED`.
        **changes
            Arguments of its configuration.
        """
        if name in RELATED:
            return self._related(name, changes)
        frames = Frames(self.encoder, self.encoder_name, self.precision)
        if name == PROBE:
            return ProbeConfig(frame_dim=self.encoder.frame_dim, **changes), {"frames": frames}
        sizes = {
            "spectral_length": self.descriptors.length(self.clip_samples),
            "frame_dim": self.encoder.frame_dim,
            "cnn_width": self.width,
            "encoder": None if self.frozen else self.encoder.config,
            "encoder_layers": list(self.encoder.layers),
        }
        config = row_config(name, **sizes | changes)
        temporal = {"frames": frames} if config.encoder is None else {"waves": Waveform()}
        parts = {"spectral": {"spectral": self.descriptors}, "temporal": temporal}
        inputs = [part for branch, part in parts.items() if getattr(config, branch)]
        return config, {role: one for part in inputs for role, one in part.items()}

    def _related(self, name: str, changes: dict[str, object]) -> tuple[SystemConfig, dict[str, Input]]:
        if name == cnn_attention.NAME:
            cepstra = Cepstra(n_mfcc=CNN_MFCC, deltas=False)
            frames = cepstra.n_frames(self.clip_samples)
            sizes = {"n_steps": frames, "n_channels": CNN_MFCC, "filters": self.filters}
            return cnn_attention.CnnAttentionConfig(**sizes | changes), {"cepstra": cepstra}
        if name == trnet.NAME:
            config = trnet.TrnetConfig(**{"channels": self.channels} | changes)
            return config, {"noisy": LogMel(), "enhanced": LogMel(enhancer=self.enhancer)}
        low, high = (Frames(self.encoder.with_layers([one]), self.encoder_name, self.precision) for one in self.layers)
        inputs = {"low": low, "high": high, "cepstra": Cepstra(), "prosody": Prosody()}
        return humpcat.HumpcatConfig(frame_dim=self.encoder.frame_dim, **changes), inputs

    def _start(self, config: SystemConfig, inputs: dict[str, Input], job: dict[str, Any]) -> Job | Encoder | None:
        """What a job begins with: an encoder inside with its weights, TRNet with what it has learnt on clean speech."""
        if "waves" in inputs:
            return self.encoder
        if not isinstance(config, trnet.TrnetConfig) or config.stage == trnet.CLEAN:
            return None
        first = trnet.TrnetConfig(stage=trnet.CLEAN, channels=config.channels, dropout=config.dropout)
        return Job(f"{trnet.NAME}, first stage", first, inputs, **job | clean_rows(job))

    def jobs(
        self,
        system: str,
        parts: Parts,
        budget: Budget,
        protocol: str,
        fold: int,
        name: str | None = None,
        labels: Mapping[str, str | float] | None = None,
        **changes: object,
    ) -> list[Job]:
        """A job for each seed; of the linear probe, which draws nothing, a single one.

        Parameters
        ----------
        system : str
            As for :meth:`system`.
        parts : Parts
        budget : Budget
        protocol, fold : str, int
            For the predictions table.
        name : str, optional
            In the predictions table; the system's own by default.
        labels : mapping, optional
            Further columns of it.
        **changes
            Arguments of the row's configuration.
        """
        jobs = []
        for seed in self.seeds[:1] if system == PROBE else self.seeds:
            config, inputs = self.system(system, **changes)
            job = {"budget": budget, **parts, "protocol": protocol, "fold": fold, "seed": seed}
            start = self._start(config, inputs, job)
            jobs.append(Job(name or system, config, inputs, **job, start=start, labels=labels or {}))
        return jobs

    def with_encoder(self, encoder: Encoder, name: str) -> Setup:
        """The same with another encoder, frozen."""
        return replace(self, encoder=encoder, encoder_name=name, frozen=True)

    def with_one_seed(self) -> Setup:
        """The same with the first seed alone, for what is a side question or costs much."""
        return replace(self, seeds=self.seeds[:1])
