"""Lets cfgrib make a variable of given messages, and finds out whether it is right.

cfgrib reads no index file here and chooses nothing: it gets exactly the messages that belong
together, each as a message of its own. Known to be wrong in it (0.9.15): points stored from east to
west are mirrored, points stored column by column are scrambled, and the longitudes of a Gaussian
grid that ends at a negative longitude are one column off. Every value and coordinate is compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import eccodes
import numpy as np

from met2net_ops.grib.geometry import MAX_POINTS, SUPPORTED
from met2net_ops.gribview.decoding import MessageDecoder

if TYPE_CHECKING:
    from collections.abc import Sequence

    import xarray as xr
    from numpy.typing import NDArray

    from met2net_ops.grib.records import MessageRecord
    from met2net_ops.gribview.decoding import GridOfMessage, OpenFile
    from met2net_ops.gribview.groups import Cube

_DEGREES = 2e-3  # what edition 1 rounds to, and a little
_RELATIVE = 1e-5


class _Messages(Mapping[int, Any]):
    """Messages of a file as cfgrib's `Message`, each read from the file when it is used."""

    def __init__(self, file: OpenFile, records: Sequence[MessageRecord]) -> None:
        self._file = file
        self._records = {record.field: record for record in records}

    def __getitem__(self, field: int) -> Any:
        from cfgrib.messages import Message

        message = MessageDecoder(self._file.source).message(self._records[field])
        return Message(codes_id=eccodes.codes_new_from_message(message))

    def __iter__(self) -> Iterator[int]:
        return iter(self._records)

    def __len__(self) -> int:
        return len(self._records)


def open_by_cfgrib(file: OpenFile, cube: Cube, grid: GridOfMessage) -> xr.DataArray | str:
    """The variable cfgrib makes of the messages, read when it is used, or why it makes none."""
    import xarray as xr

    first = cube.records[0]
    if grid.geometry is None and (first.grid_type in SUPPORTED or first.points > MAX_POINTS):
        return f"its grid makes no sense: {grid.why}"  # and might be too much for ecCodes
    try:
        dataset = xr.open_dataset(
            _Messages(file, cube.records),  # type: ignore[arg-type]
            engine="cfgrib",
            decode_times=not cube.timeless,
            decode_timedelta=not cube.timeless,
            cache=False,
            backend_kwargs={"errors": "raise", "cache_geo_coords": False},
        )
        (name,) = dataset.data_vars
    except Exception as error:  # of any kind: cfgrib could not, and our decoder does it
        return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
    return dataset[name]


def find_difference(
    found: xr.DataArray, cube: Cube, decoder: MessageDecoder, grid: GridOfMessage
) -> str:
    """What in cfgrib's variable differs from the messages, or "".

    Raises:
        GribUnreadableError: the values of a message cannot be decoded at all.
    """
    axes = coordinates(cube)
    for name, wanted in axes.items():
        if name not in found.coords:
            return f"it has no {name}"
        if not _equal(np.sort(np.atleast_1d(found[name].values)), wanted):
            return f"its {name} differs from the messages'"
    place = _find_place(found, grid)
    if isinstance(place, str):
        return place
    positions = [
        {value: index for index, value in enumerate(np.atleast_1d(found[name].values).tolist())}
        for name in axes
    ]
    kept = [name for name in axes if name in found.dims]
    for record, at in cube.places():
        index = {
            name: place_of[wanted[number].item()]
            for (name, wanted), place_of, number in zip(
                axes.items(), positions, _used(at, cube), strict=True
            )
        }
        ours = decoder.values(record)  # first: it refuses bytes that would crash ecCodes
        theirs = place(found.variable[tuple(index[name] for name in kept)].values)
        if theirs.shape != ours.shape or not _equal(theirs, ours):
            return f"its values of message {record.message} differ from ours"
    return ""


def coordinates(cube: Cube) -> dict[str, NDArray[Any]]:
    """The coordinates cfgrib should give, by name, ascending."""
    level = cube.records[0].type_of_level
    axes: dict[str, NDArray[Any]] = {}
    if cube.numbers != [None]:
        axes["number"] = np.array(cube.numbers)
    if not cube.timeless:
        times = [time.replace(tzinfo=None) for time in cube.reference_times]
        axes["time"] = np.array(times, "datetime64[ns]")
        axes["step"] = np.array(cube.leads, "timedelta64[ns]")
    if level not in ("", "unknown"):
        axes[level] = np.array(cube.levels)
    return axes


def _used(at: tuple[int, int, int, int], cube: Cube) -> list[int]:
    """Places on the axes that `coordinates` has."""
    number, *times, level = at
    return [
        *([] if cube.numbers == [None] else [number]),
        *([] if cube.timeless else times),
        *([] if cube.records[0].type_of_level in ("", "unknown") else [level]),
    ]


def _find_place(
    found: xr.DataArray, grid: GridOfMessage
) -> Callable[[NDArray[np.float32]], NDArray[np.float32]] | str:
    """How to bring cfgrib's fields into the order of our decoder's, or why that cannot be."""
    if grid.geometry is None:
        return "its points are stored in an unusual order" if grid.unusual else np.ravel
    ours, scanning = grid.geometry.grid, grid.geometry.scanning
    if "latitude" not in found.coords or "longitude" not in found.coords:
        return "it has no latitude and longitude"
    latitudes, longitudes = found["latitude"].values, found["longitude"].values
    if ours.separable and latitudes.ndim == longitudes.ndim == 1:
        rows = np.argsort(-latitudes)
        columns = np.argsort(np.mod(longitudes - ours.longitudes[0] + _DEGREES, 360.0))
        latitudes, longitudes = latitudes[rows], longitudes[columns]

        def place(field: NDArray[np.float32]) -> NDArray[np.float32]:
            return field[np.ix_(rows, columns)] if field.ndim == 2 else field

    else:

        def place(field: NDArray[np.float32]) -> NDArray[np.float32]:
            if scanning is None:
                return field
            across = slice(None, None, -1 if scanning.i_negative else None)
            return field[:: -1 if scanning.j_positive else 1, across]

        latitudes, longitudes = place(latitudes), place(longitudes)
    if latitudes.shape != ours.latitudes.shape or longitudes.shape != ours.longitudes.shape:
        return f"its grid has the shape {found.shape}, not {ours.shape}"
    if np.max(np.abs(latitudes - ours.latitudes)) > _DEGREES:
        return "its latitudes differ from the grid's"
    if np.max(np.abs(np.mod(longitudes - ours.longitudes + 180.0, 360.0) - 180.0)) > _DEGREES:
        return "its longitudes differ from the grid's"
    return place


def _equal(theirs: NDArray[Any], ours: NDArray[Any]) -> bool:
    if theirs.shape != ours.shape:
        return False
    if theirs.dtype.kind != "f":
        return bool(np.array_equal(theirs, ours))
    largest = np.nanmax(np.abs(ours), initial=0.0)
    return bool(
        np.allclose(theirs, ours, rtol=_RELATIVE, atol=_RELATIVE**2 * largest, equal_nan=True)
    )
