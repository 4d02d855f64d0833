"""Zarr stores over HTTP, laid out as the public ones: values, traffic, faults, resuming."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from gridded_server import START, Server, world

from met2net_ops.catalog.origins import origins
from met2net_ops.datasets.fetch import Fetched, fetch
from met2net_ops.datasets.opening import opened
from met2net_ops.datasets.plan import make_plan
from met2net_ops.datasets.request import make_request
from met2net_ops.datasets.source import Dataset, find_dataset
from met2net_ops.errors import DatasetError
from met2net_ops.times import time_range
from met2net_ops.workspace import Workspace, create_workspace

HOURS = 72
HOUR = timedelta(hours=1)
# Across Greenwich, on points of the store.
GRID = {"name": "isles", "north": 60.0, "west": -12.5, "dlat": 2.5, "dlon": 2.5, "nlat": 6,
        "nlon": 8}  # fmt: skip
VARIABLES = ["t2m", "u10", "v10", "ws10", "tp"]
GFS = find_dataset("gfs-analysis")


def write_store(root: Path, data: xr.Dataset, **chunks: int | bool) -> None:
    shards = chunks.pop("shards", None)
    zero_fill = bool(chunks.pop("zero_fill", False))
    consolidated = bool(chunks.pop("consolidated", True))
    sizes = {"time": 24, "latitude": 20, "longitude": 20, **chunks}
    encoding = {}
    for name, array in data.data_vars.items():
        own = tuple(min(sizes[str(d)], data.sizes[d]) for d in array.dims)
        encoding[name] = {"chunks": own, **({"fill_value": 0.0} if zero_fill else {})}
        if shards and "time" in array.dims:
            encoding[name]["shards"] = (own[0] * 2, own[1] * 2, own[2] * 2)
    data.to_zarr(root, encoding=encoding, zarr_format=3, consolidated=consolidated)


@pytest.fixture
def desk(tmp_path: Path) -> Workspace:
    return create_workspace(tmp_path / "desk", {"grid": GRID, "archive": {"variables": VARIABLES}})


def fetched(desk: Workspace, where: str, dataset: Dataset = GFS) -> tuple[Fetched, int, int, int]:
    """What came; frames planned, bytes planned, bytes of the traffic."""
    with opened([where]) as parts:
        grid, names = desk.settings.grid.grid(), desk.settings.archive.variables
        request = make_request(parts, dataset, grid, names, HOUR)
        plan = make_plan(request, desk.paths.archive)
        traffic = parts[0].traffic
        before = traffic.bytes if traffic else 0
        result = Fetched()
        for _ in fetch(request, desk.create_archive(), desk.create_catalog(), result):
            pass
        return result, request.frames, plan.wire_bytes, (traffic.bytes if traffic else 0) - before


def archived(desk: Workspace, name: str) -> np.ndarray:
    return desk.archive.read([name], time_range(START, START + HOUR * (HOURS - 1)))[:, 0]


def truth(data: xr.Dataset, name: str) -> np.ndarray:
    """By xarray's own selection, in the store's units."""
    grid = GRID
    latitudes = grid["north"] - 2.5 * np.arange(6)
    longitudes = (grid["west"] + 2.5 * np.arange(8)) % 360
    return data[name].sel(latitude=latitudes, longitude=longitudes).values


def check_values(desk: Workspace, data: xr.Dataset) -> None:
    u, v = truth(data, "wind_u_10m"), truth(data, "wind_v_10m")
    assert np.array_equal(archived(desk, "u10"), u)
    np.testing.assert_allclose(archived(desk, "ws10"), np.hypot(u, v), rtol=1e-6)
    celsius = truth(data, "temperature_2m")
    assert np.array_equal(archived(desk, "t2m"), celsius + np.float32(273.15))
    rain = truth(data, "precipitation_surface")
    assert np.array_equal(archived(desk, "tp"), rain * np.float32(3600))


LAYOUTS = {
    "chunks of time": {},
    "one hour a chunk": {"time": 1, "latitude": 999, "longitude": 999},
    "shards": {"shards": True},
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("south_first", [False, True])
def test_values_are_the_stores_and_only_chunks_that_meet_the_grid_are_read_once(
    server: Server, tmp_path: Path, desk: Workspace, layout: dict[str, int], south_first: bool
) -> None:
    data = world(HOURS, south_first=south_first)
    write_store(tmp_path / "served" / "a.zarr", data, **layout)
    result, planned, plan_bytes, read_bytes = fetched(desk, f"{server.url}/a.zarr")
    assert result.frames == planned == HOURS * len(VARIABLES)
    assert not result.problems
    assert not result.refused
    check_values(desk, data)
    assert read_bytes == pytest.approx(plan_bytes, rel=0.05)
    if not layout:
        # The isles need rows 12 to 17, columns 139 to 143 and 0 to 2.
        keys = [k for k in server.requests if "/temperature_2m/c/" in k]
        places = {tuple(map(int, re.findall(r"\d+", k.split("/c/")[1]))) for k in keys}
        row = 2 if south_first else 0
        assert {place[1] for place in places} <= {row, row + 1} | {0}
        assert {place[2] for place in places} <= {0, 6, 7}


def test_an_origin_says_where_every_frame_is_from(
    server: Server, tmp_path: Path, desk: Workspace
) -> None:
    write_store(tmp_path / "served" / "a.zarr", world(HOURS))
    fetched(desk, f"{server.url}/a.zarr")
    found = origins(desk.catalog, ["ws10"], [START])[("ws10", START)]
    assert found.path == f"{server.url}/a.zarr"
    assert found.method == "ws10 from u10, v10"
    assert desk.usable_frames.present(["t2m"], [START]).all()


def test_nothing_is_read_again_and_a_stopped_fetch_goes_on(
    server: Server, tmp_path: Path, desk: Workspace
) -> None:
    write_store(tmp_path / "served" / "a.zarr", world(HOURS), time=6)
    with opened([f"{server.url}/a.zarr"]) as parts:
        grid, names = desk.settings.grid.grid(), desk.settings.archive.variables
        request = make_request(parts, GFS, grid, names, HOUR)
        for _ in fetch(request, desk.create_archive(), desk.create_catalog(), Fetched()):
            break  # killed after its first frames
    first = len(desk.archive.times("t2m"))
    assert first > 0
    result, planned, _, _ = fetched(desk, f"{server.url}/a.zarr")
    assert result.frames == planned
    assert result.skipped == first
    server.requests.clear()
    again, _, _, _ = fetched(desk, f"{server.url}/a.zarr")
    assert again.skipped == planned
    fields = [k for k in server.requests if k.split("/")[1].startswith(("temp", "wind", "prec"))]
    chunks = sum("/c/" in key for key in fields)
    assert chunks <= 4 * 3  # the plan's sample: of four arrays, one time, up to three places


def test_a_busy_or_broken_line_changes_nothing(
    server: Server, tmp_path: Path, desk: Workspace
) -> None:
    data = world(HOURS)
    write_store(tmp_path / "served" / "a.zarr", data)
    server.busy = {r"temperature_2m/c/1": 2, r"zarr\.json": 1}
    server.cut = {r"wind_u_10m/c/2": 1}
    result, planned, _, _ = fetched(desk, f"{server.url}/a.zarr")
    assert result.frames == planned
    check_values(desk, data)


@pytest.mark.parametrize("fault", ["missing", "damaged"])
def test_a_missing_or_damaged_chunk_is_named_and_costs_only_its_frames(
    server: Server, tmp_path: Path, desk: Workspace, fault: str
) -> None:
    data = world(HOURS)
    store = tmp_path / "served" / "a.zarr"
    write_store(store, data)
    chunk = store / "wind_u_10m" / "c" / "1" / "0" / "0"
    content = chunk.read_bytes()
    if fault == "missing":
        chunk.unlink()
    else:
        chunk.write_bytes(content[:60] + bytes(reversed(content[60:])))
    result, planned, _, _ = fetched(desk, f"{server.url}/a.zarr")
    assert list(result.problems) == ["wind_u_10m/c/1/0/0"]
    assert fault in result.problems["wind_u_10m/c/1/0/0"].reason
    assert planned - result.frames == 2 * 24  # u10 and ws10, one chunk of time
    assert len(desk.archive.times("u10")) == HOURS - 24
    chunk.write_bytes(content)
    result, planned, _, _ = fetched(desk, f"{server.url}/a.zarr")
    assert result.frames == planned
    check_values(desk, data)


def test_an_absent_chunk_may_mean_its_fill_value(
    server: Server, tmp_path: Path, desk: Workspace
) -> None:
    data = world(HOURS)
    data["precipitation_surface"][24:48] = 0.0
    store = tmp_path / "served" / "a.zarr"
    write_store(store, data, zero_fill=True)  # Zarr leaves chunks of zeros out
    assert not (store / "precipitation_surface" / "c" / "1" / "0" / "0").exists()
    field = GFS.fields["tp"].model_copy(update={"absent": "fill"})
    dry = GFS.model_copy(update={"fields": {**GFS.fields, "tp": field}})
    result, planned, _, _ = fetched(desk, f"{server.url}/a.zarr", dry)
    assert result.frames == planned
    check_values(desk, data)


def test_a_store_that_is_not_there_is_named(server: Server, desk: Workspace) -> None:
    with pytest.raises(DatasetError, match=r"cannot open the Zarr store .*nowhere\.zarr"):
        fetched(desk, f"{server.url}/nowhere.zarr")


def test_values_that_cannot_be_are_refused_by_name(
    server: Server, tmp_path: Path, desk: Workspace
) -> None:
    data = world(24)
    data["temperature_2m"][3] += 500
    write_store(tmp_path / "served" / "a.zarr", data)
    result, _, _, _ = fetched(desk, f"{server.url}/a.zarr")
    (refused,) = result.refused
    assert "t2m 2021-05-01T03:00Z" in refused
    assert "outside the possible" in refused


def test_an_area_outside_is_refused_with_both_areas(server: Server, tmp_path: Path) -> None:
    data = world(24).sel(latitude=slice(40, 0))
    write_store(tmp_path / "served" / "a.zarr", data)
    desk = create_workspace(tmp_path / "d2", {"grid": GRID, "archive": {"variables": ["t2m"]}})
    with pytest.raises(DatasetError, match="latitudes 0 to 40"):
        fetched(desk, f"{server.url}/a.zarr")
