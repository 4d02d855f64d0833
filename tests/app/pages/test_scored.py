"""Curves, scorecards and cases against closed forms of the errors they are made from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pages_desk import CYCLES, LEADS, PAIRS, REGIONS, errors

from met2net_ops.app.data.scored import (
    cases,
    curves,
    hour_labels,
    join_regions,
    lead_labels,
    month_labels,
    only_lead,
    scorecard_row,
    thin_leads,
)
from met2net_ops.app.data.verified import (
    sums_of,
    take_inventory,
    verified_models,
)
from met2net_ops.paths import WorkspacePaths
from met2net_ops.verification.results.conditions import Slice
from met2net_ops.verification.results.cube import Cube, load_cube
from met2net_ops.workspace import create_workspace


def _all(system: str, variable: str = "t2m", model: str = "desk") -> np.ndarray:
    """(cycle, lead, subset, pair)."""
    return np.stack([errors(model, "analysis", variable, system, time) for time in CYCLES])


@pytest.fixture(scope="module")
def cube(scored: WorkspacePaths) -> Cube:
    return load_cube(sums_of(scored, "analysis", "desk", "all"), Slice("continuous", "t2m"))


def test_a_curve_by_lead_is_the_closed_form_with_its_interval(cube: Cube) -> None:
    found = curves(cube, "rmse", lead_labels(cube), "desk")
    assert [curve.label for curve in found] == [
        "desk", "persistence", "24 h persistence", "climatology",
    ]  # fmt: skip
    assert [curve.baseline for curve in found] == [False, True, True, True]
    for curve, system in zip(found, ("forecast", "persistence"), strict=False):
        expected = np.sqrt((_all(system)[:, :, 0] ** 2).mean(axis=(0, 2)))
        np.testing.assert_allclose(curve.value, expected, rtol=1e-9)
        assert curve.keys == LEADS
        assert (curve.low < curve.value).all()
        assert (curve.value < curve.high).all()
        np.testing.assert_array_equal(curve.n, PAIRS * len(CYCLES))
    later = np.sqrt((_all("persistence-24h")[1:, :, 0] ** 2).mean(axis=(0, 2)))
    np.testing.assert_allclose(found[2].value, later, rtol=1e-9)
    np.testing.assert_array_equal(found[2].cycles, len(CYCLES) - 1)


def test_a_skill_has_a_curve_per_baseline(cube: Cube) -> None:
    found = curves(cube, "skill", lead_labels(cube), "desk")
    assert [curve.label for curve in found] == [
        "over persistence", "over 24 h persistence", "over climatology",
    ]  # fmt: skip
    ours, theirs = ((_all(s)[:, :, 0] ** 2).mean(axis=(0, 2)) for s in ("forecast", "persistence"))
    np.testing.assert_allclose(found[0].value, 1 - ours / theirs, rtol=1e-9)


def test_by_hour_and_month(cube: Cube) -> None:
    (ours, *_) = curves(cube, "bias", hour_labels(cube), "desk", intervals=False)
    assert ours.keys == (0, 6, 12, 18)
    hours = np.array([[(time.hour + lead) % 24 for lead in LEADS] for time in CYCLES])
    expected = [_all("forecast")[:, :, 0][hours == hour].mean() for hour in ours.keys]
    np.testing.assert_allclose(ours.value, expected, rtol=1e-9)
    assert np.isnan(ours.low).all()
    (month, *_) = curves(cube, "bias", month_labels(cube), "desk")
    assert month.keys == (202611,)
    assert month.n.sum() == PAIRS * len(CYCLES) * len(LEADS)
    (one, *_) = curves(cube, "bias", only_lead(cube, hour_labels(cube), 24), "desk")
    assert one.n.sum() == PAIRS * len(CYCLES)


def test_few_cycles_have_no_interval_and_say_why(few: WorkspacePaths) -> None:
    found = load_cube(sums_of(few, "analysis", "desk", "all"), Slice("continuous", "msl"))
    for curve in curves(found, "rmse", lead_labels(found), "desk"):
        assert np.isnan(curve.low).all()
        assert curve.why_not == (f"{curve.cycles[0]} cycles, 10 needed",)


def test_regions_side_by_side(scored: WorkspacePaths) -> None:
    files = sums_of(scored, "analysis", "desk", "all")
    parts = {}
    for region in REGIONS:
        found = load_cube(files, Slice("continuous", "t2m", region=region))
        parts[region] = curves(found, "rmse", np.zeros_like(lead_labels(found)), "desk")
    (ours, persistence, *_) = join_regions(parts)
    assert ours.keys == REGIONS
    expected = np.sqrt((_all("forecast") ** 2).mean(axis=(0, 1, 3)))
    np.testing.assert_allclose(ours.value, expected, rtol=1e-9)
    assert persistence.label == "persistence"


def test_a_scorecard_greys_what_is_not_significant(scored: WorkspacePaths) -> None:
    files = sums_of(scored, "analysis", "desk", "all")
    verdicts = {}
    for region in ("all", "southern-extratropics"):
        found = load_cube(files, Slice("continuous", "t2m", region=region))
        grouped = found.grouped(lead_labels(found), baseline="persistence")
        verdicts[region] = scorecard_row("rmse", "t2m", grouped, ("desk", "persistence"))
    assert {cell.verdict for cell in verdicts["all"]} == {"better"}
    for cell, lead in zip(verdicts["all"], LEADS, strict=True):
        assert cell.lead == lead
        assert cell.gain == pytest.approx(100 * (cell.theirs - cell.ours) / cell.theirs)
        assert cell.high < 0
        assert cell.n == PAIRS * len(CYCLES)
    # The same errors on both sides: hardly ever more than chance.
    south = [cell.verdict for cell in verdicts["southern-extratropics"]]
    assert south.count("not significant") >= len(south) - 1


def test_the_cases_behind_a_number_come_worst_first(cube: Cube) -> None:
    mask = lead_labels(cube) == 12
    table = cases(cube, "rmse", mask, ("persistence", cube.systems["persistence"]))
    assert len(table) == len(CYCLES)
    assert set(table["lead"]) == {12}
    worse = table["model"] - table["reference"]
    assert worse.is_monotonic_decreasing
    first = {f"{time:%Y-%m-%dT%H:%MZ}": index for index, time in enumerate(CYCLES)}
    column = LEADS.index(12)
    for cycle, value in zip(table["cycle"], table["model"], strict=True):
        expected = np.sqrt((_all("forecast")[first[cycle], column, 0] ** 2).mean())
        assert value == pytest.approx(expected)
    assert (table["n"] == PAIRS).all()
    biased = cases(cube, "bias", mask, None)
    assert biased["model"].abs().is_monotonic_decreasing
    assert biased["reference"].isna().all()
    skill = cases(cube, "skill", mask, ("persistence", cube.systems["persistence"]))
    assert skill["model"].is_monotonic_increasing


def test_what_there_is_to_choose_from(scored: WorkspacePaths) -> None:
    assert verified_models(scored) == {
        "analysis": ["desk", "rival"], "stations": ["desk"],
    }  # fmt: skip
    files = sums_of(scored, "analysis", "desk", "all")
    found = take_inventory(files)
    assert found.variables == ("t2m", "msl", "wind10")
    assert found.leads == LEADS
    assert found.regions[0] == "all"
    assert set(found.regions) == set(REGIONS)
    assert found.thresholds("t2m", "contingency") == [273.15]
    assert found.thresholds("t2m", "continuous") == []
    names = [row.name for row in found.scores("wind10")]
    assert "vector_rmse" in names
    assert "rmse" not in names
    assert take_inventory(sums_of(scored, "stations", "desk", "all")).regions == ()


def test_a_period_counts_from_the_newest_cycle(scored: WorkspacePaths, few: WorkspacePaths) -> None:
    assert len(sums_of(scored, "analysis", "desk", "7").times()) == len(CYCLES)
    assert sums_of(scored, "analysis", "nobody", "30").times() == []
    path = sums_of(few, "analysis", "desk", "all").cycles[0]
    path.rename(path.with_name("desk_2020010100.parquet"))
    assert len(sums_of(few, "analysis", "desk", "365").times()) == 1


def test_the_state_of_files_changes_with_any_of_them(few: WorkspacePaths) -> None:
    def state() -> str:
        return sums_of(few, "analysis", "desk", "all").state

    first, second = sums_of(few, "analysis", "desk", "all").cycles[:2]
    before = state()
    assert state() == before
    first.write_bytes(first.read_bytes() + b" ")
    changed = state()
    assert changed != before
    second.unlink()
    assert state() not in (before, changed)


def test_an_empty_workspace_has_nothing(tmp_path: Path) -> None:
    workspace = create_workspace(tmp_path / "desk").paths
    assert verified_models(workspace) == {}


@given(st.lists(st.integers(1, 400), unique=True, max_size=300), st.integers(1, 40))
def test_thinned_leads_keep_the_last(leads: list[int], most: int) -> None:
    leads.sort()
    kept = thin_leads(leads, most)
    assert len(kept) <= most
    assert set(kept) <= set(leads)
    assert kept[-1:] == leads[-1:]
