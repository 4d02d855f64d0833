"""Baselines are summed once for all cycles of a valid time, and come out as if summed anew."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from verification_desk import HOUR, START, make_desk

from met2net_ops.verification.run_analyses import verify_analyses
from met2net_ops.workspace import Workspace

DAY = timedelta(days=1)


def _gap(name: str, lead: int) -> float:
    return np.nan if (name, lead) == ("t2m", 3) else 0.1 * lead


@pytest.mark.parametrize("climatology_days", [2, 20])
def test_together_or_one_by_one_the_sums_are_the_same(
    tmp_path: Path, climatology_days: int
) -> None:
    cycles = [START + 3 * DAY + n * HOUR for n in range(5)]
    stored = {}
    for way in ("together", "apart"):
        desk = make_desk(tmp_path / way)
        own = desk.settings.verification.model_copy(update={"climatology_days": climatology_days})
        settings = desk.settings.model_copy(update={"verification": own})
        desk.observe(START, 120)
        for number, cycle in enumerate(cycles):
            # The second forecast has a lead without values: there nothing may be taken over.
            if number == 1:
                desk.forecast(cycle, error=_gap, leads=30)
            else:
                desk.forecast(cycle, leads=30)
        runs = [(None, None)] if way == "together" else [(cycle, cycle) for cycle in cycles]
        for since, until in runs:
            found = verify_analyses(Workspace(desk.workspace, settings), since=since, until=until)
            assert {outcome.status for outcome in found} <= {"final", "partial"}
        folder = desk.workspace.verification / "analysis"
        stored[way] = {path.name: pq.read_table(path) for path in folder.rglob("*.parquet")}
    assert len(stored["together"]) == len(cycles)
    systems = set(stored["together"][next(iter(stored["apart"]))]["system"].to_pylist())
    assert ("climatology" in systems) == (climatology_days == 2)
    for name, table in stored["apart"].items():
        assert stored["together"][name].equals(table), name
