"""Distilling a pretrained encoder into a small Wav2Vec 2.0 that hears noise: its teacher listens to clean speech."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from filelock import FileLock
from torch import Tensor, nn
from transformers import Trainer, Wav2Vec2Config, Wav2Vec2Model, set_seed
from transformers.trainer_callback import PrinterCallback
from transformers.trainer_utils import get_last_checkpoint

from sersupport.core.errors import UserError
from sersupport.core.files import whole
from sersupport.core.keys import code_version, digest
from sersupport.inputs.encoders.encoder import Encoder
from sersupport.recipes.bank import NoiseBank
from sersupport.systems.fit import CODE, HISTORY, Bar, Budget, Seal
from sersupport.systems.lessons import Corruption, Lessons, Speech
from sersupport.systems.resume import finish, is_finished, make_ready

BUDGET = Budget(4000, 100, batch_size=32, learning_rate=2e-3, weight_decay=0.01, warmup_fraction=0.07)


@dataclass(frozen=True)
class Shape:
    """Size of the student, a small :class:`transformers.Wav2Vec2Model`; the rest is as in wav2vec 2.0's base model.

    Parameters
    ----------
    channels : int
        Of the first convolution; the seven have 1, 2, 4, 4, 8, 8 and 8 times as many, so that the first ones, at
        thousands of frames a second, do not take most of the time.
    hidden : int
        Width of the transformer, a multiple of 16; its inner layers are four times as wide, its heads 64 or less.
    layers : int
        Of the transformer.
    """

    channels: int = 32
    hidden: int = 256
    layers: int = 4


@dataclass(frozen=True)
class Plan:
    """A whole way of teaching.

    Parameters
    ----------
    shape, corruption, budget
        Of the student, of what it hears, of the optimisation: AdamW; linear warm-up, then linear decay.
    layers : tuple of int
        Hidden states of the teacher whose mean is the target.
    speeds : tuple of float
        At which every utterance is played; see :func:`sersupport.systems.lessons.listen`.
    crop_s : float
        Length of the crops, whole frames of 20 ms.
    seed : int
        Of the student's weights, the crops and their corruption.
    """

    shape: Shape = Shape()
    corruption: Corruption = field(default_factory=Corruption)
    budget: Budget = BUDGET
    layers: tuple[int, ...] = (-1,)
    speeds: tuple[float, ...] = (0.9, 1.0, 1.1)
    crop_s: float = 2.0
    seed: int = 0


def changed_plans(plan: Plan) -> dict[str, Plan]:
    """What becomes of a plan with one thing changed, by what is changed."""
    shape, corruption, budget = plan.shape, plan.corruption, plan.budget
    return {
        "half the width": replace(plan, shape=replace(shape, hidden=shape.hidden // 2)),
        "half the depth": replace(plan, shape=replace(shape, layers=max(1, shape.layers // 2))),
        "twice the depth": replace(plan, shape=replace(shape, layers=2 * shape.layers)),
        "half the channels": replace(plan, shape=replace(shape, channels=max(1, shape.channels // 2))),
        "last layer as target": replace(plan, layers=(-1,)),
        "clean input": replace(plan, corruption=replace(corruption, noisy=0.0, reverberant=0.0)),
        "noise only": replace(plan, corruption=replace(corruption, pitched=0.0, reverberant=0.0)),
        "one speed": replace(plan, speeds=(1.0,)),
        "half the steps": replace(plan, budget=replace(budget, steps=max(1, budget.steps // 2))),
        "twice the steps": replace(plan, budget=replace(budget, steps=2 * budget.steps)),
    }


def student_config(shape: Shape) -> Wav2Vec2Config:
    """Configuration of a student that plain ``Wav2Vec2Model.from_pretrained`` loads.

    Raises
    ------
    UserError
        If the width does not fit the convolution over positions, which has 16 groups.
    """
    if shape.hidden % 16 or (shape.hidden > 64 and shape.hidden % (shape.hidden // 64)):
        raise UserError(f"student_hidden {shape.hidden}: must be a multiple of 16 that its heads of 64 divide")
    return Wav2Vec2Config(
        hidden_size=shape.hidden,
        num_hidden_layers=shape.layers,
        num_attention_heads=max(1, shape.hidden // 64),
        intermediate_size=4 * shape.hidden,
        conv_dim=tuple(shape.channels * factor for factor in (1, 2, 4, 4, 8, 8, 8)),
        num_conv_pos_embeddings=31,  # of the published 128 frames: half a second is enough for short clips
        mask_time_prob=0.0,
        layerdrop=0.0,
        hidden_dropout=0.0,
        attention_dropout=0.0,
        activation_dropout=0.0,
        feat_proj_dropout=0.0,
    )


class Lesson(nn.Module):
    """A student and the projection of its last frames onto the teacher's; only the student is kept afterwards.

    Parameters
    ----------
    student : Encoder
        From :func:`untaught`.
    target_dim : int
        Dimension of the teacher's frames.

    References
    ----------
    Chang, Yang and Lee (2022), DistilHuBERT, arXiv 2110.01900, equation 1 and Fig. 1, with one prediction head for
    the mean of several layers. Clean targets for noisy and reverberant input: Guimarães et al. (2022), arXiv
    2211.06562, and (2023), RobustDistiller, arXiv 2302.09437.
    """

    def __init__(self, student: Encoder, target_dim: int) -> None:
        super().__init__()
        self.student = student
        self.head = nn.Linear(student.frame_dim, target_dim)

    def forward(self, waves: Tensor, n_valid: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """Loss of crops (B, N), of which ``n_valid`` samples are not padding, against teacher frames (B, T, D)."""
        frames, mask = self.student(waves, n_valid)
        predicted, targets = self.head(frames), targets[:, : frames.shape[1]]
        return {"loss": distillation_loss(predicted[mask], targets[mask])}


def untaught(plan: Plan, start: Encoder | None = None) -> Encoder:
    """The student with which :func:`teach` begins, in evaluation mode.

    Parameters
    ----------
    plan : Plan
    start : Encoder, optional
        A student of the plan's shape that is to be taught further; without one the weights are random.

    Raises
    ------
    UserError
        If the shapes differ.
    """
    with torch.random.fork_rng():
        torch.manual_seed(plan.seed)
        student = Wav2Vec2Model(student_config(plan.shape))
    if start is not None:
        try:
            student.load_state_dict(start.model.state_dict())
        except RuntimeError:
            raise UserError(
                f"student_start: its shape is not that of student_channels {plan.shape.channels}, student_hidden"
                f" {plan.shape.hidden}, student_layers {plan.shape.layers}; give that of the student to begin with"
            ) from None
    return Encoder(student, [-1]).eval()


def distillation_loss(predicted: Tensor, target: Tensor) -> Tensor:
    """Mean over frames of L1 distance (a dimension) minus the log-sigmoid of the cosine; both (..., D)."""
    distance = (predicted - target).abs().mean(dim=-1)
    agreement = nn.functional.logsigmoid(nn.functional.cosine_similarity(predicted, target, dim=-1))
    return (distance - agreement).mean()


def teach(
    speech: Speech, bank: NoiseBank | None, folder: Path, plan: Plan, start: Encoder | None = None
) -> Wav2Vec2Model:
    """Teach a student, go on where a killed lesson stopped, or load the finished one.

    Waits where another process is at the same student.

    Parameters
    ----------
    speech : Speech
        From :func:`sersupport.systems.lessons.listen`, at the plan's speeds and to the plan's layers.
    bank : NoiseBank or None
    folder : Path
        Of this student alone; one taught otherwise is replaced.
    plan : Plan
    start : Encoder, optional
        As for :func:`untaught`.

    Returns
    -------
    transformers.Wav2Vec2Model
        In evaluation mode; ``folder/student`` holds it, ``folder/history.parquet`` its loss.
    """
    student = untaught(plan, start)
    heard = [_content(array) for array in (speech.waves, speech.frames, speech.n_frames, speech.speakers)]
    bank_key = bank.fingerprint() if bank else ""
    key = digest([asdict(plan), student.fingerprint, heard, bank_key, code_version(*CODE)])
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(f".{folder.name}.lock")):
        if not is_finished(folder, key):
            make_ready(folder, key)
            _teach(student, speech, bank, folder, plan)
        return Wav2Vec2Model.from_pretrained(folder / "student").eval()


def _teach(student: Encoder, speech: Speech, bank: NoiseBank | None, folder: Path, plan: Plan) -> None:
    """Train an untaught student in a folder that is ready and leave it there, finished."""
    budget = plan.budget
    set_seed(plan.seed)
    arguments = budget.arguments(
        folder,
        plan.seed,
        logging_steps=min(budget.evaluate_every, budget.steps),
        lr_scheduler_type="linear",
        use_cpu=not torch.cuda.is_available(),
        bf16=True,  # half the memory traffic; weights and optimiser stay in float32
        label_names=["targets"],
    )
    trainer = Trainer(
        model=Lesson(student, speech.frames.shape[-1]),
        args=arguments,
        train_dataset=Lessons(speech, bank, plan.corruption, plan.crop_s, budget.steps * budget.batch_size, plan.seed),
        callbacks=[Seal(), Bar(folder.name)],
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train(resume_from_checkpoint=get_last_checkpoint(str(folder)))
    model = student.model.cpu()
    # half the bytes; the configuration says float32, so that any loader computes in that
    model.save_pretrained(folder / "student", state_dict={k: v.half() for k, v in model.state_dict().items()})
    log = pd.DataFrame([entry for entry in trainer.state.log_history if "loss" in entry])[["step", "loss"]]
    with whole(folder / HISTORY) as temporary:
        log.to_parquet(temporary)
    finish(folder)


def _content(array: np.ndarray) -> str:
    return hashlib.blake2b(np.ascontiguousarray(array).view(np.uint8), digest_size=16).hexdigest()
