"""The ingest through its public door, on files made by ecCodes."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import typer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from met2net_ops.archive import codec
from met2net_ops.catalog.origins import history, origins
from met2net_ops.cli.ingest import command
from met2net_ops.errors import ArchiveError, IngestError
from met2net_ops.fields import FieldKind
from met2net_ops.grib.records import VerdictKind
from met2net_ops.ingest.commit import Fate
from met2net_ops.ingest.decoding import FileDecoder
from met2net_ops.ingest.fingerprint import DecodeSettings
from met2net_ops.ingest.messages import Tally
from met2net_ops.ingest.pipeline import ingest
from met2net_ops.ingest.report import FileState
from met2net_ops.times import HOUR, parse_time, time_range
from met2net_ops.workspace import Workspace

ZERO = parse_time("2024-01-30")


def means_of_four(values: np.ndarray) -> np.ndarray:
    """Conservative remapping by hand: 5.625° cells hold whole 2.8125° cells in longitude halves."""
    lat = np.deg2rad(90 - 2.8125 * np.arange(values.shape[0] + 1))
    band = -np.diff(np.sin(lat))[:, None]
    rows = (values * band).reshape(-1, 2, values.shape[1]).sum(axis=1)
    rows /= band.reshape(-1, 2, 1).sum(axis=1)
    # Cells are centred on their longitude: a target cell takes a half, a whole, and a half.
    return (np.roll(rows, 1, axis=1) / 4 + rows / 2 + np.roll(rows, -1, axis=1) / 4)[:, ::2]


def files_of(folder: str | Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(path): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(Path(folder).rglob("*"))
        if path.is_file()
    }


def test_frames_are_the_means_over_target_cells_and_reading_again_changes_nothing(
    make_workspace, grib, tmp_path
):
    workspace, config = make_workspace()
    feed = grib.feed_of(tmp_path / "feed", range(3))
    report = ingest(Workspace(workspace, config), [feed])
    assert [file.state for file in report.files] == [FileState.READ] * 3
    assert all(file.fields == file.count(VerdictKind.TAKEN) == 4 for file in report.files)
    assert all(file.frames == {Fate.WRITTEN: 4} for file in report.files)
    assert not report.refused_something
    archive = Workspace(workspace, config).archive
    times = time_range(ZERO, ZERO + 2 * HOUR)
    assert archive.present(list(grib.KEYS), times).all()
    values = archive.read(list(grib.KEYS), times)
    for hour in range(3):
        for column, name in enumerate(grib.KEYS):
            message = grib.Message(name, hour)
            expected = means_of_four(message.values)
            packing = np.ptp(message.values) / 2**16
            assert np.abs(values[hour, column] - expected).max() < packing

    before = files_of(workspace.archive)
    again = ingest(Workspace(workspace, config), [feed])
    assert [file.state for file in again.files] == [FileState.KNOWN] * 3
    shutil.copy(feed / "h001.grib2", feed / "another-name.grib2")
    (copied, *_) = ingest(Workspace(workspace, config), [feed]).files
    assert (Path(copied.path).name, copied.state) == ("another-name.grib2", FileState.KNOWN)
    assert files_of(workspace.archive) == before


def test_every_frame_can_be_explained(make_workspace, grib, tmp_path):
    workspace, config = make_workspace()
    path = grib.deliver(
        tmp_path / "fc.grib2", [grib.Message("t2m", 0, lead=6), grib.Message("msl", 0, lead=6)]
    )
    ingest(Workspace(workspace, config), [path])
    first = path.read_bytes()
    analysis = grib.deliver(
        tmp_path / "an.grib2", [grib.Message("msl", 6), grib.Message("t2m", 6, seed=1)]
    )
    ingest(Workspace(workspace, config), [analysis])
    when = ZERO + 6 * HOUR
    catalog = Workspace(workspace, config).catalog
    now, past = history(catalog, "t2m", when)
    assert now == origins(catalog, ["t2m"], [when])["t2m", when]
    assert (now.path, now.kind, now.message, now.field) == (str(analysis), FieldKind.ANALYSIS, 1, 1)
    assert (past.path, past.kind, past.lead, past.message) == (
        str(path), FieldKind.FORECAST, 6 * HOUR, 0,
    )  # fmt: skip
    message = grib.Message("t2m", 0, lead=6).encode()
    assert first.startswith(message)
    assert past.message_sha256 == hashlib.sha256(message).hexdigest()
    both = b"".join(hashlib.sha256(m).digest() for m in (message, first[len(message) :]))
    assert past.file_sha256 == hashlib.sha256(both).hexdigest()
    values = Workspace(workspace, config).archive.read(["t2m"], [when])
    assert now.frame_sha256 == hashlib.sha256(values.astype("<f4").tobytes()).hexdigest()
    catalog.dispose()

    changed = grib.deliver(tmp_path / "an.grib2", [grib.Message("t2m", 6, seed=2)], age=7200)
    (report,) = ingest(Workspace(workspace, config), [changed]).files
    assert report.frames == {Fate.REPLACED: 1}
    catalog = Workspace(workspace, config).catalog
    assert len(history(catalog, "t2m", when)) == 3
    assert len(history(catalog, "msl", when)) == 2
    catalog.dispose()


def test_damage_costs_no_good_message_and_goes_to_quarantine(make_workspace, grib, tmp_path):
    workspace, config = make_workspace()
    good = [grib.Message(name, 0).encode() for name in grib.KEYS]
    rubbish = b"GRIB" + bytes(range(256)) * 2
    data = good[0] + rubbish + good[1] + good[2][:700] + good[3]
    path = grib.deliver(tmp_path / "feed" / "broken.grib2", data)
    grib.deliver(tmp_path / "feed" / "empty.grib2", b"")
    grib.deliver(tmp_path / "feed" / "note.txt", b"not GRIB at all")
    result = ingest(Workspace(workspace, config), [tmp_path / "feed"])
    broken, empty, note = result.files
    assert result.refused_something
    assert broken.count(VerdictKind.TAKEN) == 3
    assert broken.frames == {Fate.WRITTEN: 3}
    assert sum(broken.verdicts.values()) == broken.fields + broken.damaged
    assert broken.damaged >= 1
    assert empty.reasons(VerdictKind.REFUSED) == {"the file is empty": 1}
    assert note.count(VerdictKind.REFUSED) == 1
    names = [list(grib.KEYS)[i] for i in (0, 1, 3)]
    assert Workspace(workspace, config).archive.present(names, [ZERO]).all()
    kept = b""
    for entry in sorted(workspace.quarantine.glob("broken*.json")):
        facts = json.loads(entry.read_text())
        assert facts["file"] == str(path)
        assert facts["reasons"][0]
        copy = entry.with_suffix(".bin").read_bytes()
        assert copy == data[facts["offset"] : facts["offset"] + facts["length"]]
        kept += copy
    assert rubbish in kept
    assert good[2][:700] in kept
    before = files_of(workspace.quarantine)
    shutil.rmtree(workspace.archive)  # so that the file is read a second time
    ingest(Workspace(workspace, config), [path])
    assert files_of(workspace.quarantine) == before
    assert Workspace(workspace, config).archive.present(names, [ZERO]).all()


def test_a_frame_removed_from_the_archive_comes_back(make_workspace, grib, tmp_path):
    workspace, config = make_workspace()
    path = grib.deliver(tmp_path / "a.grib2", [grib.Message("t2m", 0)])
    ingest(Workspace(workspace, config), [path])
    (chunk,) = (workspace.archive / "t2m").glob("c.*")
    chunk.unlink()
    (report,) = ingest(Workspace(workspace, config), [path]).files
    assert (report.state, report.frames) == (FileState.READ, {Fate.WRITTEN: 1})
    assert chunk.exists()


def test_other_settings_read_known_files_again(make_workspace, grib, tmp_path):
    workspace, config = make_workspace()
    path = grib.deliver(tmp_path / "a.grib2", [grib.Message("t2m", 0), grib.Message("msl", 0)])
    narrow = config.model_copy(
        update={"archive": config.archive.model_copy(update={"variables": ("t2m",)})}
    )
    (first,) = ingest(Workspace(workspace, narrow), [path]).files
    assert first.count(VerdictKind.NOT_WANTED) == 1
    (second,) = ingest(Workspace(workspace, config), [path]).files
    assert second.frames == {Fate.WRITTEN: 1, Fate.UNCHANGED: 1}
    finer = config.grid.model_copy(update={"name": "global-2p8125"})
    with pytest.raises(ArchiveError, match="settings want"):
        ingest(Workspace(workspace, config.model_copy(update={"grid": finer})), [path])


def test_fields_outside_the_grid_or_between_frames_are_not_wanted(make_workspace, grib, tmp_path):
    text = '[archive]\nstep_hours = 3\n[grid]\nname = "x"\nnorth = 10\nwest = 0\n'
    workspace, config = make_workspace(text=text + "dlat = 1\ndlon = 1\nnlat = 5\nnlon = 5\n")
    path = grib.deliver(tmp_path / "a.grib2", [grib.Message("t2m", 3), grib.Message("t2m", 4)])
    (report,) = ingest(Workspace(workspace, config), [path]).files
    assert report.frames == {Fate.WRITTEN: 1}
    (reason,) = report.reasons(VerdictKind.NOT_WANTED)
    assert "multiple of 3:00:00" in reason


def test_files_still_being_written_wait(make_workspace, grib, tmp_path):
    feeds = (
        '[[feeds]]\nname = "marked"\npath = "marked"\ndone_marker = ".done"\npattern = "*.grib2"\n'
        '[[feeds]]\nname = "fresh"\npath = "fresh"\nsettle_seconds = 0.3\n'
    )
    workspace, config = make_workspace(text=feeds)
    marked = grib.deliver(workspace.root / "marked" / "a.grib2", [grib.Message("t2m", 0)])
    grib.deliver(workspace.root / "marked" / "a.txt", b"no business of ours")
    fresh = grib.deliver(workspace.root / "fresh" / "b.grib2", [grib.Message("t2m", 1)], age=0)
    reports = {Path(file.path): file for file in ingest(Workspace(workspace, config), []).files}
    assert set(reports) == {marked, fresh}
    assert reports[marked].state is FileState.INCOMPLETE
    assert "a.grib2.done" in reports[marked].problem
    assert reports[fresh].state is FileState.READ
    (workspace.root / "marked" / "a.grib2.done").touch()
    os.utime(fresh, (4e9, 4e9))  # a clock ahead of ours: two looks decide
    reports = {Path(file.path): file for file in ingest(Workspace(workspace, config), []).files}
    assert {report.state for report in reports.values()} <= {FileState.READ, FileState.KNOWN}
    assert reports[marked].frames == {Fate.WRITTEN: 1}


def test_nothing_to_read_is_said_clearly(make_workspace, grib, tmp_path):
    workspace, config = make_workspace()
    with pytest.raises(IngestError, match="feeds"):
        ingest(Workspace(workspace, config), [])
    with pytest.raises(IngestError, match="no-such-file does not exist"):
        ingest(Workspace(workspace, config), [tmp_path / "no-such-file"])
    with pytest.raises(IngestError, match="/dev/null is no regular file or folder"):
        ingest(Workspace(workspace, config), [Path("/dev/null")])


def test_a_feed_whose_folder_is_missing_is_named_and_the_others_are_read(make_workspace, grib):
    feeds = '[[feeds]]\nname = "gone"\npath = "gone"\n[[feeds]]\nname = "a"\npath = "a"\n'
    workspace, config = make_workspace(text=feeds)
    grib.deliver(workspace.root / "a" / "a.grib2", [grib.Message("t2m", 0)])
    result = ingest(Workspace(workspace, config), [])
    good, gone = result.files
    assert good.frames == {Fate.WRITTEN: 1}
    assert (gone.path, gone.state) == (str(workspace.root / "gone"), FileState.REFUSED)
    assert f"feed gone: {workspace.root / 'gone'} does not exist" in gone.problem
    assert result.refused_something


def test_the_workspaces_own_files_are_never_read(make_workspace, grib):
    workspace, config = make_workspace(text='[[feeds]]\nname = "here"\npath = "."\n')
    one = grib.deliver(workspace.root / "a.grib2", [grib.Message("t2m", 0)])
    for folder in (*workspace.folders, workspace.archive):
        grib.deliver(folder / "deeper" / "own", b"not GRIB at all")
    for _ in range(2):  # the second time there are an archive and a catalog
        result = ingest(Workspace(workspace, config), [])
        assert [file.path for file in result.files] == [str(one)]
        assert not result.refused_something
    assert workspace.catalog.exists()
    with pytest.raises(IngestError, match="products belongs to the workspace itself"):
        ingest(Workspace(workspace, config), [workspace.products])


def test_an_empty_path_is_wrong_usage():
    app = typer.Typer()
    app.command()(command)
    result = CliRunner().invoke(app, [""])
    assert result.exit_code == 2
    assert "empty path" in result.output


@pytest.fixture(scope="module")
def decoder(grib, tmp_path_factory) -> FileDecoder:
    from met2net_ops.grids import named_grid

    names = tuple(grib.KEYS)
    return FileDecoder(
        DecodeSettings(named_grid("global-5p625"), names, HOUR, tmp_path_factory.mktemp("w"))
    )


@given(
    cuts=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 3000), st.binary(max_size=60)),
                  min_size=1, max_size=4),
    order=st.permutations(range(4)),
)  # fmt: skip
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_cut_and_stuffed_files_give_right_frames_or_none(decoder, grib, tmp_path, cuts, order):
    messages = [grib.Message(name, 0) for name in grib.KEYS]
    whole = {m.variable: m for m in messages}
    data = b"".join(messages[i].encode() for i in order)
    for where, cut, stuffing in cuts:
        at = int(where * len(data))
        data = data[:at] + stuffing + data[at + cut :]
    path = grib.deliver(tmp_path / "damaged.grib2", data)
    *frames, tally = decoder.decode(decoder.stamp(path))
    assert isinstance(tally, Tally)
    assert sum(tally.verdicts.values()) == tally.fields + tally.damaged
    sound = {name for name, message in whole.items() if message.encode() in data}
    assert sound <= {item.origin.variable for item in frames}
    for item in frames:
        if item.origin.variable in sound and item.origin.valid_time == ZERO:
            values = codec.decode(item.frame.data, (32, 64), np.dtype("f4"))
            expected = means_of_four(whole[item.origin.variable].values)
            assert np.abs(values - expected).max() < np.ptp(expected) / 2**15
