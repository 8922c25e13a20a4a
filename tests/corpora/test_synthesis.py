"""sersupport.corpora.synthesis: names by convention, measured prosody, cue positions, same bytes, noise spectra."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.ndimage
import scipy.signal
import soundfile as sf
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import wilcoxon
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sersupport.core.errors import UserError
from sersupport.core.seeds import generator
from sersupport.corpora.synthesis import (
    PARTIAL,
    RULE_DIRECTIONS,
    RULES,
    SPEAKERS,
    make_corpus,
    make_noises,
    noises,
)
from sersupport.corpora.synthesis.voice import Take, choose_cue, perform, prepare
from sersupport.sound.audio import RATE_HZ
from sersupport.sound.prosody import measure_prosody, relative_to_neutral

# The published conventions, written out again here: the corpora's readers are tested elsewhere.
CONVENTIONS = {
    "ravdess": r"Actor_(?P<speaker>\d\d)/03-01-(?P<emotion>0[1-8])-0[12]-0[12]-0[12]-(?P=speaker)",
    "cremad": r"(?P<speaker>10\d\d|11[0-9]\d)_[A-Z]{3}_(?P<emotion>ANG|DIS|FEA|HAP|NEU|SAD)_(LO|MD|HI|XX)",
    "tess": r"(?P<speaker>OAF|YAF)_[a-z]+_(?P<emotion>angry|disgust|fear|happy|neutral|ps|sad)",
    "savee": r"(?P<speaker>DC|JE|JK|KL)_(?P<emotion>a|d|f|h|n|sa|su)\d\d",
}
CODES = {
    "01": "neutral", "02": "neutral", "03": "happy", "04": "sad", "05": "angry", "06": "fear", "07": "disgust",
    "08": "surprise", "ANG": "angry", "DIS": "disgust", "FEA": "fear", "HAP": "happy", "NEU": "neutral", "SAD": "sad",
    "ps": "surprise", "a": "angry", "d": "disgust", "f": "fear", "h": "happy", "n": "neutral", "sa": "sad",
    "su": "surprise",
}  # fmt: skip
QUANTITIES = ["f0_mean_hz", "f0_range_semitones", "rate_syllables_per_s", "intensity_db"]


def digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*.wav"))
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return make_corpus(tmp_path_factory.mktemp("embedded"), scale=0.5)


@pytest.fixture(scope="module")
def utterances(folder) -> pd.DataFrame:
    """One row a file: what its name says, its length, its prosody."""
    rows = []
    for path in sorted(folder.rglob("*.wav")):
        corpus, name = path.relative_to(folder).with_suffix("").as_posix().split("/", 1)
        fields = re.fullmatch(CONVENTIONS[corpus], name)
        assert fields, f"{corpus}: {name} is not named by its convention"
        y, rate_hz = sf.read(path)
        emotion = CODES.get(fields["emotion"], fields["emotion"])
        rows.append(
            {
                "id": f"{corpus}/{path.stem}",
                "path": path,
                "corpus": corpus,
                "code": fields["speaker"],
                "emotion": emotion,
                "duration_s": len(y) / rate_hz,
                **measure_prosody(y, rate_hz),
            }
        )
    table = pd.DataFrame(rows)
    return table.assign(speaker=table["corpus"] + "-" + table["code"])


@pytest.fixture(scope="module")
def cues(folder) -> pd.DataFrame:
    return pd.read_csv(folder / "cues.csv")


def test_corpus_has_its_speakers_and_all_classes(utterances):
    assert utterances["id"].is_unique
    assert set(utterances["speaker"]) == {f"{s.corpus}-{s.code}" for s in SPEAKERS}
    assert utterances["speaker"].nunique() >= 16
    classes = utterances.groupby("speaker")["emotion"].agg(set)
    for speaker, found in classes.items():
        assert found == set(RULES) - ({"surprise"} if speaker.startswith("cremad") else set()), speaker
    for speaker in SPEAKERS:
        if speaker.corpus == "ravdess":
            assert speaker.sex == ("M" if int(speaker.code) % 2 else "F")
    assert {s.sex for s in SPEAKERS} == {"F", "M"}
    assert len({(s.voice, s.f0_hz, s.formant_ratio) for s in SPEAKERS}) == len(SPEAKERS)


def test_files_are_mono_16_bit_of_plausible_length(folder, utterances):
    for path in utterances["path"]:
        found = sf.info(path)
        assert (found.samplerate, found.channels, found.subtype) == (RATE_HZ, 1, "PCM_16")
    assert utterances["duration_s"].between(1.99, 6.0).all()
    assert 2.2 < utterances["duration_s"].mean() < 3.7


def test_ravdess_names_have_long_near_silent_leads(utterances):
    leads_s = {}
    for corpus in ("ravdess", "tess"):
        chosen = utterances[utterances["corpus"] == corpus].head(16)
        onsets = []
        for path in chosen["path"]:
            y = sf.read(path)[0]
            onsets.append(np.flatnonzero(np.abs(y) > 0.05 * np.abs(y).max())[0] / RATE_HZ)
            assert np.std(y[: round(0.05 * RATE_HZ)]) < 10 ** (-60 / 20)
        leads_s[corpus] = np.array(onsets)
    assert (leads_s["ravdess"] > 0.58).all() and leads_s["ravdess"].mean() < 1.1
    assert (leads_s["tess"] < 0.4).all()


@pytest.mark.parametrize("emotion", RULE_DIRECTIONS)
def test_prosody_moves_as_published(utterances, emotion):
    means = utterances.groupby(["speaker", "emotion"])[QUANTITIES].mean()
    change = relative_to_neutral(means).xs(emotion, level="emotion")
    for quantity, sign in RULE_DIRECTIONS[emotion].items():
        if sign:
            p = wilcoxon(sign * change[quantity], alternative="greater").pvalue
            assert p < 0.01, f"{quantity}: mean change {change[quantity].mean():+.2f} over speakers, p = {p:.3f}"
        else:
            assert abs(change[quantity].mean()) < 1.5, quantity  # dB: "normal", and a just noticeable step is 1 dB


def test_classes_overlap_but_can_be_told_apart(utterances):
    """Four prosodic figures do far better than chance (0.14) on unseen speakers and leave clear confusions."""
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    relative = utterances[QUANTITIES] - utterances.groupby("speaker")[QUANTITIES].transform("mean")
    scores = cross_val_score(model, relative, utterances["emotion"], groups=utterances["speaker"], cv=GroupKFold(5))
    assert 0.35 < scores.mean() < 0.85


def test_a_script_without_a_main_guard_can_make_it(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "from sersupport.corpora import synthesis\nsynthesis.make_corpus('made', scale=0.05)\nprint('once')\n"
    )
    done = subprocess.run([sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "once\n"), done.stderr[-500:]


def test_every_emotional_utterance_has_one_cue_inside_its_file(utterances, cues):
    assert list(cues.columns) == ["id", "start_s", "end_s"]
    assert cues["id"].is_unique
    assert set(cues["id"]) == set(utterances.loc[utterances["emotion"] != "neutral", "id"])
    both = cues.merge(utterances, on="id")
    assert (both["start_s"] >= 0).all() and (both["end_s"] <= both["duration_s"]).all()
    assert (both["end_s"] - both["start_s"]).between(0.15, 2.5).all()


def test_emotion_is_strongest_inside_the_cue(utterances, cues):
    """Anger is louder inside its cue than outside, sadness quieter; the place of the cue is random."""
    both = cues.merge(utterances, on="id")
    gaps_db = {}
    for emotion in ("angry", "sad"):
        gaps = []
        for row in both[both["emotion"] == emotion].itertuples():
            y = sf.read(row.path)[0]
            frames = np.lib.stride_tricks.sliding_window_view(y, 551)[::220]
            level_db = 10 * np.log10(np.mean(frames**2, axis=1) + 1e-12)
            time_s = (np.arange(len(level_db)) * 220 + 275) / RATE_HZ
            inside = (time_s >= row.start_s) & (time_s <= row.end_s)
            loud = level_db > level_db.max() - 25
            gaps.append(level_db[inside & loud].mean() - level_db[~inside & loud].mean())
        gaps_db[emotion] = np.array(gaps)
    assert gaps_db["angry"].mean() > 1.0 and gaps_db["sad"].mean() < -0.5
    assert gaps_db["angry"].mean() - gaps_db["sad"].mean() > 3.0


@pytest.mark.parametrize("rate_log2", [-0.5, 0.0, 0.4])
@pytest.mark.parametrize("speaker", [SPEAKERS[3], SPEAKERS[4]], ids=lambda s: f"{s.corpus}-{s.code}")
def test_cue_times_follow_the_change_of_rate(speaker, rate_log2):
    """Short gaps cut into a buzz at the ends of the cue come out where the cue is said to be."""
    cue_s, f0_hz = (0.5, 1.0), 110 if speaker.sex == "M" else 200
    time_s = np.arange(round(1.5 * RATE_HZ)) / RATE_HZ
    buzz = 0.3 * scipy.signal.sawtooth(2 * np.pi * f0_hz * time_s)
    for edge_s in cue_s:
        buzz[np.abs(time_s - edge_s) < 0.03] = 0.0
    source = prepare(Take(buzz.astype(np.float32), np.array([[0, 0.5], [0.5, 1.0], [1.0, 1.5]])), speaker)
    intent = np.array([0, 0, 0, rate_log2, 0, 0, 0, 0, 0], dtype=float)
    y, placed_s = perform(source, speaker, intent, cue_s, np.random.default_rng(0))

    expected_s = 0.5 * 2**-rate_log2 + 2 * 0.5 * 2 ** (-rate_log2 * PARTIAL)
    assert len(y) / RATE_HZ == pytest.approx(expected_s, abs=0.02)
    level = np.sqrt(scipy.ndimage.uniform_filter1d(y**2, round(0.02 * RATE_HZ)))
    quiet_s = np.flatnonzero(level < 0.3 * np.median(level)) / RATE_HZ
    quiet_s = quiet_s[(quiet_s > 0.1) & (quiet_s < len(y) / RATE_HZ - 0.1)]
    first, second = quiet_s[quiet_s < np.mean(placed_s)], quiet_s[quiet_s >= np.mean(placed_s)]
    assert [(g.min() + g.max()) / 2 for g in (first, second)] == pytest.approx(placed_s, abs=0.02)


@given(st.lists(st.tuples(st.floats(0.05, 0.8), st.floats(0.0, 0.1)), min_size=1, max_size=9), st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_cues_are_runs_of_words(lengths, seed):
    ends = np.cumsum([gap + length for length, gap in lengths])
    words = np.column_stack([ends - [length for length, _ in lengths], ends])
    start_s, end_s = choose_cue(words, np.random.default_rng(seed))
    assert start_s in words[:, 0] and end_s in words[:, 1] and start_s < end_s
    phrase_s = words[-1, 1] - words[0, 0]
    shares = [(b - a) / phrase_s for i, a in enumerate(words[:, 0]) for b in words[i:, 1]]
    if any(0.3 <= share <= 0.55 for share in shares):
        assert 0.3 - 1e-9 <= (end_s - start_s) / phrase_s <= 0.55 + 1e-9


def test_bytes_depend_on_seed_and_name_only(folder, tmp_path):
    """Another process, another hash seed, fewer utterances in a different order: the same files; another seed: not."""
    script = "import sys; from sersupport.corpora.synthesis import make_corpus as m; m(sys.argv[1], 0, 0.05)"
    environment = {**os.environ, "PYTHONHASHSEED": "17"}
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True, env=environment)
    small, large = digests(tmp_path), digests(folder)
    assert len(small) >= 100 and small.items() <= large.items()
    cues = [pd.read_csv(root / "cues.csv", index_col="id") for root in (tmp_path, folder)]
    pd.testing.assert_frame_equal(cues[0], cues[1].loc[cues[0].index])
    draws = [generator(seed, "ravdess/03-01-05-01-01-01-01", wide=True).random() for seed in (0, 0, 1)]
    assert draws[0] == draws[1] != draws[2]


def test_complete_corpus_is_left_alone_and_foreign_files_too(folder, tmp_path):
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    assert make_corpus(folder, scale=0.5) == folder
    assert before == {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}

    recording = tmp_path / "ravdess" / "mine.wav"
    recording.parent.mkdir()
    recording.write_bytes(b"a real corpus")
    with pytest.raises(UserError, match="not made here"):
        make_corpus(tmp_path)
    assert recording.read_bytes() == b"a real corpus"
    assert [path.name for path in tmp_path.iterdir()] == ["ravdess"]


@pytest.mark.parametrize("scale", [0, -1.0, float("nan")])
def test_scale_must_be_positive(tmp_path, scale):
    with pytest.raises(UserError, match="scale"):
        make_corpus(tmp_path, scale=scale)


@pytest.fixture(scope="module")
def noise_folder(tmp_path_factory) -> Path:
    return make_noises(tmp_path_factory.mktemp("noises"))


@pytest.fixture(scope="module")
def spectra(noise_folder) -> dict[str, list[tuple[np.ndarray, np.ndarray]]]:
    """Power spectra (Welch) of every file, by type."""
    found: dict[str, list] = {}
    for path in sorted((noise_folder / "noise").glob("*/*/*.wav")):
        y, rate_hz = sf.read(path)
        assert rate_hz == RATE_HZ and y.ndim == 1 and 4 <= len(y) / rate_hz <= 8
        assert 0.3 < np.abs(y).max() < 1 and np.std(y) > 0.01
        found.setdefault(path.parent.name, []).append(scipy.signal.welch(y, rate_hz, nperseg=4096))
    return found


def share_between(spectrum: tuple[np.ndarray, np.ndarray], low_hz: float, high_hz: float) -> float:
    hz, power = spectrum
    return power[(hz >= low_hz) & (hz < high_hz)].sum() / power.sum()


def test_noises_have_several_sources_that_train_and_test_do_not_share(noise_folder, spectra):
    assert set(spectra) == {"fish_market", "railway_engine", "children_playing", "babble"}
    files = digests(noise_folder)
    assert len(set(files.values())) == len(files)
    assert not [name for name in files if name.startswith("noise/embedded-train/babble")]
    for kind in set(spectra) - {"babble"}:
        for collection in ("embedded-train", "embedded-test"):
            assert sum(name.startswith(f"noise/{collection}/{kind}/") for name in files) >= 2
    train, test = (set(noises._VOICES[collection]) for collection in ("embedded-train", "embedded-test"))
    assert not {voice for _, voice in train} & {voice for _, voice in test}
    assert not {accent for accent, _ in train} & {accent for accent, _ in test}


def test_noise_spectra_are_those_of_their_places(spectra):
    """Rumble lies low; voices lie in the speech band; children lie above a market's adults."""
    for spectrum in spectra["railway_engine"]:
        assert share_between(spectrum, 0, 500) > 0.8
    for kind in ("fish_market", "children_playing"):
        for spectrum in spectra[kind]:
            assert share_between(spectrum, 100, 6000) > 0.8
            assert share_between(spectrum, 0, 500) < 0.8
    below_200 = {kind: np.mean([share_between(s, 0, 200) for s in spectra[kind]]) for kind in spectra}
    assert below_200["children_playing"] < below_200["fish_market"] < below_200["railway_engine"]


def test_an_incomplete_set_of_noises_is_made_again_byte_for_byte(noise_folder, tmp_path):
    whole = digests(noise_folder)
    copy = shutil.copytree(noise_folder, tmp_path / "copy")
    (copy / next(iter(whole))).unlink()
    assert digests(make_noises(copy)) == whole
