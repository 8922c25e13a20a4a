"""Enhancers: aligned with what goes in, nearer to the clean speech, silent where that is; and their measure."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.signal import correlate, lfilter

from sersupport.core.errors import UserError
from sersupport.sound.enhancers import ENHANCERS, enhance, identity, located, si_snr
from sersupport.sound.mixing import mix_at_snr

RATE_HZ, N = 22_050, 33_075
METHODS = [name for name in ENHANCERS if name != "none"]


def voiced(n: int = N) -> np.ndarray:
    """A vowel in syllables: pulses at a gliding pitch through four resonances, which RNNoise takes for speech."""
    time_s = np.arange(n) / RATE_HZ
    pitch_hz = 130 + 15 * np.sin(4 * np.pi * time_s)
    wave = np.diff(np.floor(np.cumsum(pitch_hz) / RATE_HZ), prepend=0.0)
    for middle_hz, width_hz in ((700, 80), (1200, 90), (2600, 120), (3500, 200)):
        radius = np.exp(-np.pi * width_hz / RATE_HZ)
        wave = lfilter([1 - radius], [1, -2 * radius * np.cos(2 * np.pi * middle_hz / RATE_HZ), radius**2], wave)
    wave *= np.clip(np.sin(6 * np.pi * time_s), 0, None)
    return (0.3 * wave / np.abs(wave).max()).astype(np.float32)


class Halved(torch.nn.Module):
    def forward(self, waves):
        return waves / 2


@pytest.fixture
def script(tmp_path):
    torch.jit.script(Halved()).save(tmp_path / "half.pt")
    return located("half.pt", tmp_path)


@pytest.mark.parametrize("name", METHODS)
def test_what_comes_out_is_aligned_with_what_went_in(name):
    clean = voiced()
    found = enhance(name, clean[None], [N], RATE_HZ)[0]
    lag = np.argmax(correlate(found, clean)) - (N - 1)
    assert found.shape == clean.shape and found.dtype == np.float32
    assert lag == 0 and si_snr(found, clean) > 12


@pytest.mark.parametrize("name", METHODS)
def test_noise_is_taken_away_and_the_padding_is_silent(name):
    clean, n_valid = voiced(), N - 5_000
    noisy = mix_at_snr(clean, np.random.default_rng(0).normal(size=N), 0.0).signal
    found = enhance(name, np.stack([noisy, np.zeros(N)]), [n_valid, N], RATE_HZ)
    gain = si_snr(found[0, :n_valid], clean[:n_valid]) - si_snr(noisy[:n_valid], clean[:n_valid])
    assert gain > 0.5
    assert not found[0, n_valid:].any() and not found[1].any()
    alone = enhance(name, noisy[None, :n_valid], [n_valid], RATE_HZ)
    np.testing.assert_array_equal(found[0, :n_valid], alone[0])


def test_none_changes_nothing_but_the_padding():
    waves = np.random.default_rng(0).normal(size=(2, 500)).astype(np.float32)
    found = enhance("none", waves, [500, 300], RATE_HZ)
    np.testing.assert_array_equal(found[0], waves[0])
    np.testing.assert_array_equal(found[1, :300], waves[1, :300])
    assert not found[1, 300:].any()


@pytest.mark.parametrize("name", METHODS)
def test_the_shortest_utterance_comes_through(name):
    n = 3_308  # audio.SHORTEST_S
    assert np.isfinite(enhance(name, voiced(n)[None] + 1e-4, [n], RATE_HZ)).all()


def test_a_script_is_called_at_its_rate_and_known_by_its_content(script, tmp_path):
    wave = voiced()
    found = enhance(script, wave[None], [N], RATE_HZ)[0]
    assert si_snr(found, wave) > 25 and np.std(found) == pytest.approx(np.std(wave) / 2, rel=0.01)
    known = identity(script)
    (tmp_path / "other.pt").write_bytes((tmp_path / "half.pt").read_bytes())
    assert identity(located("other.pt", tmp_path)) == known
    assert len({known, *map(identity, ENHANCERS)}) == 1 + len(ENHANCERS)


def test_what_is_no_enhancer_is_refused(script, tmp_path):
    assert [located(name, tmp_path) for name in ENHANCERS] == list(ENHANCERS)
    with pytest.raises(UserError, match="'cmgan': choose one of none, spectral gating, rnnoise or a TorchScript"):
        located("cmgan", tmp_path)
    with pytest.raises(UserError, match=r"absent\.pt: there is no such file"):
        located("absent.pt", tmp_path)
    (tmp_path / "text.pt").write_text("no network")
    with pytest.raises(UserError, match=r"text\.pt: is no TorchScript file"):
        located("text.pt", tmp_path)


class Odd(torch.nn.Module):
    """Gives what is no waveform."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how

    def forward(self, wave: torch.Tensor) -> torch.Tensor:
        assert self.how != "refuses"
        return wave * float("nan") if self.how == "not finite" else torch.stack([wave, wave])


@pytest.mark.parametrize(("how", "words"), [("refuses", "fails on a waveform"), ("not finite", "no finite waveform"),
                                            ("two", "no finite waveform")])  # fmt: skip
def test_a_script_that_makes_no_waveform_is_refused_before_it_is_used(how, words, tmp_path):
    torch.jit.script(Odd(how)).save(tmp_path / "odd.pt")
    with pytest.raises(UserError, match=words):
        located("odd.pt", tmp_path)


def test_a_silent_estimate_is_infinitely_far():
    assert si_snr(np.zeros(9), np.arange(9.0)) == -np.inf


@pytest.mark.parametrize("snr_db", [-5.0, 0.0, 20.0])
def test_si_snr_is_that_of_a_known_mixture_at_any_scale(snr_db):
    rng = np.random.default_rng(0)
    speech, noise = rng.normal(size=(2, N))
    speech, noise = speech - speech.mean(), noise - noise.mean()
    noise -= (noise @ speech) / (speech @ speech) * speech
    mixture = mix_at_snr(speech, noise, snr_db).signal
    for scale, shift in ((1.0, 0.0), (-3.0, 0.2)):
        assert si_snr(scale * mixture + shift, speech) == pytest.approx(snr_db, abs=1e-6)
