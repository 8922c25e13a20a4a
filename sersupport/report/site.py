"""The report's site: Sphinx over the executed notebooks, readable with the network unplugged."""

import contextlib
import html
import io
import logging
import re
import shutil
import tempfile
from importlib import metadata
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from sersupport.core.errors import UserError
from sersupport.report.front_page import SYNTHETIC, TITLE, front_page
from sersupport.report.record import package_root, read_record, replace_folder
from sersupport.run.parameters import EMBEDDED

ASSETS = Path(__file__).parent / "assets"
MATHJAX = "mathjax.js"
KEEP_INPUT = {"remove-cell", "remove-input", "remove_cell", "remove_input", "hide-input", "hide-cell"}
logger = logging.getLogger(__name__)


def build_site(run_folder: Path, bibliography: Path | None = None, strict: bool = False) -> Path:
    """Build the site of a run from its executed notebooks, which are not executed again.

    Parameters
    ----------
    run_folder : Path
        Holds ``run.json``, ``notebooks`` and ``artefacts``; ``html`` in it is replaced once the new site is whole.
    bibliography : Path, optional
        BibTeX file; by default ``notebooks/references.bib`` of the project. Without the file, no References page.
    strict : bool
        Raise on Sphinx's first warning instead of logging it.

    Returns
    -------
    Path
        The front page, ``html/index.html``.

    Raises
    ------
    UserError
        If the run has no executed notebooks, a figure of the front page is missing, or Sphinx warns and ``strict``.
    """
    record = read_record(run_folder)
    if not record:
        raise UserError(f"{run_folder} has no record of a run: run the report first")
    # a chapter without costs was being made when its run was stopped
    record["notebooks"] = {name: costs for name, costs in record["notebooks"].items() if costs}
    bibliography = bibliography or package_root() / "notebooks" / "references.bib"
    with tempfile.TemporaryDirectory(prefix="sersupport-site-") as temporary:
        source, output = Path(temporary, "source"), Path(temporary, "html")
        source.mkdir()
        chapters = [_stage(run_folder / "notebooks" / f"{name}.ipynb", source) for name in record["notebooks"]]
        if not chapters:
            raise UserError(f"{run_folder} has no executed notebooks: run the report first")
        has_references = bibliography.is_file()
        if has_references:
            shutil.copyfile(bibliography, source / "references.bib")
            (source / "references.md").write_text("# References\n\n```{bibliography}\n```\n", encoding="utf-8")
        front = front_page(run_folder, record, chapters, has_references)
        (source / "index.md").write_text(front, encoding="utf-8")
        static = source / "static"
        shutil.copytree(ASSETS, static)
        shutil.copyfile(_mathjax(), static / MATHJAX)
        warnings = _sphinx(source, output, record["parameters"], has_references)
        for line in warnings:
            if strict:
                raise UserError(f"site: {line}")
            logger.warning("site: %s", line)
        for pattern in (".buildinfo", "objects.inv", "**/*.map", "**/*.LICENSE.txt.gz"):  # nothing for a reader
            for path in output.glob(pattern):
                path.unlink()
        replace_folder(output, run_folder / "html")
    return run_folder / "html" / "index.html"


def _mathjax() -> Path:
    """MathJax with all its TeX packages and fonts, in one file, from the installed sphinx-mathjax-offline."""
    inside = "sphinx-mathjax-offline/static/mathjax/tex-svg-full.js"
    return Path(str(metadata.distribution("sphinx-mathjax-offline").locate_file(inside)))


# chapters ------------------------------------------------------------------------------------------------------------


def _stage(notebook: Path, source: Path) -> dict[str, str]:
    """Copy an executed notebook with its code folded and its title numbered; its name, title and question."""
    if not notebook.is_file():
        raise UserError(f"{notebook} is missing: run the report first")
    node = nbformat.read(notebook, as_version=4)
    node.metadata.pop("widgets", None)
    for cell in node.cells:
        if cell.cell_type == "code":
            tags = cell.metadata.setdefault("tags", [])
            if not KEEP_INPUT & set(tags):
                tags.append("hide-input")
            cell.outputs = [output for output in cell.outputs if _is_shown(output)]
    prose = "\n\n".join(cell.source for cell in node.cells if cell.cell_type == "markdown")
    heading = re.search(r"^# +(?:\d+\s*[.:·—–-]?\s+)?(.+?)\s*$", prose, flags=re.MULTILINE)
    title = heading[1] if heading else notebook.stem
    numbered = f"{int(notebook.stem[:2])}. {title}"
    _set_title(node, numbered, heading[0] if heading else None)
    nbformat.write(node, source / notebook.name)
    return {"name": notebook.stem, "title": numbered, "question": _question(prose)}


def _is_shown(output: NotebookNode) -> bool:
    """Not progress bars, warnings and widgets, which say nothing without a running kernel."""
    if output.output_type == "stream":
        return output.name != "stderr"
    return "application/vnd.jupyter.widget-view+json" not in output.get("data", {})


def _set_title(node: NotebookNode, title: str, heading: str | None) -> None:
    for cell in node.cells:
        if heading is not None and cell.cell_type == "markdown" and heading in cell.source:
            cell.source = cell.source.replace(heading, f"# {title}", 1)
            return
    node.cells.insert(0, nbformat.v4.new_markdown_cell(f"# {title}"))


def _question(prose: str) -> str:
    """A notebook's first quoted paragraph, or its first paragraph after the title."""
    blocks = [block.strip() for block in re.split(r"\n\s*\n", prose) if block.strip()]
    quoted = [block for block in blocks if block.startswith(">")]
    plain = [block for block in blocks if not block.startswith(("#", ">", "(", ":", "`", "|", "-", "*"))]
    first = next(iter(quoted + plain), "")
    return " ".join(line.lstrip("> ").strip() for line in first.splitlines())


# Sphinx --------------------------------------------------------------------------------------------------------------


def _configuration(parameters: dict[str, Any], has_references: bool) -> dict[str, Any]:
    said = {"announcement": html.escape(SYNTHETIC)} if parameters["data_dir"] == EMBEDDED else {}  # on every page
    bibtex = ["sphinxcontrib.bibtex"] if has_references else []
    citations = {"bibtex_bibfiles": ["references.bib"], "bibtex_reference_style": "author_year"} if bibtex else {}
    return {
        "project": TITLE, "html_title": TITLE, "author": "", "copyright": "", "language": "en",
        "extensions": ["myst_nb", "sphinx.ext.mathjax", "sphinx_copybutton", *bibtex], "exclude_patterns": ["static"],
        "myst_enable_extensions": ["amsmath", "attrs_inline", "colon_fence", "deflist", "dollarmath"],
        "nb_execution_mode": "off", "nb_merge_streams": True, "nb_output_stderr": "remove",
        "nb_render_markdown_format": "myst",
        "html_theme": "furo",
        "html_theme_options": {"navigation_with_keys": True, "top_of_page_buttons": [], **said},
        "html_static_path": ["static"], "html_css_files": ["site.css"], "mathjax_path": MATHJAX,
        # the page says where it comes from; a search summary would fetch() pages, which file:// forbids
        "html_show_search_summary": False, "html_show_sphinx": False, "html_show_copyright": False,
        "html_copy_source": False, "html_use_index": False, "html_domain_indices": False,
        "html_permalinks_icon": "#", "copybutton_exclude": ".linenos, .gp, .go",
        **citations,
    }  # fmt: skip


def _sphinx(source: Path, output: Path, parameters: dict[str, Any], has_references: bool) -> list[str]:
    """Build the pages; the warnings, one a line."""
    from sphinx.application import Sphinx
    from sphinx.util.docutils import docutils_namespace, patch_docutils

    warnings = io.StringIO()
    with patch_docutils(), docutils_namespace(), contextlib.redirect_stderr(io.StringIO()):
        Sphinx(
            source,
            None,
            output,
            source.parent / "doctrees",
            "html",
            confoverrides=_configuration(parameters, has_references),
            status=None,
            warning=warnings,
            freshenv=True,
        ).build(force_all=True)
    plain = re.sub(r"\x1b\[[\d;]*m", "", warnings.getvalue()).replace(f"{source}/", "")
    return [line for line in plain.splitlines() if line.strip()]
