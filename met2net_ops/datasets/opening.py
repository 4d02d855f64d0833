"""Open NetCDF files, zips of them and Zarr stores, with axes of the same names."""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
import warnings
import zipfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xarray as xr

from met2net_ops.datasets.stores import SCHEMES, Traffic, WatchedStore, is_remote, open_store
from met2net_ops.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

TIME, LATITUDE, LONGITUDE, EXPVER, LEVEL = "time", "latitude", "longitude", "expver", "level"
_AXES = {
    TIME: ("valid_time", "time"),
    LATITUDE: ("latitude", "lat"),
    LONGITUDE: ("longitude", "lon"),
    LEVEL: ("pressure_level", "isobaricInhPa", "level", "plev"),
}
_BLOCK = 4 << 20


@dataclass(frozen=True, eq=False)
class Part:
    """One file or store, opened and not yet read.

    Attributes:
        location: as it was given; of a file in a zip, both names.
        data: dimensions and coordinates are called time, latitude, longitude, level, expver.
        sha256: of a file's bytes, or of a store's metadata.
        store: of a Zarr store; None for files.
    """

    location: str
    data: xr.Dataset
    sha256: str
    store: WatchedStore | None = None

    @property
    def traffic(self) -> Traffic | None:
        """What came over the wire, if anything can."""
        return self.store.traffic if self.store else None


@contextlib.contextmanager
def opened(locations: Sequence[str], region: str = "us-east-1") -> Iterator[list[Part]]:
    """Open files and stores; they are closed at the end.

    Args:
        locations: NetCDF files, folders of them, zips of them (as from the CDS), Zarr stores.
        region: of S3 buckets.

    Raises:
        DatasetError: one cannot be read, or is something else; it is named.
    """
    with ExitStack() as stack:
        parts = [
            part
            for location in locations
            for path in _spread(location)
            for part in _open(path, stack, region)
        ]
        if not parts:
            raise DatasetError(f"no NetCDF file in {', '.join(locations)}")
        yield parts


def _spread(location: str) -> list[str]:
    """The files of a folder that is no store."""
    folder = Path(location).expanduser()
    if is_remote(location) or not folder.is_dir() or _is_store(folder):
        return [location]
    return [str(path) for path in sorted(folder.glob("*.nc")) + sorted(folder.glob("*.zip"))]


def _is_store(folder: Path) -> bool:
    return any((folder / name).is_file() for name in ("zarr.json", ".zgroup", ".zmetadata"))


def _open(location: str, stack: ExitStack, region: str) -> list[Part]:
    path = Path(location).expanduser()
    if is_remote(location) or path.is_dir():
        return [_open_store(location, stack, region)]
    if "://" in location:
        raise DatasetError(f"cannot open {location}; there are {', '.join(SCHEMES)} and paths")
    try:
        with path.open("rb") as file:
            head = file.read(8)
    except OSError as error:
        raise DatasetError(f"cannot read {location}: {error.strerror or error}") from error
    if head.startswith(b"PK"):
        return _open_zip(location, path, stack)
    if head.startswith((b"CDF", b"\x89HDF")):
        return [_open_file(location, path, stack)]
    if b"GRIB" in head:
        raise DatasetError(f"{location} is GRIB: `met2net-ops ingest` reads it")
    raise DatasetError(f"{location} is neither NetCDF nor a zip of NetCDF files")


def _open_zip(location: str, path: Path, stack: ExitStack) -> list[Part]:
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="met2net-zip-")))
    parts: list[Part] = []
    try:
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                if info.filename.endswith(".nc"):
                    target = folder / f"{len(parts)}.nc"  # never a name from inside
                    with archive.open(info) as source, target.open("wb") as file:
                        while block := source.read(_BLOCK):
                            file.write(block)
                    parts.append(_open_file(f"{location}/{info.filename}", target, stack))
    except (zipfile.BadZipFile, OSError, EOFError) as error:
        raise DatasetError(f"{location} is damaged: {error}. Fetch it again") from error
    if not parts:
        raise DatasetError(f"{location} holds no NetCDF file")
    return parts


def _open_file(location: str, path: Path, stack: ExitStack) -> Part:
    try:
        data = stack.enter_context(xr.open_dataset(path, engine="netcdf4", decode_timedelta=False))
    except (OSError, ValueError, RuntimeError) as error:
        raise DatasetError(f"cannot read {location}: {error}") from error
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return Part(location, _named_axes(data, location), digest.hexdigest())


def _open_store(location: str, stack: ExitStack, region: str) -> Part:
    store = open_store(location, region)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that there are no consolidated metadata, for one
            data = stack.enter_context(
                xr.open_zarr(store, chunks=None, decode_timedelta=False, consolidated=None)
            )
    except Exception as error:
        # Whatever zarr, a codec or the host raises: the store cannot be opened.
        raise DatasetError(
            f"cannot open the Zarr store {location}: {type(error).__name__}: {error}. Check the "
            "address; a store on a host that cannot list needs consolidated metadata"
        ) from error
    described = repr(sorted((str(name), dict(a.attrs)) for name, a in data.variables.items()))
    digest = hashlib.sha256(f"{location}\n{described}".encode()).hexdigest()
    return Part(location, _named_axes(data, location), digest, store)


def _named_axes(data: xr.Dataset, location: str) -> xr.Dataset:
    renamed: dict[Any, str] = {}
    for name, known in _AXES.items():
        found = [one for one in known if one in data.variables or one in data.dims]
        if found and found[0] != name:
            renamed[found[0]] = name
    if TIME in renamed.values() and TIME in data.variables and TIME not in renamed:
        data = data.drop_vars(TIME)  # the reference time beside a valid time
    data = data.rename(renamed)
    if LATITUDE not in data.variables or LONGITUDE not in data.variables:
        raise DatasetError(
            f"{location} has no latitude and longitude (also lat and lon); it has "
            f"{', '.join(map(str, data.variables))}"
        )
    if TIME not in data.dims and TIME in data.variables:
        data = data.expand_dims(TIME)
    if (members := data.sizes.get("number", 1)) > 1:
        raise DatasetError(f"{location} has {members} ensemble members; give a file with one")
    return data.squeeze([d for d in ("number",) if d in data.dims], drop=True)
