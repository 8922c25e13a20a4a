"""Babble: voices of corpora that a run does not use, talking at once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile as sf

from sersupport.core.errors import UserError
from sersupport.core.keys import code_version, digest
from sersupport.core.made import made
from sersupport.core.seeds import generator
from sersupport.corpora.conventions import CORPORA
from sersupport.corpora.reading import audio_files
from sersupport.recipes.bank import NoiseBank, noise_files
from sersupport.sound.audio import RATE_HZ, AudioError, load_audio
from sersupport.sound.textures import add_wrapped

BABBLE = "babble"
COLLECTION = "other-corpora"
FILES, VOICES, SOURCES, LENGTH_S = 96, 8, 8, 6.0


def is_to_be_made(folder: Path, unheard: Sequence[str]) -> bool:
    """Whether babble is asked for and nobody recorded any below a folder of noises."""
    return BABBLE in unheard and not noise_files(folder, [BABBLE])


def voices(data_dir: Path, corpora: Sequence[str]) -> list[Path]:
    """Recordings of known corpora in a folder that a run does not use: a draw of them, always the same.

    Raises
    ------
    UserError
        If the folder has none.
    """
    others = [name for name in CORPORA if name not in corpora]
    try:
        found = audio_files(data_dir, others)
    except UserError:
        raise UserError(
            f"{data_dir}: babble is made of other corpora's speech, and there is none; add a corpus, record"
            f" noise/<collection>/{BABBLE}/*, or take {BABBLE} out of unheard_noises"
        ) from None
    return sorted(found, key=lambda path: digest([BABBLE, path.relative_to(data_dir).as_posix()]))[:FILES]


def babble_bank(folder: Path, data_dir: Path, corpora: Sequence[str], seed: int) -> NoiseBank:
    """A bank of babble for testing, made of :func:`voices` where it is not there yet.

    Parameters
    ----------
    folder : Path
        Gets a folder for each choice of voices.
    data_dir, corpora
        As for :func:`voices`.
    seed : int
    """
    files = voices(data_dir, corpora)
    stamps = [[path.relative_to(data_dir).as_posix(), path.stat().st_mtime_ns, path.stat().st_size] for path in files]

    def write(empty: Path) -> None:
        heard = []
        for path in files:
            try:
                wave = load_audio(path)
            except AudioError:
                continue  # what cannot be read says nothing
            heard.append(wave / max(float(np.std(wave)), 1e-9))
        for number in range(SOURCES):
            rng, total = generator(seed, BABBLE, number, wide=True), np.zeros(round(LENGTH_S * RATE_HZ))
            for voice in range(VOICES):
                start = rng.integers(len(total))
                for index in rng.choice(len(heard), 2):  # one after the other, so that nobody falls silent
                    add_wrapped(total, heard[index][: len(total) // 2], start + voice)
                    start += len(total) // 2
            path = empty / "noise" / COLLECTION / BABBLE / f"{BABBLE}-{number}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            sf.write(path, 0.9 * total / np.abs(total).max(), RATE_HZ, subtype="PCM_16")

    settings = {"files": stamps, "seed": seed, "code": code_version("core", "sound", "recipes")}
    found = made(folder / digest(settings), ["noise"], "babble.json", settings, write)
    return NoiseBank.from_folder(found / "noise", [COLLECTION], (), [BABBLE])
