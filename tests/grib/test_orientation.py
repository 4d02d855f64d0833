"""All scanning modes and grids end in one orientation, at the right coordinates."""

from __future__ import annotations

import itertools

import eccodes
import numpy as np
import pytest

from met2net_ops.grib.decode import find_field, read_raw
from met2net_ops.grib.gaussian_axes import gaussian_latitudes
from met2net_ops.grib.geometry import read_geometry
from met2net_ops.grib.inventory import inventory
from met2net_ops.grib.keys import open_field
from met2net_ops.grib.projections import Projection, lambert_cone
from met2net_ops.grib.reader import read_fields
from met2net_ops.grib.records import SourceField
from met2net_ops.grib.scan import ByteSource
from met2net_ops.grib.sections import extract_field

SCANNING = ("iScansNegatively", "jScansPositively", "jPointsAreConsecutive")
MODES1 = list(itertools.product((0, 1), repeat=3))
MODES2 = list(itertools.product((0, 1), repeat=4))
R = 6371229.0  # shapeOfTheEarth 6


def coded_order(ny, nx, mode):
    """(row from the south, column from the west) of every point, by flag table 3.4."""
    i_negative, j_positive, j_consecutive, alternating = (*mode, 0)[:4]
    columns = list(range(nx))[:: -1 if i_negative else 1]
    rows = list(range(ny))[:: 1 if j_positive else -1]
    outer, inner = (columns, rows) if j_consecutive else (rows, columns)
    order = []
    for n, o in enumerate(outer):
        line = inner[::-1] if alternating and n % 2 else inner
        order += [(i, o) if j_consecutive else (o, i) for i in line]
    return order


def scanning_keys(mode):
    keys = dict(zip(SCANNING, mode, strict=False))
    return keys | ({"alternativeRowScanning": mode[3]} if len(mode) == 4 else {})


def read_one(path):
    items = list(read_fields(path, ["t2m"]))
    assert isinstance(items[0], SourceField), items
    return items[0]


@pytest.mark.parametrize("kind", ["regular_ll", "regular_gg", "rotated_ll"])
@pytest.mark.parametrize(("edition", "mode"), [(1, m) for m in MODES1] + [(2, m) for m in MODES2])
def test_latitude_longitude_grids(encode, write, kind, edition, mode):
    extra = {"gridType": kind}
    longitudes = np.arange(0, 360, 11.25)
    if kind == "regular_gg":
        extra |= {"N": 8}
        zeros = np.polynomial.legendre.leggauss(16)[0]
        latitudes = np.rad2deg(np.arcsin(np.sort(zeros)))
    else:
        latitudes = np.array([-12.0, -4.0, 4.0, 12.0, 20.0])
        extra |= {"jDirectionIncrementInDegrees": 8}
        if kind == "rotated_ll":
            longitudes = np.arange(-6, 8, 3.0)
            extra |= {"latitudeOfSouthernPoleInDegrees": -40, "longitudeOfSouthernPoleInDegrees": 9}
    truth = 250 + latitudes[:, None] / 10 + longitudes / 100
    order = coded_order(*truth.shape, mode)
    corners = {
        f"{what}Of{which}GridPointInDegrees": axis[order[at][dimension]]
        for dimension, (what, axis) in enumerate(
            [("latitude", latitudes), ("longitude", longitudes)]
        )
        for which, at in (("First", 0), ("Last", -1))
    }
    if len(mode) == 4 and mode[3]:  # alternating lines may end on the near side
        opposite = coded_order(*truth.shape, (*mode[:3], 0))[-1]
        corners["latitudeOfLastGridPointInDegrees"] = latitudes[opposite[0]]
        corners["longitudeOfLastGridPointInDegrees"] = longitudes[opposite[1]]
    message = encode(
        [truth[at] for at in order], edition=edition, Ni=longitudes.size, Nj=latitudes.size,
        **extra, **scanning_keys(mode), **corners,
        iDirectionIncrementInDegrees=longitudes[1] - longitudes[0],
    )  # fmt: skip
    field = read_one(write(message))
    np.testing.assert_allclose(field.values, truth[::-1], atol=1e-4)
    if kind == "rotated_ll":
        expected = rotate_back(*np.meshgrid(latitudes[::-1], longitudes, indexing="ij"), -40, 9)
        np.testing.assert_allclose(field.grid.latitudes, expected[0], atol=2e-3)
        np.testing.assert_allclose(field.grid.longitudes % 360, expected[1] % 360, atol=2e-3)
    else:
        assert field.grid.separable
        assert field.grid.periodic
        np.testing.assert_allclose(field.grid.latitudes, latitudes[::-1], atol=6e-4)
        np.testing.assert_allclose(field.grid.longitudes, longitudes, atol=6e-4)


def rotate_back(latitudes, longitudes, pole_latitude, pole_longitude):
    """True coordinates of a rotated grid, by rotating unit vectors."""
    phi, lam = np.deg2rad(latitudes), np.deg2rad(longitudes)
    x, y, z = np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)
    tilt, turn = np.deg2rad(-(90 + pole_latitude)), np.deg2rad(pole_longitude)
    x, z = np.cos(tilt) * x + np.sin(tilt) * z, -np.sin(tilt) * x + np.cos(tilt) * z
    x, y = np.cos(turn) * x - np.sin(turn) * y, np.sin(turn) * x + np.cos(turn) * y
    return np.rad2deg(np.arcsin(z)), np.rad2deg(np.arctan2(y, x))


LAMBERT = {
    "shapeOfTheEarth": 6, "LaDInDegrees": 40, "LoVInDegrees": 10, "Latin1InDegrees": 30,
    "Latin2InDegrees": 50, "DxInMetres": 200_000, "DyInMetres": 150_000,
}  # fmt: skip
POLAR = {
    "shapeOfTheEarth": 6, "LaDInDegrees": 60, "orientationOfTheGridInDegrees": 20,
    "DxInMetres": 200_000, "DyInMetres": 150_000,
}  # fmt: skip
MERCATOR = {
    "shapeOfTheEarth": 6, "LaDInDegrees": 20, "DiInMetres": 200_000, "DjInMetres": 150_000,
}  # fmt: skip
PROJECTED = {
    "lambert": (LAMBERT, 38.0, 5.0),
    "polar_stereographic": (POLAR, 50.0, 17.0),
    "mercator": (MERCATOR, 10.0, 30.0),
}


def eccodes_coordinates(message, shape):
    """Of a message stored south to north and west to east, where ecCodes is right."""
    with open_field(message) as handle:
        latitudes = eccodes.codes_get_double_array(handle, "latitudes").reshape(shape)
        longitudes = eccodes.codes_get_double_array(handle, "longitudes").reshape(shape)
    return latitudes[::-1], longitudes[::-1]


@pytest.mark.parametrize("mode", MODES2)
@pytest.mark.parametrize("kind", PROJECTED)
def test_projected_grids(encode, write, kind, mode):
    keys, south, west = PROJECTED[kind]
    shape = ny, nx = (4, 5)
    sizes = {"Ni": nx, "Nj": ny} if kind == "mercator" else {"Nx": nx, "Ny": ny}
    first = "latitudeOfFirstGridPointInDegrees", "longitudeOfFirstGridPointInDegrees"
    plain = encode(
        np.full(nx * ny, 280.0), gridType=kind, **sizes, **keys,
        **dict(zip(first, (south, west), strict=True)), **scanning_keys((0, 1, 0, 0)),
    )  # fmt: skip
    if kind == "mercator":  # ecCodes wants the far corner as well
        latitudes, longitudes = mercator_axes(south, west, ny, nx)
        latitudes, longitudes = np.meshgrid(latitudes[::-1], longitudes, indexing="ij")
    else:
        latitudes, longitudes = eccodes_coordinates(plain, shape)
    truth = 280 + latitudes / 10 + longitudes / 100
    order = coded_order(ny, nx, mode)
    row, column = order[0]
    corner = latitudes[::-1][row, column], longitudes[::-1][row, column]
    corners = dict(zip(first, corner, strict=True))
    if kind == "mercator":  # the only one of them that states its last point
        end = coded_order(ny, nx, (*mode[:3], 0))[-1]
        corners["latitudeOfLastGridPointInDegrees"] = latitudes[::-1][end]
        corners["longitudeOfLastGridPointInDegrees"] = longitudes[::-1][end]
    message = encode(
        [truth[::-1][at] for at in order], gridType=kind, **sizes, **keys, **corners,
        **scanning_keys(mode),
    )  # fmt: skip
    field = read_one(write(message))
    np.testing.assert_allclose(field.values, truth, atol=1e-4)
    ours = np.broadcast_arrays(
        field.grid.latitudes[:, None] if field.grid.separable else field.grid.latitudes,
        field.grid.longitudes,
    )
    np.testing.assert_allclose(ours[0], latitudes, atol=2e-6)
    np.testing.assert_allclose(ours[1], longitudes, atol=3e-6)


def mercator_axes(south, west, ny, nx):
    """Sphere: y = R cos(20 deg) artanh(sin latitude)."""
    radius = R * np.cos(np.deg2rad(20))
    y = radius * np.arctanh(np.sin(np.deg2rad(south))) + 150_000 * np.arange(ny)
    return (
        np.rad2deg(np.arcsin(np.tanh(y / radius))),
        west + np.rad2deg(200_000 / radius) * np.arange(nx),
    )


def test_southern_polar_stereographic_mirrors_the_northern():
    north = Projection("polar_stereographic", 1.0, 1.2e7, 0.08, 30.0, 5e4, 5e4)
    south = Projection("polar_stereographic", -1.0, -1.2e7, 0.08, 30.0, 5e4, 5e4)
    steps = np.arange(6)
    up = north.coordinates(60.0, 40.0, steps, steps)
    down = south.coordinates(-60.0, 40.0, -steps, steps)
    np.testing.assert_allclose(up[0], -down[0], atol=1e-9)
    np.testing.assert_allclose(up[1], down[1], atol=1e-9)


@pytest.mark.parametrize("e", [0.0, 0.0818])
def test_projections_are_conformal_with_true_scale(e):
    cone = lambert_cone(35, 55, e)
    t = np.tan(np.pi / 4 - np.deg2rad(35) / 2) / (
        (1 - e * np.sin(np.deg2rad(35))) / (1 + e * np.sin(np.deg2rad(35)))
    ) ** (e / 2)
    m = np.cos(np.deg2rad(35)) / np.sqrt(1 - (e * np.sin(np.deg2rad(35))) ** 2)
    projection = Projection("lambert", cone, R * m / (cone * t**cone), e, 10.0, 1.0, 1.0)
    for latitude in (35.0, 55.0):  # a metre on the plane is a metre on the ground
        x, y = projection.forward(latitude, 14.0)
        d = 1e-5
        x2, y2 = projection.forward(latitude, 14.0 + d)
        s = np.sin(np.deg2rad(latitude))
        ground = R * np.cos(np.deg2rad(latitude)) / np.sqrt(1 - (e * s) ** 2) * np.deg2rad(d)
        assert np.hypot(x2 - x, y2 - y) == pytest.approx(ground, rel=1e-5)


def test_corpus_grids_lie_where_ecCodes_puts_them(corpus):  # noqa: N802
    """Every point and value of every distinct grid, except where ecCodes is known to be wrong."""
    seen = set()
    for path in sorted((corpus / "grib").rglob("*")):
        if not path.is_file() or path.name == "regular_ll_wrong_increment.grib":
            continue
        with ByteSource(path) as source:
            for record in inventory(path).records:
                name = (path.parent.name, record.grid_type, record.ni, record.nj, record.points)
                if name in seen or record.grid_type == "sh" or record.points > 1_000_000:
                    continue
                seen.add(name)
                check_against_eccodes(source, record)
    assert len(seen) > 20


def check_against_eccodes(source, record):
    frame, _ = find_field(source, record)
    message = extract_field(
        source.read(frame.offset, frame.length), frame.edition, frame.sections, record.sub_message
    )
    values = read_raw(source, record)
    with open_field(message) as handle:
        geometry = read_geometry(handle)
        alternating = eccodes.codes_get(handle, "alternativeRowScanning")
        latitudes = eccodes.codes_get_double_array(handle, "latitudes")
        longitudes = eccodes.codes_get_double_array(handle, "longitudes")
    grid = geometry.grid
    oriented = values if geometry.scanning is None else geometry.scanning.orient(values)
    if grid.separable:
        ours = np.meshgrid(grid.latitudes, grid.longitudes, indexing="ij")
    else:
        ours = grid.latitudes, grid.longitudes
    if alternating:  # ecCodes' coordinates do not turn every other row; its values are so stored
        values = values.reshape(grid.shape)
        values = np.where(np.arange(grid.shape[0])[:, None] % 2, values[:, ::-1], values).ravel()

    if not grid.separable:  # the same point of both, without sorting
        if geometry.scanning is not None:
            latitudes, longitudes, values = (
                geometry.scanning.orient(array) for array in (latitudes, longitudes, values)
            )
        np.testing.assert_allclose(ours[0], latitudes, atol=1e-5)
        difference = (ours[1] - longitudes + 180) % 360 - 180
        np.testing.assert_allclose(difference, 0, atol=1e-5)
        np.testing.assert_array_equal(oriented, values)
        return

    def by_place(latitude, longitude, field):
        place = np.lexsort((np.round(longitude, 4) % 360, np.round(latitude, 4)))
        return latitude[place], (longitude[place] + 180) % 360, field[place]

    theirs = by_place(latitudes, longitudes, values)
    mine = by_place(*(np.ravel(array) for array in ours), oriented.ravel())
    np.testing.assert_allclose(mine[0], theirs[0], atol=1e-5)
    np.testing.assert_allclose(mine[1], theirs[1], atol=1e-5)
    np.testing.assert_array_equal(mine[2], theirs[2])


def test_a_grid_across_the_date_line_ascends(encode, write):
    message = encode(
        np.full(20, 280.0), Ni=5, Nj=4, latitudeOfFirstGridPointInDegrees=60,
        longitudeOfFirstGridPointInDegrees=350, latitudeOfLastGridPointInDegrees=45,
        longitudeOfLastGridPointInDegrees=10, iDirectionIncrementInDegrees=5,
        jDirectionIncrementInDegrees=5,
    )  # fmt: skip
    grid = read_one(write(message)).grid
    assert grid.longitudes.tolist() == [350, 355, 360, 365, 370]
    assert not grid.periodic


def test_ends_and_increment_that_disagree_are_refused(encode, write):
    message = encode(
        np.full(20, 280.0), Ni=5, Nj=4, latitudeOfFirstGridPointInDegrees=60,
        longitudeOfFirstGridPointInDegrees=10, latitudeOfLastGridPointInDegrees=45,
        longitudeOfLastGridPointInDegrees=31, iDirectionIncrementInDegrees=5,
        jDirectionIncrementInDegrees=5,
    )  # fmt: skip
    (verdict,) = read_fields(write(message), ["t2m"])
    assert "the increment stated is 5°" in verdict.reason


def test_grid_is_computed_once_for_many_files(encode, write):
    from met2net_ops.grib.decode import GridCache

    cache = GridCache()
    grids = [
        item.grid
        for i in range(2)
        for item in read_fields(
            write(encode(np.full(20, 280.0 + i)), name=f"{i}.grib"), ["t2m"], grids=cache
        )
        if isinstance(item, SourceField)
    ]
    assert grids[0] is grids[1]


@pytest.mark.parametrize("n", [1, 8, 80, 320])
def test_gaussian_latitudes(n):
    expected = np.rad2deg(np.arcsin(np.polynomial.legendre.leggauss(2 * n)[0]))[::-1]
    np.testing.assert_allclose(gaussian_latitudes(n), expected, atol=1e-9)


def test_a_part_of_a_gaussian_grid(encode, write):
    rows = gaussian_latitudes(8)[3:9]
    message = encode(
        np.repeat(280 + rows / 10, 5), gridType="regular_gg", Ni=5, Nj=6, N=8,
        latitudeOfFirstGridPointInDegrees=rows[0], latitudeOfLastGridPointInDegrees=rows[-1],
        longitudeOfFirstGridPointInDegrees=0, longitudeOfLastGridPointInDegrees=45,
        iDirectionIncrementInDegrees=11.25,
    )  # fmt: skip
    field = read_one(write(message))
    np.testing.assert_allclose(field.grid.latitudes, rows)
    np.testing.assert_allclose(field.values[:, 0], 280 + rows / 10, atol=1e-4)
    assert not field.grid.periodic
