"""Which notebooks are up to date: what the result of each depends on, and whether it lies there as it was left."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from sersupport.core.errors import UserError
from sersupport.core.files import stamps, walk
from sersupport.core.keys import PACKAGE, digest, file_digest, files_digest
from sersupport.corpora.reading import audio_files
from sersupport.recipes.bank import noise_files
from sersupport.report.papermill import declared_parameters
from sersupport.report.record import folder_digest, is_left, provenance
from sersupport.run.artefacts import files
from sersupport.run.chapters import CHAPTERS, CORPORA, ENCODERS, NOISE, Chapter
from sersupport.run.parameters import EMBEDDED, Parameters, local_encoder, named_encoders

SHOWS = ("report", "cli.py")  # of the package: what runs and shows notebooks, on which no result depends


@dataclass(frozen=True)
class Step:
    """One notebook of a run.

    Attributes
    ----------
    name : str
        Without suffix.
    source : Path
        The notebook.
    values : dict
        The parameters that it declares.
    chapter : Chapter
        What it reads and writes.
    code, prose : str
        Digests of its code cells with their tags, and of all its other cells.
    """

    name: str
    source: Path
    values: dict[str, Any]
    chapter: Chapter
    code: str
    prose: str


def schedule(parameters: Parameters, notebooks: Path, chapters: Mapping[str, Chapter] = CHAPTERS) -> list[Step]:
    """The notebooks of a run, in order.

    Raises
    ------
    UserError
        If a notebook is missing or declares a name that is no parameter.
    """
    known = parameters.model_dump()
    steps = []
    for name, chapter in chapters.items():
        source = notebooks / f"{name}.ipynb"
        if not source.is_file():
            raise UserError(f"no notebook {source}: run from a complete checkout, installed with pip install -e")
        declared = declared_parameters(source)
        if "run_dir" not in declared:
            raise UserError(f"{source.name} has no cell tagged 'parameters' that declares run_dir")
        if unknown := [name for name in declared if name not in known]:
            raise UserError(f"{source.name} declares {unknown[0]!r}, which is no parameter of the series")
        cells = json.loads(source.read_text(encoding="utf-8"))["cells"]
        code = [[cell["source"], cell["metadata"].get("tags", [])] for cell in cells if cell["cell_type"] == "code"]
        prose = [cell["cell_type"] == "code" or [cell["cell_type"], cell["source"]] for cell in cells]
        values = {name: known[name] for name in declared}
        steps.append(Step(name, source, values, chapter, digest(code), digest(prose)))
    return steps


class Keys:
    """What the result of each notebook depends on.

    Parameters
    ----------
    parameters : Parameters
        Of the run.
    root : Path
        The project.
    """

    def __init__(self, parameters: Parameters, root: Path) -> None:
        self._parameters, self._root = parameters, root
        self._stamps: dict[tuple[str, ...], str] = {}  # of corpora, looked at once

    def key(self, step: Step, artefacts: Path) -> str:
        """Digest of a notebook's code and parameters, the package, the libraries, and all that it reads.

        It holds for the artefacts as they are: those of the notebooks before must be up to date.

        Parameters
        ----------
        step : Step
            The notebook.
        artefacts : Path
            Folder of the run's artefacts.
        """
        read = [path for artefact in step.chapter.reads for path in files(artefacts, artefact)]
        sources = {
            CORPORA: lambda: self._corpora(step),
            NOISE: lambda: self._noises,
            ENCODERS: lambda: self._encoders(step),
        }
        return digest([
            step.code,
            step.values,
            self._package,
            {name: version for name, version in provenance().items() if name != "machine"},
            files_digest(artefacts, [path.relative_to(artefacts) for path in read]),
            [sources[name]() for name in step.chapter.sources],
        ])  # fmt: skip

    @property
    def _package(self) -> str:
        """As it is now: somebody may edit it while a notebook runs."""
        return digest([
            folder_digest(part) if part.is_dir() else file_digest(part)
            for part in sorted(PACKAGE.iterdir())
            if part.name not in SHOWS and not is_left(part.name)
        ])  # fmt: skip

    def _corpora(self, step: Step) -> str:
        crossed = [*step.values.get("transfer_corpora", ()), *filter(None, [step.values.get("curve_target")])]
        names = (*self._parameters.corpora, *crossed)
        if names not in self._stamps:
            self._stamps[names] = self._recorded(lambda folder: audio_files(folder, names))
        return self._stamps[names]

    @cached_property
    def _noises(self) -> str:
        def files(folder: Path) -> list[Path]:
            # scipy's signal processing takes a second to import
            from sersupport.recipes.babble import is_to_be_made, voices
            from sersupport.recipes.drawing import recorded_types

            kinds = [*self._parameters.noises, *recorded_types(self._parameters.unheard_noises)]
            spoken = voices(folder, self._parameters.corpora) if is_to_be_made(folder / "noise", kinds) else []
            return [*noise_files(folder / "noise", kinds), *spoken]

        return self._recorded(files)

    def _recorded(self, find: Callable[[Path], list[Path]]) -> str:
        if self._parameters.data_dir == EMBEDDED:
            return EMBEDDED
        folder = self._root / self._parameters.data_dir
        return stamps(find(folder), folder)

    def _encoders(self, step: Step) -> list[str]:
        """Of encoders, and of enhancers that lie in files."""
        named = {step.values.get("enhancer", ""), *step.values.get("enhancers", ())}
        scripts = sorted(self._root / name for name in named if (self._root / name).is_file())
        folders = (local_encoder(name, self._root, self._parameters.data_dir) for name in named_encoders(step.values))
        known = ["" if folder is None else stamps(walk(folder), folder) for folder in folders]
        return [*known, *(stamps([path], path.parent) for path in scripts)]


def is_fresh(entry: Mapping[str, Any] | None, key: str, folder: Path, name: str) -> bool:
    """Whether a notebook's result is of this key, and its artefacts and executed copy lie there as it left them.

    Parameters
    ----------
    entry : mapping, optional
        The notebook's part of the record, see :func:`sersupport.report.record.read_record`.
    key : str
        From :meth:`Keys.key`.
    folder : Path
        Of the run.
    name : str
        The notebook.
    """
    return entry is not None and entry.get("key") == key and is_whole(entry, folder, name)


def is_whole(entry: Mapping[str, Any], folder: Path, name: str) -> bool:
    """Whether a notebook's artefacts and executed copy lie there as it left them."""
    executed = folder / "notebooks" / f"{name}.ipynb"
    return (
        executed.is_file()
        and entry.get("executed") == file_digest(executed)
        and entry.get("artefacts") == folder_digest(folder / "artefacts" / name)
    )
