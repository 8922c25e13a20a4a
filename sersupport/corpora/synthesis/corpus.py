"""Writing the embedded corpus: recordings, file tree, cue table, manifest."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile as sf
from tqdm import tqdm

from sersupport.core.errors import UserError
from sersupport.core.keys import code_version
from sersupport.core.made import made
from sersupport.core.seeds import generator
from sersupport.corpora.synthesis.rules import intent
from sersupport.corpora.synthesis.script import SPEAKERS, Item, items
from sersupport.corpora.synthesis.voice import choose_cue, perform, prepare, speak_afresh
from sersupport.sound.audio import RATE_HZ

_LEAD_S = {"ravdess": (0.6, 1.0), "cremad": (0.25, 0.5), "tess": (0.1, 0.25), "savee": (0.15, 0.35)}


def _record(y: np.ndarray, corpus: str, reference: float, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """Put speech into a recording: level, silence around it, a noise floor; return samples and the lead (s)."""
    lead_s = rng.uniform(*_LEAD_S[corpus])
    trail_s = max(rng.uniform(0.2, 0.5), 2.0 - lead_s - len(y) / RATE_HZ)
    fade = np.minimum(1.0, np.minimum(np.arange(len(y)), np.arange(len(y))[::-1]) / (0.01 * RATE_HZ))
    y = y * fade * 10 ** ((-27.0 + rng.normal(0.0, 1.0)) / 20) / reference
    y = np.pad(y, (round(lead_s * RATE_HZ), round(trail_s * RATE_HZ)))
    y += 10 ** (-66 / 20) * rng.standard_normal(len(y))
    return y * min(1.0, 0.98 / np.abs(y).max()), lead_s


def make_corpus(folder: str | os.PathLike[str], seed: int = 0, scale: float = 1.0) -> Path:
    """Write the embedded corpus under the names of RAVDESS, CREMA-D, TESS and SAVEE, and where its cues are.

    Parameters
    ----------
    folder : path
        Gets ``ravdess/Actor_NN/``, ``cremad/``, ``tess/``, ``savee/`` (mono 16-bit wav, 22,050 Hz, 2 to 5 s),
        ``cues.csv`` and ``synthesis.json``. A complete corpus of the same settings is left as it is.
    seed : int
        An utterance's bytes depend on the seed and its own name only, on one machine.
    scale : float
        Factor on the number of utterances a speaker and emotion, at least one each; 1.0 gives 508 by 20 speakers.

    Returns
    -------
    Path
        The folder. ``cues.csv`` has the columns id (``corpus/stem``), start_s, end_s: the stretch of the file in
        which the emotion has its full strength (elsewhere: ``PARTIAL``). Neutral and calm have no cue and no row.

    Raises
    ------
    UserError
        If `scale` is not positive, or the folder holds such subfolders that were not made here.
    """
    if not scale > 0:
        raise UserError(f"scale is {scale}, must be positive: 1.0 gives 508 utterances, 0.25 about 150")

    def write(empty: Path) -> None:
        # Every text that any scale can ask for is spoken, in one order, so that bytes do not depend on the scale.
        jobs = [
            (s.accent, s.voice, s.words_per_minute, text)
            for s in SPEAKERS
            for text in dict.fromkeys(item.text for item in items(s, 100.0))
        ]
        takes = dict(zip(jobs, speak_afresh(jobs), strict=True))
        due: list[Item] = [item for speaker in SPEAKERS for item in items(speaker, scale)]
        cues, sources = [], {}
        for item in tqdm(due, desc="embedded corpus", unit="utterance", leave=False):
            speaker, key = item.speaker, f"{item.speaker.corpus}/{item.stem}"
            rng = generator(seed, key, wide=True)
            take = takes[speaker.accent, speaker.voice, speaker.words_per_minute, item.text]
            if (speaker, item.text) not in sources:
                sources[speaker, item.text] = prepare(take, speaker)
            chosen, cue_s = intent(item, seed, rng), choose_cue(take.words, rng)
            y, cue_s = perform(sources[speaker, item.text], speaker, chosen, cue_s, rng)
            y, lead_s = _record(y, speaker.corpus, float(np.std(take.y)), rng)
            beside = f"Actor_{speaker.code}" if speaker.corpus == "ravdess" else ""
            path = empty / speaker.corpus / beside / f"{item.stem}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            sf.write(path, y, RATE_HZ, subtype="PCM_16")
            if item.emotion not in ("neutral", "calm"):
                cues.append((key, lead_s + cue_s[0], lead_s + cue_s[1]))
        pd.DataFrame(cues, columns=["id", "start_s", "end_s"]).round(4).to_csv(empty / "cues.csv", index=False)

    names = [*dict.fromkeys(speaker.corpus for speaker in SPEAKERS), "cues.csv"]
    settings = {"seed": seed, "scale": scale, "code": code_version("core", "sound", "corpora/synthesis")}
    return made(Path(folder), names, "synthesis.json", settings, write)
