"""Distilling a pretrained encoder into a small Wav2Vec 2.0 that hears noise: its teacher listens to clean speech."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
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

FRAME_SAMPLES = 320  # 20 ms at 16 kHz, of teacher and student alike
UNHEARD = ("01", "04", "10", "11", "12", "14", "20", "21")  # RAVDESS's standard folds 1 and 2: never for teaching


@dataclass(frozen=True)
class Shape:
    """Size of the student, a :class:`transformers.Wav2Vec2Model` with layer-normalised convolutions.

    Parameters
    ----------
    channels : int
        Of each of the seven convolutions.
    hidden, layers, heads : int
        Of the transformer; its inner layers are four times as wide as ``hidden``.
    positional_kernel : int
        Of the convolution that stands for positions.
    """

    channels: int = 128
    hidden: int = 256
    layers: int = 4
    heads: int = 4
    positional_kernel: int = 31


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

    noisy: float = 0.5
    pitched: float = 0.0
    reverberant: float = 0.0
    snr_db: tuple[float, float] = (0.0, 20.0)
    semitones: float = 1.0
    rt60_s: tuple[float, float] = (0.1, 0.6)
    level_db: float = 6.0


@dataclass(frozen=True)
class Settings:
    """How to teach.

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
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    warmup_fraction: float = 0.07
    seed: int = 0


def student_config(shape: Shape) -> Wav2Vec2Config:
    """Configuration of a student that plain ``Wav2Vec2Model.from_pretrained`` loads."""
    return Wav2Vec2Config(
        hidden_size=shape.hidden,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        intermediate_size=4 * shape.hidden,
        conv_dim=(shape.channels,) * 7,
        feat_extract_norm="layer",
        num_conv_pos_embeddings=shape.positional_kernel,
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
    shape : Shape
    target_dim : int
        Dimension of the teacher's frames.

    References
    ----------
    Chang, Yang and Lee (2022), DistilHuBERT, arXiv 2110.01900, equation 1 and Fig. 1, with one prediction head for
    the mean of several layers. Clean targets for noisy input: Wang et al. (2022), Improving noise robustness of
    contrastive speech representation learning with speech reconstruction, arXiv 2110.15430.
    """

    def __init__(self, shape: Shape, target_dim: int) -> None:
        super().__init__()
        self.student = Backbone(Wav2Vec2Model(student_config(shape)), [-1])
        self.head = nn.Linear(shape.hidden, target_dim)

    def forward(self, waves: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """Loss of crops (B, N) against standardised teacher frames (B, T, D)."""
        lengths = torch.full((len(waves),), waves.shape[1], device=waves.device)
        frames, _ = self.student(waves, lengths)
        return {"loss": distillation_loss(self.head(frames), targets[:, : frames.shape[1]])}


def distillation_loss(predicted: Tensor, target: Tensor) -> Tensor:
    """Mean over frames of L1 distance (a dimension) minus the log-sigmoid of the cosine; both (B, T, D)."""
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
    """

    waves: np.ndarray
    frames: np.ndarray
    n_frames: np.ndarray


def heard(utterances: pd.DataFrame) -> pd.DataFrame:
    """The utterances that may be used for teaching: none of RAVDESS's actors of the standard folds 1 and 2."""
    kept_back = utterances["speaker"].isin([f"ravdess-{code}" for code in UNHEARD])
    return utterances[~kept_back].reset_index(drop=True)


def listen(utterances: pd.DataFrame, teacher: Backbone, cache: Cache, length_s: float = 5.0) -> Speech:
    """Let the teacher listen to every utterance once, clean.

    Parameters
    ----------
    utterances : pandas.DataFrame
        Utterance table; see :func:`heard`.
    teacher : Backbone
        Any encoder with frames of 20 ms.
    cache : Cache
    length_s : float
        Utterances are cut or padded to this length.

    Raises
    ------
    UserError
        If an utterance is of an actor who must stay unheard.
    """
    if len(heard(utterances)) < len(utterances):
        raise UserError("RAVDESS's actors of the standard folds 1 and 2 must stay unheard: leave them out of teaching")
    paths = utterances["path"].tolist()

    def compute(rows: slice) -> dict[str, np.ndarray]:
        clips = [audio.clip_window(audio.load_audio(path, BACKBONE_RATE_HZ), BACKBONE_RATE_HZ, 0, length_s)
                 for path in paths[rows]]  # fmt: skip
        waves, n_valid = np.stack([clip for clip, _ in clips]), torch.tensor([count for _, count in clips])
        with torch.inference_mode():
            frames, mask = teacher(torch.from_numpy(waves), n_valid)
        return {
            "waves": waves.astype(np.float16),
            "frames": frames.numpy().astype(np.float16),
            "n_frames": mask.sum(dim=1).numpy(),
        }

    describe = {
        "teacher": [teacher.fingerprint, list(teacher.layers)],
        "length_s": length_s,
        "code": code_version([audio, backbones]),
    }
    arrays = cache.rows("teacher", utterances["sha256"].tolist(), compute, describe, chunk=32)
    return Speech(arrays["waves"], standardised(arrays["frames"], arrays["n_frames"]), arrays["n_frames"])


def standardised(frames: np.ndarray, n_frames: np.ndarray) -> np.ndarray:
    """Frames (n, T, D) with mean 0 and deviation 1 in every dimension, over those before the padding."""
    total, squares, count = 0.0, 0.0, int(n_frames.sum())
    for own, length in zip(frames, n_frames, strict=True):
        valid = own[:length].astype(np.float64)
        total, squares = total + valid.sum(axis=0), squares + (valid**2).sum(axis=0)
    mean = total / count
    deviation = np.sqrt(np.maximum(squares / count - mean**2, 1e-12))
    return ((frames - mean.astype(np.float32)) / deviation.astype(np.float32)).astype(np.float16)


class Lessons(Dataset):
    """Crops, corrupted for the student, with the teacher's frames of the same 20 ms; every draw has its own seed.

    Parameters
    ----------
    speech : Speech
    bank : NoiseBank or None
        Its *training* noises are used, beside the three colours; the colours alone without one.
    corruption : Corruption
    settings : Settings
        ``steps`` times ``batch_size`` lessons, ``crop_s`` and ``seed`` are used.
    """

    def __init__(self, speech: Speech, bank: NoiseBank | None, corruption: Corruption, settings: Settings) -> None:
        self.speech, self.corruption, self.settings = speech, corruption, settings
        self.bank = bank
        recorded = bank.choices("train") if bank is not None else {}
        self.noises = {kind: [file for source in sources for file in source] for kind, sources in recorded.items()}

    def __len__(self) -> int:
        return self.settings.steps * self.settings.batch_size

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        rng = noise.generator(self.settings.seed, "lesson", index)
        row = int(rng.integers(len(self.speech.waves)))
        length = round(self.settings.crop_s * BACKBONE_RATE_HZ) // FRAME_SAMPLES
        start = int(rng.integers(max(1, int(self.speech.n_frames[row]) - length + 1)))
        samples = slice(start * FRAME_SAMPLES, (start + length) * FRAME_SAMPLES)
        wave = self.corrupted(self.speech.waves[row, samples].astype(np.float32), rng)
        targets = self.speech.frames[row, start : start + length].astype(np.float32)
        return {"waves": torch.from_numpy(wave), "targets": torch.from_numpy(targets)}

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
    speech: Speech,
    bank: NoiseBank | None,
    folder: Path,
    shape: Shape | None = None,
    corruption: Corruption | None = None,
    settings: Settings | None = None,
) -> Wav2Vec2Model:
    """Teach a student, go on where a killed lesson stopped, or load the finished one.

    Parameters
    ----------
    speech : Speech
        From :func:`listen`.
    bank : NoiseBank or None
    folder : Path
        Of this student alone; one taught otherwise is replaced.
    shape, corruption, settings
        Defaults where left out.

    Returns
    -------
    transformers.Wav2Vec2Model
        In evaluation mode; ``folder/student`` holds it, ``folder/history.parquet`` its loss.
    """
    shape, corruption, settings = shape or Shape(), corruption or Corruption(), settings or Settings()
    key = digest([asdict(shape), asdict(corruption), asdict(settings), len(speech.waves),
                  str(speech.frames.sum(dtype=np.float64)), bank.fingerprint() if bank else ""])  # fmt: skip
    if training.prepared(folder, key):
        return Wav2Vec2Model.from_pretrained(folder / "student").eval()
    set_seed(settings.seed)
    lesson = Lesson(shape, speech.frames.shape[-1])
    trainer = Trainer(
        model=lesson,
        args=_arguments(settings, folder),
        train_dataset=Lessons(speech, bank, corruption, settings),
        callbacks=[training.Bar(folder.name)],
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train(resume_from_checkpoint=get_last_checkpoint(str(folder)))
    student = lesson.student.encoder.cpu().eval()
    # half the bytes; the configuration says float32, so that any loader computes in that
    student.save_pretrained(folder / "student", state_dict={k: v.half() for k, v in student.state_dict().items()})
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


def frozen_features(encoder: Backbone, waves: Sequence[np.ndarray]) -> np.ndarray:
    """Mean over time of an encoder's frames, shape (n, D), for clips at 16 kHz of any length."""
    rows = []
    with torch.inference_mode():
        for wave in waves:
            frames, mask = encoder(torch.from_numpy(wave)[None], torch.tensor([len(wave)]))
            rows.append(frames[0, mask[0]].mean(dim=0).numpy())
    return np.stack(rows)
