"""The report's site: Sphinx over the executed notebooks, readable with the network unplugged."""

from __future__ import annotations

import contextlib
import html
import io
import json
import logging
import re
import shutil
import tempfile
from importlib import metadata
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
from nbformat import NotebookNode

from sersupport import UserError
from sersupport.claims import VERDICTS
from sersupport.corpora import corpus
from sersupport.run import project_root

TITLE = "Noise-robust, explainable speech emotion recognition"
ASSETS = Path(__file__).parent / "site_assets"
MATHJAX = "mathjax.js"
LEDGER_COLUMNS = ("paper", "place", "claim", "test", "evidence", "command")
SYNTHETIC = (
    "All accuracies here concern synthetic speech: the embedded corpus is made by a speech synthesiser, "
    "nobody was recorded, and nothing on this page says how well the systems recognise human emotion."
)
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
    record_path = run_folder / "run.json"
    if not record_path.is_file():
        raise UserError(f"{record_path} is missing: run the report first")
    record = json.loads(record_path.read_text(encoding="utf-8"))
    # a chapter without costs was being made when its run was stopped
    record["notebooks"] = {name: costs for name, costs in record["notebooks"].items() if costs}
    bibliography = bibliography or project_root(Path(__file__).parent) / "notebooks" / "references.bib"
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
        front = _front_page(run_folder, record, chapters, has_references)
        (source / "index.md").write_text(front, encoding="utf-8")
        static = source / "static"
        shutil.copytree(ASSETS, static)
        shutil.copyfile(_mathjax(), static / MATHJAX)
        warnings = _sphinx(source, output, record["parameters"], has_references)
        for line in warnings:
            if strict:
                raise UserError(f"site: {line}")
            logger.warning("site: %s", line)
        return _publish(output, run_folder / "html")


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


# front page ----------------------------------------------------------------------------------------------------------


def _front_page(run_folder: Path, record: dict[str, Any], chapters: list[dict[str, str]], has_references: bool) -> str:
    parameters = record["parameters"]
    contents = [f"{chapter['title']} <{chapter['name']}>" for chapter in chapters]
    contents += ["References <references>"] if has_references else []
    parts = [
        f"# {TITLE}",
        "A notebook series, run from end to end, that rebuilds a published speech emotion recogniser (a pretrained "
        "transformer's features fused with a convolutional network over acoustic features), puts it under noise "
        "and under four ways of splitting the data, opens it up, and says of every claim of four papers whether it "
        "comes out.",
        _raw(_setting(run_folder, parameters)),
        *_headline(run_folder),
        "## Chapters",
        "\n".join(f"- [{chapter['title']}]({chapter['name']}.ipynb): {chapter['question']}" for chapter in chapters),
        "## This run",
        _raw(_costs(record["notebooks"], {chapter["name"]: chapter["title"] for chapter in chapters})),
        _raw(_folded("Parameters", parameters) + _folded("Provenance", record["provenance"])),
        "```{toctree}\n:hidden:\n:maxdepth: 1\n\n" + "\n".join(contents) + "\n```",
    ]
    return "\n\n".join(parts) + "\n"


def _raw(markup: str) -> str:
    return f"``````{{raw}} html\n{markup}\n``````"


def _setting(run_folder: Path, parameters: dict[str, Any]) -> str:
    """What speech and what backbone every number of this run rests on."""
    described = run_folder / "artefacts" / "04_model" / "backbone.json"
    backbone = parameters["backbone"]
    if described.is_file():
        backbone = json.loads(described.read_text(encoding="utf-8"))["sentence"]
    embedded = parameters["data_dir"] == "embedded"
    speech = "synthetic, made by the report itself" if embedded else f"recorded: {_corpora(run_folder, parameters)}"
    trained = "frozen" if parameters["backbone_frozen"] else "fine-tuned"
    rows = {"Backbone": f"{backbone} ({trained})", "Speech": speech, "Profile": parameters["profile"]}
    note = f'<p class="ser-note" role="note">{html.escape(SYNTHETIC)}</p>' if embedded else ""
    items = "".join(f"<dt>{name}</dt><dd>{html.escape(str(value))}</dd>" for name, value in rows.items())
    return f'{note}<dl class="ser-setting">{items}</dl>'


def _corpora(run_folder: Path, parameters: dict[str, Any]) -> str:
    """The corpora that the run found, and those that it was asked for and did not."""
    presence = run_folder / "artefacts" / "01_data" / "presence.parquet"
    if not presence.is_file():
        return ", ".join(corpus(name).title for name in parameters["corpora"])
    asked = pd.read_parquet(presence)
    titles = {present: ", ".join(part["title"]) for present, part in asked.groupby("present")}
    return titles[True] + (f" (asked for and not found: {titles[False]})" if False in titles else "")


def _headline(run_folder: Path) -> list[str]:
    """What the last chapter that has a say chose for the front page: sentences, figures, the ledger of claims."""
    chosen = sorted((run_folder / "artefacts").glob("*/headline.json"))
    if not chosen:
        return []
    path = chosen[-1]
    headline = json.loads(path.read_text(encoding="utf-8"))
    figures = []
    for name in headline["figures"]:
        figure = run_folder / "artefacts" / f"{name}.html"
        if not figure.is_file():
            raise UserError(f"{path.name} names the figure {name!r}, which is not in {figure.parent}")
        figures.append(_raw(figure.read_text(encoding="utf-8")))
    ledger = [_raw(_ledger(run_folder / "artefacts" / f"{headline['ledger']}.parquet"))] if "ledger" in headline else []
    return ["## Results", "\n".join(f"- {sentence}" for sentence in headline["sentences"]), *figures, *ledger]


def _ledger(path: Path) -> str:
    """Every claim with its verdict, folded by verdict: nobody reads a hundred rows at once."""
    parts = ["<h2>The claims, one by one</h2>"]
    table = pd.read_parquet(path)
    for verdict in VERDICTS:
        rows = table[table["verdict"] == verdict]
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(str(row[name]))}</td>" for name in LEDGER_COLUMNS) + "</tr>"
            for _, row in rows.iterrows()
        )
        head = "".join(f'<th scope="col">{name}</th>' for name in LEDGER_COLUMNS)
        summary = f"{html.escape(verdict)}: {len(rows)}"
        parts.append(
            f'<details class="ser-details"><summary>{summary}</summary><div class="ser-table">'
            f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div></details>"
        )
    return "\n".join(parts)


def _costs(notebooks: dict[str, Any], titles: dict[str, str]) -> str:
    cells = [(titles[name], f"{cost['seconds']:.0f}", f"{cost['peak_gib']:.2f}") for name, cost in notebooks.items()]
    total_s = sum(cost["seconds"] for cost in notebooks.values())
    peak_gib = max(cost["peak_gib"] for cost in notebooks.values())
    cells.append(("All", f"{total_s:.0f}", f"{peak_gib:.2f}"))
    rows = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in cells)
    head = "".join(f'<th scope="col">{name}</th>' for name in ("Chapter", "Time [s]", "Peak memory [GiB]"))
    return (
        '<div class="ser-table"><table><caption>Time and peak memory of each chapter when it last ran.</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _folded(title: str, values: dict[str, Any]) -> str:
    rows = "".join(
        f'<tr><th scope="row">{html.escape(name)}</th>'
        f"<td>{html.escape(value if isinstance(value, str) else json.dumps(value))}</td></tr>"
        for name, value in values.items()
    )
    return (
        f'<details class="ser-details"><summary>{title}</summary>'
        f'<div class="ser-table"><table><tbody>{rows}</tbody></table></div></details>'
    )


# Sphinx --------------------------------------------------------------------------------------------------------------


def _configuration(parameters: dict[str, Any], has_references: bool) -> dict[str, Any]:
    theme: dict[str, Any] = {"navigation_with_keys": True, "top_of_page_buttons": []}
    if parameters["data_dir"] == "embedded":
        theme["announcement"] = html.escape(SYNTHETIC)  # on every page
    extensions = ["myst_nb", "sphinx.ext.mathjax", "sphinx_copybutton"]
    citations: dict[str, Any] = {}
    if has_references:
        extensions.append("sphinxcontrib.bibtex")
        citations = {"bibtex_bibfiles": ["references.bib"], "bibtex_reference_style": "author_year"}
    return {
        "project": TITLE,
        "author": "",
        "copyright": "",
        "html_title": TITLE,
        "language": "en",
        "extensions": extensions,
        "exclude_patterns": ["static"],
        "myst_enable_extensions": ["amsmath", "attrs_inline", "colon_fence", "deflist", "dollarmath"],
        "nb_execution_mode": "off",
        "nb_merge_streams": True,
        "nb_output_stderr": "remove",
        "nb_render_markdown_format": "myst",
        "html_theme": "furo",
        "html_theme_options": theme,
        "html_static_path": ["static"],
        "html_css_files": ["site.css"],
        "mathjax_path": MATHJAX,
        # the page says where it comes from; a search summary would fetch() pages, which file:// forbids
        "html_show_search_summary": False,
        "html_show_sphinx": False,
        "html_show_copyright": False,
        "html_copy_source": False,
        "html_use_index": False,
        "html_domain_indices": False,
        "html_permalinks_icon": "#",
        "copybutton_exclude": ".linenos, .gp, .go",
        **citations,
    }


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


def _publish(built: Path, site: Path) -> Path:
    """Drop what a reader does not need and put the new site in the old one's place."""
    for pattern in (".buildinfo", "objects.inv", "**/*.map", "**/*.LICENSE.txt.gz"):
        for path in built.glob(pattern):
            path.unlink()
    fresh, old = site.with_name(".html.new"), site.with_name(".html.old")
    for leftover in (fresh, old):
        shutil.rmtree(leftover, ignore_errors=True)
    shutil.move(built, fresh)
    if site.exists():
        site.rename(old)
    fresh.rename(site)
    shutil.rmtree(old, ignore_errors=True)
    return site / "index.html"
