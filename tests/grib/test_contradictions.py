"""A header that contradicts itself about a place: the right points, or a refusal with numbers.

Grids are made from a definition whose coordinates are known in closed form; then one of the facts
that the header states is changed.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from met2net_ops.grib.reader import read_fields
from met2net_ops.grib.records import SourceField, Verdict, VerdictKind

from .conftest import encode_message

FIRST_LATITUDE, LAST_LATITUDE = (f"latitudeOf{end}GridPointInDegrees" for end in ("First", "Last"))
FIRST_LONGITUDE, LAST_LONGITUDE = (
    f"longitudeOf{end}GridPointInDegrees" for end in ("First", "Last")
)
DI, DJ = "iDirectionIncrementInDegrees", "jDirectionIncrementInDegrees"
RADIUS = {1: 6_367_470.0, 2: 6_371_229.0}  # of the spheres encoded below
# A point is at its place if it is off by no more than the coding of its header.
PLACE = {1: 2e-3, 2: 2e-3}

unhurried = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def corners(latitudes, longitudes, i_negative, j_positive):
    """First and last point of axes that ascend, and the scanning mode they have them in."""
    south_north = (latitudes[0], latitudes[-1])[:: 1 if j_positive else -1]
    west_east = (longitudes[0], longitudes[-1])[:: -1 if i_negative else 1]
    return {
        FIRST_LATITUDE: south_north[0],
        FIRST_LONGITUDE: west_east[0],
        LAST_LATITUDE: south_north[1],
        LAST_LONGITUDE: west_east[1],
        "iScansNegatively": int(i_negative),
        "jScansPositively": int(j_positive),
    }


def read_one(path):
    items = list(read_fields(path, ["t2m"]))
    if isinstance(items[0], SourceField):
        return items[0], ""
    (verdict,) = items
    assert isinstance(verdict, Verdict)
    assert verdict.outcome is VerdictKind.REFUSED
    return None, verdict.reason


def check(path, latitudes, longitudes, tolerance, number=None):
    """The field lies at these points (ascending), or is refused with that number."""
    field, reason = read_one(path)
    if field is None:
        if number is not None:
            assert any(f"{value:g}" in reason for value in (number, number % 360, number + 360)), (
                reason
            )
        return False
    ours = field.grid
    if not ours.separable:
        raise AssertionError("use points for a mesh")
    np.testing.assert_allclose(ours.latitudes[::-1], latitudes, atol=tolerance)
    difference = (ours.longitudes - longitudes + 180) % 360 - 180
    np.testing.assert_allclose(difference, 0, atol=tolerance)
    return True


@st.composite
def regular_grids(draw):
    """(edition, latitudes, longitudes, keys) of a grid whose header is right."""
    edition = draw(st.sampled_from([1, 2]))
    dlat, dlon = (draw(st.sampled_from([0.1, 0.25, 0.5, 1.0, 1.5, 1.9, 2.5])) for _ in range(2))
    if draw(st.booleans()):  # global, from pole to pole or not
        dlat = dlon = draw(st.sampled_from([2.0, 2.5, 5.0]))
        half = draw(st.sampled_from([0.0, 0.5])) * dlat
        latitudes = np.arange(-90 + half, 90 + 1e-6, dlat)
        longitudes = draw(st.sampled_from([0.0, -180.0])) + np.arange(0, 360 - 1e-6, dlon)
    else:
        nj, ni = draw(st.integers(4, 40)), draw(st.integers(4, 60))
        assume(dlat * nj < 100 and dlon * ni < 300)
        south = round(draw(st.floats(-90, 90 - dlat * (nj - 1))), 1)
        west = round(draw(st.floats(-180, 359)), 1)
        latitudes, longitudes = south + dlat * np.arange(nj), west + dlon * np.arange(ni)
        assume(latitudes[-1] <= 90 and latitudes[0] >= -90)
    keys = {"edition": edition, "Ni": longitudes.size, "Nj": latitudes.size}
    keys |= {"ijDirectionIncrementGiven": 1, DI: dlon, DJ: dlat}
    keys |= corners(latitudes, longitudes, draw(st.booleans()), draw(st.booleans()))
    return edition, latitudes, longitudes, keys


def encode(keys):
    return encode_message(np.full(keys["Ni"] * keys["Nj"], 280.0), **keys)


@unhurried
@given(grid=regular_grids())
def test_a_regular_grid_without_contradictions_is_taken(write, grid):
    edition, latitudes, longitudes, keys = grid
    assert check(write(encode(keys)), latitudes, longitudes, PLACE[edition])


@unhurried
@given(
    grid=regular_grids(),
    key=st.sampled_from([FIRST_LATITUDE, FIRST_LONGITUDE, LAST_LATITUDE, LAST_LONGITUDE, DI, DJ]),
    change=st.sampled_from([0.05, 0.1, 0.5, 1.0, 1.9, 2.0, 10.0, 90.0, 180.0])
    | st.floats(0.004, 10).map(lambda change: round(change, 3)),
    sign=st.sampled_from([-1, 1]),
)
def test_one_wrong_number_of_a_regular_grid(write, grid, key, change, sign):
    edition, latitudes, longitudes, keys = grid
    changed = keys[key] + sign * change
    low, high = {"la": (-90, 90), "lo": (-180, 360)}.get(key[:2], (0.02, 60))
    assume(low <= changed <= high)
    stated = keys | {key: changed}
    # A last column at the first plus 360 degrees is a known habit and taken for one.
    assume(abs(abs(stated[LAST_LONGITUDE] - stated[FIRST_LONGITUDE]) - 360) > 0.1)
    check(write(encode(stated)), latitudes, longitudes, PLACE[edition], round(changed, 3))


@unhurried
@given(grid=regular_grids(), key=st.sampled_from(["iScansNegatively", "jScansPositively"]))
def test_a_wrong_scanning_flag_of_a_regular_grid(write, grid, key):
    edition, latitudes, longitudes, keys = grid
    message = encode(keys | {key: 1 - keys[key]})
    check(write(message), latitudes, longitudes, PLACE[edition])


@unhurried
@given(grid=regular_grids(), flips=st.booleans())
def test_a_regular_grid_without_increments(write, grid, flips):
    """Its ends are all there is; the way round the globe may still contradict the rows."""
    edition, latitudes, longitudes, keys = grid
    keys = keys | {"ijDirectionIncrementGiven": 0}
    whole = longitudes.size * (longitudes[1] - longitudes[0]) > 359
    assume(not (whole and flips))  # nothing says that columns do not go the short way
    if flips:
        keys["iScansNegatively"] = 1 - keys["iScansNegatively"]
        assume(np.ptp(longitudes) < 45)
        assume(abs(np.ptp(longitudes) - 360 / longitudes.size) > 0.1)  # the globe is that plausible
        assume(0.65 < (longitudes[1] - longitudes[0]) / (latitudes[1] - latitudes[0]) < 1.5)
    taken = check(write(encode(keys)), latitudes, longitudes, PLACE[edition])
    assert taken is not flips


@pytest.mark.parametrize("edition", [1, 2])
@pytest.mark.parametrize(
    ("step", "coded"),
    [(0.0625, 0.063), (0.0625, 0.062), (1 / 3, 0.333), (0.140625, 0.141), (0.0735, 0.074)],
)
def test_an_increment_rounded_to_thousandths_is_no_contradiction(write, edition, step, coded):
    latitudes, longitudes = 10 + step * np.arange(201), 20 + step * np.arange(161)
    keys = {"edition": edition, "Ni": 161, "Nj": 201, DI: coded, DJ: coded}
    keys |= corners(latitudes, longitudes, False, False)
    assert check(write(encode(keys)), latitudes, longitudes, 1.1e-3)


def test_rows_whose_increment_does_not_divide_their_range_are_refused(write):
    """1801 rows of 0.1° from pole to pole need a last row at -90°, and not 1.8° away from it."""
    longitudes, latitudes = 0.25 * np.arange(8), np.linspace(-88.2, 90, 1801)
    keys = {"Ni": 8, "Nj": 1801, DI: 0.25, DJ: 0.1}
    _, reason = read_one(write(encode(keys | corners(latitudes, longitudes, False, False))))
    assert "-88.2° to 90°" in reason
    assert "0.1°" in reason
    # From pole to pole, but 1.9° fits no such rows; the columns are right.
    latitudes, longitudes = np.linspace(-90, 90, 95), 2.5 * np.arange(144)
    keys = {"Ni": 144, "Nj": 95, DI: 2.5, DJ: 1.9}
    _, reason = read_one(write(encode(keys | corners(latitudes, longitudes, False, False))))
    assert "-90° to 90°" in reason
    assert "1.9°" in reason


def test_a_last_longitude_that_is_the_first_one_again(write):
    latitudes, longitudes = np.arange(-90.0, 91, 5), np.arange(0, 360, 5.0)
    keys = {"Ni": 72, "Nj": 37, DI: 5, DJ: 5} | corners(latitudes, longitudes, False, False)
    assert check(write(encode(keys | {LAST_LONGITUDE: 360})), latitudes, longitudes, 1e-6)


def rotated(latitudes, longitudes, tilt):
    """True points of a rotated grid whose south pole lies at (-90 + tilt, 0), as unit vectors."""
    phi, lam = np.deg2rad(latitudes)[:, None], np.deg2rad(longitudes)
    x, y = np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam)
    z, turn = np.sin(phi) + 0 * lam, np.deg2rad(tilt)
    return np.stack([
        np.cos(turn) * x - np.sin(turn) * z, y, np.sin(turn) * x + np.cos(turn) * z
    ])  # fmt: skip


@unhurried
@given(
    key=st.sampled_from([FIRST_LATITUDE, FIRST_LONGITUDE, LAST_LATITUDE, LAST_LONGITUDE, DI, DJ]),
    change=st.floats(-20, 20),
    edition=st.sampled_from([1, 2]),
)
def test_one_wrong_number_of_a_rotated_grid(write, key, change, edition):
    latitudes, longitudes = -12 + 0.5 * np.arange(30), 350 + 0.5 * np.arange(41)
    keys = {"edition": edition, "gridType": "rotated_ll", "Ni": 41, "Nj": 30, DI: 0.5, DJ: 0.5}
    keys |= {"latitudeOfSouthernPoleInDegrees": -40, "longitudeOfSouthernPoleInDegrees": 0}
    keys |= corners(latitudes, longitudes, False, True)
    keys[key] = round(keys[key] + change, 3)
    assume(keys[key] > 0.01 or key not in (DI, DJ))
    field, reason = read_one(write(encode(keys)))
    if field is None:
        assert f"{keys[key]:g}" in reason or f"{keys[key] % 360:g}" in reason
        return
    phi, lam = np.deg2rad(field.grid.latitudes), np.deg2rad(field.grid.longitudes)
    ours = np.stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)])
    np.testing.assert_allclose(ours[:, ::-1], rotated(latitudes, longitudes, 50), atol=1e-4)


@st.composite
def mercator_grids(draw):
    """(edition, latitudes, longitudes, keys): rows even in artanh(sin), columns in longitude."""
    edition = draw(st.sampled_from([1, 2]))
    ni, nj, true = draw(st.integers(4, 60)), draw(st.integers(4, 60)), draw(st.integers(-60, 60))
    di = draw(st.sampled_from([9000, 18000, 27000]))
    dj = di if draw(st.booleans()) else draw(st.sampled_from([9000, 18000, 27000]))
    scale = RADIUS[edition] * np.cos(np.deg2rad(true))
    west, south = draw(st.integers(0, 359)), draw(st.integers(-60, 50))
    longitudes = west + np.rad2deg(di / scale) * np.arange(ni)
    psi = np.arctanh(np.sin(np.deg2rad(south))) + dj / scale * np.arange(nj)
    latitudes = np.rad2deg(np.arcsin(np.tanh(psi)))
    keys = {"edition": edition, "gridType": "mercator", "Ni": ni, "Nj": nj, "LaDInDegrees": true}
    keys |= {"shapeOfTheEarth": 6} if edition == 2 else {}
    keys |= {"DiInMetres": di, "DjInMetres": dj, "resolutionAndComponentFlags": 48 if edition == 2
             else 128}  # fmt: skip
    ends = corners(latitudes, longitudes % 360, draw(st.booleans()), draw(st.booleans()))
    return edition, latitudes, longitudes, keys | ends


@unhurried
@given(grid=mercator_grids(), orientation=st.sampled_from([0, 0, 20, 180]))
def test_a_mercator_grid_lies_where_its_ends_are(write, grid, orientation):
    """Whatever orientation it states, as it has these ends only if it is not turned."""
    edition, latitudes, longitudes, keys = grid
    if edition == 2:
        keys["orientationOfTheGridInDegrees"] = orientation
    assert check(write(encode(keys)), latitudes, longitudes, PLACE[edition])


@unhurried
@given(
    grid=mercator_grids(),
    key=st.sampled_from([FIRST_LATITUDE, FIRST_LONGITUDE, LAST_LATITUDE, LAST_LONGITUDE]),
    change=st.floats(-30, 30),
)
def test_one_wrong_corner_of_a_mercator_grid(write, grid, key, change):
    edition, latitudes, longitudes, keys = grid
    cell = min(np.diff(latitudes).min(), np.diff(longitudes).min())
    assume(abs(change) > cell / 4)
    keys[key] = round(keys[key] + change, 3)
    assume(-90 <= keys[key] <= (90 if key.startswith("la") else 360))
    assert not check(write(encode(keys)), latitudes, longitudes, PLACE[edition], keys[key])


@unhurried
@given(
    grid=mercator_grids(),
    key=st.sampled_from(["LaDInDegrees", "DiInMetres", "DjInMetres"]),
    factor=st.sampled_from([0.5, 0.9, 1.01, 1.1, 2.0]),
)
def test_one_wrong_step_of_a_mercator_grid(write, grid, key, factor):
    edition, latitudes, longitudes, keys = grid
    keys[key] = round(keys[key] * factor)
    assume(abs(keys["LaDInDegrees"]) < 85)
    check(write(encode(keys)), latitudes, longitudes, PLACE[edition])


def test_mercator_across_the_date_line(write):
    """As reported: 0.2145° a column, which is 18 km at 41° and not at the stated 24.792°."""
    keys = {
        "edition": 1, "gridType": "mercator", "Ni": 119, "Nj": 134, "LaDInDegrees": 24.792,
        "DiInMetres": 18000, "DjInMetres": 18000, "resolutionAndComponentFlags": 128,
        "jScansPositively": 1, FIRST_LATITUDE: -50.882, FIRST_LONGITUDE: 159.843,
        LAST_LATITUDE: -29.381, LAST_LONGITUDE: -174.843,
    }  # fmt: skip
    field, _ = read_one(write(encode(keys)))
    assert field.grid.latitudes[[0, -1]] == pytest.approx([-29.381, -50.882], abs=1e-3)
    assert field.grid.longitudes[[0, -1]] == pytest.approx([159.843, 185.157], abs=1e-3)


def test_the_reported_mercator_file(corpus):
    (field, _) = read_fields(corpus / "cases/mercator_dateline/a.grib", ["t2m"])
    assert field.grid.latitudes[[0, -1]] == pytest.approx([-29.381, -50.882], abs=1e-3)
    assert field.grid.longitudes[[0, -1]] == pytest.approx([159.843, 185.157], abs=1e-3)


def gaussian(n):
    """Latitudes from south to north, by another method than ecCodes'."""
    return np.rad2deg(np.arcsin(np.polynomial.legendre.leggauss(2 * n)[0]))


@unhurried
@given(
    key=st.sampled_from([FIRST_LATITUDE, FIRST_LONGITUDE, LAST_LATITUDE, LAST_LONGITUDE, DI, "N"]),
    change=st.sampled_from([-20, -5, -1, 1, 3, 8, 40]),
    part=st.booleans(),
)
def test_one_wrong_number_of_a_gaussian_grid(write, key, change, part):
    latitudes, longitudes = gaussian(16), np.arange(0, 360, 5.625)
    if part:
        latitudes, longitudes = latitudes[5:21], longitudes[8:30]
    keys = {"gridType": "regular_gg", "Ni": longitudes.size, "Nj": latitudes.size, "N": 16}
    keys |= {DI: 5.625} | corners(latitudes, longitudes, False, False)
    assert check(write(encode(keys)), latitudes, longitudes, 1e-3)
    keys[key] += change
    assume(keys[key] > 0 or key not in (DI, "N"))
    assume(abs(keys[key]) <= 90 or not key.startswith("la"))
    check(write(encode(keys)), latitudes, longitudes, 1e-3, keys[key])


@pytest.mark.parametrize(
    ("keys", "reason"),
    [({FIRST_LATITUDE: 60}, "from 60°"), ({LAST_LATITUDE: -60}, "to -60°"), ({"N": 4}, "N = 4")],
)
def test_a_reduced_gaussian_grid_that_contradicts_itself(write, keys, reason):
    counts = [8, 12, 16, 16, 16, 16, 12, 8]
    latitudes = gaussian(4)
    good = {"gridType": "reduced_gg", "N": 4, FIRST_LATITUDE: latitudes[-1]}
    good |= {LAST_LATITUDE: latitudes[0], FIRST_LONGITUDE: 0, LAST_LONGITUDE: 337.5}
    field, _ = read_one(write(encode_reduced(counts, good)))
    np.testing.assert_allclose(np.unique(field.grid.latitudes), latitudes, atol=1e-6)
    if "N" in keys:
        keys = {"N": 5}
        reason = "N = 5"
    _, said = read_one(write(encode_reduced(counts, good | keys)))
    assert reason in said


def encode_reduced(counts, keys):
    import eccodes

    handle = eccodes.codes_grib_new_from_samples("reduced_gg_pl_32_grib2")
    try:
        for key, value in ({"shortName": "2t"} | keys).items():
            if key != "gridType":
                eccodes.codes_set(handle, key, value)
        eccodes.codes_set_array(handle, "pl", counts)
        eccodes.codes_set(handle, "Nj", len(counts))
        eccodes.codes_set_values(handle, np.full(sum(counts), 280.0))
        return bytes(eccodes.codes_get_message(handle))
    finally:
        eccodes.codes_release(handle)


def test_a_bitmap_and_counts_that_disagree(write):
    values = np.where(np.arange(20) % 3, 280.0 + np.arange(20), np.nan)
    for packing, edition in (("grid_simple", 1), ("grid_simple", 2), ("grid_ccsds", 2)):
        message = bytearray(
            encode_message(values, missing=True, packingType=packing, edition=edition)
        )
        bitmap = message.index(np.packbits(np.isfinite(values)).tobytes())
        message[bitmap] ^= 0x80  # one point more
        _, reason = read_one(write(bytes(message)))
        assert "its bitmap marks 14 of 20 points, not 13" in reason


POLAR = {
    "gridType": "polar_stereographic", "Nx": 9, "Ny": 7, "shapeOfTheEarth": 6,
    "orientationOfTheGridInDegrees": 20, "DxInMetres": 50_000, "DyInMetres": 50_000,
    FIRST_LONGITUDE: 60, "jScansPositively": 1,
}  # fmt: skip


@pytest.mark.parametrize("side", [1, -1])
def test_the_pole_of_a_projection_by_two_of_three(write, side):
    """Its flag, the latitude of true scale and the first point each say which pole is meant."""
    true = POLAR | {"LaDInDegrees": 60 * side, FIRST_LATITUDE: 55 * side}
    true["projectionCentreFlag"] = 0 if side == 1 else 128
    field, _ = read_one(write(encode_message(np.full(63, 280.0), **true)))
    wrong = [
        {"projectionCentreFlag": 128 - true["projectionCentreFlag"]},
        {"LaDInDegrees": -60 * side},
    ]
    for change in wrong:
        other, _ = read_one(write(encode_message(np.full(63, 280.0), **(true | change))))
        assert other.grid == field.grid
    changed = true | {FIRST_LATITUDE: -55 * side}
    _, reason = read_one(write(encode_message(np.full(63, 280.0), **changed)))
    assert f"{-55 * side}°" in reason


def test_a_lambert_grid_beyond_its_cone_is_refused(write):
    keys = {
        "gridType": "lambert", "Nx": 9, "Ny": 7, "shapeOfTheEarth": 6, "LaDInDegrees": 50,
        "LoVInDegrees": 8, "Latin1InDegrees": 45, "Latin2InDegrees": 55, "DxInMetres": 20_000,
        "DyInMetres": 20_000, FIRST_LATITUDE: 46, FIRST_LONGITUDE: 5, "jScansPositively": 1,
    }  # fmt: skip
    assert read_one(write(encode_message(np.full(63, 280.0), **keys)))[0]
    wide = keys | {"DxInMetres": 2_000_000, "DyInMetres": 2_000_000}
    _, reason = read_one(write(encode_message(np.full(63, 280.0), **wide)))
    assert "beyond" in reason
    assert "2e+06 m" in reason


@pytest.mark.parametrize("edition", [1, 2])
def test_counts_that_disagree(write, edition):
    """Columns and rows against the ends, the number of points and the values themselves."""
    values = 280 + np.arange(20.0)
    message = encode_message(values, edition=edition)
    if edition == 2:
        section, width = message.index((72).to_bytes(4, "big") + b"\x03"), 4
        places = {"Ni": section + 30, "Nj": section + 34}
    else:
        section, width = 8 + int.from_bytes(message[8:11], "big"), 2
        places = {"Ni": section + 6, "Nj": section + 8}
    for at in places.values():
        spoiled = bytearray(message)
        count = int.from_bytes(message[at : at + width], "big") + 1
        spoiled[at : at + width] = count.to_bytes(width, "big")
        _, reason = read_one(write(bytes(spoiled)))
        assert str(count) in reason


@pytest.mark.parametrize("kind", ["lambert", "polar_stereographic"])
def test_an_earth_of_the_wrong_size_is_refused(write, kind):
    """A radius coded in kilometres would put every point but the first elsewhere."""
    keys = POLAR | {"gridType": kind, "LaDInDegrees": 60, FIRST_LATITUDE: 55}
    if kind == "lambert":
        del keys["orientationOfTheGridInDegrees"]
        keys |= {"LoVInDegrees": 20, "Latin1InDegrees": 60, "Latin2InDegrees": 60}
    keys |= {
        "shapeOfTheEarth": 1, "scaleFactorOfRadiusOfSphericalEarth": 0,
        "scaledValueOfRadiusOfSphericalEarth": 6371,
    }  # fmt: skip
    _, reason = read_one(write(encode_message(np.full(63, 280.0), **keys)))
    assert "6371" in reason


def test_rows_beyond_a_pole_are_refused(write):
    latitudes, longitudes = 80 + 0.5 * np.arange(30), 0.5 * np.arange(41)
    keys = {"gridType": "rotated_ll", "Ni": 41, "Nj": 30, DI: 0.5, DJ: 0.5}
    keys |= {"latitudeOfSouthernPoleInDegrees": -40, "longitudeOfSouthernPoleInDegrees": 0}
    _, reason = read_one(write(encode(keys | corners(latitudes, longitudes, False, True))))
    assert "94.5°" in reason


@unhurried
@given(grid=regular_grids())
def test_a_last_point_that_is_left_out_follows_from_the_increment(write, grid):
    edition, latitudes, longitudes, keys = grid
    assume(edition == 2)
    message = bytearray(encode(keys))
    section = bytes(message).index((72).to_bytes(4, "big") + b"\x03")
    message[section + 55 : section + 63] = b"\xff" * 8
    assert check(write(bytes(message)), latitudes, longitudes, 1e-3)


@unhurried
@given(grid=mercator_grids(), left_out=st.sampled_from(["last", "increments", "both"]))
def test_mercator_grids_that_say_it_once(write, grid, left_out):
    edition, latitudes, longitudes, keys = grid
    assume(edition == 2)
    message = bytearray(encode(keys))
    section = bytes(message).index((72).to_bytes(4, "big") + b"\x03")
    if left_out != "increments":
        message[section + 51 : section + 59] = b"\xff" * 8
    if left_out != "last":
        message[section + 64 : section + 72] = b"\xff" * 8
    taken = check(write(bytes(message)), latitudes, longitudes, PLACE[edition])
    assert taken is (left_out != "both")
