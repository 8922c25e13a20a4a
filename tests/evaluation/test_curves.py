"""Stability row by row, areas as means, and what is left above chance."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from sersupport.corpora.convention import EMOTIONS
from sersupport.evaluation.curves import against_clean, area_weights, level_weights
from sersupport.evaluation.metrics import metrics
from sersupport.evaluation.noise import Axis
from sersupport.evaluation.resampling import resampled


def test_stability_compares_with_the_clean_prediction():
    rows = [("s", "a", "clean", "sad", "sad"), ("s", "a", "white@0.5", "sad", "fear"),
            ("s", "a", "pink@0.5", "fear", "fear"), ("t", "a", "white@0.5", "sad", "sad")]  # fmt: skip
    frame = pd.DataFrame(rows, columns=["system", "utterance", "condition", "predicted", "true"])
    found = against_clean(frame).set_index("condition")
    assert found["true"].tolist() == ["sad", "sad"] and found["predicted"].to_dict() == {
        "white@0.5": "sad", "pink@0.5": "fear",
    }  # fmt: skip


@pytest.mark.parametrize(("column", "values"), [("seed", (0, 1)), ("fold", (1, 2)), ("protocol", ("random", "apart"))])
def test_stability_compares_within_one_training(column, values):
    """Two trainings of one system that never change their mind under noise, and do not agree with each other."""
    parts = [
        pd.DataFrame({
            "system": "s", "utterance": "a", "condition": ["clean", "white@0.5"], "predicted": emotion, "true": "calm",
        })
        for emotion in ("sad", "fear")
    ]  # fmt: skip
    frame = pd.concat([part.assign(**{column: value}) for part, value in zip(parts, values, strict=True)])
    found = against_clean(frame.set_axis([7, 5, 3, 1]))
    assert len(found) == 2 and (found["true"] == found["predicted"]).all()


@given(st.lists(st.floats(0, 1), min_size=2, max_size=8), st.randoms(use_true_random=False))
def test_level_weights_give_the_area_by_trapezoids(scores, random):
    levels = np.cumsum([random.uniform(0.1, 9) for _ in scores])
    area = np.trapezoid(scores, levels) / (levels[-1] - levels[0])
    assert level_weights(levels) @ scores == pytest.approx(area)
    assert level_weights(levels[::-1]) @ scores[::-1] == pytest.approx(area)
    assert level_weights(levels).sum() == pytest.approx(1) and level_weights([5.0]).tolist() == [1]


def noisy_systems(
    rng: np.random.Generator, systems: dict[str, tuple[float, float]], speakers: int = 8, each: int = 5
) -> pd.DataFrame:
    """Predictions of systems on the same speakers, clean and at two levels.

    The mean logits of recall are those given; speakers differ by 0.5, and in what noise costs them by 0.3.
    """
    names, conditions = (
        np.array(EMOTIONS),
        pd.DataFrame({"level_kind": ["none", "snr", "snr"], "level": [0.0, 0.0, 10.0]}),
    )
    ability, cost, tables = rng.standard_normal(speakers), rng.standard_normal(speakers), []
    speaker, place, true = (own.ravel() for own in np.mgrid[:speakers, :3, : 7 * each])
    for system, (clean, noisy) in systems.items():
        logit = np.where(place > 0, noisy + 0.3 * cost[speaker], clean) + 0.5 * ability[speaker]
        right = rng.random(true.size) < special.expit(logit)
        said = np.where(right, true, true + rng.integers(1, 7, true.size)) % 7
        tables.append(conditions.iloc[place].assign(
            system=system, speaker=speaker, utterance=1000 * speaker + true, noise_part="test", source="",
            noise=np.where(place > 0, "white", ""),
            condition=np.where(place > 0, "noisy", "clean"), true=names[true % 7], predicted=names[said],
        ))  # fmt: skip
    return pd.concat(tables, ignore_index=True)


def halves(frame: pd.DataFrame, system: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    own = frame[frame["system"] == system]
    return own[own["condition"] == "clean"], own[own["condition"] != "clean"]


def retained(frame: pd.DataFrame, samples: int = 1000) -> pd.Series:
    (found,) = Axis(frame, "snr", samples).retained().iloc
    return found


def test_area_weights_are_those_of_the_levels_and_shared_within_one():
    frame = noisy_systems(np.random.default_rng(0), {"a": (1, 0)})
    both = pd.concat([frame.assign(noise=noise) for noise in ("white", "pink")])
    scores = resampled(both[both["level_kind"] == "snr"], ["noise", "level"])
    assert area_weights(scores, noise="pink")[scores.groups["noise"] == "pink"].tolist() == [0.5, 0.5]
    assert area_weights(scores, level=10.0).sum() == 1
    everything = level_weights([0, 10]).repeat(1) / 2
    assert sorted(np.unique(scores.where(level=0.0))) == [0, 0.5] and everything.sum() == pytest.approx(0.5)


def test_what_is_left_above_chance_by_hand():
    clean, noisy = halves(noisy_systems(np.random.default_rng(1), {"a": (1.5, 0.2)}), "a")
    extra = clean.assign(utterance="not in noise", predicted="sad")  # which does not count
    found = retained(pd.concat([clean, extra, noisy]))
    uar = [metrics(noisy[noisy["level"] == level])["recall"] for level in (0, 10)]
    assert found["retained"] == pytest.approx((np.mean(uar) - 1 / 7) / (metrics(clean)["recall"] - 1 / 7))
    assert found["low"] < found["retained"] < found["high"]
    untouched = retained(pd.concat([clean, clean.assign(level_kind="snr", noise="white", condition="white@0")]))
    assert untouched[["retained", "low", "high"]].tolist() == pytest.approx([1, 1, 1])


@pytest.mark.parametrize("clean", [0.4, -0.5])
def test_intervals_of_what_is_left_cover_what_they_promise(clean):
    """Also of a system with little above chance, where a bootstrap of the ratio itself would not."""
    rng, covered = np.random.default_rng(2), []
    grid = np.linspace(-6, 6, 2001)
    density = np.exp(-(grid**2) / 2) / np.exp(-(grid**2) / 2).sum()
    noisy_uar = density @ special.expit(clean - 0.6 + np.hypot(0.5, 0.3) * grid)
    truth = (noisy_uar - 1 / 7) / (density @ special.expit(clean + 0.5 * grid) - 1 / 7)
    for _ in range(400):
        found = retained(noisy_systems(rng, {"a": (clean, clean - 0.6)}, each=3), 400)
        covered.append(found["low"] <= truth <= found["high"])
    assert 0.92 <= np.mean(covered) <= 0.98


def test_a_system_that_starts_low_loses_fewer_points_and_not_less():
    """Both keep half of what they have above chance; in points the better one loses three times as much."""
    logit = special.logit(1 / 7 + np.array([0.6, 0.3, 0.2, 0.1]))
    frame = noisy_systems(np.random.default_rng(3), {"high": tuple(logit[:2]), "low": tuple(logit[2:])}, 24, 10)
    high, low = (halves(frame, system) for system in ("high", "low"))
    points = [metrics(clean)["recall"] - metrics(noisy)["recall"] for clean, noisy in (high, low)]
    assert points[0] > 2 * points[1]
    pair = Axis(frame, "snr").between_systems().set_index("measure").loc["retained"]
    assert pair["low"] < 0 < pair["high"] and pair["p"] > 0.05
    kept = Axis(frame, "snr").retained().set_index("system")["retained"]
    assert pair["difference"] == pytest.approx(kept["high"] - kept["low"])
    spoilt = (frame["system"] == "high") & (frame["noise"] != "")
    ruined = frame.assign(predicted=frame["predicted"].mask(spoilt, "sad"))
    pair = Axis(ruined, "snr").between_systems().set_index("measure").loc["retained"]
    assert pair["p"] < 0.01 and pair["difference"] < 0


def test_nothing_is_left_of_nothing():
    frame = noisy_systems(np.random.default_rng(4), {"a": (special.logit(1 / 7), -3)})
    assert retained(frame)[["retained", "low", "high"]].isna().all()
