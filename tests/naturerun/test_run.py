"""The same name gives the same weather; a state is enough to go on from."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pytest
from naturerun_weather import EPOCH

from met2net_ops.errors import Met2NetOpsError
from met2net_ops.grids import LatLonGrid, named_grid
from met2net_ops.naturerun.fields import VARIABLES, sampler
from met2net_ops.naturerun.generate import default_epoch, fill_archive, run_for, write_arrays
from met2net_ops.naturerun.restart import load_state, save_state, state_at
from met2net_ops.naturerun.run import AtmosphereState, NatureRun
from met2net_ops.variables import VARIABLES as TABLE
from met2net_ops.variables import UnknownVariableError

if TYPE_CHECKING:
    from pathlib import Path

LATER = EPOCH + timedelta(hours=7)


def assert_same(a: AtmosphereState, b: AtmosphereState) -> None:
    assert a.time == b.time
    np.testing.assert_array_equal(a.ground, b.ground)
    np.testing.assert_array_equal(a.stirring, b.stirring)
    for item in fields(a.now):
        np.testing.assert_array_equal(getattr(a.now, item.name), getattr(b.now, item.name))
        np.testing.assert_array_equal(getattr(a.before, item.name), getattr(b.before, item.name))


def test_the_same_seed_and_epoch_give_the_same_bits(
    young: tuple[NatureRun, AtmosphereState],
) -> None:
    run, _ = young
    assert_same(state_at(run, LATER), state_at(NatureRun(run.seed, EPOCH, truncation=10), LATER))


def test_another_seed_gives_other_weather(young: tuple[NatureRun, AtmosphereState]) -> None:
    run, _ = young
    other = state_at(NatureRun(run.seed + 1, EPOCH, truncation=10), LATER)
    assert not np.array_equal(other.now.vorticity, state_at(run, LATER).now.vorticity)


def test_a_run_goes_on_from_a_file_bit_for_bit(
    young: tuple[NatureRun, AtmosphereState], tmp_path: Path
) -> None:
    run, state = young
    path = tmp_path / "deep" / "state.npz"
    save_state(path, run, state)
    fresh = NatureRun(run.seed, EPOCH, truncation=10)
    assert_same(state_at(fresh, LATER, path), state_at(run, LATER))
    assert load_state(path, fresh).time == LATER  # kept for next time
    assert_same(state_at(fresh, state.time, path), state)  # too late a state: from the epoch
    assert [p.name for p in path.parent.iterdir()] == ["state.npz"]


def test_a_state_of_another_run_or_no_state_at_all_is_refused(
    young: tuple[NatureRun, AtmosphereState], tmp_path: Path
) -> None:
    run, state = young
    path = tmp_path / "state.npz"
    save_state(path, run, state)
    with pytest.raises(Met2NetOpsError, match="another synthetic atmosphere than seed 9"):
        load_state(path, NatureRun(9, EPOCH, truncation=10))
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(Met2NetOpsError, match=r"cannot read the state .*delete it"):
        load_state(path, run)


def test_the_epoch_must_leave_time_to_spin_up() -> None:
    start = datetime(2026, 3, 1, tzinfo=UTC)
    assert run_for(1, start).epoch == default_epoch(start) == datetime(2026, 1, 1, tzinfo=UTC)
    with pytest.raises(Met2NetOpsError, match="still spinning up"):
        run_for(1, start, start - timedelta(days=10))
    with pytest.raises(Met2NetOpsError, match="negative"):
        run_for(-1, start)
    with pytest.raises(Met2NetOpsError, match="no full hour"):
        run_for(1, start + timedelta(minutes=30))
    with pytest.raises(Met2NetOpsError, match="no full hour"):
        run_for(1, start, EPOCH + timedelta(minutes=10))


def test_every_variable_is_within_its_limits_on_any_grid(
    young: tuple[NatureRun, AtmosphereState],
) -> None:
    run, state = young
    region = LatLonGrid(44.0, 110.0, 0.5, 0.5, 64, 64)
    for grid in (named_grid("global-5p625"), region):
        values = sampler(run, grid).fields(state, VARIABLES)
        assert values.shape == (len(VARIABLES), *grid.shape)
        assert values.dtype == np.float32
        for name, field in zip(VARIABLES, values, strict=True):
            assert TABLE[name].soft.low <= field.min(), name
            assert field.max() <= TABLE[name].soft.high, name
        dew_point, air = values[VARIABLES.index("d2m")], values[VARIABLES.index("t2m")]
        assert (dew_point <= air).all()


def test_a_region_shows_the_same_weather_as_the_globe(
    young: tuple[NatureRun, AtmosphereState],
) -> None:
    run, state = young
    coarse = named_grid("global-5p625")
    # longitudes on the other side of Greenwich, written as negative numbers
    part = LatLonGrid(
        float(coarse.latitudes[4]), float(coarse.longitudes[-6]) - 360.0, 5.625, 5.625, 8, 12
    )
    whole = sampler(run, coarse).fields(state, ("t2m", "u10", "msl"))
    columns = np.arange(-6, 6) % coarse.nlon
    np.testing.assert_allclose(
        sampler(run, part).fields(state, ("t2m", "u10", "msl")),
        whole[:, 4:12][:, :, columns],
        rtol=1e-6,
        atol=1e-4,
    )


def test_fields_have_no_seam_at_greenwich_and_agree_at_the_poles(
    young: tuple[NatureRun, AtmosphereState],
) -> None:
    run, state = young
    poles = LatLonGrid(90.0, 0.0, 1.0, 10.0, 181, 36)
    t2m, msl = sampler(run, poles).fields(state, ("t2m", "msl"))
    assert np.ptp(msl[0]) < 1.0  # one point, however many longitudes it has
    assert np.ptp(msl[-1]) < 1.0
    step = abs(np.diff(t2m, axis=1)).max()
    assert abs(t2m[:, 0] - t2m[:, -1]).max() <= 1.5 * step


def test_unknown_variables_are_named(young: tuple[NatureRun, AtmosphereState]) -> None:
    run, state = young
    with pytest.raises(UnknownVariableError, match="has no z500; it has t2m"):
        sampler(run, named_grid("global-5p625")).fields(state, ("t2m", "z500"))


@pytest.mark.timeout(300)  # spins up twice
def test_arrays_and_archive_hold_the_same_frames(tmp_path: Path) -> None:
    from met2net_ops.archive.frames import FrameArchive

    grid = LatLonGrid(60.0, 0.0, 10.0, 10.0, 8, 36, "coarse")
    start = EPOCH + timedelta(days=45)
    names = ("t2m", "msl")
    write_arrays(
        tmp_path / "a", start, start + timedelta(hours=4), grid, names, 3,
        epoch=EPOCH, truncation=10,
    )  # fmt: skip
    values = np.load(tmp_path / "a" / "values.npy", mmap_mode="r")
    times = np.load(tmp_path / "a" / "times.npy")
    assert values.shape == (5, 2, 8, 36)
    assert times[-1] - times[0] == np.timedelta64(4, "h")
    assert '"synthetic": true' in (tmp_path / "a" / "about.json").read_text()

    run = run_for(3, start, EPOCH, truncation=10)
    archive = FrameArchive.create(tmp_path / "z.zarr", grid, names, timedelta(hours=1))
    assert fill_archive(archive, run, start, 5) == 10
    stored = archive.read(names, [start + timedelta(hours=i) for i in range(5)])
    np.testing.assert_array_equal(stored, values)
