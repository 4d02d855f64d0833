"""SYNOP in BUFR: national templates, damaged messages, forecasts, and the poles; beside ecCodes."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import eccodes
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from readings import every_record_counted

from met2net_ops.observations.bufr import read_bufr, split_messages
from met2net_ops.observations.report import ObservationError


def test_subsets_of_an_uncompressed_message(corpus: Path) -> None:
    """Every subset's temperature is its own, as ecCodes gives it."""
    path = corpus / "observations" / "synop_multi_subset_uncompressed.bufr"
    reading = read_bufr(path)
    with path.open("rb") as file:
        handle = eccodes.codes_bufr_new_from_file(file)
    eccodes.codes_set(handle, "unpack", 1)
    expected = [
        eccodes.codes_get(handle, f"/subsetNumber={i}/airTemperature") for i in range(1, 13)
    ]
    eccodes.codes_release(handle)
    assert [r.values["t2m"] for r in reading.reports] == pytest.approx(expected)
    assert reading.reports[0].station == "01027"
    assert len({r.station for r in reading.reports}) == 12


def test_wigos_identifiers(corpus: Path) -> None:
    reading = read_bufr(corpus / "observations" / "synop_wigos.bufr")
    assert [r.station for r in reading.reports][:2] == ["0-705-0-1931", "0-705-0-1932"]
    assert reading.reports[0].values["t2m"] == pytest.approx(280.15)
    assert reading.reports[0].values["tcc"] == pytest.approx(1.0)
    assert reading.reports[0].time == datetime(2025, 1, 9, tzinfo=UTC)


def test_an_identifier_of_no_known_form_is_kept_as_it_came(corpus: Path) -> None:
    (report,) = read_bufr(corpus / "observations" / "synop_invalid_wigos_id.bufr").reports
    assert (report.station, dict(report.values)) == ("_MI12904", {"tp": 0.0})


def test_damage_costs_only_what_is_damaged(corpus: Path, tmp_path: Path) -> None:
    data = (corpus / "observations" / "synop_wigos.bufr").read_bytes()
    whole = [m for m in split_messages(data) if isinstance(m, bytes)]
    assert len(whole) == 3
    broken = bytearray(whole[1])
    broken[-4:] = b"\0\0\0\0"
    path = tmp_path / "x.bufr"
    path.write_bytes(b"noise" + whole[0] + bytes(broken) + b"\0" * 7 + whole[2] + whole[0][:50])
    reading = read_bufr(path)
    assert [r.station for r in reading.reports] == ["0-705-0-1931", "0-705-0-1933"]
    assert ["does not end in 7777" in x.reason or "cut off" in x.reason
            for x in reading.refusals] == [True, True]  # fmt: skip
    assert every_record_counted(reading)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_flipped_bytes_cost_no_record_its_count(
    corpus: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    content = bytearray((corpus / "observations" / "synop_wigos.bufr").read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("flip") / "x.bufr"
    left = bytes(content[: data.draw(st.integers(1, len(content)))])
    path.write_bytes(left)
    if b"BUFR" in left:
        assert every_record_counted(read_bufr(path))
    else:
        with pytest.raises(ObservationError, match="no BUFR message"):
            read_bufr(path)


def write_synop(path: Path, latitude: float, longitude: float, significance: int = 2) -> Path:
    """A SYNOP of 222.2 K at station 89009, by ecCodes."""
    handle = eccodes.codes_bufr_new_from_samples("BUFR4")
    for key, value in (
        ("dataCategory", 0), ("masterTablesVersionNumber", 24), ("numberOfSubsets", 1),
    ):  # fmt: skip
        eccodes.codes_set(handle, key, value)
    # Time significance, place and time in high accuracy, temperatures, the rest of a SYNOP.
    eccodes.codes_set_array(handle, "unexpandedDescriptors", [8021, 301090, 302031, 302035])
    for key, value in (
        ("timeSignificance", significance), ("blockNumber", 89), ("stationNumber", 9),
        ("year", 2024), ("month", 2), ("day", 29), ("hour", 0), ("minute", 0),
        ("latitude", latitude), ("longitude", longitude),
        ("heightOfStationGroundAboveMeanSeaLevel", 2835.0), ("airTemperature", 222.2),
    ):  # fmt: skip
        eccodes.codes_set(handle, key, value)
    eccodes.codes_set(handle, "pack", 1)
    path.write_bytes(eccodes.codes_get_message(handle))
    eccodes.codes_release(handle)
    return path


@pytest.mark.parametrize(
    ("latitude", "longitude", "expected"),
    [(-90.0, 0.0, (-90.0, 0.0)), (90.0, 180.0, (90.0, -180.0)), (-90.0, -180.0, (-90.0, -180.0))],
)
def test_the_poles_and_the_date_line_are_places(
    tmp_path: Path, latitude: float, longitude: float, expected: tuple[float, float]
) -> None:
    """BUFR counts hundred-thousandths from -90: decoded, the pole may be at -90.00000000000001."""
    (report,) = read_bufr(write_synop(tmp_path / "pole.bufr", latitude, longitude)).reports
    assert (report.latitude, report.longitude) == expected
    assert report.values["t2m"] == pytest.approx(222.2)


def test_the_reports_of_the_south_pole(corpus: Path) -> None:
    reading = read_bufr(corpus / "cases" / "south_pole" / "south_pole.bufr")
    (report,) = reading.reports
    assert (report.station, report.latitude, report.longitude) == ("89009", -90.0, 0.0)
    assert report.values["t2m"] == pytest.approx(222.2)
    assert {"wind_speed", "wind_from", "sp"} <= set(report.values)
    (refusal,) = reading.refusals
    assert "none of the quantities" in refusal.reason


def test_a_forecast_coded_like_a_synop_is_refused(tmp_path: Path) -> None:
    path = write_synop(tmp_path / "forecast.bufr", -90.0, 0.0, significance=4)
    reading = read_bufr(path)
    assert not reading.reports
    assert "or a forecast" in reading.refusals[0].reason


@pytest.mark.parametrize("data", [b"", b"garbage\n", bytes(500)])
def test_a_file_without_any_bufr_message_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "synop.bufr"
    path.write_bytes(data)
    with pytest.raises(ObservationError, match=f"synop.bufr has {len(data)} bytes and no BUFR"):
        read_bufr(path)
