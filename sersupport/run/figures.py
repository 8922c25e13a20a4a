"""One look for every figure, table and measured number of the report."""

import base64
import html
import io
from collections.abc import Iterable, Mapping
from itertools import cycle

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
import soundfile as sf
from matplotlib.figure import Figure

from sersupport.corpora.convention import EMOTIONS

# Okabe and Ito's colour-blind-safe palette, in one order for the whole report
PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#7F7F7F", "#B59F00")
# how numbers are written under the titles that several tables share; three decimals where nothing is said
FORMATS = {
    "accuracy (%)": ".1f", "accuracy (%), paper": ".2f", "f1, paper": ".4f", "λ": ".2f", "speakers": ".0f",
    "utterances": ".0f",
}  # fmt: skip
_ROWS = dict(zip("ABCD", PALETTE, strict=False))
_P = ("p", "p, Holm", "p (Holm)", "p (Holm), folds")  # titles
_SENTENCE = 60  # characters, of which a few would fill a phone's screen


def set_style() -> None:
    """Make the report's style matplotlib's default."""
    sns.set_theme(context="notebook", style="whitegrid", palette=list(PALETTE))
    mpl.rcParams.update({
        "figure.dpi": 100, "savefig.dpi": 130, "figure.figsize": (7.0, 3.8), "figure.constrained_layout.use": True,
        "axes.titlesize": 11, "axes.labelsize": 10, "xtick.labelsize": 9, "ytick.labelsize": 9, "legend.fontsize": 9,
        "legend.frameon": False, "axes.spines.top": False, "axes.spines.right": False,
    })  # fmt: skip


def emotion_colours(names: Iterable[str]) -> dict[str, str]:
    """A colour for each class: the seven always have theirs, others take the rest of the palette as they appear."""
    others = cycle(PALETTE[len(EMOTIONS) :])
    known = dict(zip(EMOTIONS, PALETTE, strict=False))
    return {name: known[name] if name in known else next(others) for name in dict.fromkeys(names)}


def system_colours(names: Iterable[str]) -> dict[str, str]:
    """A colour for each system: rows A to D always have theirs, others take the rest of the palette as they appear."""
    others = cycle(PALETTE[len(_ROWS) :])
    rows = {name: name.removeprefix("row ").partition(" ")[0] for name in dict.fromkeys(names)}  # however it is called
    return {name: _ROWS[row] if row in _ROWS else next(others) for name, row in rows.items()}


def system_label(name: str) -> str:
    """What a system is called in a legend."""
    return f"row {name}" if name in _ROWS else name


def measured(value: float, form: str = ".3f", unit: str = "") -> str:
    """A number that was measured in this run, for prose and tables.

    The mark lets the notebook tests compare the words around a number that another processor may change in its
    last digits; the notebook itself asserts the bounds of what it prints so.

    Parameters
    ----------
    value : float
        The number; NaN becomes an en dash.
    form : str
        Format specification.
    unit : str
        Appended as it is.
    """
    text = "–" if pd.isna(value) else format(value, form)
    return measured_text(text + unit)


def measured_text(text: str) -> str:
    """Words that depend on measured numbers, marked as :func:`measured` marks numbers."""
    return f'<span class="measured">{html.escape(text)}</span>'


def figure_html(figure: Figure, number: str, finding: str, alt: str) -> str:
    """A figure element: PNG picture with alternative text, numbered caption that states the finding.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        Closed afterwards.
    number : str
        ``chapter.figure``.
    finding : str
        What the figure shows, as a sentence.
    alt : str
        What can be seen, for readers who cannot see it.
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", bbox_inches="tight")
    plt.close(figure)
    picture = base64.b64encode(buffer.getvalue()).decode()
    return (
        f'<figure class="ser-figure" id="figure-{number.replace(".", "-")}">'
        f'<img src="data:image/png;base64,{picture}" alt="{html.escape(alt, quote=True)}" style="max-width:100%">'
        f"<figcaption><b>Figure {number}.</b> {html.escape(finding)}</figcaption></figure>"
    )


def table_html(
    frame: pd.DataFrame, number: str, caption: str, formats: dict[str, str], measured_columns: set[str]
) -> str:
    """A numbered table that scrolls sideways on a narrow screen, or breaks into a list a row if it holds sentences.

    Parameters
    ----------
    frame : pandas.DataFrame
        Flat columns; its index is not shown.
    number, caption : str
        ``chapter.table`` and what the table says.
    formats : dict
        Column to format specification, before :data:`FORMATS`.
    measured_columns : set of str
        Columns whose numbers were measured in this run (see :func:`measured`).
    """

    def cell(column: str, value: object) -> str:
        if pd.isna(value) or value == "":
            text = "–"
        elif isinstance(value, bool | np.bool_):
            text = "yes" if value else "no"
        elif isinstance(value, int | float | np.number):
            is_float = isinstance(value, float | np.floating)
            default = ".3f" if is_float and column in measured_columns else ""
            text = format(value, formats.get(column, FORMATS.get(column, default)))
            text = "<0.001" if column in _P and value < 0.0005 else text
        else:
            text = str(value)
        return measured_text(text) if column in measured_columns else html.escape(text)

    sentences = any(isinstance(value, str) and len(value) > _SENTENCE for value in frame.to_numpy().ravel())
    titles = [html.escape(str(column)) for column in frame.columns]
    starts = [f'<td data-column="{title}">' if sentences else "<td>" for title in titles]
    head = "".join(f'<th scope="col">{title}</th>' for title in titles)
    body = "".join(
        "<tr>"
        + "".join(
            f"{start}{cell(str(column), value)}</td>"
            for start, column, value in zip(starts, frame.columns, row, strict=True)
        )
        + "</tr>"
        for row in frame.itertuples(index=False, name=None)
    )
    kind = "ser-table ser-sentences" if sentences else "ser-table"
    return (
        f'<div class="{kind}" id="table-{number.replace(".", "-")}"><table><caption><span><b>Table {number}.</b> '
        f"{html.escape(caption)}</span></caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def claim_html(row: Mapping[str, object]) -> str:
    """A claim as a list: what is printed and where, the test, the evidence, the verdict.

    Parameters
    ----------
    row : mapping
        From :func:`sersupport.claims.ledger.check`; what was measured in this run is marked so.
    """
    mark = html.escape if row["basis"] == "print" else measured_text
    shown = {
        "Claim": html.escape(f"{row['claim']} ({row['paper']}, {row['place']})"),
        "Test": html.escape(str(row["test"])),
        "Evidence": mark(str(row["evidence"])),
        "Verdict": f"<strong>{mark(str(row['verdict']))}</strong>",
    }
    items = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in shown.items())
    return f'<dl class="ser-claim" id="claim-{html.escape(str(row["id"]))}">{items}</dl>'


def audio_html(samples: np.ndarray, rate_hz: int, label: str) -> str:
    """A small player (MP3 within the page) for embedded speech and noise.

    Parameters
    ----------
    samples : np.ndarray, shape (n,)
        Scaled down to full scale where it would clip.
    rate_hz : int
        Sampling rate.
    label : str
        What is heard.
    """
    buffer = io.BytesIO()
    samples = np.asarray(samples, dtype=np.float32)
    sf.write(buffer, samples / max(1.0, float(np.abs(samples).max())), rate_hz, format="MP3", subtype="MPEG_LAYER_III")
    data = base64.b64encode(buffer.getvalue()).decode()
    source = f'src="data:audio/mpeg;base64,{data}" aria-label="{html.escape(label, quote=True)}"'
    player = f'<audio controls preload="none" {source}></audio>'
    return f'<div class="ser-audio"><span>{html.escape(label)}</span> {player}</div>'
