from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from met2net_ops.forecast.gate import Finding, GateCheck, GateReport, Spread, check_block, spreads
from met2net_ops.settings import GateSettings
from met2net_ops.variables import VARIABLES

BOUNDS = GateSettings()


def temperatures(spread: float, leads: int = 3) -> NDArray[np.float32]:
    """(lead, 1, 6, 8) around 280 K with exactly that standard deviation."""
    signs = np.where(np.arange(48).reshape(6, 8) % 2, 1.0, -1.0)
    return np.broadcast_to(280 + spread * signs, (leads, 1, 6, 8)).astype(np.float32).copy()


def check(values: NDArray[np.float32], reference: Spread, first_lead: int = 1) -> list[Finding]:
    return check_block(values, first_lead, ["t2m"], [reference], BOUNDS)


def test_a_calm_field_passes() -> None:
    assert check(temperatures(10), Spread(9, 11)) == []
    assert GateReport(()).passed


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_counted(bad: float) -> None:
    values = temperatures(10)
    values[1, 0, 2, :3] = bad
    (finding,) = check(values, Spread(10, 10), first_lead=13)
    assert (finding.check, finding.lead, finding.points) == (GateCheck.FINITE, 14, 3)
    assert "3 of 48" in finding.detail
    assert not GateReport((finding,)).passed


@given(
    st.sampled_from(sorted(VARIABLES)),
    st.floats(-2, 2).filter(lambda excess: abs(excess) > 1e-3),
    st.booleans(),
)
def test_hard_limits_refuse_and_soft_limits_warn(name: str, excess: float, high: bool) -> None:
    row = VARIABLES[name]
    for limits, kind in ((row.hard, GateCheck.HARD_LIMITS), (row.soft, GateCheck.SOFT_LIMITS)):
        edge = limits.high if high else limits.low
        size = (row.hard.high - row.hard.low) * 0.01
        value = edge + excess * size if high else edge - excess * size
        field = np.full((1, 1, 4, 4), (row.soft.low + row.soft.high) / 2, np.float32)
        field[0, 0, 1, 1] = value
        lax = GateSettings(max_spread_ratio=1e9, min_spread_ratio=1e-9)
        kinds = {f.check for f in check_block(field, 1, [name], [Spread(1, 1)], lax)}
        outside_hard = (
            not row.hard.low <= field.max() <= row.hard.high or field.min() < row.hard.low
        )
        outside_soft = field.max() > row.soft.high or field.min() < row.soft.low
        expected = {GateCheck.HARD_LIMITS} if outside_hard else set()
        expected |= {GateCheck.SOFT_LIMITS} if outside_soft and not outside_hard else set()
        assert kinds == expected
        assert excess < 0 or kind in kinds or GateCheck.HARD_LIMITS in kinds


def test_soft_findings_do_not_refuse() -> None:
    values = temperatures(10)
    values[0, 0, 0, 0] = 340.0
    report = GateReport(tuple(check(values, Spread(10, 10))))
    assert report.passed
    assert [finding.check for finding in report.warnings] == [GateCheck.SOFT_LIMITS]


def test_exploding_and_collapsed_fields_are_measured_against_the_window() -> None:
    window = Spread(least=8, greatest=10)
    assert check(temperatures(39), window) == []
    assert check(temperatures(41, leads=1), window)[0].check is GateCheck.EXPLODING
    assert check(temperatures(1.7), window) == []
    (finding,) = check(temperatures(1.5, leads=1), window)
    assert finding.check is GateCheck.COLLAPSED
    assert "1.5 K, less than 1.6 (0.2 x the window's 8)" in finding.detail


def test_a_flat_window_says_nothing_about_collapse_and_little_about_growth() -> None:
    dry = Spread(0.0, 0.0)
    rain = np.zeros((2, 1, 5, 5), np.float32)
    assert check_block(rain, 1, ["tp"], [dry], BOUNDS) == []
    rain[1, 0, 2, 2] = 20.0
    assert check_block(rain, 1, ["tp"], [dry], BOUNDS) == []
    rain[1, 0, :, ::2] = 400.0
    findings = check_block(rain, 1, ["tp"], [dry], BOUNDS)
    assert {finding.check for finding in findings} == {GateCheck.EXPLODING, GateCheck.SOFT_LIMITS}


def test_spreads_are_standard_deviations_over_space() -> None:
    rng = np.random.default_rng(1)
    window = rng.normal(280, 5, (4, 2, 6, 7)).astype(np.float32)
    for index, spread in enumerate(spreads(window)):
        each = [np.std(frame.astype(np.float64)) for frame in window[:, index]]
        assert spread.least == pytest.approx(min(each))
        assert spread.greatest == pytest.approx(max(each))


def test_the_summary_groups_leads_and_puts_refusals_first() -> None:
    findings = (
        Finding("u10", 2, GateCheck.SOFT_LIMITS, 1, "windy"),
        Finding("t2m", 5, GateCheck.FINITE, 1, "first"),
        Finding("t2m", 6, GateCheck.FINITE, 9, "second"),
    )
    assert GateReport(findings).summary() == [
        "t2m not finite at lead 5 and 1 more leads: first",
        "u10 outside the soft limits at lead 2: windy",
    ]
