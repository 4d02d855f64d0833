"""Real processes, really killed: the ingest itself, its decoders, and two at once."""

from __future__ import annotations

import contextlib
import json
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
from sqlalchemy import select

from met2net_ops.catalog.tables import origins as table
from met2net_ops.errors import IngestError
from met2net_ops.grib.records import VerdictKind
from met2net_ops.grids import named_grid
from met2net_ops.ingest.fingerprint import DecodeSettings
from met2net_ops.ingest.fork_server import ForkServer
from met2net_ops.ingest.messages import DecodedFrame, Tally
from met2net_ops.ingest.pipeline import ingest
from met2net_ops.ingest.pool import DecoderPool
from met2net_ops.ingest.report import FileState
from met2net_ops.times import HOUR, parse_time, time_range
from met2net_ops.workspace import Workspace

ZERO = parse_time("2024-01-30")
FIRST, LAST = 41, 54  # hours since then; 48 is 1 February
PROGRAM = "from met2net_ops.cli.main import main; main()"


def command(workspace, *arguments: object) -> list[str]:
    given = [str(argument) for argument in arguments]
    return [sys.executable, "-c", PROGRAM, "ingest", "-w", str(workspace.root), *given]


def start(workspace, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command(workspace, *arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def content(workspace) -> dict[str, bytes]:
    """Every file, but for what tells one archive from another."""
    identity = json.loads((workspace.archive / "zarr.json").read_bytes())
    own = identity["attributes"]["met2net_ops"]["identity"].encode()
    return {
        str(path.relative_to(workspace.archive)): path.read_bytes().replace(own, b"")
        for path in sorted(workspace.archive.rglob("*"))
        if path.is_file()
    }


def explained(workspace, config) -> dict:
    catalog = Workspace(workspace, config).catalog
    with catalog.engine.begin() as connection:
        rows = connection.execute(select(table).where(table.c.replaced_by.is_(None))).all()
    catalog.dispose()
    return {
        (row.variable, row.valid_time): (row.path, row.message, row.frame_sha256) for row in rows
    }


@pytest.fixture(scope="module")
def feed(grib, tmp_path_factory) -> Path:
    """Hours across a month's end, each twice: as forecast and as analysis."""
    folder = tmp_path_factory.mktemp("feed")
    names = ("t2m", "msl")
    for hour in range(FIRST, LAST + 1):
        analysis = [grib.Message(name, hour) for name in names]
        forecast = [grib.Message(name, hour - 6, lead=6, seed=1) for name in names]
        grib.deliver(folder / f"a{hour:03}.grib2", forecast + analysis)
        grib.deliver(folder / f"b{LAST - hour:03}.grib2", forecast)
    return folder


@pytest.fixture(scope="module")
def reference(grib, feed, tmp_path_factory):
    """What an undisturbed ingest gives."""
    workspace, config = grib.workspace_in(tmp_path_factory.mktemp("reference"), "workspace")
    ingest(Workspace(workspace, config), [feed])
    return content(workspace), explained(workspace, config)


def test_killed_at_any_moment_and_run_again_the_archive_is_identical(
    feed, reference, make_workspace
):
    workspace, config = make_workspace("killed")
    chance = random.Random(5)
    for _ in range(4):
        process = start(workspace, "-q", feed)
        deadline = time.monotonic() + 120
        while not (workspace.root / ".archive.zarr.lock").exists() and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        time.sleep(chance.uniform(0.0, 2.0))
        process.kill()
        process.communicate()
    assert subprocess.run(command(workspace, "-q", feed), check=False).returncode == 0
    assert content(workspace) == reference[0]
    assert explained(workspace, config) == reference[1]
    archive = Workspace(workspace, config).archive
    times = time_range(ZERO + FIRST * HOUR, ZERO + LAST * HOUR)
    assert archive.present(["t2m", "msl"], times).all()
    assert not list(workspace.root.glob(".archive.zarr.partial/*"))


def test_two_ingests_at_once_give_the_same_archive(feed, reference, make_workspace):
    workspace, config = make_workspace("two")
    files = sorted(feed.iterdir())
    with start(workspace, "-q", *files) as one, start(workspace, "-q", *files[::-1], feed) as two:
        assert (one.wait(), two.wait()) == (0, 0)
    assert content(workspace) == reference[0]
    assert explained(workspace, config) == reference[1]


def test_sigterm_stops_at_a_safe_point_and_the_same_command_goes_on(
    feed, reference, make_workspace
):
    workspace, _ = make_workspace("stopped")
    with start(workspace, "--json", feed) as process:
        while not list(workspace.root.glob("archive.zarr/t2m/c.*")) and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert not nurseries()
    assert subprocess.run(command(workspace, "-q", feed), check=False).returncode == 0
    assert content(workspace) == reference[0]


def test_the_exit_code_and_table_tell_what_was_refused(grib, make_workspace, tmp_path):
    workspace, _ = make_workspace()
    good = grib.Message("t2m", 0).encode()
    grib.deliver(tmp_path / "cut.grib2", good + good[:500])
    with start(workspace, tmp_path / "cut.grib2") as process:
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 4, errors
    assert "cut.grib2" in output
    assert "1 written" in output
    assert "refused: 1 x" in output


def nurseries() -> list[psutil.Process]:
    """Children of this process that decoders are forked from."""
    found = []
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
            if "met2net_ops.ingest.worker" in child.cmdline():
                found.append(child)
    return found


def decoders() -> list[psutil.Process]:
    """The decoders of this process."""
    found = []
    for fork_server in nurseries():
        with contextlib.suppress(psutil.NoSuchProcess):
            found += fork_server.children()
    return found


class Killer(threading.Thread):
    """Sends a signal to the first decoders that this process starts."""

    def __init__(self, number: signal.Signals, most: int) -> None:
        super().__init__(daemon=True)
        self.number, self.most, self.done = number, most, False
        self.hit: set[int] = set()

    def run(self) -> None:
        while not self.done and len(self.hit) < self.most:
            for child in decoders():
                if child.pid not in self.hit:
                    self.hit.add(child.pid)
                    child.send_signal(self.number)
                    break
            time.sleep(0.001)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.done = True
        self.join()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_decoder_that_dies_or_hangs_once_costs_nothing(grib, make_workspace, tmp_path, number):
    workspace, config = make_workspace(text="timeout_seconds = 10.0\n")
    victim = grib.deliver(
        tmp_path / "victim.grib2", [grib.Message(n, h) for h in range(3) for n in grib.KEYS]
    )
    with Killer(number, most=1) as killer:
        (report,) = ingest(Workspace(workspace, config), [victim]).files
    assert len(killer.hit) == 1
    assert report.state is FileState.READ
    assert report.count(VerdictKind.TAKEN) == sum(report.frames.values()) == 12
    archive = Workspace(workspace, config).archive
    assert archive.present(list(grib.KEYS), time_range(ZERO, ZERO + 2 * HOUR)).all()


def test_a_file_that_kills_the_decoder_twice_is_refused_and_the_next_is_read(
    grib, make_workspace, tmp_path
):
    workspace, config = make_workspace()
    victim = grib.deliver(tmp_path / "victim.grib2", [grib.Message("t2m", 0)])
    other = grib.deliver(tmp_path / "z.grib2", [grib.Message("t2m", 30)])
    # One kill may come before the first decoder has its job, and one hit the next file's.
    with Killer(signal.SIGKILL, most=3):
        report, well = ingest(Workspace(workspace, config), [victim, other]).files
    # Killed before it came to the content, nothing can be kept in quarantine but the reason.
    assert report.state is FileState.REFUSED
    assert "SIGKILL" in report.problem
    assert str(victim) in report.problem
    assert well.state is FileState.READ
    assert sum(well.frames.values()) == 1
    (again,) = ingest(Workspace(workspace, config), [victim]).files
    assert again.state is FileState.READ


def test_only_the_valid_time_that_kills_the_decoder_is_lost(grib, tmp_path):
    hours = 30  # enough that the decoder cannot be through before it is killed
    names = tuple(grib.KEYS)
    victim = grib.deliver(
        tmp_path / "victim.grib2", [grib.Message(n, h) for h in range(hours) for n in names]
    )
    recipe = DecodeSettings(named_grid("global-2p8125"), names, HOUR, tmp_path)
    frames, tally = {}, None
    killed = set()
    with (
        ForkServer() as fork_server,
        DecoderPool(fork_server, recipe, workers=1, timeout=60) as pool,
    ):
        for event in pool.run([str(victim)], lambda _: True):
            if isinstance(event.item, DecodedFrame):
                frames[event.item.origin.variable, event.item.origin.valid_time] = event.item
                (child,) = decoders()
                if len(killed) < 2 and child.pid not in killed:
                    killed.add(child.pid)
                    child.kill()
            elif isinstance(event.item, Tally):
                tally = event.item
    assert tally is not None
    assert tally.fields == 4 * hours
    verdicts = {outcome: count for (outcome, _), count in tally.verdicts.items()}
    assert verdicts == {VerdictKind.TAKEN: 4 * hours - 4, VerdictKind.REFUSED: 4}
    assert all("crashed" in refusal.reason for refusal in tally.refusals)
    assert len(frames) >= 4 * hours - 4


def test_the_process_they_are_forked_from_may_die_as_well(grib, make_workspace, tmp_path):
    workspace, config = make_workspace()
    files = [grib.deliver(tmp_path / f"{h}.grib2", [grib.Message("t2m", h)]) for h in range(3)]
    with ForkServer() as fork_server:
        (first,) = ingest(Workspace(workspace, config), files[:1], fork_server=fork_server).files
        (process,) = nurseries()
        process.kill()
        (second,) = ingest(Workspace(workspace, config), files[1:2], fork_server=fork_server).files
        (process,) = nurseries()
        process.suspend()
        fork_server.stop()
        (third,) = ingest(Workspace(workspace, config), files[2:], fork_server=fork_server).files
    assert [report.state for report in (first, second, third)] == [FileState.READ] * 3
    assert not nurseries()


def test_decoders_that_cannot_start_say_why(grib, make_workspace, tmp_path, monkeypatch):
    workspace, config = make_workspace()
    broken = tmp_path / "modules"
    (broken / "eccodes").mkdir(parents=True)
    (broken / "eccodes/__init__.py").write_text("raise ImportError('no libeccodes here')")
    monkeypatch.setenv("PYTHONPATH", str(broken))
    file = grib.deliver(tmp_path / "file.grib2", [grib.Message("t2m", 0)])
    with pytest.raises(IngestError, match="no libeccodes here"):
        ingest(Workspace(workspace, config), [file])
    monkeypatch.delenv("PYTHONPATH")
    (report,) = ingest(Workspace(workspace, config), [file]).files
    assert report.state is FileState.READ


def test_watching_reads_what_is_delivered_until_told_to_stop(grib, make_workspace, tmp_path):
    feeds = '[[feeds]]\nname = "in"\npath = "incoming"\nsettle_seconds = 0.2\n'
    workspace, config = make_workspace(text=feeds)
    incoming = workspace.root / "incoming"
    incoming.mkdir()
    grib.deliver(incoming / "first.grib2", [grib.Message("t2m", 0)])
    with start(workspace, "--watch", "--json") as process:
        assert process.stdout is not None
        assert "first.grib2" in process.stdout.readline()
        partial = incoming / ".second.part"
        grib.deliver(partial, [grib.Message("t2m", 1)], age=0)
        partial.rename(incoming / "second.grib2")
        assert "second.grib2" in process.stdout.readline()
        with (incoming / "third.grib2").open("wb") as stream:
            data = grib.Message("t2m", 2).encode()
            stream.write(data[:900])
            stream.flush()
            time.sleep(0.05)
            stream.write(data[900:])
        line = process.stdout.readline()
        assert "third.grib2" in line
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 0, errors
    archive = Workspace(workspace, config).archive
    assert archive.present(["t2m"], time_range(ZERO, ZERO + 2 * HOUR)).all()
