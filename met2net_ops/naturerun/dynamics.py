"""The dry primitive equations in sigma coordinates, vorticity-divergence form, semi-implicit.

Sources: Hoskins & Simmons (1975, QJRMS 101, 637) for the formulation and the semi-implicit
scheme; Simmons & Burridge (1981, MWR 109, 758) for the vertical differences, which conserve
energy. Temperature is kept as the departure from a constant reference, surface pressure as
ln(p/1000 hPa).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from met2net_ops.grids import EARTH_RADIUS_M
from met2net_ops.naturerun.transform import SpectralTransform

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Complex = NDArray[np.complex128]
    Real = NDArray[np.float64]

ROTATION = 7.292e-5  # rad/s
GAS_CONSTANT = 287.0  # J/kg/K, dry air
HEAT_CAPACITY = 1004.0  # J/kg/K at constant pressure
KAPPA = GAS_CONSTANT / HEAT_CAPACITY
GRAVITY = 9.80665
REFERENCE_TEMPERATURE = 300.0  # K, of the semi-implicit scheme; high for stability
REFERENCE_PRESSURE = 1.0e5  # Pa


@dataclass(frozen=True, slots=True)
class Spectral:
    """The prognostic variables of one time, as coefficients (level, m, n), top level first.

    Attributes:
        vorticity: relative, 1/s.
        divergence: 1/s.
        temperature: K, less `REFERENCE_TEMPERATURE`.
        humidity: specific humidity of the lowest layer, kg/kg, one field.
        log_pressure: ln(surface pressure / 1000 hPa), one field.
    """

    vorticity: Complex
    divergence: Complex
    temperature: Complex
    humidity: Complex
    log_pressure: Complex


@dataclass(frozen=True, slots=True)
class OnGrid:
    """The same on the Gaussian grid (level, lat, lon); winds times cos φ."""

    vorticity: Real
    divergence: Real
    temperature: Real
    humidity: Real
    log_pressure: Real
    u: Real
    v: Real
    pressure_gradient: tuple[Real, Real]
    sigma_velocity: Real  # (level - 1, lat, lon) at the interfaces, 1/s, positive downward
    flux: Real  # D + V·∇ln p, (level, lat, lon)
    advection: Real  # V·∇ln p


class PrimitiveEquations:
    """Adiabatic tendencies and the semi-implicit leap-frog step.

    Args:
        truncation: largest total wavenumber.
        levels: number of equal sigma layers.
        step: seconds of a time step.
        ground: geopotential of the ground, m²/s², on the Gaussian grid, or None for flat.
    """

    def __init__(
        self, truncation: int, levels: int, step: float, ground: Real | None = None
    ) -> None:
        self.transform = SpectralTransform(truncation, EARTH_RADIUS_M)
        self.levels = levels
        self.step_seconds = step
        self.half_levels = np.linspace(0.0, 1.0, levels + 1)
        self.thickness = 1.0 / levels
        self.sigma = 0.5 * (self.half_levels[1:] + self.half_levels[:-1])
        self.coriolis = 2.0 * ROTATION * self.transform.sines[:, None]
        self.ground = (
            self.transform.zeros(1) if ground is None else self.transform.analysis(ground[None])
        )
        self._vertical()
        self._implicit(2)
        self._implicit_steps = 2

    def _vertical(self) -> None:
        """Matrices of the hydrostatic equation and of the energy conversion."""
        size = self.levels
        log_ratio = np.zeros(size)
        log_ratio[1:] = np.log(self.half_levels[2:] / self.half_levels[1:-1])
        alpha = 1.0 - self.half_levels[:-1] / self.thickness * log_ratio
        alpha[0] = np.log(2.0)
        hydrostatic = np.triu(np.broadcast_to(log_ratio, (size, size)), 1) + np.diag(alpha)
        self.hydrostatic = GAS_CONSTANT * hydrostatic
        # (W x)_k: minus the part of ω/p that comes from the divergence above and at level k
        self._above = np.tril(np.broadcast_to(log_ratio[:, None], (size, size)), -1)
        self._conversion = self._above + np.diag(alpha)
        self._log_ratio, self._alpha = log_ratio[:, None, None], alpha[:, None, None]

    def _implicit(self, steps: int) -> None:
        """Inverses of the Helmholtz operators, one per n: Hoskins & Simmons eq. (A8)."""
        self._implicit_steps = steps
        half = 0.5 * steps * self.step_seconds
        tau = KAPPA * REFERENCE_TEMPERATURE * self._conversion
        pressure = GAS_CONSTANT * REFERENCE_TEMPERATURE * self.thickness
        coupling = self.hydrostatic @ tau + pressure
        wavenumbers = -self.transform.laplacian[:, None, None]
        self._inverse = np.linalg.inv(np.eye(self.levels) + half**2 * wavenumbers * coupling)
        self.tau = tau

    def on_grid(self, now: Spectral) -> OnGrid:
        """Everything the tendencies need, on the Gaussian grid."""
        k = self.levels
        stack = [
            now.vorticity, now.divergence, now.temperature, now.humidity, now.log_pressure
        ]  # fmt: skip
        grid = self.transform.synthesis(np.concatenate(stack))
        scale = self.transform.inverse_laplacian / self.transform.radius
        zero = np.zeros_like(now.log_pressure)
        east, north = self.transform.vector_synthesis(
            np.concatenate([now.vorticity * scale, zero]),
            np.concatenate([now.divergence * scale, now.log_pressure]),
        )
        u, v, px, py = east[:k], north[:k], east[k], north[k]
        divergence = grid[k : 2 * k]
        advection = (u * px + v * py) / (self.transform.cosines2 * self.transform.radius)
        flux = divergence + advection
        total = np.cumsum(flux, axis=0) * self.thickness
        sigma_velocity = self.half_levels[1:-1, None, None] * total[-1] - total[:-1]
        return OnGrid(
            grid[:k], divergence, grid[2 * k : 3 * k], grid[3 * k : 3 * k + 1], grid[-1],
            u, v, (px, py), sigma_velocity, flux, advection,
        )  # fmt: skip

    def _vertical_advection(self, velocity: Real, field: Real) -> Real:
        """Sigma velocity times the vertical derivative of a field, (level, lat, lon)."""
        change = velocity * (field[1:] - field[:-1])
        advected = np.zeros_like(field)
        advected[:-1] += change
        advected[1:] += change
        advected *= 0.5 / self.thickness
        return advected

    def _convert(self, x: Real) -> Real:
        """The matrix W of the energy conversion applied to (level, lat, lon)."""
        above = np.cumsum(x, axis=0) - x
        return np.asarray(self._log_ratio * above + self._alpha * x)

    def tendencies(self, now: OnGrid, heating: Real | float, moistening: Real | float) -> Spectral:
        """Explicit tendencies per second; the linear gravity-wave terms are left out.

        Args:
            now: the state on the grid.
            heating: K/s (level, lat, lon) or 0.
            moistening: 1/s (1, lat, lon) or 0.
        """
        k, radius = self.levels, self.transform.radius
        temperature, velocity = now.temperature, now.sigma_velocity
        absolute = now.vorticity + self.coriolis
        px, py = now.pressure_gradient
        warm = (GAS_CONSTANT / radius) * temperature
        east = now.v * absolute - self._vertical_advection(velocity, now.u) - warm * px
        north = -now.u * absolute - self._vertical_advection(velocity, now.v) - warm * py
        kinetic = (now.u**2 + now.v**2) / (2.0 * self.transform.cosines2)
        conversion = (REFERENCE_TEMPERATURE + temperature) * now.advection
        conversion -= REFERENCE_TEMPERATURE * self._convert(now.advection)
        conversion -= temperature * self._convert(now.flux)
        local = temperature * now.divergence - self._vertical_advection(velocity, temperature)
        local += KAPPA * conversion + heating
        wet = now.humidity * now.divergence[-1:] + moistening
        mass = -self.thickness * now.advection.sum(axis=0, keepdims=True)
        scalars = self.transform.analysis(np.concatenate([kinetic, local, wet, mass]))
        curl, divergence = self.transform.vector_analysis(
            np.concatenate([east, now.u * temperature, now.u[-1:] * now.humidity]),
            np.concatenate([north, now.v * temperature, now.v[-1:] * now.humidity]),
        )
        laplacian = self.transform.laplacian
        return Spectral(
            curl[:k],
            divergence[:k] - laplacian * (scalars[:k] + self.ground),
            scalars[k : 2 * k] - divergence[k : 2 * k],
            scalars[2 * k : 2 * k + 1] - divergence[2 * k :],
            scalars[2 * k + 1 :],
        )

    def leap(self, before: Spectral, rate: Spectral, steps: int) -> Spectral:
        """Advance `before` by `steps` (1 to start, then 2) with the rates of the time between."""
        if steps != self._implicit_steps:
            self._implicit(steps)
        whole = steps * self.step_seconds
        half = 0.5 * whole
        wavenumbers = -self.transform.laplacian
        temperature = before.temperature + half * rate.temperature
        pressure = before.log_pressure + half * rate.log_pressure
        push = np.tensordot(self.hydrostatic, temperature, axes=1)
        push += GAS_CONSTANT * REFERENCE_TEMPERATURE * pressure
        right = before.divergence + half * (rate.divergence + wavenumbers * push)
        middle = np.ascontiguousarray(
            np.matmul(self._inverse, right.transpose(2, 0, 1)).transpose(1, 2, 0)
        )
        temperature -= half * np.tensordot(self.tau, middle, axes=1)
        pressure -= half * self.thickness * middle.sum(axis=0, keepdims=True)
        return Spectral(
            before.vorticity + whole * rate.vorticity,
            2.0 * middle - before.divergence,
            2.0 * temperature - before.temperature,
            before.humidity + whole * rate.humidity,
            2.0 * pressure - before.log_pressure,
        )
