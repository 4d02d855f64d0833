"""Reading products back: headers alone, fields as arrays, or the whole as an xarray Dataset."""

from __future__ import annotations

import hashlib
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import netCDF4
import numpy as np

from met2net_ops.errors import ProductError
from met2net_ops.products.attributes import from_attributes
from met2net_ops.products.layout import CHECKSUM, EPOCH

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    import xarray as xr
    from numpy.typing import NDArray

    from met2net_ops.products.header import ProductHeader

# The HDF5 library in the netCDF4 wheel is not safe to enter from two threads at once
# (xarray #4100, #9779), so everything here goes through this lock, and nothing stays open.
LIBRARY_LOCK = threading.RLock()

_VALUES_AT_ONCE = 2**21  # 8 MB
# What netCDF4 and xarray raise when the bytes make no sense to them.
_OF_DAMAGED_FILES = (
    OSError,
    RuntimeError,
    ValueError,
    LookupError,
    AttributeError,
    TypeError,
    OverflowError,
    MemoryError,
)


@dataclass(frozen=True)
class Product:
    """A product in memory; its file is closed again.

    Attributes:
        path: where it was read.
        header: identity, axes and provenance.
        dataset: fields on (time, latitude, longitude), times and leads decoded, float32.
    """

    path: Path
    header: ProductHeader
    dataset: xr.Dataset


def open_product(path: Path, variables: Sequence[str] | None = None) -> Product:
    """Read a product into memory.

    Args:
        path: the NetCDF file.
        variables: canonical names of the fields wanted; all by default.

    Raises:
        ProductError: no such file, damaged, not a product, or without a requested variable.
    """
    import xarray as xr  # takes most of a second: not for those who only list headers

    with _named(path):
        with netCDF4.Dataset(path) as raw:
            header = header_of(raw)
        names = _wanted(header, variables)
        with xr.open_dataset(path, engine="netcdf4", decode_timedelta=True) as lazy:
            dataset = lazy.set_coords(["crs"])[list(names)].load()
        for name in names:
            _check(name, dataset[name].values, dataset[name].attrs.get(CHECKSUM))
    return Product(path, header, dataset)


def read_fields(
    path: Path, variables: Sequence[str] | None = None
) -> tuple[ProductHeader, NDArray[np.float32]]:
    """The header and the fields alone, several times quicker than through xarray.

    Args:
        path: the NetCDF file.
        variables: canonical names in the order wanted; all by default.

    Returns:
        The header, and (lead, variable, latitude, longitude) float32.

    Raises:
        ProductError: as for `open_product`.
    """
    with _named(path), netCDF4.Dataset(path) as raw:
        raw.set_auto_maskandscale(False)
        header = header_of(raw)
        names = _wanted(header, variables)
        values = np.empty((header.leads, len(names), *header.grid.shape), dtype=np.float32)
        for index, name in enumerate(names):
            fields = raw[name][:]
            _check(name, fields, getattr(raw[name], CHECKSUM, None))
            values[:, index] = fields
    return header, values


def read_reduced(
    path: Path,
    variables: Sequence[str],
    reduce: Callable[[NDArray[np.float32]], NDArray[Any]],
    *,
    every: int = 1,
) -> tuple[ProductHeader, dict[str, NDArray[Any]]]:
    """Less than the whole of fields: a region, every n-th point, one place.

    One field is in memory at a time. All are checked as they pass, unless leads are left out.

    Args:
        path: the NetCDF file.
        variables: canonical names.
        reduce: (latitude, longitude) to an array whose shape is the same every time.
        every: every how many-th lead to read: 3 of hourly leads gives 3 h, 6 h and so on.

    Returns:
        The header, and by name (lead, …) of what `reduce` made.

    Raises:
        ProductError: as for `open_product`.
    """
    with _named(path), netCDF4.Dataset(path) as raw:
        raw.set_auto_maskandscale(False)
        header = header_of(raw)
        leads = range(min(every, header.leads) - 1, header.leads, every)
        found = {}
        for name in _wanted(header, variables):
            digest = hashlib.sha256()
            parts = []
            for lead in leads:
                field = np.ascontiguousarray(raw[name][lead])
                if every == 1:
                    digest.update(field.data)
                parts.append(np.array(reduce(field)))
            if every == 1:
                _check_digest(name, digest.hexdigest(), getattr(raw[name], CHECKSUM, None))
            found[name] = np.stack(parts)
    return header, found


def read_header(path: Path) -> ProductHeader:
    """Identity, axes and provenance of a product.

    Raises:
        ProductError: no such file, damaged, or not a product.
    """
    with _named(path), netCDF4.Dataset(path) as raw:
        return header_of(raw)


def header_of(dataset: netCDF4.Dataset) -> ProductHeader:
    """The header of an open file.

    Raises:
        ProductError: it is not a product (without the file's name).
    """
    attributes = {name: dataset.getncattr(name) for name in dataset.ncattrs()}
    try:
        reference = EPOCH + timedelta(seconds=float(dataset["forecast_reference_time"][...]))
        leads = len(dataset.dimensions["time"])
    except (KeyError, IndexError) as error:
        raise ProductError(f"it is no met2net-ops product: {error}") from error
    header = from_attributes(attributes, reference, leads)
    missing = [name for name in header.variables if name not in dataset.variables]
    if missing:
        raise ProductError(f"it lacks the variables {', '.join(missing)} it announces")
    return header


def checksum(variable: netCDF4.Variable[Any], header: ProductHeader) -> str:
    """SHA-256 of a variable's values as they are on disk, read a few leads at a time."""
    digest = hashlib.sha256()
    at_once = max(1, _VALUES_AT_ONCE // (header.grid.nlat * header.grid.nlon))
    for start in range(0, header.leads, at_once):
        digest.update(np.ascontiguousarray(variable[start : start + at_once]).data)
    return digest.hexdigest()


def _check(name: str, values: NDArray[np.float32], expected: str | None) -> None:
    """Refuse fields that are not the ones written: HDF5 gives NaN for chunks it cannot find."""
    _check_digest(name, hashlib.sha256(np.ascontiguousarray(values).data).hexdigest(), expected)


def _check_digest(name: str, found: str, expected: str | None) -> None:
    if found != expected:
        raise ProductError(f"the values of {name} are not those that were written")


def _wanted(header: ProductHeader, variables: Sequence[str] | None) -> tuple[str, ...]:
    names = header.variables if variables is None else tuple(variables)
    absent = [name for name in names if name not in header.variables]
    if absent:
        raise ProductError(f"it has no {', '.join(absent)}, only {', '.join(header.variables)}")
    return names


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Hold the library's lock; name the file in whatever goes wrong."""
    if not path.is_file():
        raise ProductError(f"{path}: no such product; `met2net-ops forecast` makes one")
    try:
        with LIBRARY_LOCK:
            yield
    except ProductError as error:
        raise ProductError(f"cannot use {path}: {error}") from error
    except _OF_DAMAGED_FILES as error:
        raise ProductError(
            f"cannot read {path}: {error}; the file is damaged or no NetCDF. "
            "`met2net-ops forecast --cycle … --force` makes it again"
        ) from error
