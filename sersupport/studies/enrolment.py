"""What knowing a voice is worth without knowing any of its labels: recordings centred on others of their speaker.

A protocol of its own, beside the strict one: no test speaker is heard in training, but a few recordings of each are
there when that speaker is tested, unlabelled. Training speakers are centred in the same way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits
from torch.utils.data import DataLoader

from sersupport.core.keys import digest
from sersupport.core.seeds import generator
from sersupport.evaluation.intervals import contrast
from sersupport.evaluation.paired import holm
from sersupport.evaluation.tables import summarise
from sersupport.inputs.store import Materials, MaterialsDataset
from sersupport.recipes.drawing import environmental
from sersupport.studies.ablation import by_speech
from sersupport.studies.cluster import each
from sersupport.studies.jobs import Bench, Trained
from sersupport.studies.setup import Parts
from sersupport.systems.base import System
from sersupport.systems.predictions import predictions_table
from sersupport.systems.probe import regression

ENROLMENT = "enrolment"  # the protocol, and the recordings of it
NONE, RANDOM, NEUTRAL = "none", "random", "neutral"  # kinds of enrolment; any other emotion is one, too
CURVES = (NONE, RANDOM, NEUTRAL)  # kinds that are tried with every number of recordings, and in noise


@dataclass(frozen=True)
class Plan:
    """Which enrolments are tried.

    Parameters
    ----------
    counts : mapping of str to sequence of int
        By kind, the numbers N of recordings.
    single : int
        At which of them the single emotions are compared.
    draws : int
        Of the tested speakers' recordings, each a row of the predictions table.
    seed : int
    """

    counts: Mapping[str, Sequence[int]]
    single: int
    draws: int
    seed: int

    @property
    def emotions(self) -> list[str]:
        """Those of which N single recordings can be had of every speaker."""
        return [kind for kind, counts in self.counts.items() if kind not in (NONE, RANDOM) and self.single in counts]


def parts(folds: Mapping[int, Parts], recipes: pd.DataFrame, utterances: pd.DataFrame, seed: int) -> dict[int, Parts]:
    """By fold what is trained, what there is to enrol on, and what is tested: clean, and once in recorded noise.

    Parameters
    ----------
    folds : mapping
        Recipes by fold and part, speakers apart.
    recipes : pandas.DataFrame
        All variants of all utterances: the clean ones of training and of the test speakers are enrolled on.
    utterances : pandas.DataFrame
        The utterance table.
    seed : int
        Of the draw of a noise for each utterance, among those at the middle one of the levels.

    Returns
    -------
    dict
        "train", :data:`ENROLMENT` and "test" of each fold.
    """
    clean, speaker, found = recipes[recipes["variant"] == "clean"], utterances.set_index("id")["speaker"], {}
    for fold, own in folds.items():
        tested = speaker[own["test"]["utterance"]].unique()
        there = clean["utterance"].isin(own["train"]["utterance"]) | clean["utterance"].map(speaker).isin(tested)
        plain = own["test"][own["test"]["condition"] == "clean"]
        test = pd.concat([plain, _in_noise(own["test"], seed)], ignore_index=True)
        found[fold] = {"train": own["train"], ENROLMENT: clean[there], "test": test}
    return found


def _in_noise(tests: pd.DataFrame, seed: int) -> pd.DataFrame:
    """One row with recorded noise an utterance, whichever is drawn, at the middle level."""
    noisy = tests[environmental(tests) & (tests["condition"] != "clean")]
    levels = sorted(noisy["level"].unique())
    own = noisy[noisy["level"].isin(levels[len(levels) // 2 :][:1])]
    drawn = (own["utterance"] + own["condition"]).map(lambda name: digest([seed, ENROLMENT, name]))
    return own.loc[drawn.sort_values().index].drop_duplicates("utterance").sort_index()


def limits(folds: Mapping[int, Parts], utterances: pd.DataFrame) -> pd.DataFrame:
    """How many other recordings there are of every speaker, by kind of enrolment.

    Parameters
    ----------
    folds : mapping
        From :func:`parts`.
    utterances : pandas.DataFrame
        The utterance table; copies of one recording count once.

    Returns
    -------
    pandas.DataFrame
        ``kind`` (:data:`RANDOM` and each emotion), ``others`` (that the speaker with the fewest has), ``speaker``.
    """
    rows = []
    for own in folds.values():
        there = utterances[utterances["id"].isin(own[ENROLMENT]["utterance"])].drop_duplicates("sha256")
        counts = there.groupby(["speaker", "emotion"]).size().unstack(fill_value=0)
        counts.insert(0, RANDOM, counts.sum(axis=1))
        rows.append((counts - 1).clip(lower=0).rename_axis("kind", axis=1).stack().rename("others").reset_index())
    # a stable sort: of speakers with equally few, always the first
    table = pd.concat(rows).sort_values(["others", "speaker"], kind="stable").drop_duplicates("kind")
    return table.sort_values("kind", key=lambda kinds: kinds.where(kinds != RANDOM, ""), ignore_index=True)


def plan(limits: pd.DataFrame, counts: Sequence[int], draws: int, seed: int) -> Plan:
    """What of some numbers of recordings can be tried with every speaker; what cannot is left out for all of them.

    Parameters
    ----------
    limits : pandas.DataFrame
        From :func:`limits`.
    counts : sequence of int
        Numbers N of recordings.
    draws, seed
        As for :class:`Plan`.

    Returns
    -------
    Plan
        Single emotions are compared at one N: that which most of them have, the largest of such.
    """
    own = {row.kind: [n for n in counts if n <= row.others] for row in limits.itertuples()}
    emotions = [kind for kind in own if kind != RANDOM]
    single = max(counts, key=lambda n: (sum(n in own[emotion] for emotion in emotions), n))
    kept = {kind: own[kind] if kind in CURVES else [n for n in own[kind] if n == single] for kind in own}
    return Plan({NONE: [0]} | kept, single, draws, seed)


@torch.inference_mode()
def embeddings(model: System, rows: Materials, batch_size: int = 64) -> np.ndarray:
    """What a trained system's classifier gets of each row, its branches side by side; shape (n, F), float32."""
    found = []
    for batch in DataLoader(MaterialsDataset(rows.only(model.config.inputs)), batch_size=batch_size):
        batch.pop("labels")
        own = model.embed(**batch)
        found.append(torch.cat([own[role] for role in model.branches], dim=1).numpy())
    return np.concatenate(found)


class Voices:
    """The recordings that speakers can be enrolled on.

    Parameters
    ----------
    embedded : np.ndarray, shape (m, F)
        Embeddings of the recordings.
    utterances : pandas.DataFrame
        Their rows of the utterance table, in this order.
    seed : int
        Of the draws; each is drawn for itself, whatever else is enrolled.
    """

    def __init__(self, embedded: np.ndarray, utterances: pd.DataFrame, seed: int) -> None:
        self.embedded, self.seed = embedded, seed
        who = utterances[["id", "speaker", "emotion", "sha256"]].reset_index(drop=True)
        self._known = {row.id: (row.speaker, row.sha256) for row in who.itertuples()}
        ordered = who.rename_axis("place").reset_index().sort_values("id").drop_duplicates("sha256")
        columns = ["place", "emotion", "sha256"]
        self._of = {name: [own[column].to_numpy() for column in columns] for name, own in ordered.groupby("speaker")}

    def drawn(self, utterance: str, kind: str, count: int, draw: int = 0) -> np.ndarray:
        """Places of the recordings that one is centred on: others of its speaker, never itself nor a copy of it."""
        speaker, sha256 = self._known[utterance]
        places, emotions, copies = self._of[speaker]
        others = places[(copies != sha256) & ((emotions == kind) | (kind == RANDOM))]
        rng = generator(self.seed, ENROLMENT, speaker, utterance, count, kind, draw)
        return rng.choice(others, count, replace=False)

    def centres(self, utterances: pd.Series, kind: str, count: int, draw: int = 0) -> np.ndarray:
        """Mean embedding (n, F) of what each of n utterances is centred on; zeros where that is nothing."""
        if count == 0:
            return np.zeros((len(utterances), self.embedded.shape[1]), self.embedded.dtype)
        place, names = pd.factorize(utterances)
        means = [self.embedded[self.drawn(name, kind, count, draw)].mean(axis=0) for name in names]
        return np.stack(means)[place]


def enrolled(bench: Bench, systems: Sequence[Trained], folds: Mapping[int, Parts], plan: Plan) -> pd.DataFrame:
    """Predictions for test speakers of whom some recordings are there, unlabelled.

    A system's embeddings, each less the mean of N others of its speaker, train a logistic regression like that of
    :class:`sersupport.systems.probe.Probe` and are classified by it. Enrolled is clean speech, whatever is tested.

    Parameters
    ----------
    bench : Bench
    systems : sequence of Trained
    folds : mapping
        From :func:`parts`.
    plan : Plan

    Returns
    -------
    pandas.DataFrame
        Predictions table with protocol :data:`ENROLMENT`, ``enrolled`` (N), ``kind`` of the tested speakers'
        recordings and ``trained`` (that of the training speakers': the same, or :data:`RANDOM`), and ``draw``.
    """
    tasks = [(one, folds[one.names["fold"]]) for one in systems]
    eaten = [(bench.model(one)[1], own) for one, own in tasks]
    bench.prepare((inputs, rows) for inputs, own in eaten for rows in own.values())
    return pd.concat(each(_enrolled, (bench, plan), tasks, ENROLMENT), ignore_index=True)


def _enrolled(shared: tuple[Bench, Plan], task: tuple[Trained, Parts]) -> pd.DataFrame:
    (bench, plan), (one, recipes) = shared, task
    model, inputs = bench.model(one)
    rows = {name: bench.store.materials(inputs, own) for name, own in recipes.items()}
    found = {name: embeddings(model, own) for name, own in rows.items()}
    voices = Voices(found[ENROLMENT], bench.utterances.loc[rows[ENROLMENT].recipes["utterance"]], plan.seed)
    trained, plain = rows["train"], (rows["test"].recipes["condition"] == "clean").to_numpy()
    tables = []
    for kind, count in ((kind, count) for kind, counts in plan.counts.items() for count in counts):
        own = found["train"] - voices.centres(trained.recipes["utterance"], kind, count)
        with threadpool_limits(1):
            classifier = regression().fit(own, trained.labels)
        unknown = plan.emotions if (kind, count) == (RANDOM, plan.single) else []
        for tested_kind in (kind, *unknown):
            keep = plain | (tested_kind == kind and kind in CURVES)
            test, values = rows["test"].select(keep), found["test"][keep]
            for draw in range(plan.draws if count else 1):
                centred = values - voices.centres(test.recipes["utterance"], tested_kind, count, draw)
                names = dict(one.names) | {"protocol": ENROLMENT, "enrolled": count, "kind": tested_kind}
                said = _probabilities(classifier, centred, len(test.classes))
                tables.append(predictions_table(test, said, bench.utterances, **names, trained=kind, draw=draw))
    return pd.concat(tables, ignore_index=True)


def _probabilities(classifier: Pipeline, values: np.ndarray, n_classes: int) -> np.ndarray:
    """Probability of every class (n, C), 0 for one that was not in training."""
    found = np.zeros((len(values), n_classes))
    found[:, classifier.classes_] = classifier.predict_proba(values)
    return found


def gains(predictions: pd.DataFrame, samples: int = 1000) -> pd.DataFrame:
    """UAR of every enrolment and its difference, paired by speaker, to that of the same regression without any.

    Parameters
    ----------
    predictions : pandas.DataFrame
        From :func:`enrolled`.
    samples : int
        Bootstrap samples.

    Returns
    -------
    pandas.DataFrame
        What :func:`sersupport.evaluation.tables.summarise` gives by ``system``, ``speech`` ("clean", "noisy"),
        ``kind``, ``trained`` and ``enrolled``, then ``difference``, ``low``, ``high``, ``p`` and ``p_holm``, NaN
        without enrolment; p values are corrected together with all others of a system.
    """
    by, rows = ["kind", "trained", "enrolled"], []
    for (system, speech), own in by_speech(predictions).groupby(["system", "speech"], sort=False):
        none = own[own["kind"] == NONE]
        for (kind, *_), part in own.groupby(by, sort=False):
            gap = contrast([part, none], [1, -1], samples=samples) if kind != NONE else {}
            names = {"system": system, "speech": speech}
            rows.append({**names, **summarise(part, by, samples).iloc[0], **gap, "speakers": own["speaker"].nunique()})
    table = pd.DataFrame(rows)
    # without any enrolment there are no differences
    table = table.reindex(columns=list(dict.fromkeys([*table, "difference", "low", "high", "p"])))
    return table.assign(p_holm=table.groupby("system")["p"].transform(holm))
