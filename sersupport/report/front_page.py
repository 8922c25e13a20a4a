"""The site's front page: what speech, what came out, every claim with its verdict, what it cost."""

import html
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from sersupport.claims.verdicts import VERDICTS
from sersupport.core.errors import UserError
from sersupport.corpora.conventions import title
from sersupport.run.parameters import EMBEDDED

TITLE = "Noise-robust, explainable speech emotion recognition"
LEDGER_COLUMNS = ("paper", "place", "weight", "claim", "test", "evidence", "command")
OTHERS = ("<!-- other reports -->", "<!-- end of other reports -->")  # filled in when the report is published
SYNTHETIC = (
    "All accuracies here concern synthetic speech: the embedded corpus is made by a speech synthesiser, "
    "nobody was recorded, and nothing on this page says how well the systems recognise human emotion."
)


def front_page(run_folder: Path, record: dict[str, Any], chapters: list[dict[str, str]], has_references: bool) -> str:
    """The front page in MyST Markdown.

    Parameters
    ----------
    run_folder : Path
        Whose artefacts hold the headline.
    record : dict
        See :func:`sersupport.report.record.read_record`; chapters without costs left out.
    chapters : list of dict
        ``name``, ``title`` and ``question`` of each.
    has_references : bool
        Whether there is a page of references.

    Raises
    ------
    UserError
        If a figure that the headline names is missing.
    """
    parameters = record["parameters"]
    contents = [f"{chapter['title']} <{chapter['name']}>" for chapter in chapters]
    contents += ["References <references>"] if has_references else []
    first, results = _headline(run_folder)
    parts = [
        f"# {TITLE}",
        *([_raw(f'<p class="ser-note" role="note">{html.escape(SYNTHETIC)}</p>')] if _embedded(parameters) else []),
        *first,
        "A notebook series, run from end to end, that rebuilds the speech emotion recogniser of arXiv 2512.18298 (a "
        "pretrained transformer's features fused with a convolutional network over acoustic features), puts it under "
        "noise and under several ways of splitting the data, opens it up, and says of the claims of four papers which "
        "come out. That paper was read in full, the three others by their abstracts and digests. *Row D* is its whole "
        "system; rows A to C are its ablations.",
        _raw(_setting(run_folder, parameters) + "".join(OTHERS)),
        *results,
        "## Chapters",
        "\n".join(f"- [{chapter['title']}]({chapter['name']}.ipynb): {chapter['question']}" for chapter in chapters),
        "## This run",
        _raw(_costs(record["notebooks"], {chapter["name"]: chapter["title"] for chapter in chapters}, record)),
        *([_raw(_speed(record["bench"]))] if "bench" in record else []),
        _raw(_folded("Parameters", _pairs(parameters)) + _folded("Provenance", _pairs(record["provenance"]))),
        "```{toctree}\n:hidden:\n:maxdepth: 1\n\n" + "\n".join(contents) + "\n```",
    ]
    return "\n\n".join(parts) + "\n"


def _raw(markup: str) -> str:
    return f"``````{{raw}} html\n{markup}\n``````"


def _setting(run_folder: Path, parameters: dict[str, Any]) -> str:
    """What speech and what encoder every number of this run rests on."""
    described = run_folder / "artefacts" / "04_model" / "encoder.json"
    encoder = parameters["encoder"]
    if described.is_file():
        encoder = json.loads(described.read_text(encoding="utf-8"))["sentence"]
    recorded = "" if _embedded(parameters) else f"recorded: {_corpora(run_folder, parameters)}"
    speech = recorded or "synthetic, made by the report itself"
    trained = "frozen" if parameters["encoder_frozen"] else "fine-tuned"
    rows = {"Encoder": f"{encoder} ({trained})", "Speech": speech, "Profile": parameters["profile"]}
    items = "".join(f"<dt>{name}</dt><dd>{html.escape(str(value))}</dd>" for name, value in rows.items())
    return f'<dl class="ser-setting">{items}</dl>'


def _embedded(parameters: dict[str, Any]) -> bool:
    return parameters["data_dir"] == EMBEDDED


def _corpora(run_folder: Path, parameters: dict[str, Any]) -> str:
    """The corpora that the run found, and those that it was asked for and did not."""
    presence = run_folder / "artefacts" / "01_data" / "presence.parquet"
    if not presence.is_file():
        return ", ".join(title(name) for name in parameters["corpora"])
    asked = pd.read_parquet(presence)
    titles = {present: ", ".join(part["title"]) for present, part in asked.groupby("present")}
    return titles[True] + (f" (asked for and not found: {titles[False]})" if False in titles else "")


def _headline(run_folder: Path) -> tuple[list[str], list[str]]:
    """What the last chapter that has a say chose for the front page: sentences, figures, the ledger of claims.

    The first sentence and the first figure come apart from the rest, for the top of the page.
    """
    chosen = sorted((run_folder / "artefacts").glob("*/headline.json"))
    if not chosen:
        return [], []
    path = chosen[-1]
    headline = json.loads(path.read_text(encoding="utf-8"))
    figures = []
    for name in headline["figures"]:
        figure = run_folder / "artefacts" / f"{name}.html"
        if not figure.is_file():
            raise UserError(f"{path.name} names the figure {name!r}, which is not in {figure.parent}")
        figures.append(_raw(figure.read_text(encoding="utf-8")))
    ledger = [_raw(_ledger(run_folder / "artefacts" / f"{headline['ledger']}.parquet"))] if "ledger" in headline else []
    sentences = headline["sentences"]
    others = ["\n".join(f"- {sentence}" for sentence in sentences[1:])] if sentences[1:] else []
    return [*sentences[:1], *figures[:1]], ["## Results", *others, *figures[1:], *ledger]


def _ledger(path: Path) -> str:
    """Every claim with its verdict, folded by verdict: nobody reads a hundred rows at once."""
    parts = ["<h2>The claims, one by one</h2>"]
    table = pd.read_parquet(path)
    for verdict in VERDICTS:
        rows = table.loc[table["verdict"] == verdict, list(LEDGER_COLUMNS)]
        body = _table(LEDGER_COLUMNS, rows.itertuples(index=False))
        parts.append(_folded(f"{html.escape(verdict)}: {len(rows)}", body))
    return "\n".join(parts)


def _costs(notebooks: dict[str, Any], titles: dict[str, str], record: dict[str, Any]) -> str:
    costs = [(titles[name], cost["seconds"], cost["peak_gib"]) for name, cost in notebooks.items()]
    together = record.get("seconds", sum(cost[1] for cost in costs))
    costs.append(("Together", together, max(cost[2] for cost in costs)))
    cells = [(title, f"{seconds:.0f}", f"{peak_gib:.2f}") for title, seconds, peak_gib in costs]
    caption = (
        "<caption>Time of each chapter when it last ran, beside another one where neither waits for the other, without"
        " what an earlier pass had trained, and the most memory that all processes held meanwhile.</caption>"
    )
    return _table(("Chapter", "Time [s]", "Peak memory [GiB]"), cells, caption)


def _speed(bench: dict[str, Any]) -> str:
    """What the hot paths cost, and how cost grows, folded."""
    keys = ("ms", "without_ms", "ratio")
    paths = [(own["path"], own["unit"], own["without"], *(f"{own[key]:.2f}" for key in keys)) for own in bench["paths"]]
    head = ("Path", "Unit", "Without this package", "Here [ms]", "Without [ms]", "Ratio")
    caption = "<caption>Core milliseconds a unit, the best of three, in one process.</caption>"
    growth = [
        (own["part"], *(f"{seconds:.2f}" for seconds in own["seconds"]), f"{own['exponent']:.2f}")
        for own in bench["growth"]
    ]
    grown = "<caption>Seconds for once, twice and four times as many rows; an exponent of 1 is linear.</caption>"
    tables = _table(head, paths, caption) + _table(("Part", "1 ×", "2 ×", "4 ×", "Exponent"), growth, grown)
    return _folded("Speed", tables)


def _table(columns: Iterable[str], rows: Iterable[Iterable[object]], caption: str = "") -> str:
    head = "".join(f'<th scope="col">{name}</th>' for name in columns)
    cells = ("".join(f"<td>{html.escape(str(cell))}</td>" for cell in row) for row in rows)
    body = "".join(f"<tr>{row}</tr>" for row in cells)
    table = f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f'<div class="ser-table">{table}</div>'


def _pairs(values: dict[str, Any]) -> str:
    rows = "".join(
        f'<tr><th scope="row">{html.escape(name)}</th>'
        f"<td>{html.escape(value if isinstance(value, str) else json.dumps(value))}</td></tr>"
        for name, value in values.items()
    )
    return f'<div class="ser-table"><table><tbody>{rows}</tbody></table></div>'


def _folded(summary: str, body: str) -> str:
    return f'<details class="ser-details"><summary>{summary}</summary>{body}</details>'
