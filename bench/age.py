"""What commands cost in a workspace of one month and of many, with every cycle verified.

The cycles are synthetic: each product is a hard link to one of a few real ones, under the right
name, and each file of sums is written by the store itself, with the state that makes it up to date.

    python bench/age.py --months 36 --models 5 --every 6
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from met2net_ops.products.header import ProductHeader
from met2net_ops.products.write import write_product
from met2net_ops.times import HOUR
from met2net_ops.verification.compute.match import FrameCache
from met2net_ops.verification.due import compact_old_sums
from met2net_ops.verification.inputs.climatology import Climatology
from met2net_ops.verification.inputs.frame_states import FrameStates
from met2net_ops.verification.inputs.surface import Surface
from met2net_ops.verification.outcome import Months, product_state
from met2net_ops.verification.pending import Common
from met2net_ops.verification.run_analyses import AnalysisTruth, verify_analyses
from met2net_ops.verification.store.files import read_record, sums_path, write_sums
from met2net_ops.workspace import Workspace, create_workspace, find_workspace

if TYPE_CHECKING:
    from met2net_ops.archive.frames import FrameArchive

GRID = {"name": "age", "north": 60.0, "west": 0.0, "dlat": 5.0, "dlon": 5.0, "nlat": 8, "nlon": 16}
END = datetime(2026, 11, 1, tzinfo=UTC)
SCORES = ("dashboard", "scores")  # what its pages ask of the stored sums, as they open
COMMANDS = (
    ("verify", "--quiet"), ("verify", "--json"), ("status", "--json"), ("prune", "-n"), ("ingest",),
    ("coverage",), ("cycles", "list"), ("models", "list"), SCORES,
)  # fmt: skip


def main() -> None:
    """Print a line for each command."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--months", type=int, default=12)
    parser.add_argument("--models", type=int, default=1)
    parser.add_argument("--every", type=int, default=1, help="hours between cycles")
    parser.add_argument("--leads", type=int, default=48)
    parser.add_argument("--repeat", type=int, default=3)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        young = build(Path(folder) / "young", 1, chosen)
        old = build(Path(folder) / "old", chosen.months, chosen)
        print(f"{chosen.models} models, a cycle every {chosen.every} h, {chosen.leads} leads, "
              f"1 and {chosen.months} months; load {os.getloadavg()[0]:.1f}")  # fmt: skip
        for one in (young, old):
            began = time.monotonic()
            compact_old_sums(find_workspace(one).paths)
            print(f"{one.name}: sums put together in {time.monotonic() - began:.0f} s")
            seconds, megabytes = cost(one, ("verify", "--all", "--quiet"))
            print(f"{one.name}: verify --all, nothing due: {seconds:.0f} CPU s, {megabytes:.0f} MB")
        print(f"{'command':18} {'CPU s, 1':>9} {'many':>7} {'ratio':>6} {'MB, 1':>7} {'many':>7}")
        for words in COMMANDS:
            runs = [
                (cost(young, words), cost(old, words)) if turn % 2 else
                (cost(old, words), cost(young, words))[::-1]
                for turn in range(chosen.repeat)
            ]  # fmt: skip
            few, many = (
                (statistics.median(run[side][0] for run in runs),
                 statistics.median(run[side][1] for run in runs))
                for side in (0, 1)
            )  # fmt: skip
            print(f"{' '.join(words):18} {few[0]:9.2f} {many[0]:7.2f} {many[0] / few[0]:6.2f} "
                  f"{few[1]:7.0f} {many[1]:7.0f}")  # fmt: skip


def build(folder: Path, months: int, chosen: argparse.Namespace) -> Path:
    """A workspace in which every cycle of so many months is verified; its folder."""
    began = time.monotonic()
    workspace = create_workspace(
        folder,
        {
            "grid": GRID,
            "archive": {"variables": ["t2m"]},
            "feeds": [{"name": "feed", "path": "feed"}],
            "verification": {"thresholds": [], "neighbourhoods": []},
        },
    )
    archive = workspace.create_archive()
    first = END - timedelta(days=30 * months)
    fill(archive, first - HOUR * 24, END)
    models = [f"model-{number}" for number in range(chosen.models)]
    template = product(workspace, models[0], END - HOUR * chosen.leads, chosen.leads)
    count = 0
    cycle = END - HOUR * chosen.leads
    while cycle >= first:
        for model in models:
            path = workspace.paths.product(model, cycle)
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.exists():
                os.link(template, path)
            count += 1
        cycle -= HOUR * chosen.every
    verified(workspace, models, first, chosen)
    print(f"{months} months: {count} cycles in {time.monotonic() - began:.0f} s", file=sys.stderr)
    return folder


def fill(archive: FrameArchive, first: datetime, last: datetime) -> None:
    """Hourly frames of one value each."""
    times = [first + HOUR * n for n in range((last - first) // HOUR + 1)]
    values = np.full(archive.grid.shape, 280.0, np.float32)
    one = archive.encode("t2m", first, values)
    archive.write_frames([replace(one, time=time_) for time_ in times])


def product(workspace: Workspace, model: str, cycle: datetime, leads: int) -> Path:
    """A real product."""
    header = ProductHeader(
        model, "", cycle, HOUR, leads, ("t2m",), workspace.settings.grid.grid(), (), "cpu", "fp32",
        "0", END,
    )  # fmt: skip
    path = workspace.paths.product(model, cycle)
    with write_product(path, header, workspace.settings.products) as writer:
        writer.write(1, np.full((leads, 1, *header.grid.shape), 281.0, np.float32))
        writer.finish(header)
        writer.publish()
    return path


def verified(
    workspace: Workspace, models: list[str], first: datetime, chosen: argparse.Namespace
) -> None:
    """Files of sums for every cycle: the one of the newest, with another cycle in it."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    newest = END - HOUR * chosen.leads
    (outcome,) = verify_analyses(workspace, model=models[0], since=newest)
    assert outcome.status == "final", outcome
    path = sums_path(workspace.paths, "analysis", models[0], newest)
    record, table = read_record(path), pq.read_table(path)
    assert record is not None
    state = product_state(workspace.paths.product(models[0], newest))
    months = Climatology(
        workspace.paths.verification / "climatology", workspace.analyses,
        workspace.settings.verification.climatology_days,
    )  # fmt: skip
    common = Common(
        workspace.paths, workspace.settings, FrameCache(workspace.analyses),
        FrameStates(workspace.catalog), Months(months, rebuild=False), Surface(),
    )  # fmt: skip
    truth = AnalysisTruth(common)
    cycle = newest
    while cycle >= first:
        column = pa.array([cycle.replace(tzinfo=None)] * table.num_rows, table["cycle"].type)
        axes = replace(record.axes, reference_time=cycle)
        known = replace(
            record, cycle=cycle, product=state, truth_state=truth.state(axes),
            climatology=common.months.identities(axes.months),
        )  # fmt: skip
        for model in models:
            named = pa.array([model] * table.num_rows).cast(table["model"].type)
            moved = table.set_column(table.schema.get_field_index("cycle"), "cycle", column)
            moved = moved.set_column(moved.schema.get_field_index("model"), "model", named)
            facts = replace(known, model=model)
            write_sums(sums_path(workspace.paths, "analysis", model, cycle), facts, _Table(moved))  # type: ignore[arg-type]
        cycle -= HOUR * chosen.every


class _Table:
    """Rows that are there already, as `write_sums` takes them."""

    def __init__(self, table: object) -> None:
        self._table = table

    def tables(self) -> list[object]:
        """The one table."""
        return [self._table]


def cost(folder: Path, words: tuple[str, ...]) -> tuple[float, float]:
    """CPU seconds and peak memory (MB) of a command."""
    before = os.times()
    run = _SCORES if words == SCORES else _RUN
    command = [sys.executable, "-c", run, *words, "-w", str(folder)]
    done = subprocess.run(
        command, check=False, text=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    after = os.times()
    peak = float(done.stderr.rsplit("VmHWM", 1)[1].split()[1]) / 1024
    used = after.children_user + after.children_system
    return used - before.children_user - before.children_system, peak


_RUN = """
import sys
from met2net_ops.cli.main import main
try:
    main()
finally:
    (line,) = [line for line in open("/proc/self/status") if line.startswith("VmHWM")]
    sys.stderr.write("VmHWM: " + line.split()[1])
"""

_SCORES = """
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from met2net_ops.app.data.operations import cycle_marks, newest_time
from met2net_ops.app.data.scored import curves, lead_labels
from met2net_ops.app.data.verified import sums_of, take_inventory, verified_models
from met2net_ops.paths import WorkspacePaths
from met2net_ops.verification.results.conditions import Slice
from met2net_ops.verification.results.cube import load_cube
paths = WorkspacePaths(Path(sys.argv[-1]))
for model in verified_models(paths)["analysis"]:
    stored = sums_of(paths, "analysis", model, "30")
    assert take_inventory(stored).parts
    assert stored.times()
    cube = load_cube(stored, Slice("continuous", "t2m"))
    curves(cube, "rmse", lead_labels(cube), model)
assert cycle_marks(paths, newest_time(paths, datetime.now(UTC), 7) - timedelta(days=7))
(line,) = [line for line in open("/proc/self/status") if line.startswith("VmHWM")]
sys.stderr.write("VmHWM: " + line.split()[1])
"""


if __name__ == "__main__":
    main()
