"""Noise: spectra, measured peaks and SNRs, the bank's partition, and recipes that hang on their key alone."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import librosa
import numpy as np
import pandas as pd
import pytest
import soundfile as sf
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import periodogram

from sersupport import UserError, audio, noise

RATE_HZ = 22_050
N = 55_125  # 2.5 s
LEVELS = [0.25, 0.5, 0.75]

seeds = st.integers(0, 2**32)
levels = st.floats(1e-3, 2)
gains = st.floats(1e-3, 1e3)


def two(seed: int, n: int = 400) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return 0.3 * rng.standard_normal(n), 5 * rng.laplace(size=n)


def speech_like(seed: int = 0, n: int = N) -> np.ndarray:
    """A buzz in syllables after 0.5 s of near-silence."""
    t = np.arange(n) / RATE_HZ
    buzz = sum(np.sin(2 * np.pi * 150 * k * t) / k for k in range(1, 20))
    syllables = np.clip(np.sin(2 * np.pi * 3 * t), 0, None) * (t > 0.5)
    return (0.1 * buzz * syllables + 1e-4 * np.random.default_rng(seed).standard_normal(n)).astype(np.float32)


def utterances(*names: str) -> pd.DataFrame:
    return pd.DataFrame({"id": [f"ravdess/{name}" for name in names]})


MANY = utterances(*(f"u{i:03d}" for i in range(200)))


# --- colours


@pytest.mark.parametrize(("colour", "slope"), [("white", 0.0), ("pink", -3.0103), ("brown", -6.0206)])
def test_colours_have_their_slope(colour, slope):
    make = getattr(noise, colour)
    twenty_s = [make(20 * RATE_HZ, noise.generator(seed, colour)) for seed in range(6)]
    measured = [noise.spectral_slope_db_per_octave(x, RATE_HZ) for x in twenty_s]
    np.testing.assert_allclose(measured, slope, atol=0.2)  # standard deviation of one: about 0.04
    assert np.mean(measured) == pytest.approx(slope, abs=0.08)


def test_slope_against_a_plain_regression():
    x = noise.pink(2**18, np.random.default_rng(0))
    f_hz, density = periodogram(x, RATE_HZ)
    edges_hz = 62.5 * 2.0 ** np.arange(6)  # five whole octaves
    octave_db = [10 * np.log10(density[(f_hz >= low) & (f_hz < 2 * low)].mean()) for low in edges_hz[:-1]]
    by_octave = np.polyfit(np.arange(5), octave_db, 1)[0]
    measured = noise.spectral_slope_db_per_octave(x, RATE_HZ, (edges_hz[0], edges_hz[-1]))
    assert measured == pytest.approx(by_octave, abs=0.1)


def test_slope_needs_energy_in_the_band():
    with pytest.raises(UserError, match="spectral slope"):
        noise.spectral_slope_db_per_octave(np.zeros(10_000), RATE_HZ)


def test_pink_is_white_filtered_by_the_printed_response():
    white = noise.white(N, np.random.default_rng(5))
    pink = noise.pink(N, np.random.default_rng(5))
    response = np.abs(np.fft.rfft(pink))[1:] / np.abs(np.fft.rfft(white))[1:]
    f = np.fft.rfftfreq(N)[1:]
    np.testing.assert_allclose(response * np.sqrt(f), response[0] * np.sqrt(f[0]), rtol=1e-6)
    assert pink.mean() == pytest.approx(0, abs=1e-12)
    assert pink.std() == pytest.approx(1, rel=0.1)


def test_brown_is_literally_the_running_sum():
    white = noise.white(1_000, np.random.default_rng(6))
    brown = noise.brown(1_000, np.random.default_rng(6))
    total = 0.0
    for n, step in enumerate(white):  # eq. 7, second form
        total = total + step
        assert brown[n] == total


@pytest.mark.parametrize("colour", noise.COLOURS)
@pytest.mark.parametrize("n", [1, 2, 3, 101])
def test_colours_of_any_length(colour, n):
    x = getattr(noise, colour)(n, np.random.default_rng(0))
    assert x.shape == (n,)
    assert np.isfinite(x).all()


# --- mixing


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 30), st.integers(0, 30))
def test_align_cuts_or_pads_and_never_loops(n_noise, n):
    recorded = np.arange(1.0, n_noise + 1)
    aligned = noise.align(recorded, n)
    assert aligned.shape == (n,)
    kept = min(n, n_noise)
    np.testing.assert_array_equal(aligned[:kept], recorded[:kept])
    assert not aligned[kept:].any()


@settings(max_examples=40, deadline=None)
@given(seeds, levels, gains)
def test_peak_mixing(seed, level, gain):
    speech, recorded = two(seed)
    mixture = noise.mix(speech, recorded, level)
    assert np.abs(mixture.noise_added).max() == level * np.abs(speech).max()  # exactly: eqs. 1, 2
    np.testing.assert_array_equal(mixture.signal, speech + mixture.noise_added)  # eq. 3
    # the noise's own gain is nothing to it; a gain on the speech passes through
    of_gained_noise = noise.mix(speech, gain * recorded, level).signal
    of_gained_speech = noise.mix(gain * speech, recorded, level).signal / gain
    np.testing.assert_allclose(of_gained_noise, mixture.signal, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(of_gained_speech, mixture.signal, rtol=1e-9, atol=1e-12)


@settings(max_examples=40, deadline=None)
@given(seeds, levels, levels, st.sampled_from(["peak", "unit", "raw"]))
def test_snr_falls_by_the_ratio_of_levels(seed, level_1, level_2, scale):
    speech, recorded = two(seed)
    mixtures = [noise.mix(speech, recorded, level, scale) for level in (level_1, level_2)]
    snr_1, snr_2 = (noise.snr_db(speech, mixture.noise_added) for mixture in mixtures)
    assert snr_1 - snr_2 == pytest.approx(20 * np.log10(level_2 / level_1), abs=1e-9)


@settings(max_examples=20, deadline=None)
@given(seeds, levels, gains)
def test_unit_and_raw_mixing_ignore_the_speech(seed, level, gain):
    speech, recorded = two(seed)
    unit = noise.mix(gain * speech, recorded, level, "unit").noise_added
    np.testing.assert_allclose(unit, level * recorded / np.abs(recorded).max(), rtol=1e-12)  # eq. 8
    raw = noise.mix(gain * speech, recorded, level, "raw").noise_added
    np.testing.assert_allclose(raw, level * recorded, rtol=1e-12)  # eq. 10


@settings(max_examples=40, deadline=None)
@given(seeds, st.floats(-30, 40), gains, st.booleans())
def test_mix_at_snr_gives_the_snr(seed, snr_db, gain, partly):
    speech, recorded = two(seed)
    active = np.arange(len(speech)) % 3 == 0 if partly else None
    mixture = noise.mix_at_snr(speech, gain * recorded, snr_db, active)
    kept = slice(None) if active is None else active
    power = [np.sum(x[kept] ** 2) for x in (speech, mixture.signal - speech)]  # measured on the sum
    assert 10 * np.log10(power[0] / power[1]) == pytest.approx(snr_db, abs=1e-6)
    assert noise.snr_db(speech, mixture.noise_added, active) == pytest.approx(snr_db, abs=1e-6)


def test_snr_of_known_powers():
    speech, added = np.array([3.0, -3.0, 0, 0]), np.array([1.0, 1, 1, 1])
    assert noise.snr_db(speech, added) == pytest.approx(10 * np.log10(4.5))
    active = np.array([True, True, False, False])
    assert noise.snr_db(speech, added, active) == pytest.approx(10 * np.log10(9))


def test_silence_is_defined():
    loud, silent = np.array([0.5, -0.2]), np.zeros(2)
    for scale in ("peak", "unit", "raw"):
        np.testing.assert_array_equal(noise.mix(loud, silent, 0.5, scale).signal, loud)
    np.testing.assert_array_equal(noise.mix(silent, loud, 0.5).signal, silent)
    assert np.abs(noise.mix(silent, loud, 0.5, "unit").noise_added).max() == 0.5
    assert noise.snr_db(loud, silent) == np.inf
    assert noise.snr_db(silent, loud) == -np.inf
    assert np.isnan(noise.snr_db(silent, silent))
    assert np.isnan(noise.snr_db(loud, loud, np.zeros(2, bool)))
    with pytest.raises(UserError, match="noise is silent"):
        noise.mix_at_snr(loud, silent, 5)
    with pytest.raises(UserError, match="speech is silent"):
        noise.mix_at_snr(silent, loud, 5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.ones(3), np.ones(4), 0.5), "align"),
        ((np.ones((3, 1)), np.ones((3, 1)), 0.5), "1-D"),
        ((np.ones(3), np.ones(3), -0.1), "level"),
        ((np.ones(3), np.ones(3), np.nan), "level"),
        ((np.ones(3), np.ones(3), 0.5, "rms"), "scale"),
    ],
)
def test_mix_refuses(arguments, message):
    with pytest.raises(UserError, match=message):
        noise.mix(*arguments)


@pytest.mark.parametrize("semitones", [0.7, -3.0])
@pytest.mark.parametrize("tone_hz", [220.0, 1_000.0])
def test_pitch_shift_moves_a_tone_and_keeps_its_length(tone_hz, semitones):
    shifted = noise.pitch_shift(np.sin(2 * np.pi * tone_hz * np.arange(N) / RATE_HZ), RATE_HZ, semitones)
    assert shifted.shape == (N,)
    spectrum = np.abs(np.fft.rfft(shifted * np.hanning(N), 8 * N))
    measured_hz = np.argmax(spectrum) * RATE_HZ / (8 * N)
    assert measured_hz == pytest.approx(tone_hz * 2 ** (semitones / 12), rel=0.005)


# --- the bank


def write(folder: Path, name: str, seconds: float = 3.0, seed: int | None = None) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = noise.generator(0, name if seed is None else seed)
    sf.write(path, 0.1 * rng.standard_normal(round(seconds * RATE_HZ)), RATE_HZ)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("noise")
    write(folder, "street/fish_market/a.wav")
    write(folder, "street/fish_market/b.flac")
    write(folder, "street/Railway Engine/a.wav")
    write(folder, "held/fish/a.wav")
    write(folder, "us8k/children/14470-2-0-10.wav", seconds=4)
    write(folder, "us8k/children/14470-2-0-14.wav", seconds=1)
    write(folder, "us8k/children/27070-2-0-2.wav", seconds=4)
    write(folder, "held/railway_engine/x.wav", seconds=4)
    write(folder, "held/children/3_Children_445.wav", seconds=4)
    write(folder, "held/rain/a.wav")  # no type of ours
    (folder / "held/fish/README.txt").write_text("not a recording")
    return folder


@pytest.fixture(scope="module")
def bank(folder) -> noise.NoiseBank:
    return noise.NoiseBank.from_folder(folder, test_collections=("held",))


def test_bank_reads_folder(bank):
    read = {(row.recording, row.source, row.noise, row.part) for row in bank.sources.itertuples()}
    assert read == {
        ("street/fish_market/a.wav", "street/a", "fish_market", "train"),
        ("street/fish_market/b.flac", "street/b", "fish_market", "train"),
        ("street/Railway Engine/a.wav", "street/a", "railway_engine", "train"),
        ("us8k/children/14470-2-0-10.wav", "14470", "children_playing", "train"),
        ("us8k/children/14470-2-0-14.wav", "14470", "children_playing", "train"),
        ("us8k/children/27070-2-0-2.wav", "27070", "children_playing", "train"),
        ("held/fish/a.wav", "held/a", "fish_market", "test"),
        ("held/railway_engine/x.wav", "held/x", "railway_engine", "test"),
        ("held/children/3_Children_445.wav", "held/3_Children_445", "children_playing", "test"),
    }
    assert sorted(bank.sources["duration_s"]) == [1, 3, 3, 3, 3, 4, 4, 4, 4]
    assert [len(files) for files in bank.choices("train")["children_playing"]] == [2, 1]


def test_segment_is_the_recording_from_its_offset(bank, folder):
    recorded, _ = sf.read(folder / "us8k/children/14470-2-0-14.wav", dtype="float32")
    segment = bank.segment("us8k/children/14470-2-0-14.wav", 0.5, N, RATE_HZ)
    np.testing.assert_array_equal(segment[:11_025], recorded[11_025:])
    assert segment.shape == (N,) and not segment[11_025:].any()
    with pytest.raises(UserError, match="no recording 'elsewhere'"):
        bank.segment("elsewhere", 0, N, RATE_HZ)


def test_fingerprint_is_of_the_content(bank, folder, tmp_path):
    assert noise.NoiseBank.from_folder(folder, ["held"]).fingerprint() == bank.fingerprint()
    fewer = noise.NoiseBank(bank.sources[bank.sources["recording"] != "street/fish_market/b.flac"])
    assert fewer.fingerprint() != bank.fingerprint()
    moved = tmp_path / "moved"
    moved.symlink_to(folder)
    assert noise.NoiseBank.from_folder(moved, ["held"]).fingerprint() == bank.fingerprint()


def test_one_source_in_both_parts_is_refused(tmp_path):
    for part in ("one", "two"):
        for kind in ("fish_market", "railway_engine"):
            write(tmp_path, f"{part}/{kind}/{kind}.wav")
    write(tmp_path, "one/children/14470-2-0-10.wav")
    write(tmp_path, "two/children/14470-2-0-14.wav")
    with pytest.raises(UserError, match=r"one noise source .*14470-2-0-10.wav, two/children/14470-2-0-14.wav"):
        noise.NoiseBank.from_folder(tmp_path, ["two"])


def test_one_sound_in_both_parts_is_refused(tmp_path):
    write(tmp_path, "one/fish_market/a.wav", seed=1)
    write(tmp_path, "two/fish_market/b.wav", seed=1)
    with pytest.raises(UserError, match="one noise sha256"):
        noise.NoiseBank.from_folder(tmp_path, ["two"], noises=["fish_market"])


def test_a_part_that_lacks_a_type_is_refused(tmp_path):
    write(tmp_path, "one/fish_market/a.wav")
    write(tmp_path, "one/railway_engine/b.wav")
    write(tmp_path, "two/fish_market/c.wav")
    with pytest.raises(UserError, match="train noises lack children_playing"):
        noise.NoiseBank.from_folder(tmp_path, ["two"])
    with pytest.raises(UserError, match="test noises lack railway_engine"):
        noise.NoiseBank.from_folder(tmp_path, ["two"], noises=["fish_market", "railway_engine"])
    with pytest.raises(UserError, match="no noise found in three"):
        noise.NoiseBank.from_folder(tmp_path, ["three"])
    with pytest.raises(UserError, match="no noise found in it"):
        noise.NoiseBank.from_folder(tmp_path / "absent", [])


# --- recipes


def test_seeds_of_keys():
    assert noise.key_seed(0, "a", 1) == noise.key_seed(0, "a", 1)
    keys = [(0, "a", 1), (1, "a", 1), (0, "a", 2), (0, "a1"), (0, "1", "a")]
    assert len({noise.key_seed(*key) for key in keys}) == len(keys)
    assert all(0 <= noise.key_seed(0, i) < 2**63 for i in range(100))
    # printf '0\x1fgrid\x1fravdess/x\x1fwhite' | b2sum -l 64, halved: another digest would change every sample
    assert noise.key_seed(0, "grid", "ravdess/x", "white") == 4889960266258402637


@pytest.mark.parametrize("kind", ["quadruplet", "grid"])
def test_a_row_depends_on_its_own_key_alone(bank, kind):
    def draw(table: pd.DataFrame, seed: int = 3) -> pd.DataFrame:
        if kind == "quadruplet":
            rows = noise.draw_quadruplet(table, bank, seed)
        else:
            rows = noise.grid(table, bank, ["white", "fish_market"], LEVELS, "lambda", seed)
        return rows.set_index(["utterance", "condition"]).sort_index()

    rows = draw(MANY)
    pd.testing.assert_frame_equal(draw(MANY.sample(frac=1, random_state=0)), rows)
    subset = MANY.iloc[7:90:5]
    pd.testing.assert_frame_equal(draw(subset), rows.loc[subset["id"]])
    reread = pickle.loads(pickle.dumps(bank))  # as another process gets it
    there, here = (noise.draw_quadruplet(subset, held, 3) for held in (reread, bank))
    pd.testing.assert_frame_equal(there, here)
    assert (draw(MANY, seed=4)["seed"] != rows["seed"]).sum() >= rows["seed"].ne(0).sum()


def test_quadruplet(bank):
    rows = noise.draw_quadruplet(MANY, bank, seed=1)
    assert rows.columns.tolist() == list(noise.Recipe._fields)
    assert rows["variant"].tolist() == list(noise.VARIANTS) * len(MANY)
    by_variant = {variant: of for variant, of in rows.groupby("variant")}
    for variant, of in by_variant.items():
        assert (of["semitones"] == (0.7 if "pitched" in variant else 0)).all()
        assert (of["level_kind"] == ("lambda" if "noisy" in variant else "none")).all()
    assert not by_variant["clean"][["noise", "source", "recording"]].any(axis=None)
    assert (by_variant["noisy"]["level"].to_numpy() != by_variant["pitched_noisy"]["level"].to_numpy()).all()

    noisy = rows[rows["level_kind"] == "lambda"]
    assert noisy["level"].between(0, 0.75).all()
    # 400 draws: four standard errors around the uniform's mean, and around equal shares
    assert noisy["level"].mean() == pytest.approx(0.375, abs=4 * 0.75 / np.sqrt(12 * 400))
    for noise_type in noise.ENVIRONMENTS:
        assert (noisy["noise"] == noise_type).mean() == pytest.approx(1 / 3, abs=4 * np.sqrt(2 / 9 / 400))
    children = noisy[noisy["noise"] == "children_playing"]
    share = (children["source"] == "14470").mean()  # one source of two, though two files of three
    assert share == pytest.approx(1 / 2, abs=4 * np.sqrt(1 / 4 / len(children)))

    known = bank.sources.set_index("recording")
    assert (known.loc[noisy["recording"], "part"] == "train").all()
    assert known.loc[noisy["recording"], "source"].tolist() == noisy["source"].tolist()
    room_s = (known.loc[noisy["recording"], "duration_s"].to_numpy() - 2.5).clip(min=0)
    assert (noisy["offset_s"] <= room_s).all() and (noisy["offset_s"] >= 0).all()
    assert noisy["offset_s"].max() > 1.3  # of 1.5 s
    assert not noisy.loc[noisy["recording"].str.contains("14470-2-0-14"), "offset_s"].any()


def test_grid_is_paired_over_levels_and_axes(bank):
    noises = ["white", "railway_engine"]
    by_lambda = noise.grid(MANY.iloc[:5], bank, noises, LEVELS, "lambda", seed=1)
    by_snr = noise.grid(MANY.iloc[:5], bank, noises, [20, 0], "snr", seed=1)
    expected = ["white@0.25", "white@0.5", "white@0.75", "railway_engine@0.25"]
    assert by_lambda["condition"].tolist()[:4] == expected
    assert by_snr["condition"].tolist()[:2] == ["white@20dB", "white@0dB"]
    drawn = ["source", "recording", "offset_s", "seed"]
    both = pd.concat([by_lambda, by_snr])
    assert len(both) == 5 * 2 * 5
    assert len(both[["utterance", "noise", *drawn]].drop_duplicates()) == 5 * 2
    assert both["seed"].nunique() == 10
    assert set(both.loc[both["noise"] == "railway_engine", "recording"]) == {"held/railway_engine/x.wav"}
    assert (both.loc[both["noise"] == "white", "recording"] == "").all()


def test_grid_refuses(bank):
    with pytest.raises(UserError, match="level_kind"):
        noise.grid(MANY, bank, ["white"], LEVELS, "dB", seed=0)
    with pytest.raises(UserError, match="type rain; there are: white, pink, brown, children"):
        noise.grid(MANY, bank, ["rain"], LEVELS, "lambda", seed=0)
    with pytest.raises(UserError, match="type fish_market"):
        noise.grid(MANY, None, ["fish_market"], LEVELS, "lambda", seed=0)


# --- rendering


def rendered(table: pd.DataFrame, clip: np.ndarray, bank=None, n_valid: int = N) -> list[noise.Rendered]:
    return [noise.render(row, clip, n_valid, bank, RATE_HZ) for row in table.itertuples(index=False)]


def test_render_clean():
    clip = speech_like()
    (sample,) = rendered(noise.clean(utterances("x")), clip)
    np.testing.assert_array_equal(sample.signal, clip)
    assert np.isnan(sample.snr_clip_db) and np.isnan(sample.snr_active_db)


def test_render_by_lambda(bank):
    clip = speech_like()
    noises = [*noise.COLOURS, *noise.ENVIRONMENTS]
    table = noise.grid(utterances("x"), bank, noises, LEVELS, "lambda", seed=0)
    samples = rendered(table, clip, bank)
    shapes = {}
    for row, sample in zip(table.itertuples(), samples, strict=True):
        added = sample.signal.astype(np.float64) - clip
        assert sample.signal.dtype == np.float32
        assert np.abs(added).max() == pytest.approx(row.level * np.abs(clip).max(), rel=1e-4)
        whole_db = 10 * np.log10(np.mean(clip.astype(float) ** 2) / np.mean(added**2))
        assert sample.snr_clip_db == pytest.approx(whole_db, abs=1e-3)
        assert sample.snr_active_db > sample.snr_clip_db  # the leading silence counts against the whole clip
        # the same noise at every level of a type
        shape = shapes.setdefault(row.noise, added / row.level)
        np.testing.assert_allclose(added / row.level, shape, atol=1e-5)


def test_render_by_snr_holds_over_active_samples(bank):
    table = noise.grid(utterances("x"), bank, ["brown", "children_playing"], [-5, 0, 20], "snr", seed=0)
    clip = speech_like()
    active = audio.speech_active(clip, RATE_HZ)
    assert 0 < active.mean() < 1
    for row, sample in zip(table.itertuples(), rendered(table, clip, bank), strict=True):
        added = sample.signal.astype(np.float64) - clip
        measured = 10 * np.log10(np.mean(clip[active].astype(float) ** 2) / np.mean(added[active] ** 2))
        assert measured == pytest.approx(row.level, abs=1e-3)
        assert sample.snr_active_db == pytest.approx(row.level, abs=1e-6)


def test_render_pitches_first_and_then_mixes(bank):
    clip, n_valid = audio.clip_window(speech_like(n=2 * RATE_HZ), RATE_HZ)
    table = noise.draw_quadruplet(utterances("x"), bank, seed=2)
    _, noisy, pitched, pitched_noisy = rendered(table, clip, bank, n_valid)
    expected = noise.pitch_shift(clip, RATE_HZ, 0.7)
    np.testing.assert_array_equal(pitched.signal[:n_valid], expected[:n_valid])
    assert not pitched.signal[n_valid:].any()
    voiced = slice(15_000, 40_000)
    before_hz = np.median(librosa.yin(clip[voiced], fmin=80, fmax=400, sr=RATE_HZ))
    after_hz = np.median(librosa.yin(pitched.signal[voiced], fmin=80, fmax=400, sr=RATE_HZ))
    assert after_hz / before_hz == pytest.approx(2 ** (0.7 / 12), rel=0.005)
    added = pitched_noisy.signal - pitched.signal
    assert np.abs(added).max() == pytest.approx(table["level"].iloc[3] * np.abs(pitched.signal).max(), rel=1e-4)
    assert np.abs(noisy.signal[n_valid:]).max() > 0  # the padding gets noise


def test_rendering_again_gives_the_same_bits(bank):
    clip = speech_like()
    table = noise.grid(MANY.iloc[:3], bank, ["pink", "fish_market"], LEVELS, "lambda", seed=5)
    once, again = rendered(table, clip, bank), rendered(table[::-1], clip, bank)[::-1]
    for a, b in zip(once, again, strict=True):
        np.testing.assert_array_equal(a.signal, b.signal)
    assert not np.array_equal(once[0].signal, once[6].signal)  # another utterance, another draw


# --- real recordings


@pytest.fixture(scope="module")
def data_dir() -> Path:
    if "SERSUPPORT_DATA" not in os.environ:
        pytest.skip("SERSUPPORT_DATA is not set: no real corpora")
    return Path(os.environ["SERSUPPORT_DATA"])


def test_lambda_is_not_an_snr(data_dir):
    """Mean SNR of the colours on RAVDESS at λ = 0.25, 0.50, 0.75, against figures measured independently."""
    files = sorted((data_dir / "ravdess").rglob("*.flac"))[::36]
    clips = {f"ravdess/{path.stem}": audio.clip_window(audio.load_audio(path), RATE_HZ) for path in files}
    assert len(clips) == 40
    table = noise.grid(pd.DataFrame({"id": list(clips)}), None, noise.COLOURS, LEVELS, "lambda", seed=0)
    snr = [noise.render(row, *clips[row.utterance], None, RATE_HZ).snr_clip_db for row in table.itertuples()]
    mean = table.assign(snr_db=snr).groupby("condition", sort=False)["snr_db"].mean()
    measured_before = [5.9, -0.1, -3.7, 5.5, -0.6, -4.1, -0.3, -6.3, -9.9]
    # on other clips: a clip deviates by 2.8 dB in brown noise, the mean of 40 by 0.45
    np.testing.assert_allclose(mean.to_numpy(), measured_before, atol=0.9)


def test_real_noises_part_by_source(data_dir):
    bank = noise.NoiseBank.from_folder(data_dir / "noise", ("sas-kiit",))
    per_type = bank.sources.groupby(["part", "noise"])["source"].nunique()
    assert per_type["train", "children_playing"] == 27
    assert per_type["test"].to_dict() == {"children_playing": 2, "fish_market": 2, "railway_engine": 1}
