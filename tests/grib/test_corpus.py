"""Every file of the corpus against a table made independently of this package."""

from __future__ import annotations

import csv
import math
from collections import Counter, defaultdict

import numpy as np
import pytest

from met2net_ops.grib.decode import find_field, read_raw
from met2net_ops.grib.inventory import inventory
from met2net_ops.grib.reader import read_fields
from met2net_ops.grib.records import SourceField, Verdict, VerdictKind
from met2net_ops.grib.scan import ByteSource
from met2net_ops.grib.sections import extract_header
from met2net_ops.grib.simple_packing import simple_packing
from met2net_ops.variables import VARIABLES


@pytest.fixture(scope="module")
def table(corpus):
    rows = defaultdict(list)
    with (corpus / "grib_fields.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            rows[row["file"]].append(row)
    return dict(rows)


@pytest.fixture(scope="module")
def files(corpus):
    return sorted(path for path in (corpus / "grib").rglob("*") if path.is_file())


def key(path, corpus):
    return path.relative_to(corpus / "grib").as_posix()


def sound(rows):
    return [row for row in rows if row["edition"] != "ERROR"]


def test_every_field_is_listed_with_its_keys(corpus, files, table):
    assert set(table) <= {key(path, corpus) for path in files}
    for path in files:
        listed = inventory(path)
        rows = table.get(key(path, corpus), [])
        errors = len(rows) - len(sound(rows))
        if errors:  # ecCodes' own reader gives up there; the scan finds the good message behind
            assert len(listed.damage) == errors
            assert len(listed.records) >= len(sound(rows))
            continue
        assert len(listed.records) == len(rows), path
        assert [record.field for record in listed.records] == list(range(len(rows)))
        for record, row in zip(listed.records, rows, strict=True):
            times = (record.reference_time, record.valid_time)
            ours = {
                "edition": str(record.edition),
                "centre": record.centre,
                "shortName": record.short_name,
                "paramId": str(record.param_id),
                "typeOfLevel": record.type_of_level,
                "level": str(round(record.level)),  # the table has ecCodes' integer level
                "number": "" if record.number is None else str(record.number),
                "stepType": record.step_type,
                "stepRange": record.step_range,
                "dataDate": f"{times[0]:%Y%m%d}",
                "dataTime": f"{times[0]:%H%M}",
                "validityDate": f"{times[1]:%Y%m%d}",
                "validityTime": f"{times[1]:%H%M}",
                "expver": record.expver,
                "gridType": record.grid_type,
            }
            assert ours == {name: row[name] for name in ours}, (path, record.field)
            if row["numberOfDataPoints"]:
                assert record.points == int(row["numberOfDataPoints"]), (path, record.field)


def agree(ours: float, text: str) -> bool:
    """To 1e-6 relative, plus the rounding of the table to six digits."""
    theirs = float(text)
    digit = 10.0 ** (math.floor(math.log10(abs(theirs))) - 5) if theirs else 0.0
    return abs(ours - theirs) <= 1e-6 * abs(theirs) + 0.5001 * digit + 1e-30


def test_decoded_values_agree_with_the_table(corpus, files, table):
    for path in files:
        rows = sound(table.get(key(path, corpus), []))
        if not rows:
            continue
        with ByteSource(path) as source:
            for record, row in zip(inventory(path).records, rows, strict=True):
                values = read_raw(source, record)
                there = values[~np.isnan(values)]
                assert values.size - there.size == int(row["missing"]), (path, record.field)
                figures = {"min": there.min(), "max": there.max(), "mean": there.mean(dtype=float)}
                for name, value in figures.items():
                    assert agree(float(value), row[name]), (path, record.field, name, value)


def test_every_message_ends_with_exactly_one_verdict(files):
    for path in files:
        listed = inventory(path)
        verdicts = []
        used = Counter()
        for item in read_fields(path, list(VARIABLES), inventory=listed):
            if isinstance(item, Verdict):
                verdicts.append(item)
            else:
                used.update(record.field for record in item.inputs)
                assert item.values.shape == item.grid.shape
                assert item.values.dtype == np.float32
        fields = Counter(verdict.record.field for verdict in verdicts if verdict.record)
        assert fields == Counter(range(len(listed.records))), path
        assert sum(verdict.damage is not None for verdict in verdicts) == len(listed.damage)
        taken = {v.record.field for v in verdicts if v.outcome is VerdictKind.TAKEN}
        assert taken == set(used), path
        for verdict in verdicts:
            assert verdict.reason or verdict.outcome is VerdictKind.TAKEN


def taken(path, wanted):
    return [item for item in read_fields(path, wanted) if isinstance(item, SourceField)]


def test_damaged_message_does_not_hide_the_good_one_behind_it(corpus):
    path = corpus / "grib/cfgrib/era5-levels-corrupted.grib"
    listed = inventory(path)
    assert [(d.offset, d.length) for d in listed.damage] == [(0, 22068)]
    assert "7777" in listed.damage[0].reason
    assert [record.offset for record in listed.records] == [22068]
    assert [field.variable for field in taken(path, ["t850"])] == ["t850"]


def test_padding_is_not_damage_and_emptiness_is(corpus):
    folder = corpus / "grib/earthkit-data"
    assert not inventory(folder / "test_padding.grib").damage
    assert [d.reason for d in inventory(folder / "empty_file.grib").damage] == ["the file is empty"]


@pytest.mark.parametrize("lead", range(0, 36, 3))
def test_arome_gives_complete_frames(corpus, lead):
    path = corpus / f"grib/harpData/fc2018071000+{lead:03d}grib_fp"
    wanted = ["t2m", "u10", "v10", "msl", "tcc", "r1000", "ws10"]
    fields = {field.variable: field for field in taken(path, wanted)}
    assert set(fields) == set(wanted)
    assert {field.lead.total_seconds() / 3600 for field in fields.values()} == {lead}
    assert fields["r1000"].method == "r1000 from q1000, t1000"
    assert 30 < fields["r1000"].values.min() < fields["r1000"].values.max() < 110
    # The model's own wind speed is what the turned components must keep.
    speed = np.hypot(fields["u10"].values, fields["v10"].values)
    np.testing.assert_allclose(speed, fields["ws10"].values, atol=2e-3)


def test_gfs_sub_messages_and_winds(corpus):
    fields = taken(corpus / "grib/pygrib/gfs.grb", ["t2m", "u10", "v10", "msl", "r1000"])
    assert sorted(field.variable for field in fields) == ["msl", "r1000", "t2m", "u10", "v10"]
    v10 = next(field for field in fields if field.variable == "v10")
    assert v10.record.sub_message == 1
    assert v10.method == ""


def test_a_grid_whose_increment_is_wrong(corpus):
    (field,) = taken(corpus / "grib/cfgrib/regular_ll_wrong_increment.grib", ["t2m"])
    # Its header says 2 degrees, its first and last points say 5; only 5 puts the tropics on the
    # equator. ecCodes' coordinates run 90, 88 ... 20, -90.
    np.testing.assert_allclose(np.diff(field.grid.latitudes), -5)
    warmest = field.grid.latitudes[field.values.mean(axis=1).argmax()]
    assert abs(warmest) <= 25


def test_unreadable_or_implausible_fields_are_refused_by_name(corpus):
    (verdict,) = read_fields(corpus / "grib/cfgrib/spherical_harmonics.grib", ["z500"])
    assert verdict.outcome is VerdictKind.REFUSED
    assert "sh" in verdict.reason
    verdicts = list(read_fields(corpus / "grib/cfgrib/step_60m.grib", ["t2m"]))
    assert {verdict.outcome for verdict in verdicts} == {
        VerdictKind.REFUSED
    }  # it holds noise near 0 K
    assert "t2m 2024-01-15T00:00Z: -2.13246 K" in verdicts[0].reason


def test_unpacking_here_equals_eccodes(files):
    """Where values are unpacked without ecCodes, against ecCodes."""
    compared = 0
    for path in files:
        with ByteSource(path) as source:
            for record in [r for r in inventory(path).records if r.variable][:20]:
                frame, sections = find_field(source, record)
                packing = simple_packing(
                    record.edition, extract_header(source, frame, sections).sections
                )
                if packing is None:
                    continue
                theirs = read_raw(source, record)
                ours = packing.unpack(source, frame, sections[-1], theirs.size)
                np.testing.assert_allclose(ours, theirs, rtol=1.3e-7, atol=1e-12)
                compared += 1
    assert compared > 100
