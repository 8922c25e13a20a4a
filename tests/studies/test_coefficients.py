"""Coefficients as samples: what the splits keep apart, what each classifier says, and that nothing is trained twice."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import cdist

from sersupport.core.errors import UserError
from sersupport.corpora.folds import PARTS
from sersupport.evaluation.tables import summarise
from sersupport.inputs.coefficients import Coefficients
from sersupport.inputs.store import Materials
from sersupport.studies import coefficients
from sersupport.studies.coefficients import (
    CLASSIFIERS,
    NEAREST_MINIMUM,
    NEAREST_ROW,
    NETWORK,
    RUNGS,
    Network,
    copies,
    rungs,
    split,
    voted,
)
from sersupport.systems import fit

ROWS = 32
SMALL = Network(epochs=1, batch_size=64, learning_rate=1e-3, filters=2, most=100)


@pytest.fixture(scope="module")
def table(small) -> pd.DataFrame:
    own = small.table[small.table["corpus"] == "ravdess"]
    return own.groupby("speaker").head(14).reset_index(drop=True)


def materials(values, labels) -> Materials:
    values = np.asarray(values, dtype=np.float32)[..., None]
    return Materials(pd.DataFrame(index=range(len(values))), np.array(labels), tuple("abc"), {"cepstra": values})


def test_each_rung_keeps_apart_what_it_says(table):
    owner = np.repeat(np.arange(len(table)), ROWS)
    speaker = table["speaker"].to_numpy()[owner]
    shared, apart = {}, split(table, owner, "speakers apart", 0, "emobox", 0)
    for rung in RUNGS:
        part = split(table, owner, rung, 0, "emobox", 0)
        test, other = part == "test", np.isin(part, ["train", "validation"])
        assert set(part) - {""} == set(PARTS) and {*speaker[test]} <= {*speaker[apart == "test"]}
        shared[rung] = [len({*whose[test]} & {*whose[other]}) > 0 for whose in (owner, speaker)]
        for name in ("train", "validation"):  # as many as where speakers are apart, whole recordings or not
            assert np.mean(part == name) == pytest.approx(np.mean(apart == name), abs=1 / len(table))
        if rung != "speakers apart":
            assert (split(table, owner, rung, 0, "emobox", 1) != part).any()
    assert shared == dict(zip(RUNGS, [[True, True], [False, True], [False, False]], strict=True))


def test_recordings_under_two_names_stay_together(table):
    twice = pd.concat([table, table.assign(id=table["id"] + " again")], ignore_index=True)
    part = split(twice, np.arange(len(twice)), "recordings together", 0, "emobox", 0)
    assert (part[: len(table)] == part[len(table) :]).all()


def test_two_recordings_cannot_be_split(table):
    with pytest.raises(UserError, match="no utterance is left for validation"):
        split(table.head(2), np.repeat([0, 1], ROWS), "recordings together", 0, "emobox", 0)


def test_the_nearest_are_those_of_all_distances():
    rng = np.random.default_rng(0)
    train, test = (materials(rng.normal(size=(n, 9)) - 60, rng.integers(3, size=n)) for n in (700, 300))
    series = [own.arrays["cepstra"][..., 0] for own in (train, test)]
    for nearest, values in (
        (coefficients._nearest_row, series),
        (coefficients._nearest_minimum, [own.min(axis=1, keepdims=True) for own in series]),
    ):
        expected = train.labels[cdist(values[1], values[0]).argmin(axis=1)]
        assert (nearest(train, test) == expected).mean() > 0.99  # minima may tie


def test_recordings_are_what_most_of_their_samples_are():
    sure, unsure = [0.0, 0.45, 0.55], [1.0, 0.0, 0.0]
    found = voted(np.array([4, 4, 4, 7, 7, 9, 9]), np.array([sure, sure, unsure, unsure, sure, [1, 0, 0], [0, 1, 0]]))
    assert found.argmax(axis=1).tolist() == [2, 0, 0]  # two of three; the surer of two; the first of equals
    np.testing.assert_allclose(found.sum(axis=1), 1)


def test_a_floor_tells_rows_whose_recording_they_are_of(small, table):
    """A row knows its recording by the floor below that one's peak, and a recording its class."""
    # the toy corpus hisses: no band falls 80 dB below the peak
    floor, none = (Coefficients("log-mel", ROWS, 51, top_db) for top_db in (30.0, None))
    samples = rungs(small.bench, table, [floor, none], SMALL, classifiers=(NEAREST_MINIMUM,))[1]
    assert samples["feature"].tolist() == [one.title for one in (floor, none) for _ in RUNGS]
    score = samples.set_index(["feature", "rung"])["accuracy"]
    assert score[floor.title]["rows at random"] > 0.98
    others = [score[none.title]["rows at random"], *score[floor.title].loc[list(RUNGS[1:])]]
    assert max(others) < 0.5  # chance 0.14


def test_both_tables_say_who_was_asked_what_and_nothing_is_trained_twice(small, table, monkeypatch):
    made = Coefficients("mfcc", 8, 51)
    recordings, samples = rungs(small.bench, table, [made], SMALL)
    assert samples[["rung", "classifier"]].values.tolist() == [[rung, one] for rung in RUNGS for one in CLASSIFIERS]
    assert samples[["accuracy", "uar"]].stack().between(0, 1).all() and (samples["feature"] == "mfcc").all()
    assert (samples.groupby("rung")["rows"].nunique() == 1).all()
    trained = samples.set_index(["classifier", "rung"])["trained"]
    assert (trained[NETWORK] == 100).all() and trained[NEAREST_ROW].between(101, len(table) * 8).all()
    summary = summarise(recordings, ["rung", "feature", "classifier", "seed"], samples=50)
    counts = summary.groupby("rung")["utterances"].first()
    together = samples.groupby("rung")["rows"].first()[list(RUNGS[1:])]
    assert (counts[list(RUNGS[1:])] * 8 == together).all()  # all rows of each tested recording
    monkeypatch.setattr(fit.SystemTrainer, "train", None)
    again = rungs(small.bench, table, [made], SMALL)
    pd.testing.assert_frame_equal(again[0], recordings)
    with pytest.raises(TypeError):  # another seed is another training
        rungs(small.bench, table, [made], SMALL, seed=1, classifiers=(NETWORK,))


def test_a_copy_finds_its_recording_where_samples_are_drawn(small, table):
    recordings, samples = copies(small.bench, table)
    score = samples.set_index("rung")["accuracy"]
    assert score["rows at random"] > score["speakers apart"]
    held_out = split(table, np.arange(len(table)), "speakers apart", 0, "emobox", 0) == "test"
    assert samples["rows"].tolist()[-1] == 4 * held_out.sum() and (samples["rows"] > 0).all()
    assert set(recordings["classifier"]) == {NEAREST_ROW}
