"""Training and evaluation on separable toy materials: seeds, resume, weights, metrics and intervals."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import t
from sklearn.metrics import recall_score
from transformers import TrainerCallback

from sersupport import UserError, backbones, evaluation, training
from sersupport.corpora import EMOTIONS
from sersupport.dataset import Materials
from sersupport.models.fusion import FusionModel, row_config
from sersupport.training import Settings

LENGTH, FRAMES, DIM = 300, 6, 5
SETTINGS = Settings(epochs=4, batch_size=16, learning_rate=3e-3)


def materials(n: int, seed: int, classes: int = 7) -> Materials:
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % classes
    centres = np.random.default_rng(99).normal(size=(7, LENGTH))
    spectral = 5 + 3 * (centres[labels] + 0.5 * rng.normal(size=(n, LENGTH)))
    frames = rng.normal(size=(n, FRAMES, DIM)) + labels[:, None, None]
    names = [f"toy/{seed}-{i:03d}" for i in range(n)]
    recipes = pd.DataFrame({"utterance": names, "condition": "clean", "noise": "", "level_kind": "none", "level": 0.0})
    arrays = {"spectral": spectral.astype(np.float32), "frames": frames.astype(np.float16)}
    return Materials(recipes, labels, arrays | {"n_frames": np.full(n, FRAMES - 1)})


def config(row: str = "D", **more):
    return row_config(row, spectral_length=LENGTH, frame_dim=DIM, cnn_width=0.03, **more)


@pytest.fixture(scope="module")
def data():
    return materials(112, 0), materials(42, 1)


def test_it_learns_what_can_be_learnt_and_loads_what_is_finished(data, tmp_path):
    fit = training.fit(config(), *data, SETTINGS, tmp_path / "D")
    assert fit.history["validation_uar"].max() > 0.9
    assert fit.history["epoch"].tolist() == [1, 2, 3, 4] and fit.best_epoch in (1, 2, 3, 4)
    probabilities = training.predict(fit.model, data[1])
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    uar = recall_score(data[1].labels, probabilities.argmax(axis=1), average="macro")
    assert uar == pytest.approx(fit.history["validation_uar"].max(), abs=1e-9)

    written = (tmp_path / "D/model/model.safetensors").stat().st_mtime_ns
    again = training.fit(config(), *data, SETTINGS, tmp_path / "D")
    assert (tmp_path / "D/model/model.safetensors").stat().st_mtime_ns == written
    np.testing.assert_array_equal(training.predict(again.model, data[1]), probabilities)
    assert not list((tmp_path / "D").glob("checkpoint-*"))


def test_one_seed_repeats_bit_for_bit_and_another_does_not(data, tmp_path):
    short = Settings(epochs=1, batch_size=16)
    one, two = (training.fit(config(), *data, short, tmp_path / name).model for name in ("one", "two"))
    np.testing.assert_array_equal(training.predict(one, data[1]), training.predict(two, data[1]))
    other = training.fit(config(), *data, Settings(epochs=1, batch_size=16, seed=1), tmp_path / "two").model
    assert not np.array_equal(training.predict(one, data[1]), training.predict(other, data[1]))


def test_a_killed_training_goes_on_where_it_stopped(data, tmp_path, monkeypatch):
    whole = training.fit(config(), *data, SETTINGS, tmp_path / "whole")

    class Kill(TrainerCallback):
        def on_epoch_begin(self, args, state, control, **kwargs):
            if state.epoch >= 2:
                raise KeyboardInterrupt

    bar = training.Bar
    monkeypatch.setattr(training, "Bar", lambda label: Kill())
    with pytest.raises(KeyboardInterrupt):
        training.fit(config(), *data, SETTINGS, tmp_path / "killed")
    assert (tmp_path / "killed/checkpoint-14").is_dir()
    monkeypatch.setattr(training, "Bar", bar)
    resumed = training.fit(config(), *data, SETTINGS, tmp_path / "killed")
    assert resumed.history["epoch"].tolist() == [1, 2, 3, 4]
    pd.testing.assert_frame_equal(resumed.history, whole.history, atol=1e-5)
    np.testing.assert_allclose(
        training.predict(resumed.model, data[1]), training.predict(whole.model, data[1]), atol=1e-5
    )


def test_other_data_in_the_same_folder_are_trained_on(data, tmp_path):
    short = Settings(epochs=1, batch_size=16)
    first = training.fit(config("A"), *data, short, tmp_path)
    second = training.fit(config("A"), materials(98, 5), data[1], short, tmp_path)
    assert not np.array_equal(training.predict(first.model, data[1]), training.predict(second.model, data[1]))


@pytest.mark.parametrize("n", [17, 33])
def test_a_last_batch_of_one_is_no_trouble(n, tmp_path):
    fit = training.fit(config("A"), materials(n, 0), materials(14, 1), Settings(epochs=1, batch_size=16), tmp_path)
    assert len(fit.history) == 1


def test_an_empty_set_is_refused(data, tmp_path):
    with pytest.raises(UserError, match="validation set is empty"):
        training.fit(config(), data[0], data[1].select(np.zeros(42, bool)), SETTINGS, tmp_path)


def test_class_weights_are_n_over_c_n_c():
    weights = training.balanced_class_weights(np.array([0, 0, 0, 1, 2, 2]))
    np.testing.assert_allclose(weights[:3], [6 / 9, 6 / 3, 6 / 6])
    assert weights[3:] == [1.0] * 4


def test_standardisation_is_that_of_the_valid_training_rows(data):
    model = FusionModel(config())
    training.set_standardisation(model, data[0])
    spectral = data[0].arrays["spectral"]
    np.testing.assert_allclose(model.spectral_mean, spectral.mean(axis=0), rtol=1e-4)
    np.testing.assert_allclose(model.spectral_scale, spectral.std(axis=0), rtol=1e-4)
    valid = data[0].arrays["frames"][:, : FRAMES - 1].astype(float).reshape(-1, DIM)
    np.testing.assert_allclose(model.frame_mean, valid.mean(axis=0), rtol=1e-4)
    np.testing.assert_allclose(model.frame_scale, valid.std(axis=0), rtol=1e-4)


def test_fine_tuning_moves_the_backbone(tmp_path):
    encoder = backbones.load(backbones.TINY, [-1])
    start = encoder.encoder.feature_projection.projection.weight.detach().clone()
    rng = np.random.default_rng(0)

    def waves(n, seed):
        some = materials(n, seed)
        arrays = {"spectral": some.arrays["spectral"], "waves": rng.normal(size=(n, 3200)).astype(np.float32)}
        return Materials(some.recipes, some.labels, arrays | {"n_valid": np.full(n, 3200)})

    own = {**encoder.encoder.config.to_diff_dict(), "model_type": "wav2vec2"}
    settings = row_config("D", spectral_length=LENGTH, frame_dim=48, cnn_width=0.03, backbone=own)
    rows, how = (waves(14, 0), waves(7, 1)), Settings(epochs=1, batch_size=7)
    fit = training.fit(settings, *rows, how, tmp_path, encoder)
    moved = fit.model.backbone.encoder.feature_projection.projection.weight
    assert not torch.equal(moved, start) and torch.allclose(moved, start, atol=0.05)
    convolutions = [model.feature_extractor.state_dict() for model in (fit.model.backbone.encoder, encoder.encoder)]
    torch.testing.assert_close(*convolutions, atol=0, rtol=0)  # as wav2vec 2.0 is fine-tuned
    other = backbones.load(backbones.TINY, [-1], seed=1)
    again = training.fit(settings, *rows, how, tmp_path, other)  # other weights to start from: another training
    assert not torch.allclose(again.model.backbone.encoder.feature_projection.projection.weight, moved, atol=0.05)


# evaluation ----------------------------------------------------------------------------------------------------------


def predictions(speakers: int, per_speaker: int, skill: np.ndarray, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    rows = []
    for speaker in range(speakers):
        for i in range(per_speaker):
            true = EMOTIONS[i % 7]
            right = rng.random() < skill[speaker]
            predicted = true if right else EMOTIONS[(i + 1 + rng.integers(6)) % 7]
            rows.append({"utterance": f"{speaker}-{i}", "speaker": f"s{speaker}", "true": true, "predicted": predicted})
    return pd.DataFrame(rows)


def test_uar_leaves_out_a_class_that_does_not_occur():
    table = predictions(2, 42, np.array([0.5, 0.9])).query("true != 'surprise'")
    present = sorted(table["true"].unique())
    expected = recall_score(table["true"], table["predicted"], average="macro", labels=present)
    assert evaluation.uar_of_confusions(evaluation.confusion(table)) == pytest.approx(expected)
    assert evaluation.metrics(table)["recall"] == pytest.approx(expected)


def test_speaker_intervals_are_wider_than_those_of_utterances_when_speakers_differ():
    table = predictions(8, 70, np.linspace(0.2, 0.9, 8))
    low, high = evaluation.speaker_interval(table, samples=2000)
    naive = evaluation.speaker_interval(table.assign(speaker=table["utterance"]), samples=2000)
    uar = float(evaluation.uar_of_confusions(evaluation.confusion(table)))
    assert low < uar < high and (high - low) > 2 * (naive[1] - naive[0])
    # against Student's theory of a mean over speakers; the logit bends it
    by_speaker = [evaluation.uar_of_confusions(evaluation.confusion(rows)) for _, rows in table.groupby("speaker")]
    assert high - low == pytest.approx(2 * t.ppf(0.975, 7) * np.std(by_speaker, ddof=1) / np.sqrt(8), rel=0.1)
    assert (low, high) == evaluation.speaker_interval(table, samples=2000)


def test_summaries_and_their_titles():
    table = predictions(4, 35, np.full(4, 0.7)).assign(system="D")
    summary = evaluation.summarise(table, ["system"], 100)
    row = summary.iloc[0]
    assert (row["speakers"], row["utterances"]) == (4, 140) and row["uar_low"] <= row["recall"] <= row["uar_high"]
    shown = evaluation.presented(summary.assign(accuracy_pct=97.28), "system")
    assert list(shown)[:4] == ["system", "accuracy (%)", "accuracy (%), paper", "f1"]
    assert shown["accuracy (%)"].iloc[0] == pytest.approx(100 * row["accuracy"])


def test_predictions_table_has_one_row_a_sample_and_system():
    data = materials(14, 0)
    who = pd.DataFrame({"id": data.recipes["utterance"], "corpus": "toy", "speaker": "s", "sex": "F"})
    model = FusionModel(config()).eval()
    table = evaluation.predictions_of({"C": model, "D": model}, data, who, protocol="p", fold=0, seed=0)
    assert len(table) == 28 and table["system"].value_counts().to_dict() == {"C": 14, "D": 14}
    assert table["true"].tolist()[:14] == [EMOTIONS[label] for label in data.labels]
    np.testing.assert_allclose(table[evaluation.PROBABILITIES].sum(axis=1), 1, atol=1e-5)
    best = table[evaluation.PROBABILITIES].to_numpy().argmax(axis=1)
    assert [EMOTIONS[index] for index in best] == table["predicted"].tolist()


def test_another_encoder_is_another_training(tmp_path):
    """The configuration does not name a frozen encoder; its frames do."""
    first = training.fit(config(), materials(14, 0), materials(7, 1), Settings(epochs=1), tmp_path)
    other = materials(14, 0)
    other.arrays["frames"] = other.arrays["frames"] + 1
    second = training.fit(config(), other, materials(7, 1), Settings(epochs=1), tmp_path)
    assert not torch.equal(first.model.frame_mean, second.model.frame_mean)


def test_what_a_kill_leaves_half_written_is_made_again(tmp_path):
    """A checkpoint without its state, which the Trainer writes last, and a key cut off."""
    data = materials(14, 0), materials(7, 1)
    whole = training.fit(config(), *data, Settings(epochs=2), tmp_path)
    (tmp_path / "history.parquet").unlink()
    (tmp_path / "checkpoint-99").mkdir()
    (tmp_path / "checkpoint-99" / "trainer_state.json").write_text("{")
    again = training.fit(config(), *data, Settings(epochs=2), tmp_path)
    pd.testing.assert_frame_equal(again.history, whole.history)
    (tmp_path / "key").write_text("")
    assert len(training.fit(config(), *data, Settings(epochs=2), tmp_path).history) == 2
