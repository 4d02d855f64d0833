"""From products and archive to the table: what is due, once, on identical pairs."""

from __future__ import annotations

import hashlib
import math
import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import netCDF4
import numpy as np
import pyarrow.parquet as pq
import pytest
from verification_desk import GRID, HOUR, NAMES, START, Desk, nature

from met2net_ops.catalog.origin import Origin
from met2net_ops.catalog.origins import record_origins
from met2net_ops.derive import wind_direction
from met2net_ops.errors import VerificationError
from met2net_ops.fields import FieldKind
from met2net_ops.grids import LatLonGrid
from met2net_ops.verification.outcome import VerificationOutcome
from met2net_ops.verification.results.query import Selection, grouped_sums
from met2net_ops.verification.results.scores import derive
from met2net_ops.verification.results.summary import ScoreLine, summary
from met2net_ops.verification.run_analyses import verify_analyses
from met2net_ops.workspace import Workspace

DAY = timedelta(days=1)
AREA = GRID.cell_areas / GRID.cell_areas.sum()


def verify(desk: Desk, **options: object) -> list[VerificationOutcome]:
    return verify_analyses(Workspace(desk.workspace, desk.settings), **options)  # type: ignore[arg-type]


def line(desk: Desk, variable: str, lead: int, **selection: object) -> ScoreLine:
    found = summary(desk.workspace, Selection(**selection))  # type: ignore[arg-type]
    (one,) = [x for x in found if (x.variable, x.lead_hours) == (variable, lead)]
    return one


def stored(desk: Desk) -> dict[Path, tuple[int, int]]:
    return {
        path: (path.stat().st_mtime_ns, path.stat().st_ino)
        for path in desk.workspace.verification.rglob("*.parquet")
    }


def test_known_errors_come_out_as_known_scores(desk: Desk) -> None:
    desk.observe(START, 48)
    cycle = START + DAY
    desk.forecast(cycle, error=lambda name, lead: 0.5 * lead * (-1 if name == "u10" else 1))
    (outcome,) = verify(desk)
    assert (outcome.status, outcome.computed, outcome.matched) == ("final", True, 18)
    found = line(desk, "t2m", 4)
    assert found.n == GRID.nlat * GRID.nlon
    assert found.rmse == pytest.approx(2.0, rel=1e-5)
    assert found.mae == pytest.approx(2.0, rel=1e-5)
    assert found.bias == pytest.approx(2.0, rel=1e-5)
    assert line(desk, "u10", 4).bias == pytest.approx(-2.0, rel=1e-5)
    assert line(desk, "wind10", 4).rmse == pytest.approx(math.sqrt(8.0), rel=1e-5)
    change = nature("t2m", cycle).astype(float) - nature("t2m", cycle + 4 * HOUR)
    persistence = (AREA * change**2).sum()
    assert found.rmse_persistence == pytest.approx(math.sqrt(persistence), rel=1e-9)
    assert found.skill_persistence == pytest.approx(1 - 4.0 / persistence, rel=1e-5)
    daily = nature("t2m", cycle - 20 * HOUR).astype(float) - nature("t2m", cycle + 4 * HOUR)
    assert found.skill_persistence_24h == pytest.approx(1 - 4.0 / (AREA * daily**2).sum(), rel=1e-5)
    assert math.isnan(found.skill_climatology)
    assert math.isnan(found.acc)
    assert math.isnan(found.rmse_low)
    assert found.no_interval == "1 cycles, 10 needed"


def test_regions_hold_their_own_points(desk: Desk) -> None:
    desk.observe(START, 36)
    north = np.where(GRID.latitudes[:, None] > 20, 3.0, 0.0)
    desk.forecast(START + DAY, error=lambda name, lead: north)
    verify(desk)
    assert line(desk, "t2m", 1, region="northern-extratropics").bias == pytest.approx(3, rel=1e-5)
    assert line(desk, "t2m", 1, region="southern-extratropics").rmse == pytest.approx(0, abs=1e-5)
    pacific = line(desk, "t2m", 1, region="pacific")
    assert pacific.n == 4 * 3  # 45°N to 45°S, 180°, 225° and 270°E
    area = AREA[(GRID.latitudes <= 60) & (GRID.latitudes >= -60)]
    assert pacific.bias == pytest.approx(3 * area[0, 0] / area[:, 0].sum(), rel=1e-5)


def test_the_same_command_twice_changes_nothing(desk: Desk) -> None:
    desk.observe(START, 72)
    for i in range(3):
        desk.forecast(START + DAY + 6 * HOUR * i)
    assert all(outcome.computed for outcome in verify(desk))
    before = stored(desk)
    assert len(before) == 3
    assert not any(outcome.computed for outcome in verify(desk))
    assert stored(desk) == before


def test_a_run_with_nothing_due_opens_no_product(desk: Desk) -> None:
    desk.observe(START, 40)
    path = desk.forecast(START + DAY)
    verify(desk)
    stat = path.stat()
    path.write_bytes(b"\0" * stat.st_size)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    (outcome,) = verify(desk)
    assert (outcome.status, outcome.computed) == ("final", False)
    (outcome,) = verify(desk, again=True)
    assert outcome.status == "failed"


def test_a_damaged_file_of_sums_is_made_again(desk: Desk) -> None:
    desk.observe(START, 40)
    desk.forecast(START + DAY)
    verify(desk)
    (path,) = stored(desk)
    whole = pq.read_table(path)
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(VerificationError, match="Remove the file it names"):
        summary(desk.workspace, Selection())
    (outcome,) = verify(desk)
    assert outcome.computed
    assert "was damaged and has been made again" in outcome.reason
    assert pq.read_table(path).equals(whole)
    assert not verify(desk)[0].computed


def test_baselines_have_fractions_and_directions_on_the_same_pairs(desk: Desk) -> None:
    desk.observe(START, 40)
    desk.forecast(START + DAY, error=lambda name, lead: 1.0)
    verify(desk)
    for kind, by in (("fractions", ("variable", "lead", "neighbourhood")), ("vector", ("lead",))):
        for baseline in ("persistence", "persistence-24h"):
            found = grouped_sums(desk.workspace, kind, by, Selection(), baseline)
            assert found.baseline is not None
            assert np.array_equal(found.forecast["n"], found.baseline["n"])
            assert (found.baseline["n"] > 0).all()
    found = grouped_sums(desk.workspace, "vector", ("lead",), Selection(), "persistence")
    assert found.baseline is not None
    cycle = START + DAY
    u, v = (nature(name, cycle).astype(float) for name in ("u10", "v10"))
    ut, vt = (nature(name, cycle + 4 * HOUR).astype(float) for name in ("u10", "v10"))
    blows = (np.hypot(u, v) > 1.5) & (np.hypot(ut, vt) > 1.5)
    turn = (wind_direction(u, v) - wind_direction(ut, vt) + 180) % 360 - 180
    expected = (AREA * np.abs(turn))[blows].sum() / AREA[blows].sum()
    lead = found.keys.index((4,))
    total = found.baseline.total()
    assert derive("direction_mae", total)[lead] == pytest.approx(expected, rel=1e-9)


def test_late_truth_rewrites_its_own_file_alone(desk: Desk) -> None:
    desk.observe(START, 28)  # to 03 UTC of the second day
    early, late = desk.forecast(START + DAY - 12 * HOUR), desk.forecast(START + DAY)
    far = desk.forecast(START + 3 * DAY)
    outcomes = verify(desk)
    assert [outcome.status for outcome in outcomes] == ["final", "partial", "pending"]
    assert outcomes[1].matched == 9
    assert "t2m: 3 of 6 (2026-01-06T04:00Z to 2026-01-06T06:00Z)" in outcomes[1].reason
    assert "frames from 2026-01-05T00:00Z to 2026-01-06T03:00Z" in outcomes[2].reason
    before = stored(desk)
    assert [outcome.computed for outcome in verify(desk)] == [False, False, False]
    desk.observe(START + DAY + 4 * HOUR, 3)
    outcomes = verify(desk)
    assert [(outcome.status, outcome.computed) for outcome in outcomes] == [
        ("final", False), ("final", True), ("pending", False),
    ]  # fmt: skip
    changed = {path.stem for path, state in stored(desk).items() if before[path] != state}
    assert changed == {late.stem}
    assert early.is_file()
    assert far.is_file()


def test_old_sums_become_one_file_and_are_still_known(desk: Desk) -> None:
    desk.observe(START, 40)
    old = [desk.forecast(START + DAY), desk.forecast(START + DAY + 6 * HOUR)]
    desk.observe(START + 71 * DAY, 48)
    desk.forecast(START + 72 * DAY)
    before = {outcome.cycle: outcome for outcome in verify(desk)}
    lines = str(summary(desk.workspace, Selection()))
    verify(desk)
    names = sorted(path.name for path in stored(desk))
    assert names == ["tester_202601.parquet", "tester_2026031800.parquet"]
    assert str(summary(desk.workspace, Selection())) == lines
    again = verify_analyses(Workspace(desk.workspace, desk.settings), everything=True)
    assert {one.cycle: replace(one, computed=True) for one in again} == before
    assert not any(outcome.computed for outcome in again)
    # The newest alone is looked at; a new product of an old month is found all the same.
    assert [outcome.cycle for outcome in verify(desk)] == [START + 72 * DAY]
    desk.forecast(START + DAY + 12 * HOUR, leads=3)
    assert [one.computed for one in verify(desk)] == [True, False]
    old[0].unlink()
    desk.forecast(START + DAY + 6 * HOUR, error=lambda name, lead: 2.0)
    everything = verify_analyses(Workspace(desk.workspace, desk.settings), everything=True)
    assert [one.computed for one in everything] == [True, False, False]
    bias = line(desk, "t2m", 3, since=START + DAY + 6 * HOUR, until=START + DAY + 6 * HOUR).bias
    assert bias == pytest.approx(2.0, abs=1e-5)


def test_what_cannot_be_put_together_keeps_nothing_from_being_verified(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    desk.observe(START, 40)
    desk.forecast(START + DAY)
    verify(desk)
    desk.observe(START + 71 * DAY, 48)
    desk.forecast(START + 72 * DAY)
    (path,) = stored(desk)
    month = path.with_name("tester_202601.parquet")
    in_the_way = path.with_name(f".{month.name}.{os.getpid()}.tmp")
    in_the_way.mkdir()
    assert [outcome.status for outcome in verify(desk)] == ["final"]
    assert f"cannot write {month}" in caplog.text
    assert path.is_file()
    in_the_way.rmdir()
    verify(desk)
    assert month.is_file()
    assert not path.exists()


def test_a_replaced_analysis_rewrites_the_files_it_shapes(desk: Desk) -> None:
    desk.observe(START, 72)
    desk.forecast(START + DAY, error=lambda name, lead: 0.0)
    # A day later at that hour it would be 24-hour persistence, and the second would be due too.
    desk.forecast(START + 2 * DAY + 12 * HOUR, error=lambda name, lead: 0.0)
    verify(desk)
    valid = START + DAY + 3 * HOUR
    better = nature("t2m", valid) + 1
    desk.archive.write("t2m", valid, better)
    catalog = Workspace(desk.workspace, desk.settings).create_catalog()
    origin = Origin(
        "t2m", valid, "late.grib2", "f" * 64, 0, 0, 0, "a" * 64, (0,), "", FieldKind.ANALYSIS,
        valid, timedelta(0), "", 0, hashlib.sha256(better.tobytes()).hexdigest(), valid,
    )  # fmt: skip
    record_origins(catalog, [origin])
    catalog.dispose()
    assert [outcome.computed for outcome in verify(desk)] == [True, False]
    assert line(desk, "t2m", 3, until=START + DAY).bias == pytest.approx(-1.0, abs=1e-5)
    assert [outcome.computed for outcome in verify(desk)] == [False, False]


def test_a_replaced_product_is_verified_again(desk: Desk) -> None:
    desk.observe(START, 36)
    desk.forecast(START + DAY, error=lambda name, lead: 1.0)
    verify(desk)
    desk.forecast(START + DAY, error=lambda name, lead: 2.0)
    (outcome,) = verify(desk)
    assert outcome.computed
    assert line(desk, "t2m", 1).rmse == pytest.approx(2.0, rel=1e-5)


def test_all_systems_are_scored_on_the_same_points(desk: Desk) -> None:
    desk.observe(START, 36)
    cycle = START + DAY
    holed = nature("t2m", cycle)
    holed[:2] = np.nan
    desk.archive.write("t2m", cycle, holed)  # persistence lacks two rows
    missing = np.zeros(GRID.shape)
    missing[3] = np.nan
    desk.forecast(cycle, error=lambda name, lead: missing)
    (outcome,) = verify(desk)
    assert line(desk, "t2m", 2).n == 3 * GRID.nlon
    assert line(desk, "u10", 2).n == 5 * GRID.nlon
    for baseline in ("persistence", "persistence-24h"):
        found = grouped_sums(
            desk.workspace, "continuous", ("variable", "lead"), Selection(), baseline
        )
        assert found.baseline is not None
        assert len(found.keys) == 18
        assert np.array_equal(found.forecast["n"], found.baseline["n"])
        assert np.array_equal(found.forecast["woo"], found.baseline["woo"])
    assert "of points left out" in outcome.reason


def test_climatology_and_anomaly_correlation(desk: Desk) -> None:
    desk.observe(START, 24 * 22, names=("t2m",))
    cycle = START + 10 * DAY
    desk.forecast(cycle, error=lambda name, lead: 0.3)
    (outcome,) = verify(desk)
    assert outcome.status == "partial"  # no winds
    days = [START + DAY * i + 2 * HOUR for i in range(22)]
    mean = np.mean([nature("t2m", day).astype(float) for day in days], axis=0)
    truth = nature("t2m", cycle + 2 * HOUR).astype(float)
    found = line(desk, "t2m", 2)
    assert found.skill_climatology == pytest.approx(
        1 - 0.09 / (AREA * (truth - mean) ** 2).sum(), rel=1e-4
    )
    assert found.acc == pytest.approx(1.0, abs=1e-9)  # a constant bias leaves it perfect
    before = stored(desk)
    assert not any(outcome.computed for outcome in verify(desk))
    desk.observe(START + 22 * DAY, 24, names=("t2m",))
    assert not any(outcome.computed for outcome in verify(desk))
    assert stored(desk) == before
    assert all(outcome.computed for outcome in verify(desk, rebuild_climatology=True))


def test_intervals_and_their_reason(desk: Desk) -> None:
    desk.observe(START, 24 * 7)
    rng = np.random.default_rng(0)
    for i in range(12):
        size = rng.uniform(0.5, 1.5)
        desk.forecast(START + DAY + 6 * HOUR * i, error=lambda name, lead, s=size: s, leads=2)
    verify(desk)
    found = line(desk, "t2m", 1)
    assert found.cycles == 12
    assert found.no_interval == ""
    assert found.rmse_low < found.rmse < found.rmse_high
    assert found.rmse_low > 0.5
    assert found.rmse_high < 1.5
    assert found.skill_low < found.skill_persistence < found.skill_high
    assert repr(found) == repr(line(desk, "t2m", 1))  # the same interval every time


def test_any_grouping_adds_up_to_the_whole(desk: Desk) -> None:
    desk.observe(START, 96)
    for i in range(4):
        desk.forecast(START + DAY + 6 * HOUR * i, error=lambda name, lead: 0.1 * lead)
    verify(desk)
    whole = grouped_sums(desk.workspace, "continuous", (), Selection()).forecast.total((0, 1))
    by_hour = summary(desk.workspace, Selection(leads=(1,)), "hour")
    assert {(x.group, x.lead_hours) for x in by_hour} == {
        (f"{hour:02d} UTC", 1) for hour in (1, 7, 13, 19)
    }
    for by in ("hour", "month", "variable", "lead", "model"):
        parts = grouped_sums(desk.workspace, "continuous", (by,), Selection())
        np.testing.assert_allclose(parts.forecast.total((0, 1)).values, whole.values, rtol=1e-12)
    hours = grouped_sums(desk.workspace, "continuous", ("hour",), Selection())
    assert [key[0] for key in hours.keys] == [*range(24)]
    table = grouped_sums(desk.workspace, "contingency", ("variable", "threshold"), Selection())
    assert table.keys == [("t2m", 281.0), ("wind10", 5.0)]
    fractions = grouped_sums(
        desk.workspace, "fractions", ("threshold", "neighbourhood"), Selection()
    )
    assert fractions.keys == [(5.0, 3), (281.0, 3)]
    assert (derive("fss", fractions.forecast.total()) > 0.5).all()


def with_default_fill(path: Path, name: str) -> None:
    """Write a product anew, one variable without a fill value of its own."""
    whole = path.with_suffix(".anew")
    with netCDF4.Dataset(path) as old, netCDF4.Dataset(whole, "w") as new:
        old.set_auto_maskandscale(False)
        new.setncatts({key: old.getncattr(key) for key in old.ncattrs()})
        for dimension, size in old.dimensions.items():
            new.createDimension(dimension, len(size))
        for key, item in old.variables.items():
            fill = getattr(item, "_FillValue", False) if key != name else None
            made = new.createVariable(key, item.dtype, item.dimensions, fill_value=fill)
            made.setncatts({k: item.getncattr(k) for k in item.ncattrs() if k != "_FillValue"})
            made[...] = item[...]
    whole.replace(path)


class TestGuards:
    """A difference between forecast and truth is an error that names it."""

    def outcome(self, desk: Desk) -> str:
        desk.observe(START, 36)
        (outcome,) = verify(desk)
        assert outcome.status == "failed"
        assert not stored(desk)
        return outcome.reason

    @pytest.mark.parametrize(
        ("grid", "message"),
        [
            (LatLonGrid(75.0, 0.1, 30.0, 45.0, 6, 8), "longitude is offset by 0.1 degrees"),
            (LatLonGrid(75.0, 0.0, 25.0, 45.0, 6, 8), "latitude runs from 75 to -50"),
        ],
    )
    def test_another_grid(self, desk: Desk, grid: LatLonGrid, message: str) -> None:
        desk.forecast(START + DAY, grid=grid)
        assert message in self.outcome(desk)

    def test_an_offset_coordinate_behind_a_right_header(self, desk: Desk) -> None:
        path = desk.forecast(START + DAY)
        with netCDF4.Dataset(path, "a") as file:
            file["latitude"][:] = file["latitude"][:] + 1e-5
        assert "latitude is offset by 1e-05 degrees" in self.outcome(desk)

    def test_another_unit(self, desk: Desk) -> None:
        path = desk.forecast(START + DAY)
        with netCDF4.Dataset(path, "a") as file:
            file["t2m"].units = "degC"
        assert "t2m is in 'degC', the truth in 'K'" in self.outcome(desk)

    def test_another_calendar(self, desk: Desk) -> None:
        path = desk.forecast(START + DAY)
        with netCDF4.Dataset(path, "a") as file:
            file["time"].calendar = "360_day"
        assert "calendar is '360_day'" in self.outcome(desk)

    def test_shifted_valid_times(self, desk: Desk) -> None:
        path = desk.forecast(START + DAY)
        with netCDF4.Dataset(path, "a") as file:
            file["time"][:] = file["time"][:] + 3600
        assert "1:00:00 away from reference time + lead" in self.outcome(desk)

    @pytest.mark.parametrize("attribute", ["scale_factor", "add_offset"])
    def test_packed_numbers(self, desk: Desk, attribute: str) -> None:
        path = desk.forecast(START + DAY)
        with netCDF4.Dataset(path, "a") as file:
            file["t2m"].setncattr(attribute, 0.01)
        assert "t2m is packed as float32 numbers" in self.outcome(desk)

    def test_a_time_axis_nobody_can_read(self, desk: Desk) -> None:
        path = desk.forecast(START + DAY)
        with netCDF4.Dataset(path, "a") as file:
            file["time"].units = "hours since the flood"
        assert "cannot read" in self.outcome(desk)

    def test_values_nobody_wrote_are_missing(self, desk: Desk) -> None:
        """NetCDF fills what was not written with 9.97e36, a finite number."""
        path = desk.forecast(START + DAY, error=lambda name, lead: 1.0)
        with netCDF4.Dataset(path, "a") as file:
            file["t2m"].set_auto_mask(False)
            file["t2m"][:, :2] = netCDF4.default_fillvals["f4"]
            other = file["t2m"].getncattr("_FillValue")
        assert np.isnan(other)  # ours says NaN; another program's says nothing
        desk.observe(START, 36)
        with_default_fill(path, "t2m")
        (outcome,) = verify(desk)
        assert outcome.status == "final"
        assert line(desk, "t2m", 2).n == 4 * GRID.nlon
        assert line(desk, "t2m", 2).rmse == pytest.approx(1.0, rel=1e-5)

    def test_nothing_but_missing_values(self, desk: Desk) -> None:
        desk.forecast(START + DAY, error=lambda name, lead: np.nan)
        assert "no point has both a forecast and an analysis" in self.outcome(desk)

    def test_a_damaged_product_costs_no_other(self, desk: Desk) -> None:
        desk.observe(START, 48)
        path = desk.forecast(START + DAY)
        desk.forecast(START + DAY + 6 * HOUR)
        data = path.read_bytes()
        path.write_bytes(data[: len(data) // 2])
        assert [outcome.status for outcome in verify(desk)] == ["failed", "final"]


def test_two_dask_workers_store_the_same_sums(desk: Desk) -> None:
    desk.observe(START, 60)
    for i in range(4):
        desk.forecast(START + DAY + 6 * HOUR * i)
    verify(desk)
    alone = {path.name: pq.read_table(path) for path in stored(desk)}
    outcomes = verify(desk, workers=2, again=True)
    assert [outcome.cycle for outcome in outcomes] == [START + DAY + 6 * HOUR * i for i in range(4)]
    assert all(outcome.computed for outcome in outcomes)
    shared = {path.name: pq.read_table(path) for path in stored(desk)}
    assert alone.keys() == shared.keys()
    assert all(alone[name].equals(shared[name]) for name in alone)


def test_variables_are_the_ones_of_the_product(desk: Desk) -> None:
    desk.observe(START, 36)
    desk.forecast(START + DAY)
    verify(desk)
    found = {x.variable for x in summary(desk.workspace, Selection())}
    assert found == {*NAMES, "wind10"}
