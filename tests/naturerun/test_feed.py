"""What the feed writes is what ecCodes reads, and what goes wrong was planned."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import eccodes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from met2net_ops.errors import GridError, Met2NetOpsError
from met2net_ops.grids import LatLonGrid, named_grid
from met2net_ops.naturerun.faults import (
    Fault,
    FaultRates,
    FaultTextError,
    Planned,
    delivery_order,
    parse_faults,
    plan_faults,
    spoil,
)
from met2net_ops.naturerun.feed import FeedOptions, deliver_feed
from met2net_ops.naturerun.fields import VARIABLES, sampler
from met2net_ops.naturerun.grib import EncodingError, encode_field

if TYPE_CHECKING:
    from pathlib import Path

    from met2net_ops.naturerun.run import AtmosphereState, NatureRun

GRID = LatLonGrid(66.0, -12.0, 6.0, 6.0, 12, 20, "part")
TIME = datetime(2026, 1, 1, 0, tzinfo=UTC)
# name: (discipline, category, number), table 2 indicator, typeOfLevel, level (WMO tables)
CODED: dict[str, tuple[tuple[int, int, int], int, str, int]] = {
    "t2m": ((0, 0, 0), 11, "heightAboveGround", 2),
    "d2m": ((0, 0, 6), 17, "heightAboveGround", 2),
    "u10": ((0, 2, 2), 33, "heightAboveGround", 10),
    "v10": ((0, 2, 3), 34, "heightAboveGround", 10),
    "msl": ((0, 3, 0), 2, "meanSea", 0),
    "sp": ((0, 3, 0), 1, "surface", 0),
    "tcc": ((0, 6, 1), 71, "entireAtmosphere", 0),
    "tp": ((0, 1, 8), 61, "surface", 0),
    "r1000": ((0, 1, 1), 52, "isobaricInhPa", 1000),
}


def read(data: bytes) -> tuple[dict[str, Any], np.ndarray]:
    handle = eccodes.codes_new_from_message(data)
    keys = (
        "edition", "centre", "typeOfLevel", "level", "dataDate", "dataTime", "validityDate",
        "validityTime", "stepRange", "stepType", "packingType", "Ni", "Nj",
    )  # fmt: skip
    found = {key: eccodes.codes_get(handle, key) for key in keys}
    names = (
        ("discipline", "parameterCategory", "parameterNumber")
        if found["edition"] == 2
        else ("table2Version", "indicatorOfParameter")
    )
    found["parameter"] = tuple(eccodes.codes_get_long(handle, key) for key in names)
    points = []
    iterator = eccodes.codes_grib_iterator_new(handle, 0)
    while point := eccodes.codes_grib_iterator_next(iterator):
        points.append(point)
    eccodes.codes_grib_iterator_delete(iterator)
    eccodes.codes_release(handle)
    return found, np.array(points)


@pytest.mark.parametrize("name", VARIABLES)
@pytest.mark.parametrize(("edition", "packing"), [(1, "simple"), (2, "simple"), (2, "ccsds")])
def test_eccodes_reads_the_field_its_place_and_its_time(
    young: tuple[NatureRun, AtmosphereState], name: str, edition: Any, packing: Any
) -> None:
    run, state = young
    values = sampler(run, GRID).fields(state, (name,))[0]
    keys, points = read(encode_field(name, TIME, values, GRID, edition=edition, packing=packing))
    parameter, indicator, level_type, level = CODED[name]
    assert keys["parameter"] == (parameter if edition == 2 else (2, indicator))
    if not (edition == 1 and name == "tcc"):  # ecCodes says "atmosphere" there
        assert keys["typeOfLevel"] == level_type
    assert keys["level"] == level
    assert (keys["validityDate"], keys["validityTime"]) == (20260101, 0)
    if name == "tp":
        assert (keys["dataDate"], keys["dataTime"]) == (20251231, 2300)
        assert (keys["stepRange"], keys["stepType"]) == ("0-1", "accum")
    else:
        assert (keys["dataDate"], keys["stepType"]) == (20260101, "instant")
    assert keys["packingType"] == f"grid_{packing}"
    assert (keys["Nj"], keys["Ni"]) == GRID.shape
    np.testing.assert_allclose(points[:, 0], np.repeat(GRID.latitudes, GRID.nlon), atol=1e-6)
    np.testing.assert_allclose(points[:, 1] % 360, np.tile(GRID.longitudes % 360, 12), atol=1e-6)
    scale = 0.01 if name == "tcc" else 1.0
    precision = max(np.ptp(values) / 2**16, 1e-6)
    np.testing.assert_allclose(points[:, 2] * scale, values.ravel(), atol=precision)


def test_what_grib_cannot_say_is_refused() -> None:
    fine = named_grid("global-2p8125")
    values = np.zeros(fine.shape, dtype=np.float32)
    with pytest.raises(GridError, match=r"thousandths of a degree.*edition 2"):
        encode_field("t2m", TIME, values, fine, edition=1)
    with pytest.raises(EncodingError, match="no CCSDS"):
        encode_field("t2m", TIME, values, fine, edition=1, packing="ccsds")


def messages(path: Path) -> list[tuple[int, str]]:
    found = []
    with path.open("rb") as file:
        while (handle := eccodes.codes_grib_new_from_file(file)) is not None:
            time = eccodes.codes_get_long(handle, "validityTime")
            found.append((time, eccodes.codes_get(handle, "shortName")))
            eccodes.codes_release(handle)
    return found


def test_a_feed_has_a_file_per_hour_with_all_variables(
    young: tuple[NatureRun, AtmosphereState], tmp_path: Path
) -> None:
    run, state = young
    done = deliver_feed(tmp_path, run, state, 3, FeedOptions(GRID))
    names = [f"naturerun_20210501{hour:02d}.grib2" for hour in (1, 2, 3)]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    assert [item.name for item in done] == names
    assert messages(tmp_path / names[1]) == [(200, n) for n in ("2t", "10u", "10v", "msl")]
    again = tmp_path / "again"
    deliver_feed(again, run, state, 3, FeedOptions(GRID))
    assert all((again / n).read_bytes() == (tmp_path / n).read_bytes() for n in names)


def test_hours_may_share_a_file(young: tuple[NatureRun, AtmosphereState], tmp_path: Path) -> None:
    run, state = young
    options = FeedOptions(GRID, ("t2m",), hours_per_file=2, edition=1)
    done = deliver_feed(tmp_path, run, state, 3, options)
    assert [item.last - item.first for item in done] == [timedelta(hours=1), timedelta()]
    assert messages(tmp_path / "naturerun_2021050101.grib1") == [(100, "2t"), (200, "2t")]
    with pytest.raises(Met2NetOpsError, match="at least one hour"):
        deliver_feed(tmp_path, run, state, 0, options)


def test_faults_happen_as_planned(young: tuple[NatureRun, AtmosphereState], tmp_path: Path) -> None:
    run, state = young
    rates = FaultRates(late=0.2, missing=0.2, duplicate=0.2, truncated=0.2, damaged=0.1)
    clean, faulty = tmp_path / "clean", tmp_path / "faulty"
    deliver_feed(clean, run, state, 30, FeedOptions(GRID))
    done = deliver_feed(faulty, run, state, 30, FeedOptions(GRID, faults=rates))
    plan = plan_faults(30, rates, run.seed)
    first = min(item.first for item in done)
    assert {fault.fault for fault in plan} == set(Fault)
    for item in done:
        assert item.fault is plan[(item.first - first) // timedelta(hours=1)].fault
        whole = (clean / item.name).read_bytes()
        came = [path.read_bytes() for path in item.paths]
        match item.fault:
            case Fault.MISSING:
                assert not (faulty / item.name).exists()
            case Fault.DUPLICATE:
                assert came == [whole, whole]
            case Fault.TRUNCATED:
                assert whole.startswith(came[0])
                assert len(came[0]) < len(whole)
            case Fault.DAMAGED:
                assert len(came[0]) == len(whole)
                assert came[0] != whole
            case _:
                assert came == [whole]
    order = [item.first for item in done if item.paths]
    late = {item.first for item in done if item.fault is Fault.LATE}
    assert order != sorted(order)
    assert [time for time in order if time not in late] == sorted(set(order) - late)
    assert not list(faulty.glob(".*"))


@given(
    st.lists(st.floats(0.0, 0.2), min_size=5, max_size=5),
    st.integers(0, 200),
    st.integers(0, 2**31),
)
def test_every_file_that_is_not_missing_comes_once(
    rates: list[float], count: int, seed: int
) -> None:
    plan = plan_faults(count, FaultRates(*rates), seed)
    assert plan == plan_faults(count, FaultRates(*rates), seed)
    expected = {i for i, item in enumerate(plan) if item.fault is not Fault.MISSING}
    order = delivery_order(plan)
    assert len(order) == len(expected)
    assert set(order) == expected


@given(st.binary(min_size=200, max_size=2000), st.integers(0, 2**31))
def test_truncation_cuts_and_nothing_spoils_a_good_file(data: bytes, seed: int) -> None:
    cut = spoil(data, Planned(Fault.TRUNCATED, 0, seed))
    assert data.startswith(cut)
    assert 0 < len(cut) < len(data)
    assert spoil(data, Planned(Fault.LATE, 3, seed)) == data
    assert spoil(data, Planned(Fault.DAMAGED, 0, seed))[:64] == data[:64]


@pytest.mark.parametrize("text", ["late", "late=x", "lost=0.1", "late=0.7,missing=0.7", "late=-1"])
def test_wishes_for_faults_that_make_no_sense_are_refused(text: str) -> None:
    with pytest.raises(FaultTextError):
        parse_faults(text)


@pytest.mark.timeout(300)  # spins up
def test_the_command_delivers_a_feed_and_reports(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from met2net_ops.cli.naturerun import app

    common = ["--start", "2021-06-15", "--epoch", "2021-05-01", "--truncation", "10", "--quiet"]
    common += ["--state", str(tmp_path / "state.npz")]
    runner = CliRunner()
    command = ["feed", *common, "--hours", "3", "--out", str(tmp_path / "feed"), "--json"]
    result = runner.invoke(app, [*command, "--faults", "missing=1.0"])
    assert result.exit_code == 0, result.output
    assert {item["fault"] for item in json.loads(result.output)} == {"missing"}
    result = runner.invoke(app, command)
    assert [item["name"][10:20] for item in json.loads(result.output)] == [
        "2021061500", "2021061501", "2021061502",
    ]  # fmt: skip
    table = tmp_path / "stations.csv"
    result = runner.invoke(
        app, ["stations", *common, "--hours", "2", "--count", "20", "--out", str(table)]
    )
    assert result.exit_code == 0, result.output
    assert table.read_text().startswith("station,name,latitude,longitude,height_m,time,t2m_k,")
