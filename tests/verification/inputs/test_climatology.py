"""Climatology from an archive that grows: when a month is computed, and that it stays."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from verification_desk import GRID, HOUR, START, Desk, nature

from met2net_ops.errors import VerificationError
from met2net_ops.verification.inputs.climatology import Climatology

DAY = timedelta(days=1)
DAYS = 4  # enough, and quick


def climatology(desk: Desk) -> Climatology:
    return Climatology(desk.workspace.verification / "climatology", desk.archive, DAYS)


def month_file(desk: Desk) -> Path:
    (path,) = (desk.workspace.verification / "climatology").glob("*.npz")
    return path


def test_a_month_waits_for_all_hours_of_the_day(desk: Desk) -> None:
    """A desk verifies every hour: the first hour to have enough days must not be the only one."""
    desk.observe(START, 24 * (DAYS - 1) + 5, names=("t2m",))
    assert climatology(desk).ensure([1]) == []
    desk.observe(START + DAY * (DAYS - 1) + 5 * HOUR, 19, names=("t2m",))
    found = climatology(desk)
    assert found.ensure([1]) == [1]
    for hour in (0, 5, 23):
        days = [nature("t2m", START + DAY * i + HOUR * hour).astype(float) for i in range(DAYS)]
        field = found.field("t2m", START + HOUR * hour)
        assert field is not None
        np.testing.assert_allclose(field, np.mean(days, axis=0), rtol=1e-6)


def test_a_month_that_is_over_makes_do_with_the_hours_it_has(desk: Desk) -> None:
    last_days = START + DAY * (27 - DAYS)  # 5 January and 26 days: the 31st
    desk.observe(last_days, 24 * (DAYS - 1) + 5, names=("t2m",))
    assert climatology(desk).ensure([1]) == []
    desk.observe(START + DAY * 27, 1, names=("t2m",))  # February
    found = climatology(desk)
    assert found.ensure([1]) == [1]
    assert found.field("t2m", last_days + 4 * HOUR) is not None
    assert found.field("t2m", last_days + 5 * HOUR) is None


def test_a_variable_that_comes_later_joins_and_moves_nothing(desk: Desk) -> None:
    desk.observe(START, 24 * DAYS, names=("t2m",))
    climatology(desk).ensure([1])
    before = climatology(desk)
    old, identity = before.field("t2m", START), before.identity(1)
    assert climatology(desk).ensure([1]) == []
    desk.observe(START, 24 * (DAYS + 1), names=("u10",))
    desk.observe(START + DAY * DAYS, 24, names=("t2m",))
    after = climatology(desk)
    assert after.ensure([1]) == [1]
    assert after.field("u10", START) is not None
    assert after.identity(1) != identity
    np.testing.assert_array_equal(after.field("t2m", START), old)
    assert climatology(desk).ensure([1]) == []


@pytest.mark.parametrize("left", [0, 30, 500])
def test_a_damaged_month_is_named(desk: Desk, left: int) -> None:
    desk.observe(START, 24 * DAYS, names=("t2m",))
    climatology(desk).ensure([1])
    path = month_file(desk)
    path.write_bytes(path.read_bytes()[:left])
    with pytest.raises(VerificationError, match=rf"{path.name} is damaged .* remove it"):
        climatology(desk).ensure([1])
    assert climatology(desk).ensure([1], rebuild=True) == [1]
    assert climatology(desk).field("t2m", START) is not None
    assert GRID.shape == climatology(desk).field("t2m", START).shape  # type: ignore[union-attr]
