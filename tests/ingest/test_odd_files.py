"""Files that are awkward to handle: odd names, odd places, gone or changed at the wrong moment."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path

import pytest
from nobody import NOBODY, as_nobody
from renames import watch_renames

from met2net_ops.errors import IngestError
from met2net_ops.grids import named_grid
from met2net_ops.ingest.commit import Fate
from met2net_ops.ingest.decoding import FileDecoder
from met2net_ops.ingest.fingerprint import DecodeSettings
from met2net_ops.ingest.fork_server import ForkServer
from met2net_ops.ingest.messages import FieldRefusal, FileStamp
from met2net_ops.ingest.pipeline import ingest
from met2net_ops.ingest.quarantine import quarantine
from met2net_ops.ingest.report import FileState
from met2net_ops.ingest.watch import watch_files
from met2net_ops.times import HOUR, parse_time
from met2net_ops.workspace import Workspace

ZERO = parse_time("2024-01-30T00")


def test_a_name_that_is_not_utf8_costs_that_file_alone(make_workspace, grib, tmp_path):
    workspace, config = make_workspace()
    feed = tmp_path / "feed"
    grib.deliver(feed / "good.grib2", [grib.Message("t2m", 0)])
    odd = Path(os.fsdecode(os.fsencode(feed) + b"/odd\xff.grib2"))
    grib.deliver(odd, [grib.Message("t2m", 1)])
    result = ingest(Workspace(workspace, config), [feed])
    good, bad = sorted(result.files, key=lambda file: file.state is FileState.REFUSED)
    assert good.frames == {Fate.WRITTEN: 1}
    assert bad.path == f"{feed}/odd\\xff.grib2"
    assert "rename" in bad.problem
    assert result.refused_something
    json.dumps(bad.as_json(), ensure_ascii=False).encode()  # can be printed


def test_damage_in_a_file_with_the_longest_of_names_goes_to_quarantine(
    make_workspace, grib, tmp_path
):
    workspace, config = make_workspace()
    data = grib.Message("t2m", 0).encode()
    path = grib.deliver(tmp_path / f"{'ä' * 122}.grib2", data + data[:600])
    assert len(os.fsencode(path.name)) == 250
    (report,) = ingest(Workspace(workspace, config), [path]).files
    assert report.frames == {Fate.WRITTEN: 1}
    (note,) = workspace.quarantine.glob("*.json")
    assert json.loads(note.read_text())["file"] == str(path)
    assert note.with_suffix(".bin").read_bytes() == data[:600]


def stamp(path: Path) -> FileStamp:
    status = path.stat()
    return FileStamp(str(path), status.st_size, status.st_mtime_ns, "5" * 64)


@pytest.mark.parametrize("happens", ["gone", "replaced"])
def test_what_can_no_longer_be_kept_is_noted_all_the_same(tmp_path, happens):
    path = tmp_path / "a.grib2"
    path.write_bytes(b"damaged")
    file = stamp(path)
    path.unlink()
    if happens == "replaced":
        path.write_bytes(b"other bytes")
    (note,) = quarantine(tmp_path / "quarantine", file, [FieldRefusal(0, 7, "damaged")])
    facts = json.loads(note.read_text())
    assert facts["bytes_kept"] == 0
    assert facts["reasons"] == ["damaged"]
    assert [entry.name for entry in note.parent.iterdir()] == [note.name]


def test_refused_bytes_are_on_disk_before_they_are_in_place(tmp_path, monkeypatch):
    path = tmp_path / "a.grib2"
    path.write_bytes(b"damaged")
    unsynced = watch_renames(monkeypatch)
    quarantine(tmp_path / "quarantine", stamp(path), [FieldRefusal(0, 7, "damaged")])
    assert unsynced == []


def test_folders_that_are_links_are_searched_once(make_workspace, grib, tmp_path):
    workspace, config = make_workspace(text='[[feeds]]\nname = "in"\npath = "in"\n')
    there = grib.deliver(tmp_path / "elsewhere" / "deep" / "a.grib2", [grib.Message("t2m", 0)])
    feed = workspace.root / "in"
    feed.mkdir()
    (feed / "icon").symlink_to(tmp_path / "elsewhere")
    (there.parent / "back").symlink_to(tmp_path / "elsewhere")  # round and round
    (feed / "again").symlink_to(tmp_path / "elsewhere")
    result = ingest(Workspace(workspace, config), [])
    assert [file.frames for file in result.files] == [{Fate.WRITTEN: 1}]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_folder_that_may_not_be_read_is_named(make_workspace, grib, tmp_path):
    workspace, config = make_workspace(text='[[feeds]]\nname = "in"\npath = "in"\n')
    feed = workspace.root / "in"
    grib.deliver(feed / "a.grib2", [grib.Message("t2m", 0)])
    with ForkServer() as fork_server:
        ingest(
            Workspace(workspace, config), [], fork_server=fork_server
        )  # loads what another user may not load
        (feed / "shut").mkdir(mode=0o700)
        for path in (workspace.root, *workspace.root.rglob("*")):
            os.chown(path, *((0, 0) if path.name == "shut" else (NOBODY, NOBODY)))
        with as_nobody(tmp_path):
            result = ingest(Workspace(workspace, config), [], fork_server=fork_server)
    known, shut = result.files
    assert known.state is FileState.KNOWN
    assert (shut.path, shut.state) == (str(feed / "shut"), FileState.REFUSED)
    assert "Permission denied" in shut.problem
    assert result.refused_something


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_watching_goes_on_where_the_system_does_not_tell_of_changes(make_workspace, grib, tmp_path):
    """It refuses to where a folder may not be read, and where too many are watched already."""
    feeds = "".join(f'[[feeds]]\nname = "{name}"\npath = "{name}"\n' for name in ("in", "shut"))
    workspace, config = make_workspace(text=f"relook_seconds = 0.2\n{feeds}")
    grib.deliver(workspace.root / "in" / "a.grib2", [grib.Message("t2m", 0)])
    stop = threading.Event()
    with ForkServer() as fork_server:
        ingest(Workspace(workspace, config), [workspace.root / "in"], fork_server=fork_server)
        (workspace.root / "shut").mkdir(mode=0o700)
        for path in (workspace.root, *workspace.root.rglob("*")):
            os.chown(path, *((0, 0) if path.name == "shut" else (NOBODY, NOBODY)))
        later = grib.deliver(tmp_path / "later.grib2", [grib.Message("t2m", 1)])
        reports = watch_files(Workspace(workspace, config), [], stop, fork_server=fork_server)
        with as_nobody(tmp_path):
            shut = next(reports)
        later.rename(workspace.root / "in" / "b.grib2")
        with as_nobody(tmp_path):
            read = next(reports)
            stop.set()
            assert list(reports) == []
    assert (shut.path, shut.state) == (str(workspace.root / "shut"), FileState.REFUSED)
    assert read.frames == {Fate.WRITTEN: 1}


def test_an_old_content_that_comes_back_replaces_the_newer(make_workspace, grib, tmp_path):
    workspace, config = make_workspace()
    first, second = ([grib.Message("t2m", 0, seed=seed)] for seed in (0, 1))
    path = grib.deliver(tmp_path / "a.grib2", first, age=400)
    ingest(Workspace(workspace, config), [path])
    wanted = Workspace(workspace, config).archive.read(["t2m"], [ZERO])
    ingest(Workspace(workspace, config), [grib.deliver(tmp_path / "copy.grib2", first, age=300)])
    ingest(Workspace(workspace, config), [grib.deliver(path, second, age=200)])
    assert (Workspace(workspace, config).archive.read(["t2m"], [ZERO]) != wanted).any()
    (report,) = ingest(Workspace(workspace, config), [grib.deliver(path, first, age=100)]).files
    assert report.frames == {Fate.REPLACED: 1}
    assert (Workspace(workspace, config).archive.read(["t2m"], [ZERO]) == wanted).all()


def test_an_archive_given_by_a_relative_path_lies_in_the_workspace(
    make_workspace, grib, tmp_path, monkeypatch
):
    workspace, config = make_workspace(
        text='[archive]\nurl = "frames.zarr"\n[[feeds]]\nname = "here"\npath = "."\n'
    )
    assert Workspace(workspace, config).archive_url == str(workspace.root / "frames.zarr")
    grib.deliver(workspace.root / "a.grib2", [grib.Message("t2m", 0)])
    for folder in (tmp_path, workspace.root):
        monkeypatch.chdir(folder)
        (report,) = ingest(Workspace(workspace, config), []).files
        assert not report.refused_something
    assert Workspace(workspace, config).archive.present(["t2m"], [ZERO]).all()
    assert not (tmp_path / "frames.zarr").exists()


def test_waiting_for_a_file_to_settle_can_be_stopped(make_workspace, grib, tmp_path):
    feeds = '[[feeds]]\nname = "slow"\npath = "slow"\nsettle_seconds = 600\n'
    workspace, config = make_workspace(text=feeds)
    grib.deliver(workspace.root / "slow" / "a.grib2", [grib.Message("t2m", 0)], age=0)
    begun = time.monotonic()
    result = ingest(
        Workspace(workspace, config), [], should_stop=lambda: time.monotonic() - begun > 0.5
    )
    assert [file.state for file in result.files] == [FileState.INCOMPLETE]


def test_wind_directions_on_both_sides_of_north_average_to_north(make_workspace, grib, tmp_path):
    """350 and 10 degrees make 0 and not 180 in a coarser cell, here of two columns and rows."""
    import eccodes
    import numpy as np

    workspace, config = make_workspace(text='[archive]\nvariables = ["wd10"]\n')
    directions = np.where(np.arange(128)[None, :] % 2, 350.0, 10.0) * np.ones((64, 1))
    data = b""
    for name, part in (("u10", np.sin), ("v10", np.cos)):
        handle = eccodes.codes_new_from_message(grib.Message(name, 0).encode())
        eccodes.codes_set_values(handle, -8.0 * part(np.deg2rad(directions)).ravel())
        data += eccodes.codes_get_message(handle)
        eccodes.codes_release(handle)
    (report,) = ingest(
        Workspace(workspace, config), [grib.deliver(tmp_path / "a.grib2", data)]
    ).files
    assert report.frames == {Fate.WRITTEN: 1}, report
    frame = Workspace(workspace, config).archive.read(["wd10"], [ZERO])[0, 0]
    off = np.abs((frame.astype(float) + 180.0) % 360.0 - 180.0)
    assert off.max() <= 10.1, frame
    assert np.median(off) < 0.1


def test_a_file_replaced_while_it_is_hashed_is_noticed_by_more_than_size_and_time(grib, tmp_path):
    path, others = tmp_path / "a.grib2", [tmp_path / f"other{number}" for number in range(2)]
    data = grib.Message("t2m", 0).encode() * 400
    for file in (path, *others):
        grib.deliver(file, data)
        os.utime(file, (1e9, 1e9))
    decoder = FileDecoder(DecodeSettings(named_grid("global-5p625"), ("t2m",), HOUR, tmp_path))
    done = threading.Event()

    def keep_replacing() -> None:
        while not done.is_set():
            os.link(others[0], others[1].with_suffix(".new"))
            others[1].with_suffix(".new").replace(path)
            others.reverse()
            time.sleep(0.001)

    thread = threading.Thread(target=keep_replacing)
    thread.start()
    try:
        with pytest.raises(IngestError, match="changed while it was read"):
            decoder.stamp(path)
    finally:
        done.set()
        thread.join()
