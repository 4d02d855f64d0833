"""Precipitation over 6 and 24 hours and classes of cloud, from reports to exchanged records."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from verification_desk import GRID, HOUR, START, Desk, make_desk

from met2net_ops.observations.store import import_files
from met2net_ops.verification.inputs.accumulations import running_sum
from met2net_ops.verification.inputs.interpolation import bilinear
from met2net_ops.verification.results.export import lacking_parameters, wmo_records
from met2net_ops.verification.results.query import Selection, grouped_sums
from met2net_ops.verification.run_stations import verify_stations
from met2net_ops.workspace import Workspace

DAY = timedelta(days=1)
CYCLE = START + 3 * DAY
PLACES = {"A": (40.0, 50.0), "B": (-20.0, 200.0)}
HEADER = "station,latitude,longitude,time,tp,tp6h,tp24h,tcc\n"
COLUMNS = [
    "station = station", "latitude = latitude", "longitude = longitude", "time = time",
    "tp = tp mm", "tp6h = tp6h mm", "tp24h = tp24h mm", "tcc = tcc okta",
]  # fmt: skip


def weather(name: str, time: datetime) -> np.ndarray:
    """Showers that come and go, and cloud in steps of a quarter."""
    hours = (time - START) / HOUR
    lat, lon = np.meshgrid(GRID.latitudes, GRID.longitudes, indexing="ij")
    wave = np.sin(np.deg2rad(lon + 20 * hours)) * np.cos(np.deg2rad(lat))
    field = 4 * np.maximum(wave, 0.0) if name == "tp" else 0.5 + 0.5 * wave
    return field.astype(np.float32)


def at(place: str, name: str, time: datetime) -> float:
    lat, lon = PLACES[place]
    return float(bilinear(GRID, [lat], [lon])(weather(name, time))[0])


def amount(place: str, time: datetime, hours: int) -> float:
    return sum(at(place, "tp", time - HOUR * i) for i in range(hours))


@pytest.fixture
def rain(tmp_path: Path) -> Desk:
    desk = make_desk(tmp_path / "desk", ("tp", "tcc"), weather)
    desk.observe(START, 24 * 5)
    return desk


def bring(desk: Desk, *lines: str) -> None:
    path = desk.workspace.root / "rain.csv"
    path.write_text(HEADER + "".join(f"{line}\n" for line in lines), encoding="utf-8")
    import_files(desk.workspace.observations, [path], COLUMNS)


def records(desk: Desk) -> list[dict[str, str]]:
    found = wmo_records(desk.workspace, Selection("stations"), "none")
    return [dict(pair.split("=") for pair in record.split(",")) for record in found]


def test_sums_of_hours_need_all_of_them() -> None:
    hourly = np.arange(1.0, 9.0)[:, None]
    hourly[3] = np.nan
    assert running_sum(hourly, 3)[:, 0].tolist() == pytest.approx(
        [np.nan, np.nan, 6.0, np.nan, np.nan, np.nan, 18.0, 21.0], nan_ok=True
    )


def test_tables_of_precipitation_are_exported(rain: Desk) -> None:
    """A reports every hour; B its sums at 06 and 18 UTC, and that of a day at 06 UTC."""
    rain.forecast(CYCLE, error=lambda name, lead: 0.4 if name == "tp" else 0.0, leads=36)
    lines = []
    for hour in range(1, 37):
        time = CYCLE + HOUR * hour
        written = f"{time:%Y-%m-%dT%H:%MZ}"
        lat, lon = PLACES["A"]
        lines.append(f"A,{lat},{lon},{written},{at('A', 'tp', time)},,,")
        if time.hour in (6, 18):
            lat, lon = PLACES["B"]
            day = amount("B", time, 24) if time.hour == 6 else ""
            lines.append(f"B,{lat},{lon},{written},,{amount('B', time, 6)},{day},")
    bring(rain, *lines)
    (outcome,) = verify_stations(Workspace(rain.workspace, rain.settings))
    assert outcome.status == "final"
    found = {(x["st"], x["par"], x["s"], x["th"]): x["v"] for x in records(rain) if x["sc"] == "ct"}
    expected = {}
    leads = {("A", "tp6"): range(6, 37), ("B", "tp6"): (6, 18, 30),
             ("A", "tp24"): range(24, 37), ("B", "tp24"): (30,)}  # fmt: skip
    thresholds = {"tp6": (1, 5, 25), "tp24": (1, 10, 50)}
    for (place, par), there in leads.items():
        hours = int(par[2:])
        for lead in there:
            o = amount(place, CYCLE + HOUR * lead, hours)
            f = o + 0.4 * hours
            for th in thresholds[par]:
                cells = (f < th <= o, f >= th and o >= th, f < th and o < th, f >= th > o)
                key = place, par, str(lead), str(th)
                expected[key] = "/".join(str(int(cell)) for cell in cells)
    assert found == expected
    assert len(set(expected.values())) > 2


def test_baselines_have_sums_of_their_own_hours(rain: Desk) -> None:
    rain.forecast(CYCLE, leads=24)
    time = CYCLE + 24 * HOUR
    bring(rain, *(
        f"{p},{lat},{lon},{time:%Y-%m-%dT%H:%MZ},,,{amount(p, time, 24)},"
        for p, (lat, lon) in PLACES.items()
    ))  # fmt: skip
    verify_stations(Workspace(rain.workspace, rain.settings))
    for system, last in (("persistence", CYCLE), ("persistence-24h", CYCLE)):
        by = ("station", "threshold")
        chosen = Selection("stations", variables=("tp24h",))
        found = grouped_sums(rain.workspace, "contingency", by, chosen, system)
        assert found.baseline is not None
        yes = found.baseline["hits"][0] + found.baseline["false_alarms"][0]
        assert len(found.keys) == 6
        expected = [float(amount(str(p), last, 24) >= float(str(th))) for p, th in found.keys]
        assert yes.tolist() == expected


def test_a_trace_is_no_rain(rain: Desk) -> None:
    """BUFR codes a trace as -0.1."""
    rain.forecast(CYCLE, error=lambda name, lead: -weather(name, CYCLE + HOUR * lead), leads=2)
    lat, lon = PLACES["A"]
    bring(rain, f"A,{lat},{lon},{CYCLE + HOUR:%Y-%m-%dT%H:%MZ},-0.1,,,")
    verify_stations(Workspace(rain.workspace, rain.settings))
    found = grouped_sums(rain.workspace, "continuous", (), Selection("stations", variables=("tp",)))
    assert found.forecast["wabs"].item() == 0.0


def test_classes_of_cloud_are_exported(rain: Desk) -> None:
    """Forecasts one lead each of 1, 4 and 8 oktas; one station reports 8, 1 and 4."""
    oktas = {1: (1, 8), 2: (4, 1), 3: (8, 4)}
    rain.forecast(
        CYCLE, leads=3,
        error=lambda name, lead: oktas[lead][0] / 8 - weather(name, CYCLE + HOUR * lead),
    )  # fmt: skip
    lat, lon = PLACES["A"]
    bring(rain, *(
        f"A,{lat},{lon},{CYCLE + HOUR * lead:%Y-%m-%dT%H:%MZ},,,,{o}"
        for lead, (_, o) in oktas.items()
    ))  # fmt: skip
    verify_stations(Workspace(rain.workspace, rain.settings))
    tables = {x["s"]: x["v"] for x in records(rain) if (x["par"], x["th"]) == ("tcc", "2/6")}
    # Observed 7-8, 3-6, 0-2; within each forecast 0-2, 3-6, 7-8.
    assert tables == {
        "1": "1/0/0/0/0/0/0/0/0",
        "2": "0/0/0/0/0/0/0/1/0",
        "3": "0/0/0/0/0/1/0/0/0",
    }
    told = lacking_parameters(wmo_records(rain.workspace, Selection("stations"), "none"))
    assert [text.split(" is")[0] for text in told] == [
        "no t2m", "no td2m", "no ff10m", "no dd10m", "no tp6", "no tp24",
    ]  # fmt: skip
