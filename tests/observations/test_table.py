"""CSV as programs export it: every value is right, or missing with a reason; nothing is guessed."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from readings import every_record_counted

from met2net_ops.observations.report import ObservationError, Reading, convert
from met2net_ops.observations.table import parse_columns, read_table
from met2net_ops.settings import ObservationSettings

COLUMNS = parse_columns(ObservationSettings().columns)
HEADER = "station,latitude,longitude,height_m,time,t2m_k,wind_speed_ms,wind_from_degrees\n"
# The files of the tests below have these columns.
MAP = (
    "station = station", "latitude = lat", "longitude = lon", "height = elev", "time = time",
    "t2m = t degC", "wind_speed = ws m/s", "wind_from = wd degree", "msl = p hPa", "tp = rr mm",
)  # fmt: skip
NAMES = "station,lat,lon,elev,time,t,ws,wd,p,rr"
BERLIN = "10384,52.47,13.40,48,2024-01-01 00:00,5.5,3.0,250,1013.2,0.0"
VALUES = {"t2m": 278.65, "wind_speed": 3.0, "wind_from": 250.0, "msl": 101320.0, "tp": 0.0}


def read(folder: Path, content: str | bytes, *more: str) -> Reading:
    path = folder / "reports.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    reading = read_table(path, parse_columns([*MAP, *more]))
    assert every_record_counted(reading)
    return reading


def lines(*rows: str) -> str:
    return "\n".join((NAMES, *rows)) + "\n"


# What exports of one and the same report look like.
SAME: dict[str, str | bytes] = {
    "plain": lines(BERLIN),
    "byte order mark": b"\xef\xbb\xbf" + lines(BERLIN).encode(),
    "upper case header": lines(BERLIN).replace(NAMES, NAMES.upper()),
    "quoted, CRLF": "\r\n".join(
        ",".join(f'"{cell}"' for cell in line.split(",")) for line in (NAMES, BERLIN)
    ),
    "CR only": lines(BERLIN).replace("\n", "\r"),
    "semicolons, decimal commas": lines(BERLIN).replace(",", ";").replace(".", ","),
    "quoted decimal commas": lines(
        '10384,"52,47","13,40",48,2024-01-01 00:00,"5,5","3,0",250,"1013,2","0,0"'
    ),
    "tabs, decimal commas": lines(BERLIN).replace(",", "\t").replace(".", ","),
    "decimal commas, grouped thousands": lines(BERLIN.replace("1013.2", "1.013.2"))
    .replace(",", ";")
    .replace("1.013.2", "1.013,2")
    .replace("52.47", "52,47")
    .replace("13.40", "13,40")
    .replace("5.5", "5,5")
    .replace("3.0", "3,0")
    .replace("0.0", "0,0"),
    "grouped thousands": lines(BERLIN.replace("1013.2", '"1,013.2"')),
    "thousands grouped by a space": lines(BERLIN.replace("1013.2", "1\u202f013.2")),
    "separator at the end": lines(BERLIN).replace("\n", ",\n"),
    "separator at the end of lines": lines(f"{BERLIN},"),
    "empty lines of cells": lines(BERLIN, ",,,,,,,,,", "", ",,,,,,,,,"),
    "UTF-16 with a mark": lines(BERLIN).replace(",", "\t").encode("utf-16"),
    "UTF-16 without a mark": lines(BERLIN).replace(",", ";").encode("utf-16-be"),
    "UTF-32": lines(BERLIN).encode("utf-32"),
    "comments": f"#DEBUG: Format Typ    -> comma\n# made today\n{NAMES}\n#\n{BERLIN}\n",
    "a title above the header": f"Weather of January\n\n{NAMES}\n{BERLIN}\n",
    "a header that is a comment": f"# {NAMES}\n{BERLIN}\n",
    "a separator named for Excel": f"sep=;\n{lines(BERLIN).replace(',', ';')}",
    "a line of units": lines("-,deg,deg,m,UTC,degC,m/s,deg,hPa,mm", BERLIN),
    "a number made a decimal": lines(BERLIN.replace("10384", "10384.0")),
    "equal columns of one name": lines(BERLIN)
    .replace(",t,", ",t,t,")
    .replace(",5.5,", ",5.5,5.5,"),
    "an exponent": lines(BERLIN.replace("5.5", "5.5e0")),
    "a trace": lines(re.sub("0.0$", "T", BERLIN)),
    "an offset": lines(BERLIN.replace("2024-01-01 00:00", "2024-01-01T01:00:00.000+01:00")),
    "hour 24": lines(BERLIN.replace("2024-01-01 00:00", "2023-12-31 24:00")),
    "basic format": lines(BERLIN.replace("2024-01-01 00:00", "20240101 0000")),
    "day first, with dots": lines(BERLIN.replace("2024-01-01 00:00", "01.01.2024 00:00")),
}


@pytest.mark.parametrize("content", SAME.values(), ids=SAME.keys())
def test_one_report_as_programs_export_it(tmp_path: Path, content: str | bytes) -> None:
    reading = read(tmp_path, content)
    (report,) = reading.reports
    assert (report.station, report.latitude, report.longitude) == ("10384", 52.47, 13.40)
    assert (report.height, report.time) == (48.0, datetime(2024, 1, 1, tzinfo=UTC))
    assert dict(report.values) == pytest.approx(VALUES)
    assert not reading.refusals
    assert not reading.lost


def test_an_assumed_encoding_is_noted(tmp_path: Path) -> None:
    latin = read(tmp_path, lines(BERLIN.replace("10384", "Köln")).encode("latin-1"))
    assert latin.reports[0].station == "Köln"
    assert latin.notes == ("1 line is not UTF-8 and was read as Latin-1 (Windows-1252)",)
    utf8 = read(tmp_path, lines(BERLIN.replace("10384", "Köln")))
    assert (utf8.reports[0].station, utf8.notes) == ("Köln", ())
    assert read(tmp_path, lines(BERLIN).encode("utf-16")).notes == ("read as UTF-16-LE",)


@pytest.mark.parametrize("minus", ["-", "\u2212", "\u2013"])
def test_a_minus_of_any_form(tmp_path: Path, minus: str) -> None:
    (report,) = read(tmp_path, lines(BERLIN.replace("5.5", f"{minus}5.5"))).reports
    assert report.values["t2m"] == pytest.approx(267.65)


@pytest.mark.parametrize(
    ("old", "new", "lost"),
    [
        ("5.5", "warm", "t2m is 'warm'"),
        ("5.5", "5,5", None),  # one cell more
        ("5.5", '"5,5"', "t2m is '5,5'"),  # the others have points
        ("5.5", "5.5 C", "t2m is '5.5 C'"),
        ("5.5", "1_000", "t2m is '1_000'"),
        ("5.5", "inf", "t2m is 'inf'"),
        ("250", "N", "wind_from is 'N'"),
        ("0.0", "x1", "tp is 'x1'"),
        ("5.5", "T", "t2m is 'T'"),  # a trace is one of precipitation only
        (",48,", ",high,", "height is 'high'"),
    ],
)
def test_a_strange_cell_costs_its_own_value(
    tmp_path: Path, old: str, new: str, lost: str | None
) -> None:
    reading = read(tmp_path, lines(BERLIN, BERLIN.replace(old, new)))
    if lost is None:
        assert "11 cells, the header 10" in reading.refusals[0].reason
        return
    whole, damaged = reading.reports
    (value,) = reading.lost
    assert lost in value.reason
    assert (value.record, value.station) == (2, "10384")
    what = lost.split()[0]
    assert dict(damaged.values) == {k: v for k, v in whole.values.items() if k != what}


@pytest.mark.parametrize(
    "text", ["", "M", "///", "NaN", "-9999", "9999.0", "-99.9", "999.9", "-999", "1e36", "n/a"]
)
def test_what_stands_for_a_missing_number(tmp_path: Path, text: str) -> None:
    reading = read(tmp_path, lines(BERLIN.replace("5.5", text).replace(",48,", ",-9999,")))
    (report,) = reading.reports
    assert set(report.values) == set(VALUES) - {"t2m"}
    assert report.height != report.height
    assert not reading.lost


def test_numbers_of_nines_that_are_possible_are_kept(tmp_path: Path) -> None:
    (report,) = read(tmp_path, lines("A,52,13,999,2024-01-01,9.9,9.99,99,999.9,99.9")).reports
    assert report.height == 999
    assert dict(report.values) == pytest.approx(
        {"t2m": 283.05, "wind_speed": 9.99, "wind_from": 99.0, "msl": 99990.0, "tp": 99.9}
    )


def test_a_wind_from_varying_directions_has_none(tmp_path: Path) -> None:
    (report,) = read(tmp_path, lines(BERLIN.replace("250", "990"))).reports
    assert set(report.values) == set(VALUES) - {"wind_from"}


def test_a_number_that_may_be_two_is_lost(tmp_path: Path) -> None:
    """No other number of the file says whether commas separate thousands or the fraction."""
    reading = read(tmp_path, lines('10384,52,13,48,2024-01-01,5,3,250,"1,013",0'))
    assert "msl is '1,013'" in reading.lost[0].reason
    assert "msl" not in reading.reports[0].values


def test_columns_of_one_name_that_differ_are_lost(tmp_path: Path) -> None:
    content = lines(BERLIN).replace(",t,", ",t,t,").replace(",5.5,", ",5.5,41.9,")
    reading = read(tmp_path, content)
    assert "t2m is '5.5' and '41.9' in columns of one name, 't'" in reading.lost[0].reason
    assert set(reading.reports[0].values) == set(VALUES) - {"t2m"}
    renamed = read(tmp_path, content.replace(",t,t,", ",t,t_f,"))  # as the message says
    assert dict(renamed.reports[0].values) == pytest.approx(VALUES)


def test_units_that_contradict_the_map_are_refused(tmp_path: Path) -> None:
    content = lines("-,deg,deg,m,UTC,K,m/s,deg,hPa,mm", BERLIN.replace("5.5", "278.65"))
    with pytest.raises(ObservationError, match="has t in K, the column map in degC") as caught:
        read(tmp_path, content)
    (option,) = re.findall(r'--column "(.*?)"', str(caught.value))
    assert dict(read(tmp_path, content, option).reports[0].values) == pytest.approx(VALUES)


@pytest.mark.parametrize("place", ["13.40,52.47", "13.40,152.47"])
def test_exchanged_latitude_and_longitude(tmp_path: Path, place: str) -> None:
    """Of a WMO number the block is known, and no latitude is above 90 degrees."""
    content = lines(
        BERLIN.replace("52.47,13.40", "13.40,52.47"),
        "Tokyo,139.7,35.7,40,2024-01-01,5.5,3.0,250,1013.2,0.0",
    )
    reading = read(tmp_path, content)
    assert not reading.reports
    for refusal in reading.refusals:
        assert "latitude and longitude seem to be exchanged" in refusal.reason
    options = re.findall(r'--column "(.*?)"', reading.refusals[0].reason)
    berlin, tokyo = read(tmp_path, content, *options).reports
    assert (berlin.latitude, berlin.longitude) == (52.47, 13.40)
    assert (tokyo.latitude, tokyo.longitude) == (35.7, 139.7)


def test_places_that_only_seem_exchanged_are_taken(tmp_path: Path) -> None:
    """A buoy whose number begins like that of a land station, and a network of a desk's own."""
    reading = read(
        tmp_path,
        lines("61001,43.4,7.8,0,2024-01-01,5,3,250,1013,0", "A1,13.4,52.47,0,2024-01-01,5,3,,,"),
    )
    assert [(r.latitude, r.longitude) for r in reading.reports] == [(43.4, 7.8), (13.4, 52.47)]


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("-90.00000000000001,0", (-90.0, 0.0)),
        ("90.00001,360", (90.0, 0.0)),
        ("0,180.00000000001", (0.0, -180.0)),
        ("0,-180.00000000001", (0.0, -180.0)),
        ("0,360.00000000001", (0.0, 0.0)),
    ],
)
def test_rounding_moves_no_place_off_the_earth(
    tmp_path: Path, written: str, kept: tuple[float, float]
) -> None:
    (report,) = read(tmp_path, lines(f"A,{written},0,2024-01-01,5,3,250,1013,0")).reports
    assert (report.latitude, report.longitude) == kept
    for place in ("90.01,0", "0,360.01"):
        (refusal,) = read(tmp_path, lines(f"A,{place},0,2024-01-01,5,3,250,1013,0")).refusals
        assert "no place on Earth" in refusal.reason


def test_identifiers_are_kept_as_they_come(tmp_path: Path) -> None:
    names = ["Köln/Bonn", "_MI12904", "x" * 80, "北京", "3772", "3772.0", "0-20000-0-10384", "A-1"]
    reading = read(tmp_path, lines(*(BERLIN.replace("10384", name) for name in names)))
    assert [r.station for r in reading.reports] == [*names[:4], "03772", "03772", *names[6:]]


def test_seconds_since_1970_are_refused_with_what_to_write(tmp_path: Path) -> None:
    (refusal,) = read(tmp_path, lines(BERLIN.replace("2024-01-01 00:00", "1704067200"))).refusals
    assert "write it like 2026-11-22T06" in refusal.reason


# Any table of reports: numbers as they are written, the value in the unit that is kept.
CELLS = st.fixed_dictionaries(
    {
        "t": st.integers(-400, 400).map(lambda n: (f"{n / 10:.1f}", n / 10 + 273.15)),
        "ws": st.integers(0, 600).map(lambda n: (f"{n / 10:.1f}", n / 10)),
        "wd": st.integers(0, 360).map(lambda n: (f"{n}", float(n))),
        "p": st.integers(9000, 10500).map(lambda n: (f"{n / 10:.1f}", n * 10.0)),
        "rr": st.integers(0, 300).map(lambda n: (f"{n / 10:.1f}", n / 10)),
    }
)
QUANTITY = {"t": "t2m", "ws": "wind_speed", "wd": "wind_from", "p": "msl", "rr": "tp"}


@settings(max_examples=100, deadline=None)
@given(
    rows=st.lists(CELLS, min_size=1, max_size=6),
    order=st.permutations(list(QUANTITY)),
    comma=st.booleans(),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "latin-1"]),
    data=st.data(),
)
def test_a_damaged_cell_leaves_all_others_as_they_were(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[dict[str, tuple[str, float]]],
    order: list[str],
    comma: bool,
    encoding: str,
    data: st.DataObject,
) -> None:
    row = data.draw(st.integers(0, len(rows) - 1))
    name = data.draw(st.sampled_from(order))
    damage = data.draw(
        st.text(st.characters(codec="latin-1", exclude_characters="\r\n\0"), max_size=8)
    )
    text = io.StringIO()
    writer = csv.writer(text, delimiter=";" if comma else ",")
    writer.writerow(["station", "lat", "lon", "time", *order])
    for at, cells in enumerate(rows):
        written = [damage if (at, n) == (row, name) else cells[n][0] for n in order]
        marked = [cell.replace(".", ",") if comma else cell for cell in ("52.5", "13.4", *written)]
        writer.writerow([f"S{at}", *marked[:2], f"2024-01-01T{at:02}", *marked[2:]])
    reading = read(tmp_path_factory.mktemp("csv"), text.getvalue().encode(encoding))
    reports = {report.station: report for report in reading.reports}
    for at, cells in enumerate(rows):
        if at != row:
            expected = {QUANTITY[n]: value for n, (_, value) in cells.items()}
            assert dict(reports[f"S{at}"].values) == pytest.approx(expected)
            continue
        if f"S{at}" not in reports:  # a quote at the start of a cell takes in the following ones
            assert '"' in damage
            continue
        others = {QUANTITY[n]: value for n, (_, value) in cells.items() if n != name}
        got = {k: v for k, v in reports[f"S{at}"].values.items() if k != QUANTITY[name]}
        assert got == pytest.approx(others)
        assert reports[f"S{at}"].time == datetime(2024, 1, 1, at, tzinfo=UTC)


@settings(max_examples=100, deadline=None)
@given(content=st.binary(max_size=400))
def test_any_bytes_give_reports_refusals_or_the_error_for_the_file(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    folder = tmp_path_factory.mktemp("bytes")
    for head in (b"", lines().encode()):
        try:
            read(folder, head + content)
        except ObservationError as error:
            assert "has no column" in str(error) or "column map" in str(error)  # noqa: PT017


CASES = [
    "bom",
    "case_header",
    "crlf_quoted",
    "dup_header",
    "e_notation_wd0",
    "hour24",
    "iem_debug",
    "latin1",
    "mac_cr",
    "pandas_float_id",
    "quoted_decimal_comma",
    "semicolon_decimal_comma",
    "sentinels",
    "swapped_latlon",
    "thousands",
    "trace_T",
    "trailing_sep",
    "trailing_sep_rows_only",
    "tz_offset",
    "umlaut_utf8",
    "unicode_minus",
    "unit_row",
    "utf16_excel",
]


@pytest.mark.parametrize("name", CASES)
def test_the_case_files_are_right_or_refused(corpus: Path, name: str) -> None:
    """Of every file, the readings of its reports that are right, or no report."""
    reading = read_table(corpus / "cases" / "csv" / f"{name}.csv", parse_columns(MAP))
    assert every_record_counted(reading)
    taken = {"swapped_latlon": 0, "sentinels": 3, "e_notation_wd0": 2, "pandas_float_id": 2,
             "trace_T": 2, "tz_offset": 4}.get(name, 1)  # fmt: skip
    assert len(reading.reports) == taken
    for report in reading.reports:
        celsius = report.values.get("t2m", 278.65) - 273.15
        assert round(celsius, 6) in ({-5.5} if name == "unicode_minus" else {5.5, 5.0})
        assert report.values.get("wind_speed", 3.0) in (3.0, 2.0, 0.0)
        assert report.values.get("wind_from", 250.0) in (250.0, 200.0, 0.0)
        assert report.values.get("msl", 101320.0) in (101320.0, 101300.0)
        assert report.values.get("tp", 0.0) == 0.0
        assert (report.latitude, report.longitude) in ((52.47, 13.4), (40.6, -73.8), (51.48, -0.45))
        day = datetime(2024, 1, 2 if name == "hour24" else 1, tzinfo=UTC)
        assert 0 <= (report.time - day).total_seconds() <= 2 * 3600


def test_lines_are_taken_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(
        HEADER.encode()
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
    assert [r.station for r in reading.reports] == ["A1", "A5", "A8", "A9"]
    assert dict(reading.reports[1].values) == {"wind_speed": 3.0, "wind_from": 180.0}
    assert dict(reading.reports[3].values) == {"wind_speed": 0.0}
    assert reading.reports[3].longitude == -10.0
    assert [(x.record, x.station) for x in reading.lost] == [(5, "A5"), (8, "A8")]
    assert "'warm'" in reading.lost[0].reason
    reasons = [x.reason for x in reading.refusals]
    for reason, part in zip(
        reasons,
        ("none of the quantities", "yesterday", "no place", "3 cells", "not text"),
        strict=True,
    ):  # fmt: skip
        assert part in reason


def test_a_quote_that_is_not_closed_costs_its_own_line(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    whole = "A{},50,10,100,2026-01-05T06:00Z,270.5,3.0,180\n"
    broken = 'A1,50,10,100,"2026-01-05T06:00Z,270.5,3.0,180\n'
    lines = [whole.format(i) for i in range(2, 4000)]
    path.write_text(HEADER + broken + "".join(lines), encoding="utf-8")
    reading = read_table(path, COLUMNS)
    assert [x.record for x in reading.refusals] == [1]
    assert len(reading.reports) == len(lines)
    assert every_record_counted(reading)


def test_a_cell_longer_than_any_cell_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text(HEADER + "A" * 200_000 + ",50,10\n", encoding="utf-8")
    (refusal,) = read_table(path, COLUMNS).refusals
    assert "cannot be split into cells" in refusal.reason


def test_other_columns_and_units(tmp_path: Path) -> None:
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
def test_other_separators(tmp_path: Path, separator: str) -> None:
    path = tmp_path / "x.csv"
    lines = [HEADER.strip(), "A1,50,10,100,2026-01-05T06:00Z,270.5,3.0,180"]
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
def test_a_wrong_map_is_refused(text: str, message: str) -> None:
    with pytest.raises(ObservationError, match=message):
        parse_columns([text])


def test_a_map_needs_place_and_time() -> None:
    with pytest.raises(ObservationError, match="lacks longitude, time"):
        parse_columns(["station = a", "latitude = b", "t2m = c K"])


def test_units() -> None:
    assert convert(50.0, "degF", "t2m") == pytest.approx(283.15)
    assert convert(29.92, "inHg", "msl") == pytest.approx(101325, abs=10)
    assert convert(4.0, "okta", "tcc") == 0.5
    assert convert(0.01, "in", "tp") == pytest.approx(0.254)
