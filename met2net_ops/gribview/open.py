"""`open_grib`: all messages of a file as one xarray object."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from met2net_ops.errors import IngestError
from met2net_ops.grib.inventory import take_inventory
from met2net_ops.grib.records import GribUnreadableError
from met2net_ops.gribview.by_cfgrib import coordinates, find_difference, open_by_cfgrib
from met2net_ops.gribview.decoding import MessageDecoder, OpenFile, variable_name
from met2net_ops.gribview.groups import Cube, LeftOut, make_cubes
from met2net_ops.gribview.merge import merge

if TYPE_CHECKING:
    import xarray as xr

    from met2net_ops.grib.records import MessageRecord

_NAMED_IN_WARNING = 10


class GribWarning(UserWarning):
    """Something of a GRIB file is not in what was opened."""


def open_grib(path: Path | str) -> xr.Dataset | xr.DataTree:
    """All messages of a GRIB file as one xarray object, by way of cfgrib where it is right.

    Every message, sub-messages included, is in the result or listed as left out, with the reason.
    Messages that differ in member, reference time, lead time or level alone become one variable.
    cfgrib makes it; then its coordinates and every value are compared with an independent reading
    of the messages, and where they differ (see the attribute `decoded_by`), that reading is taken.
    Values of cfgrib's variables are read from the file again when they are used. A field
    whose times or places cannot be read has no such coordinates, and its attribute `times` or
    `places` says so. No index file is
    read or written.

    Args:
        path: edition 1 or 2, on any grid that cfgrib or this package knows.

    Returns:
        A Dataset where all variables share their coordinates, else a DataTree with a node per type
        of level. Variables bear cfgrib's names, the units of the file and `GRIB_…` attributes; a
        single level is the attribute `GRIB_level`. The attributes of the whole say how many
        messages there are (`messages`) and which are not in it (`left_out`, a list).

    Raises:
        IngestError: the file cannot be read, or no message in it can.

    Warns:
        GribWarning: messages, or damaged bytes, were left out.
    """
    path = Path(path)
    left_out: list[LeftOut] = []
    variables: list[xr.DataArray] = []
    file = OpenFile(path)
    inventory = take_inventory(file.source)
    decoder = MessageDecoder(file.source)
    left_out += [LeftOut(damage, damage.reason) for damage in inventory.damage]
    for cube in make_cubes(inventory.records, decoder.grid_key):
        if isinstance(cube, LeftOut):
            left_out.append(cube)
            continue
        variable, unreadable = _open_cube(file, cube, decoder)
        left_out += unreadable
        variables += [] if variable is None else [variable]
    lines = [str(item) for item in left_out]
    if not variables:
        raise IngestError(
            f"{path} holds no GRIB message that can be read"
            + "".join(f"\n  {line}" for line in lines[:_NAMED_IN_WARNING])
        )
    if lines:
        more = len(lines) - _NAMED_IN_WARNING
        rest = [f"and {more} more, see the attribute left_out"] if more > 0 else []
        text = "\n  ".join([f"left out of {path}:", *lines[:_NAMED_IN_WARNING], *rest])
        warnings.warn(text, GribWarning, stacklevel=2)
    attributes = {"source": str(path), "messages": len(inventory.records), "left_out": lines}
    return merge(variables, attributes)


def _open_cube(
    file: OpenFile, cube: Cube, decoder: MessageDecoder
) -> tuple[xr.DataArray | None, list[LeftOut]]:
    """The variable of a cube, and those of its messages that cannot be decoded."""
    grid = decoder.grid(cube.records[0])
    left_out: list[LeftOut] = []
    while cube.records:
        try:
            found = open_by_cfgrib(file, cube, grid)
            why = found if isinstance(found, str) else find_difference(found, cube, decoder, grid)
            if not isinstance(found, str) and not why:
                return _finish(found, cube, decoder, "cfgrib"), left_out
            ours = _build(cube, decoder)
            return _finish(ours, cube, decoder, f"met2net-ops, not cfgrib: {why}"), left_out
        except GribUnreadableError:
            cube, unreadable = _without_unreadable(cube, decoder)
            left_out += unreadable
    return None, left_out


def _without_unreadable(cube: Cube, decoder: MessageDecoder) -> tuple[Cube, list[LeftOut]]:
    good: list[MessageRecord] = []
    bad = []
    for record in cube.records:
        try:
            decoder.values(record)
        except GribUnreadableError as error:
            bad.append(LeftOut(record, str(error)))
        else:
            good.append(record)
    return Cube(tuple(good)), bad


def _build(cube: Cube, decoder: MessageDecoder) -> xr.DataArray:
    """The variable by our own decoder, in memory, north to south and west to east."""
    import xarray as xr

    geometry = decoder.grid(cube.records[0]).geometry
    fields = [(at, decoder.values(record)) for record, at in cube.places()]
    shape = fields[0][1].shape
    values = np.full((*cube.shape, *shape), np.nan, np.float32)
    for at, field in fields:
        values[at] = field
    axes = coordinates(cube)
    coords: dict[str, Any] = {}
    kept = [name for name, axis in axes.items() if axis.size > 1]
    for name, axis in axes.items():
        coords[name] = (name, axis) if axis.size > 1 else axis[0]
    if not cube.timeless:
        valid = np.add.outer(axes["time"], axes["step"])
        over = [name for name in ("time", "step") if name in kept]
        coords["valid_time"] = (over, valid.reshape([axes[name].size for name in over]))
    dims = ("values",) if len(shape) == 1 else ("y", "x")
    if geometry is not None:
        separable = geometry.grid.separable
        dims = ("latitude", "longitude") if separable else dims
        for name, place, unit in (
            ("latitude", geometry.grid.latitudes, "degrees_north"),
            ("longitude", geometry.grid.longitudes, "degrees_east"),
        ):
            attributes = {"standard_name": name, "long_name": name, "units": unit}
            coords[name] = (name if separable else dims, place, attributes)
    shape = tuple(axes[name].size for name in kept) + shape
    return xr.DataArray(values.reshape(shape), coords, [*kept, *dims])


def _finish(
    variable: xr.DataArray, cube: Cube, decoder: MessageDecoder, decoded_by: str
) -> xr.DataArray:
    """Named, described, with a single level as an attribute."""
    record = cube.records[0]
    names = decoder.names(record)
    level = record.type_of_level
    if level in variable.coords and not variable.coords[level].ndim:
        variable = variable.drop_vars(level)
    else:
        del names["GRIB_level"]
    attributes = {**names, **variable.attrs, "decoded_by": decoded_by}
    if "latitude" not in variable.coords:
        attributes["places"] = f"not known: {decoder.grid(record).why or 'not those of points'}"
    if cube.timeless:
        variable = variable.drop_vars(["time", "step", "valid_time"], errors="ignore")
        attributes["times"] = "cannot be read"
    variable = variable.rename(variable_name(names, record))
    variable.attrs = attributes
    return variable
