"""WeatherBench (Rasp et al., 2020, arXiv 2002.00469): NetCDF files of hourly ERA5, by variable.

    ROOT/2m_temperature/2m_temperature_1979_5.625deg.nc        t2m(time, lat, lon)
    ROOT/relative_humidity/relative_humidity_1979_5.625deg.nc  r(time, level, lat, lon)

at 5.625°, 2.8125° or 1.40625°, latitudes from the south. Frames are as everywhere else: north
first, in our units (precipitation in kg m-2, which is 1000 times the files' metres).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np

from met2net_ops.errors import ArchiveError, GridError
from met2net_ops.grids import NAMED_GRIDS, LatLonGrid
from met2net_ops.times import from_datetime64, to_datetime64
from met2net_ops.variables import UNIT_FACTORS, VARIABLES, VerticalKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime
    from pathlib import Path

    import xarray as xr
    from numpy.typing import NDArray

_HOUR = np.timedelta64(1, "h")

FOLDERS: dict[str, tuple[tuple[str, str], ...]] = {
    "t2m": (("2m_temperature", "t2m"),),
    "u10": (("10m_u_component_of_wind", "u10"),),
    "v10": (("10m_v_component_of_wind", "v10"),),
    "tcc": (("total_cloud_cover", "tcc"),),
    "tp": (("total_precipitation", "tp"),),
    "tisr": (("toa_incident_solar_radiation", "tisr"),),
    "r1000": (("relative_humidity", "r"),),
    "t1000": (("temperature", "t"),),
    "q1000": (("specific_humidity", "q"),),
    "q850": (("specific_humidity", "q"),),
    "z500": (("geopotential_500", "z"), ("geopotential", "z")),
    "t850": (("temperature_850", "t"), ("temperature", "t")),
}
"""Our name -> folders that may hold it, and its name in the files."""

# The energy of an hour as the mean power of that hour.
_FACTORS = {**UNIT_FACTORS, "W m-2": {"J m**-2": 1 / 3600}}


@dataclass(frozen=True)
class _Series:
    """Where one variable's hours lie."""

    inside: str
    files: tuple[Path, ...]
    times: NDArray[np.datetime64]
    file: NDArray[np.int64]
    place: NDArray[np.int64]


class WeatherBench:
    """Reads frames of a WeatherBench folder; memory does not grow with its length.

    Args:
        root: the folder that holds one folder per variable.
        variables: canonical names.

    Raises:
        ArchiveError: a variable's folder is missing or empty, or a file is damaged, on another
            grid, or not hourly; the file is named.
    """

    def __init__(self, root: Path, variables: Sequence[str]) -> None:
        self.root = root
        self.step = timedelta(hours=1)
        self._series: dict[str, _Series] = {}
        grid: LatLonGrid | None = None
        for name in variables:
            inside, files = _files(root, name)
            times: list[NDArray[np.datetime64]] = []
            for path in files:
                found = _look(path, inside, name)
                if grid is not None and found[0] != grid:
                    raise ArchiveError(
                        f"{path} is on the grid {found[0]}, not on {grid} as the files before it"
                    )
                grid = found[0]
                times.append(found[1])
            self._series[name] = _index(inside, files, times)
        assert grid is not None, "no variables"
        self.grid = grid

    def span(self) -> tuple[datetime, datetime]:
        """First and last hour that any variable has."""
        firsts = [series.times[0] for series in self._series.values()]
        lasts = [series.times[-1] for series in self._series.values()]
        return from_datetime64(min(firsts)), from_datetime64(max(lasts))

    def read(self, variables: Sequence[str], times: Sequence[datetime]) -> NDArray[np.float32]:
        """(time, variable, latitude, longitude); NaN where missing.

        Raises:
            ArchiveError: a file cannot be read, or its unit is unknown.
        """
        out = np.full((len(times), len(variables), *self.grid.shape), np.nan, dtype=np.float32)
        wanted = np.array([to_datetime64(time) for time in times], dtype="datetime64[ns]")
        for column, name in enumerate(variables):
            series = self._series[name]
            at = np.searchsorted(series.times, wanted)
            there = np.flatnonzero(series.times[np.minimum(at, len(series.times) - 1)] == wanted)
            number = series.file[at[there]]
            for file in np.unique(number):
                rows = there[number == file]
                places = series.place[at[rows]]
                out[rows, column] = _fields(series.files[file], series.inside, name, places)
        return out


def holds_weatherbench(root: Path) -> bool:
    """Whether a folder is laid out like this."""
    folders = {folder for names in FOLDERS.values() for folder, _ in names}
    return any(next((root / folder).glob("*.nc"), None) is not None for folder in folders)


def _files(root: Path, name: str) -> tuple[str, tuple[Path, ...]]:
    places = FOLDERS.get(name, ())
    for folder, inside in places:
        files = tuple(sorted((root / folder).glob("*.nc")))
        if files:
            return inside, files
    wanted = " or ".join(f"{root / folder}" for folder, _ in places) or "no folder of WeatherBench"
    raise ArchiveError(
        f"{root} has no {name}: it would lie in {wanted}, as NetCDF files. Unpack that variable, "
        "or leave it out of data.variables"
    )


def _index(
    inside: str, files: tuple[Path, ...], times: Sequence[NDArray[np.datetime64]]
) -> _Series:
    joined = np.concatenate(times)
    order = np.argsort(joined, kind="stable")
    file = np.repeat(np.arange(len(files)), [len(part) for part in times])
    place = np.concatenate([np.arange(len(part)) for part in times])
    repeated = np.flatnonzero(np.diff(joined[order]) == np.timedelta64(0))
    if repeated.size:
        both = file[order[repeated[0]]], file[order[repeated[0] + 1]]
        raise ArchiveError(
            f"{files[both[0]]} and {files[both[1]]} both hold {joined[order[repeated[0]]]}; "
            "remove one of them"
        )
    return _Series(inside, files, joined[order], file[order], place[order])


def _open(path: Path) -> xr.Dataset:
    import xarray as xr

    try:
        return xr.open_dataset(path)
    except (OSError, ValueError) as error:
        raise ArchiveError(
            f"cannot read {path}: {error}. Unpack it again, or remove it to train on the others"
        ) from error


def _look(path: Path, inside: str, name: str) -> tuple[LatLonGrid, NDArray[np.datetime64]]:
    """The grid and the hours of a file."""
    with _open(path) as file:
        try:
            field, times = file[inside], file["time"].to_numpy()
            grid = _grid(path, file["lat"].to_numpy(), file["lon"].to_numpy())
        except KeyError as error:
            raise ArchiveError(
                f"{path} has no {error}; it has {', '.join(map(str, file.variables))}"
            ) from error
        _factor(path, field, name)
        _level(path, field, name)
    times = times.astype("datetime64[ns]")
    if not len(times) or (times.astype("datetime64[h]") != times).any():
        raise ArchiveError(f"{path}: its times are not full hours, or it has none")
    return grid, times


def _grid(
    path: Path, latitudes: NDArray[np.float64], longitudes: NDArray[np.float64]
) -> LatLonGrid:
    steps = np.diff(latitudes), np.diff(longitudes)
    if min(map(len, steps)) < 1 or any(
        np.abs(one - one[0]).max() > 1e-3 * abs(one[0]) for one in steps
    ):
        raise ArchiveError(f"{path} is not on a regular latitude-longitude grid of 2 x 2 or more")
    if steps[1][0] < 0:
        raise ArchiveError(f"{path}: its longitudes go westwards; turn them with `cdo invertlon`")
    dlat, dlon = (float(np.abs(one).mean()) for one in steps)
    try:
        grid = LatLonGrid(
            round(float(latitudes.max()), 6),
            round(float(longitudes[0]), 6),
            round(dlat, 6),
            round(dlon, 6),
            len(latitudes),
            len(longitudes),
        )
    except GridError as error:
        raise ArchiveError(f"{path}: {error}") from error
    return next((known for known in NAMED_GRIDS.values() if known == grid), grid)


def _factor(path: Path, field: xr.DataArray, name: str) -> float:
    units = str(field.attrs.get("units", "none"))
    known = _FACTORS[VARIABLES[name].units]
    if units not in known:
        raise ArchiveError(
            f"{path}: {field.name} is in {units!r}; {name} is read from {', '.join(known)}"
        )
    return known[units]


def _level(path: Path, field: xr.DataArray, name: str) -> int | None:
    """Index of the variable's level in the file, or None if it has one level."""
    if "level" not in field.dims:
        return None
    vertical = VARIABLES[name].vertical
    levels = field["level"].to_numpy()
    found = np.flatnonzero(levels == vertical.value)
    if vertical.kind != VerticalKind.PRESSURE or not found.size:
        raise ArchiveError(
            f"{path} has {field.name} at {', '.join(f'{x:g}' for x in levels)} hPa, but not {name}"
        )
    return int(found[0])


def _fields(path: Path, inside: str, name: str, places: NDArray[np.int64]) -> NDArray[np.float32]:
    """(time, latitude, longitude), north first, in our unit."""
    with _open(path) as file:
        field = file[inside]
        factor, level = _factor(path, field, name), _level(path, field, name)
        if level is not None:
            field = field.isel(level=level)
        # A slice is read at once; a list of places would be read one by one.
        first = int(places.min())
        field = field.isel(time=slice(first, int(places.max()) + 1))
        try:
            values = field.transpose("time", "lat", "lon").to_numpy()[places - first]
        except (OSError, RuntimeError, ValueError) as error:
            raise ArchiveError(f"cannot read {inside} from {path}: {error}") from error
        north_first = file["lat"].to_numpy()[0] > file["lat"].to_numpy()[-1]
    values = values if north_first else values[:, ::-1]
    return np.asarray(values * factor, dtype=np.float32)


def variables_in(root: Path) -> Iterable[str]:
    """The variables that the folder has files of."""
    return [
        name
        for name, places in FOLDERS.items()
        if any(next((root / folder).glob("*.nc"), None) is not None for folder, _ in places)
    ]
