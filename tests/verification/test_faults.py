"""What goes wrong with one product costs no other, and every file appears whole."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pyarrow.parquet as pq
import pytest
from renames import watch_renames
from verification_desk import HOUR, START, Desk

from met2net_ops.errors import ArchiveError
from met2net_ops.observations.store import import_files
from met2net_ops.products import index
from met2net_ops.products.publish import claim
from met2net_ops.verification import pending
from met2net_ops.verification.run_analyses import verify_analyses
from met2net_ops.verification.run_stations import verify_stations
from met2net_ops.verification.store.files import sums_path
from met2net_ops.workspace import Workspace

DAY = timedelta(days=1)


def test_sums_and_climatology_have_reached_the_disk(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.observe(START, 24 * 20, names=("t2m",))
    desk.forecast(START + DAY)
    unsynced = watch_renames(monkeypatch)
    verify_analyses(Workspace(desk.workspace, desk.settings))
    made = [path.suffix for path in desk.workspace.verification.rglob("*") if path.is_file()]
    assert sorted(made) == [".npz", ".parquet"]
    assert unsynced == []


def test_two_verifications_at_once_wait_for_each_other(desk: Desk) -> None:
    desk.observe(START, 40)
    desk.forecast(START + DAY)
    path = sums_path(desk.workspace, "analysis", "tester", START + DAY)
    with ThreadPoolExecutor(1) as other:
        with claim(path):
            waiting = other.submit(verify_analyses, Workspace(desk.workspace, desk.settings))
            with pytest.raises(TimeoutError):
                waiting.result(timeout=1.0)
        (outcome,) = waiting.result(timeout=30)
    assert outcome.status == "final"
    assert pq.read_table(path).num_rows


def test_a_product_taken_away_costs_no_other(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when old products are pruned between the listing and their turn."""
    desk.observe(START, 48)
    gone = desk.forecast(START + DAY)
    desk.forecast(START + DAY + 6 * HOUR)
    entries = index.list_products(desk.workspace)
    monkeypatch.setattr(pending, "products_due", lambda *_: entries)
    gone.unlink()
    first, second = verify_analyses(Workspace(desk.workspace, desk.settings))
    assert first.status == "failed"
    assert f"cannot read {gone}" in first.reason
    assert second.status == "final"


def test_a_damaged_frame_costs_only_the_products_it_shapes(desk: Desk) -> None:
    desk.observe(START, 96)
    desk.forecast(START + DAY, leads=2)
    desk.forecast(START + 3 * DAY, leads=2)
    damage_frame(desk, START + DAY + HOUR)
    first, second = verify_analyses(Workspace(desk.workspace, desk.settings))
    assert first.status == "failed"
    assert "2026-01-06T01" in first.reason
    assert second.status == "final"


def damage_frame(desk: Desk, time: datetime) -> None:
    """Cut the temperature of that time."""
    frames = (desk.workspace.archive / "t2m").glob("c.*")
    by_time = sorted(frames, key=lambda path: int(path.name.split(".")[1]))
    victim = by_time[int((time - START) / HOUR)]
    victim.write_bytes(victim.read_bytes()[:5])
    with pytest.raises(ArchiveError):
        desk.archive.read(("t2m",), [time])


def test_a_damaged_file_of_reports_costs_only_its_days(desk: Desk) -> None:
    desk.observe(START, 96)
    header = "station,latitude,longitude,height_m,time,t2m_k\n"
    for day in (1, 3):
        desk.forecast(START + DAY * day, leads=2)
        path = desk.workspace.root / f"{day}.csv"
        path.write_text(header + f"A,40,50,5,{START + DAY * day + HOUR:%Y-%m-%dT%H:%MZ},280\n")
        import_files(desk.workspace.observations, [path], desk.settings.observations.columns)
    first, _ = sorted(desk.workspace.observations.rglob("*.parquet"))
    first.write_bytes(first.read_bytes()[:100])
    found = verify_stations(Workspace(desk.workspace, desk.settings))
    assert [outcome.status for outcome in found] == ["failed", "partial"]
    assert first.name in found[0].reason
