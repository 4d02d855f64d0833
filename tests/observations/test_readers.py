"""Reports from files as they come: real bulletins, national templates, and damaged ones."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import eccodes
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from met2net_ops.observations.bufr import read_bufr, split_messages
from met2net_ops.observations.metar import observation_time, read_metar
from met2net_ops.observations.report import ObservationError, convert
from met2net_ops.observations.table import parse_columns, read_table
from met2net_ops.settings import ObservationSettings

COLUMNS = parse_columns(ObservationSettings().columns)


def every_record_counted(reading: object) -> bool:
    numbers = [r.record for r in reading.reports] + [x.record for x in reading.refusals]  # type: ignore[attr-defined]
    return sorted(numbers) == [*range(1, reading.records + 1)]  # type: ignore[attr-defined]


class TestBufr:
    def test_subsets_of_an_uncompressed_message(self, corpus: Path) -> None:
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

    def test_wigos_identifiers(self, corpus: Path) -> None:
        reading = read_bufr(corpus / "observations" / "synop_wigos.bufr")
        assert [r.station for r in reading.reports][:2] == ["0-705-0-1931", "0-705-0-1932"]
        assert reading.reports[0].values["t2m"] == pytest.approx(280.15)
        assert reading.reports[0].values["tcc"] == pytest.approx(1.0)
        assert reading.reports[0].time == datetime(2025, 1, 9, tzinfo=UTC)

    def test_an_invalid_identifier_is_refused_with_what_came(self, corpus: Path) -> None:
        reading = read_bufr(corpus / "observations" / "synop_invalid_wigos_id.bufr")
        assert not reading.reports
        assert "'_MI12904' is no number, WIGOS identifier" in reading.refusals[0].reason

    def test_damage_costs_only_what_is_damaged(self, corpus: Path, tmp_path: Path) -> None:
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
        self, corpus: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
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


class TestMetar:
    RECEIVED = datetime(2020, 3, 9, tzinfo=UTC)

    def test_a_real_collective(self, corpus: Path) -> None:
        reading = read_metar(corpus / "observations" / "metar_collective.txt", self.RECEIVED)
        assert reading.records == 14
        assert every_record_counted(reading)
        assert [x.reason.split(" ")[0] for x in reading.refusals] == [
            "the", "'QQQQ", "'1QQQ",
        ]  # fmt: skip
        first = reading.reports[0]
        assert (first.station, first.time) == ("KSPS", datetime(2020, 3, 8, 13, 52, tzinfo=UTC))
        assert first.values["t2m"] == pytest.approx(298.15)
        assert first.values["msl"] == pytest.approx(100360.0)
        assert first.values["wind_speed"] == pytest.approx(15 * 1852 / 3600, rel=1e-4)
        assert first.latitude == pytest.approx(33.9786, abs=1e-4)
        cold = next(r for r in reading.reports if r.station == "KALO")
        assert cold.values["t2m"] == pytest.approx(273.15 - 4.4, abs=0.45)

    def test_a_bulletin_with_repeated_headings(self, corpus: Path) -> None:
        reading = read_metar(corpus / "observations" / "metar_kawn.txt", self.RECEIVED)
        assert [r.station for r in reading.reports] == ["LFBA", "LFBD", "LFLL"]
        assert not reading.refusals

    def test_null_bytes_and_bad_characters_spoil_only_their_own(self, tmp_path: Path) -> None:
        path = tmp_path / "metar.txt"
        path.write_bytes(
            b"\0\0METAR LFBD 020100Z 26006KT 15/14 Q1013=\nMETAR LFLL 0201\xc3\xa900Z 16/12=\n"
            b"METAR LFBA 020100Z 17/1\xe94 Q1013=\nMETAR LFBD 320100Z 15/14="
        )
        reading = read_metar(path, self.RECEIVED)
        assert [r.record for r in reading.reports] == [1]
        assert [x.record for x in reading.refusals] == [2, 3, 4]
        assert "320100Z is no day and time" in reading.refusals[2].reason

    def test_a_list_without_equals_signs(self, tmp_path: Path) -> None:
        path = tmp_path / "metar.txt"
        path.write_text(
            "LFBD 020100Z 26006KT\n  15/14 Q1013\nMETAR LFLL 020100Z 17/12 Q1013\n"
            "SPECI LFBA 020110Z 17/14\n", encoding="utf-8",
        )  # fmt: skip
        reading = read_metar(path, self.RECEIVED)
        assert [(r.station, r.values["t2m"]) for r in reading.reports] == [
            ("LFBD", 288.15), ("LFLL", 290.15), ("LFBA", 290.15),
        ]  # fmt: skip
        assert not reading.refusals

    def test_the_month_is_the_latest_that_fits(self) -> None:
        new_year = datetime(2026, 1, 1, 0, 5, tzinfo=UTC)
        assert observation_time("312350", new_year) == datetime(2025, 12, 31, 23, 50, tzinfo=UTC)
        assert observation_time("010000", new_year) == datetime(2026, 1, 1, tzinfo=UTC)


class TestCsv:
    HEADER = "station,latitude,longitude,height_m,time,t2m_k,wind_speed_ms,wind_from_degrees\n"

    def test_lines_are_taken_or_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "x.csv"
        path.write_bytes(
            self.HEADER.encode()
            + b"A1,50,10,100,2026-01-05T06:00Z,270.5,3.0,180\n"
            + b"A2,50,10,,2026-01-05T06,,,\n"
            + b"A3,50,10,100,yesterday,270.5,3.0,180\n"
            + b"A4,95,10,100,2026-01-05T06,270.5,3.0,180\n"
            + b"A5,50,10,100,2026-01-05T06,warm,3.0,180\n"
            + b"A6,50,10\n"
            + b"A\x007,50,10,100,2026-01-05T06,270.5,3.0,180\n"
            + b"A8,50,10,100,2026-01-05T06,270.5\xff,3.0,180\n"
            + b"A9,-50.5,350,1,2026-01-05T07:30Z,NA,0,\n"
        )
        reading = read_table(path, COLUMNS)
        assert every_record_counted(reading)
        assert [r.station for r in reading.reports] == ["A1", "A9"]
        assert dict(reading.reports[1].values) == {"wind_speed": 0.0}
        assert reading.reports[1].longitude == -10.0
        reasons = [x.reason for x in reading.refusals]
        for reason, part in zip(
            reasons,
            ("none of the quantities", "yesterday", "no place", "'warm'", "3 cells", "not text",
             "not text"),
            strict=True,
        ):  # fmt: skip
            assert part in reason

    def test_a_quote_that_is_not_closed_costs_its_own_line(self, tmp_path: Path) -> None:
        path = tmp_path / "x.csv"
        whole = "A{},50,10,100,2026-01-05T06:00Z,270.5,3.0,180\n"
        broken = 'A1,50,10,100,"2026-01-05T06:00Z,270.5,3.0,180\n'
        lines = [whole.format(i) for i in range(2, 4000)]
        path.write_text(self.HEADER + broken + "".join(lines), encoding="utf-8")
        reading = read_table(path, COLUMNS)
        assert [x.record for x in reading.refusals] == [1]
        assert len(reading.reports) == len(lines)
        assert every_record_counted(reading)

    def test_a_cell_longer_than_any_cell_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "x.csv"
        path.write_text(self.HEADER + "A" * 200_000 + ",50,10\n", encoding="utf-8")
        (refusal,) = read_table(path, COLUMNS).refusals
        assert "cannot be split into cells" in refusal.reason

    def test_other_columns_and_units(self, tmp_path: Path) -> None:
        path = tmp_path / "x.csv"
        path.write_text("number,place\n", encoding="utf-8")
        columns = parse_columns(
            ["station = id", "latitude = lat", "longitude = lon", "time = when",
             "t2m = temp c degC", "msl = qff hPa", "wind_speed = ff kt"]
        )  # fmt: skip
        with pytest.raises(ObservationError, match="has no column id, lat, lon, when"):
            read_table(path, columns)
        path.write_text(
            "id,lat,lon,when,temp c,qff,ff\nB,1,2,2026-01-05T06,10,1013.2,10\n", encoding="utf-8"
        )
        (report,) = read_table(path, columns).reports
        assert report.values["t2m"] == pytest.approx(283.15)
        assert report.values["msl"] == pytest.approx(101320)
        assert report.values["wind_speed"] == pytest.approx(5.1444, abs=1e-3)

    @pytest.mark.parametrize("separator", [";", "\t"])
    def test_other_separators(self, tmp_path: Path, separator: str) -> None:
        path = tmp_path / "x.csv"
        lines = [self.HEADER.strip(), "A1,50,10,100,2026-01-05T06:00Z,270.5,3.0,180"]
        path.write_text("\n".join(lines).replace(",", separator), encoding="utf-8")
        (report,) = read_table(path, COLUMNS).reports
        assert report.values["t2m"] == 270.5

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("t2m temp", "write it like"),
            ("t2m = temp hPa", "cannot be in 'hPa'"),
            ("t2m = temp", "needs a unit"),
            ("t3m = temp K", "no quantity 't3m'"),
        ],
    )
    def test_a_wrong_map_is_refused(self, text: str, message: str) -> None:
        with pytest.raises(ObservationError, match=message):
            parse_columns([text])

    def test_a_map_needs_place_and_time(self) -> None:
        with pytest.raises(ObservationError, match="lacks longitude, time"):
            parse_columns(["station = a", "latitude = b", "t2m = c K"])


def test_units() -> None:
    assert convert(50.0, "degF", "t2m") == pytest.approx(283.15)
    assert convert(29.92, "inHg", "msl") == pytest.approx(101325, abs=10)
    assert convert(4.0, "okta", "tcc") == 0.5


@pytest.mark.parametrize("data", [b"", b"garbage\n", bytes(500)])
def test_a_file_without_any_bufr_message_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "synop.bufr"
    path.write_bytes(data)
    with pytest.raises(ObservationError, match=f"synop.bufr has {len(data)} bytes and no BUFR"):
        read_bufr(path)
