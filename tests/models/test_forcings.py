from __future__ import annotations

import numpy as np
import pytest

from met2net_ops.errors import ModelError
from met2net_ops.grids import LatLonGrid, global_cell_centred
from met2net_ops.models.forcings import (
    FORCINGS,
    cos_zenith,
    cos_zenith_hour,
    forcing_fields,
    solar_declination,
)

GRID = global_cell_centred(5.625, "global")


def times(start: str, count: int, minutes: int = 60) -> np.ndarray:
    return np.datetime64(start, "ns") + np.arange(count) * np.timedelta64(minutes, "m")


def test_daily_mean_is_the_closed_form() -> None:
    """Mean over a day of max(0, cos Z) = (H sin φ sin δ + cos φ cos δ sin H) / π, H at sunset."""
    for day in ("2026-03-20", "2026-06-21", "2026-11-23"):
        instants = times(day, 24 * 12, minutes=5)
        mean = cos_zenith(instants, GRID).mean(axis=(0, 2), dtype=np.float64)
        latitude = np.deg2rad(GRID.latitudes)
        declination = solar_declination(instants).mean()
        sunset = np.arccos(np.clip(-np.tan(latitude) * np.tan(declination), -1, 1))
        expected = sunset * np.sin(latitude) * np.sin(declination)
        expected += np.cos(latitude) * np.cos(declination) * np.sin(sunset)
        np.testing.assert_allclose(mean, expected / np.pi, atol=2e-4)


def test_known_suns() -> None:
    # Almanac: equinox 2026-03-20 14:46 UTC, June solstice 2026-06-21 08:24 UTC.
    assert np.rad2deg(solar_declination(times("2026-03-20T14:46", 1)))[0] == pytest.approx(
        0, abs=0.25
    )
    assert np.rad2deg(solar_declination(times("2026-06-21T08:24", 1)))[0] == pytest.approx(
        23.44, abs=0.05
    )
    # The equation of time is +16.4 minutes on 3 November: the sun culminates at 11:43:36 UTC.
    line = LatLonGrid(0.0, 0.0, 1.0, 1.0, 1, 1)
    noon = times("2026-11-03T11:00", 120, minutes=1)
    highest = int(cos_zenith(noon, line)[:, 0, 0].argmax())
    assert abs(highest - 43.6) <= 2


def test_the_hourly_mean_is_that_of_the_hour_before() -> None:
    hours = times("2026-05-04T00:00", 24)
    fine = np.stack(
        [cos_zenith(hour - times("1970-01-01", 60, 1).astype("timedelta64[ns]"), GRID).mean(axis=0)
         for hour in hours]
    )  # fmt: skip
    np.testing.assert_allclose(cos_zenith_hour(hours, GRID), fine, atol=6e-3)


@pytest.mark.parametrize("name", sorted(FORCINGS))
def test_every_forcing_is_bounded_float32(name: str) -> None:
    fields = forcing_fields([name], times("2026-01-01", 5), GRID, {})
    assert fields.shape == (5, 1, *GRID.shape)
    assert fields.dtype == np.float32
    assert np.abs(fields).max() <= 1.0


def test_geometry_and_seasons() -> None:
    fields = forcing_fields(
        ["sin_latitude", "cos_longitude", "cos_year", "land_sea_mask"],
        times("2026-07-02T12:00", 1), GRID,
        {"land_sea_mask": np.ones(GRID.shape, np.float32)},
    )[0]  # fmt: skip
    assert fields[0, 0, 0] > 0 > fields[0, -1, 0]
    np.testing.assert_allclose(fields[0].std(axis=1), 0, atol=1e-6)
    assert fields[1, 0, 0] == 1.0
    np.testing.assert_allclose(fields[2], -1.0, atol=1e-3)  # half a year gone
    np.testing.assert_array_equal(fields[3], 1.0)


def test_unknown_and_missing_forcings() -> None:
    for name in ("moon", "orography"):
        with pytest.raises(ModelError, match=name):
            forcing_fields([name], times("2026-01-01", 1), GRID, {})
