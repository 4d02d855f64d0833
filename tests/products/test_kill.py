"""Real SIGKILLs of a real child that publishes the same product over and over."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from met2net_ops.products.publish import leftovers
from met2net_ops.products.read import read_fields

# Publishes seeds 0, 1, 2 … in turn; the seed stands in the header and makes the values.
CHILD = """
import sys
from dataclasses import replace
from pathlib import Path
import numpy as np

from met2net_ops.products.read import read_header
from met2net_ops.products.write import write_product
from met2net_ops.settings import ProductSettings
from met2net_ops.products.header import ProductHeader
from met2net_ops.grids import LatLonGrid
from met2net_ops.times import HOUR, parse_time

path, seed, stop = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
grid = LatLonGrid(60.0, 0.0, 0.5, 0.5, 64, 64)
header = ProductHeader(
    "killed", "", parse_time("2026-11-22T06"), HOUR, 12, ("t2m", "msl"), grid, (), "cpu", "fp32",
    "0", parse_time("2026-11-22T06"),
)
print("ready", flush=True)
while seed < stop:
    values = np.random.default_rng(seed).normal(280, 5, (12, 2, 64, 64)).astype(np.float32)
    named = replace(header, timings={"seed": seed})
    with write_product(path, named, ProductSettings()) as writer:
        for lead in range(0, 12, 4):
            writer.write(lead + 1, values[lead : lead + 4])
        writer.finish(named)
        writer.verify()
        writer.publish()
    seed += 1
"""


def child(path: Path, seed: int, stop: int = 10**9) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", CHILD, str(path), str(seed), str(stop)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def published_seed(path: Path) -> int:
    """The seed of a product, every value checked against it."""
    header, fields = read_fields(path)
    seed = int(header.timings["seed"])
    expected = np.random.default_rng(seed).normal(280, 5, fields.shape).astype(np.float32)
    assert fields.tobytes() == expected.tobytes()
    return seed


def test_a_kill_at_any_moment_leaves_the_old_product_or_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "killed_2026112206.nc"
    rng = np.random.default_rng()
    debris, last = 0, -1
    for _ in range(6):
        process = child(path, last + 1)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(float(rng.uniform(0.02, 0.5)))
        process.kill()
        assert process.wait(10) == -signal.SIGKILL
        process.stdout.close()
        debris += bool(leftovers(path))
        visible = [entry for entry in tmp_path.iterdir() if not entry.name.startswith(".")]
        assert visible in ([], [path])
        if visible:
            seed = published_seed(path)
            assert seed >= last
            last = seed
    # The last run ends by itself, and clears up after all those that could not.
    final = child(path, last + 1, last + 2)
    assert final.wait(60) == 0
    assert final.stdout is not None
    final.stdout.close()
    assert published_seed(path) == last + 1
    assert list(tmp_path.iterdir()) == [path]
    assert debris  # else no kill hit a product under way, and nothing was shown
