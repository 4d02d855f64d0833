"""Forcings: fields known in advance, given to the network beside the variables.

Every dynamic forcing is a pure function of valid times and grid; values are of order one and go
to the network as they are. Static forcings are fields that lie in the model folder, normalised by
whoever trained the model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from met2net_ops.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from met2net_ops.grids import LatLonGrid

    Times = NDArray[np.datetime64]
    Fields = NDArray[np.float32]

_DAY = np.timedelta64(1, "D")
_YEAR_DAYS = 365.2425
_HOUR_SAMPLES = 12


def year_angle(times: Times) -> NDArray[np.float64]:
    """(n,) radians gone round the year since 1 January 00 UTC."""
    start = times.astype("datetime64[Y]").astype("datetime64[ns]")
    return np.asarray(2 * np.pi * ((times - start) / _DAY) / _YEAR_DAYS, dtype=np.float64)


def solar_declination(times: Times) -> NDArray[np.float64]:
    """(n,) radians, to 0.04°: Spencer (1971), Search 2 (5), 172."""
    g = year_angle(times)
    declination = (
        0.006918 - 0.399912 * np.cos(g) + 0.070257 * np.sin(g)
        - 0.006758 * np.cos(2 * g) + 0.000907 * np.sin(2 * g)
        - 0.002697 * np.cos(3 * g) + 0.00148 * np.sin(3 * g)
    )  # fmt: skip
    return np.asarray(declination, dtype=np.float64)


def hour_angle_at_greenwich(times: Times) -> NDArray[np.float64]:
    """(n,) radians the sun is west of 0° E, equation of time included (Spencer, 1971)."""
    g = year_angle(times)
    equation_of_time = (
        0.000075 + 0.001868 * np.cos(g) - 0.032077 * np.sin(g)
        - 0.014615 * np.cos(2 * g) - 0.040849 * np.sin(2 * g)
    )  # fmt: skip
    day_fraction = (times - times.astype("datetime64[D]")) / _DAY
    return np.asarray(2 * np.pi * (day_fraction - 0.5) + equation_of_time, dtype=np.float64)


def cos_zenith(times: Times, grid: LatLonGrid) -> Fields:
    """(n, nlat, nlon) cosine of the solar zenith angle at the instant, 0 at night."""
    declination = solar_declination(times)[:, None, None]
    latitude = np.deg2rad(grid.latitudes)[None, :, None]
    longitude = np.deg2rad(grid.longitudes)[None, None, :]
    angle = hour_angle_at_greenwich(times)[:, None, None] + longitude
    cosine = np.sin(latitude) * np.sin(declination)
    cosine = cosine + np.cos(latitude) * np.cos(declination) * np.cos(angle)
    return np.asarray(np.maximum(cosine, 0.0), dtype=np.float32)


def cos_zenith_hour(times: Times, grid: LatLonGrid) -> Fields:
    """(n, nlat, nlon) mean of `cos_zenith` over the hour that ends at each time."""
    total = np.zeros((len(times), *grid.shape), dtype=np.float64)
    for i in range(_HOUR_SAMPLES):
        minutes = 60.0 * (i + 0.5) / _HOUR_SAMPLES
        total += cos_zenith(times - np.timedelta64(round(minutes * 60), "s"), grid)
    return np.asarray(total / _HOUR_SAMPLES, dtype=np.float32)


def sin_latitude(times: Times, grid: LatLonGrid) -> Fields:
    """(n, nlat, nlon) sine of latitude."""
    return _rows(np.sin(np.deg2rad(grid.latitudes)), times, grid)


def cos_latitude(times: Times, grid: LatLonGrid) -> Fields:
    """(n, nlat, nlon) cosine of latitude."""
    return _rows(np.cos(np.deg2rad(grid.latitudes)), times, grid)


def sin_longitude(times: Times, grid: LatLonGrid) -> Fields:
    """(n, nlat, nlon) sine of longitude."""
    return _columns(np.sin(np.deg2rad(grid.longitudes)), times, grid)


def cos_longitude(times: Times, grid: LatLonGrid) -> Fields:
    """(n, nlat, nlon) cosine of longitude."""
    return _columns(np.cos(np.deg2rad(grid.longitudes)), times, grid)


def sin_year(times: Times, grid: LatLonGrid) -> Fields:
    """(n, nlat, nlon) sine of the angle gone round the year."""
    return _frames(np.sin(year_angle(times)), grid)


def cos_year(times: Times, grid: LatLonGrid) -> Fields:
    """(n, nlat, nlon) cosine of the angle gone round the year."""
    return _frames(np.cos(year_angle(times)), grid)


FORCINGS: dict[str, Callable[[Times, LatLonGrid], Fields]] = {
    function.__name__: function
    for function in (
        cos_zenith,
        cos_zenith_hour,
        sin_latitude,
        cos_latitude,
        sin_longitude,
        cos_longitude,
        sin_year,
        cos_year,
    )
}
"""Dynamic forcings by name."""

STATIC_FORCINGS = {"orography": "surface height", "land_sea_mask": "land fraction"}
"""Static forcings by name: fields that lie in the model folder."""


def forcing_fields(
    names: Sequence[str], times: Times, grid: LatLonGrid, static: Mapping[str, Fields]
) -> Fields:
    """Stack forcings for the network.

    Args:
        names: which, in the network's order.
        times: (n,) valid times, naive-UTC datetime64[ns].
        grid: where.
        static: (nlat, nlon) fields of the static ones.

    Returns:
        (n, len(names), nlat, nlon) float32.

    Raises:
        ModelError: an unknown name, or a static field that is missing or of another shape.
    """
    fields = np.empty((len(times), len(names), *grid.shape), dtype=np.float32)
    for i, name in enumerate(names):
        if name in FORCINGS:
            fields[:, i] = FORCINGS[name](times, grid)
        elif name in STATIC_FORCINGS and name in static and static[name].shape == grid.shape:
            fields[:, i] = static[name]
        else:
            raise ModelError(
                f"the forcing {name!r} is unknown, or its static field is missing or not "
                f"{grid.shape}; known: {', '.join(sorted(FORCINGS | STATIC_FORCINGS))}"
            )
    return fields


def _rows(values: NDArray[np.float64], times: Times, grid: LatLonGrid) -> Fields:
    return _spread(values[None, :, None], times, grid)


def _columns(values: NDArray[np.float64], times: Times, grid: LatLonGrid) -> Fields:
    return _spread(values[None, None, :], times, grid)


def _spread(values: NDArray[np.float64], times: Times, grid: LatLonGrid) -> Fields:
    shape = (len(times), *grid.shape)
    return np.ascontiguousarray(np.broadcast_to(values, shape), dtype=np.float32)


def _frames(values: NDArray[np.float64], grid: LatLonGrid) -> Fields:
    shape = (len(values), *grid.shape)
    return np.ascontiguousarray(np.broadcast_to(values[:, None, None], shape), dtype=np.float32)
