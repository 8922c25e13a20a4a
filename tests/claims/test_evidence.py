"""What counts as not being there, and what does not."""

from __future__ import annotations

import pandas as pd
import pytest

from sersupport.claims.evidence import (
    ARTEFACTS,
    CLEAN,
    ENCODER,
    ESTIMATES,
    FINETUNED,
    GRID_RELATED,
    PROBED,
    Absent,
    Evidence,
    Finding,
)
from sersupport.claims.ledger import ledger
from sersupport.claims.verdicts import REPRODUCED
from sersupport.core.errors import Missing, UserError


def test_only_absence_is_absence(evidence):
    """An artefact that is there and cannot be read must not pass for one that the run does not have."""

    def broken(name: str) -> None:
        raise UserError(f"{name} was made with seed 1, this run has seed 0")

    with pytest.raises(UserError, match="seed 1"):
        ledger(Evidence(broken, "test", False))
    with pytest.raises(Absent, match=f"needs {CLEAN}"):
        evidence().artefact(CLEAN)


def test_the_ledger_looks_at_declared_artefacts_only_and_at_all_of_them(evidence):
    with pytest.raises(ValueError, match="not among the artefacts"):
        evidence().artefact("07_ablation/variants")
    asked = []

    def lacking(name: str) -> None:
        asked.append(name)
        raise Missing(name)

    ledger(Evidence(lacking, "test", False))
    # what the run's setting is, and what the probe does, is asked only where there is a score to judge, what TRNet does
    # on the grid only where there is an enhancer
    assert ESTIMATES in asked
    assert {*asked, ENCODER, PROBED, FINETUNED, GRID_RELATED} == set(ARTEFACTS) and len(asked) == len(set(asked))


def test_a_finding_must_say_what_it_rests_on():
    with pytest.raises(TypeError, match="source"):
        Finding("words", verdict=REPRODUCED)


def test_a_folder_of_tables_is_evidence_enough(predictions, evidence, tmp_path):
    """A published run has its predictions tables and no training."""
    rows = predictions({row: 0.8 for row in "ABCD"})
    (tmp_path / CLEAN).parent.mkdir()
    rows.to_parquet(tmp_path / f"{CLEAN}.parquet")

    def load(name: str) -> pd.DataFrame:
        path = tmp_path / f"{name}.parquet"
        if not path.exists():
            raise Missing(name)
        return pd.read_parquet(path)

    found = ledger(Evidence(load, "test", False, samples=200))
    pd.testing.assert_frame_equal(found, ledger(evidence({CLEAN: rows})))
    assert (found["basis"] == "this run").any() and found["low"].notna().any()
