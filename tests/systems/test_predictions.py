"""The predictions table, and what can be read without torch."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from toy_rows import config, materials

from sersupport.corpora.convention import EMOTIONS
from sersupport.systems.fusion import FusionModel
from sersupport.systems.predictions import predictions_table, probabilities
from sersupport.systems.recogniser import predict


def test_predictions_table_has_one_row_a_sample():
    data = materials(14, 0)
    data.recipes["source"] = [f"fish_market/{number}" for number in range(14)]
    who = pd.DataFrame({"id": data.recipes["utterance"], "corpus": "toy", "speaker": "s", "sex": "F"})
    found = predict(FusionModel(config()).eval(), data)
    table = predictions_table(data, found, who, system="D", protocol="p", fold=0, seed=0)
    assert len(table) == 14 and set(table["system"]) == {"D"}
    assert table["source"].tolist() == data.recipes["source"].tolist()
    assert table["true"].tolist() == [EMOTIONS[label] for label in data.labels]
    np.testing.assert_array_equal(probabilities(table), found)
    np.testing.assert_allclose(probabilities(table).sum(axis=1), 1, atol=1e-5)
    best = probabilities(table).to_numpy().argmax(axis=1)
    assert [EMOTIONS[index] for index in best] == table["predicted"].tolist()


@pytest.mark.parametrize(
    "module",
    [
        "inputs",
        "inputs.base",
        "inputs.encoders",
        "inputs.encoders.find",
        "systems",
        "systems.predictions",
        "systems.resume",
    ],
)
def test_looking_needs_no_torch(module):
    """Reading a ledger or checking an encoder's folder once loaded torch and transformers."""
    code = f"import sys, sersupport.{module}; print(sorted({{'torch', 'transformers', 'librosa'}} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
