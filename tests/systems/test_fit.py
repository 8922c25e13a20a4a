"""Training on separable toy materials: seeds, steps, resume, weights, and whatever system it is."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from sklearn.metrics import recall_score
from toy import Toy, ToyConfig
from toy_rows import DIM, EATEN, FRAMES, LENGTH, config, materials, on_disk, one_thread  # noqa: F401
from transformers import Trainer, TrainerCallback

from sersupport.core.cache import Rows
from sersupport.core.errors import UserError
from sersupport.core.keys import code_version
from sersupport.inputs.encoders import encoder as encoders
from sersupport.inputs.store import Materials
from sersupport.systems import fit as fitting
from sersupport.systems import registry
from sersupport.systems.base import balanced_class_weights
from sersupport.systems.fit import CODE, Budget, SystemTrainer, fit, whole_batches
from sersupport.systems.recogniser import predict

BUDGET = Budget(steps=28, evaluate_every=7, batch_size=16, learning_rate=3e-3)
SHORT = Budget(steps=7, evaluate_every=7, batch_size=16)


@pytest.fixture(scope="module")
def data():
    return materials(112, 0), materials(42, 1)


def test_it_learns_what_can_be_learnt_and_loads_what_is_finished(data, tmp_path):
    made = fit(config(), *data, BUDGET, 0, tmp_path / "D", "key")
    assert made.history["validation_uar"].max() > 0.9 and made.history.notna().all().all()
    assert made.history["step"].tolist() == [7, 14, 21, 28]
    probabilities = predict(made.model, data[1])
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    uar = recall_score(data[1].labels, probabilities.argmax(axis=1), average="macro")
    assert uar == pytest.approx(made.history["validation_uar"].max(), abs=1e-9)

    written = (tmp_path / "D/model/model.safetensors").stat().st_mtime_ns
    again = fit(config(), *data, BUDGET, 0, tmp_path / "D", "key")
    assert (tmp_path / "D/model/model.safetensors").stat().st_mtime_ns == written
    pd.testing.assert_frame_equal(again.history, made.history)
    np.testing.assert_array_equal(predict(again.model, data[1]), probabilities)
    assert not list((tmp_path / "D").glob("checkpoint-*"))


def test_one_seed_repeats_bit_for_bit_and_another_does_not(data, tmp_path):
    one, two, other = (
        predict(fit(config(), *data, SHORT, seed, tmp_path / name, "key").model, data[1])
        for seed, name in ((0, "one"), (0, "two"), (1, "other"))
    )
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize(("stop", "kept"), [(14, 14), (16, 14)], ids=["between epochs", "within an epoch"])
def test_a_killed_training_goes_on_where_it_stopped(stop, kept, data, tmp_path, monkeypatch):
    whole = fit(config(), *data, BUDGET, 0, tmp_path / "whole", "key")

    class Kill(TrainerCallback):
        def on_step_begin(self, args, state, control, **kwargs):
            if state.global_step >= stop:
                raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(fitting, "Bar", lambda label: Kill())
        with pytest.raises(KeyboardInterrupt):
            fit(config(), *data, BUDGET, 0, tmp_path / "killed", "key")
    assert (tmp_path / f"killed/checkpoint-{kept}").is_dir()
    resumed = fit(config(), *data, BUDGET, 0, tmp_path / "killed", "key")
    assert resumed.history["step"].tolist() == [7, 14, 21, 28]
    timed = ["cpu_s"]  # of a processor, which takes its time
    pd.testing.assert_frame_equal(resumed.history.drop(columns=timed), whole.history.drop(columns=timed), atol=1e-5)
    np.testing.assert_allclose(predict(resumed.model, data[1]), predict(whole.model, data[1]), atol=1e-5)


def test_a_killed_epoch_goes_on_where_it_stopped(data, tmp_path, monkeypatch):
    """Evaluations need not fall on the ends of epochs, nor on the last step."""
    budget = Budget(steps=19, evaluate_every=5, batch_size=16, learning_rate=3e-3)
    whole = fit(config(), *data, budget, 0, tmp_path / "whole", "key")
    assert whole.history["step"].tolist() == [5, 10, 15, 19]
    killed = Trainer.training_step

    def step(self, *arguments):
        if self.state.global_step == 11:
            raise KeyboardInterrupt
        return killed(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "training_step", step)
        with pytest.raises(KeyboardInterrupt):
            fit(config(), *data, budget, 0, tmp_path / "killed", "key")
    resumed = fit(config(), *data, budget, 0, tmp_path / "killed", "key")
    np.testing.assert_allclose(predict(resumed.model, data[1]), predict(whole.model, data[1]), atol=1e-5)


def kill_at_save(step, patch):
    """Every training is killed once a checkpoint is written."""

    def on_save(self, args, state, control, **kwargs):
        if state.global_step == step:
            raise KeyboardInterrupt

    patch.setattr(fitting.Bar, "on_save", on_save)


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth"])
def test_a_harmed_checkpoint_neither_blocks_nor_is_believed(name, data, tmp_path, monkeypatch):
    """A truncated file once made every further try crash; a flipped byte or a lost optimiser was believed."""
    whole = predict(fit(config("A"), *data, BUDGET, 0, tmp_path / "whole", "key").model, data[1])
    for harm in ("truncated", "flipped", "deleted"):
        folder = tmp_path / harm
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            kill_at_save(14, patch)
            fit(config("A"), *data, BUDGET, 0, folder, "key")
        path = folder / "checkpoint-14" / name
        content = bytearray(path.read_bytes())
        content[-2] ^= 0x80
        path.write_bytes(content[: len(content) // 2] if harm == "truncated" else content)
        if harm == "deleted":
            path.unlink()
        resumed = fit(config("A"), *data, BUDGET, 0, folder, "key")
        np.testing.assert_array_equal(predict(resumed.model, data[1]), whole, err_msg=harm)


def test_what_is_killed_after_its_last_step_takes_no_further_one(data, tmp_path, monkeypatch):
    """Where steps are no multiple of an epoch's batches one more was trained, whose weights could be chosen."""
    budget = Budget(steps=19, evaluate_every=5, batch_size=16, learning_rate=3e-3)
    whole = fit(config(), *data, budget, 0, tmp_path / "whole", "key")
    with monkeypatch.context() as patch:
        kill_at_save(19, patch)
        with pytest.raises(KeyboardInterrupt):
            fit(config(), *data, budget, 0, tmp_path / "killed", "key")
    resumed = fit(config(), *data, budget, 0, tmp_path / "killed", "key")
    assert resumed.history["step"].tolist() == [5, 10, 15, 19] and resumed.history["cpu_s"].isna().all()
    np.testing.assert_array_equal(predict(resumed.model, data[1]), predict(whole.model, data[1]))


@pytest.mark.parametrize("step", [14, 28])
def test_a_killed_training_may_be_moved(step, data, tmp_path, monkeypatch):
    """The best checkpoint was once looked for where the folder had been, and the last weights taken without it."""
    worsen = iter([{"uar": 0.9, "accuracy": 0.9}] + 9 * [{"uar": 0.1, "accuracy": 0.1}])
    monkeypatch.setattr(fitting, "_metrics", lambda prediction: next(worsen))
    with monkeypatch.context() as patch:
        kill_at_save(step, patch)
        with pytest.raises(KeyboardInterrupt):
            fit(config("A"), *data, BUDGET, 0, tmp_path / "here", "key")
    best = load_file(tmp_path / "here/checkpoint-7/model.safetensors")
    began, begin = [], fitting.Seal.on_train_begin

    def watched(self, args, state, control, **kwargs):
        began.append(state.global_step)
        begin(self, args, state, control, **kwargs)

    monkeypatch.setattr(fitting.Seal, "on_train_begin", watched)
    moved = (tmp_path / "here").rename(tmp_path / "there")
    model = fit(config("A"), *data, BUDGET, 0, moved, "key").model
    assert began == ([step] if step < BUDGET.steps else [])
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, best[name], atol=0, rtol=0)


def test_batches_leave_no_row_alone_and_are_found_for_any_number():
    """For one row the search for a size once never ended."""
    assert [whole_batches(n, 64) for n in (0, 1, 2, 64, 65, 129)] == [64, 64, 64, 64, 65, 65]


def test_the_code_that_a_system_depends_on_is_there():
    assert "systems" in CODE and code_version(*CODE)


def test_fewer_steps_than_between_evaluations_are_evaluated_once(data, tmp_path):
    made = fit(config("A"), *data, Budget(steps=3, evaluate_every=50, batch_size=16), 0, tmp_path, "key")
    assert made.history["step"].tolist() == [3]


def test_another_key_in_the_same_folder_is_trained_on(data, tmp_path):
    first = fit(config("A"), *data, SHORT, 0, tmp_path, "one")
    second = fit(config("A"), materials(98, 5), data[1], SHORT, 0, tmp_path, "two")
    assert not np.array_equal(predict(first.model, data[1]), predict(second.model, data[1]))


def test_what_was_changed_is_made_again(data, tmp_path):
    """Flipped signs in a finished model were once believed, and a truncated one blocked every further run."""
    first = predict(fit(config("A"), *data, SHORT, 0, tmp_path, "key").model, data[1])
    weights = tmp_path / "model/model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-2] ^= 0x80
    for broken in (bytes(content), bytes(content[:1000])):
        weights.write_bytes(broken)
        np.testing.assert_array_equal(predict(fit(config("A"), *data, SHORT, 0, tmp_path, "key").model, data[1]), first)


def test_a_folder_of_somebody_else_is_refused(data, tmp_path):
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(UserError, match="no training made"):
        fit(config("A"), *data, SHORT, 0, tmp_path, "key")
    assert (tmp_path / "mine.txt").read_text() == "x"


@pytest.mark.parametrize("n", [17, 33])
def test_a_last_batch_of_one_is_no_trouble(n, tmp_path):
    rows, budget = (materials(n, 0), materials(14, 1)), Budget(math.ceil(n / 17), 2, batch_size=16)
    assert len(fit(config("A"), *rows, budget, 0, tmp_path, "key").history) == 1


def test_an_empty_set_is_refused(data, tmp_path):
    with pytest.raises(UserError, match="validation set is empty"):
        fit(config(), data[0], data[1].select(np.zeros(42, bool)), SHORT, 0, tmp_path, "key")
    with pytest.raises(UserError, match="training set has a single row"):
        fit(config(), data[0].select(np.arange(112) == 3), data[1], SHORT, 0, tmp_path, "key")


def test_class_weights_are_n_over_c_n_c():
    weights = balanced_class_weights(np.array([0, 0, 0, 1, 2, 2]), 7)
    np.testing.assert_allclose(weights[:3], [6 / 9, 6 / 3, 6 / 6])
    assert weights[3:] == [1.0] * 4


def test_rows_on_disk_are_read_one_by_one_and_give_the_same(data, tmp_path, monkeypatch):
    """All arrays of a table were once loaded whole."""
    inner = fit(config(), *data, SHORT, 0, tmp_path / "inner", "key")
    disk = [on_disk(part, tmp_path / str(number)) for number, part in enumerate(data)]
    read = Rows.array

    def array(self):
        assert len(self.shape) < 3, "all frames were read at once"
        return read(self)

    monkeypatch.setattr(Rows, "array", array)
    outer = fit(config(), *disk, SHORT, 0, tmp_path / "outer", "key")
    np.testing.assert_array_equal(predict(outer.model, disk[1]), predict(inner.model, data[1]))


@pytest.mark.parametrize("row", "AB")
def test_only_what_a_system_eats_is_handed_over(row, data, tmp_path, monkeypatch):
    seen, step = [], Trainer.training_step
    monkeypatch.setattr(
        Trainer,
        "training_step",
        lambda self, model, inputs, *rest: seen.append(set(inputs)) or step(self, model, inputs, *rest),
    )
    fit(config(row), *data, SHORT, 0, tmp_path, "key")
    lengths = {f"{role}_length" for role in EATEN[row] if role == "frames"}
    assert seen and all(names == {"labels", *EATEN[row]} | lengths for names in seen)
    with pytest.raises(UserError, match="eats frames; its rows have spectral"):
        fit(config("D"), data[0].only(["spectral"]), data[1], SHORT, 0, tmp_path / "D", "key")


# fine-tuning ---------------------------------------------------------------------------------------------------------


def heard(n, seed):
    own, rng = materials(n, seed), np.random.default_rng(seed)
    arrays = {"spectral": own.arrays["spectral"], "waves": rng.normal(size=(n, 3_200)).astype(np.float32)}
    return Materials(own.recipes, own.labels, own.classes, arrays, {"waves": np.full(n, 3_200)})


def test_fine_tuning_moves_the_encoder_more_slowly_than_the_head(tmp_path, monkeypatch):
    encoder = encoders.load(encoders.TINY, [-1])
    start = encoder.model.feature_projection.projection.weight.detach().clone()
    settings = config(encoder=encoder.config, frame_dim=48, inputs={"spectral": {}, "waves": {}})
    made, create = [], SystemTrainer.create_optimizer
    monkeypatch.setattr(
        SystemTrainer, "create_optimizer", lambda self, model=None: made.append(create(self, model)) or made[-1]
    )
    rows, budget = (heard(14, 0), heard(7, 1)), Budget(steps=2, evaluate_every=2, batch_size=7)
    tuned = fit(settings, *rows, budget, 0, tmp_path / "one", "key", start=encoder).model
    moved = tuned.encoder.model.feature_projection.projection.weight
    assert not torch.equal(moved, start) and torch.allclose(moved, start, atol=0.05)
    convolutions = [model.feature_extractor.state_dict() for model in (tuned.encoder.model, encoder.model)]
    torch.testing.assert_close(*convolutions, atol=0, rtol=0)  # as wav2vec 2.0 is fine-tuned
    groups = made[0].param_groups
    assert [(group["initial_lr"], group["weight_decay"]) for group in groups] == [
        (pytest.approx(1e-4), 0.01),
        (pytest.approx(1e-4), 0.0),
        (1e-3, 0.01),
        (1e-3, 0.0),
    ]
    trained = [own for own in tuned.parameters() if own.requires_grad]
    assert sum(len(group["params"]) for group in groups) == len(trained)
    other = encoders.load(encoders.TINY, [-1], seed=1)
    again = fit(settings, *rows, budget, 0, tmp_path / "two", "key", start=other).model
    assert not torch.allclose(again.encoder.model.feature_projection.projection.weight, moved, atol=0.05)


def test_groups_decay_what_the_trainer_would_decay(tmp_path):
    """With one learning rate the groups are those of a system that names none."""
    settings = {"frame_dim": 48, "inputs": {"spectral": {}, "waves": {}}, "encoder_learning_rate_factor": 1.0}
    model = registry.AutoModelForAudioClassification.from_config(
        config(encoder=encoders.load(encoders.TINY, [-1]).config, **settings)
    )
    trainer = SystemTrainer(model=model, args=Budget(2, 2).arguments(tmp_path, 0))
    own = {id(p): group["weight_decay"] for group in trainer.create_optimizer().param_groups for p in group["params"]}
    plain = Trainer(model=model, args=Budget(2, 2).arguments(tmp_path, 0)).create_optimizer()
    assert own == {id(p): group["weight_decay"] for group in plain.param_groups for p in group["params"]}


# any system ----------------------------------------------------------------------------------------------------------


def toy_config(**more):
    return ToyConfig(inputs={"spectral": {"kind": "descriptors"}}, **more)


def test_a_toy_system_is_trained_kept_and_loaded(data, tmp_path):
    made = fit(toy_config(), *data, SHORT, 0, tmp_path, "key")
    assert made.history["validation_uar"].max() > 0.9
    loaded = registry.load(tmp_path / "model")
    assert isinstance(loaded, Toy) and loaded.config.inputs == {"spectral": {"kind": "descriptors"}}
    np.testing.assert_array_equal(predict(loaded, data[1]), predict(made.model, data[1]))
    torch.testing.assert_close(loaded.mean, torch.from_numpy(data[0].arrays["spectral"].mean(axis=0)))


@pytest.mark.parametrize("own", [toy_config, lambda: config("D")], ids=["toy", "fusion"])
def test_a_training_may_start_from_another_s_weights_and_statistics(own, data, tmp_path):
    first = fit(own(), *data, BUDGET, 0, tmp_path / "first", "key")
    others = materials(28, 7)
    others.arrays["spectral"] = others.arrays["spectral"] + 100  # of another corpus
    still = Budget(steps=1, evaluate_every=1, learning_rate=1e-12)
    second = fit(own(), others, data[1], still, 1, tmp_path / "second", "key", start=tmp_path / "first/model")
    fresh = fit(own(), others, data[1], still, 1, tmp_path / "fresh", "key").model
    for name, known in (*first.model.named_parameters(), *first.model.named_buffers(recurse=False)):
        if name != "class_weights":
            torch.testing.assert_close(second.model.state_dict()[name], known, atol=1e-9, rtol=0)
    weight = "linear.weight" if own is toy_config else "classifier.0.weight"
    assert not torch.allclose(fresh.state_dict()[weight], first.model.state_dict()[weight], atol=0.01)


@pytest.mark.parametrize("other", [lambda: config("A"), lambda: config("D", cnn_width=0.05), toy_config])
def test_it_does_not_start_from_a_model_of_another_kind_or_size(other, data, tmp_path):
    fit(config("D"), *data, SHORT, 0, tmp_path / "first", "key")
    with pytest.raises(UserError, match="another kind or size") as caught:
        fit(other(), *data, SHORT, 0, tmp_path / "second", "key", start=tmp_path / "first/model")
    assert "\n" not in str(caught.value)


def test_every_row_comes_with_its_clean_partner(data, tmp_path, monkeypatch):
    partners = {
        name: Materials(rows.recipes, rows.labels, rows.classes, {"spectral": rows.arrays["spectral"] + 0.5})
        for name, rows in zip(("train", "validation"), data, strict=True)
    }
    seen, forward = [], Toy.forward

    def watched(self, spectral, labels=None, clean_spectral=None):
        seen.append(None if clean_spectral is None else clean_spectral - spectral)
        return forward(self, spectral, labels, clean_spectral)

    monkeypatch.setattr(Toy, "forward", watched)
    made = fit(toy_config(clean_partners=True), *data, SHORT, 0, tmp_path / "a", "key", partners=partners)
    assert len(seen) == 7 + 3  # steps, and batches of validation
    for difference in seen:
        torch.testing.assert_close(difference, torch.full_like(difference, 0.5), atol=1e-5, rtol=0)
    seen.clear()
    predict(made.model, data[1])
    assert seen == [None]
    with pytest.raises(UserError, match="clean partners: give those too"):
        fit(toy_config(clean_partners=True), *data, SHORT, 0, tmp_path / "b", "key")


def test_a_system_may_be_solved(data, tmp_path, monkeypatch):
    monkeypatch.setattr(Toy, "solve", lambda self, train: bool(torch.nn.init.zeros_(self.linear.weight) is not None))
    monkeypatch.setattr(fitting, "SystemTrainer", lambda **_: pytest.fail("it was trained"))
    made = fit(toy_config(), *data, SHORT, 0, tmp_path, "key")
    assert len(made.history) == 0
    assert (registry.load(tmp_path / "model").linear.weight == 0).all()


def test_what_is_no_system_is_not_loaded(tmp_path):
    with pytest.raises(UserError, match="no system can be loaded") as caught:
        registry.load(tmp_path)
    assert "\n" not in str(caught.value)
