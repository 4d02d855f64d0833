"""Formulas against published figures and each other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from met2net_ops import derive
from met2net_ops.variables import VARIABLES


def f(*values):
    return np.array(values, dtype=np.float32)


@pytest.mark.parametrize(
    ("celsius", "hectopascal"),
    # WMO No. 8 (CIMO Guide), vapour pressure over water, from the Goff-Gratch formula.
    [(-10, 2.863), (0, 6.108), (10, 12.272), (20, 23.373), (30, 42.430), (40, 73.777)],
)
def test_saturation_over_water(celsius, hectopascal):
    ours = derive.saturation_pressure_water(f(celsius + 273.15))[0] / 100
    assert ours == pytest.approx(hectopascal, rel=3e-3)


@pytest.mark.parametrize(("celsius", "hectopascal"), [(-30, 0.3798), (-40, 0.1283)])
def test_saturation_over_ice(celsius, hectopascal):
    ours = derive.saturation_pressure(f(celsius + 273.15))[0] / 100
    assert ours == pytest.approx(hectopascal, rel=5e-3)


def test_mixture_lies_between():
    t = f(*np.linspace(251, 273, 30))
    both = derive.saturation_pressure(t)
    assert np.all(both < derive.saturation_pressure_water(t))
    assert np.all(np.diff(both) > 0)


def test_humidity_by_hand():
    # 10 g/kg at 1000 hPa: e = 1e5 * 0.01 / (0.62198 + 0.37802 * 0.01) = 1598.1 Pa; 2339 Pa at 20 °C
    ours = derive.humidity_from_specific(f(0.01), f(293.15), 1e5)[0]
    assert ours == pytest.approx(100 * 1598.1 / 2339, rel=2e-3)


@given(st.floats(5e-4, 0.03), st.floats(6e4, 1.05e5))
def test_dew_point_inverts_vapour_pressure(q, p):
    dew = derive.dew_point_from_specific(f(q), f(p))
    e = derive.vapour_pressure(f(q), f(p))
    np.testing.assert_allclose(derive.saturation_pressure_water(dew), e, rtol=2e-5)


def test_dew_point_of_dry_air_is_finite():
    assert 100 < derive.dew_point_from_specific(f(0.0), f(1e5))[0] < 200


@given(st.floats(0, 359.9), st.floats(0.5, 80))
def test_direction_and_speed_give_back_the_wind(direction, speed):
    u, v = (-speed * g(np.deg2rad(direction)) for g in (np.sin, np.cos))
    assert derive.wind_speed(f(u), f(v))[0] == pytest.approx(speed, rel=1e-5)
    difference = derive.wind_direction(f(u), f(v))[0] - direction
    assert abs((difference + 180) % 360 - 180) < 1e-3


def test_derivations_name_rows_of_the_table():
    for derivation in derive.DERIVATIONS:
        assert {derivation.target, *derivation.inputs} <= set(VARIABLES)


@given(st.floats(0, 359.9), st.floats(0.5, 80))
def test_components_invert_speed_and_direction(direction, speed):
    u, v = derive.wind_components(np.array([speed]), np.array([direction]))
    assert derive.wind_speed(u, v)[0] == pytest.approx(speed)
    assert derive.wind_direction(u, v)[0] == pytest.approx(direction, abs=1e-9)
    turn = derive.wind_heading(u, v)[0] - direction
    assert abs(turn % 360 - 180) < 1e-9
