"""How a run's parameters make the objects that its notebooks share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from transformers.utils import logging as transformers_logging

from sersupport import UserError, audio, backbones, claims, corpora, distill, evaluation, noise, synthesis, training
from sersupport.backbones import Backbone
from sersupport.dataset import Materials, Renderer, Window, encode, materialise
from sersupport.distill import Plan, Shape, Speech
from sersupport.features import FeatureParameters
from sersupport.models.fusion import FusionConfig, FusionModel, row_config
from sersupport.noise import NoiseBank
from sersupport.recogniser import Recogniser
from sersupport.run import EMBEDDED, Run, find_encoder
from sersupport.training import Fit, Settings

# bars over milliseconds of loading and saving; those over minutes are this package's own
transformers_logging.disable_progress_bar()
# its warnings are of this machine, such as coarse file times, and would stand in the notebooks' outputs
transformers_logging.set_verbosity_error()


def data_folder(run: Run) -> Path:
    """Folder of corpora and of ``noise``; the embedded corpus is made where it is not there yet.

    Raises
    ------
    UserError
        If the folder named by the parameters does not exist.
    """
    if run.p.data_dir == EMBEDDED:
        return embedded_folder(run)
    folder = run.root / run.p.data_dir
    if not folder.is_dir():
        raise UserError(f"data_dir {run.p.data_dir!r}: no such folder; give the folder that holds the corpora")
    return folder


def embedded_folder(run: Run) -> Path:
    """Folder of the embedded corpus and noises: one for all runs of its size, its bytes depend on nothing else."""
    folder = run.build / f"embedded-{run.p.corpus_scale:g}"
    synthesis.make_corpus(folder, scale=run.p.corpus_scale)
    synthesis.make_noises(folder)
    return folder


def cues(run: Run) -> dict[str, tuple[float, float]]:
    """Where each emotion was put, in seconds of the clip, by utterance; empty for recorded speech."""
    path = data_folder(run) / "cues.csv"
    if not path.exists():
        return {}
    table = pd.read_csv(path).merge(run.load("01_data/utterances")[["id", "duration_s"]], on="id")
    shift = [
        audio.clip_start(round(seconds * audio.RATE_HZ), audio.RATE_HZ, run.p.clip_start_s, run.p.clip_length_s)
        / audio.RATE_HZ
        for seconds in table["duration_s"]
    ]
    spans = zip(table["start_s"] - shift, table["end_s"] - shift, strict=True)
    return dict(zip(table["id"], spans, strict=True))


def renderer(run: Run) -> Renderer:
    """Renders recipes of this run's utterances and noises."""
    bank = NoiseBank.from_folder(data_folder(run) / "noise", run.p.noise_test_collections)
    return Renderer(run.load("01_data/utterances"), bank, Window(run.p.clip_start_s, run.p.clip_length_s))


def feature_parameters(run: Run) -> FeatureParameters:
    """Parameters of the handcrafted descriptors."""
    return FeatureParameters(frame_length=run.p.frame_length, hop_length=run.p.hop_length, n_mfcc=run.p.n_mfcc)


def lesson_utterances(run: Run) -> pd.DataFrame:
    """Utterances to teach with: the run's and the embedded ones, of speakers who may be heard."""
    own = distill.heard(run.load("01_data/utterances"))
    if run.p.data_dir == EMBEDDED:
        return own
    embedded = distill.heard(corpora.read_all(embedded_folder(run))[0])
    # they go by the names of real speakers
    return pd.concat([own, embedded.assign(speaker="embedded-" + embedded["speaker"])], ignore_index=True)


def lesson_speech(run: Run, plan: Plan) -> Speech:
    """What the run's teacher hears in those utterances, at a plan's speeds and in its layers."""
    teacher = encoder(run, run.p.teacher, plan.layers)
    return distill.listen(lesson_utterances(run), teacher, run.cache, plan.speeds)


def plan(run: Run) -> Plan:
    """How this run's student is taught."""
    shape = Shape(run.p.student_channels, run.p.student_hidden, run.p.student_layers)
    settings = distill.Settings(
        steps=run.p.lesson_steps,
        batch_size=run.p.lesson_batch_size,
        learning_rate=run.p.lesson_learning_rate,
        seed=run.p.seed,
    )
    speeds = tuple(run.p.lesson_speeds)
    return Plan(shape=shape, settings=settings, layers=tuple(run.p.teacher_layers), speeds=speeds)


def clip_samples(run: Run) -> int:
    """Samples of a clip at the working rate."""
    return round(run.p.clip_length_s * feature_parameters(run).rate_hz)


def spectral_length(run: Run) -> int:
    """Length L of the serialised descriptors of a clip."""
    return feature_parameters(run).length(clip_samples(run))


def backbone(run: Run) -> Backbone:
    """The run's encoder, by hub name or folder."""
    return encoder(run, run.p.backbone, run.p.backbone_layers)


def encoder(run: Run, name: str, layers: Sequence[int], fetch: bool = True) -> Backbone:
    """An encoder by hub name or folder; see :func:`sersupport.backbones.load`."""
    source = find_encoder(name, run.root, run.p.data_dir) or name
    return backbones.load(source, layers, seed=run.p.seed, fetch=fetch)


def encoding_rate(one: Backbone, renderer: Renderer, utterances: pd.DataFrame) -> float:
    """Clips a second that an encoder turns into frames, from the waveform on, in a batch of at most 16."""
    waves, n_valid = zip(*renderer.render(noise.clean(utterances.head(16))), strict=True)
    batch = np.stack([sample.signal for sample in waves]), np.array(n_valid)
    return evaluation.throughput(lambda: len(encode(*batch, None, one)["frames"]), 0.5)


def encoders(run: Run) -> tuple[dict[str, Backbone], dict[str, str]]:
    """The encoders that are to be compared: those that are on this machine, and of the others why they are not."""
    here, absent = {}, {}
    for name, layers in run.p.encoders.items():
        try:
            here[name] = encoder(run, name, layers, fetch=False)
        except UserError as error:
            if find_encoder(name, run.root, run.p.data_dir):  # it is here and broken
                raise
            absent[name] = str(error)
    return here, absent


def materials(
    run: Run, recipes: pd.DataFrame, source: Renderer, encoder: Backbone, frozen: bool | None = None
) -> Materials:
    """Arrays of recipes under this run's parameters, cached; the encoder is frozen where the run's is, or as said."""
    frozen = run.p.backbone_frozen if frozen is None else frozen
    return materialise(source, recipes, feature_parameters(run), encoder, run.cache, frozen)


def settings(run: Run, **changes: float) -> Settings:
    """Training settings; ``changes`` replace the run's."""
    own = {
        "seed": run.p.seed,
        "epochs": run.p.epochs,
        "batch_size": run.p.batch_size,
        "learning_rate": run.p.learning_rate,
        "weight_decay": run.p.weight_decay,
        "warmup_fraction": run.p.warmup_fraction,
    }
    return Settings(**own | changes)


def configuration(run: Run, row: str, encoder: Backbone, **changes: object) -> FusionConfig:
    """Configuration of a row under this run's parameters; ``changes`` are arguments of the configuration."""
    own = {
        "spectral_length": spectral_length(run),
        "frame_dim": encoder.frame_dim,
        "cnn_width": run.p.cnn_width,
        "backbone": None if run.p.backbone_frozen else encoder_config(encoder),
        "backbone_layers": run.p.backbone_layers,
    }
    return row_config(row, **own | changes)


def fit(
    run: Run,
    config: FusionConfig,
    encoder: Backbone,
    data: Mapping[str, Materials],
    name: str,
    how: Settings | None = None,
) -> Fit:
    """Train a model, its epoch chosen on validation, as :func:`sersupport.training.fit` does.

    Parameters
    ----------
    run, config, encoder
        The run, the model, and the encoder from whose weights a model that fine-tunes it starts.
    data : mapping
        Materials by part.
    name : str
        Of the model's folder.
    how : Settings, optional
        The run's by default.
    """
    folder = run.path(f"models/{name}")
    return training.fit(config, data["train"], data["validation"], how or settings(run), folder, encoder)


def evidence(run: Run) -> claims.Evidence:
    """What the ledger of claims may look at: this run's artefacts."""

    def load(artefact: str) -> object | None:
        try:
            return run.load(artefact)
        except UserError:
            return None

    return claims.Evidence(load, run.p.profile, run.p.data_dir == EMBEDDED, run.p.bootstrap_samples)


def recogniser(run: Run, row: str, encoder: Backbone) -> Recogniser:
    """A row as notebook 05 trained it, with its front end.

    Raises
    ------
    UserError
        If it has not been trained.
    """
    folder = run.path(f"05_training/models/{row}/model")
    if not (folder / "config.json").exists():
        raise UserError(f"row {row} is not in {folder.parent}: run notebook 05_training first")
    return Recogniser(FusionModel.from_pretrained(folder).eval(), feature_parameters(run), encoder)


def encoder_config(encoder: Backbone) -> dict:
    """Configuration of an encoder that is to be part of a model, as plain values."""
    config = encoder.encoder.config
    return {**config.to_diff_dict(), "model_type": config.model_type}
