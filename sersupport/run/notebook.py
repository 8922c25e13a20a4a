"""One notebook's view of its run: what it reads, writes and shows."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from IPython.display import HTML, Markdown, display
from matplotlib.figure import Figure

from sersupport.core.cache import Cache
from sersupport.core.errors import Missing, UserError
from sersupport.core.files import whole
from sersupport.run import figures
from sersupport.run.artefacts import Artefacts
from sersupport.run.chapters import CHAPTERS, Chapter
from sersupport.run.parameters import EMBEDDED, Parameters, from_namespace, project_root

if TYPE_CHECKING:
    from sersupport.claims.evidence import Evidence

_DECLARED = "the chapters in sersupport/run/chapters.py"


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
        Name without suffix.
    parameters : Parameters
        Checked parameters of the run; those that are set are the notebook's own.
    chapters : mapping
        The series: what each notebook reads and writes.
    """

    def __init__(self, notebook: str, parameters: Parameters, chapters: Mapping[str, Chapter] = CHAPTERS) -> None:
        if notebook not in chapters:
            raise UserError(f"{notebook!r} is no notebook of the series: {', '.join(chapters)}")
        self.notebook = notebook
        self.p = Declared(notebook, parameters)
        self.root = project_root()
        # the tests send the committed notebooks' output elsewhere, since nbval cannot pass parameters
        elsewhere = os.environ.get("SERSUPPORT_RUN_DIR")
        self.folder = self.root / (elsewhere or self.p.run_dir)
        # keyed by content, so all runs may share it
        self.build = self.root / "build"
        self.cache = Cache(self.build / "cache")
        # so are jobs, but the tests are to train afresh
        self.jobs_folder = (self.folder if elsewhere else self.build) / "jobs"
        self._chapters = chapters
        own = parameters.model_dump(include=parameters.model_fields_set)
        self._artefacts = Artefacts(self.folder / "artefacts", own, f"notebook {notebook}")
        self._saved: set[str] = set()
        self._numbers: dict[str, dict[str, int]] = {"figure": {}, "table": {}}
        self._silent = False  # whether it was said that recordings are not played

    @classmethod
    def open(cls, notebook: str, namespace: Mapping[str, Any], chapters: Mapping[str, Chapter] = CHAPTERS) -> Run:
        """Start a notebook: check its parameters, set the figures' style.

        Parameters
        ----------
        notebook : str
            The notebook's own name.
        namespace : mapping
            ``globals()``, right after the parameters cell and the imports.
        chapters : mapping
            The series.

        Raises
        ------
        UserError
            For an unknown or ill-typed parameter.
        """
        figures.set_style()
        return cls(notebook, from_namespace(namespace, notebook), chapters)

    # artefacts ---------------------------------------------------------------------------------------------------

    def path(self, name: str) -> Path:
        """Path of a file or folder of this notebook (``name``) or another's (``notebook/name``)."""
        whose = name.partition("/")[0]
        return self._artefacts.folder / (name if whose in self._chapters else f"{self.notebook}/{name}")

    def save(self, name: str, value: pd.DataFrame | Mapping[str, Any]) -> None:
        """Write an artefact of this notebook, with the parameters that made it.

        Parameters
        ----------
        name : str
            One that the chapter is declared to write.
        value : DataFrame or mapping
            What to keep; see :meth:`sersupport.run.artefacts.Artefacts.save`.

        Raises
        ------
        UserError
            If the chapter does not say that it writes this.
        """
        if name not in self._chapters[self.notebook].writes:
            raise UserError(f"notebook {self.notebook} saves {name!r}: add it to what it writes in {_DECLARED}")
        self._artefacts.save(f"{self.notebook}/{name}", value)
        self._saved.add(f"{self.notebook}/{name}")

    def load(self, artefact: str) -> Any:
        """Read another notebook's artefact, ``notebook/name``, or one that this notebook has just saved.

        Returns
        -------
        pandas.DataFrame, dict of arrays or dict
            As it was saved.

        Raises
        ------
        Missing
            Naming the notebook to run first, if it is not there.
        UserError
            If the chapter does not say that it reads this, if it cannot be read, or if it was made with other
            parameters.
        """
        if artefact not in {*self._chapters[self.notebook].reads, *self._saved}:
            raise UserError(f"notebook {self.notebook} loads {artefact!r}: add it to what it reads in {_DECLARED}")
        return self._artefacts.load(artefact)

    def evidence(self) -> Evidence:
        """What claims may rest on: this run's artefacts, as far as this notebook reads them.

        Raises
        ------
        UserError
            When a claim asks for an artefact that the chapter is not declared to read. One that no chapter writes,
            or that is not there, is no error: the claim is not testable.
        """
        from sersupport.claims.evidence import ARTEFACTS, Evidence

        written = {f"{name}/{own}" for name, chapter in self._chapters.items() for own in chapter.writes}

        def load(artefact: str) -> Any:
            if artefact not in written:
                raise Missing(f"no notebook writes {artefact}")
            return self.load(artefact)

        # where nothing measured is read there are no intervals to sample
        measures = {*self._chapters[self.notebook].reads, *self._saved}.intersection(ARTEFACTS)
        samples = {"samples": self.p.bootstrap_samples} if measures else {}
        return Evidence(load, self.p.profile, self.p.data_dir == EMBEDDED, **samples)

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
        markup = figures.figure_html(figure, self._number("figure", name), finding, alt)
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
            Columns are shown, the index is not; what is missing or an empty text becomes an en dash.
        name, caption : str
            Short name, and what the table says.
        formats : mapping
            Column to format specification.
        measured : tuple of str
            Columns measured in this run (see :func:`sersupport.run.figures.measured`).
        """
        number = self._number("table", name)
        display(HTML(figures.table_html(frame, number, caption, dict(formats or {}), set(measured))))

    def say(self, text: str) -> None:
        """Show a sentence whose numbers come from artefacts (Markdown)."""
        display(Markdown(text))

    def claim(self, id: str) -> None:
        """Show one claim of the ledger: what is printed, and what the evidence of this run says of it.

        Parameters
        ----------
        id : str
            Its short name; `sersupport claims` lists them all.
        """
        from sersupport.claims.ledger import check

        display(HTML(figures.claim_html(check(id, self.evidence()))))

    def listen(self, samples: np.ndarray, rate_hz: int, label: str) -> None:
        """Offer a recording for listening, where its licence allows: embedded speech and noise only."""
        if self.p.data_dir == EMBEDDED:
            display(HTML(figures.audio_html(samples, rate_hz, label)))
        elif not self._silent:
            self._silent = True  # said once
            self.say("*Recordings are not played here: the licences of their corpora do not allow it.*")
