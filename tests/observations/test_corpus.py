"""Every file of the corpus imports or is refused record by record; ecCodes counts as we do."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import eccodes
import numpy as np
import pytest

from met2net_ops.observations.bufr import read_bufr, split_messages
from met2net_ops.observations.loading import load_reports
from met2net_ops.observations.quality import duplicate_flags
from met2net_ops.observations.store import import_each, import_files
from met2net_ops.settings import ObservationSettings
from met2net_ops.workspace import create_workspace

COLUMNS = ObservationSettings().columns
BUFR = (
    "dwd_synop_20210516.bufr", "obs_3day.bufr", "synop_invalid_wigos_id.bufr",
    "synop_multi_subset_uncompressed.bufr", "synop_wigos.bufr",
)  # fmt: skip


def temperatures(path: Path) -> Iterator[float | None]:
    """The first 2 metre temperature of every subset, as ecCodes decodes it."""
    with path.open("rb") as file:
        while (handle := eccodes.codes_bufr_new_from_file(file)) is not None:
            eccodes.codes_set(handle, "unpack", 1)
            subsets = eccodes.codes_get(handle, "numberOfSubsets")
            compressed = eccodes.codes_get(handle, "compressedData")
            for subset in range(1, subsets + 1):
                yield _temperature(handle, subset, compressed=bool(compressed))
            eccodes.codes_release(handle)


def _temperature(handle: int, subset: int, *, compressed: bool) -> float | None:
    for key in ("airTemperature", "airTemperatureAt2M"):
        name = f"#1#{key}" if compressed else f"/subsetNumber={subset}/{key}"
        try:
            values = eccodes.codes_get_array(handle, name)
        except eccodes.KeyValueNotFoundError:
            continue
        own = values[subset - 1 : subset] if compressed and len(values) > 1 else values
        found = [float(value) for value in own if value != eccodes.CODES_MISSING_DOUBLE]
        if found:
            return found[0]
    return None


@pytest.mark.parametrize("name", BUFR)
def test_records_and_temperatures_are_those_of_eccodes(
    corpus: Path, tmp_path: Path, name: str
) -> None:
    messages = list(split_messages((corpus / "observations" / name).read_bytes()))
    path = tmp_path / name
    path.write_bytes(b"".join(m for m in messages[:80] if isinstance(m, bytes)))  # to be quick
    reading = read_bufr(path)
    expected = list(temperatures(path))
    assert reading.records == len(expected)
    numbers = [r.record for r in reading.reports] + [x.record for x in reading.refusals]
    assert sorted(numbers) == [*range(1, reading.records + 1)]
    taken = {r.record: r.values.get("t2m") for r in reading.reports}
    for record, value in enumerate(expected, start=1):
        assert taken.get(record) == (None if value is None else pytest.approx(value, abs=1e-6))
    assert all(x.reason for x in reading.refusals)


def test_the_whole_folder_in_one_go(corpus: Path, tmp_path: Path) -> None:
    """All but the largest file, whose counts test_anchor.py has."""
    workspace = create_workspace(tmp_path / "desk").paths
    folder = tmp_path / "in"
    shutil.copytree(corpus / "observations", folder, ignore=lambda *_: ["obs_3day.bufr"])
    received = datetime(2020, 3, 9, tzinfo=UTC)
    found = {
        item.name: item
        for item in import_files(workspace.observations, [folder], COLUMNS, received=received)
    }
    assert len(found) == 6
    for item in found.values():
        assert item.taken + sum(item.refused.values()) == item.records
        assert item.taken + len(item.refusals) == item.records
    assert {name: (item.records, item.taken) for name, item in found.items()} == {
        "dwd_synop_20210516.bufr": (1031, 566),
        "metar_collective.txt": (14, 11),
        "metar_kawn.txt": (3, 3),
        "synop_invalid_wigos_id.bufr": (1, 1),
        "synop_multi_subset_uncompressed.bufr": (12, 12),
        "synop_wigos.bufr": (3, 3),
    }
    for name in ("metar_collective.txt", "metar_kawn.txt"):
        text = (corpus / "observations" / name).read_bytes()
        assert found[name].records == text.count(b"=")
    first, last = datetime(1990, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)
    stored = load_reports(workspace.observations, first, last)
    assert len(stored) == sum(item.values for item in found.values())
    assert found["dwd_synop_20210516.bufr"].refused == {
        next(iter(found["dwd_synop_20210516.bufr"].refused)): 465
    }
    reasons = found["metar_collective.txt"].refusals
    assert any(re.match(r"record \d+ \(station QQQQ\): the place", text) for text in reasons)
    (account,) = [p for p in (workspace.observations / "imports").iterdir()
                  if json.loads(p.read_text())["name"] == "metar_collective.txt"]  # fmt: skip
    assert json.loads(account.read_text())["refusals"] == list(reasons)
    again = import_files(workspace.observations, [folder], COLUMNS)
    assert not any(item.new for item in again)
    assert [item.refusals for item in again] == [found[item.name].refusals for item in again]


def test_an_unreadable_file_costs_no_other(corpus: Path, tmp_path: Path) -> None:
    workspace = create_workspace(tmp_path / "desk").paths
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.bin").write_bytes(b"\0\1\2")
    (folder / "b.bufr").write_bytes((corpus / "observations" / "synop_wigos.bufr").read_bytes())
    bad, good = import_each(workspace.observations, [folder], COLUMNS)
    assert "neither like BUFR" in bad.error
    assert (good.name, good.taken) == ("b.bufr", 3)


def test_ships_are_at_sea_and_distinguished_by_their_place(corpus: Path, tmp_path: Path) -> None:
    """The messages of a land station, coded anew as those of ships (data category 1)."""
    data = (corpus / "observations" / "synop_wigos.bufr").read_bytes()
    path = tmp_path / "ships.bufr"
    with path.open("wb") as file:
        for message in split_messages(data):
            assert isinstance(message, bytes)
            handle = eccodes.codes_new_from_message(message)
            eccodes.codes_set(handle, "dataCategory", 1)
            file.write(eccodes.codes_get_message(handle))
            eccodes.codes_release(handle)
    assert all(report.at_sea for report in read_bufr(path).reports)
    workspace = create_workspace(tmp_path / "desk").paths
    header = "station,latitude,longitude,height_m,time,t2m_k\n"
    csv = tmp_path / "a.csv"
    csv.write_text(header + "A,50,10,5,2026-01-05T06,270\nA,51,10,5,2026-01-05T06,271\n")
    import_files(workspace.observations, [csv, path], COLUMNS)
    first, last = datetime(2025, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
    reports = load_reports(workspace.observations, first, last)
    at_sea = Counter(zip(reports.station.tolist(), reports.at_sea.tolist(), strict=True))
    assert at_sea["A", False] == 2
    assert sum(n for (_, sea), n in at_sea.items() if sea) == len(reports) - 2
    assert duplicate_flags(reports).sum() == 2  # a land station is one wherever it says it stands
    moved = np.flatnonzero(reports.station == "A")
    reports.at_sea[moved] = True
    assert duplicate_flags(reports).sum() == 0
