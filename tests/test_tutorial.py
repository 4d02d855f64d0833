"""docs/tutorial.md as it is written: its commands, on a small store like the public one."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import xarray as xr
from gridded_server import Server, server, world

__all__ = ["server"]

PAGE = Path(__file__).parents[1] / "docs" / "tutorial.md"
HOURS = 400
# The page's numbers → smaller ones, so that the page takes a minute here.
SMALLER = {
    "--years 2021..2025": "--years 2021",
    "--area 61,-12,49,4": "--area 56,-6,51,1",
    "--hours 3": "--hours 0.003",
    "2025-12-01..2025-12-07": "2021-05-15T00..2021-05-15T12",
}


def commands() -> list[str]:
    blocks = re.findall(r"```\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    text = "\n".join(blocks)
    for long, short in SMALLER.items():
        assert long in text, long
        text = text.replace(long, short)
    return text.splitlines()


def test_the_commands_of_the_page_lead_from_nothing_to_scores(
    server: Server, tmp_path: Path
) -> None:
    data = world(HOURS)
    fields = [name for name, array in data.data_vars.items() if array.ndim == 3]
    encoding = {name: {"chunks": (100, 24, 24)} for name in fields}
    data.to_zarr(tmp_path / "served" / "gfs.zarr", encoding=encoding, zarr_format=3)
    variables = {
        **os.environ,
        "MET2NET_DATASET__URL": f"{server.url}/gfs.zarr",
        "MET2NET_FORECAST__LEADS": "12",
        "OMP_NUM_THREADS": "1",
    }
    said = {}
    for line in commands():
        if not line.startswith("met2net-ops") or " serve " in line:
            continue  # pip, and the service, which runs until it is stopped
        call = [sys.executable, "-m", "met2net_ops.cli.main", *shlex.split(line)[1:]]
        done = subprocess.run(call, cwd=tmp_path, env=variables, capture_output=True, text=True)
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
        said[line.split()[1]] = done.stdout
    assert "1600 of 1600 frames" in said["dataset"]
    assert "persistence" in said["models"]
    scores = said["verify"]
    assert re.search(r"t2m", scores), scores
    assert "n 0" not in scores
    products = list((tmp_path / "british-isles" / "products").rglob("*.nc"))
    assert len(products) == 3
    with xr.open_dataset(products[0]) as product:
        assert np.isfinite(product["t2m"]).all()
        assert product["t2m"].shape == (12, 21, 29)
