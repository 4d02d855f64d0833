"""One field as one GRIB message, as a centre would code it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

import eccodes
import numpy as np

from met2net_ops.errors import GridError, Met2NetOpsError
from met2net_ops.times import HOUR
from met2net_ops.variables import Variable, VerticalKind, variable

if TYPE_CHECKING:
    from datetime import datetime

    from numpy.typing import NDArray

    from met2net_ops.grids import LatLonGrid

Edition = Literal[1, 2]
Packing = Literal["simple", "ccsds"]

CENTRE = 255  # common code table C-11: missing; no centre makes this weather
BITS_PER_VALUE = 16
_SURFACES_2 = {  # code table 4.5
    VerticalKind.HEIGHT: 103,
    VerticalKind.MEAN_SEA: 101,
    VerticalKind.SURFACE: 1,
    VerticalKind.PRESSURE: 100,
    VerticalKind.COLUMN: 1,  # up to 8, the top of the atmosphere
}
_SURFACES_1 = {  # edition 1, code table 3
    VerticalKind.HEIGHT: 105,
    VerticalKind.MEAN_SEA: 102,
    VerticalKind.SURFACE: 1,
    VerticalKind.PRESSURE: 100,
    VerticalKind.COLUMN: 200,
}


class EncodingError(Met2NetOpsError):
    """The wanted combination cannot be coded in GRIB."""

    exit_code = 2


def parse_edition(number: int) -> Edition:
    """1 or 2.

    Raises:
        EncodingError: another one.
    """
    if number == 1:
        return 1
    if number == 2:
        return 2
    raise EncodingError(f"GRIB has editions 1 and 2, not {number}")


def parse_packing(text: str) -> Packing:
    """`simple` or `ccsds`.

    Raises:
        EncodingError: something else.
    """
    if text == "simple":
        return "simple"
    if text == "ccsds":
        return "ccsds"
    raise EncodingError(f"no packing is called {text!r}; known: simple, ccsds")


def encode_field(
    name: str,
    time: datetime,
    values: NDArray[np.float32],
    grid: LatLonGrid,
    *,
    edition: Edition = 2,
    packing: Packing = "simple",
    lead: timedelta = timedelta(0),
) -> bytes:
    """The GRIB message of an analysis valid at `time`, or of a forecast made `lead` before.

    An amount (tp) is coded as the first hour of a forecast from one hour before, because an
    analysis has no duration.

    Args:
        name: canonical variable.
        time: valid time, aware UTC.
        values: (lat, lon), in the unit of the variables table.
        grid: where the values are.
        edition: 1 (WMO table 2) or 2.
        packing: "ccsds" needs edition 2.
        lead: whole hours; needs edition 2.

    Raises:
        EncodingError: edition 1 with CCSDS or with a lead.
        GridError: edition 1 cannot hold the grid's coordinates (thousandths of a degree).
    """
    if edition == 1 and packing == "ccsds":
        raise EncodingError("GRIB edition 1 has no CCSDS packing; use --edition 2 or simple")
    if edition == 1 and lead:
        raise EncodingError("forecasts are coded in GRIB edition 2 only")
    if edition == 1:
        _check_millidegrees(grid)
    row = variable(name)
    keys = _grid_keys(grid)
    keys |= _edition_2(row, time, lead) if edition == 2 else _edition_1(row, time)
    scale = _coded_scale(row, edition)
    handle = eccodes.codes_grib_new_from_samples(f"GRIB{edition}")
    try:
        for key, value in keys.items():
            eccodes.codes_set(handle, key, value)
        if edition == 2:
            eccodes.codes_set(handle, "packingType", f"grid_{packing}")
        eccodes.codes_set(handle, "bitsPerValue", BITS_PER_VALUE)
        eccodes.codes_set_values(handle, values.astype(np.float64).ravel() / scale)
        return bytes(eccodes.codes_get_message(handle))
    finally:
        eccodes.codes_release(handle)


def _check_millidegrees(grid: LatLonGrid) -> None:
    numbers = np.array([grid.north, grid.west, grid.dlat, grid.dlon]) * 1000.0
    if np.abs(numbers - np.round(numbers)).max() > 1e-6:
        raise GridError(
            f"grid {grid.name or grid}: GRIB edition 1 holds coordinates in thousandths of a "
            "degree only; use --edition 2 for this grid"
        )


def _grid_keys(grid: LatLonGrid) -> dict[str, Any]:
    latitudes, longitudes = grid.latitudes, grid.longitudes
    return {
        "gridType": "regular_ll",
        "Ni": grid.nlon,
        "Nj": grid.nlat,
        "latitudeOfFirstGridPointInDegrees": float(latitudes[0]),
        "latitudeOfLastGridPointInDegrees": float(latitudes[-1]),
        "longitudeOfFirstGridPointInDegrees": float(longitudes[0] % 360.0),
        "longitudeOfLastGridPointInDegrees": float(longitudes[-1] % 360.0),
        "iDirectionIncrementInDegrees": grid.dlon,
        "jDirectionIncrementInDegrees": grid.dlat,
    }


def _reference(
    row: Variable, time: datetime, lead: timedelta = timedelta(0)
) -> tuple[datetime, timedelta]:
    """Reference time, and how long after it the field is valid."""
    lead = max(lead, HOUR) if row.accumulated else lead
    return time - lead, lead


def _edition_2(row: Variable, time: datetime, lead: timedelta) -> dict[str, Any]:
    reference, lead = _reference(row, time, lead)
    key = row.grib2[0]
    level = row.vertical.value * (100.0 if row.vertical.kind is VerticalKind.PRESSURE else 1.0)
    has_level = row.vertical.kind in {VerticalKind.HEIGHT, VerticalKind.PRESSURE}
    missing = eccodes.CODES_MISSING_LONG
    keys: dict[str, Any] = {
        "tablesVersion": 28,
        "centre": CENTRE,
        "subCentre": 0,
        "significanceOfReferenceTime": 1 if lead else 0,
        "productionStatusOfProcessedData": 2,  # research products
        "typeOfProcessedData": 1 if lead else 0,
        "shapeOfTheEarth": 6,
        "dataDate": int(reference.strftime("%Y%m%d")),
        "dataTime": int(reference.strftime("%H%M")),
        "discipline": key.discipline,
        "productDefinitionTemplateNumber": 8 if row.accumulated else 0,
        "parameterCategory": key.category,
        "parameterNumber": key.number,
        "typeOfGeneratingProcess": 2 if lead else 0,
        "indicatorOfUnitOfTimeRange": 1,
        "typeOfFirstFixedSurface": _SURFACES_2[row.vertical.kind],
        "scaleFactorOfFirstFixedSurface": 0 if has_level else missing,
        "scaledValueOfFirstFixedSurface": int(level) if has_level else missing,
        "typeOfSecondFixedSurface": 8 if row.vertical.kind is VerticalKind.COLUMN else 255,
        "scaleFactorOfSecondFixedSurface": missing,
        "scaledValueOfSecondFixedSurface": missing,
    }
    hours = lead // HOUR
    if row.accumulated:
        keys |= {"typeOfStatisticalProcessing": 1, "stepRange": f"{hours - 1}-{hours}"}
    else:
        keys["forecastTime"] = hours
    return keys


def _edition_1(row: Variable, time: datetime) -> dict[str, Any]:
    reference, lead = _reference(row, time)
    key = next(key for key in row.grib1 if key.table == 2)
    return {
        "centre": CENTRE,
        "table2Version": 2,
        "indicatorOfParameter": key.indicator,
        "indicatorOfTypeOfLevel": _SURFACES_1[row.vertical.kind],
        "level": int(row.vertical.value),
        "dataDate": int(reference.strftime("%Y%m%d")),
        "dataTime": int(reference.strftime("%H%M")),
        "unitOfTimeRange": 1,
        "timeRangeIndicator": 4 if lead else 0,
        "P1": 0,
        "P2": lead // HOUR,
    }


def _coded_scale(row: Variable, edition: Edition) -> float:
    """What a coded value is to be multiplied with to be in the table's unit."""
    if edition == 2:
        return row.grib2[0].scale
    return next(key for key in row.grib1 if key.table == 2).scale
