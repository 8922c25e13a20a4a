"""The study of enhancement: ratios against the mixture's own, c against the ratio, and its interval over speakers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from sersupport.inputs.logmel import LogMel
from sersupport.recipes.drawing import clean, clean_partners, grid
from sersupport.sound import enhancers
from sersupport.studies.enhancement import enhanced, estimates, tracking
from sersupport.studies.jobs import Trained
from sersupport.systems.predictions import probabilities
from sersupport.systems.trnet import Trnet, TrnetConfig


@pytest.fixture(scope="module")
def recipes(small):
    some = small.table.groupby("speaker").head(2)
    noisy = grid(some, None, ["white"], [0.0, 10.0], "snr", 0, clip_length_s=2.5)
    return pd.concat([noisy, clean(some)], ignore_index=True)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trnet")
    inputs = {"noisy": LogMel().spec(), "enhanced": LogMel(enhancer="spectral gating").spec()}
    Trnet(TrnetConfig(inputs=inputs, channels=(4, 4, 4), hidden_dim=4)).save_pretrained(folder)
    return Trained("key", {"system": "TRNet"}, folder)


def test_noisy_speech_is_as_near_as_its_correlation_says(small, recipes, trained):
    noisy = recipes[recipes["level_kind"] == "snr"]
    table = enhanced(small.bench, [(trained, noisy)], ["none", "spectral gating"])
    found = table.set_index(["enhancer", "utterance", "level"])["si_snr_db"]
    pairs = zip(*(small.renderer.render(rows) for rows in (noisy, clean_partners(noisy))), strict=True)
    rho = np.array([np.corrcoef(one.signal[:n], other.signal[:n])[0, 1] for (one, n), (other, _) in pairs])
    # the part along the clean speech has the share rho squared of the power
    np.testing.assert_allclose(found.loc["none"], 10 * np.log10(rho**2 / (1 - rho**2)), atol=1e-4)
    both = found.unstack("enhancer")
    assert ((both["spectral gating"] - both["none"]).abs() > 0.1).all() and np.isfinite(both).all(axis=None)


def test_what_was_enhanced_is_kept(small, recipes, trained, monkeypatch):
    first = enhanced(small.bench, [(trained, recipes)], ["none"])
    monkeypatch.setattr(enhancers, "enhance", None)
    pd.testing.assert_frame_equal(enhanced(small.bench, [(trained, recipes)], ["none"]), first)
    alone = first[first["level_kind"] == "none"]
    assert len(alone) == (recipes["level_kind"] == "none").sum() and (alone["si_snr_db"] > 100).all()


def test_c_is_the_model_s_of_each_recipe(small, recipes, trained):
    table = estimates(small.bench, trained, recipes)
    assert table["c"].between(0, 1).all() and table["c"].nunique() > len(table) / 2
    assert table["enhancer"].eq("spectral gating").all()
    assert table["utterance"].tolist() == recipes["utterance"].tolist()
    assert table["speaker"].tolist() == small.table.set_index("id")["speaker"].loc[recipes["utterance"]].tolist()
    np.testing.assert_array_equal(np.isinf(table["level"]), recipes["level_kind"] == "none")
    last = estimates(small.bench, trained, recipes.iloc[-1:])
    assert last["c"].item() == pytest.approx(table["c"].iloc[-1], abs=1e-6)


def test_what_is_not_enhanced_is_recognised_as_the_bench_has_it_and_the_rest_otherwise(small, recipes, trained):
    noisy = recipes[recipes["level_kind"] == "snr"]
    found = enhanced(small.bench, [(trained, noisy)], ["none", "spectral gating"]).set_index("enhancer")
    plain = small.bench.predictions(trained, noisy)
    np.testing.assert_allclose(probabilities(found.loc["none"]), probabilities(plain), atol=1e-3)  # 16-bit inputs
    assert list(found.loc["none", "utterance"]) == list(noisy["utterance"])
    gated = probabilities(found.loc["spectral gating"]).to_numpy()
    assert np.abs(gated - probabilities(plain).to_numpy()).max() > 1e-4


def made_up(speakers: int, wide: float) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = [
        (f"s{speaker}", noise, level, slope * level / 25 + wide * offset + 0.1 * rng.normal())
        for speaker, offset in enumerate(rng.normal(size=speakers))
        for noise, slope in (("white", 1.0), ("babble", 0.0))
        for level in (-5.0, 0.0, 5.0, 10.0, np.inf)
        for _ in range(4)
    ]
    table = pd.DataFrame(rows, columns=["speaker", "noise", "level", "c"]).assign(enhancer="rnnoise")
    return table.replace({"c": {np.inf: 1.0}}).fillna({"c": 1.0})


def test_the_correlation_is_scipy_s_of_noisy_rows():
    table = made_up(6, 0.1)
    found = tracking(table, 200).set_index("noise")
    for noise, own in table[np.isfinite(table["level"])].groupby("noise"):
        assert found.loc[noise, "correlation"] == pytest.approx(spearmanr(own["level"], own["c"])[0], abs=1e-12)
    assert (found["low"] <= found["correlation"]).all() and (found["correlation"] <= found["high"]).all()
    assert found.loc["white", "low"] > 0.5 and found.loc["babble", "low"] < 0 < found.loc["babble", "high"]
    assert found["speakers"].tolist() == [6, 6]


def test_speakers_who_differ_widen_the_interval_and_one_has_none():
    alike, apart = (tracking(made_up(6, wide), 200).set_index("noise").loc["white"] for wide in (0.0, 0.5))
    assert apart["high"] - apart["low"] > 2 * (alike["high"] - alike["low"])
    alone = tracking(made_up(1, 0.0), 20)
    assert alone[["low", "high"]].isna().all(axis=None) and alone["correlation"].notna().all()


def test_a_c_that_never_changes_has_no_correlation():
    assert tracking(made_up(3, 0.0).assign(c=1.0), 20)[["correlation", "low", "high"]].isna().all(axis=None)
