"""A coarse atmosphere, spun up once for the tests that look at its climate."""

from __future__ import annotations

from datetime import timedelta

import pytest
from naturerun_weather import EPOCH, Weather, make_weather

from met2net_ops.naturerun.restart import state_at
from met2net_ops.naturerun.run import AtmosphereState, NatureRun


@pytest.fixture(scope="session")
def weather() -> Weather:
    return make_weather()


@pytest.fixture(scope="session")
def young() -> tuple[NatureRun, AtmosphereState]:
    """A very coarse atmosphere an hour old: quick to make, no weather yet."""
    run = NatureRun(3, EPOCH, truncation=10)
    return run, state_at(run, EPOCH + timedelta(hours=1))
