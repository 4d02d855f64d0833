from __future__ import annotations

import hashlib
import tracemalloc

import netCDF4
import numpy as np
import pytest

from met2net_ops.archive.frames import FrameArchive
from met2net_ops.catalog.origins import Origin, record_origins
from met2net_ops.errors import ArchiveError, GateRejectedError, MissingInputError, ProductError
from met2net_ops.fields import FieldKind
from met2net_ops.forecast.inputs import KnownOrigin, catalog_origins
from met2net_ops.forecast.result import CycleOutcome
from met2net_ops.forecast.run import run_cycle, run_cycles
from met2net_ops.grids import LatLonGrid
from met2net_ops.paths import WorkspacePaths
from met2net_ops.products.index import list_products
from met2net_ops.products.publish import claim
from met2net_ops.products.read import open_product, read_fields, read_header
from met2net_ops.times import HOUR
from met2net_ops.workspace import Workspace


def test_the_product_holds_the_rollout_bit_for_bit(desk, start) -> None:
    desk.fill(8)
    cycle, forecaster = start + 6 * HOUR, desk.drift()
    result = run_cycle(forecaster, desk.archive, Workspace(desk.workspace, desk.settings), cycle)
    window = desk.archive.read(
        forecaster.spec.variables, [cycle - back * HOUR for back in (3, 2, 1, 0)]
    )
    blocks = list(forecaster.rollout(window[None], [cycle], 7))
    expected = np.concatenate([block.values[0] for block in blocks])
    with netCDF4.Dataset(result.path) as raw:
        for index, name in enumerate(forecaster.spec.variables):
            assert raw[name][:].data.tobytes() == expected[:, index].tobytes()
    assert result.path == desk.workspace.product("drift", cycle)
    assert (result.state, result.leads) == (CycleOutcome.PUBLISHED, 7)
    assert (result.valid_from, result.valid_to) == (cycle + HOUR, cycle + 7 * HOUR)
    assert list(result.seconds) == ["read", "window", "rollout", "gate", "write", "verify"]
    assert [path.name for path in result.path.parent.iterdir()] == [result.path.name]


def test_the_product_tells_what_it_was_made_from(desk, start) -> None:
    desk.fill(8)
    cycle, forecaster = start + 6 * HOUR, desk.drift()

    def origins(variables, times):
        values = desk.archive.read([variables[0]], [times[0]]).astype("<f4")
        digest = hashlib.sha256(values.tobytes()).hexdigest()
        return {(variables[0], times[0]): KnownOrigin("feed/a.grib message 3", digest)}

    result = run_cycle(
        forecaster, desk.archive, Workspace(desk.workspace, desk.settings), cycle, origins=origins
    )
    header = read_header(result.path)
    assert (header.model, header.model_checksum) == ("drift", forecaster.spec.checksum)
    assert (header.device, header.precision) == ("cpu", "fp32")
    assert header.reference_time == cycle
    assert header.settings["gate_max_spread_ratio"] == desk.settings.gate.max_spread_ratio
    assert list(header.timings) == ["read", "window", "rollout", "gate", "write"]
    assert len(header.inputs) == 4 * 3
    for frame in header.inputs:
        values = desk.archive.read([frame.variable], [frame.time])[0, 0]
        assert frame.sha256 == hashlib.sha256(values.astype("<f4").tobytes()).hexdigest()
        assert not frame.filled
    known = [frame for frame in header.inputs if frame.origin]
    assert [(frame.variable, frame.time, frame.origin) for frame in known] == [
        (forecaster.spec.variables[0], start + 3 * HOUR, "feed/a.grib message 3")
    ]


def test_origins_come_from_the_catalog_if_they_gave_these_values(desk, start, field_at) -> None:
    desk.fill(8)
    cycle, catalog = start + 6 * HOUR, Workspace(desk.workspace, desk.settings).create_catalog()
    values = desk.archive.read(["msl"], [cycle])[0, 0]
    origin = Origin(
        variable="msl",
        valid_time=cycle,
        path="feed/gfs.grib2",
        file_sha256="12" * 32,
        file_mtime_ns=0,
        message=41,
        field=52,
        message_sha256="34" * 32,
        inputs=(52,),
        method="",
        kind=FieldKind.FORECAST,
        reference_time=start,
        lead=6 * HOUR,
        expver="",
        missing_points=0,
        frame_sha256=hashlib.sha256(values.astype("<f4").tobytes()).hexdigest(),
        recorded_at=cycle,
    )
    record_origins(catalog, [origin])
    source = catalog_origins(Workspace(desk.workspace, desk.settings).catalog)
    result = run_cycle(
        desk.drift(), desk.archive, Workspace(desk.workspace, desk.settings), cycle, origins=source
    )
    (known,) = [frame for frame in read_header(result.path).inputs if frame.origin]
    assert (known.variable, known.time) == ("msl", cycle)
    assert known.sha256 == origin.frame_sha256
    assert known.origin == (
        "feed/gfs.grib2 message 41 sha256 3434343434343434 (forecast 2026-11-22T00+6h)"
    )
    # Written, but killed before it was recorded where from.
    desk.archive.write("msl", cycle, field_at("msl", cycle) + np.float32(3))
    result = run_cycle(
        desk.drift(), desk.archive, Workspace(desk.workspace, desk.settings), cycle, origins=source
    )
    assert not [frame for frame in read_header(result.path).inputs if frame.origin]


def test_an_interpolated_frame_has_no_origin(desk, start) -> None:
    desk.fill(8, but=[("msl", 5)])
    cycle, settings = start + 6 * HOUR, desk.with_forecast(max_gap_frames=1)

    def origins(variables, times):
        return {(name, time): KnownOrigin("file", "") for name in variables for time in times}

    result = run_cycle(
        desk.drift(), desk.archive, Workspace(desk.workspace, settings), cycle, origins=origins
    )
    (frame,) = [frame for frame in read_header(result.path).inputs if frame.filled]
    assert (frame.variable, frame.time, frame.origin) == ("msl", cycle - HOUR, "")


def test_a_published_forecast_is_redone_only_for_a_reason(desk, start, field_at) -> None:
    desk.fill(8)
    cycle, forecaster = start + 6 * HOUR, desk.drift()

    def run(forecaster=forecaster, settings=desk.settings, **options):
        (result,) = run_cycles(
            forecaster, desk.archive, Workspace(desk.workspace, settings), [cycle], **options
        )
        return result

    assert run().state is CycleOutcome.PUBLISHED
    before = read_header(run().path)
    unchanged = run()
    assert (unchanged.state, dict(unchanged.seconds)) == (CycleOutcome.UNCHANGED, {})
    assert forecaster.batches == [1]
    assert run(force=True).state is CycleOutcome.PUBLISHED
    assert run(settings=desk.with_forecast(leads=9)).state is CycleOutcome.PUBLISHED
    covered = run()  # seven leads are among the nine
    assert (covered.state, covered.leads) == (CycleOutcome.UNCHANGED, 9)
    assert covered.valid_to == cycle + 9 * HOUR
    assert "has 9 leads and covers the 7 requested" in covered.note
    assert read_header(covered.path).leads == 9
    assert run(force=True).leads == read_header(covered.path).leads == 7
    retrained = desk.drift(rate=0.5, checksum="cd" * 32)
    assert run(retrained).state is CycleOutcome.PUBLISHED
    assert run().state is CycleOutcome.PUBLISHED
    desk.archive.write("u10", cycle, field_at("u10", cycle) + np.float32(1))
    corrected = run()
    assert corrected.state is CycleOutcome.PUBLISHED
    assert read_header(corrected.path).input_hash != before.input_hash
    assert run().state is CycleOutcome.UNCHANGED


def test_a_damaged_product_is_replaced(desk, start) -> None:
    desk.fill(8)
    workspace = Workspace(desk.workspace, desk.settings)
    args = (desk.drift(), desk.archive, workspace, start + 6 * HOUR)
    path = run_cycle(*args).path
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(ProductError, match="damaged"):
        open_product(path)
    assert run_cycle(*args).state is CycleOutcome.PUBLISHED
    assert open_product(path).header.leads == 7


def test_missing_input_makes_the_cycle_wait(desk, start) -> None:
    desk.fill(8, but=[("u10", 5)])
    with pytest.raises(MissingInputError, match="u10   ✓  ✓  ✗  ✓"):
        run_cycle(
            desk.drift(), desk.archive, Workspace(desk.workspace, desk.settings), start + 6 * HOUR
        )
    assert not any(desk.workspace.products.iterdir())


def test_filled_gaps_are_written_into_the_product(desk, start, field_at) -> None:
    desk.fill(8, but=[("u10", 5)])
    cycle, settings = start + 6 * HOUR, desk.with_forecast(max_gap_frames=1)
    result = run_cycle(desk.drift(), desk.archive, Workspace(desk.workspace, settings), cycle)
    header = read_header(result.path)
    (filled,) = header.filled
    assert (filled.variable, filled.time) == ("u10", start + 5 * HOUR)
    with netCDF4.Dataset(result.path) as raw:
        assert raw.met2net_gaps_filled == '["u10 2026-11-22T05:00:00Z"]'
    desk.fill(1, first=5)
    again = run_cycle(desk.drift(), desk.archive, Workspace(desk.workspace, settings), cycle)
    assert again.state is CycleOutcome.PUBLISHED
    assert read_header(again.path).filled == ()


def test_a_forecast_unfit_to_publish_is_kept_aside(desk, start) -> None:
    desk.fill(8)
    cycle = start + 6 * HOUR
    good = run_cycle(desk.drift(), desk.archive, Workspace(desk.workspace, desk.settings), cycle)
    published = good.path.read_bytes()
    hot = desk.drift(rate=30.0, checksum="ef" * 32)
    with pytest.raises(GateRejectedError) as raised:
        run_cycle(hot, desk.archive, Workspace(desk.workspace, desk.settings), cycle)
    assert raised.value.exit_code == 7
    assert "t2m outside the hard limits at lead 3 and 4 more leads" in str(raised.value)
    kept = good.path.with_name(f"{good.path.stem}.rejected.nc")
    assert str(kept) in str(raised.value)
    assert good.path.read_bytes() == published
    assert sorted(good.path.parent.iterdir()) == sorted([good.path, kept])
    rejected = open_product(kept)
    assert rejected.header.rejected
    assert "REJECTED" in rejected.dataset.attrs["title"]
    assert rejected.header.findings
    (entry,) = list_products(desk.workspace)
    assert entry.path == good.path
    (aside,) = list_products(desk.workspace, rejected=True)
    assert aside.path == kept


def test_the_gate_may_be_told_to_warn_only(desk, start) -> None:
    desk.fill(8)
    gate = desk.settings.gate.model_copy(update={"enabled": False})
    settings = desk.settings.model_copy(update={"gate": gate})
    hot = desk.drift(rate=30.0)
    result = run_cycle(hot, desk.archive, Workspace(desk.workspace, settings), start + 6 * HOUR)
    assert result.state is CycleOutcome.PUBLISHED
    header = read_header(result.path)
    assert header.findings
    assert not header.rejected


def test_many_cycles_share_batches_and_give_what_each_alone_gives(desk, start, tmp_path) -> None:
    desk.fill(20)
    cycles = [start + hour * HOUR for hour in range(4, 11)]
    forecaster = desk.drift()
    settings = desk.with_forecast(batch=3)
    results = list(
        run_cycles(forecaster, desk.archive, Workspace(desk.workspace, settings), cycles)
    )
    assert [result.reference_time for result in results] == cycles
    assert forecaster.batches == [3, 3, 1]
    alone = WorkspacePaths(tmp_path / "alone")
    for cycle, result in zip(cycles, results, strict=True):
        single = run_cycle(desk.drift(), desk.archive, Workspace(alone, desk.settings), cycle)
        np.testing.assert_array_equal(read_fields(single.path)[1], read_fields(result.path)[1])
        assert read_header(single.path).covers(read_header(result.path))


def test_one_bad_cycle_does_not_cost_the_others(desk, start) -> None:
    desk.fill(20, but=[("msl", 5)])
    holed = np.full(desk.archive.grid.shape, 280, np.float32)
    holed[0, 0] = np.nan
    desk.archive.write("t2m", start + 12 * HOUR, holed)
    cycles = [start + hour * HOUR for hour in (4, 6, 9, 13, 16)]
    held = desk.workspace.product("drift", start + 9 * HOUR)
    with claim(held):
        results = list(
            run_cycles(desk.drift(), desk.archive, Workspace(desk.workspace, desk.settings), cycles)
        )
    states = [result.state for result in results]
    ok, failed = CycleOutcome.PUBLISHED, CycleOutcome.FAILED
    assert states == [ok, failed, failed, failed, ok]
    errors = [str(result.error) for result in results if result.error]
    assert "lacks 1 of 12 frames" in errors[0]
    assert "another process is writing" in errors[1]
    assert "t2m 2026-11-22T12:00Z: 1." in errors[2]
    assert len(list_products(desk.workspace)) == 2


def test_a_cycle_off_the_time_axis_is_refused(desk, start) -> None:
    desk.fill(8)
    with pytest.raises(ArchiveError, match="not on the time axis"):
        run_cycle(
            desk.drift(), desk.archive, Workspace(desk.workspace, desk.settings), start + HOUR / 2
        )


def test_a_remapped_window_is_told_in_the_product(desk, start, tmp_path, field_at) -> None:
    fine = LatLonGrid(61.25, -1.25, 2.5, 2.5, 16, 32, "fine")
    archive = FrameArchive.create(tmp_path / "fine.zarr", fine, desk.archive.variables, HOUR)
    for hour in range(6):
        for name in archive.variables:
            archive.write(name, start + hour * HOUR, field_at(name, start + hour * HOUR, fine))
    result = run_cycle(
        desk.drift(), archive, Workspace(desk.workspace, desk.settings), start + 5 * HOUR
    )
    header = read_header(result.path)
    assert header.grid == desk.archive.grid
    assert str(header.settings["remapped_from"]).startswith("fine (16x32 points of 2.5°")


def test_memory_does_not_grow_with_the_number_of_cycles(desk, start) -> None:
    desk.fill(16)
    settings = desk.with_forecast(batch=1, leads=60)

    def peak(count: int) -> int:
        cycles = [start + (5 + hour) * HOUR for hour in range(count)]
        tracemalloc.start()
        for _ in run_cycles(
            desk.drift(), desk.archive, Workspace(desk.workspace, settings), cycles, force=True
        ):
            pass
        _, highest = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return highest

    peak(1)  # what is imported and cached on first use
    few, many = peak(2), peak(10)
    one_product = 60 * 3 * 8 * 16 * 4
    assert many - few < 2 * one_product  # of the eight more that were made
