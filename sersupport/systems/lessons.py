"""What a student encoder is taught with: speech, what its teacher hears in it, and how it is spoilt for the student."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import Dataset

from sersupport.core.cache import Cache, Rows
from sersupport.core.errors import UserError
from sersupport.core.keys import code_version
from sersupport.core.seeds import generator
from sersupport.corpora.conventions import parse
from sersupport.corpora.folds import STANDARD_FOLDS
from sersupport.inputs.encoders.encoder import ENCODER_RATE_HZ, Encoder
from sersupport.recipes.bank import NoiseBank
from sersupport.sound import audio
from sersupport.sound.audio import AudioError
from sersupport.sound.colours import COLOURS
from sersupport.sound.effects import pitch_shift, reverberant
from sersupport.sound.mixing import mix_at_snr

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

    Recordings of the corpora that it was taught with are known by their names, whatever corpus lists them.

    Parameters
    ----------
    utterances : pandas.DataFrame
        The utterance table.
    embedded : bool
        Whether it is of the embedded corpus, all of whose parts were used.
    """
    known = ~utterances["speaker"].isin(UNHEARD) if embedded else utterances["path"].map(_taught_with)
    return sorted(utterances.loc[known, "speaker"].unique())


def _taught_with(path: str) -> bool:
    for corpus in MINI_CORPORA:
        with suppress(AudioError):
            return parse(corpus, path).speaker not in UNHEARD
    return False


def listen(
    utterances: pd.DataFrame, teacher: Encoder, cache: Cache, speeds: Sequence[float] = (1.0,), length_s: float = 4.0
) -> Speech:
    """Let the teacher listen to every utterance once, clean.

    Parameters
    ----------
    utterances : pandas.DataFrame
        Utterance table; see :func:`heard`.
    teacher : Encoder
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

    def compute(_: tuple[str, ...], rows: np.ndarray) -> dict[str, dict[str, np.ndarray]]:
        some = (takes[row] for row in rows)
        clips = [audio.clip_window(_played(*take), ENCODER_RATE_HZ, 0, length_s) for take in some]
        waves = np.stack([clip for clip, _ in clips])
        (frames,), n_frames = teacher.encode(waves, np.array([count for _, count in clips]), [teacher.layers])
        heard = {"waves": waves.astype(np.float16), "frames": frames.astype(np.float16), "n_frames": n_frames}
        return {"teacher": heard}

    request = {
        "kind": "teacher",
        "teacher": [teacher.fingerprint, list(teacher.layers)],
        "length_s": length_s,
        "code": code_version("sound", "inputs"),
    }
    keys, by_speed = [[sha, speed] for sha, _, speed in takes], [speed for *_, speed in takes]
    rows = cache.fetch({"teacher": request}, keys, compute, by_speed, batch=32)["teacher"]
    n_frames = np.asarray(rows["n_frames"])
    frames = standardised(rows["frames"], n_frames)
    return Speech(np.asarray(rows["waves"]), frames, n_frames, utterances["speaker"].repeat(len(speeds)).to_numpy(str))


def _played(sha256: str, path: str, speed: float) -> np.ndarray:
    wave = audio.load_known(path, sha256, ENCODER_RATE_HZ)
    return audio.resample(wave, ENCODER_RATE_HZ * speed, ENCODER_RATE_HZ)


def standardised(frames: Rows | np.ndarray, n_frames: np.ndarray) -> np.ndarray:
    """Frames (n, T, D) with mean 0 and deviation 1 in every dimension, over those before the padding."""
    total, squares, count = 0.0, 0.0, int(n_frames.sum())
    for own, length in zip(frames, n_frames, strict=True):
        valid = own[:length].astype(np.float64)
        total, squares = total + valid.sum(axis=0), squares + (valid**2).sum(axis=0)
    mean = total / count
    deviation = np.sqrt(np.maximum(squares / count - mean**2, 1e-12))
    found = np.empty(frames.shape, np.float16)
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
    corruption : Corruption
    crop_s : float
        Length of the crops, whole frames of 20 ms.
    n : int
        Number of lessons.
    seed : int

    References
    ----------
    Conneau et al. (2020), XLSR, arXiv 2006.13979, section 2: the same with languages.
    """

    def __init__(
        self, speech: Speech, bank: NoiseBank | None, corruption: Corruption, crop_s: float, n: int, seed: int
    ) -> None:
        self.speech, self.bank, self.corruption = speech, bank, corruption
        self.n_frames, self.n, self.seed = round(crop_s * ENCODER_RATE_HZ) // FRAME_SAMPLES, n, seed
        speakers, counts = np.unique(speech.speakers, return_counts=True)
        self.shares = np.sqrt(counts) / np.sqrt(counts).sum()
        self.rows = [np.flatnonzero(speech.speakers == speaker) for speaker in speakers]
        recorded = bank.choices("train") if bank is not None else {}
        self.noises = {kind: [file for source in sources for file in source] for kind, sources in recorded.items()}

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        rng = generator(self.seed, "lesson", index)
        row = int(rng.choice(self.rows[rng.choice(len(self.rows), p=self.shares)]))
        length = self.n_frames
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
            wave = pitch_shift(wave, ENCODER_RATE_HZ, rng.uniform(-how.semitones, how.semitones))
        if rng.random() < how.reverberant:
            wave = reverberant(wave, rng.uniform(*how.rt60_s), rng, ENCODER_RATE_HZ)
        if rng.random() < how.noisy and np.any(wave):
            added = self._noise(len(wave), rng)
            if np.any(added):
                wave = mix_at_snr(wave, added, rng.uniform(*how.snr_db)).signal
        return (wave * 10 ** (rng.uniform(-how.level_db, how.level_db) / 20)).astype(np.float32)

    def _noise(self, n: int, rng: np.random.Generator) -> np.ndarray:
        kinds = [*COLOURS, *self.noises]
        kind = kinds[rng.integers(len(kinds))]
        if kind in COLOURS:
            return COLOURS[kind](n, rng)
        _, recording, duration_s = self.noises[kind][rng.integers(len(self.noises[kind]))]
        offset_s = rng.uniform(0, max(0.0, duration_s - n / ENCODER_RATE_HZ))
        return self.bank.segment(recording, offset_s, n, ENCODER_RATE_HZ)
