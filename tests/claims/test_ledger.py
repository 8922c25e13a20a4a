"""The ledger holds every claim once, types no verdict, and says how to get at its evidence."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score, precision_recall_fscore_support

from sersupport.claims import facts, verdicts
from sersupport.claims.evidence import CLEAN
from sersupport.claims.ledger import check, ledger, summary
from sersupport.claims.verdicts import CODE_CONTRADICTS, CONSISTENT, CONTRADICTED, NOT_TESTABLE, UNDECIDED
from sersupport.core.errors import UserError

PAPERS = {"2512.18298", "2507.03251", "2501.10408", "2404.12979"}

UNDEFINED = (
    "noisy-97",
    "f1-table4",
    "f1-table5",
    "extreme-f1",
    "state-of-the-art",
    "attention-cremad",
)  # not in print, nor in code


@pytest.fixture(scope="module")
def bare(evidence) -> pd.DataFrame:
    """The ledger of a run without any artefact."""
    return ledger(evidence()).set_index("id")


def test_it_holds_every_claim_once_with_words_of_its_own(bare):
    assert 50 <= len(bare) <= 65 and bare.index.is_unique and set(bare["paper"]) == PAPERS
    for column in ("place", "claim", "test", "evidence", "command"):
        assert bare[column].str.len().min() > 0
    assert set(bare["weight"]) == {"central", "minor"} and not bare["claim"].duplicated(keep=False).sum() > 2
    assert set(bare["verdict"]) == {UNDECIDED, CONSISTENT, CONTRADICTED, CODE_CONTRADICTS, NOT_TESTABLE}
    assert summary(bare.reset_index())["claims"].sum() == len(bare)


def test_without_artefacts_what_needs_them_is_untestable_and_nothing_else(bare):
    """A claim that waits for an artefact names it, and does not rest on print; its command makes that artefact."""
    undefined = bare.index.isin(UNDEFINED)
    assert set(bare.loc[undefined, "verdict"]) == {NOT_TESTABLE}
    assert set(bare.loc[undefined, "basis"]) == {"print", "published code"}
    untestable = (bare["verdict"] == NOT_TESTABLE) & ~undefined
    assert (untestable == (bare["basis"] == "this run")).all() and untestable.any() and not untestable.all()
    for id, row in bare[untestable].iterrows():
        profile, artefact = re.fullmatch(r"sersupport report --profile (\S+)  # (\S+)", row["command"]).groups()
        assert profile == "test" and artefact in row["evidence"], id
    assert (bare["command"] == "sersupport claims " + bare.index)[~untestable].all()


def test_no_verdict_is_typed():
    texts = facts.table("claims")
    assert not texts.map(lambda text: any(verdict in str(text) for verdict in verdicts.VERDICTS)).any().any()
    folder = Path(verdicts.__file__).parent
    papers = ("fusion_method", "fusion_results", "cnn_attention", "humpcat", "trnet")
    for source in (folder / f"{name}.py" for name in papers):
        assert not re.search(
            r"\b(NOT_)?(REPRODUCED|UNDECIDED|CONSISTENT|CONTRADICTED|CODE_CONTRADICTS|SETTING_DIFFERS|TESTABLE)\b",
            source.read_text("utf-8"),
        )


def test_every_written_claim_has_its_check_and_stands_in_the_ledger(bare):
    texts = facts.table("claims").set_index("id")
    assert set(texts.index) <= set(bare.index), "words without a check"
    pd.testing.assert_series_equal(bare.loc[texts.index, "claim"], texts["claim"])


def test_one_claim_is_a_row_of_the_ledger(bare, evidence):
    row = pd.DataFrame([check("noise-colours", evidence())]).set_index("id")
    pd.testing.assert_frame_equal(row, bare.loc[["noise-colours"]])
    with pytest.raises(UserError, match="near it: noise-colours"):
        check("noise-colour", evidence())


def test_arithmetic_against_an_independent_recomputation(bare):
    """What is contradicted follows from print alone; nothing here rests on a number that is not printed."""
    six = facts.table("2512.18298-table6-ablation").set_index("row")
    five = facts.table("2512.18298-table5-robustness")
    assert five["accuracy_pct"].mean() == pytest.approx(93.48, abs=0.005)
    fall_of_b = six.loc["B", "clean_accuracy_pct"] - six.loc["B", "noisy_accuracy_pct"]
    assert fall_of_b == pytest.approx(4.32) and "= 4.32 points" in bare.loc["transformer-falls-12", "evidence"]
    assert pytest.approx(20.1) == 114.6 - 94.5 and pytest.approx(9.80) == 94.73 - 84.93
    bad = five["f1"] > (five["precision"] + five["recall"]) / 2 + 1e-4
    assert f"{bad.sum()} of 18" in bare.loc["f1-table5", "evidence"]
    assert set(bare.index[bare["verdict"] == CONTRADICTED]) == {
        "tess-binary", "savee-sentences", "pitch-duration", "parameters-cnn", "streams-weighted",
        "transformer-falls-12",
    }  # fmt: skip
    held = {"corpora-add-up", "gains-add-up", "noise-colours"}
    assert set(bare.index[bare["verdict"] == CONSISTENT]) == held
    assert set(bare.index[bare["verdict"] == UNDECIDED]) == {"leap"}
    wrong = 100 - six["noisy_accuracy_pct"]
    left = {pair: wrong[pair[1]] / wrong[pair[0]] for pair in ("AC", "BC", "CD")}
    assert left["BC"] < left["CD"] < left["AC"], "by its share of the errors the step is larger than one, not the other"


def test_mixed_averages_allow_what_averages_of_one_kind_do_not():
    """The fish market at λ 0.75: macro precision and recall beside a weighted F1, with the classes of Table III."""
    confusion = np.array([
        [1642, 18, 35, 29, 21, 32, 146], [365, 1417, 9, 16, 83, 4, 30], [9, 8, 1716, 12, 135, 19, 23],
        [370, 12, 25, 1451, 43, 12, 11], [40, 33, 13, 32, 1656, 53, 69], [18, 3, 5, 9, 126, 1745, 18],
        [58, 13, 8, 5, 71, 53, 442],
    ])  # fmt: skip
    np.testing.assert_allclose(confusion.sum(axis=1), facts.table("2512.18298-table3-classes")["total"], atol=2)
    true, said = (np.repeat(places.ravel(), confusion.ravel()) for places in np.indices(confusion.shape))
    macro = precision_recall_fscore_support(true, said, average="macro")
    printed = facts.table("2512.18298-table5-robustness").set_index(["noise", "lambda"]).loc[("fish_market", 0.75)]
    assert macro[:2] == pytest.approx(printed[["precision", "recall"]].tolist(), abs=2e-4)
    assert f1_score(true, said, average="weighted") == pytest.approx(printed["f1"], abs=2e-4)
    assert 100 * (true == said).mean() == pytest.approx(printed["accuracy_pct"], abs=0.02)
    assert macro[2] < sum(macro[:2]) / 2 < printed["f1"]


@pytest.mark.parametrize(
    ("id", "words"),
    [
        ("corpora-add-up", ["12,162 samples of 121 speakers", "4 of 4 corpora", "7 of 7 classes"]),
        ("parameters-cnn", ["index 2367", "291 × 128", "19.1 M", "11.9 M"]),
        ("noisy-97", ["not defined in print", "18 cells", "93.48 %", "equals it: railway engine at λ 0.25"]),
        ("f1-table5", ["9 of 18", "white at λ 0.75", "fish market at λ 0.75"]),
        ("gains-add-up", ["5.12 points", "12.35 points", "6.25 %"]),
        ("leap", ["A to C +3.00 (36 % of the errors)", "B to C +9.80 (65 %", "C to D +2.55 (48 %"]),
    ],
)
def test_what_chapters_say_of_printed_numbers_stands_in_the_evidence(bare, id, words):
    for word in words:
        assert word in bare.loc[id, "evidence"]


def test_one_claim_has_the_verdict_that_it_has_among_its_family(predictions, evidence):
    """Alone, its p would not be corrected."""
    rows = {CLEAN: predictions({"A": 0.6, "B": 0.62, "C": 0.65, "D": 0.7}, 12, seed=2)}
    table = ledger(evidence(rows)).set_index("id")
    one, same = check("fusion-beats-A-clean", evidence(rows)), table.loc["fusion-beats-A-clean"]
    assert one["p_holm"] == same["p_holm"] > one["p"] and one["verdict"] == same["verdict"]


@pytest.mark.parametrize(("module", "heavy"), [("ledger", "torch transformers"), ("verdicts", "torch numpy pandas")])
def test_reading_a_ledger_loads_no_network(module, heavy):
    code = f"import sys, sersupport.claims.{module}; sys.exit(' '.join(set({heavy.split()!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""
