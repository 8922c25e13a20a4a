"""Runs that have exactly the artefacts that a test gives them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from sersupport.claims.evidence import Claim, Evidence
from sersupport.core.errors import Missing
from sersupport.corpora.convention import EMOTIONS


@pytest.fixture(scope="session")
def predictions():
    """Makes predictions of systems that are right with the given probabilities."""

    def make(skill: dict[str, float], speakers=8, each=6, seed=0, **columns) -> pd.DataFrame:
        rng = np.random.default_rng(seed)
        rows = []
        for system, share in skill.items():
            for speaker in range(speakers):
                true = np.repeat(EMOTIONS, each)
                wrong = np.roll(EMOTIONS, 1)[np.repeat(np.arange(7), each)]
                predicted = np.where(rng.random(true.size) < share, true, wrong)
                names = [f"{speaker}-{i}" for i in range(true.size)]
                who = {"system": system, "speaker": f"s{speaker}", "utterance": names}
                rows.append(pd.DataFrame({**who, "true": true, "predicted": predicted}))
        frame = pd.concat(rows, ignore_index=True)
        said = {"condition": "clean", "level_kind": "none", "noise": "", "noise_part": "test", "corpus": "ravdess"}
        said |= {"source": "", "level": np.nan}
        return frame.assign(**{**said, **columns})

    return make


@pytest.fixture(scope="session")
def evidence():
    """Makes the evidence of a run with the given artefacts and no others."""

    def make(artefacts: dict[str, pd.DataFrame] | None = None, synthetic: bool = False) -> Evidence:
        def load(name: str) -> pd.DataFrame:
            if name not in (artefacts or {}):
                raise Missing(name)
            return artefacts[name]

        return Evidence(load, "test", synthetic, samples=200)

    return make


@pytest.fixture(scope="session")
def judge():
    """Runs a check as the ledger does."""

    def alone(check, evidence):
        found = Claim("", "", "", "", "", "", "", check).found(evidence)
        return replace(found, verdict=found.decided(found.p))

    return alone
