"""A run: its folder, its artefacts, what each notebook shows, and where its numbers come from."""

from __future__ import annotations

import html
import json
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from IPython.display import HTML, Markdown, display
from matplotlib.figure import Figure
from safetensors.numpy import load_file, save_file

from sersupport import UserError, plots
from sersupport.cache import Cache, library_versions, whole
from sersupport.parameters import Parameters, from_namespace

EMBEDDED = "embedded"  # data_dir of the corpus that the package makes itself
NOTEBOOKS = (
    "01_data",
    "02_noise",
    "03_features",
    "04_model",
    "05_training",
    "06_robustness",
    "07_ablation",
    "08_xai",
    "10_claims",
    "11_encoders",
)


def project_root(start: Path | None = None) -> Path:
    """The folder that holds ``notebooks`` and ``sersupport``, from the working directory upwards.

    papermill starts notebooks in the process's folder, nbval and JupyterLab in the notebook's own: relative paths in
    parameters are meant from here, whichever it is. Without such a folder, the working directory.
    """
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / "notebooks" / "profiles").is_dir() and (folder / "sersupport").is_dir():
            return folder
    return here


def find_encoder(name: str, root: Path, data_dir: str) -> Path | None:
    """A local folder that holds the named encoder, if there is one.

    Parameters
    ----------
    name : str
        A folder, absolute or relative to the project, or a hub name such as ``openai/whisper-base``.
    root : Path
        The project.
    data_dir : str
        Folder of the corpora, relative to the project: ``weights/<last part of the name>`` in it or beside it is
        looked at, with or without ``-encoder`` at its end.
    """
    candidates = [root / Path(name).expanduser()]
    if data_dir != EMBEDDED:
        stores = (root / data_dir / "weights", (root / data_dir).parent / "weights")
        last = name.rstrip("/").rpartition("/")[2]
        candidates += [store / f"{last}{suffix}" for store in stores for suffix in ("", "-encoder")]
    return next((folder for folder in candidates if (folder / "config.json").is_file()), None)


class Declared:
    """The parameters that a notebook's cell declares; any other would silently be the demo profile's."""

    def __init__(self, notebook: str, parameters: Parameters) -> None:
        self._notebook = notebook
        self._parameters = parameters

    def __getattr__(self, name: str) -> Any:
        if name not in Parameters.model_fields:
            raise AttributeError(name)
        if name not in self._parameters.model_fields_set:
            raise UserError(f"notebook {self._notebook} uses {name!r}: declare it in its parameters cell")
        return getattr(self._parameters, name)


class Run:
    """One notebook's view of its run.

    Parameters
    ----------
    notebook : str
        Name without suffix, one of :data:`NOTEBOOKS`.
    parameters : Parameters
        Checked parameters of the run.
    """

    def __init__(self, notebook: str, parameters: Parameters) -> None:
        if notebook not in NOTEBOOKS:
            raise UserError(f"{notebook!r} is no notebook of the series: {', '.join(NOTEBOOKS)}")
        self.notebook = notebook
        self.p = Declared(notebook, parameters)
        self.root = project_root()
        # the tests send the committed notebooks' output elsewhere, since nbval cannot pass parameters
        self.folder = self.root / os.environ.get("SERSUPPORT_RUN_DIR", self.p.run_dir)
        # keyed by content, so all runs may share it
        self.build = self.root / "build"
        self.cache = Cache(self.build / "cache")
        self._numbers: dict[str, dict[str, int]] = {"figure": {}, "table": {}}

    @classmethod
    def open(cls, notebook: str, namespace: Mapping[str, Any]) -> Run:
        """Start a notebook: check its parameters, set the figures' style.

        Parameters
        ----------
        notebook : str
            The notebook's own name.
        namespace : mapping
            ``globals()``, right after the parameters cell and the imports.

        Raises
        ------
        UserError
            For an unknown or ill-typed parameter.
        """
        plots.set_style()
        return cls(notebook, from_namespace(namespace, notebook))

    # artefacts ---------------------------------------------------------------------------------------------------

    def path(self, artefact: str) -> Path:
        """Path of an artefact of this notebook (``name.ext``) or another's (``notebook/name.ext``)."""
        notebook, _, name = artefact.partition("/")
        if notebook not in NOTEBOOKS:
            notebook, name = self.notebook, artefact
        return self.folder / "artefacts" / notebook / name

    def save(self, name: str, value: pd.DataFrame | Mapping[str, Any]) -> None:
        """Write an artefact of this notebook, whole or not at all.

        Parameters
        ----------
        name : str
            Without suffix: a DataFrame becomes ``.parquet``, a mapping of arrays ``.safetensors``, another mapping
            ``.json``.
        value : DataFrame or mapping
            What to keep.
        """
        if isinstance(value, pd.DataFrame):
            suffix, write = ".parquet", value.to_parquet
        elif value and all(isinstance(item, np.ndarray) for item in value.values()):
            suffix, write = ".safetensors", lambda path: save_file(dict(value), path)
        else:
            suffix, write = ".json", lambda path: path.write_text(json.dumps(value, indent=1), encoding="utf-8")
        path = self.path(name + suffix)
        with whole(path) as temporary:
            write(temporary)

    def load(self, artefact: str) -> Any:
        """Read another notebook's artefact, ``notebook/name``.

        Returns
        -------
        pandas.DataFrame, dict of arrays or dict
            As it was saved.

        Raises
        ------
        UserError
            Naming the notebook to run first, if it is not there.
        """
        readers = {
            ".parquet": pd.read_parquet,
            ".safetensors": load_file,
            ".json": lambda path: json.loads(path.read_text(encoding="utf-8")),
        }
        for suffix, read in readers.items():
            path = self.path(artefact + suffix)
            if path.exists():
                return read(path)
        raise UserError(f"{artefact} is not in {self.folder}: run notebook {artefact.split('/')[0]} first")

    # what the reader sees ----------------------------------------------------------------------------------------

    def _number(self, kind: str, name: str) -> str:
        seen = self._numbers[kind]
        return f"{int(self.notebook[:2])}.{seen.setdefault(name, len(seen) + 1)}"

    def figure(self, figure: Figure, name: str, finding: str, alt: str) -> None:
        """Show a figure under the next number of the chapter and keep its picture for the front page.

        Parameters
        ----------
        figure : matplotlib.figure.Figure
            Closed afterwards.
        name : str
            Short name; showing it again keeps the number.
        finding : str
            One sentence, its numbers computed.
        alt : str
            What can be seen.
        """
        markup = plots.figure_html(figure, self._number("figure", name), finding, alt)
        with whole(self.path(f"figure-{name}.html")) as temporary:
            temporary.write_text(markup, encoding="utf-8")
        display(HTML(markup))

    def table(
        self,
        frame: pd.DataFrame,
        name: str,
        caption: str,
        formats: Mapping[str, str] | None = None,
        measured: tuple[str, ...] = (),
    ) -> None:
        """Show a table under the next number of the chapter.

        Parameters
        ----------
        frame : pandas.DataFrame
            Columns are shown, the index is not.
        name, caption : str
            Short name, and what the table says.
        formats : mapping
            Column to format specification.
        measured : tuple of str
            Columns measured in this run (see :func:`sersupport.plots.measured`).
        """
        display(HTML(plots.table_html(frame, self._number("table", name), caption, dict(formats or {}), set(measured))))

    def say(self, text: str) -> None:
        """Show a sentence whose numbers come from artefacts (Markdown)."""
        display(Markdown(text))

    def listen(self, samples: np.ndarray, rate_hz: int, label: str) -> None:
        """Offer a recording for listening, where its licence allows: embedded speech and noise only."""
        if self.p.data_dir == EMBEDDED:
            display(HTML(plots.audio_html(samples, rate_hz, label)))
        else:
            self.say(f"*{html.escape(label)}: not played here, the corpus's licence does not allow it.*")


def provenance() -> dict[str, str]:
    """Versions and machine that a run's figures depend on; no host name, user name or path."""
    return {
        "python": platform.python_version(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        **library_versions(),
    }
