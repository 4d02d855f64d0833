"""Where aerodromes are: independent positions, the desk's own file, and refusals with a remedy."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from met2net_ops.observations.aerodromes import known_aerodromes, read_aerodromes
from met2net_ops.observations.metar import read_metar
from met2net_ops.observations.report import ObservationError

# Approximate aerodrome reference points and elevations, known apart from the shipped table but not
# transcribed from the AIPs; of the platform, the block of its lease (Galveston 209).
PUBLISHED = {
    "LTFM": (41.26, 28.74, 99),
    "OTHH": (25.27, 51.61, 4),
    "ZBAD": (39.51, 116.41, 30),
    "VOBL": (13.20, 77.71, 915),
    "VOHS": (17.23, 78.43, 617),
    "RJBE": (34.63, 135.22, 5),
    "VTBS": (13.69, 100.75, 2),
    "VHHH": (22.31, 113.92, 9),
    "ZPPP": (25.10, 102.93, 2104),
    "ZGGG": (23.39, 113.30, 15),
    "UHPP": (53.17, 158.45, 40),
    "LSZL": (46.16, 8.88, 198),
    "KGVW": (29.13, -94.55, 37),
    "EDDB": (52.36, 13.50, 48),
    "KJFK": (40.64, -73.78, 4),
    "EBBR": (50.90, 4.48, 56),
    "SBGR": (-23.43, -46.47, 750),
    "NZSP": (-90.0, 0.0, 2835),
}


def distance_km(a: tuple[float, float], b: tuple[float, float]) -> float:
    (lat1, lon1), (lat2, lon2) = (tuple(map(math.radians, x)) for x in (a, b))
    cosine = math.sin(lat1) * math.sin(lat2) + math.cos(lat1) * math.cos(lat2) * math.cos(
        lon1 - lon2
    )
    return 6371.0 * math.acos(min(1.0, cosine))


@pytest.mark.parametrize("code", PUBLISHED)
def test_where_aerodromes_are(code: str) -> None:
    latitude, longitude, height = PUBLISHED[code]
    place = known_aerodromes()[code]
    assert distance_km((place.latitude, place.longitude), (latitude, longitude)) < 3.0
    assert place.height == pytest.approx(height, abs=25)


def test_the_list_says_where_it_comes_from() -> None:
    import met2net_ops.observations.aerodromes as module

    text = Path(module.__file__).with_name("aerodromes.csv").read_text(encoding="utf-8")
    assert re.search(r"OurAirports.*Aviation Weather Center.*2026.*MIT", text.splitlines()[0])
    codes = [line.split(",")[0] for line in text.splitlines()[2:]]
    assert len(codes) > 14_000
    assert codes == sorted(set(codes))


def test_an_unknown_place_is_refused_and_the_remedy_works(tmp_path: Path) -> None:
    metar = tmp_path / "metar.txt"
    metar.write_text("METAR ZZZZ 020100Z 26006KT 15/14=\nMETAR LTFM 020100Z 15/14=\n", "utf-8")
    received = datetime(2026, 3, 2, 2, tzinfo=UTC)
    reading = read_metar(metar, received)
    (refusal,) = reading.refusals
    assert "the place of ZZZZ is not known" in refusal.reason
    assert "id, latitude, longitude and height" in refusal.reason
    assert "places in [observations]" in refusal.reason
    own = tmp_path / "places.csv"
    own.write_text("id,latitude,longitude,height\nZZZZ,-10.5,20.25,\nltfm,41.0,28.0,100\n", "utf-8")
    new, moved = read_metar(metar, received, own).reports
    assert (new.latitude, new.longitude) == (-10.5, 20.25)
    assert math.isnan(new.height)
    assert (moved.latitude, moved.longitude, moved.height) == (41.0, 28.0, 100.0)
    assert known_aerodromes()["LTFM"].latitude == pytest.approx(41.27, abs=0.01)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("code,lat,lon\nZZZZ,1,2\n", "has no column id, latitude, longitude"),
        ("id,latitude,longitude\nZZZZ,north,2\n", "'ZZZZ,north,2' is no place"),
        ("id,latitude,longitude\nZZZZ,91,2\n", "'ZZZZ,91,2' is no place"),
        ("id,latitude,longitude\nZZZZ,1\n", "'ZZZZ,1' is no place"),
        ("id,latitude,longitude\nZZZZ,nan,1\n", "'ZZZZ,nan,1' is no place"),
    ],
)
def test_a_file_of_places_that_is_wrong_is_named(
    tmp_path: Path, content: str, message: str
) -> None:
    own = tmp_path / "places.csv"
    own.write_text(content, "utf-8")
    with pytest.raises(ObservationError, match=message) as caught:
        read_aerodromes(own)
    assert str(own) in str(caught.value)
    for example in re.findall(r"'(LTFM,.*?)'", str(caught.value)):
        own.write_text(f"id,latitude,longitude,height\n{example}\n", "utf-8")
        assert "LTFM" in read_aerodromes(own)
    with pytest.raises(ObservationError, match="cannot read the places of aerodromes"):
        read_aerodromes(tmp_path / "none.csv")
