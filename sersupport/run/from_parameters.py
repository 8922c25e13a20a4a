"""What a run's parameters describe: the objects that its notebooks share."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from sersupport.core.errors import UserError
from sersupport.core.precision import Precision, best
from sersupport.corpora.listing import corpus_key
from sersupport.corpora.reading import located, read_all
from sersupport.corpora.synthesis import make_corpus, make_noises
from sersupport.evaluation.speed import throughput
from sersupport.inputs.descriptors import Descriptors
from sersupport.inputs.encoders.encoder import Encoder, Encoders
from sersupport.inputs.frames import Frames
from sersupport.inputs.store import Store
from sersupport.recipes import babble
from sersupport.recipes.bank import NoiseBank
from sersupport.recipes.drawing import clean, recorded_types
from sersupport.recipes.rendering import Renderer, Window
from sersupport.run.notebook import Run
from sersupport.run.parameters import EMBEDDED, LONGEST_S, local_encoder
from sersupport.sound import enhancers
from sersupport.sound.audio import RATE_HZ, clip_start
from sersupport.studies.jobs import Bench, Trained, kept
from sersupport.studies.setup import Parts, Setup, by_fold
from sersupport.systems.distill import BUDGET, Plan, Shape
from sersupport.systems.lessons import Speech, heard, listen


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
    make_corpus(folder, scale=run.p.corpus_scale)
    make_noises(folder)
    return folder


def cues(run: Run) -> dict[str, tuple[float, float]]:
    """Where each emotion was put, in seconds of the clip, by utterance; empty for recorded speech."""
    path = data_folder(run) / "cues.csv"
    if not path.exists():
        return {}
    table = pd.read_csv(path).merge(run.load("01_data/utterances")[["id", "duration_s"]], on="id")
    own = window(run)
    shift = [
        clip_start(round(seconds * RATE_HZ), RATE_HZ, own.start_s, own.length_s) / RATE_HZ
        for seconds in table["duration_s"]
    ]
    spans = zip(table["start_s"] - shift, table["end_s"] - shift, strict=True)
    return dict(zip(table["id"], spans, strict=True))


def renderer(run: Run) -> Renderer:
    """Renders recipes of this run's utterances and noises."""
    return Renderer(run.load("01_data/utterances"), noise_bank(run), window(run))


def window(run: Run) -> Window:
    """The stretch of each utterance that is used; with a length of 0 all of it, padded to the longest.

    Raises
    ------
    UserError
        If the longest is too long for that.
    """
    if run.p.clip_length_s:
        return Window(run.p.clip_start_s, run.p.clip_length_s)
    longest_s = run.load("01_data/utterances")["duration_s"].max()
    if longest_s > LONGEST_S:
        raise UserError(f"clip_length_s 0: one utterance has {longest_s:.0f} s, too long for that; give a length")
    return Window(0.0, math.ceil(10 * longest_s) / 10)


def noise_bank(run: Run) -> NoiseBank:
    """The recorded noises of this run, with babble of other corpora's speech where nobody recorded any."""
    data = data_folder(run)
    recorded = recorded_types(run.p.unheard_noises)
    made = babble.is_to_be_made(data / "noise", recorded)
    kept = [kind for kind in recorded if not (made and kind == babble.BABBLE)]
    bank = NoiseBank.from_folder(data / "noise", run.p.noise_test_collections, run.p.noises, kept)
    if not made:
        return bank
    return bank.joined(babble.babble_bank(run.build / "babble", data, run.p.corpora, run.p.seed))


def descriptors(run: Run) -> Descriptors:
    """The handcrafted descriptors."""
    return Descriptors(frame_length=run.p.frame_length, hop_length=run.p.hop_length, n_mfcc=run.p.n_mfcc)


def clip_samples(run: Run) -> int:
    """Samples of a clip at the working rate."""
    return round(window(run).length_s * RATE_HZ)


def encoder(run: Run) -> Encoder:
    """The run's encoder, by hub name or folder."""
    return load_encoder(run, run.p.encoder, run.p.encoder_layers)


def load_encoder(run: Run, name: str, layers: Sequence[int], fetch: bool = True) -> Encoder:
    """An encoder by hub name or folder, loaded once; see :func:`sersupport.inputs.encoders.encoder.load`."""
    return _encoders(run)(name, layers, fetch)


def _encoders(run: Run) -> Encoders:
    return Encoders(run.root, None if run.p.data_dir == EMBEDDED else run.p.data_dir, run.p.seed)


def precision(run: Run) -> Precision:
    """In which this run encodes and trains."""
    return best() if run.p.precision == "auto" else run.p.precision


def encoding(one: Encoder, renderer: Renderer, utterances: pd.DataFrame) -> dict[str, float]:
    """How fast an encoder turns clips into frames, from the waveform on, and what 16 bits change in them.

    Parameters
    ----------
    one : Encoder
    renderer : Renderer
    utterances : pandas.DataFrame
        The first 16 are encoded in one batch.

    Returns
    -------
    dict
        ``clips/s`` in 32 bits and in 16; ``off (%)``, the root mean square by which frames in 16 bits differ from
        those in 32, as a share of the standard deviation of these.
    """
    samples, n_valid = zip(*renderer.render(clean(utterances.head(16))), strict=True)
    waves, n_valid = np.stack([one.signal for one in samples]), np.array(n_valid)
    exact, near = (Frames(one, "", precision) for precision in ("float32", "bfloat16"))
    rates = [throughput(lambda own=own: len(own.compute(waves, n_valid)[0]), 0.5) for own in (exact, near)]
    (values, lengths), (other, _) = (own.compute(waves, n_valid) for own in (exact, near))
    spoken = np.arange(values.shape[1]) < lengths[:, None]
    wanted, found = (frames[spoken].astype(np.float64) for frames in (values, other))
    off = 100 * np.sqrt(np.mean((found - wanted) ** 2)) / wanted.std()
    return {"clips/s": rates[0], "clips/s, 16 bits": rates[1], "off (%)": off}


def compared_encoders(run: Run) -> tuple[dict[str, Encoder], dict[str, str]]:
    """The encoders that are to be compared: those that are on this machine, and of the others why they are not."""
    here, absent = {}, {}
    for name, layers in run.p.encoders.items():
        try:
            here[name] = load_encoder(run, name, layers, fetch=False)
        except UserError as error:
            if local_encoder(name, run.root, run.p.data_dir):  # it is here and broken
                raise
            absent[name] = str(error)
    return here, absent


def bench(run: Run, source: Renderer) -> Bench:
    """Runs this run's jobs."""
    return Bench(Store(source, run.cache), run.jobs_folder, _encoders(run))


def bench_with_all_classes(run: Run) -> Bench | None:
    """As :func:`bench`, with the emotions as the corpora name them; None where the run has all of them itself."""
    own = run.load("01_data/utterances")
    named = read_all(data_folder(run), run.p.corpora, {})[0]
    if set(named["emotion"]) == set(own["emotion"]):
        return None
    return bench(run, Renderer(named[named["id"].isin(own["id"])], noise_bank(run), window(run)))


def setup(run: Run) -> Setup:
    """How the rows of this run are built and trained."""
    return Setup(
        descriptors=descriptors(run), clip_samples=clip_samples(run), encoder=encoder(run), encoder_name=run.p.encoder,
        frozen=run.p.encoder_frozen, width=run.p.cnn_width, epochs=run.p.epochs, batch_size=run.p.batch_size,
        learning_rate=run.p.learning_rate, weight_decay=run.p.weight_decay, warmup_fraction=run.p.warmup_fraction,
        seeds=tuple(run.p.seeds), precision=precision(run),
    )  # fmt: skip


def related_setup(run: Run) -> Setup:
    """How the systems of the other papers are built and trained, in one seed."""
    sizes = {
        "filters": run.p.cnn_filters,
        "layers": tuple(run.p.humpcat_layers),
        "channels": tuple(run.p.trnet_channels),
    }
    return replace(setup(run).with_one_seed(), **sizes, enhancer=enhancer(run))


def enhancer(run: Run) -> str:
    """TRNet's enhancer; a file's path is meant from the project's folder."""
    return enhancers.located(run.p.enhancer, run.root)


def enhancers_named(run: Run) -> list[str]:
    """The enhancers that are measured, likewise."""
    return [enhancers.located(name, run.root) for name in run.p.enhancers]


def folds(run: Run) -> dict[int, Parts]:
    """Recipes by fold and part, speakers apart."""
    rows, tests = (run.load(f"02_noise/recipes_{name}") for name in ("train", "test"))
    return by_fold(rows, tests, run.load("01_data/split"))


def trained_rows(run: Run) -> list[Trained]:
    """The systems that notebook 05 trained and kept."""
    return kept(run.load("05_training/jobs"), run.path("05_training/models"))


def transfer_utterances(run: Run) -> tuple[pd.DataFrame, list[str]]:
    """Utterances of the corpora that are trained and tested across, and the names of those that are not there."""
    return _utterances_of(run, run.p.transfer_corpora)


def curve_utterances(run: Run) -> tuple[pd.DataFrame, str]:
    """Utterances of those corpora and of the one that a system is moved to, and the name of that."""
    target = run.p.curve_target
    table, _ = _utterances_of(run, list(dict.fromkeys([*run.p.transfer_corpora, target])))
    return table, corpus_key(target)


def _utterances_of(run: Run, names: Sequence[str]) -> tuple[pd.DataFrame, list[str]]:
    """Utterances of some corpora, and the names of those that are not there."""
    folder, own = data_folder(run), run.load("01_data/utterances")
    wanted = {corpus_key(name): name for name in names}
    there = located(folder, list(dict.fromkeys([*run.p.corpora, *wanted.values()])))
    others = [name for key, name in wanted.items() if key in there and key not in set(own["corpus"])]
    tables = [own[own["corpus"].isin(wanted)], *(read_all(folder, others, run.p.classes)[:1] if others else ())]
    return pd.concat(tables, ignore_index=True), [name for key, name in wanted.items() if key not in there]


def plan(run: Run) -> Plan:
    """How this run's student is taught."""
    steps, batch, rate = run.p.lesson_steps, run.p.lesson_batch_size, run.p.lesson_learning_rate
    budget = replace(BUDGET, steps=steps, evaluate_every=max(1, steps // 40), batch_size=batch, learning_rate=rate)
    shape = Shape(run.p.student_channels, run.p.student_hidden, run.p.student_layers)
    layers, speeds = tuple(run.p.teacher_layers), tuple(run.p.lesson_speeds)
    return Plan(shape=shape, budget=budget, seed=run.p.seed, layers=layers, speeds=speeds)


def lesson_utterances(run: Run) -> pd.DataFrame:
    """Utterances to teach with: the run's and the embedded ones, of speakers who may be heard."""
    own = heard(run.load("01_data/utterances"))
    if run.p.data_dir == EMBEDDED:
        return own
    embedded = heard(read_all(embedded_folder(run))[0])
    # they go by the names of real speakers
    return pd.concat([own, embedded.assign(speaker="embedded-" + embedded["speaker"])], ignore_index=True)


def lesson_speech(run: Run, how: Plan) -> Speech:
    """What the run's teacher hears in those utterances, at a plan's speeds and in its layers."""
    teacher = load_encoder(run, run.p.teacher, how.layers)
    return listen(lesson_utterances(run), teacher, run.cache, how.speeds)
