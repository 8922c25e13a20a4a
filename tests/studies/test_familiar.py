"""What it brings an encoder to have heard the test speakers: the difference, its excess, and whom they compare."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from sersupport.evaluation.metrics import metrics
from sersupport.inputs.encoders.encoder import MINI
from sersupport.studies.familiar import comparable, familiarity, note

RIGHT = {("box", True): 0.9, ("box", False): 0.6, ("other", True): 0.65, ("other", False): 0.6}


@pytest.fixture(scope="module")
def predictions():
    """Two encoders on the same utterances of 16 heard and 8 unheard speakers of two classes."""
    rng, rows = np.random.default_rng(0), []
    for speaker in range(24):
        luck = rng.normal(0, 0.08)
        for encoder in ("box", "other"):
            for take in range(60):
                true = "ab"[take % 2]
                right = rng.random() < RIGHT[encoder, speaker < 16] + luck
                said = true if right else "ab"[1 - take % 2]
                rows.append((encoder, "c", f"s{speaker:02d}", f"s{speaker:02d}-{take}", true, said))
    return pd.DataFrame(rows, columns=["encoder", "corpus", "speaker", "utterance", "true", "predicted"])


HEARD = [f"s{speaker:02d}" for speaker in range(16)]


def test_the_excess_is_a_difference_of_differences(predictions):
    table = familiarity(predictions, HEARD, 4000).set_index("encoder")
    uar = {
        (encoder, known): metrics(own)["recall"]
        for (encoder, known), own in predictions.groupby(["encoder", predictions["speaker"].isin(HEARD)])
    }
    gap = {encoder: uar[encoder, True] - uar[encoder, False] for encoder in ("box", "other")}
    assert list(table.index) == ["box", "other"]
    np.testing.assert_allclose(table["heard"], [uar["box", True], uar["other", True]])
    np.testing.assert_allclose(table["difference"], [gap["box"], gap["other"]])
    np.testing.assert_allclose(table.loc["other", "excess"], gap["box"] - gap["other"])
    assert np.isnan(table.loc["box", "excess"])


def test_its_interval_is_that_of_speakers_drawn_within_either_group(predictions):
    """The reference draws whole speakers, heard and unheard apart, and the same ones for both encoders."""
    right = predictions.assign(right=predictions["true"] == predictions["predicted"])
    score = right.pivot_table(index="speaker", columns="encoder", values="right")  # classes are even: accuracy is UAR
    more, known = (score["box"] - score["other"]).to_numpy(), score.index.isin(HEARD)
    rng, draws = np.random.default_rng(1), []
    for _ in range(4000):
        means = [rng.choice(own, len(own)).mean() for own in (more[known], more[~known])]
        draws.append(means[0] - means[1])
    # over n speakers a bootstrap's deviation is too small by sqrt((n - 1) / n)
    error = np.hypot(*(np.std(own) / np.sqrt(len(own) - 1) for own in (more[known], more[~known])))
    assert np.std(draws) == pytest.approx(error, rel=0.1)
    table = familiarity(predictions, HEARD, 4000).set_index("encoder").loc["other"]
    half = stats.t.ppf(0.975, 7) * error
    assert table["excess high"] - table["excess"] == pytest.approx(half, rel=0.1)
    assert table["excess"] - table["excess low"] == pytest.approx(half, rel=0.1)


def test_one_speaker_of_a_kind_has_no_interval_and_none_no_row(predictions):
    few = familiarity(predictions, ["s00"], 100)
    assert few["difference"].notna().all() and few[["low", "high", "excess low"]].isna().all().all()
    assert familiarity(predictions, [], 100).empty and familiarity(predictions, predictions["speaker"], 100).empty


def test_people_are_compared_within_the_corpus_that_has_most_of_both(predictions):
    other = predictions.assign(corpus="d", speaker="d" + predictions["speaker"])
    both = pd.concat([predictions, other[other["speaker"] < "ds03"]])
    assert set(comparable(both, [*HEARD, "ds00"])["corpus"]) == {"c"}
    assert set(comparable(both, ["ds00", "s00"])["corpus"]) == {"c", "d"}  # one of each is too few


def test_captions_name_the_encoder_that_has_heard_who_is_tested():
    table = pd.DataFrame({"speaker": ["ravdess-01", "ravdess-02"], "path": ["03-01-05-01-01-01-01.wav", "x.wav"]})
    table.loc[1, "path"] = "Actor_02/03-01-05-01-01-01-02.wav"
    assert f"{MINI} has heard 1 of the 2 tested speakers" in note(table, [MINI], False)
    assert note(table, ["openai/whisper-base"], False) == ""
    assert note(table.head(1), [MINI], False) == ""
