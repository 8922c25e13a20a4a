"""What a score is made of where a sample is one coefficient of a recording, or an altered copy of it (2507.03251).

The authors' public code splits such samples at random, 80 to 20, so that others of the same recording are in training.
Here the same samples are split in three ways, each time with as many for training and validation. There the tested rows
are the validation data as well, by which nothing is chosen; here they are never.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

import numpy as np
import pandas as pd
from sklearn.metrics import pairwise_distances_argmin

from sersupport.core.errors import UserError
from sersupport.core.keys import code_version, digest
from sersupport.core.seeds import generator
from sersupport.corpora.folds import PARTS, speaker_disjoint
from sersupport.evaluation.metrics import metrics
from sersupport.inputs.coefficients import Coefficients
from sersupport.inputs.store import Materials
from sersupport.recipes.drawing import clean, draw_quadruplet
from sersupport.studies.cluster import each
from sersupport.studies.jobs import Bench
from sersupport.systems import fit
from sersupport.systems.base import System
from sersupport.systems.cnn_attention import as_public_code
from sersupport.systems.predictions import predictions_table
from sersupport.systems.recogniser import predict

RUNGS = ("rows at random", "recordings together", "speakers apart")
NEAREST_ROW, NEAREST_MINIMUM, NETWORK = "nearest row", "nearest minimum", "network"
CLASSIFIERS = (NEAREST_ROW, NEAREST_MINIMUM, NETWORK)
# 21 values of 108 frames, the 2,268 columns of the public code's EMO-DB and EMOVO; what the 21 are is not known
COPIES = Coefficients("mfcc", n_rows=21, n_columns=108)
FEATURES = {
    own.title: own
    for feature in ("log-mel", "mfcc")
    for own in (Coefficients(feature), Coefficients(feature, top_db=None))
}
COPIED = 20  # recordings of a speaker and emotion, at most

Tables = tuple[pd.DataFrame, pd.DataFrame]


@dataclass(frozen=True)
class Network:
    """How the network of the public code is trained; the code has 100 epochs, a rate of 1e-5 and 256 filters.

    Parameters
    ----------
    epochs, batch_size : int
    learning_rate : float
    filters : int
    most : int, optional
        Training samples, drawn, if there are more; the nearest neighbours have all of them.
    """

    epochs: int = 4
    batch_size: int = 32
    learning_rate: float = 1e-3
    filters: int = 64
    most: int | None = None


@dataclass(frozen=True, eq=False)
class Question:
    """Samples, how they are split, and who is asked.

    Parameters
    ----------
    utterances, recipes : pandas.DataFrame
        Recordings, and what is made of each.
    coefficients : Coefficients
    whole : bool
        Whether a recipe's matrix is one sample; else each row of it is one.
    rung : str
        One of :data:`RUNGS`.
    classifiers : tuple of str
        Some of :data:`CLASSIFIERS`.
    fold, scheme : int, str
        Of :func:`sersupport.corpora.folds.speaker_disjoint`.
    seed : int
        Of the split, of thinning and of the network.
    network : Network
    """

    utterances: pd.DataFrame
    recipes: pd.DataFrame
    coefficients: Coefficients
    whole: bool
    rung: str
    classifiers: tuple[str, ...]
    fold: int
    scheme: str
    seed: int
    network: Network = field(default_factory=Network)


def rungs(
    bench: Bench,
    utterances: pd.DataFrame,
    features: Iterable[Coefficients],
    network: Network,
    fold: int = 0,
    seed: int = 0,
    scheme: str = "emobox",
    classifiers: tuple[str, ...] = CLASSIFIERS,
) -> Tables:
    """One coefficient of one clean recording as a sample, of each feature and under each rung.

    Parameters
    ----------
    bench : Bench
        Its store makes the samples; trained networks lie in its folder and are not trained twice.
    utterances : pandas.DataFrame
        Recordings, of which :data:`COPIED` of a speaker and emotion are taken; fewer of them for less work.
    features : iterable of Coefficients
    network : Network
    fold, seed, scheme, classifiers
        As for :class:`Question`.

    Returns
    -------
    recordings : pandas.DataFrame
        Predictions table of the recordings that have test samples, each by the majority of these; a tie goes to the
        higher mean probability, then to the first class. Columns ``rung``, ``feature``, ``classifier``, ``fold`` and
        ``seed`` say whose they are.
    samples : pandas.DataFrame
        The same columns with ``trained`` and ``rows`` (training and test samples), ``accuracy`` and ``uar`` over the
        latter, in [0, 1].
    """
    utterances = utterances.groupby(["speaker", "emotion"]).head(COPIED)
    recipes = clean(utterances)
    return _over_rungs(
        bench,
        [Question(utterances, recipes, own, False, "", classifiers, fold, scheme, seed, network) for own in features],
    )


def copies(bench: Bench, utterances: pd.DataFrame, fold: int = 0, seed: int = 0, scheme: str = "emobox") -> Tables:
    """Four copies of a recording as samples, as the public code's TESS and EMOVO, and the nearest of them.

    They are clean, with Gaussian noise, at another pitch, and both; each is one vector of :data:`COPIES`. Of a speaker
    and emotion :data:`COPIED` recordings are taken.

    Parameters
    ----------
    bench, utterances, fold, seed, scheme
        As for :func:`rungs`, whose tables this returns.
    """
    utterances = utterances.groupby(["speaker", "emotion"]).head(COPIED)
    recipes = draw_quadruplet(utterances, None, seed, noises=("white",))
    return _over_rungs(bench, [Question(utterances, recipes, COPIES, True, "", (NEAREST_ROW,), fold, scheme, seed)])


def _over_rungs(bench: Bench, questions: Sequence[Question]) -> Tables:
    bench.prepare([({"rows": one.coefficients}, one.recipes) for one in questions])
    found = each(_answers, bench, [replace(one, rung=rung) for one in questions for rung in RUNGS], "rungs")
    recordings, samples = zip(*found, strict=True)
    return pd.concat(recordings, ignore_index=True), pd.concat(samples, ignore_index=True)


def split(utterances: pd.DataFrame, owner: np.ndarray, rung: str, fold: int, scheme: str, seed: int) -> np.ndarray:
    """Part of every sample.

    Parameters
    ----------
    utterances : pandas.DataFrame
        Recordings.
    owner : np.ndarray of int, shape (n,)
        Whose row of the table each sample comes from.
    rung : str
        One of :data:`RUNGS`: speakers are held out; or as many samples, or recordings, are drawn for each part, and
        those of the speakers who would be held out are tested.
    fold, scheme, seed
        As for :class:`Question`.

    Returns
    -------
    np.ndarray of str, shape (n,)
        Of :data:`sersupport.corpora.folds.PARTS`, or "" for what is not used.

    Raises
    ------
    UserError
        If there are too few recordings for a part.
    """
    apart = speaker_disjoint(utterances, fold, scheme)[utterances["id"]].to_numpy(dtype=str)[owner]
    if rung == "speakers apart":
        return apart
    unit = np.arange(len(owner)) if rung == "rows at random" else pd.factorize(utterances["sha256"])[0][owner]
    drawn = generator(seed, "coefficients", rung).permutation(unit.max() + 1)
    ends = np.round(np.cumsum([np.mean(apart == name) for name in PARTS]) * len(drawn)).astype(int)
    part = np.array(PARTS)[np.searchsorted(ends, drawn, side="right")][unit]
    part = np.where((part == "test") & (apart != "test"), "", part)
    if not set(PARTS) <= set(part):
        raise UserError(f"{len(utterances)} recordings are too few to be split: read more files or corpora")
    return part


def _answers(bench: Bench, question: Question) -> Tables:
    """What each classifier says under one rung; see :func:`rungs`."""
    samples, owner = _samples(bench, question)
    part = split(question.utterances, owner, question.rung, question.fold, question.scheme, question.seed)
    parts = {name: samples.select(part == name) for name in PARTS}
    test, own = parts["test"], owner[part == "test"]
    present, first = np.unique(own, return_index=True)
    recordings = Materials(clean(question.utterances.iloc[present]), test.labels[first], test.classes, {})
    classes, tables, rows = np.array(test.classes), [], []
    for classifier in question.classifiers:
        known = len(parts["train"])
        if classifier == NETWORK:
            found = predict(_trained(bench, question, samples, parts, part), test)
            known = min(known, question.network.most or known)
        else:
            nearest = _nearest_row if classifier == NEAREST_ROW else _nearest_minimum
            found = np.eye(len(classes))[nearest(parts["train"], test)]
        names = {"rung": question.rung, "feature": question.coefficients.title, "classifier": classifier}
        names |= {"fold": question.fold, "seed": question.seed}
        tables.append(predictions_table(recordings, voted(own, found), question.utterances, **names))
        said = pd.DataFrame({"true": classes[test.labels], "predicted": classes[found.argmax(axis=1)]})
        score = metrics(said)
        counts = {"trained": known, "rows": len(said)}
        rows.append({**names, **counts, "accuracy": score["accuracy"], "uar": score["recall"]})
    return pd.concat(tables, ignore_index=True), pd.DataFrame(rows)


def _samples(bench: Bench, question: Question) -> tuple[Materials, np.ndarray]:
    """Samples as series (n, T, 1) in the network's role, and whose row of the utterance table each comes from (n,)."""
    made = bench.store.materials({"rows": question.coefficients}, question.recipes)
    values = np.asarray(made.arrays["rows"])
    values = values.reshape(len(values), -1, 1) if question.whole else values.reshape(-1, values.shape[2], 1)
    recipe = np.repeat(np.arange(len(made)), len(values) // len(made))
    owner = pd.Index(question.utterances["id"]).get_indexer(made.recipes["utterance"])
    series = {"cepstra": values}
    return Materials(made.recipes.iloc[recipe], made.labels[recipe], made.classes, series), owner[recipe]


def voted(owner: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Shares (m, C) of the votes of each owner's samples.

    Half a vote more is dealt by their mean probability, which settles ties and nothing else.

    Parameters
    ----------
    owner : np.ndarray of int, shape (n,)
        With m different values.
    probabilities : np.ndarray, shape (n, C)
        A sample votes for its most probable class, of equal ones the first.
    """
    votes = pd.DataFrame(np.eye(probabilities.shape[1])[probabilities.argmax(axis=1)]).groupby(owner).sum()
    shares = votes + pd.DataFrame(probabilities).groupby(owner).mean() / 2
    return shares.div(shares.sum(axis=1), axis=0).to_numpy()


def _nearest_row(train: Materials, test: Materials) -> np.ndarray:
    """Label (n,) of the training sample at the least Euclidean distance from each test sample."""
    return train.labels[pairwise_distances_argmin(*(own.arrays["cepstra"][..., 0] for own in (test, train)))]


def _nearest_minimum(train: Materials, test: Materials) -> np.ndarray:
    """Label (n,) of the training sample whose minimum is nearest to that of each test sample."""
    known, asked = (own.arrays["cepstra"].min(axis=(1, 2)) for own in (train, test))
    order = known.argsort(kind="stable")
    known = known[order]
    above = np.searchsorted(known, asked).clip(1, len(known) - 1)
    nearest = above - (asked - known[above - 1] < known[above] - asked)
    return train.labels[order[nearest]]


def _trained(
    bench: Bench, question: Question, samples: Materials, parts: Mapping[str, Materials], part: np.ndarray
) -> System:
    """The public code's network, trained now or before."""
    own, train = question.network, parts["train"]
    keep = generator(question.seed, "thinned").permutation(len(train)) < (own.most or len(train))
    train = train.select(keep)
    inputs = {"cepstra": question.coefficients.spec()}  # of which a sample is one row
    config = as_public_code(train.arrays["cepstra"].shape[1], filters=own.filters, inputs=inputs)
    every = -(-len(train) // fit.whole_batches(len(train), own.batch_size))
    budget = fit.Budget(own.epochs * every, every, own.batch_size, own.learning_rate)
    renderer = bench.store.renderer
    made = [renderer.keys(question.recipes), renderer.describe(), question.coefficients.describe(), train.classes]
    drawn = [part.tolist(), keep.tolist(), samples.labels.tolist(), question.seed]
    key = digest([made, drawn, config.to_dict(), asdict(budget), code_version(*fit.CODE)])
    with bench.held(key) as folder:
        return fit.fit(
            config, train, parts["validation"], budget, question.seed, folder, key, label=question.rung
        ).model
