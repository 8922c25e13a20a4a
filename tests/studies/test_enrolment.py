"""Enrolment: who is centred on whom, that nobody is centred on itself, and that it finds what a voice hides."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from sersupport.evaluation.metrics import metrics
from sersupport.inputs.descriptors import Descriptors
from sersupport.inputs.store import Store
from sersupport.recipes.drawing import clean, draw_quadruplet, grid
from sersupport.recipes.rendering import Renderer
from sersupport.studies import enrolment
from sersupport.studies.enrolment import ENROLMENT, NONE, RANDOM, Plan, Voices
from sersupport.studies.jobs import Bench
from sersupport.studies.setup import PROBE, Setup

EMOTIONS = ["angry", "neutral", "sad"]
SIZE, OF_EACH = 12, 8


def recordings(speakers) -> pd.DataFrame:
    rows = [
        (f"{who}-{emotion}-{take}", who, emotion) for who in speakers for emotion in EMOTIONS for take in range(OF_EACH)
    ]
    table = pd.DataFrame(rows, columns=["id", "speaker", "emotion"])
    return table.assign(sha256=table["id"])


def embedded(table: pd.DataFrame, seed: int) -> np.ndarray:
    """Voices far apart in every dimension; emotions a little apart in all of them."""
    emotions = np.random.default_rng(0).normal(size=(len(EMOTIONS), SIZE))
    rng = np.random.default_rng(seed)
    voices = dict(zip(table["speaker"].unique(), 10 * rng.normal(size=(table["speaker"].nunique(), SIZE)), strict=True))
    own = np.stack(
        [
            voices[who] + emotions[EMOTIONS.index(emotion)]
            for who, emotion in zip(table["speaker"], table["emotion"], strict=True)
        ]
    )
    return own + 0.3 * rng.normal(size=own.shape)


def test_centred_on_all_others_is_the_mean_without_oneself():
    table = recordings("abc")
    values = embedded(table, 1)
    centres = Voices(values, table, 0).centres(table["id"], RANDOM, len(EMOTIONS) * OF_EACH - 1)
    frame = pd.DataFrame(values).groupby(table["speaker"])
    expected = (frame.transform("sum") - values) / (frame.transform("size").to_numpy()[:, None] - 1)
    np.testing.assert_allclose(centres, expected)
    assert not Voices(values, table, 0).centres(table["id"], NONE, 0).any()


def test_nobody_is_centred_on_itself_on_a_copy_or_on_others():
    table = recordings("ab")
    table["sha256"] = table["sha256"].replace("a-sad-1", "a-sad-0")  # one recording under two names
    shuffled = table.sample(frac=1, random_state=0)
    values = embedded(table, 1)
    voices, again = Voices(values, table, 0), Voices(values[shuffled.index], shuffled, 0)
    for kind in (RANDOM, "sad"):
        for name in ("a-sad-0", "a-sad-1", "a-angry-3", "b-sad-2"):
            drawn = [table["id"][place] for place in voices.drawn(name, kind, 5)]
            own = table.set_index("id").loc[drawn]
            assert set(own["speaker"]) == {name[0]} and own["sha256"].is_unique and len(own) == 5
            assert table.set_index("id")["sha256"][name] not in set(own["sha256"])
            assert kind == RANDOM or set(own["emotion"]) == {kind}
            assert drawn == [shuffled["id"].iloc[place] for place in again.drawn(name, kind, 5)]
    assert set(voices.drawn("b-sad-2", RANDOM, 8)) != set(voices.drawn("b-sad-2", RANDOM, 8, draw=1))


@pytest.mark.parametrize(("count", "least", "most"), [(0, 0.0, 0.7), (16, 0.95, 1.0)])
def test_it_finds_an_emotion_that_a_voice_hides(count, least, most):
    train, test = recordings("abcdef"), recordings("uvwxyz")
    sides = []
    for table, seed in ((train, 1), (test, 2)):
        values = embedded(table, seed)
        sides.append(values - Voices(values, table, 0).centres(table["id"], RANDOM, count))
    said = enrolment.regression().fit(sides[0], train["emotion"]).predict(sides[1])
    assert least <= np.mean(said == test["emotion"]) <= most


@pytest.fixture(scope="module")
def folds(small):
    known = small.table["speaker"].isin(["ravdess-08", "ravdess-09", "tess-YAF"])
    recipes = draw_quadruplet(small.table, small.renderer.bank, 0, clip_length_s=2.5)
    noisy = grid(
        small.table[~known],
        small.renderer.bank,
        ["white", "fish_market", "railway_engine"],
        [0.25, 0.5, 0.75],
        "lambda",
        0,
        clip_length_s=2.5,
    )
    own = recipes["utterance"].isin(small.table.loc[known, "id"])
    test = pd.concat([clean(small.table[~known]), noisy], ignore_index=True)
    parts = {"train": recipes[own], "validation": small.recipes["validation"], "test": test}
    return recipes, {0: parts}


def test_enrolled_is_clean_speech_of_training_and_of_test_speakers(small, folds):
    recipes, own = folds
    part = enrolment.parts(own, recipes, small.table, 0)[0]
    assert set(part[ENROLMENT]["condition"]) == {"clean"}
    assert sorted(part[ENROLMENT]["utterance"]) == sorted(small.table["id"])
    test = part["test"].groupby("utterance")["condition"].agg(list)
    assert test.map(len).eq(2).all() and test.map(lambda kinds: kinds[0] == "clean").all()
    noisy = part["test"][part["test"]["condition"] != "clean"]
    assert set(noisy["level"]) == {0.5} and set(noisy["noise"]) == {"fish_market", "railway_engine"}
    less = {0: own[0] | {"test": own[0]["test"].query("condition == 'clean'")}}
    assert len(enrolment.parts(less, recipes, small.table, 0)[0]["test"]) == len(less[0]["test"])


def test_a_number_that_one_speaker_lacks_is_left_out():
    table = recordings("ab")
    table = table[table["id"] != "b-neutral-0"]
    parts = {0: {ENROLMENT: pd.DataFrame({"utterance": table["id"]})}}
    limits = enrolment.limits(parts, table).set_index("kind")
    assert limits["others"].to_dict() == {RANDOM: 22, "angry": 7, "neutral": 6, "sad": 7}
    assert limits["speaker"].to_dict() == {RANDOM: "b", "angry": "a", "neutral": "b", "sad": "a"}
    plan = enrolment.plan(limits.reset_index(), [1, 7, 22, 23], 2, 0)
    assert plan.counts == {NONE: [0], RANDOM: [1, 7, 22], "angry": [], "neutral": [1], "sad": []} | {
        kind: [1] for kind in ("angry", "sad")
    }
    assert plan.single == 1 and plan.emotions == ["angry", "neutral", "sad"]
    most = enrolment.plan(limits.reset_index(), [7, 22], 2, 0)
    assert most.single == 7 and most.emotions == ["angry", "sad"] and most.counts["neutral"] == []
    copies = table.assign(sha256=table["sha256"].replace("a-sad-1", "a-sad-0"))
    assert enrolment.limits(parts, copies).set_index("kind").loc["sad", "others"] == 6


@pytest.fixture(scope="module")
def bench(small):
    """Three or more recordings of either of two classes of every speaker."""
    calm = small.table["emotion"].isin(["happy", "neutral", "surprise"])
    table = small.table.assign(emotion=calm.map({True: "neutral", False: "sad"}))
    renderer = Renderer(table, small.renderer.bank, small.renderer.window)
    return Bench(Store(renderer, small.bench.store.cache), small.folder / "enrolment", small.bench.load_encoder)


@pytest.fixture(scope="module")
def found(bench, folds, encoder):
    setup = Setup(
        descriptors=Descriptors(), clip_samples=55_125, encoder=encoder, encoder_name="tiny-wav2vec2", frozen=True,
        width=0.06, epochs=1, batch_size=32, learning_rate=3e-3, weight_decay=0.01, warmup_fraction=0.1, seeds=(0,),
    )  # fmt: skip
    recipes, own = folds
    jobs = [job for name in (PROBE, "D") for job in setup.jobs(name, own[0], setup.budget(64), "speaker-disjoint", 0)]
    trained = bench.fit_all(jobs)
    parts = enrolment.parts(own, recipes, bench.utterances, 0)
    plan = Plan({NONE: [0], RANDOM: [1, 2], "neutral": [1], "sad": [1]}, 1, 2, 0)
    return trained, parts, enrolment.enrolled(bench, trained, parts, plan)


def test_without_enrolment_it_is_the_probe(bench, found):
    trained, parts, predictions = found
    own = bench.predictions(trained[0], parts[0]["test"])
    none = predictions[(predictions["system"] == PROBE) & (predictions["kind"] == NONE)]
    both = none.merge(own, on=["utterance", "condition"], suffixes=("", "_probe"))
    assert len(both) == len(own)
    for name in bench.store.renderer.classes:
        np.testing.assert_allclose(both[f"p_{name}"], both[f"p_{name}_probe"], atol=2e-3)


def test_every_enrolment_is_tested_once_a_draw_and_named(found):
    _, parts, predictions = found
    assert set(predictions["protocol"]) == {ENROLMENT} and set(predictions["system"]) == {PROBE, "D"}
    cells = predictions.groupby(["system", "kind", "trained", "enrolled", "draw", "condition"])["utterance"]
    assert (cells.nunique() == cells.size()).all()
    own = predictions[predictions["system"] == "D"]
    seen = set(own[["kind", "trained", "enrolled"]].itertuples(index=False, name=None))
    assert seen == {
        (NONE, NONE, 0), (RANDOM, RANDOM, 1), (RANDOM, RANDOM, 2), ("neutral", "neutral", 1), ("sad", "sad", 1),
        ("neutral", RANDOM, 1), ("sad", RANDOM, 1),
    }  # fmt: skip
    noisy = own[own["condition"] != "clean"]
    assert set(noisy["kind"]) == {NONE, RANDOM, "neutral"} and (noisy["kind"] == noisy["trained"]).all()
    assert set(own.loc[own["enrolled"] > 0, "draw"]) == {0, 1} and set(own.loc[own["enrolled"] == 0, "draw"]) == {0}
    assert len(own[own["condition"] == "clean"]) == (1 + 6 * 2) * parts[0]["test"]["utterance"].nunique()
    shares = own[[column for column in own if column.startswith("p_")]]
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-6)


def test_gains_are_differences_to_no_enrolment_on_the_same_rows(found):
    predictions = found[2]
    table = enrolment.gains(predictions, 100)
    row = table.query("system == 'D' and speech == 'clean' and kind == 'random' and enrolled == 2").squeeze()
    own = predictions[(predictions["system"] == "D") & (predictions["condition"] == "clean")]
    uar = [metrics(own[own["enrolled"].eq(n) & own["kind"].eq(kind)])["recall"] for n, kind in ((2, RANDOM), (0, NONE))]
    assert row["recall"] == pytest.approx(uar[0]) and row["difference"] == pytest.approx(uar[0] - uar[1])
    assert table.loc[table["enrolled"] == 0, "difference"].isna().all()
    p = table[table["system"] == "D"].set_index("p")["p_holm"].dropna().sort_index()
    factors = np.arange(len(p), 0, -1)  # Holm: the smallest of m times m, the next times m - 1, never falling
    np.testing.assert_allclose(p, np.minimum(np.maximum.accumulate(p.index * factors), 1))


def test_without_any_enrolment_there_are_no_gains(found):
    """Numbers of recordings that nobody has once ended in a missing column."""
    predictions = found[2]
    table = enrolment.gains(predictions[predictions["kind"] == NONE], 100)
    assert len(table) == 4 and table[["difference", "p", "p_holm"]].isna().all().all()
