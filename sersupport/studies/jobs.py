"""A job trains one system under one protocol; a bench runs jobs, keeps what is finished, and classifies with it."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from filelock import FileLock
from transformers import AutoConfig

from sersupport.core.errors import UserError
from sersupport.core.files import remove
from sersupport.core.keys import code_version, digest, files_digest
from sersupport.inputs.base import Input, LoadEncoder
from sersupport.inputs.build import build
from sersupport.inputs.encoders.encoder import Encoder
from sersupport.inputs.store import Materials, Store
from sersupport.recipes.drawing import clean_partners
from sersupport.studies.cluster import each
from sersupport.systems import fit, registry, resume
from sersupport.systems.base import System, SystemConfig
from sersupport.systems.fit import Budget
from sersupport.systems.predictions import predictions_table
from sersupport.systems.recogniser import Recogniser, predict

PREDICTIONS = "predictions"  # kind in the cache
NAMES = ("system", "protocol", "fold", "seed")  # columns of the predictions table that every job fills


@dataclass(frozen=True, eq=False)
class Job:
    """One training and one test.

    Parameters
    ----------
    system : str
        Its name in the predictions table.
    config : SystemConfig
        The model, copied; its ``inputs`` are set from the next field.
    inputs : mapping of str to Input
        What it eats, by role.
    budget : Budget
        How long and how fast it is trained.
    train, validation, test : pandas.DataFrame
        Recipes; nobody but the caller keeps speakers apart.
    protocol, fold, seed : str, int, int
        For the predictions table; the seed is that of weights, order and dropout, too.
    start : Job or Encoder, optional
        A job whose weights and statistics are gone on from, or the encoder with whose weights a model that fine-tunes
        one begins.
    labels : mapping
        Further columns of the predictions table.
    """

    system: str
    config: SystemConfig
    inputs: Mapping[str, Input]
    budget: Budget
    train: pd.DataFrame
    validation: pd.DataFrame
    test: pd.DataFrame
    protocol: str
    fold: int
    seed: int
    start: Job | Encoder | None = None
    labels: Mapping[str, str | float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "config", copy.deepcopy(self.config))  # others may be made of the same
        self.config.inputs = {role: one.spec() for role, one in self.inputs.items()}

    @property
    def names(self) -> dict[str, str | int]:
        """Constant columns of its predictions: :data:`NAMES` and the labels."""
        return {name: getattr(self, name) for name in NAMES} | dict(self.labels)


@dataclass(frozen=True)
class Trained:
    """A finished job.

    Parameters
    ----------
    key : str
        Of the job.
    names : mapping
        As :attr:`Job.names`.
    folder : Path
        Where the model lies.
    content : str
        Digest of the model's files, where they are a copy that must be what was kept.
    """

    key: str
    names: Mapping[str, str | int]
    folder: Path
    content: str = ""


class Bench:
    """Runs jobs on the workers of :mod:`sersupport.studies.cluster`.

    One that is done is never run again, one that was killed goes on; no system classifies a recipe twice.

    Parameters
    ----------
    store : Store
        Makes and keeps what systems eat; what they say lies in the same cache.
    folder : Path
        Of the jobs, each in a folder named by its key; may be shared by runs.
    load_encoder : callable
        Encoder of a name and layers, to rebuild the inputs of a saved system.
    """

    def __init__(self, store: Store, folder: Path, load_encoder: LoadEncoder) -> None:
        self.store, self.folder, self.load_encoder = store, folder, load_encoder
        self.utterances = store.renderer.utterances

    def key(self, job: Job) -> str:
        """Digest of all that a job's weights depend on: data, labels, settings, starting weights, code."""
        start = self.key(job.start) if isinstance(job.start, Job) else getattr(job.start, "fingerprint", "")
        parts = [[self.store.renderer.keys(rows), self._emotions(rows)] for rows in (job.train, job.validation)]
        made = [self.store.renderer.describe(), {role: one.describe() for role, one in job.inputs.items()}]
        settings = [self.store.renderer.classes, job.config.to_dict(), asdict(job.budget), job.seed]
        return digest([*settings, start, parts, made, code_version(*fit.CODE)])

    def _emotions(self, recipes: pd.DataFrame) -> list[str]:
        return self.utterances["emotion"].loc[recipes["utterance"]].tolist()

    def fit(self, job: Job) -> Trained:
        """Train a job, go on where it was cut off, or find it finished; wait where another process is at it."""
        trained = self._trained(job)
        with self.held(trained.key) as folder:
            self._fit(job, folder, trained.key)
        return trained

    @contextmanager
    def held(self, key: str) -> Iterator[Path]:
        """Folder of the training of a key, while no other process may have it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        folder = self.folder / key
        with FileLock(folder.with_suffix(".lock")):
            yield folder

    def _trained(self, job: Job) -> Trained:
        """What a job comes to, finished or not."""
        key = self.key(job)
        return Trained(key, job.names, self.folder / key / "model")

    def _fit(self, job: Job, folder: Path, key: str) -> None:
        if not resume.is_finished(folder, key):
            parts = {name: self._materials(job, getattr(job, name)) for name in ("train", "validation")}
            partners = {}
            if job.config.clean_partners:
                partners = {name: self._materials(job, clean_partners(part.recipes)) for name, part in parts.items()}
            start = self.fit(job.start).folder if isinstance(job.start, Job) else job.start
            fit.fit(
                job.config, parts["train"], parts["validation"], job.budget, job.seed, folder, key,
                start=start, partners=partners, label=job.system,
            )  # fmt: skip

    def _materials(self, job: Job, recipes: pd.DataFrame) -> Materials:
        return self.store.materials(job.inputs, recipes)

    def fit_all(self, jobs: Iterable[Job]) -> list[Trained]:
        """Train every job, side by side where there are workers; in their order."""
        jobs = list(jobs)
        self._prepare_training(jobs)
        return each(Bench.fit, self, jobs, "training")

    def _prepare_training(self, jobs: Iterable[Job]) -> None:
        keys = {job: self.key(job) for job in jobs}
        pending = [job for job, key in keys.items() if not resume.is_finished(self.folder / key, key)]
        self.prepare((job.inputs, rows) for job in pending for rows in (job.train, job.validation))

    def prepare(self, needs: Iterable[tuple[Mapping[str, Input], pd.DataFrame]]) -> None:
        """Compute what systems eat of recipes and is not kept yet, side by side where there are workers."""
        sets: dict[str, tuple[Mapping[str, Input], dict[int, pd.DataFrame]]] = {}
        for inputs, recipes in needs:
            name = digest({role: one.describe() for role, one in sorted(inputs.items())})
            sets.setdefault(name, (inputs, {}))[1][id(recipes)] = recipes
        for inputs, tables in sorted(sets.values(), key=lambda own: -len(own[0])):  # what most need first
            pieces = self.store.lacking(inputs, pd.concat(tables.values()))
            each(Bench._prepare, self, [(inputs, piece) for piece in pieces], "inputs")

    def _prepare(self, need: tuple[Mapping[str, Input], pd.DataFrame]) -> None:
        self.store.materials(*need)

    def history(self, trained: Trained) -> pd.DataFrame:
        """Course of a job's training, with its names; see :class:`sersupport.systems.fit.Fit`."""
        return pd.read_parquet(self.folder / trained.key / fit.HISTORY).assign(**trained.names)

    def model(self, trained: Trained) -> tuple[System, dict[str, Input]]:
        """A trained system, in evaluation mode, and its inputs as its configuration names them.

        Raises
        ------
        UserError
            If it is not there, or an encoder is not the one it was trained with.
        """
        self._check(trained)
        return registry.load(trained.folder), self._inputs(trained)

    def _inputs(self, trained: Trained) -> dict[str, Input]:
        self._check(trained)
        inputs = AutoConfig.from_pretrained(trained.folder).inputs
        return {role: build(spec, self.load_encoder) for role, spec in inputs.items()}

    @staticmethod
    def _check(trained: Trained) -> None:
        there = (trained.folder / "config.json").is_file()
        if not there or trained.content not in ("", _content(trained.folder)):
            how = "no longer what was kept there" if there else "not there"
            raise UserError(
                f"{trained.folder}: {trained.names['system']} is {how}: run the notebook that trains it again"
            )

    def predictions(self, trained: Trained, recipes: pd.DataFrame) -> pd.DataFrame:
        """Predictions table of a trained system for recipes; it is asked about those it has not been asked before."""
        self._check(trained)
        return self._predictions(trained, recipes, lambda: self.model(trained))

    def _predictions(
        self, trained: Trained, recipes: pd.DataFrame, model: Callable[[], tuple[System, Mapping[str, Input]]]
    ) -> pd.DataFrame:
        def classified(_: tuple[str, ...], rows: np.ndarray) -> dict[str, dict[str, np.ndarray]]:
            system, inputs = model()
            found = predict(system, self.store.materials(inputs, recipes.iloc[rows]))
            return {PREDICTIONS: {"probabilities": found}}

        keys = self.store.renderer.keys(recipes)
        kept = self.store.cache.fetch(self._requests(trained), keys, classified, batch=len(keys))
        return self.table(trained, recipes, kept[PREDICTIONS]["probabilities"].array())

    def table(self, trained: Trained, recipes: pd.DataFrame, found: np.ndarray) -> pd.DataFrame:
        """Predictions table of probabilities ``found`` (n, C) that a trained system gave some recipes."""
        classes = self.store.renderer.classes
        labels = np.searchsorted(np.array(classes), self._emotions(recipes))
        return predictions_table(Materials(recipes, labels, classes, {}), found, self.utterances, **trained.names)

    def asked(self, trained: Trained) -> dict[str, Any]:
        """All that a trained system's answers depend on besides what it is asked, to keep them by."""
        return {"job": trained.key, "model": _content(trained.folder), "rendered": self.store.renderer.describe()}

    def _requests(self, trained: Trained) -> dict[str, dict[str, Any]]:
        return {PREDICTIONS: {"kind": PREDICTIONS, **self.asked(trained)}}

    def _unasked(self, trained: Trained, recipes: pd.DataFrame) -> pd.DataFrame:
        """Recipes that a system has not classified yet: all of them where it is still to be trained."""
        if not trained.folder.is_dir():
            return recipes
        return recipes[self.store.cache.lacking(self._requests(trained), self.store.renderer.keys(recipes))]

    def test(self, trained: Iterable[Trained], recipes: Mapping[int, pd.DataFrame]) -> pd.DataFrame:
        """Predictions table of trained systems, each for its fold's recipes, side by side where there are workers."""
        tasks = [(one, recipes[one.names["fold"]]) for one in trained]
        unasked = [(one, self._unasked(one, rows)) for one, rows in tasks]
        self.prepare((self._inputs(one), rows) for one, rows in unasked if len(rows))
        return pd.concat(each(Bench._test, self, tasks, "testing"), ignore_index=True)

    def _test(self, task: tuple[Trained, pd.DataFrame]) -> pd.DataFrame:
        return self.predictions(*task)

    def recogniser(self, trained: Trained) -> Recogniser:
        """A trained system as a classifier of waveforms."""
        return Recogniser(*self.model(trained))

    def run(self, jobs: Iterable[Job]) -> pd.DataFrame:
        """Train every job and classify its own test rows: one pooled predictions table."""
        jobs = list(jobs)
        if not jobs:
            raise UserError("there is nothing to train: name a system, an encoder or a change that there is")
        self._prepare_training(jobs)
        unasked = [(job.inputs, self._unasked(self._trained(job), job.test)) for job in jobs]
        self.prepare(need for need in unasked if len(need[1]))
        return pd.concat(each(Bench._run, self, jobs, "training"), ignore_index=True)

    def _run(self, job: Job) -> pd.DataFrame:
        """With its own inputs: an encoder that was made here has no name to be loaded by."""
        trained = self.fit(job)
        return self._predictions(trained, job.test, lambda: (registry.load(trained.folder), job.inputs))


def keep(trained: Iterable[Trained], folder: Path) -> pd.DataFrame:
    """Copy trained systems into a run, so that it stands without the folder of jobs.

    Parameters
    ----------
    trained : iterable of Trained
    folder : Path
        Replaced; each system lies in it under its key.

    Returns
    -------
    pandas.DataFrame
        ``key``, ``content`` and the names of each, for :func:`kept`.
    """
    remove(folder)
    rows = []
    for one in trained:
        copied = Path(shutil.copytree(one.folder, folder / one.key))
        rows.append({"key": one.key, "content": _content(copied), **one.names})
    return pd.DataFrame(rows)


def kept(table: pd.DataFrame, folder: Path) -> list[Trained]:
    """The systems of :func:`keep`."""
    found = []
    for names in table.to_dict("records"):
        key, content = names.pop("key"), names.pop("content")
        found.append(Trained(key, names, folder / key, content))
    return found


def _content(folder: Path) -> str:
    return files_digest(folder, sorted(path.relative_to(folder) for path in folder.iterdir()))
