"""sersupport.recipes.rendering: measured levels and ratios, clean partners, what a sample's key holds."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import librosa
import numpy as np
import pandas as pd
import pytest
import soundfile as sf

from sersupport.core.cache import Cache
from sersupport.core.keys import code_version
from sersupport.core.seeds import generator
from sersupport.recipes.bank import ENVIRONMENTS, NoiseBank
from sersupport.recipes.drawing import clean, clean_partners, draw_quadruplet, grid
from sersupport.recipes.rendering import Rendered, Renderer, Window, at_pitch, render, with_snr
from sersupport.sound import audio
from sersupport.sound.colours import COLOURS
from sersupport.sound.effects import pitch_shift
from sersupport.sound.mixing import mix, mix_at_snr

RATE_HZ = 22_050
N = 55_125  # 2.5 s
LEVELS = [0.25, 0.5, 0.75]


def speech_like(seed: int = 0, n: int = N) -> np.ndarray:
    """A buzz in syllables after 0.5 s of near-silence."""
    t = np.arange(n) / RATE_HZ
    buzz = sum(np.sin(2 * np.pi * 150 * k * t) / k for k in range(1, 20))
    syllables = np.clip(np.sin(2 * np.pi * 3 * t), 0, None) * (t > 0.5)
    return (0.1 * buzz * syllables + 1e-4 * np.random.default_rng(seed).standard_normal(n)).astype(np.float32)


def utterances(*names: str) -> pd.DataFrame:
    return pd.DataFrame({"id": [f"ravdess/{name}" for name in names]})


def rendered(table: pd.DataFrame, clip: np.ndarray, bank=None, n_valid: int = N) -> list[Rendered]:
    rows = table.itertuples(index=False)
    return [render(row, at_pitch(clip, n_valid, row.semitones), bank, RATE_HZ, measure=True) for row in rows]


def test_render_clean():
    clip = speech_like()
    (sample,) = rendered(clean(utterances("x")), clip)
    np.testing.assert_array_equal(sample.signal, clip)
    assert np.isnan(sample.snr_clip_db) and np.isnan(sample.snr_active_db)


def test_render_by_lambda(bank):
    clip = speech_like()
    noises = [*COLOURS, *ENVIRONMENTS]
    table = grid(utterances("x"), bank, noises, LEVELS, "lambda", seed=0)
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
    table = grid(utterances("x"), bank, ["brown", "children_playing"], [-5, 0, 20], "snr", seed=0)
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
    table = draw_quadruplet(utterances("x"), bank, seed=2)
    _, noisy, pitched, pitched_noisy = rendered(table, clip, bank, n_valid)
    expected = pitch_shift(clip, RATE_HZ, 0.7)
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
    table = grid(utterances("u000", "u001", "u002"), bank, ["pink", "fish_market"], LEVELS, "lambda", seed=5)
    once, again = rendered(table, clip, bank), rendered(table[::-1], clip, bank)[::-1]
    for a, b in zip(once, again, strict=True):
        np.testing.assert_array_equal(a.signal, b.signal)
    assert not np.array_equal(once[0].signal, once[6].signal)  # another utterance, another draw


@pytest.mark.skipif("SERSUPPORT_DATA" not in os.environ, reason="SERSUPPORT_DATA does not name the real corpora")
def test_lambda_is_not_an_snr():
    """Mean SNR of the colours on RAVDESS at λ = 0.25, 0.50, 0.75, against figures measured independently."""
    files = sorted(Path(os.environ["SERSUPPORT_DATA"], "ravdess").rglob("*.flac"))[::36]
    clips = {f"ravdess/{path.stem}": audio.clip_window(audio.load_audio(path), RATE_HZ) for path in files}
    assert len(clips) == 40
    table = grid(pd.DataFrame({"id": list(clips)}), None, COLOURS, LEVELS, "lambda", seed=0)
    snr = [render(row, clips[row.utterance][0], None, RATE_HZ, measure=True).snr_clip_db for row in table.itertuples()]
    mean = table.assign(snr_db=snr).groupby("condition", sort=False)["snr_db"].mean()
    measured_before = [5.9, -0.1, -3.7, 5.5, -0.6, -4.1, -0.3, -6.3, -9.9]
    # on other clips: a clip deviates by 2.8 dB in brown noise, the mean of 40 by 0.45
    np.testing.assert_allclose(mean.to_numpy(), measured_before, atol=0.9)


def test_a_clean_partner_is_the_sample_without_its_noise(bank):
    clip, n_valid = audio.clip_window(speech_like(n=2 * RATE_HZ), RATE_HZ)
    one = utterances("x")
    table = pd.concat(
        [draw_quadruplet(one, bank, seed=2), grid(one, bank, ["pink", "fish_market"], [0, 10], "snr", seed=2)],
        ignore_index=True,
    )
    partners = rendered(clean_partners(table), clip, bank, n_valid)
    for row, noisy, partner in zip(table.itertuples(), rendered(table, clip, bank, n_valid), partners, strict=True):
        if row.level_kind == "none":
            np.testing.assert_array_equal(noisy.signal, partner.signal)
            continue
        if row.noise in COLOURS:
            recorded = COLOURS[row.noise](N, generator(row.seed, "noise"))
        else:
            recorded = bank.segment(row.recording, row.offset_s, N, RATE_HZ)
        active = audio.speech_active(partner.signal, RATE_HZ)
        by_snr = row.level_kind == "snr"
        speech = partner.signal
        mixture = mix_at_snr(speech, recorded, row.level, active) if by_snr else mix(speech, recorded, row.level)
        np.testing.assert_array_equal(noisy.signal, mixture.signal.astype(np.float32))


# --- the renderer


@pytest.fixture
def renderer(tmp_path) -> Renderer:
    rows = []
    for number, seconds in enumerate((3.0, 0.4)):
        path = tmp_path / f"{number}.wav"
        sf.write(path, speech_like(number, round(seconds * RATE_HZ)), RATE_HZ)
        rows.append({"id": f"toy/{number}", "path": str(path), "sha256": audio.probe(path).sha256})
    return Renderer(pd.DataFrame(rows), None, Window(start_s=0.1, length_s=0.5))


@pytest.fixture
def recipes(renderer) -> pd.DataFrame:
    table = renderer.utterances
    noisy = grid(table, None, ["white", "brown"], [0.25, 0.75], "lambda", seed=0, clip_length_s=0.5)
    return pd.concat([clean(table), noisy], ignore_index=True)


def test_the_snr_of_every_recipe_is_recorded(renderer, recipes, tmp_path, monkeypatch):
    measured = with_snr(renderer, recipes, Cache(tmp_path))
    assert measured.loc[measured["variant"] == "clean", ["snr_clip_db", "snr_active_db"]].isna().all().all()
    levels = measured.query("variant == 'noisy'").pivot(
        index=["utterance", "noise"], columns="level", values="snr_clip_db"
    )
    np.testing.assert_allclose(levels[0.25] - levels[0.75], 20 * np.log10(3), atol=1e-6)
    monkeypatch.setattr(renderer, "render", lambda _: pytest.fail("rendered again"))
    pd.testing.assert_frame_equal(with_snr(renderer, recipes[::-1], Cache(tmp_path)), measured[::-1])


def test_a_sample_is_known_by_its_audio_and_its_recipe(renderer, recipes):
    keys = renderer.keys(recipes)
    assert len({str(key) for key in keys}) == len(recipes) == 10
    assert [n_valid for _, n_valid in renderer.render(recipes.iloc[:2])] == [11_025, 8_820]
    moved = renderer.utterances.assign(path="elsewhere", id=["toy/a", "toy/b"])
    renamed = recipes.assign(utterance=recipes["utterance"].map({"toy/0": "toy/a", "toy/1": "toy/b"}))
    assert Renderer(moved, None, renderer.window).keys(renamed) == keys
    other = Renderer(moved.assign(sha256=["x", "y"]), None, renderer.window).keys(renamed)
    assert not {str(key) for key in other} & {str(key) for key in keys}


def test_samples_share_window_and_the_code_that_makes_them(renderer):
    told = renderer.describe()
    assert told == {
        "window": {"start_s": 0.1, "length_s": 0.5},
        "code": code_version("core", "sound", "recipes"),
    }


def test_a_sample_depends_on_its_own_noise_and_no_other(renderer, folder, write, tmp_path):
    """A further file of noise once made every training, and even every clean sample, anew."""
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    table = renderer.utterances.reset_index(drop=True)
    bank = NoiseBank.from_folder(tmp_path, ["held"])
    rows = grid(table, bank, ["fish_market", "white"], [5.0], "snr", 0, part="test", clip_length_s=0.5)

    def asked() -> list:
        return Renderer(table, NoiseBank.from_folder(tmp_path, ["held"]), renderer.window).keys(rows)

    before = asked()
    write(tmp_path, "street/fish_market/another.wav")
    assert asked() == before
    write(tmp_path, "held/fish/a.wav", seed=9)
    noisy = (rows["noise"] == "fish_market").tolist()
    assert [old != new for old, new in zip(before, asked(), strict=True)] == noisy


def test_audio_that_has_changed_since_it_was_read_is_not_rendered(renderer, folder, write, tmp_path):
    """It once entered the cache under the digest of what it was before."""
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    bank = NoiseBank.from_folder(tmp_path, ["held"])
    write(tmp_path, "held/fish/a.wav", seed=9)
    with pytest.raises(audio.AudioError, match="has changed since it was read"):
        bank.segment("held/fish/a.wav", 0, 100, RATE_HZ)
    table = renderer.utterances.assign(sha256="other")
    with pytest.raises(audio.AudioError, match="has changed since it was read"):
        Renderer(table, None, renderer.window).render(clean(table))
