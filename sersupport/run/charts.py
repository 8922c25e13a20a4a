"""Figures that several notebooks draw."""

from collections.abc import Mapping, Sequence
from itertools import cycle

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sersupport.run.figures import PALETTE, system_colours, system_label

UAR = ("recall", "uar_low", "uar_high")  # columns of sersupport.evaluation.tables.summarise
_APART = 0.22  # between neighbouring series of one category, whose width is 1, where there are few


def interval_plot(
    scores: pd.DataFrame,
    category: str,
    series: str = "speech",
    *,
    panel: str | None = None,
    columns: Sequence[str] = UAR,
    labels: Mapping[str, str] | None = None,
    title: str = "",
    axis: str = "UAR, 95 % over speakers",
    limits: tuple[float, float] | None = (0, 1),
    line: float | None = None,
    line_label: str | None = "chance",
    sideways: bool = False,
) -> Figure:
    """Points with intervals: a place a category, a colour a series, the series beside each other.

    Parameters
    ----------
    scores : pandas.DataFrame
        One row a point. Categories and panels stand in the order in which they appear, series in that of their names,
        so that one keeps its colour from figure to figure.
    category, series : str
        Columns: what the places are, and what the colours are.
    panel : str, optional
        Column: a panel each of its values, all on one scale.
    columns : sequence of three str
        The value and the ends of its interval; an interval that is NaN is left out.
    labels : mapping, optional
        What a category is called on its axis, where not by its own name.
    title : str
        The finding; with panels, above them all.
    axis : str
        Label of the values' axis.
    limits : tuple of two floats, optional
        Of the values' axis.
    line : float, optional
        Value at which a dotted line stands, such as that of chance or a difference of 0.
    line_label : str, optional
        What the line is, for the legend.
    sideways : bool
        Values to the right, categories downwards: for long names.

    Returns
    -------
    matplotlib.figure.Figure
        With a legend below.
    """
    panels = [(title, scores)] if panel is None else list(scores.groupby(panel, sort=False))
    names, kinds = list(scores[category].unique()), sorted(scores[series].unique())
    colours = system_colours(kinds) if series == "system" else dict(zip(kinds, cycle(PALETTE), strict=False))
    apart = min(_APART, 0.8 / len(kinds))
    size = (8.0, 1.6 + 0.45 * len(names)) if sideways else (8.0 if panel is None else 10.0, 3.9)
    figure, axes = plt.subplots(1, len(panels), figsize=size, sharex=True, sharey=True, squeeze=False)
    for ax, (above, part) in zip(axes.flat, panels, strict=True):
        for number, (kind, colour) in enumerate(colours.items()):
            rows = part[part[series] == kind]
            places = rows[category].map(names.index) + (number - (len(kinds) - 1) / 2) * apart
            _points(ax, places, rows[list(columns)], sideways, color=colour, label=str(kind))
        if line is not None:
            (ax.axvline if sideways else ax.axhline)(line, color="0.5", linestyle=":", label=line_label)
        ax.set_title(above)
    shown = [(labels or {}).get(name, name) for name in names]
    first = axes.flat[0]
    if sideways:
        first.set_yticks(range(len(names)), shown)
        first.set_ylim(len(names) - 0.5, -0.5)
        first.set_xlabel(axis)
    else:
        first.set_xticks(range(len(names)), shown)
        first.set(xlim=(-0.5, len(names) - 0.5), ylabel=axis)
    if limits:
        first.set(**{"xlim" if sideways else "ylim": limits})
    if panel is not None:
        figure.suptitle(title, fontsize=11)
    figure.legend(*first.get_legend_handles_labels(), ncols=4, loc="outside lower center")
    return figure


def _points(ax: Axes, places: pd.Series, values: pd.DataFrame, sideways: bool, **style: str) -> None:
    value, low, high = (values[name].to_numpy(float) for name in values)
    # rounding may put a value a hair outside its own interval
    reach = np.clip([value - low, high - value], 0, None)
    where = (value, places) if sideways else (places, value)
    ax.errorbar(*where, **{"xerr" if sideways else "yerr": reach}, fmt="o", capsize=4, **style)


def noise_panels(scores: pd.DataFrame, axis: str, line: float) -> Figure:
    """UAR against the level of noise: a panel a noise, a curve a system, chance dotted.

    Parameters
    ----------
    scores : pandas.DataFrame
        ``system``, ``noise``, ``level``, ``recall``; as :func:`sersupport.evaluation.tables.summarise` gives them.
    axis : str
        Label of the level's axis.
    line : float
        Where chance is, with the classes that there are.
    """
    groups = list(scores.groupby("noise", sort=False))
    rows = -(-len(groups) // 3)
    colours = system_colours(scores["system"])
    figure, axes = plt.subplots(rows, 3, figsize=(10, 2.8 * rows), sharex=True, sharey=True, squeeze=False)
    for ax, (noise, of_noise) in zip(axes.flat, groups, strict=False):
        for system, curve in of_noise.groupby("system"):
            ax.plot(curve["level"], curve["recall"], marker="o", color=colours[system], label=system_label(system))
        ax.axhline(line, color="0.5", linestyle=":")
        ax.set(title=noise.replace("_", " "), ylim=(0, 1), xlabel=axis, ylabel="UAR")
        ax.set_xticks(of_noise["level"].unique())
        ax.label_outer()
    figure.legend(*axes.flat[0].get_legend_handles_labels(), ncols=5, loc="outside lower center")
    return figure
