"""The file as other people's tools see it."""

from __future__ import annotations

import shutil
import subprocess
from datetime import timedelta

import netCDF4
import numpy as np
import pytest
import xarray as xr

from met2net_ops.variables import VARIABLES, VerticalKind


def cdo(*arguments: str) -> str:
    if shutil.which("cdo") is None:
        pytest.skip("cdo is not installed (Debian: apt-get install cdo)")
    run = subprocess.run(
        ["cdo", "-s", *arguments], capture_output=True, text=True, timeout=60, check=True
    )
    return run.stdout


def test_xarray_decodes_times_and_leads(shared_product, header, values) -> None:
    with xr.open_dataset(shared_product) as dataset:
        assert dict(dataset.sizes) == {"time": 7, "bnds": 2, "latitude": 6, "longitude": 8}
        reference = np.datetime64("2026-11-22T06:00", "ns")
        assert dataset["forecast_reference_time"].values == reference
        leads = dataset["forecast_period"].values
        assert leads.dtype == np.dtype("timedelta64[ns]")
        np.testing.assert_array_equal(leads, np.arange(1, 8) * np.timedelta64(1, "h"))
        np.testing.assert_array_equal(dataset["time"].values, reference + leads)
        np.testing.assert_array_equal(dataset["latitude"], header.grid.latitudes)
        np.testing.assert_array_equal(dataset["longitude"], header.grid.longitudes)
        for index, name in enumerate(header.variables):
            field = dataset[name]
            assert field.dims == ("time", "latitude", "longitude")
            assert field.values.dtype == np.float32
            assert field.values.tobytes() == values[:, index].tobytes()
            row = VARIABLES[name]
            assert (field.attrs["standard_name"], field.attrs["units"]) == (
                row.standard_name,
                row.units,
            )
            assert {"forecast_reference_time", "forecast_period"} <= set(field.coords)


def test_the_ioos_compliance_checker_finds_no_fault(shared_product, tmp_path) -> None:
    runner = pytest.importorskip("compliance_checker.runner")
    runner.CheckSuite.load_all_available_checkers()
    report = tmp_path / "report.txt"
    passed, errors = runner.ComplianceChecker.run_checker(
        str(shared_product),
        ["cf:1.11"],
        verbose=1,
        criteria="strict",
        output_filename=str(report),
        output_format="text",
    )
    assert not errors
    assert passed, report.read_text()
    assert "All tests passed!" in report.read_text()


def test_the_checker_would_notice(shared_product, tmp_path) -> None:
    runner = pytest.importorskip("compliance_checker.runner")
    runner.CheckSuite.load_all_available_checkers()
    spoilt = tmp_path / "spoilt.nc"
    shutil.copy(shared_product, spoilt)
    with netCDF4.Dataset(spoilt, "a") as dataset:
        dataset["t2m"].units = "m s-1"
    report = tmp_path / "report.txt"
    passed, _ = runner.ComplianceChecker.run_checker(
        str(spoilt), ["cf:1.11"], 1, "strict", output_filename=str(report), output_format="text"
    )
    assert not passed


def test_cdo_reads_dates_levels_and_values(shared_product, header, values) -> None:
    stamps = cdo("showtimestamp", str(shared_product)).split()
    assert stamps == [f"{time:%Y-%m-%dT%H:%M:%S}" for time in header.valid_times]
    lines = cdo("infon", "-seltimestep,3", str(shared_product)).splitlines()[1:]
    seen = {}
    for line in lines:
        _, where, numbers, name = line.split(" : ")
        level = float(where.split()[2])
        seen[name.strip()] = (level, *map(float, numbers.split()))
    assert set(seen) == set(VARIABLES)
    for index, name in enumerate(header.variables):
        level, low, mean, high = seen[name]
        vertical = VARIABLES[name].vertical
        has_level = vertical.kind in (VerticalKind.HEIGHT, VerticalKind.PRESSURE)
        assert level == (vertical.value if has_level else 0.0)
        field = values[2, index]
        np.testing.assert_allclose(
            (low, mean, high), (field.min(), field.mean(), field.max()), rtol=2e-4, atol=1e-5
        )


def test_chunks_are_single_leads_and_checksummed(shared_product) -> None:
    with netCDF4.Dataset(shared_product) as dataset:
        for name in VARIABLES:
            assert dataset[name].chunking() == [1, 6, 8]
            filters = dataset[name].filters()
            assert filters["zlib"]
            assert filters["shuffle"]
            assert filters["complevel"] == 1
            assert filters["fletcher32"]
        for name in ("time", "latitude", "longitude", "forecast_reference_time"):
            assert "_FillValue" not in dataset[name].ncattrs()


def test_accumulations_have_bounds_and_instants_do_not(
    tmp_path, write, header_with, values_for
) -> None:
    rain = header_with(variables=("tp",), step=timedelta(hours=6))
    with netCDF4.Dataset(write(tmp_path / "rain.nc", rain, values_for(rain))) as dataset:
        hours = (dataset["time_bnds"][:] - dataset["forecast_reference_time"][...]) / 3600
        np.testing.assert_array_equal(hours[1], [11, 12])  # tp: of the preceding hour
        assert dataset["time"].bounds == "time_bnds"
    calm = header_with(variables=("t2m",))
    with netCDF4.Dataset(write(tmp_path / "calm.nc", calm, values_for(calm))) as dataset:
        assert "time_bnds" not in dataset.variables
        assert "bounds" not in dataset["time"].ncattrs()


def test_it_names_itself_and_its_conventions(shared_product) -> None:
    with netCDF4.Dataset(shared_product) as dataset:
        assert dataset.Conventions == "CF-1.11, ACDD-1.3"
        assert dataset.time_coverage_start == "2026-11-22T07:00:00Z"
        assert dataset.time_coverage_end == "2026-11-22T13:00:00Z"
        assert dataset.time_coverage_duration == "PT6H"
        assert dataset.met2net_model_checksum == "ab" * 32
        for name in ("title", "summary", "license", "institution", "source", "history"):
            assert dataset.getncattr(name)
