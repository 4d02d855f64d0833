"""The cube of sums against the queries that ask the files row by row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pages_desk import CYCLES, LEADS, REGIONS, STATIONS, make_scores

from met2net_ops.errors import VerificationError
from met2net_ops.paths import WorkspacePaths
from met2net_ops.verification.inputs.regions import Region
from met2net_ops.verification.results.conditions import Slice
from met2net_ops.verification.results.cube import load_cube, load_stations
from met2net_ops.verification.results.query import Grouped, Selection, grouped_sums
from met2net_ops.verification.store.listing import stored_sums
from met2net_ops.workspace import create_workspace

EUROPE = Region("europe", 60.0, 40.0, 0.0, 30.0)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> WorkspacePaths:
    found = create_workspace(tmp_path_factory.mktemp("cube") / "desk").paths
    make_scores(found, ("desk",), CYCLES[:3])
    return found


def same(ours: Grouped, theirs: Grouped) -> bool:
    """Whether groups, cycles and sums agree, those of the baseline where there is one too."""
    pairs = [(ours.forecast, theirs.forecast)]
    if theirs.baseline is not None:
        assert ours.baseline is not None
        pairs.append((ours.baseline, theirs.baseline))
    return (
        ours.keys == theirs.keys
        and np.array_equal(ours.cycles, theirs.cycles)
        and all(np.allclose(a.values, b.values, rtol=1e-12, atol=0) for a, b in pairs)
    )


@pytest.mark.parametrize("truth", ["analysis", "stations"])
@pytest.mark.parametrize(("kind", "variable"), [("continuous", "msl"), ("vector", "wind10")])
@pytest.mark.parametrize("baseline", [None, "persistence", "climatology"])
def test_leads_hold_what_the_files_hold(
    workspace: WorkspacePaths, truth: str, kind: str, variable: str, baseline: str | None
) -> None:
    cube = load_cube(stored_sums(workspace, truth, ["desk"]), Slice(kind, variable))
    leads = np.broadcast_to(cube.leads, (len(cube.cycles), len(cube.leads)))
    selection = Selection(truth, "desk", variables=(variable,))
    theirs = grouped_sums(workspace, kind, ("lead",), selection, baseline)
    assert len(theirs.keys) == len(LEADS)
    assert same(cube.grouped(leads, baseline=baseline), theirs)


@pytest.mark.parametrize("region", [*REGIONS, EUROPE])
def test_regions(workspace: WorkspacePaths, region: str | Region) -> None:
    truth = "analysis" if isinstance(region, str) else "stations"
    cube = load_cube(
        stored_sums(workspace, truth, ["desk"]), Slice("continuous", "t2m", region=region)
    )
    hours = (cube.valid_times.astype("datetime64[h]").astype(int)) % 24
    selection = Selection(truth, "desk", variables=("t2m",), region=region)
    theirs = grouped_sums(workspace, "continuous", ("hour",), selection)
    assert theirs.keys
    assert same(cube.grouped(hours), theirs)


def test_a_baseline_that_is_missing_for_a_cycle_takes_that_cycle_out(
    workspace: WorkspacePaths,
) -> None:
    cube = load_cube(stored_sums(workspace, "analysis", ["desk"]), Slice("continuous", "t2m"))
    assert cube.lacking("persistence") == []
    lacking = cube.lacking("persistence-24h")
    assert {lead for _, lead in lacking} == set(LEADS)
    assert {cycle for cycle, _ in lacking} == {cube.cycles[0]}
    leads = np.broadcast_to(cube.leads, (len(cube.cycles), len(cube.leads)))
    both = cube.grouped(leads, baseline="persistence-24h")
    assert both.baseline is not None
    assert (both.forecast["n"][0] == 0).all()
    np.testing.assert_array_equal(both.forecast["n"], both.baseline["n"])
    assert (both.forecast["n"][1:] > 0).all()


def test_stations(workspace: WorkspacePaths) -> None:
    files = stored_sums(workspace, "stations", ["desk"])
    part = Slice("continuous", "t2m")
    cube = load_cube(files, part)
    selection = Selection("stations", "desk", variables=("t2m",), leads=(12,))
    for baseline in (None, "persistence-24h"):
        lacking = cube.lacking(baseline) if baseline else []
        found = load_stations(files, part, (12,), baseline, lacking)
        theirs = grouped_sums(workspace, "continuous", ("subset",), selection, baseline)
        assert [(name,) for name in found.names] == theirs.keys
        np.testing.assert_allclose(
            found.forecast.values, theirs.forecast.total().values, rtol=1e-12
        )
        if baseline:
            assert found.baseline is not None
            assert theirs.baseline is not None
            np.testing.assert_allclose(
                found.baseline.values, theirs.baseline.total().values, rtol=1e-12
            )
    known = {station.name: station for station in STATIONS}
    for name, latitude, height in zip(found.names, found.latitude, found.height, strict=True):
        assert latitude == known[name].latitude
        assert height == known[name].height or (known[name].height is None and np.isnan(height))


def test_one_station_and_one_event(workspace: WorkspacePaths) -> None:
    files = stored_sums(workspace, "stations", ["desk"])
    name = STATIONS[2].name  # as odd as a name can be
    cube = load_cube(files, Slice("continuous", "t2m", station=name))
    whole = load_stations(files, Slice("continuous", "t2m"))
    np.testing.assert_allclose(
        cube.systems["forecast"].values.sum(axis=(0, 1)),
        whole.forecast.values[whole.names.index(name)],
    )
    events = load_cube(files, Slice("contingency", "t2m", threshold=273.15))
    assert events.systems["forecast"]["hits"].sum() == 20 * len(STATIONS) * len(LEADS) * 3
    none = load_cube(files, Slice("contingency", "t2m", threshold=280.0))
    assert none.systems["forecast"]["n"].size == 0


def test_files_are_chosen_by_the_cycle_in_their_name(workspace: WorkspacePaths) -> None:
    chosen = stored_sums(workspace, "analysis", ["desk"], CYCLES[1], CYCLES[1])
    assert [path.name for path in chosen.cycles] == [f"desk_{CYCLES[1]:%Y%m%d%H}.parquet"]
    assert chosen.times() == [CYCLES[1]]
    assert stored_sums(workspace, "analysis", ["nobody"]).cycles == ()


def test_no_files_are_no_sums(workspace: WorkspacePaths) -> None:
    none = stored_sums(workspace, "stations", ["nobody"])
    assert load_cube(none, Slice("vector", "wind10")).systems["forecast"]["n"].shape == (0, 0)
    assert load_stations(none, Slice("vector", "wind10"), None, "persistence").names == ()


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    workspace = create_workspace(tmp_path / "desk").paths
    make_scores(workspace, ("desk",), CYCLES[:1])
    stored = stored_sums(workspace, "analysis", ["desk"])
    (path,) = stored.cycles
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(VerificationError, match=path.name):
        load_cube(stored, Slice("continuous", "t2m"))
