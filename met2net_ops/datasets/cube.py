"""What an opened dataset holds, in the words of the variable table."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from met2net_ops.datasets.names import conversion, is_rate, names_of
from met2net_ops.datasets.opening import EXPVER, LATITUDE, LEVEL, LONGITUDE, TIME, Part
from met2net_ops.derive import DERIVATIONS, Derivation, wind_components
from met2net_ops.errors import DatasetError
from met2net_ops.times import from_datetime64
from met2net_ops.variables import VARIABLES, VerticalKind, variable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import timedelta

    import xarray as xr
    from numpy.typing import NDArray

    from met2net_ops.datasets.source import DatasetField
    from met2net_ops.variables import Variable

STATICS = ("orog", "lsm")


def _eastward(speed: Any, direction: Any) -> Any:
    return wind_components(speed, direction)[0]


def _northward(speed: Any, direction: Any) -> Any:
    return wind_components(speed, direction)[1]


# Files that people have processed may hold speed and direction alone; GRIB never does.
_DERIVATIONS = (
    *DERIVATIONS,
    Derivation("u10", ("ws10", "wd10"), _eastward),
    Derivation("v10", ("ws10", "wd10"), _northward),
)


@dataclass(frozen=True, eq=False)
class Layer:
    """One array of a part, recognised.

    Attributes:
        variable: canonical name.
        part: that holds it.
        name: of the array there.
        array: (time, y, x), with a dimension `expver` last if the file has one; not read yet.
        scale: the array times this, plus `offset`, is in the variable's units.
        offset: see there.
        absent: what a chunk that is not there means, see `DatasetField`.
    """

    variable: str
    part: Part
    name: str
    array: xr.DataArray
    scale: float = 1.0
    offset: float = 0.0
    absent: Literal["missing", "fill"] = "missing"

    def chunk(self, dimension: str) -> int:
        """Length of the pieces it is stored in along a dimension; 1 where it is not in pieces."""
        chunks = self.array.encoding.get("preferred_chunks", {})
        names = self.array.attrs["stored_as"]
        size = chunks.get(names.get(dimension, dimension), 0)
        whole = self.array.sizes[dimension]
        return int(min(size, whole)) if size else (1 if dimension == TIME else whole)


@dataclass(frozen=True, eq=False)
class Recipe:
    """How one variable comes out of a cube.

    Attributes:
        target: canonical name.
        inputs: layers, in the order `function` takes them.
        function: None where the one input is the variable itself.
        method: in words, "" without a function.
    """

    target: str
    inputs: tuple[Layer, ...]
    function: Callable[..., Any] | None = None
    method: str = ""


@dataclass(frozen=True, eq=False)
class Cube:
    """Arrays on the same times and grid, from one part or several.

    Attributes:
        parts: they come from.
        times: (time,) naive-UTC datetime64[ns], ascending.
        latitudes: (y,) degrees in the order of the arrays, or (y, x) of a mesh.
        longitudes: (x,) likewise, or (y, x).
        dims: names of y and x.
        layers: by canonical name.
        statics: height of the surface and land fraction, where it has them.
        unread: array → why it is not used.
    """

    parts: tuple[Part, ...]
    times: NDArray[np.datetime64]
    latitudes: NDArray[np.float64]
    longitudes: NDArray[np.float64]
    dims: tuple[str, str]
    layers: Mapping[str, Layer]
    statics: Mapping[str, Layer]
    unread: Mapping[str, str]

    @property
    def where(self) -> str:
        """Its locations, for messages."""
        return ", ".join(dict.fromkeys(part.location for part in self.parts))

    def step(self) -> timedelta | None:
        """The commonest time between its times; None for a single one."""
        if self.times.size < 2:
            return None
        steps, counts = np.unique(np.diff(self.times), return_counts=True)
        return from_datetime64(np.datetime64(0, "ns") + steps[counts.argmax()]) - from_datetime64(
            np.datetime64(0, "ns")
        )

    def recipe(self, name: str) -> Recipe | None:
        """How to get a variable; None if it cannot be had."""
        if name in self.layers:
            return Recipe(name, (self.layers[name],))
        for derivation in _DERIVATIONS:
            if derivation.target == name and all(one in self.layers for one in derivation.inputs):
                inputs = tuple(self.layers[one] for one in derivation.inputs)
                return Recipe(name, inputs, derivation.function, derivation.method)
        return None


def find_cubes(parts: Sequence[Part], fields: Mapping[str, DatasetField]) -> list[Cube]:
    """Recognise what parts hold; those on the same times and grid are joined.

    Args:
        parts: opened files and stores.
        fields: how they name variables, where not as ERA5 and the CDS do.

    Raises:
        DatasetError: axes that are no axes, or one variable twice in one time and place.
    """
    cubes = [_cube(part, fields) for part in parts]
    cubes.sort(key=_axes_key)
    joined = [_join(list(group)) for _, group in groupby(cubes, key=_axes_key)]
    return sorted(joined, key=lambda cube: str(cube.times[:1]))


def _axes_key(cube: Cube) -> tuple[bytes, bytes, bytes]:
    places = np.round(cube.latitudes, 5), np.round(cube.longitudes, 5)
    return cube.times.tobytes(), places[0].tobytes(), places[1].tobytes()


def _join(cubes: list[Cube]) -> Cube:
    layers: dict[str, Layer] = {}
    for cube in cubes:
        for name, layer in cube.layers.items():
            if name in layers:
                raise DatasetError(
                    f"{name} is in both {layers[name].part.location} and {layer.part.location} "
                    "for the same times; leave one out"
                )
            layers[name] = layer
    first = cubes[0]
    return Cube(
        tuple(part for cube in cubes for part in cube.parts),
        first.times, first.latitudes, first.longitudes, first.dims, layers,
        {name: layer for cube in reversed(cubes) for name, layer in cube.statics.items()},
        {name: why for cube in cubes for name, why in cube.unread.items()},
    )  # fmt: skip


def _cube(part: Part, fields: Mapping[str, DatasetField]) -> Cube:
    data = part.data
    times = _times(part)
    latitude, longitude = data[LATITUDE], data[LONGITUDE]
    dims = (
        (str(latitude.dims[0]), str(longitude.dims[0]))
        if latitude.ndim == 1
        else (str(latitude.dims[0]), str(latitude.dims[1]))
    )
    layers: dict[str, Layer] = {}
    statics: dict[str, Layer] = {}
    unread: dict[str, str] = {}
    for row in VARIABLES.values():
        for found in _arrays(data, row, fields.get(row.name)):
            layer = _layer(part, row, found, fields.get(row.name), dims)
            if isinstance(layer, str):
                unread[str(found.name)] = layer
            elif row.name in STATICS:
                statics[row.name] = layer
            elif TIME in layer.array.dims:
                layers[row.name] = layer
            break
    known = {layer.name for layer in (*layers.values(), *statics.values())}
    for name in map(str, data.data_vars):
        if name not in known:
            unread.setdefault(name, "no variable of ours")
    return Cube(
        (part,), times,
        np.asarray(latitude.values, dtype=np.float64),
        np.asarray(longitude.values, dtype=np.float64), dims, layers, statics, unread,
    )  # fmt: skip


def _times(part: Part) -> NDArray[np.datetime64]:
    if TIME not in part.data.variables:
        return np.empty(0, dtype="datetime64[ns]")
    times = np.atleast_1d(part.data[TIME].values)
    if not np.issubdtype(times.dtype, np.datetime64):
        raise DatasetError(f"{part.location}: its times are no dates; it needs CF time units")
    times = times.astype("datetime64[ns]")
    if (np.diff(times) <= np.timedelta64(0, "ns")).any():
        raise DatasetError(f"{part.location}: its times do not ascend; sort it by time")
    return times


def _arrays(data: xr.Dataset, row: Variable, given: DatasetField | None) -> list[xr.DataArray]:
    """The array of a variable: as the mapping names it, or by the names that are known."""
    if given is not None:
        return [data[given.name]] if given.name in data.variables else []
    return [data[name] for name in names_of(row) if name in data.data_vars][:1]


def _layer(
    part: Part,
    row: Variable,
    array: xr.DataArray,
    given: DatasetField | None,
    dims: tuple[str, str],
) -> Layer | str:
    """The array as a layer; or why it is none."""
    on_levels = row.vertical.kind is VerticalKind.PRESSURE
    stored_as = _stored_names(part, array)
    if LEVEL in array.dims:
        level = given.level if given is not None and given.level else row.vertical.value
        if not on_levels:
            return "it lies on pressure levels"
        heights = np.asarray(array[LEVEL].values, dtype=np.float64)
        heights = heights / 100 if heights.max() > 2000 else heights
        places = np.flatnonzero(np.isclose(heights, level))
        if not places.size:
            return f"it has no level {level:g} hPa"
        array = array.isel({LEVEL: int(places[0])}, drop=True)
        stored_as[LEVEL] = str(places[0])
    elif on_levels and given is None and array.name != row.name:
        return "no variable of ours"
    extra = [d for d in array.dims if d not in (TIME, *dims, EXPVER)]
    if any(array.sizes[d] > 1 for d in extra):
        return f"it has the further dimensions {', '.join(map(str, extra))}"
    array = array.squeeze(extra, drop=True)
    if not set(dims) <= set(array.dims):
        return "it has no place"
    if row.name in STATICS and TIME in array.dims:
        array = array.isel({TIME: 0}, drop=True)
    units = given.units if given is not None and given.units else array.attrs.get("units", "")
    found = conversion(row, str(units))
    if found is None:
        return f"its unit {units!r} is none of {row.name}'s ({row.units})"
    if is_rate(row, str(units)) and not _is_hourly(part):
        return "it is a rate, and its times are not an hour apart"
    order = [d for d in (TIME, *dims, EXPVER) if d in array.dims]
    array = array.transpose(*order)
    array.attrs["stored_as"] = stored_as
    absent = given.absent if given is not None else "missing"
    return Layer(row.name, part, str(array.name), array, *found, absent)


def _stored_names(part: Part, array: xr.DataArray) -> dict[str, str]:
    """Our name of a dimension → the name it has in the file, as the chunks are listed by."""
    stored = array.encoding.get("preferred_chunks", {})
    missing = [name for name in stored if name not in array.dims]
    unnamed = [name for name in array.dims if name not in stored]
    return {str(ours): str(theirs) for ours, theirs in zip(unnamed, missing, strict=False)}


def _is_hourly(part: Part) -> bool:
    times = part.data[TIME].values
    return bool((np.diff(times) == np.timedelta64(1, "h")).all())


def wanted_recipes(cubes: Sequence[Cube], names: Sequence[str]) -> dict[str, Recipe | None]:
    """How each variable is had from the first cube that has it; None for what none has."""
    return {
        variable(name).name: next(
            (found for cube in cubes if (found := cube.recipe(name)) is not None), None
        )
        for name in names
    }
