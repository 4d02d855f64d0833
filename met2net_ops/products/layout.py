"""The layout of a product: dimensions, coordinates and data variables with their attributes.

Chosen so that xarray, CDO and MET all read dates and leads right: see docs/netcdf.md.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from met2net_ops.errors import ProductError
from met2net_ops.grids import EARTH_RADIUS_M
from met2net_ops.products.attributes import to_attributes
from met2net_ops.times import HOUR
from met2net_ops.variables import Variable, VerticalKind, variable

if TYPE_CHECKING:
    import netCDF4
    from numpy.typing import NDArray

    from met2net_ops.products.header import ProductHeader
    from met2net_ops.settings import ProductSettings
    from met2net_ops.variables import Vertical

DIMENSIONS = ("time", "latitude", "longitude")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
CHECKSUM = "met2net_sha256"  # attribute of a field: of its float32 values, little endian
TIME_UNITS = "seconds since 1970-01-01 00:00:00"
_POINT = "time: point"


def define(dataset: netCDF4.Dataset, header: ProductHeader, settings: ProductSettings) -> None:
    """Create dimensions and variables, and fill in everything but the fields.

    Global attributes are written by `describe`, when timings and findings are known.

    Raises:
        ProductError: this build of netCDF lacks the requested compression.
    """
    for name, size in zip(DIMENSIONS, (header.leads, *header.grid.shape), strict=True):
        dataset.createDimension(name, size)
    rows = [variable(name) for name in header.variables]
    _coordinates(dataset, header, bounds=any(row.cell_methods != _POINT for row in rows))
    _grid_mapping(dataset)
    # CDO gives a field without a level the first level defined before it: those fields go first.
    for row in rows:
        if level_name(row.vertical) is None:
            _field(dataset, row, header, settings)
    for vertical in dict.fromkeys(row.vertical for row in rows):
        _scalar_level(dataset, vertical)
    for row in rows:
        if level_name(row.vertical) is not None:
            _field(dataset, row, header, settings)


def describe(dataset: netCDF4.Dataset, header: ProductHeader) -> None:
    """Write the global attributes."""
    dataset.setncatts(to_attributes(header))


def seconds(time: datetime) -> float:
    """A time as the file holds it."""
    return (time - EPOCH).total_seconds()


def valid_time_seconds(header: ProductHeader) -> NDArray[np.float64]:
    """(lead,) the time coordinate as the file holds it."""
    return np.array([seconds(time) for time in header.valid_times])


def _coordinates(dataset: netCDF4.Dataset, header: ProductHeader, *, bounds: bool) -> None:
    times = valid_time_seconds(header)
    time_attributes = {
        "units": TIME_UNITS,
        "calendar": "standard",
        "units_metadata": "leap_seconds: none",
    }
    time = {
        "standard_name": "time",
        "long_name": "valid time",
        "axis": "T",
        **time_attributes,
    }
    if bounds:
        time["bounds"] = "time_bnds"
        dataset.createDimension("bnds", 2)
        # Whatever the step of the model: the table's sums and means are of the preceding hour.
        edges = np.stack([times - HOUR.total_seconds(), times], axis=1)
        _array(dataset, "time_bnds", "f8", ("time", "bnds"), edges, {})
    _array(dataset, "time", "f8", ("time",), times, time)
    for name, axis, units, values in (
        ("latitude", "Y", "degrees_north", header.grid.latitudes),
        ("longitude", "X", "degrees_east", header.grid.longitudes),
    ):
        attributes = {"standard_name": name, "long_name": name, "units": units, "axis": axis}
        _array(dataset, name, "f8", (name,), values, attributes)
    reference = {
        "standard_name": "forecast_reference_time",
        "long_name": "time of the last analysis used",
        **time_attributes,
    }
    _array(dataset, "forecast_reference_time", "f8", (), seconds(header.reference_time), reference)
    period_attributes = {
        "standard_name": "forecast_period",
        "long_name": "lead time",
        "units": "hours",
        "dtype": "timedelta64[ns]",  # without it xarray decodes plain integers
    }
    hours = header.step_hours * np.arange(1, header.leads + 1)
    _array(dataset, "forecast_period", "i4", ("time",), hours, period_attributes)


def _grid_mapping(dataset: netCDF4.Dataset) -> None:
    attributes = {
        "grid_mapping_name": "latitude_longitude",
        "earth_radius": EARTH_RADIUS_M,
        "longitude_of_prime_meridian": 0.0,
    }
    _array(dataset, "crs", "i4", (), 0, attributes)


def level_name(vertical: Vertical) -> str | None:
    """The scalar coordinate that says where a field lives, where CF has one.

    >>> level_name(variable("t2m").vertical), level_name(variable("r1000").vertical)
    ('height_2m', 'pressure_1000hPa')
    """
    match vertical.kind:
        case VerticalKind.HEIGHT:
            return f"height_{vertical.value:g}m"
        case VerticalKind.PRESSURE:
            return f"pressure_{vertical.value:g}hPa"
        case _:
            return None


def _scalar_level(dataset: netCDF4.Dataset, vertical: Vertical) -> None:
    name = level_name(vertical)
    if name is None:
        return
    attributes = (
        {"standard_name": "height", "long_name": "height above ground", "units": "m"}
        if vertical.kind is VerticalKind.HEIGHT
        else {"standard_name": "air_pressure", "long_name": "pressure", "units": "hPa"}
    )
    attributes["positive"] = "up" if vertical.kind is VerticalKind.HEIGHT else "down"
    attributes["axis"] = "Z"
    _array(dataset, name, "f8", (), vertical.value, attributes)


def _field(
    dataset: netCDF4.Dataset, row: Variable, header: ProductHeader, settings: ProductSettings
) -> None:
    options: dict[str, Any] = {}
    if settings.compression != "none":
        options = {
            "compression": settings.compression,
            "complevel": settings.compression_level,
            "shuffle": True,
        }
    try:
        created = dataset.createVariable(
            row.name,
            "f4",
            DIMENSIONS,
            chunksizes=(1, *header.grid.shape),
            fill_value=np.float32(np.nan),
            fletcher32=True,  # damage on disk is noticed by whoever reads
            **options,
        )
    except RuntimeError as error:
        if "filter" not in str(error).lower():
            raise
        raise ProductError(
            f"this build of netCDF cannot write {settings.compression} ({error}); "
            'set compression = "zlib" in [products]'
        ) from error
    created.set_auto_maskandscale(False)
    level = level_name(row.vertical)
    coordinates = ["forecast_reference_time", "forecast_period", *([level] if level else [])]
    metadata = {"units_metadata": "temperature: on_scale"} if row.units == "K" else {}
    created.setncatts(
        {
            "standard_name": row.standard_name,
            "long_name": row.long_name,
            "units": row.units,
            **metadata,
            "coverage_content_type": "modelResult",
            "cell_methods": row.cell_methods,
            "grid_mapping": "crs",
            "coordinates": " ".join(coordinates),
        }
    )


def _array(
    dataset: netCDF4.Dataset,
    name: str,
    kind: str,
    dimensions: tuple[str, ...],
    values: NDArray[Any] | float,
    attributes: dict[str, Any],
) -> None:
    created = dataset.createVariable(name, kind, dimensions, fill_value=False)
    created.setncatts(attributes)
    created[...] = values
