"""Training with transformers' Trainer: seeded, checkpointed, resumed where it was cut off."""

from __future__ import annotations

import itertools
import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sklearn.metrics import accuracy_score, recall_score
from sklearn.utils.class_weight import compute_class_weight
from torch.utils.data import DataLoader
from tqdm import tqdm
from transformers import EvalPrediction, Trainer, TrainerCallback, TrainingArguments, set_seed
from transformers.trainer_callback import PrinterCallback
from transformers.trainer_utils import get_last_checkpoint

from sersupport import UserError
from sersupport.backbones import Backbone
from sersupport.cache import code_version, digest, whole
from sersupport.corpora import EMOTIONS
from sersupport.dataset import Materials, MaterialsDataset
from sersupport.models import fusion, layers
from sersupport.models.fusion import FusionConfig, FusionModel

HISTORY = "history.parquet"


@dataclass(frozen=True)
class Settings:
    """How to train; the paper names none of it.

    Parameters
    ----------
    seed : int
        Of the initial weights, the order of the rows and dropout.
    epochs, batch_size : int
    learning_rate : float
        Peak, after a linear warm-up; AdamW with cosine decay.
    weight_decay : float
    warmup_fraction : float
        Share of all steps.
    """

    seed: int = 0
    epochs: int = 12
    batch_size: int = 64
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    warmup_fraction: float = 0.1


@dataclass
class Fit:
    """A trained model and its course.

    Parameters
    ----------
    model : FusionModel
        The weights of the epoch with the highest validation UAR, in evaluation mode.
    history : pandas.DataFrame
        ``epoch``, ``train_loss``, ``validation_loss``, ``validation_uar``, ``validation_accuracy``.
    """

    model: FusionModel
    history: pd.DataFrame

    @property
    def best_epoch(self) -> int:
        """Epoch whose weights the model has."""
        return int(self.history.loc[self.history["validation_uar"].idxmax(), "epoch"])


class Bar(TrainerCallback):
    """One progress bar a training, instead of the Trainer's flood."""

    def __init__(self, label: str) -> None:
        self.label = label

    def on_train_begin(self, args, state, control, **kwargs):
        self.bar = tqdm(total=state.max_steps, initial=state.global_step, desc=self.label, unit="step", leave=False)

    def on_step_end(self, args, state, control, **kwargs):
        self.bar.update()

    def on_train_end(self, args, state, control, **kwargs):
        self.bar.close()


def balanced_class_weights(labels: np.ndarray) -> list[float]:
    """Weights n / (C n_c) over the C classes that occur, 1 for a class that does not (CREMA-D has no surprise)."""
    present = np.unique(labels)
    weights = np.ones(len(EMOTIONS))
    weights[present] = compute_class_weight("balanced", classes=present, y=labels)
    return weights.tolist()


def fit(
    config: FusionConfig,
    train: Materials,
    validation: Materials,
    settings: Settings,
    folder: Path,
    backbone: Backbone | None = None,
) -> Fit:
    """Train a model, go on where a killed training stopped, or load the finished one.

    Parameters
    ----------
    config : FusionConfig
        The model; its class weights are set here.
    train, validation : Materials
        Disjoint in speakers as the caller's split says; the epoch is chosen on ``validation``.
    settings : Settings
    folder : Path
        Of this training alone: checkpoints after every epoch, then the model. If it holds one of other data,
        settings or code, that one is replaced.
    backbone : Backbone, optional
        From whose weights a model that fine-tunes its own starts.

    Returns
    -------
    Fit

    Raises
    ------
    UserError
        If either set is empty.
    """
    for name, part in (("training", train), ("validation", validation)):
        if len(part) < (2 if part is train else 1):
            few = "is empty" if len(part) == 0 else "has a single row"
            raise UserError(f"the {name} set {few}: choose another fold or more corpora")
    config.class_weights = balanced_class_weights(train.labels)
    start = backbone.fingerprint if backbone is not None and config.backbone is not None else ""
    key = _key(config, train, validation, settings, start)
    final, history_path = folder / "model", folder / HISTORY
    if prepared(folder, key):
        return Fit(FusionModel.from_pretrained(final).eval(), pd.read_parquet(history_path))
    set_seed(settings.seed)
    model = FusionModel(config)
    if start:
        model.backbone.load_state_dict(backbone.state_dict())
    set_standardisation(model, train)
    trainer = Trainer(
        model=model,
        args=_arguments(settings, folder, len(train)),
        train_dataset=MaterialsDataset(train),
        eval_dataset=MaterialsDataset(validation),
        compute_metrics=_metrics,
        callbacks=[Bar(folder.name)],
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train(resume_from_checkpoint=get_last_checkpoint(str(folder)), ignore_keys_for_eval=["pooling_weights"])
    history = _history(trainer.state.log_history)
    model = trainer.model.cpu().eval()
    model.save_pretrained(final)
    with whole(history_path) as temporary:  # its presence says that the training is finished
        history.to_parquet(temporary)
    for checkpoint in folder.glob("checkpoint-*"):
        shutil.rmtree(checkpoint)
    return Fit(model, history)


def prepared(folder: Path, key: str) -> bool:
    """Make a folder ready for a training, and say whether it holds that training, finished.

    Parameters
    ----------
    folder : Path
        Of one training: its key, checkpoints, and :data:`HISTORY`, whose presence says that it is finished. What
        belongs to another key is removed, and checkpoints that were not written to their end.
    key : str
        Digest of all that the training depends on.
    """
    path = folder / "key"
    known = path.read_text() if path.exists() else None
    if known == key and (folder / HISTORY).exists():
        return True
    if known != key:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        path.write_text(key)
    for checkpoint in folder.glob("checkpoint-*"):
        if not _is_whole(checkpoint):
            shutil.rmtree(checkpoint)
    return False


def _key(config: FusionConfig, train: Materials, validation: Materials, settings: Settings, start: str) -> str:
    # the frames stand for a frozen encoder, which the configuration does not name
    sums = [
        [len(part), *([name, str(array.sum(dtype=np.float64))] for name, array in sorted(part.arrays.items()))]
        for part in (train, validation)
    ]
    rows = [part.recipes.astype(str).values.tolist() for part in (train, validation)]
    # the number of epochs belongs to the key: the learning rate's course depends on it
    return digest([config.to_dict(), asdict(settings), sums, rows, start, code_version([fusion, layers])])


def _is_whole(checkpoint: Path) -> bool:
    """Whether a checkpoint was written to its end: the Trainer writes its state last."""
    try:
        return bool(json.loads((checkpoint / "trainer_state.json").read_text()))
    except (OSError, ValueError):
        return False


def _arguments(settings: Settings, folder: Path, n_rows: int) -> TrainingArguments:
    # batch normalisation has no variance over a last batch of one
    batch_size = next(size for size in itertools.count(max(2, settings.batch_size)) if n_rows % size != 1)
    return TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=settings.epochs,
        per_device_train_batch_size=batch_size,
        per_device_eval_batch_size=batch_size,
        learning_rate=settings.learning_rate,
        weight_decay=settings.weight_decay,
        warmup_steps=settings.warmup_fraction,
        lr_scheduler_type="cosine",
        seed=settings.seed,
        data_seed=settings.seed,
        eval_strategy="epoch",
        save_strategy="epoch",
        logging_strategy="epoch",
        save_total_limit=1,
        load_best_model_at_end=True,
        metric_for_best_model="uar",
        greater_is_better=True,
        remove_unused_columns=False,
        dataloader_pin_memory=torch.cuda.is_available(),
        report_to="none",
        disable_tqdm=True,
    )


def set_standardisation(model: FusionModel, train: Materials) -> None:
    """Set the buffers that standardise descriptors and frames from the training rows."""
    if model.config.spectral:
        spectral = train.arrays["spectral"]
        model.spectral_mean.copy_(torch.from_numpy(spectral.mean(axis=0)))
        model.spectral_scale.copy_(torch.from_numpy(spectral.std(axis=0)).clamp(min=1e-6))
    if model.config.temporal and "frames" in train.arrays:
        total, squares, count = 0.0, 0.0, 0
        for frames, length in zip(train.arrays["frames"], train.arrays["n_frames"], strict=True):
            valid = frames[:length].astype(np.float64)
            total, squares, count = total + valid.sum(axis=0), squares + (valid**2).sum(axis=0), count + length
        mean = total / count
        scale = np.sqrt(np.maximum(squares / count - mean**2, 1e-12))
        model.frame_mean.copy_(torch.from_numpy(mean))
        model.frame_scale.copy_(torch.from_numpy(scale))


def _metrics(prediction: EvalPrediction) -> dict[str, float]:
    classes, labels = prediction.predictions.argmax(axis=-1), prediction.label_ids
    uar = recall_score(labels, classes, average="macro", labels=np.unique(labels))
    return {"uar": uar, "accuracy": accuracy_score(labels, classes)}


def _history(log: list[dict]) -> pd.DataFrame:
    train = {round(entry["epoch"]): entry["loss"] for entry in log if "loss" in entry}
    rows = [
        {
            "epoch": round(entry["epoch"]),
            "train_loss": train[round(entry["epoch"])],
            "validation_loss": entry["eval_loss"],
            "validation_uar": entry["eval_uar"],
            "validation_accuracy": entry["eval_accuracy"],
        }
        for entry in log
        if "eval_uar" in entry
    ]
    return pd.DataFrame(rows).drop_duplicates("epoch", keep="first")


@torch.inference_mode()
def predict(model: FusionModel, materials: Materials, batch_size: int = 64) -> np.ndarray:
    """Class probabilities, shape (n, 7), in the materials' order."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = model.to(device).eval()
    parts = []
    for batch in DataLoader(MaterialsDataset(materials), batch_size=batch_size):
        batch.pop("labels")
        logits = model(**{name: tensor.to(device) for name, tensor in batch.items()}).logits
        parts.append(logits.softmax(dim=-1).cpu().numpy())
    model.cpu()
    return np.concatenate(parts)
