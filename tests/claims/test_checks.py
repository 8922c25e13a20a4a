"""Verdicts follow from numbers and flip with them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from sersupport.claims.checks import better, falls_less, mean_of, prints, ranking, score
from sersupport.claims.evidence import ABLATION, ADDITIVITY, CLEAN, DELETION, GRID, LADDER, PRINT
from sersupport.claims.fusion_results import CLAIMS
from sersupport.claims.verdicts import CONTRADICTED, NOT_REPRODUCED, NOT_TESTABLE, REPRODUCED
from sersupport.recipes.bank import ENVIRONMENTS
from sersupport.sound.colours import COLOURS


def test_a_changed_figure_flips_a_verdict(evidence, judge):
    printed = prints(12.35, lambda e: e.table6.loc["D", "noisy_accuracy_pct"] - e.table6.loc["B", "noisy_accuracy_pct"])
    found = evidence()
    assert judge(printed, found).verdict == REPRODUCED and judge(printed, found).source == PRINT
    found.table6.loc["B", "noisy_accuracy_pct"] += 0.1
    assert judge(printed, found).verdict == CONTRADICTED


@pytest.mark.parametrize(("share", "verdict"), [(0.95, REPRODUCED), (0.6, NOT_REPRODUCED)])
def test_a_printed_accuracy_against_the_interval(predictions, evidence, judge, share, verdict):
    rows = predictions({"D": share}, speakers=10)
    check = score(95.0, "clean", system="D")
    found = judge(check, evidence({CLEAN: rows}))
    assert found.verdict == verdict and found.low < share < found.high
    assert judge(check, evidence({CLEAN: rows}, synthetic=True)).verdict == NOT_TESTABLE
    assert judge(check, evidence({CLEAN: rows[rows["speaker"] == "s0"]})).verdict == NOT_TESTABLE
    missing = judge(score(95.0, "clean", system="D", corpus="tess"), evidence({CLEAN: rows}))
    assert missing.verdict == NOT_TESTABLE and "corpus TESS" in missing.evidence and missing.source == CLEAN


def test_a_leaky_score_is_put_beside_a_clean_one(predictions, evidence, judge):
    ladder = predictions({"D": 1.0}, protocol="row-random", condition="clean")
    found = judge(score(99.0, "clean", system="D"), evidence({CLEAN: predictions({"D": 0.5}), LADDER: ladder}))
    assert "rows split at random, at the ladder's budget: 100.0 %" in found.evidence


@pytest.mark.parametrize(("gain", "verdict"), [(0.3, REPRODUCED), (0.0, NOT_REPRODUCED), (-0.3, NOT_REPRODUCED)])
def test_one_system_better_than_another(predictions, evidence, judge, gain, verdict):
    rows = predictions({"D": 0.6 + gain, "B": 0.6}, seed=3)
    assert judge(better("D", "B", "clean"), evidence({CLEAN: rows})).verdict == verdict


def test_systems_that_were_not_tested_on_the_same_speakers_are_not_compared(predictions, evidence, judge):
    """As many speakers, and others: the difference would be paired in silence, or end the whole ledger."""
    rows = predictions({"baseline": 0.9, "no noisy rows": 0.5})
    rows.loc[rows["system"] == "baseline", "speaker"] += " of another corpus"
    found = judge(better("baseline", "no noisy rows", "clean", ABLATION), evidence({ABLATION: rows}))
    assert found.verdict == NOT_TESTABLE and "of the same speakers" in found.evidence and found.source == ABLATION


def test_falls_from_clean_to_noisy(predictions, evidence, judge):
    clean = predictions({"A": 0.7, "B": 0.9}, seed=1)
    noisy = predictions({"A": 0.65, "B": 0.4}, seed=2, condition="x", level_kind="lambda", noise=ENVIRONMENTS[0])
    found = evidence({CLEAN: clean, GRID: noisy})
    assert judge(falls_less("A", "B"), found).verdict == REPRODUCED
    assert judge(falls_less("B", "A"), found).verdict == NOT_REPRODUCED


def test_rankings_follow_the_axis(predictions, evidence, judge):
    def grid(axis, shares):
        parts = [
            predictions({"D": share}, condition=f"{name}-{axis}", level_kind=axis, noise=name, level=0.5)
            for name, share in shares.items()
        ]
        return pd.concat(parts)

    kinds = dict.fromkeys([*COLOURS, *ENVIRONMENTS], 0.7)
    both = pd.concat([grid("lambda", kinds | {"fish_market": 0.2}), grid("snr", kinds | {"white": 0.2})])
    found = evidence({GRID: both})
    assert judge(ranking("lambda", "fish_market", "hardest"), found).verdict == REPRODUCED
    assert judge(ranking("snr", "fish_market", "hardest"), found).verdict == NOT_REPRODUCED
    lacking = judge(ranking("snr", "fish_market", "hardest"), evidence({GRID: both[both["level_kind"] == "lambda"]}))
    assert lacking.verdict == NOT_TESTABLE and "snr" in lacking.evidence and lacking.source == GRID


def test_shares_are_found_by_name_and_no_rows_decide_nothing(evidence, judge):
    """Methods may stand in any order; a system without descriptors has no SHAP values at all."""
    check = next(claim.check for claim in CLAIMS if claim.id == "additive")
    column = "share of the logits' range (%)"
    table = pd.DataFrame({"method": ["integrated gradients", "expected gradients (SHAP)"], column: [1.0, 20.0]})
    found = judge(check, evidence({ADDITIVITY: table}))
    assert found.verdict == NOT_REPRODUCED and "20.0 %" in found.evidence
    assert judge(check, evidence({ADDITIVITY: table[::-1]})) == found
    for lacking in (table[:1], table[:0]):
        assert judge(check, evidence({ADDITIVITY: lacking})).verdict == NOT_TESTABLE


@pytest.mark.parametrize(("mean", "verdict"), [(0.4, REPRODUCED), (0.0, NOT_REPRODUCED)])
def test_means_over_clips(evidence, judge, mean, verdict):
    table = pd.DataFrame({"value": np.random.default_rng(0).normal(mean, 0.2, 20)})
    check = mean_of(DELETION, lambda frame: frame["value"], "value", lambda low, high: low > 0)
    assert judge(check, evidence({DELETION: table})).verdict == verdict
    assert judge(check, evidence()).verdict == NOT_TESTABLE
    assert judge(check, evidence({DELETION: table[:1]})).verdict == NOT_TESTABLE
