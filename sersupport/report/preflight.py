"""Before the first notebook runs: are the corpora, noises and encoders there, and are the folds among theirs?"""

import json
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import pandas as pd

from sersupport.core.errors import UserError
from sersupport.core.files import walk
from sersupport.corpora.convention import Label
from sersupport.corpora.conventions import corpus, parse
from sersupport.corpora.listing import corpus_name, entries, is_listing
from sersupport.corpora.reading import SUFFIXES, located
from sersupport.inputs.encoders.find import inspect
from sersupport.recipes.bank import NoiseBank
from sersupport.run.chapters import CORPORA, ENCODERS, NOISE
from sersupport.run.parameters import EMBEDDED, Parameters, local_encoder
from sersupport.sound.audio import AudioError

BUILT_IN = ("w2v2-mini", "w2v2-mini-untrained", "tiny-wav2vec2")  # a test holds them equal to those of the encoders
ENHANCERS_WITHIN = ("none", "spectral gating", "rnnoise")  # likewise to those of the enhancers
_EVERY_BUILT_IN_HAS = 2  # layers
_EVERY_CORPUS_HAS = 2  # folds: no corpus is needed to tell that there are so many


def check(parameters: Parameters, root: Path, sources: Collection[str], echo: Callable[[str], None]) -> None:
    """Check what a run will read from outside, in seconds; nothing that the package makes itself is looked at.

    Parameters
    ----------
    parameters : Parameters
        Of the run.
    root : Path
        The project.
    sources : collection of str
        What its chapters read, of those in :mod:`sersupport.run.chapters`.
    echo : callable
        Prints a line before encoders are loaded, which may fetch them.

    Raises
    ------
    UserError
        If corpora or noises are not there, a fold is none of theirs, an enhancer is not known, or an encoder is broken,
        lacks a layer, or cannot be had. Of those that are only compared, some may be absent from this machine, not all.
    """
    for name in (*parameters.corpora, *parameters.transfer_corpora, parameters.curve_target):
        corpus_name(name) if is_listing(name) else corpus(name)
    for name in {parameters.enhancer, *parameters.enhancers}.difference(ENHANCERS_WITHIN):
        from sersupport.sound.enhancers import located as enhancer_located  # torch takes two seconds

        enhancer_located(name, root)
    recorded = parameters.data_dir != EMBEDDED
    folder = root / parameters.data_dir
    few = parameters.folds == "all" or max(parameters.folds) < _EVERY_CORPUS_HAS
    if CORPORA in sources and (recorded or not few):
        _check_folds(_labels(_recorded(folder, parameters) if recorded else _synthetic(parameters)), parameters)
    if NOISE in sources and recorded:
        _check_noises(folder, parameters)
    if ENCODERS in sources:
        _check_encoders(parameters, root, echo)


def _recorded(folder: Path, parameters: Parameters) -> Iterator[tuple[str, Path | Label]]:
    for name, where in located(folder, parameters.corpora).items():
        if where.is_file():
            yield from ((name, label) for _, label, *_ in entries(name, where))
            continue
        paths = walk(where, SUFFIXES)
        if not paths:
            raise UserError(f"{where}: no audio file to read as {corpus(name).title}")
        yield from ((name, path) for path in paths)


def _synthetic(parameters: Parameters) -> Iterator[tuple[str, Path]]:
    from sersupport.corpora.synthesis.script import SPEAKERS, items

    for speaker in SPEAKERS:
        if speaker.corpus in parameters.corpora:
            yield from ((speaker.corpus, Path(item.stem)) for item in items(speaker, parameters.corpus_scale))


def _labels(files: Iterator[tuple[str, Path | Label]]) -> pd.DataFrame:
    """Utterances as far as file names and tables tell."""
    rows = []
    for name, given in files:
        try:
            label = given if isinstance(given, Label) else parse(name, given)
            rows.append({"corpus": name, **label._asdict()})
        except AudioError:
            continue
    return pd.DataFrame(rows, columns=["corpus", "id", "speaker", "emotion", "text"]).drop_duplicates("id")


def _check_folds(utterances: pd.DataFrame, parameters: Parameters) -> None:
    from sersupport.corpora.folds import chosen, speaker_disjoint  # scikit-learn takes another

    if len(utterances):  # else notebook 01 says why
        for fold in chosen(utterances, parameters.folds, parameters.fold_scheme):
            speaker_disjoint(utterances, fold, parameters.fold_scheme)


def _check_noises(folder: Path, parameters: Parameters) -> None:
    from sersupport.recipes.babble import BABBLE, is_to_be_made, voices  # scipy takes a second
    from sersupport.recipes.drawing import recorded_types

    recorded = recorded_types(parameters.unheard_noises)
    if made := is_to_be_made(folder / "noise", recorded):
        voices(folder, parameters.corpora)
    kept = [kind for kind in recorded if not (made and kind == BABBLE)]
    NoiseBank.listed(folder / "noise", parameters.noise_test_collections, parameters.noises, kept)


def _check_encoders(parameters: Parameters, root: Path, echo: Callable[[str], None]) -> None:
    needed = [
        (parameters.encoder, parameters.encoder_layers),
        (parameters.teacher, parameters.teacher_layers),
        (parameters.student_start, [-1]),
        (parameters.encoder, parameters.humpcat_layers),
    ]
    to_load, is_any_here = [], False
    for name, layers in [*needed, *parameters.encoders.items()]:
        if not name:
            continue
        where = local_encoder(name, root, parameters.data_dir)
        if where is not None:
            inspect(where)
        is_any_here |= name in parameters.encoders and (where is not None or name in BUILT_IN)
        deep = any(abs(layer) > _EVERY_BUILT_IN_HAS for layer in layers)
        is_needed = deep if name in BUILT_IN else (name, layers) in needed
        one = [str(where or name), layers]
        if (where or is_needed) and one not in to_load:
            to_load.append(one)
    one_of = [] if is_any_here else list(parameters.encoders)
    if not to_load and not one_of:
        return
    echo(f"checking {', '.join(dict.fromkeys(Path(name).name for name in [*dict(to_load), *one_of]))}")
    child = subprocess.run(  # torch stays out of this process, and a death for lack of memory too
        [sys.executable, "-m", __name__], input=json.dumps([to_load, one_of]), capture_output=True, text=True
    )
    if child.returncode:
        last = (child.stderr.strip().splitlines() or [f"status {child.returncode}, out of memory perhaps"])[-1]
        raise UserError(f"encoders could not be loaded: {last}")
    if message := json.loads(child.stdout.splitlines()[-1]):
        raise UserError(message)


def _load_all() -> str | None:
    from sersupport.inputs.encoders.encoder import load

    def fault(source: str, layers: list[int], fetch: bool) -> str | None:
        try:
            load(source, layers, fetch=fetch)
        except UserError as error:
            return str(error)
        return None

    to_load, one_of = json.load(sys.stdin)
    for source, layers in to_load:
        if message := fault(source, layers, True):
            return message
    if one_of and all(fault(name, [-1], False) for name in one_of):  # in the hub's cache, perhaps
        return f"none of the encoders {', '.join(map(repr, one_of))} is on this machine: name one in encoders that is"
    return None


if __name__ == "__main__":
    print(json.dumps(_load_all()))
