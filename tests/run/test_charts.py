"""Figures: the numbers that are drawn, one colour a system, numbers as asked."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

from sersupport.run import charts, figures


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture
def scores():
    rows = [
        {"protocol": protocol, "speech": speech, "recall": recall, "uar_low": recall - 0.1, "uar_high": recall + 0.2}
        for protocol, recall in (("row-random", 0.9), ("by speaker", 0.5))
        for speech, recall in (("clean", recall), ("noisy", recall - 0.2))
    ]
    return pd.DataFrame(rows)


@pytest.mark.parametrize("sideways", [False, True])
def test_points_stand_at_their_values_with_their_intervals(scores, sideways):
    figure = charts.interval_plot(scores, "protocol", sideways=sideways, labels={"by speaker": "by\nspeaker"}, line=0.2)
    (ax,) = figure.axes
    assert len(ax.containers) == 2
    for number, container in enumerate(ax.containers):
        points, _, (bars,) = container
        places, values = points.get_data()[::-1] if sideways else points.get_data()
        assert np.allclose(values, [0.9 - 0.2 * number, 0.5 - 0.2 * number])
        assert np.allclose(places, np.array([0, 1]) + (number - 0.5) * 0.22)
        ends = np.array(bars.get_segments())[:, :, 0 if sideways else 1]
        assert np.allclose(ends, np.array([values - 0.1, values + 0.2]).T)
    axis = ax.yaxis if sideways else ax.xaxis
    assert [label.get_text() for label in axis.get_ticklabels()] == ["row-random", "by\nspeaker"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["chance", "clean", "noisy"]


def test_an_interval_that_is_not_known_is_left_out(scores):
    scores.loc[0, ["uar_low", "uar_high"]] = np.nan
    figure = charts.interval_plot(scores, "protocol", line=None)
    bars = figure.axes[0].containers[0][2][0].get_segments()
    assert [len(bar) for bar in bars] == [0, 2]
    figure.canvas.draw()


def test_panels_share_their_scale_and_the_order_of_categories(scores):
    both = pd.concat([scores.assign(system="B"), scores.iloc[::-1].assign(system="linear probe")])
    figure = charts.interval_plot(both, "protocol", panel="system", title="Above all")
    assert [ax.get_title() for ax in figure.axes] == ["B", "linear probe"]
    first, second = ([c[0].get_data()[1].max() for c in ax.containers] for ax in figure.axes)
    assert first == second and figure.get_suptitle() == "Above all"


def test_systems_beyond_the_four_rows_have_a_colour_and_a_label():
    colours = figures.system_colours(["linear probe", "B", "toy", "B"])
    assert list(colours) == ["linear probe", "B", "toy"] and len(set(colours.values())) == 3
    assert colours["B"] == figures.system_colours(["A", "B"])["B"] == figures.PALETTE[1]
    assert figures.system_label("A") == "row A" and figures.system_label("toy") == "toy"
    rows = [
        {"system": system, "noise": noise, "level": level, "recall": 0.5}
        for system in ("A", "linear probe")
        for noise in ("white", "pink", "brown", "fish_market")
        for level in (0.25, 0.5)
    ]
    figure = charts.noise_panels(pd.DataFrame(rows), "λ", 0.2)
    assert [ax.get_title() for ax in figure.axes[:4]] == ["white", "pink", "brown", "fish market"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["row A", "linear probe"]


def test_numbers_are_written_as_asked():
    assert figures.measured(float("nan")) == '<span class="measured">–</span>'
    assert figures.measured(3.14159, ".1f", " dB") == '<span class="measured">3.1 dB</span>'
