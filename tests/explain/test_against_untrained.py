"""The same model untrained, and differences to it over speakers, against SciPy's paired test."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from torch import nn

from sersupport.explain.against_untrained import against_untrained, texture_over_energy
from sersupport.explain.untrained import untrained
from sersupport.inputs.encoders import encoder as encoders
from sersupport.systems.fusion import FusionModel, row_config


def clips(values: dict[tuple[str, int, str, str], float], explanation: str = "SHAP") -> pd.DataFrame:
    """A table of (model, draw, speaker, utterance) and its value."""
    names = ["model", "draw", "speaker", "utterance"]
    table = pd.DataFrame(list(values), columns=names).assign(value=list(values.values()))
    return table.assign(explanation=explanation)


def drawn(rng: np.random.Generator, speakers: int, gap: float = 0.0, between_draws: float = 0.0) -> pd.DataFrame:
    """Speakers with one to three clips; what a speaker or a draw adds to each is normal."""
    values, of_draw = {}, {draw: between_draws * rng.normal() for draw in (1, 2, 3, 4, 5)}
    for speaker in range(speakers):
        own = rng.normal()  # shared by both models: what pairing takes out
        for clip in range(1 + speaker % 3):
            name = (f"s{speaker}", f"s{speaker}-{clip}")
            values["trained", 0, *name] = own + gap + 0.3 * rng.normal()
            for draw, shift in of_draw.items():
                values["untrained", draw, *name] = own + shift + 0.3 * rng.normal()
    return clips(values)


def test_untrained_draws_all_that_is_learnt_and_keeps_what_was_measured(fusion):
    model = fusion("D")
    with torch.no_grad():  # as training would: parameters and running statistics leave their start
        for module in model.modules():
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                module.running_mean += 1
                module.weight += 0.5
    before = {name: values.clone() for name, values in model.state_dict().items()}
    torch.manual_seed(7)
    expected, _ = torch.rand(3), torch.manual_seed(7)
    copy = untrained(model, 1)
    torch.testing.assert_close(torch.rand(3), expected)  # the global generator is as it was
    own = dict(model.named_buffers(recurse=False))
    assert {"spectral_mean", "spectral_scale", "frame_mean", "frame_scale"} <= set(own)
    assert all(torch.equal(model.state_dict()[name], values) for name, values in before.items())
    for name, values in own.items():
        assert torch.equal(copy.get_buffer(name), values), name
    matrices = [name for name, values in model.named_parameters() if values.ndim > 1]
    assert len(matrices) == 8 and not any(torch.equal(copy.state_dict()[name], before[name]) for name in matrices)
    for module in copy.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            assert not module.running_mean.any() and (module.running_var == 1).all() and (module.weight == 1).all()
    assert not copy.training and not torch.equal(copy.classifier[0].bias, model.classifier[0].bias)


def test_untrained_weights_are_those_of_their_seed_and_of_the_architecture(fusion):
    model = fusion("A")
    first, again, other = (untrained(model, seed).state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["classifier.0.weight"], other["classifier.0.weight"])
    # PyTorch's own: uniform within one over the root of the inputs
    weight = first["classifier.0.weight"]
    assert weight.abs().max() <= weight.shape[1] ** -0.5 and weight.std() == pytest.approx(
        (3 * weight.shape[1]) ** -0.5, rel=0.02
    )


def test_an_encoder_inside_the_model_is_untrained_with_it():
    tiny = encoders.load(encoders.TINY, [-1])
    model = FusionModel(row_config("B", frame_dim=tiny.frame_dim, encoder=tiny.config))
    inside = dict(model.encoder.named_parameters())
    drawn_anew = dict(untrained(model, 0).encoder.named_parameters())
    weights = [name for name in inside if name.endswith("weight") and inside[name].std() > 0]
    assert weights and not any(torch.equal(inside[name], drawn_anew[name]) for name in weights)


def test_the_difference_is_paired_by_speaker_and_its_error_that_of_speakers_and_draws():
    table = drawn(np.random.default_rng(0), 9, gap=1.0, between_draws=0.2)
    (found,) = against_untrained(table, "value").to_dict("records")
    of_clips = table.groupby(["model", "speaker", "utterance"])["value"].mean()
    means = of_clips.groupby(["model", "speaker"]).mean().unstack(0)
    assert found["trained"] == pytest.approx(means["trained"].mean())
    assert found["untrained"] == pytest.approx(means["untrained"].mean())
    assert found["difference"] == pytest.approx(found["trained"] - found["untrained"])
    alone = stats.ttest_1samp(means["trained"], 0).confidence_interval(0.95)
    assert (found["trained_low"], found["trained_high"]) == pytest.approx(tuple(alone))
    # SciPy's Welch test has the same arithmetic: the error over speakers, and that of one more draw than their mean's
    of_draws = table[table["draw"] > 0].groupby(["draw", "speaker", "utterance"])["value"].mean()
    of_draws = of_draws.groupby(["draw", "speaker"]).mean().groupby("draw").mean()
    gaps = means["trained"] - means["untrained"]

    def p_value(difference: float) -> float:
        sides = difference, gaps.std(), 9, 0.0, of_draws.std() * (5 + 1) ** 0.5, 5
        return stats.ttest_ind_from_stats(*sides, equal_var=False).pvalue

    assert found["p"] == pytest.approx(p_value(found["difference"]))
    assert p_value(found["high"] - found["difference"]) == pytest.approx(0.05)
    assert found["high"] - found["difference"] == pytest.approx(found["difference"] - found["low"])
    assert (found["speakers"], found["draws"]) == (9, 5)
    assert found["told_apart"] == "more than untrained" and found["low"] > 0
    (turned,) = against_untrained(table.assign(value=-table["value"]), "value").to_dict("records")
    assert turned["told_apart"] == "less than untrained"


@pytest.mark.parametrize("between_draws", [0.0, 0.1, 0.5])
def test_a_model_that_learnt_nothing_is_rarely_told_apart(between_draws):
    """It is one more draw. An interval over speakers alone takes most such models for another kind."""
    rng, told, told_by_speakers = np.random.default_rng(1), 0, 0
    for _ in range(150):
        table = drawn(rng, 8, gap=between_draws * rng.normal(), between_draws=between_draws)
        told += against_untrained(table, "value")["told_apart"].item() != "not told apart"
        means = table.groupby(["model", "speaker"])["value"].mean().unstack(0)
        told_by_speakers += stats.ttest_rel(means["trained"], means["untrained"]).pvalue < 0.05
    assert told / 150 <= 0.05 + 3 * (0.05 * 0.95 / 150) ** 0.5
    assert between_draws < 0.5 or told_by_speakers > 100


def test_a_speaker_counts_once_and_clips_count_only_where_both_have_a_value():
    values = {("trained", 0, "a", f"a{n}"): 1.0 for n in range(5)} | {("trained", 0, "b", "b0"): 3.0}
    values |= {("untrained", draw, speaker, clip): 0.0 for _, _, speaker, clip in list(values) for draw in (1, 2)}
    (found,) = against_untrained(clips(values), "value").to_dict("records")
    assert found["trained"] == 2.0  # (1 + 3) / 2, though five clips of six say 1
    flat = values | {("trained", 0, "a", "a5"): np.nan, ("untrained", 1, "a", "a5"): 100.0}
    flat |= {("untrained", 1, "b", "b0"): np.nan}
    assert against_untrained(clips(flat), "value").to_dict("records") == [found]


def test_one_speaker_has_no_interval_and_no_value_is_no_error():
    one = clips({("trained", 0, "a", "a0"): 1.0} | {("untrained", draw, "a", "a0"): 0.25 for draw in (1, 2)})
    none = clips({("trained", 0, "a", "a0"): np.nan, ("untrained", 1, "a", "a0"): 0.25}, "Score-CAM")
    found = against_untrained(pd.concat([none, one]), "value").set_index("explanation")
    assert list(found.index) == ["Score-CAM", "SHAP"]  # in order of appearance
    assert found.loc["SHAP", "difference"] == 0.75 and found.loc["SHAP", "told_apart"] == "no interval"
    assert found.loc["SHAP", ["trained_low", "trained_high", "low", "high", "p"]].isna().all()
    assert np.isnan(found.loc["Score-CAM", "trained"]) and list(found["speakers"]) == [0, 1]


def test_without_values_or_without_an_untrained_model_nothing_is_told():
    sides = [("trained", 0), ("untrained", 1), ("untrained", 2)]
    flat = clips({(model, draw, s, s): np.nan for model, draw in sides for s in "abc"}, "Score-CAM")
    alone = clips({("trained", 0, s, s): 1.0 for s in "abc"})
    found = against_untrained(pd.concat([flat, alone]), "value")
    assert list(found["explanation"]) == ["Score-CAM", "SHAP"] and set(found["told_apart"]) == {"no interval"}
    assert found[["trained", "untrained", "difference", "low", "high", "p"]].isna().all(axis=None)


def test_one_draw_says_nothing_of_others():
    values = {("trained", 0, s, s): n for n, s in enumerate("abc")}
    (found,) = against_untrained(clips(values | {("untrained", 1, s, s): 0.0 for s in "abc"}), "value").to_dict(
        "records"
    )
    assert found["difference"] == 1 and found["trained_low"] < 1 < found["trained_high"]
    assert np.isnan(found["low"]) and found["told_apart"] == "no interval"


def test_equal_values_are_not_told_apart():
    sides = [("trained", 0), ("untrained", 1), ("untrained", 2)]
    same = clips({(model, draw, s, s): 0.5 for model, draw in sides for s in "abc"})
    (found,) = against_untrained(same, "value").to_dict("records")
    assert found["difference"] == 0 and found["p"] == 1 and found["told_apart"] == "not told apart"


def test_texture_over_energy_counts_in_powers_of_two_by_speaker():
    rows = [
        (model, draw, speaker, descriptor, value)
        for model, draw, factor in (("trained", 0, 4.0), ("untrained", 1, 0.5))
        for speaker in "ab"
        for descriptor, value in (("MFCC", 1.5 * factor), ("RMS", 1.5), ("ZCR", 9.0))
    ]
    importance = pd.DataFrame(rows, columns=["model", "draw", "speaker", "descriptor", "importance"])
    (found,) = against_untrained(texture_over_energy(importance), "log2_ratio").to_dict("records")
    assert (found["explanation"], found["trained"], found["untrained"]) == ("SHAP", 2.0, -1.0)
