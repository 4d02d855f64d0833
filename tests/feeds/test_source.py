"""Sources: every file that ships is sound, and one of a user's own is checked and wins."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from met2net_ops.errors import FeedError
from met2net_ops.feeds.plan import usable_mirrors, wanted_files
from met2net_ops.feeds.source import find_sources

RUN = datetime(2025, 8, 1, tzinfo=UTC)
OWN = """
name = "mine"
title = "My centre"
grid = "1 degree"
step_hours = 1
analysis_leads = [0]
licence = "ours"
attribution = "ours"
schedule = { hours = [0], first_minutes = 10, longest_lead = 0 }
mirrors = [{ name = "here", url = "https://example.org/{time:%Y%m%d}/f{lead:03d}" }]
fields.t2m.keys = { element = "TMP", level = "2 m above ground" }
"""


def test_addresses_are_those_of_the_hosts() -> None:
    sources = find_sources()
    run, lead = datetime(2025, 8, 1, 6, tzinfo=UTC), timedelta(hours=3)
    found = {}
    for name in ("gfs", "hrrr", "ecmwf-ifs", "ecmwf-aifs"):
        mirror = sources[name].mirrors[0]
        url = mirror.address(run, lead)
        found[name] = (url, mirror.index_address(url))
    gfs = "https://noaa-gfs-bdp-pds.s3.amazonaws.com/gfs.20250801/06/atmos/gfs.t06z.pgrb2.0p25.f003"
    hrrr = (
        "https://noaa-hrrr-bdp-pds.s3.amazonaws.com/hrrr.20250801/conus/hrrr.t06z.wrfsfcf03.grib2"
    )
    root = "https://ecmwf-forecasts.s3.eu-central-1.amazonaws.com/20250801/06z"
    name = "0p25/oper/20250801060000-3h-oper-fc"
    assert found == {
        "gfs": (gfs, f"{gfs}.idx"),
        "hrrr": (hrrr, f"{hrrr}.idx"),
        "ecmwf-ifs": (f"{root}/ifs/{name}.grib2", f"{root}/ifs/{name}.index"),
        "ecmwf-aifs": (f"{root}/aifs-single/{name}.grib2", f"{root}/aifs-single/{name}.index"),
    }
    icon = sources["icon-eu"].mirrors[0].address(run, lead, "t_2m")
    assert icon == (
        "https://opendata.dwd.de/weather/nwp/icon-eu/grib/06/t_2m/"
        "icon-eu_europe_regular-lat-lon_single-level_2025080106_003_T_2M.grib2.bz2"
    )


def test_a_file_of_ones_own_adds_a_source_and_replaces_one(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(OWN)
    (tmp_path / "gfs.toml").write_text(OWN.replace('"mine"', '"gfs"'))
    found = find_sources(tmp_path)
    assert found["mine"].title == found["gfs"].title == "My centre"
    assert {"hrrr", "ecmwf-ifs"} <= set(found)


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("step_hours = 1", "", "step_hours: Field required"),
        ("step_hours = 1", "step = 1", "step: Extra inputs"),
        ("fields.t2m", "fields.t3m", "fields.t3m is no variable of ours"),
        ("{lead:03d}", "{hour:03d}", "hour} is unknown; there are time, lead, name"),
        ("analysis_leads = [0]", "analysis_leads = [9]", "beyond schedule.longest_lead"),
        ('keys = { element = "TMP", level = "2 m above ground" }', "keys = {}", "needs keys"),
        ("name =", "name = =", "not valid TOML"),
    ],
)
def test_a_bad_file_is_named_with_the_field(tmp_path: Path, old: str, new: str, why: str) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(OWN.replace(old, new, 1))
    with pytest.raises(FeedError, match=why) as caught:
        find_sources(tmp_path)
    assert str(file) in str(caught.value)


def test_a_plan_holds_each_valid_time_once_per_run_and_nothing_fetched_before() -> None:
    gfs = find_sources()["gfs"]
    day = wanted_files(gfs, ("t2m", "tp", "q850"), RUN, RUN + timedelta(hours=23))
    assert [file.valid_time for file in day] == [RUN + timedelta(hours=h) for h in range(24)]
    assert {file.variables for file in day if file.lead == timedelta(0)} == {("t2m",)}
    assert {file.variables for file in day if file.lead > timedelta(0)} == {("t2m", "tp")}
    there = {(file.reference_time, file.lead, "t2m") for file in day}
    rest = wanted_files(gfs, ("t2m", "tp"), RUN, RUN + timedelta(hours=23), there)
    assert len(rest) == 20
    assert {file.variables for file in rest} == {("tp",)}


def test_mirrors_come_by_age_lag_and_what_worked_last() -> None:
    gfs = find_sources()["gfs"]
    (file, *_) = wanted_files(gfs, ("t2m",), RUN, RUN)

    def names(after: timedelta, preferred: str = "") -> list[str]:
        return [one.name for one in usable_mirrors(file, file.expected + after, preferred)]

    assert names(timedelta(0)) == ["aws", "nomads"]
    assert names(timedelta(hours=1)) == ["aws", "nomads", "gcs", "azure"]
    assert names(timedelta(hours=1), "gcs") == ["gcs", "aws", "nomads", "azure"]
    assert names(timedelta(days=20)) == ["aws", "gcs", "azure"]
    assert names(timedelta(days=-1)) == ["aws"]
