from __future__ import annotations

import threading
from datetime import UTC, datetime
from pathlib import Path

from met2net_ops.paths import WorkspacePaths
from met2net_ops.products.index import list_products
from met2net_ops.products.write import rejected_path


def cycle(day: int, hour: int) -> datetime:
    return datetime(2026, 11, day, hour, tzinfo=UTC)


def test_products_are_listed_by_cycle_and_model(tmp_path: Path) -> None:
    workspace = WorkspacePaths(tmp_path)
    made = [
        ("naturerun_5", cycle(22, 6)),
        ("persistence", cycle(22, 6)),
        ("naturerun_5", cycle(22, 0)),
        ("naturerun_5", cycle(23, 0)),
    ]
    for model, reference in made:
        path = workspace.product(model, reference)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        for debris in (f".{path.name}.77.tmp", f".{path.name}.lock", "notes.nc", "x_2026993399.nc"):
            (path.parent / debris).touch()
    refused = rejected_path(workspace.product("persistence", cycle(22, 6)))
    refused.touch()
    listed = list_products(workspace)
    assert [(entry.model, entry.reference_time) for entry in listed] == [
        made[2],
        made[0],
        made[1],
        made[3],
    ]
    assert all(
        entry.path == workspace.product(entry.model, entry.reference_time) for entry in listed
    )
    assert [entry.model for entry in list_products(workspace, model="persistence")] == [
        "persistence"
    ]
    some = list_products(workspace, since=cycle(22, 1), until=cycle(22, 6))
    assert {entry.reference_time for entry in some} == {cycle(22, 6)}
    assert [entry.path for entry in list_products(workspace, rejected=True)] == [refused]


def test_a_new_workspace_has_none(tmp_path: Path) -> None:
    assert list_products(WorkspacePaths(tmp_path)) == []


def test_days_that_are_pruned_meanwhile_do_not_break_the_listing(tmp_path: Path) -> None:
    workspace = WorkspacePaths(tmp_path)
    day = workspace.product("persistence", cycle(22, 0)).parent
    ended = threading.Event()

    def come_and_go() -> None:
        while not ended.is_set():
            day.mkdir(parents=True, exist_ok=True)
            for folder in (day, *list(day.parents)[:3]):
                folder.rmdir()

    thread = threading.Thread(target=come_and_go)
    thread.start()
    try:
        for _ in range(2000):
            assert list_products(workspace) == []
    finally:
        ended.set()
        thread.join()
