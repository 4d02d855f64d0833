"""Settings of a workspace proposed from a file, or from an area and a dataset."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from met2net_ops.datasets.source import find_datasets
from met2net_ops.errors import DatasetError, GridError, IngestError
from met2net_ops.grids import LatLonGrid
from met2net_ops.variables import VARIABLES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime
    from pathlib import Path

    from met2net_ops.datasets.source import Dataset
    from met2net_ops.grids import SourceGrid

USUAL = ("t2m", "u10", "v10", "msl")
_STATICS = ("orog", "lsm")
_SMALL, _LARGE = 8, 40_000  # rows or columns that teach little; points that want a GPU
_STEPS = (1, 2, 3, 4, 6, 8, 12, 24)


@dataclass(frozen=True)
class Proposal:
    """Settings, and what people should know about them.

    Attributes:
        values: as `settings_text` takes them.
        notes: sentences.
        kind: "GRIB" or "NetCDF", what the files are.
    """

    values: dict[str, Any]
    notes: list[str] = field(default_factory=list)
    kind: str = ""


@dataclass(frozen=True)
class _Contents:
    """What a file holds: variables, statics, times, and whether values come with long leads."""

    kind: str
    variables: tuple[str, ...]
    statics: tuple[str, ...]
    times: tuple[datetime, ...]
    longest_lead: timedelta
    grid: SourceGrid


def propose(files: Sequence[Path], name: str) -> Proposal:
    """Grid, variables, step and feed from GRIB or NetCDF files.

    Args:
        files: of one kind and grid.
        name: of the grid.

    Raises:
        IngestError: a GRIB file cannot be read, or holds no variable of ours.
        DatasetError: the same of another file.
        GridError: no grid can be proposed.
    """
    with files[0].open("rb") as file:
        is_grib = b"GRIB" in file.read(4096)
    contents = _grib(files) if is_grib else _netcdf(files)
    grid, notes = regular_grid(contents.grid, name)
    step, more = _step_hours(contents.times)
    notes += more + size_notes(grid)
    lacking = [one for one in USUAL if one not in contents.variables]
    if lacking:
        notes.append(f"It has no {', '.join(lacking)}: a model that wants them cannot run on it.")
    if missing := [VARIABLES[one].long_name for one in _STATICS if one not in contents.statics]:
        notes.append(f"It has no {' and no '.join(missing)}: training goes without.")
    archive: dict[str, Any] = {"variables": list(contents.variables), "step_hours": step}
    if contents.longest_lead > timedelta(hours=6):
        hours = contents.longest_lead / timedelta(hours=1)
        notes.append(
            f"It holds forecasts up to {hours:g} h; those beyond archive.analysis_lead_hours (6) "
            "are kept, but no forecast starts from them."
        )
    values: dict[str, Any] = {"grid": _grid_values(grid), "archive": archive}
    if is_grib:
        suffixes = {file.suffix for file in files}
        pattern = f"*{suffixes.pop()}" if len(suffixes) == 1 else "*"
        values["feeds"] = [{"name": "incoming", "path": "incoming", "pattern": pattern}]
    return Proposal(values, notes, contents.kind)


def _grib(files: Sequence[Path]) -> _Contents:
    from met2net_ops.grib.inventory import inventory
    from met2net_ops.grib.reader import read_fields
    from met2net_ops.grib.records import SourceField

    records = [
        record
        for file in files
        for record in inventory(file).records
        if record.variable is not None and not record.reason and record.valid_time is not None
    ]
    found = list(dict.fromkeys(record.variable for record in records if record.variable))
    names = tuple(one for one in found if one not in _STATICS)
    if not names:
        raise IngestError(f"{files[0]} holds no variable of ours; docs/variables.md lists them")
    grid = next(
        (item.grid for item in read_fields(files[0], names) if isinstance(item, SourceField)), None
    )
    if grid is None:
        raise IngestError(f"{files[0]}: none of its fields can be decoded; `ingest` says why")
    leads = [r.valid_time - r.reference_time for r in records if r.valid_time and r.reference_time]
    times = tuple(sorted({r.valid_time for r in records if r.valid_time}))
    statics = tuple(one for one in found if one in _STATICS)
    return _Contents("GRIB", names, statics, times, max(leads, default=timedelta(0)), grid)


def _netcdf(files: Sequence[Path]) -> _Contents:
    from met2net_ops.datasets.cube import find_cubes
    from met2net_ops.datasets.opening import opened
    from met2net_ops.datasets.window import source_grid
    from met2net_ops.times import from_datetime64

    with opened([str(file) for file in files]) as parts:
        cubes = find_cubes(parts, {})
        left_out = ("tisr", "ws10", "wd10", *_STATICS)  # the components say what the wind is
        wanted = [name for name in VARIABLES if name not in left_out]
        names = tuple(
            one
            for one in wanted
            if any(one in cube.layers for cube in cubes)
            or (one in USUAL and any(cube.recipe(one) for cube in cubes))
        )
        if not names:
            raise DatasetError(
                f"{files[0]} holds no variable of ours: it has "
                f"{', '.join(name for cube in cubes for name in cube.unread)}. A mapping file can "
                "say what its arrays are, see docs/datasets.md"
            )
        times = sorted({from_datetime64(time) for cube in cubes for time in cube.times})
        statics = tuple(one for one in _STATICS if any(one in cube.statics for cube in cubes))
        grid = source_grid(cubes[0])[0]
    return _Contents("NetCDF", names, statics, tuple(times), timedelta(0), grid)


def regular_grid(source: SourceGrid, name: str) -> tuple[LatLonGrid, list[str]]:
    """The grid of a field, or a regular one inside it of about the same spacing; and what to say.

    Raises:
        GridError: its points give no area.
    """
    from met2net_ops.remap.remapper import spacing

    dlat, dlon = (round(step, 4) for step in spacing(source))
    if source.separable:
        north, west = float(source.latitudes[0]), float(source.longitudes[0])
        if not source.periodic and west > 180:
            west -= 360
        nlat, nlon = source.shape
        grid = LatLonGrid(round(north, 4), round(west, 4), dlat, dlon, nlat, nlon, name)
        even = np.allclose(source.latitudes, grid.latitudes, atol=dlat / 50) and np.allclose(
            np.diff(source.longitudes), dlon, atol=dlon / 50
        )
        if even:
            return grid, []
    elif source.latitudes.ndim != 2:
        raise GridError(
            f"from a {source.kind} grid no area can be proposed; write [grid] in met2net.toml"
        )
    note = (
        f"Its grid is {source.kind}, not evenly spaced: a regular one inside it is proposed, and "
        "fields are remapped."
    )
    return _inside(source, max(dlat, 1e-3), max(dlon, 1e-3), name), [note]


def _inside(source: SourceGrid, dlat: float, dlon: float, name: str) -> LatLonGrid:
    """A regular grid that lies within rows and columns, or within the edges of a mesh."""
    latitudes, longitudes = source.latitudes, source.longitudes
    if source.separable:
        south, north = float(latitudes[-1]), float(latitudes[0])
        west, east = float(longitudes[0]), float(longitudes[-1])
    else:
        longitudes = (longitudes - longitudes.flat[0] + 180) % 360 - 180 + longitudes.flat[0]
        rows = sorted([latitudes[0], latitudes[-1]], key=np.mean)
        columns = sorted([longitudes[:, 0], longitudes[:, -1]], key=np.mean)
        south, north = float(rows[0].max()), float(rows[1].min())
        west, east = float(columns[0].max()), float(columns[1].min())
    if north <= south or east <= west:
        raise GridError("no rectangle lies inside its area; write [grid] in met2net.toml")
    return area_grid((north, west, south, east), dlat, dlon, name)


def area_grid(
    area: tuple[float, float, float, float], dlat: float, dlon: float, name: str
) -> LatLonGrid:
    """The points of a global grid, counted from 90° N and 0° E, that lie in an area.

    Args:
        area: north, west, south, east in degrees; east may be less than west, across 180°.
        dlat: row spacing.
        dlon: column spacing.
        name: of the grid.

    Raises:
        GridError: the area is none.

    >>> area_grid((61, -12, 49, 4), 0.25, 0.25, "isles").shape
    (49, 65)
    """
    north, west, south, east = area
    if not -90 <= south < north <= 90:
        raise GridError(f"the area runs from {south:g}° to {north:g}° north; write N,W,S,E")
    if east <= west:
        east += 360
    first, last = (90 - north) / dlat, (90 - south) / dlat
    rows = np.arange(np.ceil(first - 1e-6), np.floor(last + 1e-6) + 1)
    columns = np.arange(np.ceil(west / dlon - 1e-6), np.floor(east / dlon + 1e-6) + 1)
    columns = columns[: round(360 / dlon)]
    if rows.size < 2 or columns.size < 2:
        raise GridError(f"the area holds {rows.size} by {columns.size} points; take a larger one")
    west = round(float(columns[0] * dlon), 4)
    return LatLonGrid(
        round(90 - float(rows[0]) * dlat, 4), west, dlat, dlon, rows.size, columns.size, name
    )


def size_notes(grid: LatLonGrid) -> list[str]:
    """What follows from the number of points, before anything is fetched or trained."""
    points = grid.nlat * grid.nlon
    if min(grid.shape) < _SMALL:
        note = (
            f"{grid.nlat} by {grid.nlon} points are few: what blows in comes from outside, so a "
            f"network learns little from fewer than {_SMALL} each way. A larger area is better."
        )
        return [note]
    if points > _LARGE:
        return [f"{points:,} points are many: train on a GPU, or take a coarser grid."]
    return []


def _step_hours(times: Sequence[datetime]) -> tuple[int, list[str]]:
    if len(times) < 2:
        return 1, ["It has a single time: the step is taken to be 1 h; set archive.step_hours."]
    steps = np.array([(b - a) / timedelta(hours=1) for a, b in pairwise(times)])
    step = float(np.min(steps))
    if step in _STEPS:
        return int(step), []
    nearest = min((one for one in _STEPS if one >= step), default=24)
    return nearest, [f"Its times are {step:g} h apart, which divides no day: {nearest} h is taken."]


def _grid_values(grid: LatLonGrid) -> dict[str, Any]:
    names = ("name", "north", "west", "dlat", "dlon", "nlat", "nlon")
    return {one: getattr(grid, one) for one in names}


def propose_region(
    name: str,
    area: tuple[float, float, float, float],
    source: str,
    spacing: float | None = None,
    variables: Iterable[str] = USUAL,
) -> Proposal:
    """A workspace for an area: grid, dataset, the feed that continues it, model and schedule.

    Args:
        name: of workspace, grid and model.
        area: north, west, south, east in degrees.
        source: name of a dataset, or of the feed that continues one.
        spacing: degrees; by default the dataset's.
        variables: that are wanted.

    Raises:
        DatasetError: no such dataset, or it has none of the variables.
        GridError: the area holds no grid.
    """
    from met2net_ops.feeds.source import find_source

    dataset = _dataset_for(source)
    step = spacing or dataset.spacing or 0.25
    grid = area_grid(area, step, step, name)
    notes = size_notes(grid)
    has = set(dataset.fields) or set(VARIABLES)
    wanted = [one for one in variables if one in has]
    if left := [one for one in variables if one not in has]:
        notes.append(f"{dataset.name} has no {', '.join(left)}: left out.")
    if not wanted:
        raise DatasetError(f"{dataset.name} has none of these; it has {', '.join(sorted(has))}")
    values: dict[str, Any] = {
        "grid": _grid_values(grid),
        "archive": {"variables": wanted, "step_hours": dataset.step_hours},
        "dataset": {"source": dataset.name},
        "forecast": {"model": name},
        "schedules": [{"model": name, "cron": "0 */6 * * *"}],
    }
    if dataset.feed:
        values["feeds"] = [{"name": dataset.feed, "source": dataset.feed}]
        feed = find_source(dataset.feed)
        if gaps := [one for one in wanted if one not in feed.fields]:
            notes.append(f"The feed {feed.name} has no {', '.join(gaps)}: leave these out.")
    else:
        notes.append(
            f"No feed continues {dataset.name}: a model trained on it and fed with another "
            "centre's analyses meets other biases. Deliver GRIB into incoming/, or name a source "
            "in [[feeds]], and compare the scores."
        )
    return Proposal(values, notes)


def _dataset_for(source: str) -> Dataset:
    known = find_datasets()
    for one in known.values():
        if source in (one.name, one.feed):
            return one
    raise DatasetError(
        f"no dataset is called {source!r} or continued by such a feed; there are "
        + ", ".join(f"{one.name}{f' (feed {one.feed})' if one.feed else ''}"
                    for one in known.values())
    )  # fmt: skip
