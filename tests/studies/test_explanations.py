"""Explanations of a trained model and of the same untrained, on a model whose weights need not be trained for that."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import spearmanr

from sersupport.core.seeds import key_seed
from sersupport.corpora.convention import EMOTIONS
from sersupport.explain.against_untrained import against_untrained
from sersupport.explain.untrained import untrained
from sersupport.inputs.descriptors import Descriptors, layout
from sersupport.studies import explained, explanations
from sersupport.studies.explanations import Decisions, How
from sersupport.systems.fusion import FusionModel, row_config
from sersupport.systems.recogniser import Recogniser

OWN = Descriptors(n_mfcc=4)
FRAMES = OWN.n_frames(55_125)
COUNT, DRAWS = 3, 2


def recogniser(seed: int) -> Recogniser:
    """Row A with weights large enough for decisions that are no guesses."""
    torch.manual_seed(seed)
    model = FusionModel(row_config("A", spectral_length=OWN.length(55_125), cnn_width=0.01, inputs={"spectral": {}}))
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight *= 3 if name.endswith("weight") and weight.ndim > 1 else 1
    return Recogniser(model.eval(), {"spectral": OWN})


@pytest.fixture(scope="module")
def world(small):
    """Three clips of two folds, explained by a model a fold and two untrained copies of each."""
    tests = small.recipes["test"]
    rows = tests.merge(small.table[["id", "speaker", "emotion"]], left_on="utterance", right_on="id")
    rows = rows.iloc[[0, 1, len(rows) - 1]].assign(fold=[0, 0, 1], true=lambda frame: frame["emotion"])
    recognisers = {fold: recogniser(fold) for fold in (0, 1)}
    for one in recognisers.values():
        values, _ = OWN.compute(np.stack([s.signal for s, _ in small.renderer.render(tests.head(8))]), None)
        one.model.set_statistics(SimpleNamespace(arrays={"spectral": values}))
    decisions = Decisions.of(recognisers, OWN, small.renderer, tests, rows)
    training = dict.fromkeys(recognisers, small.recipes["train"])
    how = How(decisions.backgrounds(small.renderer, training, 4, 0), 20, 0.4, 0.4, DRAWS, 5)
    return SimpleNamespace(decisions=decisions, how=how, found=explanations.explain(decisions, how))


def test_every_clip_is_explained_by_the_trained_model_and_every_draw(world):
    names = pd.DataFrame([one.names for one in world.found])
    assert list(names["model"]) == ["trained", "untrained", "untrained"] * COUNT
    assert list(names["draw"]) == [0, 1, 2] * COUNT
    assert list(dict.fromkeys(names["utterance"])) == list(world.decisions.rows["utterance"])
    for i, one in enumerate(world.found):
        clip, own = i // 3, world.decisions.recognisers[i // 3]
        torch.testing.assert_close(one.given, one.logits, rtol=1e-5, atol=1e-5)
        if one.names["draw"] == 0:
            probability = one.logits.softmax(0)
            expected = own(world.decisions.waves[[clip]], world.decisions.n_valid[[clip]])[0]
            np.testing.assert_allclose(probability, expected, atol=1e-5)
        assert set(one.maps) == {"Score-CAM", "SHAP", "occlusion"}
        assert all(saliency.shape == (FRAMES,) and (saliency >= 0).all() for saliency in one.maps.values())


def test_random_weights_are_those_of_draw_and_fold(world):
    logits = {(one.names["utterance"], one.names["draw"]): one.logits for one in world.found}
    for clip, utterance in enumerate(world.decisions.rows["utterance"]):
        model = world.decisions.recognisers[clip].model
        for draw in (1, 2):
            copy = untrained(model, key_seed(5, "untrained", draw, world.decisions.rows["fold"][clip]))
            tensors = world.decisions.recognisers[clip].tensors(
                world.decisions.waves[[clip]], world.decisions.n_valid[[clip]]
            )
            with torch.no_grad():
                torch.testing.assert_close(logits[utterance, draw], copy(**tensors).logits[0], atol=1e-5, rtol=1e-4)


def test_a_model_that_is_itself_untrained_has_every_explanation_of_its_draw(world):
    """Whatever is computed for the one is computed for the other, with the same samples and the same controls."""
    first = Decisions(
        [
            Recogniser(untrained(one.model, key_seed(5, "untrained", 1, fold)), one.inputs)
            for one, fold in zip(world.decisions.recognisers, world.decisions.rows["fold"], strict=True)
        ],
        *(getattr(world.decisions, name) for name in ("descriptors", "rows", "waves", "n_valid", "targets")),
    )
    found = explanations.explain(first, How(**vars(world.how) | {"untrained": 1}))
    tables = [
        (explained.deletions(found), ["salient_muted", "controls_beaten"]),
        (explained.following(found, first.energy), ["correlation"]),
        (explained.additivity(found), ["error", "share"]),
    ]
    for table, quantities in tables:
        sides = [own[quantities].to_numpy() for _, own in table.groupby("model")]
        np.testing.assert_allclose(sides[0], sides[1], rtol=1e-5, atol=1e-7)
        by = "method" if "method" in table else "explanation"
        compared = against_untrained(table, quantities[-1], by)
        assert len(compared) and compared["difference"].abs().max() < 1e-6


def test_an_explanation_of_a_clip_depends_on_no_other(world):
    alone = Decisions(
        world.decisions.recognisers[2:], OWN, world.decisions.rows.iloc[2:].reset_index(drop=True),
        world.decisions.waves[2:], world.decisions.n_valid[2:], world.decisions.targets[2:],
    )  # fmt: skip
    for one, expected in zip(explanations.explain(alone, world.how), world.found[-3:], strict=True):
        assert one.names == expected.names and one.muted == expected.muted
        np.testing.assert_array_equal(one.maps["SHAP"], expected.maps["SHAP"])


def test_what_occlusion_marks_is_not_muted(world):
    """Its map was made by muting, so it once passed nearly always."""
    tests = explained.deletions(world.found)
    assert set(tests["explanation"]) == {"Score-CAM", "SHAP"}
    assert set(tests.columns) == {
        "model", "draw", "utterance", "speaker", "explanation", "whole", "salient_muted", "control_muted",
        "controls_beaten", "beyond_control",
    }  # fmt: skip
    np.testing.assert_allclose(tests["beyond_control"], tests["control_muted"] - tests["salient_muted"])
    assert list(explained.occlusions(world.found)["draw"].unique()) == [0]


def test_one_importance_has_one_value(world):
    """Chapter 8 and the ledger once divided one by different means, and printed 0.97 and 0.80."""
    table, importance = layout(FRAMES, 4), explained.importances(world.found)
    assert importance.shape == (COUNT * (1 + DRAWS), len(table))
    np.testing.assert_allclose(importance.mean(axis=1), 1)
    features, kinds = explained.by_feature(importance, table), explained.by_descriptor(importance, table)
    compared = against_untrained(kinds, "importance", "descriptor").set_index("descriptor")
    for model in ("trained", "untrained"):
        pd.testing.assert_series_equal(compared[model], features.groupby("descriptor")[model].mean())
        shares = compared[model] * table["descriptor"].value_counts() / len(table)
        assert shares.sum() == pytest.approx(1)
    shap = world.found[0].attributions[explained.SHAP_METHOD].values
    sizes = np.abs(shap) / np.abs(shap).mean()
    np.testing.assert_allclose(importance.iloc[0], sizes, rtol=1e-6)
    assert kinds.columns.tolist() == ["model", "draw", "speaker", "descriptor", "importance"]


def test_maps_are_compared_with_energy_and_with_each_other(world):
    energy = world.decisions.energy
    table = explained.following(world.found, energy).set_index(["utterance", "draw", "explanation"])["correlation"]
    for one in world.found:
        utterance, draw = one.names["utterance"], one.names["draw"]
        expected = spearmanr(one.maps["SHAP"], energy[utterance]).statistic
        assert table[utterance, draw, "SHAP"] == pytest.approx(expected)
    world.found[0].maps["Score-CAM"], kept = np.zeros(FRAMES), world.found[0].maps["Score-CAM"]
    flat = explained.following(world.found[:1], "occlusion").set_index("explanation")["correlation"]
    world.found[0].maps["Score-CAM"] = kept
    assert flat.isna().to_dict() == {"Score-CAM": True, "SHAP": False, "occlusion": True}
    both = world.found[0].maps["SHAP"], world.found[0].maps["occlusion"]
    assert flat["SHAP"] == pytest.approx(spearmanr(*both).statistic)


def test_additivity_is_a_share_of_the_clip_s_own_range(world):
    table = explained.additivity(world.found)
    assert len(table) == 2 * len(world.found)
    logits = world.found[4].logits.numpy()
    row = table.iloc[8]
    assert row["range"] == pytest.approx(np.ptp(logits)) and row["share"] == pytest.approx(row["error"] / row["range"])
    attribution = world.found[4].attributions[row["method"]]
    assert row["error"] == pytest.approx(abs(attribution.output - attribution.base - attribution.values.sum()))


def test_clips_are_of_as_many_speakers_and_emotions_as_there_are():
    rows = [(f"{s}-{e}-{n}", f"s{s}", e) for s in range(24) for e in EMOTIONS for n in range(3)]
    table = pd.DataFrame(rows, columns=["utterance", "speaker", "true"]).assign(system="D", seed=0)
    table["predicted"] = table["true"]
    found = explanations.chosen(table, "D", 24)
    assert found["speaker"].nunique() == 24 and found["true"].value_counts().between(3, 4).all()
    assert explanations.chosen(table.iloc[::-1], "D", 24)["utterance"].tolist() == found["utterance"].tolist()
    few = table[table["speaker"].isin(["s1", "s2", "s3", "s4"])]
    assert (explanations.chosen(few, "D", 24)["speaker"].value_counts() == 6).all()


def test_what_was_found_in_words():
    numbers = {"trained": 0.5, "untrained": 0.25, "difference": 0.25, "low": 0.125, "high": 0.375}
    rows = [
        {"explanation": "SHAP", **numbers, "told_apart": "more than untrained"},
        {"explanation": "Score-CAM", **numbers, "low": np.nan, "high": np.nan, "told_apart": "no interval"},
    ]
    assert explained.in_words(pd.DataFrame(rows), ".2f") == (
        "SHAP more than untrained (0.50 trained, 0.25 untrained; difference +0.25, from +0.12 to +0.38); "
        "Score-CAM no interval (0.50 trained, 0.25 untrained; difference +0.25)"
    )
