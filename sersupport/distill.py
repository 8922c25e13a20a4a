"""Distilling a pretrained encoder into a small Wav2Vec 2.0 that hears noise: its teacher listens to clean speech."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.signal import fftconvolve
from torch import Tensor, nn
from torch.utils.data import Dataset
from transformers import Trainer, TrainingArguments, Wav2Vec2Config, Wav2Vec2Model, set_seed
from transformers.trainer_callback import PrinterCallback
from transformers.trainer_utils import get_last_checkpoint

from sersupport import UserError, audio, backbones, noise, training
from sersupport.backbones import BACKBONE_RATE_HZ, Backbone
from sersupport.cache import Cache, code_version, digest, whole
from sersupport.noise import NoiseBank
from sersupport.splits import STANDARD_FOLDS

MINI_CORPORA = ("ravdess", "tess", "emovo")  # that the encoder in the box was taught with
FRAME_SAMPLES = 320  # 20 ms at 16 kHz, of teacher and student alike
# test speakers of the first published folds: two of RAVDESS's six, one of TESS's two; never for teaching
UNHEARD = frozenset(
    f"{corpus}-{code}"
    for corpus, folds in (("ravdess", 2), ("tess", 1))
    for fold in STANDARD_FOLDS[corpus][:folds]
    for code in fold
)


@dataclass(frozen=True)
class Shape:
    """Size of the student, a small :class:`transformers.Wav2Vec2Model`; the rest is as in wav2vec 2.0's base model.

    Parameters
    ----------
    channels : int
        Of the first convolution; the seven have 1, 2, 4, 4, 8, 8 and 8 times as many, so that the first ones, at
        thousands of frames a second, do not take most of the time.
    hidden : int
        Width of the transformer, a multiple of 16; its inner layers are four times as wide, its heads 64 or less.
    layers : int
        Of the transformer.
    """

    channels: int = 32
    hidden: int = 256
    layers: int = 4


@dataclass(frozen=True)
class Corruption:
    """What the student hears instead of the clean crop; each part is drawn apart from the others.

    Parameters
    ----------
    noisy, pitched, reverberant : float
        Shares of the crops, in [0, 1].
    snr_db : (float, float)
        Range of the signal-to-noise ratio over the crop.
    semitones : float
        Pitch shifts are uniform between minus and plus this.
    rt60_s : (float, float)
        Range of the reverberation time.
    level_db : float
        Levels are uniform between minus and plus this.
    """

    noisy: float = 0.7
    pitched: float = 0.1
    reverberant: float = 0.2
    snr_db: tuple[float, float] = (0.0, 20.0)
    semitones: float = 1.0
    rt60_s: tuple[float, float] = (0.1, 0.6)
    level_db: float = 6.0


@dataclass(frozen=True)
class Settings:
    """How long and how fast to teach.

    Parameters
    ----------
    steps, batch_size : int
    crop_s : float
        Length of the crops, whole frames of 20 ms.
    learning_rate, weight_decay, warmup_fraction : float
        AdamW; linear warm-up, then linear decay.
    seed : int
        Of the student's weights, the crops and their corruption.
    """

    steps: int = 4000
    batch_size: int = 32
    crop_s: float = 2.0
    learning_rate: float = 2e-3
    weight_decay: float = 0.01
    warmup_fraction: float = 0.07
    seed: int = 0


@dataclass(frozen=True)
class Plan:
    """A whole way of teaching.

    Parameters
    ----------
    shape, corruption, settings
        Of the student, of what it hears, of the optimisation.
    layers : tuple of int
        Hidden states of the teacher whose mean is the target.
    speeds : tuple of float
        At which every utterance is played; see :func:`listen`.
    """

    shape: Shape = Shape()
    corruption: Corruption = Corruption()
    settings: Settings = Settings()
    layers: tuple[int, ...] = (-1,)
    speeds: tuple[float, ...] = (0.9, 1.0, 1.1)


def variants(plan: Plan) -> dict[str, Plan]:
    """What becomes of a plan with one thing changed, by what is changed."""
    shape, corruption, settings = plan.shape, plan.corruption, plan.settings
    return {
        "half the width": replace(plan, shape=replace(shape, hidden=shape.hidden // 2)),
        "half the depth": replace(plan, shape=replace(shape, layers=max(1, shape.layers // 2))),
        "twice the depth": replace(plan, shape=replace(shape, layers=2 * shape.layers)),
        "half the channels": replace(plan, shape=replace(shape, channels=max(1, shape.channels // 2))),
        "last layer as target": replace(plan, layers=(-1,)),
        "clean input": replace(plan, corruption=replace(corruption, noisy=0.0, reverberant=0.0)),
        "noise only": replace(plan, corruption=replace(corruption, pitched=0.0, reverberant=0.0)),
        "one speed": replace(plan, speeds=(1.0,)),
        "half the steps": replace(plan, settings=replace(settings, steps=max(1, settings.steps // 2))),
        "twice the steps": replace(plan, settings=replace(settings, steps=2 * settings.steps)),
    }


def student_config(shape: Shape) -> Wav2Vec2Config:
    """Configuration of a student that plain ``Wav2Vec2Model.from_pretrained`` loads.

    Raises
    ------
    UserError
        If the width does not fit the convolution over positions, which has 16 groups.
    """
    if shape.hidden % 16 or (shape.hidden > 64 and shape.hidden % (shape.hidden // 64)):
        raise UserError(f"student_hidden {shape.hidden}: must be a multiple of 16 that its heads of 64 divide")
    return Wav2Vec2Config(
        hidden_size=shape.hidden,
        num_hidden_layers=shape.layers,
        num_attention_heads=max(1, shape.hidden // 64),
        intermediate_size=4 * shape.hidden,
        conv_dim=tuple(shape.channels * factor for factor in (1, 2, 4, 4, 8, 8, 8)),
        num_conv_pos_embeddings=31,  # of the published 128 frames: half a second is enough for short clips
        mask_time_prob=0.0,
        layerdrop=0.0,
        hidden_dropout=0.0,
        attention_dropout=0.0,
        activation_dropout=0.0,
        feat_proj_dropout=0.0,
    )


class Lesson(nn.Module):
    """A student and the projection of its last frames onto the teacher's; only the student is kept afterwards.

    Parameters
    ----------
    student : Backbone
        From :func:`untaught`.
    target_dim : int
        Dimension of the teacher's frames.

    References
    ----------
    Chang, Yang and Lee (2022), DistilHuBERT, arXiv 2110.01900, equation 1 and Fig. 1, with one prediction head for
    the mean of several layers. Clean targets for noisy and reverberant input: Guimarães et al. (2022), arXiv
    2211.06562, and (2023), RobustDistiller, arXiv 2302.09437.
    """

    def __init__(self, student: Backbone, target_dim: int) -> None:
        super().__init__()
        self.student = student
        self.head = nn.Linear(student.frame_dim, target_dim)

    def forward(self, waves: Tensor, n_valid: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """Loss of crops (B, N), of which ``n_valid`` samples are not padding, against teacher frames (B, T, D)."""
        frames, mask = self.student(waves, n_valid)
        predicted, targets = self.head(frames), targets[:, : frames.shape[1]]
        return {"loss": distillation_loss(predicted[mask], targets[mask])}


def untaught(plan: Plan, start: Backbone | None = None) -> Backbone:
    """The student with which :func:`teach` begins, in evaluation mode.

    Parameters
    ----------
    plan : Plan
    start : Backbone, optional
        A student of the plan's shape that is to be taught further; without one the weights are random.

    Raises
    ------
    UserError
        If the shapes differ.
    """
    with torch.random.fork_rng():
        torch.manual_seed(plan.settings.seed)
        student = Wav2Vec2Model(student_config(plan.shape))
    if start is not None:
        try:
            student.load_state_dict(start.encoder.state_dict())
        except RuntimeError:
            raise UserError(
                f"student_start: its shape is not that of student_channels {plan.shape.channels}, student_hidden"
                f" {plan.shape.hidden}, student_layers {plan.shape.layers}; give that of the student to begin with"
            ) from None
    return Backbone(student, [-1]).eval()


def distillation_loss(predicted: Tensor, target: Tensor) -> Tensor:
    """Mean over frames of L1 distance (a dimension) minus the log-sigmoid of the cosine; both (..., D)."""
    distance = (predicted - target).abs().mean(dim=-1)
    agreement = nn.functional.logsigmoid(nn.functional.cosine_similarity(predicted, target, dim=-1))
    return (distance - agreement).mean()


def reverberant(
    wave: np.ndarray, rt60_s: float, rng: np.random.Generator, rate_hz: int = BACKBONE_RATE_HZ
) -> np.ndarray:
    """A wave (N,) in a room: the direct sound, then noise that decays by 60 dB within ``rt60_s``; as loud as before.

    References
    ----------
    Polack's statistical model of late reverberation (1988), as in Habets (2007), section 2.3.
    """
    n = max(2, round(rt60_s * rate_hz))
    response = 0.3 * rng.standard_normal(n) * 10 ** (-3 * np.arange(n) / n)
    response[0] = 1.0
    wet = fftconvolve(wave, response)[: len(wave)]
    return (wet * np.sqrt(np.mean(wave**2) / max(np.mean(wet**2), 1e-12))).astype(np.float32)


@dataclass
class Speech:
    """What there is to teach with, at 16 kHz.

    Parameters
    ----------
    waves : np.ndarray of float16, shape (n, N)
        Whole utterances, cut or padded to one length.
    frames : np.ndarray of float16, shape (n, T, D)
        The teacher's, standardised over all frames that are not padding.
    n_frames : np.ndarray of int, shape (n,)
        Frames before the padding.
    speakers : np.ndarray of str, shape (n,)
    """

    waves: np.ndarray
    frames: np.ndarray
    n_frames: np.ndarray
    speakers: np.ndarray


def heard(utterances: pd.DataFrame) -> pd.DataFrame:
    """The utterances that may be used for teaching: those of nobody in :data:`UNHEARD`."""
    return utterances[~utterances["speaker"].isin(UNHEARD)].reset_index(drop=True)


def known_to_mini(utterances: pd.DataFrame, embedded: bool) -> list[str]:
    """Speakers whom the encoder in the box heard, without labels, when it was taught.

    Parameters
    ----------
    utterances : pandas.DataFrame
        The utterance table.
    embedded : bool
        Whether it is of the embedded corpus, all of whose parts were used.
    """
    own = heard(utterances)
    return sorted(own.loc[embedded | own["corpus"].isin(MINI_CORPORA), "speaker"].unique())


def listen(
    utterances: pd.DataFrame, teacher: Backbone, cache: Cache, speeds: Sequence[float] = (1.0,), length_s: float = 4.0
) -> Speech:
    """Let the teacher listen to every utterance once, clean.

    Parameters
    ----------
    utterances : pandas.DataFrame
        Utterance table; see :func:`heard`.
    teacher : Backbone
        Any encoder with frames of 20 ms.
    cache : Cache
    speeds : sequence of float
        Every utterance is played at each: pitch, formants and tempo change together, as if other people had spoken.
    length_s : float
        Utterances are cut or padded to this length.

    Raises
    ------
    UserError
        If an utterance is of a speaker who must stay unheard.

    References
    ----------
    Ko et al. (2015), Audio augmentation for speech recognition, Interspeech: speeds of 0.9, 1 and 1.1.
    """
    if len(heard(utterances)) < len(utterances):
        raise UserError(f"{', '.join(sorted(UNHEARD))} must stay unheard: leave them out of teaching")
    takes = [(sha, path, speed) for sha, path in utterances[["sha256", "path"]].to_numpy() for speed in speeds]

    def compute(rows: np.ndarray) -> dict[str, np.ndarray]:
        some = (takes[row] for row in rows)
        clips = [audio.clip_window(_played(path, speed), BACKBONE_RATE_HZ, 0, length_s) for _, path, speed in some]
        waves = np.stack([clip for clip, _ in clips])
        frames, n_frames = teacher.encode(waves, np.array([count for _, count in clips]))
        return {"waves": waves.astype(np.float16), "frames": frames.astype(np.float16), "n_frames": n_frames}

    describe = {
        "teacher": [teacher.fingerprint, list(teacher.layers)],
        "length_s": length_s,
        "code": code_version([audio, backbones]),
    }
    keys, by_speed = [[sha, speed] for sha, _, speed in takes], [speed for *_, speed in takes]
    arrays = cache.rows("teacher", keys, compute, describe, chunk=32, groups=by_speed)
    frames = standardised(arrays["frames"], arrays["n_frames"])
    return Speech(arrays["waves"], frames, arrays["n_frames"], utterances["speaker"].repeat(len(speeds)).to_numpy(str))


def _played(path: str, speed: float) -> np.ndarray:
    return audio.resample(audio.load_audio(path, BACKBONE_RATE_HZ), BACKBONE_RATE_HZ * speed, BACKBONE_RATE_HZ)


def standardised(frames: np.ndarray, n_frames: np.ndarray) -> np.ndarray:
    """Frames (n, T, D) with mean 0 and deviation 1 in every dimension, over those before the padding."""
    total, squares, count = 0.0, 0.0, int(n_frames.sum())
    for own, length in zip(frames, n_frames, strict=True):
        valid = own[:length].astype(np.float64)
        total, squares = total + valid.sum(axis=0), squares + (valid**2).sum(axis=0)
    mean = total / count
    deviation = np.sqrt(np.maximum(squares / count - mean**2, 1e-12))
    found = np.empty_like(frames, dtype=np.float16)
    for row, own in zip(found, frames, strict=True):
        row[:] = (own - mean) / deviation
    return found


class Lessons(Dataset):
    """Crops, corrupted for the student, with the teacher's frames of the same 20 ms; every draw has its own seed.

    A speaker is drawn in proportion to the square root of what there is of that speaker, then an utterance: else the
    one speaker of a large corpus would be heard more often than all those of a small one.

    Parameters
    ----------
    speech : Speech
    bank : NoiseBank or None
        Its *training* noises are used, beside the three colours; the colours alone without one.
    plan : Plan

    References
    ----------
    Conneau et al. (2020), XLSR, arXiv 2006.13979, section 2: the same with languages.
    """

    def __init__(self, speech: Speech, bank: NoiseBank | None, plan: Plan) -> None:
        self.speech, self.bank = speech, bank
        self.corruption, self.settings = plan.corruption, plan.settings
        speakers, counts = np.unique(speech.speakers, return_counts=True)
        self.shares = np.sqrt(counts) / np.sqrt(counts).sum()
        self.rows = [np.flatnonzero(speech.speakers == speaker) for speaker in speakers]
        recorded = bank.choices("train") if bank is not None else {}
        self.noises = {kind: [file for source in sources for file in source] for kind, sources in recorded.items()}

    def __len__(self) -> int:
        return self.settings.steps * self.settings.batch_size

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        rng = noise.generator(self.settings.seed, "lesson", index)
        row = int(rng.choice(self.rows[rng.choice(len(self.rows), p=self.shares)]))
        length = round(self.settings.crop_s * BACKBONE_RATE_HZ) // FRAME_SAMPLES
        start = int(rng.integers(max(1, int(self.speech.n_frames[row]) - length + 1)))
        samples = slice(start * FRAME_SAMPLES, (start + length) * FRAME_SAMPLES)
        wave = self.corrupted(self.speech.waves[row, samples].astype(np.float32), rng)
        targets = self.speech.frames[row, start : start + length].astype(np.float32)
        n_valid = min(length, int(self.speech.n_frames[row]) - start) * FRAME_SAMPLES
        return {
            "waves": torch.from_numpy(wave),
            "n_valid": torch.tensor(n_valid),
            "targets": torch.from_numpy(targets),
        }

    def corrupted(self, wave: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """What the student hears of a clean crop (N,)."""
        how = self.corruption
        if rng.random() < how.pitched:
            wave = noise.pitch_shift(wave, BACKBONE_RATE_HZ, rng.uniform(-how.semitones, how.semitones))
        if rng.random() < how.reverberant:
            wave = reverberant(wave, rng.uniform(*how.rt60_s), rng)
        if rng.random() < how.noisy and np.any(wave):
            added = self._noise(len(wave), rng)
            if np.any(added):
                wave = noise.mix_at_snr(wave, added, rng.uniform(*how.snr_db)).signal
        return (wave * 10 ** (rng.uniform(-how.level_db, how.level_db) / 20)).astype(np.float32)

    def _noise(self, n: int, rng: np.random.Generator) -> np.ndarray:
        kinds = [*noise.COLOURS, *self.noises]
        kind = kinds[rng.integers(len(kinds))]
        if kind in noise.COLOURS:
            return noise.COLOURS[kind](n, rng)
        _, recording, duration_s = self.noises[kind][rng.integers(len(self.noises[kind]))]
        offset_s = rng.uniform(0, max(0.0, duration_s - n / BACKBONE_RATE_HZ))
        return self.bank.segment(recording, offset_s, n, BACKBONE_RATE_HZ)


def teach(
    speech: Speech, bank: NoiseBank | None, folder: Path, plan: Plan, start: Backbone | None = None
) -> Wav2Vec2Model:
    """Teach a student, go on where a killed lesson stopped, or load the finished one.

    Parameters
    ----------
    speech : Speech
        From :func:`listen`, at the plan's speeds and to the plan's layers.
    bank : NoiseBank or None
    folder : Path
        Of this student alone; one taught otherwise is replaced.
    plan : Plan
    start : Backbone, optional
        As for :func:`untaught`.

    Returns
    -------
    transformers.Wav2Vec2Model
        In evaluation mode; ``folder/student`` holds it, ``folder/history.parquet`` its loss.
    """
    settings, student = plan.settings, untaught(plan, start)
    heard_sums = [len(speech.waves), str(speech.waves.sum(dtype=np.float64)), str(speech.frames.sum(dtype=np.float64))]
    noises = bank.fingerprint() if bank else ""
    code = code_version([noise, sys.modules[__name__]])
    key = digest([asdict(plan), student.fingerprint, heard_sums, noises, code])
    if training.prepared(folder, key):
        return Wav2Vec2Model.from_pretrained(folder / "student").eval()
    set_seed(settings.seed)
    lesson = Lesson(student, speech.frames.shape[-1])
    trainer = Trainer(
        model=lesson,
        args=_arguments(settings, folder),
        train_dataset=Lessons(speech, bank, plan),
        callbacks=[training.Bar(folder.name)],
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train(resume_from_checkpoint=get_last_checkpoint(str(folder)))
    encoder = student.encoder.cpu()
    # half the bytes; the configuration says float32, so that any loader computes in that
    encoder.save_pretrained(folder / "student", state_dict={k: v.half() for k, v in encoder.state_dict().items()})
    log = pd.DataFrame([entry for entry in trainer.state.log_history if "loss" in entry])[["step", "loss"]]
    with whole(folder / training.HISTORY) as temporary:
        log.to_parquet(temporary)
    return Wav2Vec2Model.from_pretrained(folder / "student").eval()


def _arguments(settings: Settings, folder: Path) -> TrainingArguments:
    return TrainingArguments(
        output_dir=str(folder),
        max_steps=settings.steps,
        per_device_train_batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        weight_decay=settings.weight_decay,
        warmup_steps=settings.warmup_fraction,
        lr_scheduler_type="linear",
        seed=settings.seed,
        data_seed=settings.seed,
        use_cpu=not torch.cuda.is_available(),
        bf16=True,  # half the memory traffic; weights and optimiser stay in float32
        save_steps=max(1, settings.steps // 20),
        save_total_limit=1,
        logging_steps=max(1, settings.steps // 40),
        remove_unused_columns=False,
        label_names=["targets"],
        dataloader_pin_memory=torch.cuda.is_available(),
        report_to="none",
        disable_tqdm=True,
    )
