"""Write where aerodromes are, and the boxes in which the stations of a WMO block lie.

    pip download --no-deps avwx-engine==1.9.10 airportsdata==20260905 metar==2.0.2
    for wheel in *.whl; do unzip -o "$wheel"; done
    python docs/make_station_lists.py . met2net_ops/observations

The list of aerodromes is that of avwx-engine (MIT licence), which takes aerodromes from OurAirports
(public domain) and weather stations from the list of the US Aviation Weather Center. The positions
of the latter are degrees and minutes written like decimals there (29.08 for 29° 08'); they are
converted here. Where airportsdata (MIT licence) has an aerodrome more than 10 km away, it is kept
only if it is a large one, or stands where the old list of the US National Weather Service in
python-metar has it; otherwise it is left out: a report is better refused than put elsewhere.

The boxes are those of the stations with WMO numbers in the list of python-metar, 3° wider.
"""

from __future__ import annotations

import csv
import json
import math
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

Position = tuple[float, float]

CODE = re.compile(r"[A-Z][A-Z0-9]{3}")
FAR_KM = 10.0
MARGIN = 3.0  # degrees around the stations of a block


def distance_km(a: Position, b: Position) -> float:
    """Between two places not far apart."""
    east = (a[1] - b[1] + 180) % 360 - 180
    return 111.2 * math.hypot(a[0] - b[0], east * math.cos(math.radians(a[0])))


def from_minutes(number: float) -> float:
    """29.08, which means 29° 08', in degrees."""
    degrees = int(abs(number))
    return math.copysign(degrees + (abs(number) - degrees) * 100 / 60, number)


def read_degrees(text: str) -> float | None:
    """`44-50-10S` in degrees."""
    match = re.fullmatch(r"(\d+)-(\d+)(?:-(\d+))?([NSEW])", text.strip())
    if match is None:
        return None
    degrees = int(match[1]) + int(match[2]) / 60 + int(match[3] or 0) / 3600
    return -degrees if match[4] in "SW" else degrees


def read_old_list(path: Path) -> dict[str, tuple[str, Position]]:
    """WMO number ("" without one) and place by code, from `nsd_cccc.txt`."""
    found = {}
    for line in path.read_text(encoding="latin-1").splitlines():
        cells = line.strip().split(";")
        if len(cells) < 12:
            continue
        latitude, longitude = read_degrees(cells[7]), read_degrees(cells[8])
        if latitude is not None and longitude is not None:
            number = cells[1] + cells[2] if (cells[1] + cells[2]).isdigit() else ""
            found[cells[0]] = number, (latitude, longitude)
    return found


def aerodromes(
    stations: dict[str, dict], others: dict[str, Position], old: dict[str, Position]
) -> Iterable[tuple[str, float, float, int | str]]:
    """Code, degrees north and east, and metres of all whose place is beyond doubt."""
    for code, station in sorted(stations.items()):
        kind = station["type"]
        wanted = station["reporting"] or station["icao"] or kind == "weather_station"
        if not (wanted and CODE.fullmatch(code)):
            continue
        place = station["latitude"], station["longitude"]
        if kind == "weather_station":
            place = from_minutes(place[0]), from_minutes(place[1])
        far = code in others and distance_km(place, others[code]) > FAR_KM
        confirmed = code in old and distance_km(place, old[code]) <= FAR_KM / 2
        if far and not (kind == "large_airport" or (confirmed and kind != "weather_station")):
            continue
        height = station["elevation_m"]
        yield code, round(place[0], 4), round(place[1], 4), "" if height is None else height


def boxes(places: Iterable[tuple[str, Position]]) -> Iterable[tuple[str, int, int, int, int]]:
    """WMO block, its southern, northern, western and eastern edge in degrees."""
    blocks: dict[str, list[Position]] = {}
    for number, place in places:
        if number and number[:2] != "00":
            blocks.setdefault(number[:2], []).append(place)
    for block, found in sorted(blocks.items()):
        north, east = zip(*found, strict=True)
        yield (
            block,
            math.floor(min(north) - MARGIN),
            math.ceil(max(north) + MARGIN),
            math.floor(min(east) - MARGIN),
            math.ceil(max(east) + MARGIN),
        )


def write(path: Path, comment: str, header: str, rows: Iterable[tuple]) -> None:
    """A CSV file with a comment that says where it comes from."""
    lines = [f"# {comment}", header, *(",".join(str(cell) for cell in row) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main(source: Path, target: Path) -> None:
    """Write both lists."""
    stations = json.loads((source / "avwx/data/files/stations.json").read_text(encoding="utf-8"))
    with (source / "airportsdata/airports.csv").open(encoding="utf-8") as file:
        others = {r["icao"]: (float(r["lat"]), float(r["lon"])) for r in csv.DictReader(file)}
    old = read_old_list(source / "metar/nsd_cccc.txt")
    write(
        target / "aerodromes.csv",
        "OurAirports and the US Aviation Weather Center, by way of avwx-engine 1.9.10 "
        "(October 2026, MIT licence, Copyright (c) 2015 Michael duPont); "
        "written by docs/make_station_lists.py",
        "id,latitude,longitude,height",
        aerodromes(stations, others, {code: place for code, (_, place) in old.items()}),
    )
    write(
        target / "wmo_blocks.csv",
        "Stations with WMO numbers of the US National Weather Service, by way of metar 2.0.2 "
        "(BSD); written by docs/make_station_lists.py",
        "block,south,north,west,east",
        boxes(old.values()),
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
