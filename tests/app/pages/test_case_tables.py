"""Case tables and the map of stations against closed forms of the errors behind them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np
import pytest
from charts import chart, numbers
from dashboard import open_page
from pages_desk import CYCLES, LEADS, PAIRS, STATIONS, errors, make_scores
from streamlit.testing.v1 import AppTest

from met2net_ops.paths import WorkspacePaths
from met2net_ops.times import HOUR, format_time, parse_time
from met2net_ops.workspace import create_workspace

KNOTS = 3600 / 1852
RIVALS_LEADS = (12, 24, 36, 48)


@pytest.fixture(scope="module")
def uneven(tmp_path_factory: pytest.TempPathFactory) -> WorkspacePaths:
    """As many cycles and leads of two models, but not the same."""
    workspace = create_workspace(tmp_path_factory.mktemp("uneven") / "desk").paths
    make_scores(workspace, ("desk",), CYCLES[:4] + CYCLES[5:])
    make_scores(workspace, ("rival",), CYCLES[:2] + CYCLES[3:], RIVALS_LEADS)
    return workspace


def _cases(page: AppTest) -> Any:
    (table,) = [frame.value for frame in page.dataframe if "valid" in frame.value.columns]
    return table


def _rms(
    variable: str,
    system: str,
    cycle: datetime,
    lead: int,
    model: str = "desk",
    leads: tuple[int, ...] = LEADS,
) -> float:
    """Over the whole grid, in the stored unit."""
    off = errors(model, "analysis", variable, system, cycle, leads)[leads.index(lead), 0]
    return float(np.sqrt((off**2).mean()))


@pytest.mark.parametrize(
    ("variable", "title", "scale"),
    [("msl", "Root mean square error, hPa, desk", 0.01), ("wind10", "kt, desk", KNOTS)],
)
@pytest.mark.parametrize("view", ["lead", "scorecard"])
def test_cases_are_in_the_unit_above_them(
    scored: WorkspacePaths, view: str, variable: str, title: str, scale: float
) -> None:
    cell = f"{variable}.12" if view == "scorecard" else "12"
    query = {"view": view, "variable": variable, "cell": cell, "wind": "kt"}
    page = open_page(scored.root, "verification", model="desk", **query)
    table = _cases(page)
    (ours,) = [name for name in table.columns if name.endswith(title)]
    assert sorted(table["cycle"]) == [format_time(cycle) for cycle in CYCLES]
    for _, row in table.iterrows():
        cycle = parse_time(row["cycle"])
        assert row["valid"] == format_time(cycle + 12 * HOUR)
        for column, system in ((ours, "forecast"), ("of persistence", "persistence")):
            assert row[column] == pytest.approx(scale * _rms(variable, system, cycle, 12))


@pytest.mark.parametrize(("variable", "lead"), [("msl", 12), ("t2m", 24), ("wind10", 24)])
def test_a_rival_is_compared_at_the_same_cycles_and_leads(
    uneven: WorkspacePaths, variable: str, lead: int
) -> None:
    query = {"view": "scorecard", "against": "model:rival", "cell": f"{variable}.{lead}"}
    page = open_page(uneven.root, "verification", model="desk", **query)
    table = _cases(page)
    assert sorted(table["cycle"]) == [
        format_time(cycle) for cycle in CYCLES[:2] + CYCLES[3:4] + CYCLES[5:]
    ]
    assert (table["lead, h"] == lead).all()
    assert (table["n"] == PAIRS).all()
    (ours,) = [name for name in table.columns if name.endswith(", desk")]
    scale = 0.01 if variable == "msl" else 1.0
    for _, row in table.iterrows():
        cycle = parse_time(row["cycle"])
        assert row[ours] == pytest.approx(scale * _rms(variable, "forecast", cycle, lead))
        rival = _rms(variable, "forecast", cycle, lead, "rival", RIVALS_LEADS)
        assert row["of rival"] == pytest.approx(scale * rival)


def test_stations_stand_where_they_are_with_their_own_score(scored: WorkspacePaths) -> None:
    page = open_page(
        scored.root, "verification", model="desk", truth="stations", view="station", variable="msl"
    )
    drawn = chart(page)["data"][1]
    off = np.stack([errors("desk", "stations", "msl", "forecast", cycle) for cycle in CYCLES])
    hectopascal = np.sqrt((off**2).mean(axis=(0, 1, 3))) / 100
    at = {subset.name: place for place, subset in enumerate(STATIONS)}
    names = [point[0] for point in drawn["customdata"]]
    assert sorted(names) == sorted(at)
    for axis, expected in (
        ("x", [STATIONS[at[name]].longitude for name in names]),
        ("y", [STATIONS[at[name]].latitude for name in names]),
    ):
        np.testing.assert_allclose(numbers(drawn[axis]), expected)
    for name, point in zip(names, drawn["customdata"], strict=True):
        assert point[1:] == [f"{hectopascal[at[name]]:.2f} hPa", len(CYCLES) * len(LEADS) * PAIRS]
