"""Verification on a Dask cluster: two workers in processes of their own, the same sums."""

from __future__ import annotations

import pyarrow.parquet as pq
import pytest
from verification_desk import HOUR, START, Desk

from met2net_ops.errors import VerificationError
from met2net_ops.verification.run_analyses import verify_analyses
from met2net_ops.workspace import Workspace

distributed = pytest.importorskip(
    "distributed", reason="the distributed package is not installed (extra: cluster)"
)


def test_two_workers_behind_a_scheduler_store_the_same_sums(desk: Desk) -> None:
    desk.observe(START, 60)
    for i in range(4):
        desk.forecast(START + (24 + 6 * i) * HOUR)
    verify_analyses(Workspace(desk.workspace, desk.settings))
    files = sorted(desk.workspace.verification.rglob("*.parquet"))
    alone = [pq.read_table(path) for path in files]
    assert len(alone) == 4
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None
    ) as cluster:
        outcomes = verify_analyses(
            Workspace(desk.workspace, desk.settings),
            again=True,
            scheduler=cluster.scheduler_address,
        )
    assert [outcome.cycle for outcome in outcomes] == [
        START + (24 + 6 * i) * HOUR for i in range(4)
    ]
    assert all(outcome.computed for outcome in outcomes)
    assert all(pq.read_table(path).equals(one) for path, one in zip(files, alone, strict=True))


def test_no_scheduler_there(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("met2net_ops.verification.parallel.CONNECT_TIMEOUT", "1s")
    desk.observe(START, 36)
    desk.forecast(START + 24 * HOUR)
    for address in ("tcp://127.0.0.1:9", "nonsense"):
        with pytest.raises(VerificationError, match=f"no Dask scheduler answers at {address}"):
            verify_analyses(Workspace(desk.workspace, desk.settings), scheduler=address)
