"""Studies on toy materials whose labels can be read off a known voice, a sibling or the emotion itself."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file

from sersupport import (
    UserError,
    backbones,
    corpora,
    distill,
    evaluation,
    noise,
    series,
    splits,
    studies,
    synthesis,
)
from sersupport.cache import Cache
from sersupport.corpora import EMOTIONS
from sersupport.dataset import Materials, Renderer, Window
from sersupport.models.fusion import FusionConfig
from sersupport.noise import VARIANTS
from sersupport.parameters import Parameters

PARAMETERS = Parameters(
    clip_length_s=0.5, n_mfcc=4, epochs=3, study_epochs=30, study_width=0.06, batch_size=32, learning_rate=3e-3
)
DIM = 4


def utterance_table(speakers: int = 8, texts: int = 6) -> pd.DataFrame:
    rows = [
        (f"toy/{speaker}-{emotion}-{text}", "toy", f"toy-{speaker}", "FM"[speaker % 2], emotion, f"text {text}")
        for speaker in range(speakers)
        for emotion in EMOTIONS
        for text in range(texts)
    ]
    return pd.DataFrame(rows, columns=["id", "corpus", "speaker", "sex", "emotion", "text"])


UTTERANCES = utterance_table()


@pytest.fixture(scope="module")
def protocols() -> pd.DataFrame:
    found = splits.possible(UTTERANCES)
    return pd.concat([rows.assign(protocol=name) for name, rows in found.items()], ignore_index=True)


@pytest.fixture
def run(tmp_path):
    return SimpleNamespace(p=PARAMETERS, path=lambda name: tmp_path / name, folder=tmp_path)


ENCODER = SimpleNamespace(frame_dim=DIM, fingerprint="toy")


def materials(run, told_by: list[str]) -> Materials:
    """Every variant of every utterance; descriptors are a draw of their own for each value of ``told_by``."""
    recipes = UTTERANCES.merge(pd.DataFrame({"variant": VARIANTS}), how="cross").rename(columns={"id": "utterance"})
    length, rng = series.spectral_length(run), np.random.default_rng(0)
    group = recipes.groupby(told_by).ngroup().to_numpy()
    centres = rng.normal(size=(group.max() + 1, length))
    spectral = centres[group] + 0.1 * rng.normal(size=(len(recipes), length))
    labels = recipes["emotion"].map(EMOTIONS.index).to_numpy()
    condition = recipes["variant"]
    recipes = recipes[["utterance", "variant"]].assign(condition=condition, noise="", level_kind="none", level=0.0)
    arrays = {
        "spectral": spectral.astype(np.float32),
        "frames": np.zeros((len(recipes), 3, DIM), dtype=np.float16),
        "n_frames": np.full(len(recipes), 3),
    }
    return Materials(recipes, labels, arrays)


def test_the_control_loses_as_many_training_rows_as_the_strictest_protocol(protocols):
    rungs = studies.rungs(protocols, UTTERANCES)
    assert list(rungs) == ["row-random", *studies.TAKEN_AWAY]
    counts = {name: rows["split"].value_counts() for name, rows in rungs.items()}
    assert counts[studies.THINNED]["train"] == counts["speaker-and-text-disjoint"]["train"]
    assert counts[studies.THINNED]["train"] < counts["speaker-disjoint"]["train"]
    without = protocols[protocols["protocol"] != "speaker-and-text-disjoint"]
    assert list(studies.rungs(without, UTTERANCES)) == list(rungs)[:3]


def test_division_parts_the_rows_as_the_assignment_says(run, protocols):
    rows = materials(run, ["emotion"])
    assignment = studies.rungs(protocols, UTTERANCES)["speaker-and-text-disjoint"]
    parts = studies.divided(rows, assignment)
    assert sum(map(len, parts.values())) == len(assignment) < len(rows)
    for name, part in parts.items():
        wanted = assignment[assignment["split"] == name][["utterance", "variant"]].apply(tuple, axis=1)
        assert set(part.recipes[["utterance", "variant"]].apply(tuple, axis=1)) == set(wanted)


@pytest.mark.parametrize(
    ("told_by", "high", "low"),
    [
        (["speaker", "emotion"], "utterance-grouped", "speaker-disjoint"),
        (["id", "emotion"], "row-random", "utterance-grouped"),
    ],
)
def test_the_ladder_finds_what_a_model_had_to_have_heard(run, protocols, told_by, high, low):
    """Where only a known voice, or only a sibling, tells the class, the score falls at the step that takes it away."""
    told_by = ["utterance" if name == "id" else name for name in told_by]
    rows = materials(run, told_by)
    kept = {name: rows for name, rows in studies.rungs(protocols, UTTERANCES).items() if name in (high, low)}
    found = studies.ladder(run, rows, kept, UTTERANCES, ENCODER)
    uar = {name: evaluation.metrics(part)["recall"] for name, part in found.groupby("protocol")}
    assert uar[high] > 0.85 and uar[low] < 0.35, uar
    assert set(found["variant"]) == set(VARIANTS)


def test_every_protocol_and_variant_takes_the_same_number_of_steps(run, protocols):
    rows = materials(run, ["emotion"])
    rungs = studies.rungs(protocols, UTTERANCES)
    parts = studies.divided(rows, rungs["speaker-disjoint"])
    run.p = PARAMETERS.model_copy(update={"variants": ["mean pooling", "clean rows only"], "study_epochs": 6})
    studies.ladder(run, rows, rungs, UTTERANCES, ENCODER)
    found = studies.variants(run, parts, UTTERANCES, None, ENCODER)
    assert list(found["system"].unique()) == [studies.BASELINE, *run.p.variants]

    def steps(folder: str, n: int) -> int:
        epochs = len(pd.read_parquet(run.path(f"models/{folder}/history.parquet")))
        return epochs * -(-n // PARAMETERS.batch_size)

    taken = [steps(f"ladder/{name}-0", len(studies.divided(rows, rung)["train"])) for name, rung in rungs.items()]
    clean = int((parts["train"].recipes["variant"] == "clean").sum())
    taken += [steps(f"variants/{name}-0", len(parts["train"])) for name in (studies.BASELINE, "mean pooling")]
    taken += [steps("variants/clean rows only-0", clean)]
    assert max(taken) < 1.25 * min(taken), taken


def test_a_variant_changes_one_thing(run, protocols):
    rows = materials(run, ["emotion"])
    parts = studies.divided(rows, studies.rungs(protocols, UTTERANCES)["speaker-disjoint"])
    run.p = PARAMETERS.model_copy(update={"variants": ["statistics pooling", "no noisy rows"], "study_epochs": 1})
    studies.variants(run, parts, UTTERANCES, None, ENCODER)
    folders = {name: run.path(f"models/variants/{name}-0/model") for name in (studies.BASELINE, *run.p.variants)}
    configs = {name: FusionConfig.from_pretrained(folder).to_dict() for name, folder in folders.items()}
    own = configs[studies.BASELINE]
    differs = {name: {key for key in own if other[key] != own[key]} for name, other in configs.items()}
    assert differs["statistics pooling"] == {"pooling"}
    assert differs["no noisy rows"] <= {"class_weights"}
    quiet = ~parts["train"].recipes["condition"].str.contains("noisy").to_numpy()
    expected = parts["train"].arrays["spectral"][quiet].mean(axis=0)
    stored = load_file(folders["no noisy rows"] / "model.safetensors")["spectral_mean"]
    np.testing.assert_allclose(stored, expected, atol=1e-5)


def embedded(tmp_path) -> tuple[SimpleNamespace, pd.DataFrame, object]:
    """A run over the embedded corpus at its smallest, its table and renderer."""
    folder = synthesis.make_corpus(tmp_path / "corpus", scale=0.1)
    synthesis.make_noises(folder)
    table = corpora.read_all(folder, ["ravdess", "tess"])[0]
    short = PARAMETERS.model_copy(
        update={
            "clip_length_s": 2.5,
            "teacher": backbones.TINY,
            "lesson_steps": 10,
            "lesson_variants": ["one speed", "last layer as target"],
            "teacher_layers": [1],
            "lesson_speeds": [0.9, 1.0, 1.1],
            "encoder_rows": ["B", "D"],
            "student_channels": 4,
            "student_hidden": 16,
            "student_layers": 1,
            "encoders": {backbones.TINY: [-1], "nobody/none": [0]},
            "study_epochs": 1,
        }
    )
    run = SimpleNamespace(p=short, root=tmp_path, build=tmp_path, cache=Cache(tmp_path / "cache"))
    run.path, run.load = lambda name: tmp_path / "run" / name, lambda name: table
    bank = noise.NoiseBank.from_folder(folder / "noise", ["embedded-test"])
    return run, table, Renderer(table, bank, Window(0.3, 2.5))


def test_students_are_taught_each_by_its_own_plan_and_probed(tmp_path, monkeypatch):
    run, table, renderer = embedded(tmp_path)
    asked, listen = [], distill.listen
    monkeypatch.setattr(distill, "listen", lambda *args: asked.append((args[1].layers, args[3])) or listen(*args))
    students = studies.students(run, renderer.bank, series.lesson_speech(run, series.plan(run)))
    assert list(students) == [studies.UNTAUGHT, studies.BASELINE, *run.p.lesson_variants]
    assert asked == [((1,), (0.9, 1.0, 1.1)), ((1,), (1.0,)), ((-1,), (0.9, 1.0, 1.1))]  # not twice for one plan
    assert len({student.fingerprint for student in students.values()}) == 4
    corpus = table[table["corpus"] == "ravdess"]
    found = studies.probed(run, {studies.UNTAUGHT: students[studies.UNTAUGHT]}, corpus, renderer)
    who = found.groupby("protocol")["speaker"].unique()
    assert not set(who["heard"]) & distill.UNHEARD and set(who["unheard"]) <= distill.UNHEARD
    assert (found.groupby("utterance")["condition"].nunique() == 1 + len(noise.ENVIRONMENTS)).all()
    assert set(found["utterance"]) == set(corpus["id"])
    assert ((found["speech"] == "clean") == (found["condition"] == "clean")).all()


def test_an_encoder_that_is_here_and_broken_is_not_called_absent(tmp_path):
    """Notebook 11 would say that it is not on this machine."""
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / "config.json").write_bytes((backbones.MINI_FOLDER / "config.json").read_bytes())
    (tmp_path / "torn" / "model.safetensors").write_bytes(b"")
    parameters = PARAMETERS.model_copy(update={"encoders": {"torn": [-1]}})
    with pytest.raises(UserError, match="torn"):
        series.encoders(SimpleNamespace(p=parameters, root=tmp_path))


def test_encoders_are_compared_on_the_same_rows_and_the_absent_are_named(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    run, table, renderer = embedded(tmp_path)
    here, absent = series.encoders(run)
    assert list(here) == [backbones.TINY] and "nobody/none" in absent["nobody/none"]
    part = np.where(table["speaker"].isin(["ravdess-08", "tess-YAF"]), "train", "test")
    recipes = {
        "train": noise.draw_quadruplet(table[part == "train"], renderer.bank, 0, clip_length_s=2.5),
        "validation": noise.clean(table[part == "train"]),
        "test": noise.clean(table[part == "test"]),
    }
    found = studies.encoders(run, recipes, table, renderer, here)
    assert list(found["system"].unique()) == [studies.PROBE, "B", "D"] and set(found["encoder"]) == {backbones.TINY}
    for _, rows in found.groupby("system"):
        assert sorted(rows["utterance"]) == sorted(table["id"][part == "test"])
    config = FusionConfig.from_pretrained(run.path(f"models/encoders/{backbones.TINY}/B-0/model"))
    assert config.temporal and not config.spectral


def test_the_corpus_to_probe_has_speakers_of_both_kinds():
    who = {"cremad": ["1001", "1002", "1003"], "ravdess": ["02", "03", "01"], "tess": ["OAF"]}
    rows = [(corpus, f"{corpus}-{code}") for corpus, codes in who.items() for code in codes]
    table = pd.DataFrame(rows, columns=["corpus", "speaker"])
    assert set(studies.corpus_to_probe(table)["corpus"]) == {"ravdess"}
    assert set(studies.corpus_to_probe(table[table["speaker"] != "ravdess-01"])["corpus"]) == {"cremad"}
    with pytest.raises(UserError, match="must stay unheard"):
        studies.corpus_to_probe(table[table["corpus"] == "tess"])
