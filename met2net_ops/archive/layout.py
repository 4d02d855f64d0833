"""The archive's Zarr v3 metadata, as one value that is read and replaced whole.

Everything a reader needs is in the root document (consolidated metadata), so one rename moves all
arrays from one time axis to the next. docs/ingest.md tells why the axis is laid out as it is.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from met2net_ops.archive import codec
from met2net_ops.errors import ArchiveError
from met2net_ops.grids import LatLonGrid
from met2net_ops.times import format_time
from met2net_ops.variables import Variable, VerticalKind, variable

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = "zarr.json"
_FORMAT = 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EARLIEST = datetime(1800, 1, 1, tzinfo=UTC)
_LATEST = datetime(2300, 1, 1, tzinfo=UTC)
_TIMES_PER_CHUNK = 16_384
# Two ways in which Zarr names chunks. A generation uses one, the next the other: see grown().
_ENCODINGS = (("default", "c."), ("v2", ""))


@dataclass(frozen=True)
class Layout:
    """Which frames an archive has room for, and under which keys they lie.

    Attributes:
        grid: the grid of every frame.
        variables: canonical names.
        step: time between frames; divides a day.
        start: valid time of index 0; None while there is no frame.
        length: frames on the time axis.
        generation: how often the axis has grown backward.
        identity: tells this archive from others, wherever it lies; "" in those made without.
    """

    grid: LatLonGrid
    variables: tuple[str, ...]
    step: timedelta
    start: datetime | None = None
    length: int = 0
    generation: int = 0
    identity: str = ""

    def __post_init__(self) -> None:
        day = timedelta(days=1)
        if self.step <= timedelta(0) or day % self.step:
            raise ArchiveError(
                f"frames every {self.step} do not fit a day evenly; choose a divisor"
            )

    def index(self, time: datetime) -> int:
        """Where a valid time lies on the axis; negative before its start.

        Raises:
            ArchiveError: the time is not a multiple of the step, or absurd.
        """
        if (time - _EPOCH) % self.step:
            raise ArchiveError(
                f"{format_time(time)} is not on the time axis: frames are {self.step} apart"
            )
        if not _EARLIEST <= time <= _LATEST:
            raise ArchiveError(f"{format_time(time)} is outside the years this archive can hold")
        return (time - (self.start or time)) // self.step

    def time(self, index: int) -> datetime:
        """Valid time of an index."""
        return (self.start or _EPOCH) + index * self.step

    def prefix(self, name: str) -> str:
        """What the chunk keys of an array begin with, before the index."""
        return f"{name}/{_ENCODINGS[self.generation % 2][1]}"

    def chunk(self, name: str, index: int) -> str:
        """The key of a frame."""
        return f"{self.prefix(name)}{index}.0.0"

    def parse(self, name: str) -> int | None:
        """The index in the last part of a frame's key; None for other names."""
        prefix = _ENCODINGS[self.generation % 2][1]
        if not (name.startswith(prefix) and name.endswith(".0.0")):
            return None
        digits = name[len(prefix) : -len(".0.0")]
        return int(digits) if digits.isdigit() else None

    def former_chunks(self, variable: str, names: Iterable[str]) -> list[str]:
        """Of the names beside a variable's frames, the keys of the generation before this one."""
        former = replace(self, generation=self.generation + 1)
        return [f"{variable}/{name}" for name in names if former.parse(name) is not None]

    def grown(self, first: datetime, last: datetime) -> Layout:
        """The layout with room for both times.

        The axis begins with a calendar month. Growing backward renumbers all frames, so the new
        generation uses the other way of naming chunks and the old names stay for readers that
        still use the old layout.
        """
        begin = first.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        self.index(first), self.index(last)
        if self.start is None:
            return replace(self, start=begin, length=(last - begin) // self.step + 1)
        start = min(begin, self.start)
        stop = max(last, self.time(self.length - 1))
        return replace(
            self,
            start=start,
            length=(stop - start) // self.step + 1,
            generation=self.generation + (start < self.start),
        )

    def time_chunks(self) -> dict[str, bytes]:
        """Keys and bytes of the time coordinate; each chunk is full, also beyond the end."""
        first = int((self.time(0) - _EPOCH).total_seconds())
        step = int(self.step.total_seconds())
        chunks = {}
        for number in range(-(-self.length // _TIMES_PER_CHUNK)):
            indices = np.arange(_TIMES_PER_CHUNK, dtype=np.int64) + number * _TIMES_PER_CHUNK
            chunks[f"{self.prefix('time')}{number}"] = codec.encode(first + step * indices)
        return chunks

    def documents(self) -> dict[str, bytes]:
        """Keys and bytes of all metadata, the root last."""
        arrays = self._arrays()
        root = {
            "zarr_format": 3,
            "node_type": "group",
            "attributes": self._attributes(),
            "consolidated_metadata": {
                "kind": "inline",
                "must_understand": False,
                "metadata": arrays,
            },
        }
        documents = {f"{name}/{ROOT}": _json(array) for name, array in arrays.items()}
        return {**documents, ROOT: _json(root)}

    def coordinate_chunks(self) -> dict[str, bytes]:
        """Keys and bytes of latitude and longitude, which never change."""
        return {
            "latitude/c.0": codec.encode(self.grid.latitudes),
            "longitude/c.0": codec.encode(self.grid.longitudes),
        }

    def _attributes(self) -> dict[str, Any]:
        grid = self.grid
        return {
            "Conventions": "CF-1.11",
            "title": "Frames of met2net-ops on the model grid",
            "met2net_ops": {
                "format": _FORMAT,
                "identity": self.identity,
                "step_seconds": int(self.step.total_seconds()),
                "start": self.start and self.start.isoformat(),
                "length": self.length,
                "generation": self.generation,
                "variables": list(self.variables),
                "grid": {
                    "name": grid.name,
                    "north": grid.north,
                    "west": grid.west,
                    "dlat": grid.dlat,
                    "dlon": grid.dlon,
                    "nlat": grid.nlat,
                    "nlon": grid.nlon,
                    "checksum": grid.checksum,
                },
            },
        }

    def _arrays(self) -> dict[str, dict[str, Any]]:
        nlat, nlon = self.grid.shape
        encoding = _ENCODINGS[self.generation % 2][0]
        axes = {
            "time": _array(
                (self.length,), (_TIMES_PER_CHUNK,), "int64", ("time",), encoding,
                {"standard_name": "time", "long_name": "valid time", "axis": "T",
                 "units": "seconds since 1970-01-01", "calendar": "standard"},
            ),
            "latitude": _array(
                (nlat,), (nlat,), "float64", ("latitude",), "default",
                {"standard_name": "latitude", "units": "degrees_north", "axis": "Y"},
            ),
            "longitude": _array(
                (nlon,), (nlon,), "float64", ("longitude",), "default",
                {"standard_name": "longitude", "units": "degrees_east", "axis": "X"},
            ),
        }  # fmt: skip
        frames = {
            name: _array(
                (self.length, nlat, nlon),
                (1, nlat, nlon),
                "float32",
                ("time", "latitude", "longitude"),
                encoding,
                _variable_attributes(variable(name)),
            )
            for name in self.variables
        }
        return {**axes, **frames}


def parse_layout(document: bytes, where: str) -> Layout:
    """The layout in a root document.

    Raises:
        ArchiveError: it is not one of ours.
    """
    try:
        own = json.loads(document)["attributes"]["met2net_ops"]
        if own["format"] != _FORMAT:
            raise ArchiveError(f"{where} has layout {own['format']}; this version reads {_FORMAT}")
        grid = {key: value for key, value in own["grid"].items() if key != "checksum"}
        return Layout(
            grid=LatLonGrid(**grid),
            variables=tuple(own["variables"]),
            step=timedelta(seconds=own["step_seconds"]),
            start=own["start"] and datetime.fromisoformat(own["start"]),
            length=own["length"],
            generation=own["generation"],
            identity=own.get("identity", ""),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise ArchiveError(
            f"{where} is not a frame archive of met2net-ops ({error!r}); "
            "move it away, or set archive.url to another place"
        ) from error


def _array(
    shape: tuple[int, ...],
    chunks: tuple[int, ...],
    dtype: str,
    dimensions: tuple[str, ...],
    encoding: str,
    attributes: dict[str, Any],
) -> dict[str, Any]:
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": list(shape),
        "data_type": dtype,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(chunks)}},
        "chunk_key_encoding": {"name": encoding, "configuration": {"separator": "."}},
        "fill_value": "NaN" if dtype.startswith("float") else 0,
        "codecs": codec.codecs(np.dtype(dtype).itemsize),
        "dimension_names": list(dimensions),
        "attributes": attributes,
        "storage_transformers": [],
    }


def _variable_attributes(row: Variable) -> dict[str, Any]:
    attributes: dict[str, Any] = {
        "standard_name": row.standard_name,
        "long_name": row.long_name,
        "units": row.units,
        "cell_methods": row.cell_methods,
    }
    if row.vertical.kind is VerticalKind.HEIGHT:
        attributes["height"] = f"{row.vertical.value:g} m"
    if row.vertical.kind is VerticalKind.PRESSURE:
        attributes["air_pressure"] = f"{row.vertical.value:g} hPa"
    return attributes


def _json(document: dict[str, Any]) -> bytes:
    return json.dumps(document).encode()
