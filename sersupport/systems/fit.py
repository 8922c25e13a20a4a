"""Training, of whichever system: seeded, checkpointed, resumed where it was cut off, kept with its digests."""

from __future__ import annotations

import copy
import itertools
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.metrics import accuracy_score, recall_score
from tqdm import tqdm
from transformers import (
    AutoModelForAudioClassification,
    EvalPrediction,
    Trainer,
    TrainerCallback,
    TrainerState,
    TrainingArguments,
    set_seed,
)
from transformers.trainer import TRAINER_STATE_NAME
from transformers.trainer_callback import PrinterCallback
from transformers.trainer_utils import get_last_checkpoint

from sersupport.core.errors import UserError
from sersupport.core.files import whole
from sersupport.core.precision import Precision
from sersupport.inputs.encoders.encoder import Encoder
from sersupport.inputs.store import Materials, MaterialsDataset
from sersupport.systems import registry
from sersupport.systems.base import System, SystemConfig, balanced_class_weights
from sersupport.systems.resume import finish, is_finished, make_ready, seal

# folders of the package that a trained system depends on, besides its data and settings
CODE = ("core", "sound", "recipes", "inputs", "systems")
HISTORY = "history.parquet"
_COLUMNS = ("step", "train_loss", "validation_loss", "validation_uar", "validation_accuracy", "cpu_s")


@dataclass(frozen=True)
class Budget:
    """How long and how fast to train; the papers name little of it.

    Parameters
    ----------
    steps : int
        Of the optimiser.
    evaluate_every : int
        Steps between two evaluations, each with a checkpoint; the last step is evaluated too.
    batch_size : int
    learning_rate : float
        Peak, after a linear warm-up; AdamW.
    weight_decay : float
    warmup_fraction : float
        Share of all steps.
    precision : {"float32", "bfloat16"}
        Of products and convolutions; weights and their steps stay in float32.
    """

    steps: int
    evaluate_every: int
    batch_size: int = 64
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    warmup_fraction: float = 0.1
    precision: Precision = "float32"

    def arguments(self, folder: Path, seed: int, **more: Any) -> TrainingArguments:
        """The same as the Trainer takes it; ``more`` are further arguments of it, which go before these."""
        own = {
            "output_dir": str(folder),
            "max_steps": self.steps,
            "save_steps": self.evaluate_every,
            "logging_steps": self.evaluate_every,
            "per_device_train_batch_size": self.batch_size,
            "learning_rate": self.learning_rate,
            "weight_decay": self.weight_decay,
            "warmup_steps": self.warmup_fraction,
            "use_cpu": not torch.cuda.is_available(),
            "bf16": self.precision == "bfloat16",
            "seed": seed,
            "data_seed": seed,
            "save_total_limit": 1,
            "remove_unused_columns": False,
            "dataloader_pin_memory": torch.cuda.is_available(),
            "report_to": "none",
            "disable_tqdm": True,
        }
        return TrainingArguments(**own | more)


@dataclass
class Fit:
    """A trained model and its course.

    Parameters
    ----------
    model : System
        The weights of the step with the highest validation UAR, in evaluation mode.
    history : pandas.DataFrame
        ``step``, ``train_loss``, ``validation_loss``, ``validation_uar``, ``validation_accuracy``, ``cpu_s`` (seconds
        of processors up to the step, as steps take on average, validations among them; NaN where it was cut off after
        its last step); no rows where the model was fitted in closed form.
    """

    model: System
    history: pd.DataFrame


class Seal(TrainerCallback):
    """Checkpoints with their digests, so that one that was cut off or changed is not gone on from."""

    def on_train_begin(self, args, state, control, **kwargs):
        if state.best_global_step:  # the Trainer forgets the best one where the folder was moved since
            state.best_model_checkpoint = str(Path(args.output_dir, f"checkpoint-{state.best_global_step}"))

    def on_save(self, args, state, control, **kwargs):
        seal(Path(args.output_dir, f"checkpoint-{state.global_step}"))


class Bar(TrainerCallback):
    """One progress bar a training, instead of the Trainer's flood; and what a step takes of the processors."""

    def __init__(self, label: str) -> None:
        self.label, self.cpu_s_a_step = label, float("nan")

    def on_train_begin(self, args, state, control, **kwargs):
        self._began = time.process_time(), state.global_step
        self.bar = tqdm(total=state.max_steps, initial=state.global_step, desc=self.label, unit="step", leave=False)

    def on_step_end(self, args, state, control, **kwargs):
        self.bar.update()

    def on_train_end(self, args, state, control, **kwargs):
        self.bar.close()
        began, first = self._began
        self.cpu_s_a_step = (time.process_time() - began) / max(1, state.global_step - first)


class SystemTrainer(Trainer):
    """A Trainer whose optimiser has the system's own groups of parameters, where it names any."""

    def create_optimizer(self, model: System | None = None) -> torch.optim.Optimizer:
        groups = self.model.parameter_groups(self.args.learning_rate, self.args.weight_decay)
        if groups is not None and self.optimizer is None:
            names = set(self.get_decay_parameter_names(self.model))
            decaying = {id(own) for name, own in self.model.named_parameters() if name in names}
            own_class, options = self.get_optimizer_cls_and_kwargs(self.args, self.model)
            self.optimizer = own_class(list(_split(groups, decaying, self.args.weight_decay)), **options)
        return super().create_optimizer(model)


def _split(groups: list[dict], decaying: set[int], weight_decay: float):
    """Groups of trainable parameters, those that name no weight decay cut into what decays and what does not."""
    for group in groups:
        own = [parameter for parameter in group["params"] if parameter.requires_grad]
        if "weight_decay" in group:
            yield {**group, "params": own}
            continue
        for decays, decay in ((True, weight_decay), (False, 0.0)):
            yield {**group, "params": [p for p in own if (id(p) in decaying) == decays], "weight_decay": decay}


def fit(
    config: SystemConfig,
    train: Materials,
    validation: Materials,
    budget: Budget,
    seed: int,
    folder: Path,
    key: str,
    start: Path | Encoder | None = None,
    partners: Mapping[str, Materials] = MappingProxyType({}),
    label: str = "",
) -> Fit:
    """Train a system, go on where a killed training stopped, or load the finished one.

    Parameters
    ----------
    config : SystemConfig
        The system; copied, with the classes and the class weights of the training rows.
    train, validation : Materials
        Disjoint in speakers as the caller's split says; the step is chosen on ``validation``.
    budget : Budget
    seed : int
        Of the initial weights, the order of the rows and dropout.
    folder : Path
        Of this training alone: checkpoints, then ``model``, :data:`HISTORY` and their digests.
    key : str
        Digest of all that the training depends on. What the folder holds of another key is replaced.
    start : Path or Encoder, optional
        Folder of a saved system of the same configuration class, whose weights and statistics this one goes on from;
        or the encoder from whose weights a system that holds one starts.
    partners : mapping, optional
        "train" and "validation": for each row its clean partner, where the configuration asks for them.
    label : str
        Of the progress bar.

    Returns
    -------
    Fit

    Raises
    ------
    UserError
        If either set is empty, lacks an input or its clean partners, or the folder holds files of somebody else.
    """
    for name, part in (("training", train), ("validation", validation)):
        if len(part) < (2 if part is train else 1):
            few = "is empty" if len(part) == 0 else "has a single row"
            raise UserError(f"the {name} set {few}: choose another fold or more corpora")
    final, history_path = folder / "model", folder / HISTORY
    if is_finished(folder, key):
        return Fit(registry.load(final), pd.read_parquet(history_path))
    sets = {
        name: _dataset(config, part, partners.get(name))
        for name, part in (("train", train), ("validation", validation))
    }
    config = copy.deepcopy(config)
    config.id2label = dict(enumerate(train.classes))
    config.label2id = {name: index for index, name in enumerate(train.classes)}
    config.class_weights = balanced_class_weights(train.labels, config.num_labels)
    make_ready(folder, key)
    set_seed(seed)
    model = AutoModelForAudioClassification.from_config(config)
    if start is not None:
        _begin(model, start)
    if start is None or isinstance(start, Encoder):
        model.set_statistics(train)
    history = pd.DataFrame(columns=_COLUMNS, dtype=float)
    last = get_last_checkpoint(str(folder))
    state = TrainerState.load_from_json(str(Path(last, TRAINER_STATE_NAME))) if last else None
    if state is not None and state.global_step >= budget.steps:  # killed between its last step and its end
        history, model = _history(state.log_history), registry.load(folder / f"checkpoint-{state.best_global_step}")
        history["cpu_s"] = float("nan")
    elif not model.solve(train):
        bar = Bar(label or folder.name)
        trainer = SystemTrainer(
            model=model,
            args=_arguments(budget, seed, folder, len(train)),
            train_dataset=sets["train"],
            eval_dataset=sets["validation"],
            compute_metrics=_metrics,
            callbacks=[Seal(), bar],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train(resume_from_checkpoint=last)
        history, model = _history(trainer.state.log_history), trainer.model.cpu()
        history["cpu_s"] = history["step"] * bar.cpu_s_a_step
    model.save_pretrained(final)
    with whole(history_path) as temporary:
        history.to_parquet(temporary)
    finish(folder)
    return Fit(model.eval(), history)


def _dataset(config: SystemConfig, part: Materials, partners: Materials | None) -> MaterialsDataset:
    """The rows with the inputs that the system eats, and with their partners where it asks for them."""
    if not config.clean_partners:
        return MaterialsDataset(part.only(config.inputs))
    if partners is None:
        raise UserError(f"{config.model_type}: is trained on rows with their clean partners: give those too")
    return MaterialsDataset(part.only(config.inputs), partners.only(config.inputs))


def _begin(model: System, start: Path | Encoder) -> None:
    """Set a new model's weights to those of a trained one, or its encoder's to an encoder's."""
    if isinstance(start, Encoder):
        model.encoder.load_state_dict(start.state_dict())
        return
    known = registry.load(start)
    own = {name: value for name, value in known.state_dict().items() if name != "class_weights"}
    try:
        if type(known) is not type(model) or own.keys() != model.state_dict().keys() - {"class_weights"}:
            raise RuntimeError
        model.load_state_dict(own, strict=False)
    except RuntimeError:
        kinds = f"{known.config.model_type} and {model.config.model_type}"
        raise UserError(
            f"{start}: a model of another kind or size ({kinds}) cannot be trained further as this"
        ) from None
    model.taken_over()


def whole_batches(n_rows: int, batch_size: int) -> int:
    """The batch size, or the next one that leaves no last batch of one row: it has no variance to normalise by.

    Of fewer than two rows every batch is one row or none: the batch size stays.
    """
    if n_rows < 2:
        return batch_size
    return next(size for size in itertools.count(max(2, batch_size)) if n_rows % size != 1)


def _arguments(budget: Budget, seed: int, folder: Path, n_rows: int) -> TrainingArguments:
    batch_size = whole_batches(n_rows, budget.batch_size)
    return budget.arguments(
        folder,
        seed,
        per_device_train_batch_size=batch_size,
        per_device_eval_batch_size=batch_size,
        lr_scheduler_type="cosine",
        eval_strategy="steps",
        eval_steps=budget.evaluate_every,
        label_names=["labels"],
        load_best_model_at_end=True,
        metric_for_best_model="uar",
        greater_is_better=True,
    )


def _metrics(prediction: EvalPrediction) -> dict[str, float]:
    classes, labels = prediction.predictions.argmax(axis=-1), prediction.label_ids
    uar = recall_score(labels, classes, average="macro", labels=np.unique(labels))
    return {"uar": uar, "accuracy": accuracy_score(labels, classes)}


def _history(log: list[dict]) -> pd.DataFrame:
    train = {entry["step"]: entry["loss"] for entry in log if "loss" in entry}
    rows = [
        (entry["step"], train.get(entry["step"]), entry["eval_loss"], entry["eval_uar"], entry["eval_accuracy"])
        for entry in log
        if "eval_uar" in entry
    ]
    return pd.DataFrame(rows, columns=_COLUMNS[:-1]).drop_duplicates("step", keep="first")
