"""`open_grib`: every message is in the result with its own values, or is said to be left out."""

from __future__ import annotations

import csv
import gc
import gzip
import itertools
import pickle
import subprocess
import sys
import warnings
from collections import Counter, defaultdict
from pathlib import Path

import eccodes
import numpy as np
import pytest
import xarray as xr

import met2net_ops as m2n

from .test_malformed import CASES, PLAIN

N = 20
_SPOTS = [
    "cfgrib/alternate-scanning.grib", "cfgrib/cfrzr_and_cprat.grib",
    "cfgrib/era5-levels-members.grib", "cfgrib/nam.t00z.awp21100.tm00.grib2",
    "cfgrib/reduced_gg.grib", "earthkit-data/missing.grib", "earthkit-data/pl_regular_ll.grib",
    "gribberish/ecmwf-ifs-oper-surface.grib2", "iris-test-data/ineg_jneg.grib2",
    "metview-python/ens_storm.grib", "metview-python/zt_multi_expvers.grib",
    "nwp-consumer/test_ECMWFRealtime_HRES-IFS_10u_20241104T00_S60.grib", "pygrib/gfs.grb",
    "pygrib/rotated_ll.grib1",
]  # fmt: skip


def nodes(found):
    return [node for node in found.subtree if node.data_vars] if isinstance(
        found, xr.DataTree) else [found]  # fmt: skip


def variables(found):
    return [variable for node in nodes(found) for variable in node.data_vars.values()]


def fields(found):
    """(paramId, member, level, valid time, values) of every field in a result."""
    for node in nodes(found):
        for variable in node.data_vars.values():
            level = variable.attrs["GRIB_typeOfLevel"]
            axes = [d for d in variable.dims if d in ("number", "time", "step", level)]
            for at in itertools.product(*(range(variable.sizes[axis]) for axis in axes)):
                field = variable.isel(dict(zip(axes, at, strict=True)))
                if np.isnan(field).all():
                    continue  # a combination without a message
                height = field[level].item() if level in field.coords else (
                    variable.attrs["GRIB_level"])  # fmt: skip
                number = field["number"].item() if "number" in field.coords else None
                yield (
                    int(variable.attrs["GRIB_paramId"]), number, float(height),
                    field["valid_time"].values.astype("datetime64[m]"), field.values,
                )  # fmt: skip


def check_truth(found, at):
    """Every value of the only variable is the truth where its coordinates say it is."""
    (variable,) = variables(found)
    latitude, longitude, values = xr.broadcast(
        variable["latitude"], variable["longitude"], variable
    )
    np.testing.assert_allclose(values, at(latitude.values, longitude.values), atol=1e-3)


@pytest.mark.parametrize("file", _SPOTS)
def test_a_real_file_holds_what_eccodes_lists(corpus, file):
    with (corpus / "grib_fields.csv").open(newline="") as table:
        rows = [row for row in csv.DictReader(table) if row["file"] == file]
    expected = Counter(
        (int(row["paramId"]), float(row["level"]), row["validityDate"] + row["validityTime"])
        for row in rows
    )
    figures = defaultdict(list)
    for row in rows:
        key = (int(row["paramId"]), float(row["level"]), row["validityDate"] + row["validityTime"])
        figures[key].append(float(row["mean"]))
    with warnings.catch_warnings():
        warnings.simplefilter("error", m2n.GribWarning)
        found = m2n.open_grib(corpus / "grib" / file)
    assert found.attrs["left_out"] == []
    assert found.attrs["messages"] == len(rows)
    seen = Counter()
    for param, _, level, valid, values in fields(found):
        key = (
            param,
            float(round(level)),
            str(valid).replace("-", "").replace("T", "").replace(":", ""),
        )
        seen[key] += 1
        mean = np.nanmean(values, dtype=float)
        assert np.min(np.abs(np.array(figures[key]) - mean)) <= 2e-5 * abs(mean) + 1e-12
    assert seen == expected


def test_a_whole_nam_file_has_both_winds(corpus):
    found = m2n.open_grib(corpus / "grib/cfgrib/nam.t00z.awp21100.tm00.grib2")
    assert {"u10", "v10"} <= {variable.name for variable in variables(found)}


def hours(encode, *names):
    return {
        (name, hour): encode(
            np.full(N, 280.0 + hour), shortName=name, dataDate=20261122, dataTime=100 * hour,
            typeOfFirstFixedSurface=101 if name == "msl" else 103,
        )
        for name in names for hour in range(12)
    }  # fmt: skip


def test_two_and_ten_metres_stand_in_one_dataset(encode, write, tmp_path):
    messages = hours(encode, "2t", "10u", "10v", "msl")
    found = m2n.open_grib(write(*messages.values()))
    assert isinstance(found, xr.Dataset)
    assert {name: found[name].sizes["time"] for name in found.data_vars} == dict.fromkeys(
        ["t2m", "u10", "v10", "msl"], 12
    )
    assert (found.t2m.attrs["GRIB_level"], found.u10.attrs["GRIB_level"]) == (2, 10)
    np.testing.assert_allclose(found.u10[:, 1, 2], 280.0 + np.arange(12))
    assert {variable.attrs["decoded_by"] for variable in variables(found)} == {"cfgrib"}
    assert [path.name for path in tmp_path.iterdir()] == ["file.grib"]  # no index file


def test_a_missing_message_costs_no_variable(encode, write):
    messages = hours(encode, "2t", "10u", "10v", "msl")
    del messages["2t", 5]
    found = m2n.open_grib(write(*messages.values()))
    assert sorted((v.name, v.sizes["time"]) for v in variables(found)) == [
        ("msl", 12), ("t2m", 11), ("u10", 12), ("v10", 12),
    ]  # fmt: skip
    assert found.attrs["left_out"] == []


def test_a_damaged_message_is_named_and_the_others_are_there(encode, write):
    parts = list(hours(encode, "2t").values())
    path = write(*parts[:3], parts[3][:-20], *parts[4:])
    with pytest.warns(m2n.GribWarning, match="left out of .*file.grib:\n.* bytes at "):
        found = m2n.open_grib(path)
    assert found.sizes["time"] == 11
    (line,) = found.attrs["left_out"]
    assert line.startswith(f"{len(parts[3]) - 20} bytes at {3 * len(parts[0])}")


def test_values_that_cannot_be_decoded_are_named(encode, write):
    good, bad = (
        encode(np.arange(N), dataTime=100 * hour, packingType="grid_ccsds") for hour in (0, 1)
    )
    cut = bytearray(bad)
    at = bad.rindex(b"7777") - 12
    cut[at : at + 12] = b"\xff" * 12
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = m2n.open_grib(write(good, bytes(cut)))
    inside = sum(1 for _ in fields(found))
    assert inside + len(found.attrs["left_out"]) == 2


def test_sub_messages_are_there(encode, tmp_path):
    parts = [
        encode(np.full(N, value), shortName=name) for name, value in (("2t", 1.0), ("2d", 2.0))
    ]
    handles = [eccodes.codes_new_from_message(message) for message in parts]
    multi = eccodes.codes_grib_multi_new()
    for handle in handles:
        eccodes.codes_grib_multi_append(handle, 4, multi)
    path = tmp_path / "multi"
    with path.open("wb") as file:
        eccodes.codes_grib_multi_write(multi, file)
    found = m2n.open_grib(path)
    assert (found.t2m.values == 1.0).all()
    assert (found.d2m.values == 2.0).all()


def test_sums_over_different_hours_are_apart(encode, write):
    sums = [
        encode(np.full(N, amount), shortName="tp", productDefinitionTemplateNumber=8,
               stepRange=steps, typeOfStatisticalProcessing=1)
        for amount, steps in ((12.0, "0-12"), (1.0, "11-12"))
    ]  # fmt: skip
    found = m2n.open_grib(write(*sums))
    assert sorted(float(v.max()) for v in variables(found)) == [1.0, 12.0]
    assert found.attrs["left_out"] == []


def test_the_same_variable_twice_is_there_twice(encode, write):
    found = m2n.open_grib(write(encode(np.full(N, 1.0)), encode(np.full(N, 2.0))))
    assert sorted(float(v.max()) for v in variables(found)) == [1.0, 2.0]


def test_levels_and_surface_of_one_name(encode, write):
    levels = [
        encode(np.full(N, float(level)), shortName="t", typeOfLevel="isobaricInhPa", level=level)
        for level in (850, 500, 1000)
    ]
    found = m2n.open_grib(
        write(*levels, encode(np.full(N, 5.0), shortName="t", typeOfLevel="surface"))
    )
    assert isinstance(found, xr.DataTree)
    t = found["isobaricInhPa/t"]
    np.testing.assert_allclose(t[:, 0, 0], t["isobaricInhPa"])
    assert float(found["surface/t"].max()) == 5.0


def coded_order(ny, nx, mode):
    """(row from the south, column from the west) of every point, by flag table 3.4."""
    i_negative, j_positive, j_consecutive, alternating = mode
    columns = list(range(nx))[:: -1 if i_negative else 1]
    rows = list(range(ny))[:: 1 if j_positive else -1]
    outer, inner = (columns, rows) if j_consecutive else (rows, columns)
    order = []
    for n, o in enumerate(outer):
        line = inner[::-1] if alternating and n % 2 else inner
        order += [(i, o) if j_consecutive else (o, i) for i in line]
    return order


@pytest.mark.parametrize("mode", list(itertools.product((0, 1), repeat=4)))
def test_values_lie_where_they_belong_in_every_scanning_mode(encode, write, mode):
    latitudes, longitudes = np.arange(40.0, 60.0, 5.0), np.arange(10.0, 40.0, 5.0)

    def truth(latitude, longitude):
        return 200 + latitude + longitude / 100

    order = coded_order(latitudes.size, longitudes.size, mode)
    last = coded_order(latitudes.size, longitudes.size, (*mode[:3], 0))[-1]
    names = ("iScansNegatively", "jScansPositively", "jPointsAreConsecutive",
             "alternativeRowScanning")  # fmt: skip
    message = encode(
        [truth(latitudes[j], longitudes[i]) for j, i in order],
        Ni=longitudes.size, Nj=latitudes.size,
        latitudeOfFirstGridPointInDegrees=latitudes[order[0][0]],
        longitudeOfFirstGridPointInDegrees=longitudes[order[0][1]],
        latitudeOfLastGridPointInDegrees=latitudes[last[0]],
        longitudeOfLastGridPointInDegrees=longitudes[last[1]],
        iDirectionIncrementInDegrees=5, jDirectionIncrementInDegrees=5,
        **dict(zip(names, mode, strict=True)),
    )  # fmt: skip
    check_truth(m2n.open_grib(write(message)), truth)


@pytest.mark.parametrize("last", [358.125, -1.875])
def test_a_gaussian_grid_that_ends_at_a_negative_longitude(encode, write, last):
    rows = np.rad2deg(np.arcsin(np.sort(np.polynomial.legendre.leggauss(96)[0])))[::-1]
    columns = np.arange(0, 360, 1.875)

    def truth(latitude, longitude):
        return 250 + latitude / 10 + np.cos(np.deg2rad(longitude))

    message = encode(
        truth(rows[:, None], columns), edition=1, gridType="regular_gg", N=48, Ni=192, Nj=96,
        latitudeOfFirstGridPointInDegrees=rows[0], latitudeOfLastGridPointInDegrees=rows[-1],
        longitudeOfFirstGridPointInDegrees=0, longitudeOfLastGridPointInDegrees=last,
        iDirectionIncrementInDegrees=1.875,
    )  # fmt: skip
    check_truth(m2n.open_grib(write(message)), truth)


def test_what_is_no_grib_is_an_error(write):
    with pytest.raises(m2n.IngestError, match=r"holds no GRIB message that can be read\n"):
        m2n.open_grib(write(b"<html>no</html>"))
    with pytest.raises(m2n.IngestError, match="cannot open"):
        m2n.open_grib("absent.grib")


def test_it_can_be_written_and_read_again(encode, write, tmp_path):
    found = m2n.open_grib(write(*hours(encode, "2t", "10u").values()))
    found.to_netcdf(tmp_path / "out.nc")
    with xr.open_dataset(tmp_path / "out.nc", decode_timedelta=True) as again:
        np.testing.assert_array_equal(again.t2m, found.t2m)


def test_cfgrib_is_loaded_only_when_it_is_used():
    program = "import sys, met2net_ops.gribview.open\nassert 'cfgrib' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_a_packed_file_is_opened_and_read_later(encode, tmp_path):
    messages = hours(encode, "2t", "msl")
    path = tmp_path / "file.grib2.gz"
    path.write_bytes(gzip.compress(b"".join(messages.values())))
    found = m2n.open_grib(path)
    np.testing.assert_allclose(found.t2m[:, 1, 2], 280.0 + np.arange(12))


def test_what_was_opened_can_be_sent_to_another_process(encode, write):
    found = m2n.open_grib(write(*hours(encode, "2t").values()))
    again = pickle.loads(pickle.dumps(found))  # noqa: S301
    xr.testing.assert_equal(again, found)


def test_files_are_closed_again(encode, write):
    path = write(*hours(encode, "2t").values())
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        m2n.open_grib(path)
    gc.collect()
    assert len(list(Path("/proc/self/fd").iterdir())) <= before + 1


@pytest.mark.filterwarnings("ignore::met2net_ops.GribWarning")
@pytest.mark.parametrize("name", CASES)
def test_a_malformed_message_harms_nothing(write, name):
    """None of these may reach ecCodes; the sound message beside it is there in every case."""
    message, _ = CASES[name]
    found = m2n.open_grib(write(message, PLAIN))
    inside = sum(1 for _ in fields(found))
    assert inside >= 1
    assert inside + len(found.attrs["left_out"]) >= 2


@pytest.mark.parametrize(
    ("name", "without"),
    [
        ("gc__grib_files_MET9_IR108_cosmode_0909210000.grb2", ("times", "places")),
        ("ir__test_data_GRIB_jpeg2000_file.grib2", ("times",)),
        ("ir__test_data_GRIB_umukv_ukv_chan9.grib2", ("times", "places")),
    ],
)
def test_fields_without_times_or_places_are_there_and_say_so(corpus, name, without):
    path = corpus / "cases" / "refused_though_not_wanted" / name
    (variable,) = variables(m2n.open_grib(path))
    assert not {"time", "step", "valid_time"} & set(variable.coords)
    assert [key for key in ("times", "places") if key in variable.attrs] == list(without)
    assert ("latitude" in variable.coords) == ("places" not in without)
    with path.open("rb") as file:
        handle = eccodes.codes_grib_new_from_file(file)
    eccodes.codes_set(handle, "missingValue", 1e30)
    values = eccodes.codes_get_values(handle)
    eccodes.codes_release(handle)
    expected = np.sort(values[values < 1e30])
    found = variable.values
    np.testing.assert_allclose(np.sort(found[~np.isnan(found)]), expected, rtol=1e-6)
