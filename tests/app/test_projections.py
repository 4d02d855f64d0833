"""Projections against PROJ, and in closed form where they have one."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from met2net_ops.app.figures.projections import (
    PROJECTIONS,
    Conic,
    Orthographic,
    PlateCarree,
    Projection,
    Robinson,
    possible,
    projection_of,
    suited,
)
from met2net_ops.verification.inputs.regions import Region

RADIUS = 180 / np.pi
CASES: dict[str, tuple[Projection, str]] = {
    "plate": (PlateCarree(10.0, 50.0), "+proj=eqc +lon_0=10 +lat_ts=50"),
    "lambert": (
        Conic.lambert(15.0, 40.0, 60.0), "+proj=lcc +lon_0=15 +lat_1=40 +lat_2=60 +lat_0=50"
    ),
    "tangent": (Conic.lambert(0, 50, 50), "+proj=lcc +lon_0=0 +lat_1=50 +lat_0=50"),
    "southern": (
        Conic.lambert(150, -45, -15), "+proj=lcc +lon_0=150 +lat_1=-45 +lat_2=-15 +lat_0=-30"
    ),
    "north": (Conic.polar(-45, 75), "+proj=stere +lat_0=90 +lon_0=-45 +lat_ts=75"),
    "south": (Conic.polar(30, -71), "+proj=stere +lat_0=-90 +lon_0=30 +lat_ts=-71"),
    "robinson": (Robinson(20), "+proj=robin +lon_0=20"),
    "globe": (Orthographic(45, -30), "+proj=ortho +lat_0=45 +lon_0=-30"),
}  # fmt: skip
# pyproj brings a second PROJ, which cannot live in a process that has loaded ecCodes'.
_ORACLE = """
import json, sys
from pyproj import Proj
asked = json.load(sys.stdin)
project = Proj(asked["definition"])
x, y = project(asked["longitude"], asked["latitude"])
json.dump([x, y], sys.stdout)
"""


def _proj(definition: str, latitude: np.ndarray, longitude: np.ndarray) -> np.ndarray:
    asked = {
        "definition": f"{definition} +R={RADIUS!r}",
        "latitude": latitude.tolist(),
        "longitude": longitude.tolist(),
    }
    done = subprocess.run(
        [sys.executable, "-c", _ORACLE], input=json.dumps(asked), capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    if "No module named 'pyproj'" in done.stderr:
        pytest.skip("pyproj is not installed (it comes with compliance-checker)")
    assert done.returncode == 0, done.stderr
    return np.array(json.loads(done.stdout), dtype=float)


@pytest.mark.parametrize("name", CASES)
def test_places_lie_where_proj_puts_them(name: str) -> None:
    projection, definition = CASES[name]
    latitude, longitude = (
        part.ravel()
        for part in np.meshgrid(np.arange(-80.0, 81, 8), np.arange(-175.0, 180, 10), indexing="ij")
    )
    found = np.array(projection.forward(latitude, longitude))
    expected = _proj(definition, latitude, longitude)
    there = np.isfinite(expected).all(axis=0) & (np.abs(expected) < 1e4).all(axis=0)
    assert there.sum() > 300
    # PROJ has polynomials between the rows of Robinson's table, other than these splines.
    tolerance = 0.05 if name == "robinson" else 1e-9
    np.testing.assert_allclose(found[:, there], expected[:, there], atol=tolerance, rtol=1e-9)
    if name == "globe":
        np.testing.assert_array_equal(np.isfinite(found[0]), np.isfinite(expected[0]))


@pytest.mark.parametrize("name", CASES)
@given(latitude=st.floats(-85, 85), longitude=st.floats(-179.9, 179.9))
def test_a_place_and_its_point_lead_to_each_other(
    name: str, latitude: float, longitude: float
) -> None:
    projection, _ = CASES[name]
    x, y = projection.forward(latitude, longitude)
    if not np.isfinite(x) or np.hypot(x, y) > 1000:
        return
    back = projection.inverse(x, y)
    # Near the limb of a globe a place has next to no width.
    off = 1e-3 if name == "globe" else 2e-6
    np.testing.assert_allclose(back[0], latitude, atol=off)
    east = (back[1] - longitude + 180) % 360 - 180
    np.testing.assert_allclose(east * np.cos(np.radians(latitude)), 0, atol=off)


def test_corners_in_closed_form() -> None:
    # Snyder 21-5: the equator of a plane that touches the pole lies at twice the radius.
    x, y = Conic.polar(0, 90).forward(0.0, 90.0)
    np.testing.assert_allclose([x, y], [2 * RADIUS, 0], atol=1e-9)
    np.testing.assert_allclose(Conic.polar(0, 90).forward(90.0, 12.0), [0, 0], atol=1e-9)
    np.testing.assert_allclose(PlateCarree(0, 60).forward(60, 10), [5, 60])
    np.testing.assert_allclose(Orthographic(0, 0).forward(0, 90), [RADIUS, 0], atol=1e-9)
    # Robinson's table at the pole: 0.5322 of the equator's width.
    edge = Robinson().forward(90, 180)
    np.testing.assert_allclose(edge, [0.8487 * 180 * 0.5322, 1.3523 * RADIUS])
    assert np.isnan(Orthographic(0, 0).forward(0, 100)[0])
    assert np.isnan(Robinson().inverse(170, 80)[0])
    assert np.isnan(Conic.lambert(0, 40, 60).inverse(0.0, 200.0)[1])  # where the cone is cut open


@pytest.mark.parametrize(
    ("box", "kind"),
    [((90, 60), "polar"), ((-60, -90), "polar"), ((80, 62, 0, 40), "polar"),
     ((55, 49, -12, 4), "lambert"), ((-10, -45, 110, 155), "lambert"),
     ((15, -15, 90, 150), "plate"),
     ((90, -90), "robinson"), ((60, 30), "plate")],
)  # fmt: skip
def test_a_region_gets_the_projection_of_its_latitudes(box: tuple[float, ...], kind: str) -> None:
    region = Region("here", *box)
    assert suited(region) == kind
    assert set(possible(region)) <= set(PROJECTIONS)
    for one in possible(region):
        middle = (region.south + region.north) / 2
        x, _ = projection_of(region, one).forward(middle, region.west + 1)
        assert one == "globe" or np.isfinite(x)
