"""The ledger holds every claim once, types no verdict, and says how to get at its evidence."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from sersupport.claims import facts, verdicts
from sersupport.claims.ledger import check, ledger, summary
from sersupport.claims.verdicts import CONTRADICTED, NOT_REPRODUCED, NOT_TESTABLE, REPRODUCED
from sersupport.core.errors import UserError

PAPERS = {"2512.18298", "2507.03251", "2501.10408", "2404.12979"}


@pytest.fixture(scope="module")
def bare(evidence) -> pd.DataFrame:
    """The ledger of a run without any artefact."""
    return ledger(evidence()).set_index("id")


def test_it_holds_every_claim_once_with_words_of_its_own(bare):
    assert len(bare) >= 60 and bare.index.is_unique and set(bare["paper"]) == PAPERS
    for column in ("place", "claim", "test", "evidence", "command"):
        assert bare[column].str.len().min() > 0
    assert set(bare["verdict"]) == {REPRODUCED, CONTRADICTED, NOT_TESTABLE, NOT_REPRODUCED}
    assert summary(bare.reset_index())["claims"].sum() == len(bare)


def test_without_artefacts_what_needs_them_is_untestable_and_nothing_else(bare):
    """A claim that waits for an artefact names it, and does not rest on print; its command makes that artefact."""
    untestable = bare["verdict"] == NOT_TESTABLE
    assert (untestable == (bare["basis"] == "this run")).all() and untestable.any() and not untestable.all()
    for id, row in bare[untestable].iterrows():
        profile, artefact = re.fullmatch(r"sersupport report --profile (\S+)  # (\S+)", row["command"]).groups()
        assert profile == "test" and f"`{artefact}`" in row["evidence"], id
    assert (bare["command"] == "sersupport claims " + bare.index)[~untestable].all()


def test_no_verdict_is_typed():
    texts = facts.table("claims")
    assert not texts.map(lambda text: any(verdict in str(text) for verdict in verdicts.VERDICTS)).any().any()
    folder = Path(verdicts.__file__).parent
    papers = ("fusion_method", "fusion_results", "cnn_attention", "humpcat", "trnet")
    for source in (folder / f"{name}.py" for name in papers):
        assert not re.search(r"\b(REPRODUCED|NOT_REPRODUCED|CONTRADICTED|NOT_TESTABLE)\b", source.read_text("utf-8"))


def test_every_written_claim_has_its_check_and_stands_in_the_ledger(bare):
    texts = facts.table("claims").set_index("id")
    assert set(texts.index) <= set(bare.index), "words without a check"
    pd.testing.assert_series_equal(bare.loc[texts.index, "claim"], texts["claim"])


def test_one_claim_is_a_row_of_the_ledger(bare, evidence):
    row = pd.DataFrame([check("pink-slope", evidence())]).set_index("id")
    pd.testing.assert_frame_equal(row, bare.loc[["pink-slope"]])
    with pytest.raises(UserError, match="near it: pink-slope"):
        check("pink-slop", evidence())


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
    assert f"{bad.sum()} of 18" in bare.loc["f1-table5", "evidence"]
    contradicted = (
        "f1-table5",
        "drop-column",
        "k-40",
        "leap",
        "most-robust",
        "attention-range-high",
        "streams-weighted",
        "tess-binary",
    )
    for name in contradicted:
        assert bare.loc[name, "verdict"] == CONTRADICTED, name
    for name in ("total-samples", "class-columns", "attention-range", "throughput", "pink-slope", "parameters-C"):
        assert bare.loc[name, "verdict"] == REPRODUCED, name


@pytest.mark.parametrize(
    ("id", "words"),
    [
        ("class-columns", ["CREMA-D 7,442", "together 12,162", "Table II prints the same"]),
        ("class-rows", ["surprise 652", "together 12,162", "its column of totals prints the same"]),
        ("parameters-A", ["printed 11.9 M", "section III-E at K = 20 gives 20."]),
        ("parameters-cnn", ["printed 11.9 M", "rows C and B", "20.10 M"]),
        ("parameters-pooling", ["printed 0.7 M", "equation 20", "0.59 M"]),
        (
            "noisy-97",
            ["printed 97.28 %", "18 cells", "93.48 %", "1 of them equals the figure: railway engine at λ 0.25"],
        ),
        ("f1-table5", ["9 of 18", "white at λ 0.75", "fish market at λ 0.75"]),
        ("drop-column", ["B 12.35", "B 4.32", "both columns are the gaps to row D"]),
        ("most-robust", ["C 0.84", "D 1.63", "row C falls least"]),
    ],
)
def test_what_chapters_say_of_printed_numbers_stands_in_the_evidence(bare, id, words):
    for word in words:
        assert word in bare.loc[id, "evidence"]


@pytest.mark.parametrize(("module", "heavy"), [("ledger", "torch transformers"), ("verdicts", "torch numpy pandas")])
def test_reading_a_ledger_loads_no_network(module, heavy):
    code = f"import sys, sersupport.claims.{module}; sys.exit(' '.join(set({heavy.split()!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""
