"""Twenty days of the coarse atmosphere behave like weather."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np
import pytest

from met2net_ops.naturerun import planet

if TYPE_CHECKING:
    from naturerun_weather import Weather
    from numpy.typing import NDArray

pytestmark = pytest.mark.timeout(400)  # the first test pays for the spin-up


def storm_tracks(weather: Weather) -> NDArray[np.bool_]:
    latitude = abs(weather.grid.latitudes)
    return (latitude > 30) & (latitude < 65)


def autocorrelation(series: NDArray[np.float64], lag: int) -> float:
    departure = series - series.mean(axis=0)
    return float((departure[lag:] * departure[:-lag]).mean() / (departure**2).mean())


def zonal_mean(weather: Weather, name: str) -> NDArray[np.float64]:
    return weather[name].mean(axis=(0, 2))


def test_mass_is_conserved_to_round_off(weather: Weather) -> None:
    transform = weather.run.model.transform
    means = [
        transform.mean(np.exp(transform.synthesis(state.now.log_pressure)))[0]
        for state in weather.states
    ]
    np.testing.assert_allclose(means, 0.998, rtol=1e-12)


def test_kinetic_energy_falls_off_with_wavenumber(weather: Weather) -> None:
    n = np.arange(weather.run.truncation + 1)
    spectrum = np.zeros(n.size)
    for state in weather.states:
        power = abs(state.now.vorticity[2]) ** 2
        power[1:] *= 2.0
        spectrum[1:] += power.sum(axis=0)[1:] / (n[1:] * (n[1:] + 1.0))
    slope = np.polyfit(np.log(n[8:19]), np.log(spectrum[8:19]), 1)[0]
    assert -7.0 < slope < -2.0
    assert spectrum[-1] < 1e-2 * spectrum[3:9].max()  # nothing piles up at the end


def test_jets_blow_from_the_west_and_eddies_go_on(weather: Weather) -> None:
    transform = weather.run.model.transform
    for state in (weather.states[0], weather.states[-1]):
        u, v = transform.wind(state.now.vorticity, state.now.divergence)
        jet = u[1].mean(axis=1) / np.sqrt(transform.cosines2[:, 0])
        assert 15.0 < jet[transform.latitudes > 20].max() < 80.0
        assert 15.0 < jet[transform.latitudes < -20].max() < 80.0
        eddies = np.std(v[2] / np.sqrt(transform.cosines2), axis=1)
        assert eddies[abs(abs(transform.latitudes) - 45) < 15].min() > 3.0


def test_pressure_is_that_of_an_earth(weather: Weather) -> None:
    pressure = weather["msl"] / 100.0
    assert 1005.0 < (pressure.mean(axis=(0, 2)) @ weights(weather)) < 1018.0
    assert pressure.min() > 900.0
    assert pressure.max() < 1090.0
    spread = pressure.std(axis=0).mean(axis=1)
    latitude = weather.grid.latitudes
    assert 4.0 < spread[storm_tracks(weather)].mean() < 15.0
    assert spread[abs(latitude) < 15].mean() < 3.0  # quiet tropics
    mean = zonal_mean(weather, "msl") / 100.0
    assert mean[abs(abs(latitude) - 31) < 6].mean() > mean[abs(abs(latitude) - 60) < 6].mean() + 3


def weights(weather: Weather) -> NDArray[np.float64]:
    cosine = np.cos(np.deg2rad(weather.grid.latitudes))
    return np.asarray(cosine / cosine.sum())


def test_temperature_falls_towards_the_winter_pole(weather: Weather) -> None:
    mean = zonal_mean(weather, "t2m")
    latitude = weather.grid.latitudes
    equator, south = mean[abs(latitude) < 6].mean(), mean[latitude < -75].mean()
    assert 295.0 < equator < 305.0
    assert south < equator - 40.0
    assert mean[latitude > 75].mean() > south + 15.0  # June: the north has its summer


def test_the_day_warms_the_land_and_not_the_sea(weather: Weather) -> None:
    series = weather["t2m"]
    day = series.reshape(-1, 24, *weather.grid.shape).mean(axis=0)
    daily_range = day.max(axis=0) - day.min(axis=0)
    land = planet.land_fraction(weather.grid.latitudes, weather.grid.longitudes)
    sunny = (weather.grid.latitudes > 0)[:, None] & (weather.grid.latitudes < 60)[:, None]
    assert 4.0 < daily_range[(land > 0.9) & sunny].mean() < 16.0
    assert daily_range[(land < 0.05) & sunny].mean() < 1.5
    # warmest two to five hours after local noon
    local = (day.argmax(axis=0) + weather.grid.longitudes / 15.0) % 24
    assert 12.5 < np.median(local[(land > 0.9) & sunny]) < 17.0


@pytest.mark.parametrize(
    ("name", "low", "high"), [("msl", 0.75, 0.95), ("v10", 0.4, 0.9), ("u10", 0.5, 0.9)]
)
def test_twelve_hours_change_the_weather_but_not_all_of_it(
    weather: Weather, name: str, low: float, high: float
) -> None:
    series = weather[name][:, storm_tracks(weather)]
    assert low < autocorrelation(series, 12) < high
    assert autocorrelation(series, 1) > 0.97
    assert autocorrelation(series, 72) < 0.5


def test_lows_travel_east_at_weather_s_pace(weather: Weather) -> None:
    # the shift that best maps the pressure pattern onto that of six hours later
    band = storm_tracks(weather)
    pattern = weather["msl"][:, band]
    pattern = pattern - pattern.mean(axis=(0, 2), keepdims=True) - pattern.mean(axis=0)
    m = np.fft.rfftfreq(weather.grid.nlon, 1.0 / weather.grid.nlon)
    spectrum = np.fft.rfft(pattern, axis=2)
    cross = (spectrum[6:] * spectrum[:-6].conj()).mean(axis=(0, 1))
    waves = slice(4, 9)
    degrees = -np.rad2deg(np.angle(cross[waves])) / m[waves]
    speed = np.average(degrees, weights=abs(cross[waves])) / 6.0 / 3600.0
    metres = speed * 111_195.0 * np.cos(np.deg2rad(47.0))
    assert 4.0 < metres < 20.0


def test_winds_follow_the_isobars_with_a_turn_towards_low_pressure(weather: Weather) -> None:
    pressure, u, v = weather["msl"], weather["u10"], weather["v10"]
    latitude = np.deg2rad(weather.grid.latitudes)[:, None]
    dx = 6.371e6 * np.cos(latitude) * np.deg2rad(weather.grid.dlon)
    east = (np.roll(pressure, -1, axis=2) - np.roll(pressure, 1, axis=2)) / (2.0 * dx)
    f = 2.0 * 7.292e-5 * np.sin(latitude)
    geostrophic = east / (1.2 * f)
    sea = planet.land_fraction(weather.grid.latitudes, weather.grid.longitudes) < 0.05
    points = sea & storm_tracks(weather)[:, None]
    assert np.corrcoef(geostrophic[:, points].ravel(), v[:, points].ravel())[0, 1] > 0.8
    north = -(np.roll(pressure, -1, axis=1) - np.roll(pressure, 1, axis=1))
    north /= 2.0 * 6.371e6 * np.deg2rad(weather.grid.dlat)
    downhill = -(u * east + v * north)
    assert downhill[:, points].mean() > 0


def test_frames_are_smooth_in_time(weather: Weather) -> None:
    for name, largest in (("t2m", 6.0), ("u10", 6.0), ("v10", 6.0), ("msl", 600.0)):
        assert abs(np.diff(weather[name], axis=0)).max() < largest


def test_there_is_a_frame_for_every_hour(weather: Weather) -> None:
    assert weather.states[1].time - weather.states[0].time == timedelta(days=1)
    assert np.isfinite(weather.values).all()
