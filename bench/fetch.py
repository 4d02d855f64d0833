"""Six fields of thirteen leads out of files of 500 MB: ours against two other ways to fetch them.

    python bench/fetch.py [--latency-ms 40] [--megabytes-per-second 50] [--repeat 3] [--served]

The host is on this machine, in a process of its own (`slow_host.py`): each request waits for the
latency, all bodies share the bandwidth. The peers are what users of these clients get:

- multiurl, as ecmwf-opendata uses it: each index, then one call of `multiurl.download` for all
  ranges of all files. The host calls itself AmazonS3, which ignores multi-range requests.
- Herbie's way: each index, then one request per field in turn, each a new connection (it starts a
  curl for each; here `requests.get`, which is quicker).

Only ours proves each message, syncs files and records them in the catalog. Each way runs in a
process of its own; wall time, CPU and peak memory (beyond that of its imports) are its own, bytes
and requests are those the host counted. Best of the repeats.

`--served` adds the time from publication to product: a warm `serve` at 32 x 64 with the default
model asks a source on this machine, without added latency, that publishes a run every hour.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import re
import resource
import socket
import tempfile
import threading
import time
import urllib.request
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import multiurl
import requests
import slow_host
from served import BenchClock
from slow_host import FIELDS, LEADS, RUN

from met2net_ops.centre.objects import Objects
from met2net_ops.centre.server import Centre, serving
from met2net_ops.feeds.run import Fetcher, missing_files, remote_feeds
from met2net_ops.feeds.source import find_source
from met2net_ops.grids import named_grid
from met2net_ops.models.serving import OPENER
from met2net_ops.naturerun.generate import frames, run_for
from met2net_ops.service.service import Service
from met2net_ops.times import HOUR
from met2net_ops.workspace import create_workspace

if TYPE_CHECKING:
    from collections.abc import Callable


def ours(base_url: str, folder: Path) -> int:
    """Fetch into a spool; how many bytes lie there."""
    leads = list(LEADS)
    feed = {"name": "gfs", "source": "gfs", "base_url": base_url, "leads": leads}
    values = {"feeds": [feed], "archive": {"variables": list(FIELDS)}}
    workspace = create_workspace(folder / "desk", values)
    workspace.create_archive()
    (remote,) = remote_feeds(workspace)
    until = RUN + max(LEADS) * HOUR
    wanted = [f for f in missing_files(workspace, remote, RUN, until) if f.reference_time == RUN]
    with Fetcher(workspace, remote) as fetcher:
        done = list(fetcher.fetch(wanted, lambda: RUN + timedelta(days=1)))
    assert len(done) == len(LEADS), len(done)
    assert all(one.path is not None for one in done), [one.failures for one in done]
    return sum(one.size for one in done)


def by_multiurl(base_url: str, folder: Path) -> int:
    """Indices with requests, then all ranges of all files in one call."""
    ranges = [(url, _parts(url)) for url in _urls(base_url)]
    multiurl.download(ranges, str(folder / "target.grib2"))
    return (folder / "target.grib2").stat().st_size


def one_by_one(base_url: str, folder: Path) -> int:
    """Each index, then a request for each field in turn."""
    target = folder / "target.grib2"
    with target.open("wb") as stream:
        for url in _urls(base_url):
            for offset, length in _parts(url):
                span = {"Range": f"bytes={offset}-{offset + length - 1}"}
                stream.write(requests.get(url, headers=span, timeout=30).content)
    return target.stat().st_size


WAYS: dict[str, Callable[[str, Path], int]] = {
    "ours": ours, "multiurl": by_multiurl, "one by one": one_by_one,
}  # fmt: skip


def _urls(base_url: str) -> list[str]:
    mirror = find_source("gfs").mirrors[0]
    addresses = [mirror.address(RUN, timedelta(hours=lead)) for lead in LEADS]
    return [base_url + httpx.URL(address).path for address in addresses]


def _parts(url: str) -> list[tuple[int, int]]:
    """Offset and length of the wanted fields, by an index that is known to be sound."""
    rows = [line.split(":") for line in requests.get(f"{url}.idx", timeout=30).text.splitlines()]
    keys = [tuple(field.keys.values()) for n, field in find_source("gfs").fields.items()
            if n in FIELDS]  # fmt: skip
    offsets = [int(row[1]) for row in rows] + [slow_host.SIZE]
    return [
        (offsets[at], offsets[at + 1] - offsets[at])
        for at, row in enumerate(rows)
        if (row[3], row[4]) in keys
    ]


def _measure(name: str, base_url: str, out: Path) -> None:
    """Run one way in this process and leave what it took."""
    before = resource.getrusage(resource.RUSAGE_SELF)
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        size = WAYS[name](base_url, Path(folder))
        wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    memory = (after.ru_maxrss - before.ru_maxrss) * 1024
    out.write_text(json.dumps({"wall": wall, "cpu": cpu, "memory": memory, "size": size}))


def compare(base_url: str, repeat: int) -> None:
    """Print a table of all ways."""
    context = multiprocessing.get_context("spawn")
    found: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "figures"
        for _ in range(repeat):
            for name in WAYS:
                _counts(base_url)
                child = context.Process(target=_measure, args=(name, base_url, out))
                child.start()
                child.join()
                assert child.exitcode == 0, name
                figures = {**json.loads(out.read_text()), **_counts(base_url)}
                if name not in found or figures["wall"] < found[name]["wall"]:
                    found[name] = figures
    print("way         wall s   ratio   MB sent  requests  connections  CPU ms/MB  peak MB")
    for name, row in found.items():
        megabytes = row["bytes"] / 1e6
        print(
            f"{name:10s} {row['wall']:7.2f} {row['wall'] / found['ours']['wall']:7.2f} "
            f"{megabytes:9.1f} {row['requests']:9.0f} {row['connections']:12.0f} "
            f"{1e3 * row['cpu'] / megabytes:10.1f} {row['memory'] / 1e6:8.0f}"
        )


def _counts(base_url: str) -> dict[str, float]:
    with urllib.request.urlopen(f"{base_url}/counts") as answer:
        return dict(json.load(answer))


class NearClock(BenchClock):
    """A clock that jumps from one publication to the next, so that waits are looked over often."""

    def seconds_until(self, span: float) -> float:
        """Half a second at most."""
        return min(span, 0.5)


def served(cycles: int = 4) -> None:
    """Print the seconds from the publication of a window's last file to the product."""
    names, model = ("t2m", "u10", "v10", "msl"), "naturerun-5p625"
    first = datetime(2026, 11, 22, tzinfo=UTC)
    grid, begin = named_grid("global-5p625"), first - 40 * HOUR
    made = frames(run_for(1, begin), begin, 40 + cycles, grid, names)
    weather = {time_: dict(zip(names, values, strict=True)) for time_, values in made}
    with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as at:
        base_url = "http://{}:{}".format(*at.getsockname())
        feed = {"name": "near", "source": "near", "base_url": base_url, "days": 1.4}
        workspace = create_workspace(
            Path(folder) / "desk",
            {"feeds": [feed], "schedules": [{"model": model, "cron": "0 * * * *"}]},
        )
        own = workspace.root / "sources" / "near.toml"
        own.parent.mkdir()
        own.write_text(_near(), encoding="utf-8")
        source = find_source("near", own.parent)
        last = first + (cycles - 1) * HOUR
        objects = Objects(source, weather.__getitem__, names, grid, begin, last)
        clock = NearClock(first - HOUR + timedelta(minutes=30) - datetime.now(UTC))
        service = Service(workspace, opener=OPENER, clock=clock)
        with serving(Centre(objects, clock.now), at):
            thread = threading.Thread(target=service.run)
            thread.start()
            try:
                _await(workspace.paths.product(model, first - HOUR), 120.0)
                for number in range(cycles):
                    hour = first + number * HOUR
                    published = source.schedule.expected(hour, timedelta(0))
                    clock.offset += published - timedelta(seconds=5) - clock.now()
                    _await(workspace.paths.product(model, hour), 60.0)
                    seconds = (clock.now() - published).total_seconds()
                    print(f"cycle {number + 1}: {seconds:.2f} s from publication to product")
            finally:
                service.stop()
                thread.join()


def _await(product: Path, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not product.exists():
        assert time.monotonic() < end, product
        time.sleep(0.005)


def _near() -> str:
    """The source gfs, but with a run every hour that is published ten minutes later."""
    changes = {
        "name": '"near"',
        "analysis_leads": "[0]",
        "hours": str(list(range(24))),
        "first_minutes": "10",
    }
    text = files("met2net_ops.feeds").joinpath("sources", "gfs.toml").read_text("utf-8")
    for key, value in changes.items():
        text = re.sub(f"^{key} = .*", f"{key} = {value}", text, count=1, flags=re.MULTILINE)
    return text


def main() -> None:
    """Parse the command line and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--latency-ms", type=float, default=40.0)
    parser.add_argument("--megabytes-per-second", type=float, default=50.0)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--served", action="store_true")
    options = parser.parse_args()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    host = multiprocessing.get_context("spawn").Process(
        target=slow_host.run,
        args=(port, options.latency_ms / 1e3, options.megabytes_per_second * 1e6),
        daemon=True,
    )
    host.start()
    base_url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            with socket.socket() as look:
                if look.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        print(f"{len(FIELDS)} fields x {len(LEADS)} leads, {options.latency_ms:g} ms, "
              f"{options.megabytes_per_second:g} MB/s, {os.cpu_count()} cores")  # fmt: skip
        compare(base_url, options.repeat)
    finally:
        host.terminate()
        host.join()
    if options.served:
        served()


if __name__ == "__main__":
    main()
