"""Winds that follow a grid's axes, against directions taken from the grid's own coordinates."""

from __future__ import annotations

import numpy as np
import pytest

from met2net_ops.grib.inventory import inventory
from met2net_ops.grib.reader import read_fields
from met2net_ops.grib.records import SourceField, Verdict, VerdictKind

U_TO_GRID, V_TO_GRID = 7.0, -4.0


WGS84_E2 = 0.00669437999


def bearing_of_rows(latitudes, longitudes, e2=0.0):
    """Direction from each point to the next one northwards in its column, by finite differences.

    Rows run from north to south, so the next one northwards is in the row before. `e2` is the
    squared eccentricity of the earth: parallels and meridians curve differently.
    """
    lat, lon = np.deg2rad(latitudes), np.deg2rad(longitudes)
    north, here, south = slice(None, -2), slice(1, -1), slice(2, None)
    d_lon = np.mod(lon[north] - lon[south] + np.pi, 2 * np.pi) - np.pi
    along_meridian = (lat[north] - lat[south]) * (1 - e2) / (1 - e2 * np.sin(lat[here]) ** 2)
    return np.arctan2(np.cos(lat[here]) * d_lon, along_meridian)


GRIDS = {
    "lambert north": {
        "gridType": "lambert", "Nx": 40, "Ny": 30, "shapeOfTheEarth": 6, "LaDInDegrees": 50,
        "LoVInDegrees": 8, "Latin1InDegrees": 45, "Latin2InDegrees": 55, "DxInMetres": 20_000,
        "DyInMetres": 20_000, "latitudeOfFirstGridPointInDegrees": 46,
        "longitudeOfFirstGridPointInDegrees": 355, "jScansPositively": 1,
    },
    "lambert south, oblate": {
        "gridType": "lambert", "Nx": 40, "Ny": 30, "shapeOfTheEarth": 5, "LaDInDegrees": -35,
        "LoVInDegrees": 295, "Latin1InDegrees": -35, "Latin2InDegrees": -35, "DxInMetres": 20_000,
        "DyInMetres": 20_000, "latitudeOfFirstGridPointInDegrees": -36,
        "longitudeOfFirstGridPointInDegrees": 285, "jScansPositively": 1,
    },
    "polar north": {
        "gridType": "polar_stereographic", "Nx": 40, "Ny": 30, "shapeOfTheEarth": 6,
        "LaDInDegrees": 60, "orientationOfTheGridInDegrees": 249, "DxInMetres": 20_000,
        "DyInMetres": 20_000, "latitudeOfFirstGridPointInDegrees": 40,
        "longitudeOfFirstGridPointInDegrees": 300, "jScansPositively": 1,
    },
    "polar south": {
        "gridType": "polar_stereographic", "Nx": 40, "Ny": 30, "shapeOfTheEarth": 6,
        "projectionCentreFlag": 128, "LaDInDegrees": -60, "orientationOfTheGridInDegrees": 20,
        "DxInMetres": 20_000, "DyInMetres": 20_000, "latitudeOfFirstGridPointInDegrees": -60,
        "longitudeOfFirstGridPointInDegrees": 60, "jScansPositively": 1,
    },
    "rotated": {
        "gridType": "rotated_ll", "Ni": 40, "Nj": 30, "latitudeOfFirstGridPointInDegrees": 5,
        "longitudeOfFirstGridPointInDegrees": 4, "latitudeOfLastGridPointInDegrees": -0.8,
        "longitudeOfLastGridPointInDegrees": 11.8, "iDirectionIncrementInDegrees": 0.2,
        "jDirectionIncrementInDegrees": 0.2, "latitudeOfSouthernPoleInDegrees": -35,
        "longitudeOfSouthernPoleInDegrees": 10,
    },
}  # fmt: skip


def winds(encode, grid, *, relative=1):
    points = grid.get("Nx", grid.get("Ni")) * grid.get("Ny", grid.get("Nj"))
    flags = 56 if relative else 48
    return [
        encode(np.full(points, value), **grid, shortName=name, resolutionAndComponentFlags=flags)
        for name, value in (("10u", U_TO_GRID), ("10v", V_TO_GRID))
    ]


@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.parametrize("mirrored", [False, True])
def test_turned_to_the_earth(encode, write, name, mirrored):
    messages = winds(encode, GRIDS[name])
    path = write(*(reversed(messages) if mirrored else messages))
    fields = {
        f.variable: f for f in read_fields(path, ["u10", "v10"]) if isinstance(f, SourceField)
    }
    u, v = fields["u10"], fields["v10"]
    assert u.method == "turned from grid to earth axes"
    assert {record.variable for record in u.inputs} == {"u10", "v10"}
    e2 = WGS84_E2 if GRIDS[name].get("shapeOfTheEarth") == 5 else 0.0
    bearing = bearing_of_rows(u.grid.latitudes, u.grid.longitudes, e2)
    assert np.ptp(bearing) > 0.02  # it does turn across the grid
    expected_u = U_TO_GRID * np.cos(bearing) + V_TO_GRID * np.sin(bearing)
    expected_v = V_TO_GRID * np.cos(bearing) - U_TO_GRID * np.sin(bearing)
    np.testing.assert_allclose(u.values[1:-1], expected_u, atol=2e-3)
    np.testing.assert_allclose(v.values[1:-1], expected_v, atol=2e-3)


def test_earth_relative_winds_are_left_alone(encode, write):
    path = write(*winds(encode, GRIDS["lambert north"], relative=0))
    for item in read_fields(path, ["u10", "v10"]):
        if isinstance(item, SourceField):
            expected = U_TO_GRID if item.variable == "u10" else V_TO_GRID
            np.testing.assert_allclose(item.values, expected, rtol=1e-6)
            assert item.inputs == (item.record,)


def test_one_component_needs_the_other(encode, write):
    u, v = winds(encode, GRIDS["lambert north"])
    field, *verdicts = read_fields(write(u, v), ["u10"])
    assert field.variable == "u10"
    assert [verdict.outcome for verdict in verdicts] == [VerdictKind.TAKEN, VerdictKind.TAKEN]
    assert verdicts[1].reason == "used for u10"
    (verdict,) = read_fields(write(u), ["u10", "v10"])
    assert isinstance(verdict, Verdict)
    assert verdict.outcome is VerdictKind.REFUSED
    assert "cannot be turned to the earth's without v10" in verdict.reason


def test_a_skipped_component_still_turns_the_other(encode, write):
    path = write(*winds(encode, GRIDS["lambert north"]))
    items = list(read_fields(path, ["u10", "v10"], skip=lambda r: "" if r.field else "have it"))
    assert [item.variable for item in items if isinstance(item, SourceField)] == ["v10"]
    reasons = {item.record.field: item.reason for item in items if isinstance(item, Verdict)}
    assert reasons == {0: "used for v10", 1: ""}


def test_a_damaged_partner_refuses_both(encode, write):
    u, v = winds(encode, GRIDS["lambert north"])
    spoiled = bytearray(v)
    at = 16
    while spoiled[at + 4] != 5:
        at += int.from_bytes(spoiled[at : at + 4], "big")
    spoiled[at + 5 : at + 9] = (3).to_bytes(4, "big")  # says it has three values
    path = write(u, bytes(spoiled))
    assert len(inventory(path).records) == 2
    verdicts = list(read_fields(path, ["u10", "v10"]))
    assert [verdict.outcome for verdict in verdicts] == [VerdictKind.REFUSED, VerdictKind.REFUSED]
    assert "the other wind component cannot be read" in verdicts[0].reason


def test_nam_winds_keep_their_speed(corpus):
    path = corpus / "grib/cfgrib/nam.t00z.awp21100.tm00.grib2"
    fields = {
        f.variable: f
        for f in read_fields(path, ["u10", "v10", "ws10"])
        if isinstance(f, SourceField)
    }
    speed = np.hypot(fields["u10"].values, fields["v10"].values)
    np.testing.assert_allclose(speed, fields["ws10"].values, rtol=1e-6)
    assert fields["v10"].record.sub_message == 1
