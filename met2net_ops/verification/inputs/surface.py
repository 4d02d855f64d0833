"""The surface the model has: its height, and where land is; from a static file.

The file is NetCDF on the archive's grid, or GRIB on any grid, such as the geopotential and the
land-sea mask every centre offers; GRIB is remapped as frames are.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import netCDF4
import numpy as np

from met2net_ops.errors import GridError, Met2NetOpsError, ProductError, VerificationError
from met2net_ops.products.publish import claim
from met2net_ops.products.read import LIBRARY_LOCK
from met2net_ops.variables import variable
from met2net_ops.verification.inputs.forecast_file import axis_difference

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from met2net_ops.grids import LatLonGrid

    Floats = NDArray[np.float64]

HEIGHT, LAND = "orog", "lsm"
# CF standard names, and the units they come in with the factor to ours.
_NAMES = {
    "surface_altitude": HEIGHT,
    "land_area_fraction": LAND,
    "land_binary_mask": LAND,
}
_UNITS = {
    HEIGHT: {"m": 1.0, "metre": 1.0, "metres": 1.0, "meter": 1.0, "meters": 1.0, "km": 1000.0},
    LAND: {"1": 1.0, "": 1.0, "(0 - 1)": 1.0, "%": 0.01},
}


@dataclass(frozen=True)
class Surface:
    """What is known of the model's surface; None where a file lacks it.

    Attributes:
        height: (latitude, longitude) m above the sea.
        land: (latitude, longitude) fraction of land, 0 to 1.
    """

    height: Floats | None = None
    land: Floats | None = None

    @property
    def checksum(self) -> str:
        """Twelve hexadecimal digits that change with any value."""
        digest = hashlib.sha256()
        for field in (self.height, self.land):
            digest.update(b"-" if field is None else np.ascontiguousarray(field).tobytes())
        return digest.hexdigest()[:12]


def read_surface(path: Path, grid: LatLonGrid) -> Surface:
    """Read the height of the surface and the fraction of land, whichever the file has.

    Args:
        path: NetCDF with standard names `surface_altitude` and `land_area_fraction` or
            `land_binary_mask` on `grid`; or GRIB with geopotential or height of the surface and
            land-sea mask.
        grid: the archive's.

    Raises:
        VerificationError: unreadable, neither field in it, another grid, another unit, or values
            that are missing or impossible.
    """
    try:
        with path.open("rb") as file:
            head = file.read(4096)
        found = _from_grib(path, grid) if b"GRIB" in head else _from_netcdf(path, grid)
    except VerificationError:
        raise
    except (Met2NetOpsError, OSError, RuntimeError) as error:
        raise VerificationError(f"cannot read the model's surface from {path}: {error}") from error
    if not found:
        raise VerificationError(
            f"{path} has neither the height of the surface (surface_altitude) nor the fraction of "
            "land (land_area_fraction); name another file as surface in [verification]"
        )
    for name, values in found.items():
        limits = variable(name).hard
        if not np.isfinite(values).all():
            raise VerificationError(
                f"{path}: {variable(name).long_name} is missing at {int(np.isnan(values).sum())} "
                "points of the archive's grid"
            )
        if values.min() < limits.low or values.max() > limits.high:
            raise VerificationError(
                f"{path}: {variable(name).long_name} runs from {values.min():g} to "
                f"{values.max():g} {variable(name).units}, outside the possible"
            )
    land = found.get(LAND)
    return Surface(found.get(HEIGHT), None if land is None else np.clip(land, 0.0, 1.0))


def _from_netcdf(path: Path, grid: LatLonGrid) -> dict[str, Floats]:
    found: dict[str, Floats] = {}
    with LIBRARY_LOCK, netCDF4.Dataset(path) as raw:
        for item in raw.variables.values():
            name = _NAMES.get(getattr(item, "standard_name", ""))
            if name is None:
                continue
            if name in found:
                raise VerificationError(f"{path} has {name} twice, the second time as {item.name}")
            units = getattr(item, "units", "")
            if units not in _UNITS[name]:
                raise VerificationError(
                    f"{path}: {item.name} is in {units!r}, wanted {variable(name).units!r}"
                )
            values = np.squeeze(np.ma.filled(item[...].astype(np.float64), np.nan))
            _check_grid(raw, values.shape, grid, path)
            found[name] = values * _UNITS[name][units]
    return found


def _check_grid(raw: netCDF4.Dataset, shape: tuple[int, ...], grid: LatLonGrid, path: Path) -> None:
    """Both axes must be there, and be the grid's: a mirrored surface has the right shape too."""
    if shape != grid.shape:
        raise VerificationError(
            f"{path} is on {shape} points, the archive's grid has {grid.shape}; remap it, or name "
            "the GRIB file it was made from"
        )
    for name, wanted in (("latitude", grid.latitudes), ("longitude", grid.longitudes)):
        axes = [v for v in raw.variables.values() if getattr(v, "standard_name", v.name) == name]
        if len(axes) != 1:
            raise VerificationError(f"{path} has {len(axes)} axes called {name}, wanted one")
        difference = axis_difference(np.asarray(axes[0][...], dtype=np.float64), wanted)
        if difference:
            raise VerificationError(f"{path} and the archive are on different grids: {name} "
                                    f"{difference}")  # fmt: skip


def _from_grib(path: Path, grid: LatLonGrid) -> dict[str, Floats]:
    from met2net_ops.grib.reader import read_fields
    from met2net_ops.grib.records import SourceField
    from met2net_ops.remap.remapper import Remapper, choose_method

    found: dict[str, Floats] = {}
    remapper = Remapper(grid)
    for item in read_fields(path, [HEIGHT, LAND]):
        if not isinstance(item, SourceField) or item.variable in found:
            continue  # of several times, all the same, the first will do
        try:
            weights = remapper.weights(item.grid, choose_method(item.grid, grid))
        except GridError as error:
            raise VerificationError(f"{path}: {item.variable}: {error}") from error
        found[item.variable] = weights.apply(item.values).astype(np.float64)
    return found


def write_surface(path: Path, grid: LatLonGrid, surface: Surface, source: str) -> None:
    """Write a surface as NetCDF that `read_surface` reads, whole or not at all.

    Args:
        path: the file.
        grid: of the fields.
        surface: what to write.
        source: where it is from, for people.

    Raises:
        VerificationError: the file cannot be written.
    """
    try:
        with claim(path) as held:
            with LIBRARY_LOCK, netCDF4.Dataset(held.temporary, "w") as raw:
                raw.setncatts({"Conventions": "CF-1.11", "source": source})
                for name, units, values in (
                    ("latitude", "degrees_north", grid.latitudes),
                    ("longitude", "degrees_east", grid.longitudes),
                ):
                    raw.createDimension(name, values.size)
                    axis = raw.createVariable(name, "f8", (name,), fill_value=False)
                    axis.setncatts({"standard_name": name, "units": units})
                    axis[:] = values
                for name, field in ((HEIGHT, surface.height), (LAND, surface.land)):
                    if field is None:
                        continue
                    row = variable(name)
                    made = raw.createVariable(name, "f4", ("latitude", "longitude"))
                    made.setncatts({"standard_name": row.standard_name, "units": row.units,
                                    "long_name": row.long_name})  # fmt: skip
                    made[:] = field
            held.place(path)
    except (OSError, RuntimeError, ProductError) as error:
        raise VerificationError(f"cannot write {path}: {error}") from error
