"""The adiabatic core against exact solutions of the equations."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from met2net_ops.naturerun.dynamics import (
    GAS_CONSTANT,
    GRAVITY,
    HEAT_CAPACITY,
    KAPPA,
    REFERENCE_TEMPERATURE,
    ROTATION,
    PrimitiveEquations,
    Spectral,
)

if TYPE_CHECKING:
    from naturerun_weather import Weather

MODEL = PrimitiveEquations(21, 5, 1800.0)
RADIUS = MODEL.transform.radius


def at_rest(model: PrimitiveEquations, temperature: float = 280.0) -> Spectral:
    zeros = model.transform.zeros
    warm = zeros(model.levels)
    warm[:, 0, 0] = temperature - REFERENCE_TEMPERATURE
    return Spectral(zeros(model.levels), zeros(model.levels), warm, zeros(1), zeros(1))


def integrate(model: PrimitiveEquations, start: Spectral, steps: int) -> Spectral:
    before, now = start, start
    for number in range(steps):
        rate = model.tendencies(model.on_grid(now), 0.0, 0.0)
        after = model.leap(before, rate, 1 if number == 0 else 2)
        before, now = now, after
    return now


@pytest.mark.parametrize(("m", "n"), [(4, 5), (1, 3), (9, 12)])
def test_rossby_haurwitz_waves_travel_at_their_speed(m: int, n: int) -> None:
    # Haurwitz (1940): without divergence, a harmonic of degree n on a solid rotation ω turns
    # with ω - 2 (Ω + ω) / (n (n + 1)), however large it is
    rotation = 7.848e-6
    state = at_rest(MODEL)
    state.vorticity[:, 0, 1] = 2.0 * rotation / np.sqrt(3.0)
    state.vorticity[:, m, n] = 3.0e-5
    rate = MODEL.tendencies(MODEL.on_grid(state), 0.0, 0.0).vorticity
    speed = rotation - 2.0 * (ROTATION + rotation) / (n * (n + 1))
    expected = np.zeros_like(rate)
    expected[:, m, n] = -1j * m * speed * state.vorticity[:, m, n]
    np.testing.assert_allclose(rate, expected, atol=1e-20)


def test_balanced_solid_rotation_is_steady() -> None:
    # the sphere's simplest exact solution, as Williamson et al. (1992) test 2 has it: an
    # isothermal atmosphere in gradient wind balance, R T ln p = -(a Ω u + u²/2) sin² φ
    wind, temperature = 30.0, 280.0
    state = at_rest(MODEL, temperature)
    state.vorticity[:, 0, 1] = 2.0 * wind / RADIUS / np.sqrt(3.0)
    factor = -(RADIUS * ROTATION * wind + 0.5 * wind**2) / (GAS_CONSTANT * temperature)
    pressure = factor * MODEL.transform.sines[:, None] ** 2
    pressure = np.broadcast_to(pressure, (1, MODEL.transform.nlat, MODEL.transform.nlon))
    state = replace(state, log_pressure=MODEL.transform.analysis(np.array(pressure)))
    after = integrate(MODEL, state, 48 * 5)
    np.testing.assert_allclose(after.vorticity, state.vorticity, atol=1e-13)
    np.testing.assert_allclose(after.log_pressure, state.log_pressure, atol=1e-9)
    np.testing.assert_allclose(after.temperature, state.temperature, atol=1e-7)


def test_an_atmosphere_at_rest_over_mountains_stays_at_rest() -> None:
    transform = MODEL.transform
    hill = 2000.0 * np.exp(-(((transform.latitudes[:, None] - 40.0) / 15.0) ** 2))
    hill = GRAVITY * hill * (1.0 + 0.5 * np.cos(np.deg2rad(2.0 * transform.longitudes)))
    model = PrimitiveEquations(
        21, 5, 1800.0, transform.synthesis(transform.analysis(hill[None]))[0]
    )
    state = at_rest(model)
    state = replace(state, log_pressure=-model.ground / (GAS_CONSTANT * 280.0))
    u, v = model.transform.wind(
        *(lambda s: (s.vorticity, s.divergence))(integrate(model, state, 96))
    )
    assert max(abs(u).max(), abs(v).max()) < 1e-6


def test_the_external_wave_has_lamb_s_speed() -> None:
    # Lamb (1910): c² is R T times the ratio of the heat capacities; five layers come within 4 %
    coupling = MODEL.hydrostatic @ MODEL.tau + (
        GAS_CONSTANT * REFERENCE_TEMPERATURE * MODEL.thickness
    )
    speeds = np.sqrt(np.linalg.eigvals(coupling).real)
    lamb = np.sqrt(GAS_CONSTANT * REFERENCE_TEMPERATURE / (1.0 - KAPPA))
    assert speeds.max() == pytest.approx(lamb, rel=0.05)
    assert speeds.min() > 5.0


@pytest.mark.timeout(400)  # pays for the spin-up where it comes first
def test_energy_and_mass_hold_without_heating_or_friction(weather: Weather) -> None:
    model = weather.run.model
    start = weather.states[0].now

    def totals(state: Spectral) -> tuple[float, float]:
        grid = model.on_grid(state)
        pressure = 1.0e5 * np.exp(grid.log_pressure)
        wind = (grid.u**2 + grid.v**2) / (2.0 * model.transform.cosines2)
        heat = HEAT_CAPACITY * (grid.temperature + REFERENCE_TEMPERATURE)
        ground = model.transform.synthesis(model.ground)[0]
        energy = pressure / GRAVITY * ((wind + heat).mean(axis=0) + ground)
        return float(model.transform.mean(energy)), float(model.transform.mean(pressure))

    energy, mass = totals(start)
    later_energy, later_mass = totals(integrate(model, start, 24))
    assert later_mass == pytest.approx(mass, rel=1e-5)
    assert later_energy == pytest.approx(energy, rel=2e-5)  # of 2.6e9 J/m²; kinetic: about 1e6
