"""sersupport.claims: verdicts follow from numbers, flip with them, and are typed nowhere."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sersupport import claims, evaluation, facts
from sersupport.claims import CONTRADICTED, NOT_REPRODUCED, NOT_TESTABLE, REPRODUCED, Evidence
from sersupport.claims.checks import better, falls_less, mean_of, prints, ranking, score
from sersupport.corpora import EMOTIONS
from sersupport.noise import COLOURS, ENVIRONMENTS

PAPERS = {"2512.18298", "2507.03251", "2501.10408", "2404.12979"}


def predictions(skill: dict[str, float], speakers=8, each=6, seed=0, **columns) -> pd.DataFrame:
    """Predictions of systems that are right with the given probabilities."""
    rng = np.random.default_rng(seed)
    rows = []
    for system, share in skill.items():
        for speaker in range(speakers):
            true = np.repeat(EMOTIONS, each)
            wrong = np.roll(EMOTIONS, 1)[np.repeat(np.arange(7), each)]
            predicted = np.where(rng.random(true.size) < share, true, wrong)
            names = [f"{speaker}-{i}" for i in range(true.size)]
            frame = {
                "system": system,
                "speaker": f"s{speaker}",
                "utterance": names,
                "true": true,
                "predicted": predicted,
            }
            rows.append(pd.DataFrame(frame))
    frame = pd.concat(rows, ignore_index=True)
    return frame.assign(**{"condition": "clean", "level_kind": "none", "noise": "", "corpus": "ravdess"} | columns)


def evidence(synthetic=False, **artefacts) -> Evidence:
    named = {name.replace("__", "/")[1:]: value for name, value in artefacts.items()}
    return Evidence(named.get, "test", synthetic, samples=200)


@pytest.fixture(scope="module")
def bare() -> pd.DataFrame:
    """The ledger of a run without any artefact."""
    return claims.ledger(evidence()).set_index("id")


def test_it_holds_every_claim_once_with_words_of_its_own(bare):
    assert len(bare) >= 60 and bare.index.is_unique and set(bare["paper"]) == PAPERS
    for column in ("place", "claim", "test", "evidence", "command"):
        assert bare[column].str.len().min() > 0
    assert set(bare["verdict"]) == {REPRODUCED, CONTRADICTED, NOT_TESTABLE, NOT_REPRODUCED}
    assert claims.summary(bare.reset_index())["claims"].sum() == len(bare)


def test_no_verdict_is_typed():
    texts = facts.table("claims")
    assert not texts.map(lambda text: any(verdict in str(text) for verdict in claims.VERDICTS)).any().any()
    source = Path(claims.__file__).with_name("rows.py").read_text(encoding="utf-8")
    assert not re.search(r"\b(REPRODUCED|NOT_REPRODUCED|CONTRADICTED|NOT_TESTABLE)\b", source)
    written = set(re.findall(r'_written\(\s*"([^"]+)"', source))
    assert written == set(texts["id"]), "words without a check, or a check without words"


def test_arithmetic_against_an_independent_recomputation(bare):
    six = facts.table("2512.18298-table6-ablation").set_index("row")
    five = facts.table("2512.18298-table5-robustness")
    assert five["accuracy_pct"].mean() == pytest.approx(93.48, abs=0.005)
    assert bare.loc["noisy-97", "verdict"] == CONTRADICTED and "93.48" in bare.loc["noisy-97", "evidence"]
    assert pytest.approx(12.35) == 97.28 - 84.93 and bare.loc["gain-12", "verdict"] == REPRODUCED
    fall_of_b = six.loc["B", "clean_accuracy_pct"] - six.loc["B", "noisy_accuracy_pct"]
    assert fall_of_b == pytest.approx(4.32) and bare.loc["transformer-falls-12", "verdict"] == CONTRADICTED
    assert pytest.approx(20.1) == 114.6 - 94.5 and bare.loc["parameters-cnn", "verdict"] == CONTRADICTED
    bad = five["f1"] > (five["precision"] + five["recall"]) / 2 + 1e-4
    assert (
        f"{bad.sum()} of 18" in bare.loc["f1-table5", "evidence"] and bare.loc["f1-table5", "verdict"] == CONTRADICTED
    )
    for name in (
        "drop-column",
        "k-40",
        "leap",
        "most-robust",
        "attention-range-high",
        "streams-weighted",
        "tess-binary",
    ):
        assert bare.loc[name, "verdict"] == CONTRADICTED, name
    for name in ("total-samples", "class-columns", "attention-range", "throughput", "pink-slope", "parameters-C"):
        assert bare.loc[name, "verdict"] == REPRODUCED, name


def test_macro_f1_never_exceeds_the_mean_of_precision_and_recall():
    """What the checks of F1 rest on, on random confusions."""
    rng = np.random.default_rng(0)
    for _ in range(200):
        frame = pd.DataFrame(np.array(EMOTIONS)[rng.integers(7, size=(60, 2))], columns=["true", "predicted"])
        scores = evaluation.metrics(frame)
        assert scores["f1"] <= (scores["precision"] + scores["recall"]) / 2 + 1e-12


def test_a_changed_figure_flips_a_verdict():
    printed = prints(12.35, lambda e: e.table6.loc["D", "noisy_accuracy_pct"] - e.table6.loc["B", "noisy_accuracy_pct"])
    found = evidence()
    assert printed(found).verdict == REPRODUCED
    found.table6.loc["B", "noisy_accuracy_pct"] += 0.1
    assert printed(found).verdict == CONTRADICTED


@pytest.mark.parametrize(("share", "verdict"), [(0.95, REPRODUCED), (0.6, NOT_REPRODUCED)])
def test_a_printed_accuracy_against_the_interval(share, verdict):
    rows = predictions({"D": share}, speakers=10)
    check = score(95.0, "clean", system="D")
    found = check(evidence(n05_training__predictions=rows))
    assert found.verdict == verdict and found.low < share < found.high
    assert check(evidence(synthetic=True, n05_training__predictions=rows)).verdict == NOT_TESTABLE
    assert check(evidence(n05_training__predictions=rows[rows["speaker"] == "s0"])).verdict == NOT_TESTABLE
    missing = score(95.0, "clean", system="D", corpus="tess")(evidence(n05_training__predictions=rows))
    assert missing.verdict == NOT_TESTABLE and "corpus TESS" in missing.evidence


def test_a_leaky_score_is_put_beside_a_clean_one():
    ladder = predictions({"D": 1.0}, protocol="row-random", variant="clean")
    found = score(99.0, "clean", system="D")(
        evidence(n05_training__predictions=predictions({"D": 0.5}), n05_training__ladder=ladder)
    )
    assert "rows split at random, at the ladder's budget: 100.0 %" in found.evidence


@pytest.mark.parametrize(("gain", "verdict"), [(0.3, REPRODUCED), (0.0, NOT_REPRODUCED), (-0.3, NOT_REPRODUCED)])
def test_one_system_better_than_another(gain, verdict):
    rows = predictions({"D": 0.6 + gain, "B": 0.6}, seed=3)
    assert better("D", "B", "clean")(evidence(n05_training__predictions=rows)).verdict == verdict


def test_falls_from_clean_to_noisy():
    clean = predictions({"A": 0.7, "B": 0.9}, seed=1)
    noisy = predictions({"A": 0.65, "B": 0.4}, seed=2, condition="x", level_kind="lambda", noise=ENVIRONMENTS[0])
    found = evidence(n05_training__predictions=clean, n06_robustness__predictions=noisy)
    assert falls_less("A", "B")(found).verdict == REPRODUCED
    assert falls_less("B", "A")(found).verdict == NOT_REPRODUCED


def test_rankings_follow_the_axis():
    def grid(axis, shares):
        parts = [
            predictions(
                {"D": share}, condition=f"{name}-{axis}", level_kind=axis, noise=name, level=0.5, noise_part="test"
            )
            for name, share in shares.items()
        ]
        return pd.concat(parts)

    kinds = dict.fromkeys([*COLOURS, *ENVIRONMENTS], 0.7)
    both = pd.concat([grid("lambda", kinds | {"fish_market": 0.2}), grid("snr", kinds | {"white": 0.2})])
    found = evidence(n06_robustness__predictions=both)
    assert ranking("lambda", "fish_market", "hardest")(found).verdict == REPRODUCED
    assert ranking("snr", "fish_market", "hardest")(found).verdict == NOT_REPRODUCED


@pytest.mark.parametrize(("mean", "verdict"), [(0.4, REPRODUCED), (0.0, NOT_REPRODUCED)])
def test_means_over_clips(mean, verdict):
    table = pd.DataFrame({"value": np.random.default_rng(0).normal(mean, 0.2, 20)})
    check = mean_of("08_xai/x", lambda frame: frame["value"], "value", lambda low, high: low > 0)
    assert check(evidence(n08_xai__x=table)).verdict == verdict
    assert check(evidence()).verdict == NOT_TESTABLE
