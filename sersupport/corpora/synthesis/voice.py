"""From a sentence to a performance: Praat's synthesiser, overlap-add, tilt, breath and level."""

import io
import json
import subprocess
import sys
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import parselmouth
import scipy.fft
import scipy.integrate
import scipy.ndimage
import soxr
from parselmouth.praat import call, run

from sersupport.corpora.synthesis.script import Speaker
from sersupport.sound.audio import RATE_HZ

PARTIAL = 0.4  # share of the emotion's strength outside the cue region
LIVELINESS = 1.4  # neutral F0 excursions relative to the synthesiser's, which are flat
GRID_S = 0.01
ACCENTS = {
    "gb": "English (Great Britain)", "us": "English (America)", "sc": "English (Scotland)",
    "la": "English (Lancaster)", "rp": "English (Received Pronunciation)", "wm": "English (West Midlands)",
}  # fmt: skip


class Take(NamedTuple):
    """Speech as the synthesiser gives it: samples at RATE_HZ (n,), and start and end of each word in seconds."""

    y: np.ndarray
    words: np.ndarray


def speak(jobs: list[tuple[str, str, int, str]]) -> list[Take]:
    """Speak (accent, voice, words per minute, text) jobs in order."""
    takes = []
    for accent, voice, words_per_minute, text in jobs:
        synthesizer = call("Create SpeechSynthesizer", ACCENTS[accent], voice)
        call(synthesizer, "Speech output settings", RATE_HZ, 0.01, 1.0, 1.0, words_per_minute, "IPA")
        grid, sound = call(synthesizer, "To Sound", text, "yes")
        tier = 3  # sentence, clause, word, phoneme
        intervals = range(1, call(grid, "Get number of intervals", tier) + 1)
        words = [
            (call(grid, "Get start time of interval", tier, i), call(grid, "Get end time of interval", tier, i))
            for i in intervals
            if call(grid, "Get label of interval", tier, i).strip()
        ]
        y = sound.as_array()[0]
        loud = np.flatnonzero(np.abs(y) > 0.01 * np.abs(y).max()) / RATE_HZ
        start_s, end_s = max(loud[0] - 0.02, 0.0), loud[-1] + 0.02
        inside = y[int(start_s * RATE_HZ) : int(end_s * RATE_HZ)]
        takes.append(Take(inside.astype(np.float32), np.clip(np.array(words), start_s, end_s) - start_s))
    return takes


def speak_afresh(jobs: list[tuple[str, str, int, str]]) -> list[Take]:
    """Speak jobs in a new process: the synthesiser keeps hidden state, so only a fresh one repeats byte for byte."""
    # not multiprocessing, which runs a caller's script a second time unless that is guarded
    command = [sys.executable, "-c", f"from {__name__} import _serve; _serve()"]
    spoken = subprocess.run(command, input=json.dumps(jobs).encode(), stdout=subprocess.PIPE, check=True)
    arrays = np.load(io.BytesIO(spoken.stdout))
    return [Take(arrays[f"y{i}"], arrays[f"words{i}"]) for i in range(len(jobs))]


def _serve() -> None:
    """Speak the jobs on standard input, as JSON; the takes go to standard output, as npz."""
    arrays = {}
    for i, take in enumerate(speak([tuple(job) for job in json.load(sys.stdin)])):
        arrays |= {f"y{i}": take.y, f"words{i}": take.words}
    np.savez(sys.stdout.buffer, **arrays)


def choose_cue(words: np.ndarray, rng: np.random.Generator) -> tuple[float, float]:
    """Choose the run of words, about 30 to 55 % of the phrase, that carries the emotion."""
    runs = [(a[0], b[1]) for i, a in enumerate(words) for b in words[i:]]
    share = np.array([end - start for start, end in runs]) / (words[-1, 1] - words[0, 0])
    fit = np.flatnonzero((share >= 0.3) & (share <= 0.55))
    return runs[rng.choice(fit) if len(fit) else int(np.argmin(np.abs(share - 0.42)))]


def _filter(y: np.ndarray, gain_db: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Apply a zero-phase gain over frequency (Hz) to y (n,)."""
    size = scipy.fft.next_fast_len(len(y), real=True)
    spectrum = scipy.fft.rfft(y, size) * 10 ** (gain_db(scipy.fft.rfftfreq(size, 1 / RATE_HZ)) / 20)
    return scipy.fft.irfft(spectrum, size)[: len(y)]


class Source(NamedTuple):
    """A take made ready for a speaker: Praat's manipulation, and F0 around its median where voiced."""

    manipulation: parselmouth.Data
    times_s: np.ndarray  # (T,), 10 ms apart
    voiced: np.ndarray  # (T,) bool
    own_st: np.ndarray  # (T,) semitones
    duration_s: float
    rate_hz: float


def prepare(take: Take, speaker: Speaker) -> Source:
    """Analyse a take, played faster or slower so that every formant moves by the speaker's ratio."""
    rate_hz = RATE_HZ * speaker.formant_ratio  # overlap-add takes the change of time and pitch back
    sound = parselmouth.Sound(take.y.astype(float), sampling_frequency=rate_hz)
    floor_hz, ceiling_hz = (60, 260) if speaker.sex == "M" else (100, 450)
    pitch = sound.to_pitch_ac(GRID_S, floor_hz, pitch_ceiling=ceiling_hz)
    f0_hz = pitch.selected_array["frequency"]
    voiced = f0_hz > 0
    own_st = np.where(voiced, 12 * np.log2(np.where(voiced, f0_hz, 1.0) / np.median(f0_hz[voiced])), 0.0)
    manipulation = call(sound, "To Manipulation", GRID_S, floor_hz, ceiling_hz)
    return Source(manipulation, pitch.xs(), voiced, own_st, sound.duration, rate_hz)


def _resynthesise(source: Source, f0_hz: np.ndarray, stretch: list[tuple[float, float]], seed: int) -> np.ndarray:
    """Overlap-add with F0 (T,) and (time, duration factor) points; return samples at RATE_HZ."""
    # One matrix for the whole contour: adding its points one by one costs more than everything else together.
    contour = parselmouth.Sound(np.where(source.voiced, f0_hz, 0.0), 1 / GRID_S, source.times_s[0] - GRID_S / 2)
    pitch_tier = call(call(call(contour, "Down to Matrix"), "To Pitch"), "Down to PitchTier")
    duration_tier = call("Create DurationTier", "stretch", 0.0, source.duration_s)
    for time_s, factor in stretch:
        call(duration_tier, "Add point", time_s, factor)
    call([source.manipulation, pitch_tier], "Replace pitch tier")
    call([source.manipulation, duration_tier], "Replace duration tier")
    run(f"random_initializeWithSeedUnsafelyButPredictably ({seed})")  # overlap-add draws on Praat's own generator
    try:
        said = call(source.manipulation, "Get resynthesis (overlap-add)")
    finally:
        run("random_initializeSafelyAndUnpredictably ()")  # as any other user of Praat in this process expects it
    return soxr.resample(said.as_array()[0], source.rate_hz, RATE_HZ, "HQ")


def perform(
    source: Source, speaker: Speaker, intent: np.ndarray, cue_s: tuple[float, float], rng: np.random.Generator
) -> tuple[np.ndarray, tuple[float, float]]:
    """Say a source with the intended prosody, full inside the cue; return samples (n,) and the cue's new place (s)."""
    f0_st, f0_range, end_st, rate, intensity_db, tilt, breath, jitter_st, tremor_st = intent
    start_s, end_s = (t / speaker.formant_ratio for t in cue_s)
    knots_s = np.array([start_s - 0.03, start_s + 0.03, end_s - 0.03, end_s + 0.03])
    knot_weights = np.array([PARTIAL, 1.0, 1.0, PARTIAL])
    knot_stretch = speaker.formant_ratio * 2 ** (-rate * knot_weights)

    times_s = source.times_s
    weight = np.interp(times_s, knots_s, knot_weights)
    wobble_st = jitter_st * rng.standard_normal(len(times_s))
    wobble_st += tremor_st * np.sin(2 * np.pi * (6 * times_s + rng.random()))
    end_ramp = (times_s / source.duration_s) ** 3  # a terminal inflection: mostly on the last words
    change_st = (f0_st + end_st * end_ramp + wobble_st) * weight
    contour_st = LIVELINESS * 2 ** (f0_range * weight) * source.own_st + change_st
    f0_hz = np.clip(speaker.f0_hz * 2 ** (contour_st / 12), 55.0, 580.0)
    y = _resynthesise(source, f0_hz, list(zip(knots_s, knot_stretch, strict=True)), seed=int(rng.integers(2**31)))

    grid_s = np.arange(0.0, source.duration_s + 0.005, 0.005)
    new_s = scipy.integrate.cumulative_trapezoid(np.interp(grid_s, knots_s, knot_stretch), grid_s, initial=0.0)
    weight = np.interp(np.interp(np.arange(len(y)) / RATE_HZ, new_s, grid_s), knots_s, knot_weights)
    tilted = _filter(y, lambda hz: tilt * np.log2(np.clip(hz, 500.0, 8000.0) / 500.0))
    y = y + weight * (tilted * np.std(y) / np.std(tilted) - y)
    aspiration = _filter(rng.standard_normal(len(y)), lambda hz: np.where(hz < 1000.0, -30.0, 0.0))
    envelope = np.sqrt(scipy.ndimage.uniform_filter1d(y**2, int(0.02 * RATE_HZ)))
    y = (y + breath * weight * envelope * aspiration) * 10 ** (intensity_db * weight / 20)
    return y, tuple(np.interp((start_s, end_s), grid_s, new_s))
