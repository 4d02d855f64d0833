"""Figures of scores: what is drawn, in which unit, and that colour never speaks alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from met2net_ops.app.data.scored import Cell, ScoreCurve
from met2net_ops.app.figures.score_cells import scorecard_figure, station_figure
from met2net_ops.app.figures.scores import (
    better,
    explain,
    group_figure,
    lead_figure,
    shown_as,
)
from met2net_ops.app.units import Units
from met2net_ops.verification.results.scores import SCORES, score

LEADS = (6, 12, 18)
KNOTS = 3600 / 1852


def _curve(label: str, first: float, *, baseline: bool = False, band: bool = True) -> ScoreCurve:
    value = first + np.arange(3.0)
    nothing = np.full(3, np.nan)
    return ScoreCurve(
        label, baseline, LEADS, value, value - 0.5 if band else nothing,
        value + 0.5 if band else nothing, np.array([7, 8, 9]), np.array([3, 3, 3]),
    )  # fmt: skip


CURVES = [_curve("desk", 1.0), _curve("persistence", 2.0, baseline=True)]


def _cell(lead: int, gain: float, verdict: str, variable: str = "t2m") -> Cell:
    return Cell(variable, lead, 1.0, 2.0, gain, -1.0, 1.0, verdict, "why", 50, 12)


def test_lines_and_bands_in_the_readers_unit() -> None:
    row = score("rmse")
    shown = shown_as(row, "u10", Units(wind="kt"))
    figure = lead_figure(CURVES, row, shown)
    lines = {trace.name: trace for trace in figure.data if trace.name}
    np.testing.assert_allclose(lines["desk"].y, (1 + np.arange(3)) * KNOTS)
    band = figure.data[0]
    assert band.fill == "toself"
    np.testing.assert_allclose(max(band.y), 3.5 * KNOTS)
    np.testing.assert_allclose(min(band.y), 0.5 * KNOTS)
    assert "kt" in figure.layout.yaxis.title.text
    assert "lower is better" in figure.layout.yaxis.title.text
    # n is told with every point.
    key, text, n, cycles = lines["desk"].customdata[2]
    assert (key, n, cycles) == ("18", 9, 3)
    assert text == "5.83 kt (4.86 to 6.80)"


def test_without_intervals_there_is_no_band() -> None:
    row = score("rmse")
    figure = lead_figure([_curve("desk", 1.0, band=False)], row, shown_as(row, "t2m", Units()))
    assert [trace.name for trace in figure.data] == ["desk"]


def test_lines_differ_by_more_than_colour() -> None:
    names = ("desk", "persistence", "24 h persistence", "climatology")
    figure = lead_figure(
        [_curve(name, 1.0) for name in names], score("rmse"),
        shown_as(score("rmse"), "t2m", Units()),
    )  # fmt: skip
    dashes = [trace.line.dash for trace in figure.data if trace.name]
    assert len(set(dashes)) == len(names)
    groups = group_figure(
        [_curve(name, 1.0) for name in names], score("rmse"),
        shown_as(score("rmse"), "t2m", Units()), "hour", [str(lead) for lead in LEADS],
    )  # fmt: skip
    assert len({trace.marker.symbol for trace in groups.data}) == len(names)


def test_groups_have_error_bars() -> None:
    row = score("bias")
    figure = group_figure(
        CURVES, row, shown_as(row, "msl", Units()), "hour", [str(lead) for lead in LEADS]
    )
    first = figure.data[0]
    np.testing.assert_allclose(first.y, (1 + np.arange(3)) / 100)
    np.testing.assert_allclose(first.error_y.array, 0.005)
    np.testing.assert_allclose(first.error_y.arrayminus, 0.005)
    assert list(figure.layout.xaxis.ticktext) == ["6", "12", "18"]
    assert "best at 0" in figure.layout.yaxis.title.text


def test_a_skill_far_below_zero_does_not_flatten_the_rest() -> None:
    row = score("skill")
    figure = lead_figure([_curve("over persistence", -40.0)], row, shown_as(row, "t2m", Units()))
    assert figure.layout.yaxis.range == (-1.0, 1.05)


def test_a_scorecard_greys_signs_and_tells_of_clicks() -> None:
    cells = [
        _cell(6, 30.0, "better"), _cell(12, -20.0, "worse"), _cell(18, 4.0, "not significant"),
        _cell(6, np.nan, "not significant", "wind10"),
    ]  # fmt: skip
    figure = scorecard_figure(cells, score("rmse"))
    grey, coloured, clicks = figure.data
    assert list(coloured.y) == ["10 m wind", "t2m"]
    assert list(coloured.x) == ["+6", "+12", "+18"]
    np.testing.assert_array_equal(coloured.z[1], [30.0, -20.0, np.nan])
    np.testing.assert_array_equal(grey.z[1], [np.nan, np.nan, 0.0])
    assert (coloured.zmin, coloured.zmax) == (-50, 50)
    assert list(coloured.text[1]) == ["▲30", "▼20", "+4"]
    assert clicks.marker.opacity == 0
    assert clicks.type == "scattergl"
    assert [list(point[:2]) for point in clicks.customdata[:2]] == [["t2m", 6], ["t2m", 12]]
    assert "n = 50, 12 cycles" in clicks.customdata[0][2]


def test_stations_on_coastlines() -> None:
    row = score("bias")
    figure = station_figure(
        ["A", "B", "C"], np.array([50.0, -30.0, 10.0]), np.array([350.0, 100.0, 10.0]),
        np.array([1.0, -2.0, np.nan]), np.array([5, 6, 0]), row,
        shown_as(row, "t2m", Units()),
    )  # fmt: skip
    coast, stations = figure.data
    assert coast.mode == "lines"
    assert len(coast.x) > 100
    np.testing.assert_allclose(stations.x, [-10.0, 100.0, 10.0])
    assert stations.marker.cmin == -stations.marker.cmax
    assert list(stations.customdata[0]) == ["A", "1.00 K", 5]
    west, east = figure.layout.xaxis.range
    assert west < -10
    assert east > 100


def test_every_score_of_the_table_can_be_explained_and_drawn() -> None:
    for row in SCORES.values():
        assert row.formula in explain(row)
        assert better(row) in explain(row)
        variable = "wind10" if row.kind == "vector" else "t2m"
        shown = shown_as(row, variable, Units())
        assert shown.scale > 0
        figure = lead_figure([_curve("desk", 0.1)], row, shown)
        assert row.label in figure.layout.yaxis.title.text
        value = np.array([0.2, 0.4])
        assert (
            station_figure(["A", "B"], value, value, value, np.array([1, 2]), row, shown)
            .data[1]
            .marker.colorscale
        )


@pytest.mark.parametrize("change", [{"keys": ()}, {"value": np.full(3, np.nan)}])
def test_a_curve_without_a_value_is_named_but_not_drawn(change: dict[str, object]) -> None:
    row = score("rmse")
    shown = shown_as(row, "t2m", Units())
    if "keys" in change:
        empty = np.zeros(0)
        change |= dict.fromkeys(("value", "low", "high", "n", "cycles"), empty)
    figure = lead_figure([replace(CURVES[0], **change)], row, shown)  # type: ignore[arg-type]
    lines = [trace for trace in figure.data if trace.mode == "lines+markers"]
    assert [trace.name for trace in lines] == ["desk"]  # the legend names it all the same
    assert not np.isfinite(lines[0].y).any()
    assert row.label in figure.layout.yaxis.title.text


def test_figures_of_nothing_keep_their_axes() -> None:
    row = score("rmse")
    shown = shown_as(row, "t2m", Units())
    empty = lead_figure([], row, shown)
    assert not empty.data
    assert empty.layout.xaxis.title.text == "lead time, h"
    card = scorecard_figure([], row)
    assert [trace.z.size for trace in card.data[:2]] == [0, 0]
    assert not len(card.data[2].x)
    nothing = np.zeros(0)
    world = station_figure([], nothing, nothing, nothing, nothing.astype(int), row, shown)
    assert tuple(world.layout.xaxis.range) == (-180, 180)
    assert len(world.data[0].x) > 1000  # coasts, and no station
    assert not len(world.data[1].x)
