"""Small GRIB files made by ecCodes, and workspaces to ingest them into."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import eccodes
import numpy as np
import pytest

from met2net_ops.paths import WorkspacePaths
from met2net_ops.settings import Settings, load_settings

# discipline, category, number, type of surface, level, mean, spread
KEYS = {
    "t2m": (0, 0, 0, 103, 2, 280.0, 15.0),
    "u10": (0, 2, 2, 103, 10, 0.0, 8.0),
    "v10": (0, 2, 3, 103, 10, 0.0, 8.0),
    "msl": (0, 3, 1, 101, 0, 101_000.0, 900.0),
}
NLAT, NLON = 64, 128


@dataclass(frozen=True)
class Message:
    """One field to write: 2.8125 degrees, global, north to south."""

    variable: str
    hour: int  # of the reference time since 2024-01-30T00
    lead: int = 0
    seed: int = 0

    @property
    def values(self) -> np.ndarray:
        """Smooth, and different for every variable, valid time and seed."""
        mean, spread = KEYS[self.variable][5:]
        lat = np.deg2rad(90 - 2.8125 * (np.arange(NLAT) + 0.5))[:, None]
        lon = np.deg2rad(2.8125 * np.arange(NLON))[None, :]
        phase = 0.1 * (self.hour + self.lead) + self.seed + len(self.variable)
        return mean + spread * np.cos(lat) * np.sin(2 * lon + phase)

    def encode(self) -> bytes:
        handle = eccodes.codes_grib_new_from_samples("regular_ll_sfc_grib2")
        discipline, category, number, surface, level = KEYS[self.variable][:5]
        day, hour = divmod(self.hour, 24)
        date = np.datetime64("2024-01-30") + day
        keys = {
            "centre": "ecmf", "Ni": NLON, "Nj": NLAT,
            "latitudeOfFirstGridPointInDegrees": 88.59375,
            "longitudeOfFirstGridPointInDegrees": 0.0,
            "latitudeOfLastGridPointInDegrees": -88.59375,
            "longitudeOfLastGridPointInDegrees": 357.1875,
            "iDirectionIncrementInDegrees": 2.8125, "jDirectionIncrementInDegrees": 2.8125,
            "dataDate": int(str(date).replace("-", "")), "dataTime": hour * 100,
            "typeOfProcessedData": "fc" if self.lead else "an",
            "forecastTime": self.lead,
            "discipline": discipline, "parameterCategory": category, "parameterNumber": number,
            "typeOfFirstFixedSurface": surface, "scaleFactorOfFirstFixedSurface": 0,
            "scaledValueOfFirstFixedSurface": level, "bitsPerValue": 16,
        }  # fmt: skip
        for key, value in keys.items():
            eccodes.codes_set(handle, key, value)
        eccodes.codes_set_values(handle, self.values.ravel())
        data = eccodes.codes_get_message(handle)
        eccodes.codes_release(handle)
        return data


def deliver(path: Path, messages: Iterable[Message] | bytes, *, age: float = 3600.0) -> Path:
    """A complete file that was last written to `age` seconds ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = messages if isinstance(messages, bytes) else b"".join(m.encode() for m in messages)
    path.write_bytes(data)
    stamp = time.time() - age
    os.utime(path, (stamp, stamp))
    return path


def feed_of(folder: Path, hours: Iterable[int]) -> Path:
    """One file per hour with all four variables."""
    for hour in hours:
        deliver(folder / f"h{hour:03}.grib2", [Message(name, hour) for name in KEYS])
    return folder


def workspace_in(folder: Path, name: str, text: str = "") -> tuple[WorkspacePaths, Settings]:
    """A workspace on disk, so that the command line finds it too, and its settings."""
    root = folder / name
    root.mkdir()
    workspace = WorkspacePaths(root)
    workspace.settings_file.write_text(f"[ingest]\nworkers = 1\n{text}")
    return workspace, load_settings(workspace.settings_file)


@pytest.fixture(scope="session")
def grib() -> SimpleNamespace:
    """What this file defines, for tests: there are no imports between test modules."""
    return SimpleNamespace(
        KEYS=KEYS, Message=Message, deliver=deliver, feed_of=feed_of, workspace_in=workspace_in
    )


@pytest.fixture
def make_workspace(tmp_path: Path) -> Callable[..., tuple[WorkspacePaths, Settings]]:
    """Workspaces of this test."""

    def make(name: str = "workspace", text: str = "") -> tuple[WorkspacePaths, Settings]:
        return workspace_in(tmp_path, name, text)

    return make
