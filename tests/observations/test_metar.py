"""METAR: real bulletins, damaged groups beside python-metar, forecasts, corrections, and dates."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metar import Metar
from readings import every_record_counted

from met2net_ops.observations.metar import read_metar
from met2net_ops.observations.report import Reading
from met2net_ops.times import parse_time

RECEIVED = datetime(2020, 3, 9, tzinfo=UTC)
KNOT = 1852 / 3600


def read(
    folder: Path, text: str | bytes, received: datetime | None = RECEIVED, name: str = "metar.txt"
) -> Reading:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    reading = read_metar(path, received)
    assert every_record_counted(reading)
    return reading


def only(folder: Path, text: str) -> dict[str, float]:
    (report,) = read(folder, text).reports
    return dict(report.values)


class TestBulletins:
    def test_a_real_collective(self, corpus: Path) -> None:
        reading = read_metar(corpus / "observations" / "metar_collective.txt", RECEIVED)
        assert reading.records == 14
        assert every_record_counted(reading)
        assert [x.reason.split(" ")[0] for x in reading.refusals] == ["the", "'QQQQ", "'1QQQ"]
        first = reading.reports[0]
        assert (first.station, first.time) == ("KSPS", datetime(2020, 3, 8, 13, 52, tzinfo=UTC))
        assert first.values["t2m"] == pytest.approx(298.15)
        assert first.values["msl"] == pytest.approx(100360.0)
        assert first.values["wind_speed"] == pytest.approx(15 * KNOT)
        assert first.latitude == pytest.approx(33.989, abs=1e-3)
        cold = next(r for r in reading.reports if r.station == "KALO")
        assert cold.values["t2m"] == pytest.approx(273.15 - 4.4)

    def test_a_bulletin_with_repeated_headings(self, corpus: Path) -> None:
        reading = read_metar(corpus / "observations" / "metar_kawn.txt", RECEIVED)
        assert [r.station for r in reading.reports] == ["LFBA", "LFBD", "LFLL"]
        assert not reading.refusals

    def test_null_bytes_and_bad_characters_cost_only_their_own(self, tmp_path: Path) -> None:
        reading = read(
            tmp_path,
            b"\0\0METAR LFBD 020100Z 26006KT 15/14 Q1013=\nMETAR LFLL 0201\xc3\xa900Z 16/12=\n"
            b"METAR LFBA 020100Z 17/1\xe94 Q1013=\nMETAR LFBD 320100Z 15/14=\n"
            b"METAR LFBA 020100Z 22003KT 17/1\xe94 Q1013=",
        )
        assert [r.record for r in reading.reports] == [1, 5]
        assert [x.record for x in reading.refusals] == [2, 3, 4]
        assert "320100Z is no day and time" in reading.refusals[2].reason
        assert set(reading.reports[1].values) == {"wind_speed", "wind_from"}

    def test_a_list_without_equals_signs(self, tmp_path: Path) -> None:
        reading = read(
            tmp_path,
            "LFBD 020100Z 26006KT\n  15/14 Q1013\nMETAR LFLL 020100Z 17/12 Q1013\n"
            "SPECI LFBA 020110Z 17/14\n",
        )
        assert [(r.station, r.values["t2m"]) for r in reading.reports] == [
            ("LFBD", 288.15), ("LFLL", 290.15), ("LFBA", 290.15),
        ]  # fmt: skip
        assert not reading.refusals

    @pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
    def test_other_encodings(self, tmp_path: Path, encoding: str) -> None:
        reading = read(tmp_path, "METAR LFBD 020100Z 26006KT 15/14=\n".encode(encoding))
        assert len(reading.reports) == 1


TAFS = {
    "a heading and the word on a line": (
        "313 \nFTUS43 KDMX 311721\nTAFDSM\nTAF\nKDSM 311721Z 3118/0118 16014KT P6SM OVC007\n"
        "     FM010200 14005KT P6SM BKN015\n     FM010600 13005KT 1SM BR BKN008=\n"
    ),
    "an amendment": (
        "094\nFTUS41 KOKX 200931 AAS\nTAFHPN\nTAF AMD\nKHPN 200931Z 2010/2106 16005KT 6SM BR\n"
        "     FM201030 13005KT 2SM BR\n       TEMPO 2011/2012 1/2SM FG VV002\n     AMD NOT SKED=\n"
    ),
    "the word before each": "TAF LFBD 020500Z 0206/0306 26006KT 9999 BECMG 0208/0210 28010KT=",
    "no word": "KDSM 311721Z 3118/0118 16014KT P6SM OVC007\n     FM010200 14005KT P6SM\n",
    "no word, one line": "KDSM 311721Z 3118/0118 16014KT P6SM OVC007",
    "a validity of before 2008": "KDSM 311721Z 311818 16014KT P6SM OVC007\n FM0200 14005KT P6SM\n",
    "the word METAR, in error": "METAR KDSM 311721Z 3118/0118 16014KT P6SM OVC007=",
    "a damaged validity": "KDSM 311721Z 3118/O118 16014KT P6SM FM010200 14005KT",
    "no validity": "KDSM 311721Z 16014KT P6SM OVC007 FM010200 14005KT",
    "probabilities": "LFBD 020500Z 26006KT 9999 PROB30 4000 SHRA=",
    "extreme temperatures": "LFBD 020500Z 26006KT 9999 TX15/0214Z TNM02/0205Z=",
    "a correction": "TAF COR LFBD 020500Z 0206/0306 26006KT=",
    "an amendment without the word": "LFBD 020500Z AMD 0206/0306 26006KT=",
    "a period of before 2008 and no issue time": (
        "FTUK42 EGRR 011100\nEGDG 011206 04012KT 9999 FEW015 BKN040 TEMPO 1220 SCT018="
    ),
    "a heading only": "FCFR31 LFPW 020500\nLFBD 020500Z 26006KT 9999 SCT030=",
    "no issue time": "TAF LFBD 0206/0306 26006KT 9999=",
    "cancelled": "TAF LFBD 020500Z 0206/0306 CNL=",
}


class TestWhatIsNoObservation:
    @pytest.mark.parametrize("text", TAFS.values(), ids=TAFS.keys())
    def test_a_taf_is_a_forecast(self, tmp_path: Path, text: str) -> None:
        reading = read(tmp_path, text)
        assert not reading.reports
        (refusal,) = reading.refusals
        assert refusal.reason == "it is a forecast (TAF), not an observation"

    @pytest.mark.parametrize(
        ("text", "kind"),
        [
            ("LFFF SIGMET 3 VALID 291200/291600 LFPW-\nLFFF PARIS FIR SEV TURB=", "a warning"),
            ("WSFR31 LFPW 291200\nLFFF SIGMET 3 VALID 291200/291600=", "a warning"),
            ("UAUS01 KOKX 291200\nOKX UA /OV JFK/TM 1200/FL050/TP B737/TA M05=", "aircraft"),
            ("JFK UUA /OV JFK/TM 1200/FL050/TP B737/TA M05=", "aircraft"),
            ("AAXX 29124\n07510 32565 22602 10150=", "a SYNOP"),
            ("METAR LFBD 020100Z TEST 26006KT 15/14=", "a test"),
            ("METAR LFBD 020100Z NIL=", "NIL"),
        ],
    )
    def test_siblings(self, tmp_path: Path, text: str, kind: str) -> None:
        reading = read(tmp_path, text)
        assert not reading.reports
        assert kind in reading.refusals[0].reason

    def test_a_time_without_z_may_be_a_period(self, tmp_path: Path) -> None:
        text = "EGOV 011221 03010KT 9999 FEW025="
        (refusal,) = read(tmp_path, text).refusals
        assert "perhaps a forecast" in refusal.reason
        for head in ("METAR ", "SAUK31 EGRR 011200\n", "METAR\n"):
            (report,) = read(tmp_path, head + text).reports
            assert report.time == datetime(2020, 3, 1, 12, 21, tzinfo=UTC)

    def test_observations_beside_forecasts_are_taken(self, tmp_path: Path) -> None:
        reading = read(
            tmp_path,
            "KDSM 020554Z 16014KT 10SM 15/14 A2992\nKDSM 020540Z 0206/0306 18014KT P6SM\n"
            "     FM021200 20005KT P6SM\nMETAR LFBD 020530Z 26006KT 15/14 Q1013\n"
            "TAF LFBD 020500Z 0206/0306 27007KT 9999\n  BECMG 0208/0210 28010KT\n"
            "SPECI LFLL 020540Z 17/12 Q1013\n",
        )
        assert [(r.station, r.values["t2m"]) for r in reading.reports] == [
            ("KDSM", 288.15), ("LFBD", 288.15), ("LFLL", 290.15),
        ]  # fmt: skip
        assert [x.station for x in reading.refusals] == ["KDSM", "LFBD"]

    @pytest.mark.parametrize(
        "trend",
        [
            "NOSIG 05010KT 20/20",
            "BECMG FM0200 AT0230 22010KT 20/20",
            "TEMPO 4000 05010KT 20/20",
            "FM0200 05010KT 20/20",
            "RMK WIND SKEID 05010KT 20/20",
            "PROB40 05010KT 20/20",
        ],
    )
    def test_nothing_after_a_trend_is_observed(self, tmp_path: Path, trend: str) -> None:
        reading = read(tmp_path, f"METAR LFBD 020100Z AUTO Q1013 {trend}=")
        if "PROB" in trend:
            assert "forecast" in reading.refusals[0].reason
        else:
            assert "none of the quantities" in reading.refusals[0].reason
        values = {"wind_speed": 6 * KNOT, "wind_from": 260.0, "t2m": 288.15, "d2m": 287.15}
        if "PROB" not in trend:
            text = f"METAR LFBD 020100Z AUTO 26006KT 15/14 Q1013 {trend}="
            assert only(tmp_path, text) == pytest.approx(values)

    def test_remarks_after_a_trend_are_read(self, tmp_path: Path) -> None:
        text = "METAR KDSM 020100Z 26006KT 15/14 A2992 NOSIG RMK AO2 SLP132 T01540136="
        values = only(tmp_path, text)
        assert values["msl"] == 101320.0
        assert (values["t2m"], values["d2m"]) == pytest.approx((288.55, 286.75))

    def test_the_real_bulletins(self, corpus: Path) -> None:
        for name in ("TAFDSM.txt", "TAFHPN.txt"):
            reading = read_metar(corpus / "cases" / "taf_as_observation" / name, RECEIVED)
            assert not reading.reports
            assert "forecast (TAF)" in reading.refusals[0].reason


class TestGroups:
    @pytest.mark.parametrize(
        ("group", "lost"),
        [
            ("36540KT", True),
            ("999105KT", True),
            ("260//KT", False),
            ("/////KT", False),
            ("26O06XKT", True),
            ("26006", True),  # of which unit
            ("260060KT", True),  # 6 or 60
        ],
    )
    def test_a_bad_wind_costs_the_wind(self, tmp_path: Path, group: str, lost: bool) -> None:
        reading = read(tmp_path, f"KBOI 011251Z {group} 10SM CLR 01/M03 A3003 RMK SLP170")
        (report,) = reading.reports
        assert report.values["t2m"] == pytest.approx(274.15)
        assert report.values["d2m"] == pytest.approx(270.15)
        assert report.values["msl"] == 101700.0
        assert "wind_speed" not in report.values
        assert [group in value.reason for value in reading.lost] == [True] * lost

    @pytest.mark.parametrize(
        ("group", "lost"), [("M//", True), ("//////", False), ("///", False), ("1/M03", True),
                            ("201/16", True), ("0l/M03", False), ("/////", False), ("", False)]
    )  # fmt: skip
    def test_bad_temperatures_cost_the_temperatures(
        self, tmp_path: Path, group: str, lost: bool
    ) -> None:
        reading = read(tmp_path, f"KBOI 011251Z 26006KT 10SM CLR {group} A3003 RMK SLP170")
        (report,) = reading.reports
        assert set(report.values) == {"wind_speed", "wind_from", "msl"}
        assert [group in value.reason for value in reading.lost] == [True] * lost

    @pytest.mark.parametrize("group", ["Q////", "A//", "@@@@", "RWY", "9999", "R04/////", "1/2SM"])
    def test_garbage_costs_nothing(self, tmp_path: Path, group: str) -> None:
        values = only(tmp_path, f"METAR LFBD 020100Z {group} 26006KT {group} 15/14 {group}=")
        assert values == pytest.approx(
            {"wind_speed": 6 * KNOT, "wind_from": 260.0, "t2m": 288.15, "d2m": 287.15}
        )

    def test_dew_point_missing(self, tmp_path: Path) -> None:
        for group in ("15/", "15///", "15/XX"):
            assert only(tmp_path, f"LFBD 020100Z {group}") == {"t2m": 288.15}
        assert only(tmp_path, "LFBD 020100Z ///M03") == {"d2m": 270.15}

    @pytest.mark.parametrize(
        ("group", "speed"), [("26010KT", 10 * KNOT), ("26010MPS", 10.0), ("26036KMH", 10.0),
                             ("VRB02KT", 2 * KNOT), ("26010G25KT", 10 * KNOT), ("00000KT", 0.0)]
    )  # fmt: skip
    def test_units_of_speed(self, tmp_path: Path, group: str, speed: float) -> None:
        values = only(tmp_path, f"METAR LFBD 020100Z {group} 15/14=")
        assert values["wind_speed"] == pytest.approx(speed)
        assert ("wind_from" in values) == ("VRB" not in group)

    def test_tenths_that_contradict_whole_degrees_are_lost(self, tmp_path: Path) -> None:
        reading = read(tmp_path, "KDSM 020100Z 15/12 A2987 RMK AO2 T00500022")
        assert dict(reading.reports[0].values) == {"t2m": 288.15, "d2m": 285.15}
        assert "T00500022" in reading.lost[0].reason

    @pytest.mark.parametrize(
        ("altimeter", "remark", "expected"),
        [
            ("A2992", "SLP132", 101320.0),
            ("A2992", "SLP982", 99820.0),
            ("A3112", "SLP532", 105320.0),  # a high in Alaska, not 953.2 hPa
            ("A2815", "SLP480", 94800.0),  # a low, not 1048.0 hPa
            ("Q0953", "SLP532", 95320.0),
        ],
    )
    def test_the_altimeter_says_which_hundreds(
        self, tmp_path: Path, altimeter: str, remark: str, expected: float
    ) -> None:
        values = only(tmp_path, f"PAFA 020100Z 15/12 {altimeter} RMK AO2 {remark}")
        assert values["msl"] == expected

    def test_a_pressure_before_the_remarks(self, tmp_path: Path) -> None:
        text = "METAR KCOF 191855Z FEW049 18015G22KT 7SM 28/18 A3001 SLP162 RMK WND DATA ESTMD"
        assert only(tmp_path, text)["msl"] == 101620.0

    def test_the_case_file(self, corpus: Path) -> None:
        reading = read_metar(corpus / "cases" / "metar_bad_group" / "one.txt", RECEIVED)
        (report,) = reading.reports
        assert dict(report.values) == pytest.approx({"t2m": 274.15, "d2m": 270.15})


WINDS = st.builds(
    lambda direction, speed, unit: f"{direction * 10:03}{speed:02}{unit}",
    st.integers(0, 36),
    st.integers(0, 60),
    st.sampled_from(["KT", "MPS", "KMH"]),
)
TEMPERATURES = st.builds(
    lambda t, spread: "/".join(f"M{-x:02}" if x < 0 else f"{x:02}" for x in (t, t - spread)),
    st.integers(-40, 50),
    st.integers(0, 30),
)
OTHERS = st.lists(
    st.sampled_from(["AUTO", "9999", "CAVOK", "BKN030", "-RA", "Q1013", "R04/1200U", "220V280"]),
    max_size=4,
    unique=True,
)


def by_python_metar(groups: list[str]) -> dict[str, float]:
    """What python-metar reads, one group at a time."""
    values: dict[str, float] = {}
    for group in groups:
        try:
            found = Metar.Metar(f"LFBD 020100Z {group}", month=3, year=2020)
        except Metar.ParserError:
            continue
        for name, value in (
            ("wind_speed", found.wind_speed and found.wind_speed.value("MPS")),
            ("wind_from", found.wind_dir and found.wind_dir.value()),
            ("t2m", found.temp and found.temp.value("K")),
            ("d2m", found.dewpt and found.dewpt.value("K")),
        ):
            if value is not None:
                values.setdefault(name, value)
    return values


@settings(max_examples=150, deadline=None)
@given(wind=WINDS, temperatures=TEMPERATURES, others=OTHERS, data=st.data())
def test_any_order_of_groups_and_damage_to_one(
    tmp_path_factory: pytest.TempPathFactory,
    wind: str,
    temperatures: str,
    others: list[str],
    data: st.DataObject,
) -> None:
    folder = tmp_path_factory.mktemp("metar")
    groups = data.draw(st.permutations([wind, temperatures, *others]))
    values = only(folder, f"METAR LFBD 020100Z {' '.join(groups)}=")
    assert values == pytest.approx(by_python_metar(groups), rel=1e-4)
    damaged = data.draw(st.sampled_from([wind, temperatures]))
    noise = data.draw(st.text(st.characters(min_codepoint=33, max_codepoint=126,
                                            exclude_characters="="), max_size=3))  # fmt: skip
    left = data.draw(st.integers(0, len(damaged) - 1))
    broken = f"{damaged[:left]}#{noise}"
    text = " ".join(broken if group == damaged else group for group in groups)
    own = {"wind_speed", "wind_from"} if damaged == wind else {"t2m", "d2m"}
    assert only(folder, f"METAR LFBD 020100Z {text}=") == pytest.approx(
        {what: value for what, value in values.items() if what not in own}
    )


@settings(max_examples=100, deadline=None)
@given(
    text=st.lists(
        st.sampled_from(
            ["METAR", "SPECI", "TAF", "LFBD", "020100Z", "26006KT", "15/14", "RMK", "=", "\n",
             "COR", "FTUS43 KDMX 311721\n", "2024-02-29 12:00\n", "2023/02/29\n", "0206/0306",
             "T01500140", "SLP132", "BECMG", "é", "\0", "320100Z", "29 Feb 2024"]
        ),
        max_size=25,
    ),
    received=st.datetimes().map(lambda time: time.replace(tzinfo=UTC)),
)  # fmt: skip
def test_any_words_give_reports_of_possible_times_or_refusals(
    tmp_path_factory: pytest.TempPathFactory, text: list[str], received: datetime
) -> None:
    reading = read(tmp_path_factory.mktemp("words"), " ".join(text), received)
    for report in reading.reports:
        assert (report.time.day, report.time.hour, report.time.minute) == (2, 1, 0)
        assert report.time <= received + timedelta(hours=1)


class TestDates:
    GROUPS = "26006KT 15/14 Q1013"

    def time(
        self, folder: Path, text: str, received: str | None, name: str = "metar.txt"
    ) -> datetime | str:
        """The time of the only report, or why it was refused."""
        came = None if received is None else parse_time(received)
        reading = read(folder, text.replace("…", self.GROUPS), came, name)
        return reading.reports[0].time if reading.reports else reading.refusals[0].reason

    def test_the_month_is_the_latest_that_fits(self, tmp_path: Path) -> None:
        for day_time, expected in (("312350", "2025-12-31T23:50"), ("010000", "2026-01-01")):
            time = self.time(tmp_path, f"LFBD {day_time}Z …", "2026-01-01T00:05")
            assert time == parse_time(expected)
        assert self.time(tmp_path, "LFBD 312350Z …", "2026-03-01") == parse_time("2026-01-31T23:50")
        assert self.time(tmp_path, "LFBD 291200Z …", "2023-03-05") == parse_time("2023-01-29T12")

    @pytest.mark.parametrize(
        "text",
        [
            "2024/02/29 12:00\nVHHH 291200Z …\n",  # as the US National Weather Service has them
            "202402291200 METAR VHHH 291200Z …=\n",  # as Ogimet has them
            "VHHH,2024,02,29,12,00,METAR VHHH 291200Z …=\n",  # as it has them for programs
            "2024 02 29 12:00\nVHHH 291200Z …\n",
            "Date: Thu, 29 Feb 2024 12:00:00 GMT\nVHHH 291200Z …\n",
            "2024-02-29T12:00:00Z METAR VHHH 291200Z …=\n",
            "VHHH,2024-02-29 12:00,VHHH 291200Z …\n",  # as the Iowa Environmental Mesonet has them
            "29 Feb 2024 12:00 UTC\nMETAR VHHH 291200Z …=\n",
            "# February 29, 2024\nMETAR VHHH 291200Z …=\n",
            "29/02/2024 12:00 UTC\nMETAR VHHH 291200Z …=\n",
            "02/29/2024 12:00 UTC\nMETAR VHHH 291200Z …=\n",
            "29.02.2024 12:00\nMETAR VHHH 291200Z …=\n",
            "2024/03/01 00:30\nVHHH 291200Z …\n",
            "29/02/24 12:00\nVHHH 291200Z …\n",
            "02/29/24 12:00:00  5-MIN\nVHHH 291200Z …\n",
            "24-02-29 12:00 VHHH 291200Z …\n",
            "Hong Kong Observatory, 29 February 2024\n\nVHHH 291200Z …\n",
            (
                "# Made 12/01/2026 09:30:00\n# from 02/29/2024 to 03/01/2024\n"
                "202402291200 METAR VHHH 291200Z …=\n"
            ),
            "SAHK31 VHHH 291200\nMETAR\n2024/02/29 12:00\nVHHH 291200Z …=\n",
        ],
    )
    def test_a_date_of_the_text_is_heard(self, tmp_path: Path, text: str) -> None:
        expected = parse_time("2024-02-29T12")
        for received in ("2024-02-29T12:10", "2024-03-01T00:10", "2026-11-30"):
            assert self.time(tmp_path, text, received) == expected
        path = tmp_path / "metar.txt"
        os.utime(path, (parse_time("2026-11-30").timestamp(),) * 2)
        assert read_metar(path).reports[0].time == expected

    @pytest.mark.parametrize(
        "name",
        ["metar_20240229_1200.txt", "VHHH-2024-02.txt", "29feb2024.txt", "VHHH_Feb_2024.txt"],
    )
    def test_a_date_of_the_files_name_is_heard(self, tmp_path: Path, name: str) -> None:
        time = self.time(tmp_path, "VHHH 291200Z …", "2026-11-30", name)
        assert time == parse_time("2024-02-29T12")

    def test_a_year_alone_leaves_the_month_open(self, tmp_path: Path) -> None:
        name = "VHHH_2024.txt"
        time = self.time(tmp_path, "VHHH 291200Z …", "2024-03-02", name)
        assert time == parse_time("2024-02-29T12")
        assert "not clear" in str(self.time(tmp_path, "VHHH 291200Z …", "2026-11-30", name))

    def test_numbers_of_a_name_that_are_no_date_say_nothing(self, tmp_path: Path) -> None:
        for name in ("SAHK31_VHHH_291200.txt", "20249999.txt", "metar12345678901.txt", "12Z.TXT"):
            time = self.time(tmp_path, "VHHH 291200Z …", "2024-03-02", name)
            assert time == parse_time("2024-02-29T12")

    def test_every_date_line_holds_until_the_next(self, tmp_path: Path) -> None:
        text = "".join(
            f"{day:%Y/%m/%d %H:%M}\nVHHH {day:%d%H%M}Z {self.GROUPS}\n\n"
            for day in (datetime(2023, month, 28, 6, tzinfo=UTC) for month in (1, 2, 3, 12))
        )
        reading = read(tmp_path, text, None)
        assert [r.time.month for r in reading.reports] == [1, 2, 3, 12]
        assert {r.time.year for r in reading.reports} == {2023}
        assert not reading.notes

    @pytest.mark.parametrize(
        ("text", "received", "named"),
        [
            ("2024/02/29 12:00\nVHHH 151200Z …", "2024-03-01", "2024/02/29"),
            ("2023/02/29 12:00\nVHHH 291200Z …", "2023-03-01", "2023/02/29"),  # no such day
            ("2024/02/29 12:00\nVHHH 291200Z …", "2023-03-01", "received, 2023-03-01"),
            ("SAHK31 VHHH 020100\nVHHH 151200Z …=", "2024-03-01", "heading of 020100"),
            ("SAHK31 VHHH 312355\nVHHH 020005Z …=", "2024-03-01", "heading of 312355"),
        ],
    )
    def test_dates_that_do_not_agree_are_named(
        self, tmp_path: Path, text: str, received: str, named: str
    ) -> None:
        reason = str(self.time(tmp_path, text, received))
        assert "is not clear from" in reason
        assert named in reason

    def test_what_most_agree_on_is_taken(self, tmp_path: Path) -> None:
        """A wrong line among right ones, each in its turn."""
        right, wrong = "2024/02/29 12:00", "2022/07/01 12:00"
        name = "metar_20240229.txt"
        expected = parse_time("2024-02-29T12")
        bulletin = "SAHK31 VHHH 291200\n"
        for text, at in (
            (f"{bulletin}{wrong}\nVHHH 291200Z …", name),
            (f"{bulletin}{right}\nVHHH 291200Z …", "metar_20220701.txt"),
            (f"SAHK31 VHHH 151200\n{right}\nVHHH 291200Z …", name),
        ):
            assert self.time(tmp_path, text, "2026-11-30", at) == expected
        conflict = f"{wrong}\nVHHH 011200Z …"
        assert "not clear" in str(self.time(tmp_path, conflict, "2026-11-30", "metar_20240301.txt"))
        # The remedy of the message: the time just after the report.
        time = self.time(tmp_path, conflict, "2022-07-01T12:10", "metar_20240301.txt")
        assert time == parse_time("2022-07-01T12")

    def test_a_bulletin_across_the_end_of_a_month(self, tmp_path: Path) -> None:
        text = "SAHK31 VHHH 312355\nVHHH 312350Z …=\nVHHH 010005Z …="
        reading = read(tmp_path, text.replace("…", self.GROUPS), parse_time("2024-02-01T00:10"))
        assert [r.time for r in reading.reports] == [
            parse_time("2024-01-31T23:50"), parse_time("2024-02-01T00:05"),
        ]  # fmt: skip

    @pytest.mark.parametrize("backwards", [False, True])
    def test_a_list_of_more_than_a_month(self, tmp_path: Path, backwards: bool) -> None:
        """The days say nothing of the month; a line with the date above them, as advised, does."""
        start = parse_time("2024-01-05T06")
        days = [start + timedelta(days=n) for n in range(50)]
        came = days[-1] + timedelta(hours=1)
        if backwards:
            days.reverse()
        reports = [f"VHHH {day:%d%H%M}Z {self.GROUPS}\n" for day in days]
        reading = read(tmp_path, "".join(reports), came)
        assert not reading.reports
        assert "more than a month" in reading.refusals[0].reason
        within = [n for n, day in enumerate(days) if day > came - timedelta(days=30)]
        recent = read(tmp_path, "".join(reports[n] for n in within), came)
        assert [r.time for r in recent.reports] == [days[n] for n in within]
        dated = [f"{day:%Y-%m-%d}\n{report}" for day, report in zip(days, reports, strict=True)]
        assert [r.time for r in read(tmp_path, "".join(dated), came).reports] == days

    def test_a_heading_says_which_month_an_old_file_is_of(self, tmp_path: Path) -> None:
        text = "SAHK31 VHHH 010000\nVHHH …Z 15/14="
        for day_time, received, expected in (
            ("282350", "2023-03-29", "2023-02-28T23:50"),
            ("302350", "2024-03-15", "2023-11-30T23:50"),
            ("312350", "2024-03-15", "2024-01-31T23:50"),
        ):
            time = self.time(tmp_path, text.replace("…", day_time), received)
            assert time == parse_time(expected)

    def test_a_month_taken_from_the_time_of_modification_is_noted(self, tmp_path: Path) -> None:
        (note,) = read(tmp_path, f"VHHH 010000Z {self.GROUPS}", None).notes
        assert "the month of 1 report is that before 20" in note
        assert "give --received" in note
        assert not read(tmp_path, f"VHHH 010000Z {self.GROUPS}", RECEIVED).notes


class TestCorrections:
    FIRST = "METAR LFBD 020100Z 36006KT 25/14 Q1013="

    @pytest.mark.parametrize(
        "correction",
        [
            "METAR COR LFBD 020100Z 15/14=",
            "METAR LFBD 020100Z COR 15/14=",
            "METAR LFBD 020100Z CCA 15/14=",
            "SAFR31 LFPW 020100 CCA\nMETAR LFBD 020100Z 15/14=",
            "METAR COR\nLFBD 020100Z 15/14=",
        ],
    )
    @pytest.mark.parametrize("first", [True, False])
    def test_a_correction_replaces_the_whole_report(
        self, tmp_path: Path, correction: str, first: bool
    ) -> None:
        order = [correction, self.FIRST] if first else [self.FIRST, correction]
        if first:  # a heading ends what the one before it says
            order[1] = f"SAFR31 LFPW 020100\n{self.FIRST}"
        reading = read(tmp_path, "\n".join(order))
        (report,) = reading.reports
        assert dict(report.values) == {"t2m": 288.15, "d2m": 287.15}
        assert report.correction > 0
        assert f"record {report.record} corrects it" in reading.refusals[0].reason

    def test_the_last_of_several(self, tmp_path: Path) -> None:
        texts = [f"METAR LFBD 020100Z CC{x} 1{n}/10=" for n, x in enumerate("ACB")]
        (report,) = read(tmp_path, "\n".join([*texts, self.FIRST])).reports
        assert report.values["t2m"] == pytest.approx(284.15)
