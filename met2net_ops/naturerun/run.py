"""The nature run: states of the synthetic atmosphere, one per hour, from a seed and an epoch.

A run is named by (seed, epoch, truncation): it starts from rest at the epoch and the same name
always gives the same weather at the same time, wherever reading begins. The first `SPIN_UP` days
are no weather yet.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from met2net_ops.naturerun import physics, planet
from met2net_ops.naturerun.dynamics import (
    GAS_CONSTANT,
    GRAVITY,
    REFERENCE_TEMPERATURE,
    PrimitiveEquations,
    Spectral,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Complex = NDArray[np.complex128]
    Real = NDArray[np.float64]

SPIN_UP = timedelta(days=45)
STEP = timedelta(minutes=30)
LEVELS = 5
TRUNCATION = 31
MEAN_LOG_PRESSURE = float(np.log(0.998))  # of its weight: 998 hPa on the ground
FILTER = 0.04  # Robert-Asselin
DIFFUSION_DAYS = 0.15  # e-folding time of the smallest scale, ∇⁸
FRICTION_DAYS = 1.3  # of the wind in the lowest layer
COOLING_DAYS = np.array([15.0, 15.0, 15.0, 10.0, 5.0])
STIR_RATE = 4.0e-6 / 86_400.0  # 1/s per s: rms of the stirring of vorticity
STIR_HOURS = 12.0  # its memory
STIR_BAND = (6, 18)  # total wavenumbers


@dataclass(frozen=True, slots=True)
class AtmosphereState:
    """The whole model at one time: enough to go on from, bit for bit.

    Attributes:
        time: valid time, aware UTC.
        now: prognostic variables.
        before: those one step earlier, as the leap-frog scheme needs them.
        ground: (lat, lon) temperature of the land on the Gaussian grid, K.
        stirring: (1, m, n) random vorticity tendency, 1/s².
    """

    time: datetime
    now: Spectral
    before: Spectral
    ground: Real
    stirring: Complex


def default_epoch(start: datetime) -> datetime:
    """The epoch taken when none is named: the first day of the month two months earlier.

    >>> default_epoch(datetime(2026, 1, 20, tzinfo=UTC)).isoformat()
    '2025-11-01T00:00:00+00:00'
    """
    months = start.year * 12 + start.month - 1 - 2
    return datetime(months // 12, months % 12 + 1, 1, tzinfo=UTC)


def day_of_year(time: datetime) -> float:
    """1.0 at 00 UTC on 1 January."""
    return time.timetuple().tm_yday + time.hour / 24.0


class NatureRun:
    """One synthetic atmosphere.

    Args:
        seed: chooses the weather.
        epoch: when the run starts from rest, at 00 UTC; aware.
        truncation: largest total wavenumber; the Gaussian grid has 1.5 times as many rows.
    """

    def __init__(self, seed: int, epoch: datetime, truncation: int = TRUNCATION) -> None:
        self.seed = seed
        self.epoch = epoch
        self.truncation = truncation
        flat = PrimitiveEquations(truncation, LEVELS, STEP.total_seconds())
        transform = flat.transform
        raw = GRAVITY * planet.height(transform.latitudes, transform.longitudes)
        smooth = transform.analysis(raw[None])
        n = np.arange(truncation + 1)
        smooth *= np.exp(-((n / truncation) ** 4))  # no ripples around the mountains
        ground = transform.synthesis(smooth)[0]
        self.model = PrimitiveEquations(truncation, LEVELS, STEP.total_seconds(), ground)
        self.surface = physics.make_surface(self.model)
        scale = (n * (n + 1.0) / (truncation * (truncation + 1.0))) ** 4
        self._diffusion = scale / (DIFFUSION_DAYS * physics.DAY)
        self._friction = np.zeros((LEVELS, 1, 1))
        self._friction[-1] = 1.0 / (FRICTION_DAYS * physics.DAY)
        self._cooling = 1.0 / (COOLING_DAYS[:, None, None] * physics.DAY)
        self._cooling_to = (-1, transform.zeros(LEVELS))
        self._stir = self._stirring_amplitudes()

    def _stirring_amplitudes(self) -> Real:
        """(m, n) standard deviation of the real and imaginary parts of the stirring."""
        n = np.arange(self.truncation + 1)
        band = ((n >= STIR_BAND[0]) & (n <= STIR_BAND[1]))[None, :] & (n[None, :] >= n[:, None])
        twice = np.where(n == 0, 1.0, 2.0)[:, None]
        variance = np.sum(band * twice * 2.0)
        return np.asarray(band * STIR_RATE / np.sqrt(variance))

    def start(self) -> AtmosphereState:
        """The atmosphere at rest at the epoch, with a trace of noise from the seed."""
        transform = self.model.transform
        day = day_of_year(self.epoch)
        warm = physics.equilibrium(self.model, self.surface, day)
        # the same temperature everywhere on a level: air at rest would burst with gradients
        temperature = transform.zeros(LEVELS)
        temperature[:, 0, 0] = transform.mean(warm) - REFERENCE_TEMPERATURE
        low = float(temperature[-1, 0, 0].real) + REFERENCE_TEMPERATURE
        log_pressure = -self.model.ground / (GAS_CONSTANT * low)
        near = np.full_like(warm[-1], low * physics.SHALLOW_LAPSE)
        humidity = 0.4 * physics.saturation_humidity(np.full_like(near, low), np.array(9e4))
        rng = np.random.default_rng([self.seed, 0])
        noise = rng.standard_normal((2, LEVELS, *self._stir.shape))
        vorticity = 1.0e-7 * (noise[0] + 1j * noise[1]) * (self._stir > 0)
        vorticity[:, 0] = vorticity[:, 0].real
        now = Spectral(
            vorticity, transform.zeros(LEVELS), temperature,
            transform.analysis(humidity[None]), self._weighed(log_pressure),
        )  # fmt: skip
        state = AtmosphereState(self.epoch, now, now, near, transform.zeros(1))
        return self._advance(state, 1)

    def _weighed(self, log_pressure: Complex) -> Complex:
        """With the global mean of surface pressure put back to what it must be."""
        grid = self.model.transform.synthesis(log_pressure)[0]
        excess = np.log(self.model.transform.mean(np.exp(grid)))
        weighed = log_pressure.copy()
        weighed[0, 0, 0] += MEAN_LOG_PRESSURE - excess
        return weighed

    def step(self, state: AtmosphereState) -> AtmosphereState:
        """Half an hour later."""
        return self._advance(state, 2)

    def _advance(self, state: AtmosphereState, steps: int) -> AtmosphereState:
        model, now = self.model, state.now
        time = state.time
        grid = model.on_grid(now)
        day = day_of_year(time)
        seconds = time.hour * 3600.0 + time.minute * 60.0
        sun = physics.cosine_of_zenith(
            model.transform.sines, model.transform.longitudes, seconds, day
        )
        sea = planet.sea_temperature(model.transform.latitudes, day)
        forced = physics.exchange(model, self.surface, grid, state.ground, sea, sun)
        rate = model.tendencies(grid, forced.heating, forced.moistening)
        rate = replace(rate, vorticity=rate.vorticity + state.stirring)
        after = self._damped(model.leap(state.before, rate, steps), steps, time)
        kept = now if steps == 1 else _filtered(state.before, now, after)
        return AtmosphereState(time + STEP, after, kept, forced.ground, self._stirred(state))

    def _damped(self, after: Spectral, steps: int, time: datetime) -> Spectral:
        """Friction, relaxation and diffusion, backward in time."""
        span = steps * self.model.step_seconds
        smooth = 1.0 / (1.0 + span * self._diffusion)
        drag = 1.0 / (1.0 + span * (self._diffusion + self._friction))
        target = self._equilibrium(time)
        pull = span * self._cooling
        temperature = (after.temperature + pull * target) / (1.0 + pull)
        return Spectral(
            after.vorticity * drag,
            after.divergence * drag,
            temperature * smooth,
            after.humidity * smooth,
            self._weighed(after.log_pressure),
        )

    def _equilibrium(self, time: datetime) -> Complex:
        """The temperature relaxed to, renewed every day."""
        day = time.toordinal()
        if self._cooling_to[0] != day:
            warm = physics.equilibrium(self.model, self.surface, float(time.timetuple().tm_yday))
            spectral = self.model.transform.analysis(warm - REFERENCE_TEMPERATURE)
            self._cooling_to = (day, spectral)
        return self._cooling_to[1]

    def _stirred(self, state: AtmosphereState) -> Complex:
        """The next random tendency: a first-order autoregression drawn from (seed, step)."""
        number = (state.time - self.epoch) // STEP + 1
        rng = np.random.default_rng([self.seed, number])
        noise = rng.standard_normal((2, *self._stir.shape))
        fresh = self._stir * (noise[0] + 1j * noise[1])
        fresh[0] = fresh[0].real
        memory = float(np.exp(-self.model.step_seconds / (STIR_HOURS * 3600.0)))
        return np.asarray(memory * state.stirring + np.sqrt(1.0 - memory**2) * fresh)

    def states(self, start: datetime | AtmosphereState, hours: int) -> Iterator[AtmosphereState]:
        """The states at start, start + 1 h, … (`hours` of them).

        Args:
            start: a full hour, at least `SPIN_UP` after the epoch; or the first state itself.
            hours: how many.
        """
        state = start if isinstance(start, AtmosphereState) else self.start()
        per_hour = timedelta(hours=1) // STEP
        while not isinstance(start, AtmosphereState) and state.time < start:
            state = self.step(state)
        for hour in range(hours):
            if hour:
                for _ in range(per_hour):
                    state = self.step(state)
            yield state


def _filtered(before: Spectral, now: Spectral, after: Spectral) -> Spectral:
    """Robert-Asselin: what the next step takes as `before`."""

    def mix(a: Complex, b: Complex, c: Complex) -> Complex:
        return np.asarray(b + FILTER * (a - 2.0 * b + c))

    return Spectral(
        mix(before.vorticity, now.vorticity, after.vorticity),
        mix(before.divergence, now.divergence, after.divergence),
        mix(before.temperature, now.temperature, after.temperature),
        mix(before.humidity, now.humidity, after.humidity),
        mix(before.log_pressure, now.log_pressure, after.log_pressure),
    )
