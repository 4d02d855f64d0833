"""Stores with the layouts of the public ones, and a local server of them that can fail."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

START = datetime(2021, 5, 1, tzinfo=UTC)


def world(hours: int, *, south_first: bool = False, spacing: float = 2.5) -> xr.Dataset:
    """Smooth hourly fields around the globe, longitudes 0 to 360."""
    latitudes = np.arange(90, -90.1, -spacing)
    longitudes = np.arange(0, 360, spacing)
    times = np.datetime64("2021-05-01T00", "ns") + np.arange(hours) * np.timedelta64(1, "h")
    t = np.arange(hours)[:, None, None] / 24
    y, x = np.deg2rad(latitudes)[None, :, None], np.deg2rad(longitudes)[None, None, :]
    noise = np.random.default_rng(1).normal(0, 0.3, (hours, latitudes.size, longitudes.size))
    dims = ("time", "latitude", "longitude")
    celsius = 15 + 10 * np.cos(3 * x - t) * np.cos(y) + noise
    data = xr.Dataset(
        {
            "temperature_2m": (dims, celsius.astype("f4"), {"units": "degree_Celsius"}),
            "wind_u_10m": (dims, (8 * np.sin(2 * x + t) * np.cos(y) + noise).astype("f4"),
                           {"units": "m/s"}),
            "wind_v_10m": (dims, (6 * np.cos(2 * x - t) * np.cos(y) - noise).astype("f4"),
                           {"units": "m/s"}),
            "pressure_reduced_to_mean_sea_level": (
                dims, (1013e2 + 1500 * np.sin(2 * x - t) * np.cos(y) + 50 * noise).astype("f4"),
                {"units": "Pa"},
            ),
            "precipitation_surface": (dims, np.maximum(noise / 3600, 0).astype("f4"),
                                      {"units": "kg m-2 s-1"}),
            "land_sea_mask": (dims[1:], (np.cos(5 * x[0]) * np.cos(y[0]) > 0).astype("f4"),
                              {"units": "1"}),
        },
        {"time": times, "latitude": latitudes, "longitude": longitudes},
    )  # fmt: skip
    return data.isel(latitude=slice(None, None, -1)) if south_first else data


@dataclass
class Server:
    """A folder over HTTP with ranges; it can fail, and counts.

    Attributes:
        busy: how often each matching path is answered by 503 first.
        cut: how often each matching path is cut off in the middle.
        requests: path → number of answers with content.
        bytes: of chunks sent.
    """

    url: str
    busy: dict[str, int] = field(default_factory=dict)
    cut: dict[str, int] = field(default_factory=dict)
    requests: Counter[str] = field(default_factory=Counter)
    bytes: int = 0


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """Serves `tmp_path / "served"`."""
    root = tmp_path / "served"
    root.mkdir()
    state = Server("")
    lock = threading.Lock()

    def use(faults: dict[str, int], path: str) -> bool:
        with lock:
            for pattern, left in faults.items():
                if left and re.search(pattern, path):
                    faults[pattern] -= 1
                    return True
        return False

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # one packet per answer: two would wait for each other

        def log_message(self, *_: object) -> None:
            """Says nothing."""

        def do_HEAD(self) -> None:
            self._answer(content=False)

        def do_GET(self) -> None:
            self._answer(content=True)

        def _answer(self, *, content: bool) -> None:
            path = self.path.lstrip("/")
            file = root / path
            if use(state.busy, path) or not file.is_file():
                self.send_response(503 if file.is_file() else 404)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            data, status = file.read_bytes(), 200
            headers = {}
            if wanted := re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", "")):
                first, last = wanted.groups()
                begin = int(first) if first else len(data) - int(last)
                end = min(int(last) + 1 if first and last else len(data), len(data))
                headers["Content-Range"] = f"bytes {begin}-{end - 1}/{len(data)}"
                data, status = data[begin:end], 206
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.send_header("Last-Modified", "Sat, 01 May 2021 00:00:00 GMT")
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            if not content:
                return
            if use(state.cut, path):
                self.wfile.write(data[: len(data) // 2])
                self.close_connection = True
                return
            with lock:
                state.requests[path] += 1
                state.bytes += 0 if path.endswith((".json", ".zmetadata")) else len(data)
            self.wfile.write(data)

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{http.server_port}"
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    yield state
    http.shutdown()
    http.server_close()
