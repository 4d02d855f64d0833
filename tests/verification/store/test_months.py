"""Stored sums of old months in one file each: the same answers, and nothing lost by a kill."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from pages_desk import make_scores

from met2net_ops.errors import VerificationError
from met2net_ops.paths import WorkspacePaths
from met2net_ops.products.publish import claim
from met2net_ops.times import naive_utc
from met2net_ops.verification.results.conditions import Slice
from met2net_ops.verification.results.cube import load_cube
from met2net_ops.verification.results.query import Grouped, Selection, grouped_sums
from met2net_ops.verification.store.files import read_record, sums_path
from met2net_ops.verification.store.listing import stored_sums
from met2net_ops.verification.store.months import StoredRecords, compact_months, read_month
from met2net_ops.workspace import create_workspace

# Of June there are three cycles, of July four.
CYCLES = tuple(datetime(2025, 6, 29, 12, tzinfo=UTC) + timedelta(hours=12) * n for n in range(7))
JUNE = tuple(cycle for cycle in CYCLES if cycle.month == 6)
AUGUST = datetime(2025, 8, 5, tzinfo=UTC)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> WorkspacePaths:
    paths = create_workspace(tmp_path_factory.mktemp("months") / "template").paths
    make_scores(paths, ("desk", "rival"), CYCLES)
    return paths


@pytest.fixture
def paths(template: WorkspacePaths, tmp_path: Path) -> WorkspacePaths:
    return WorkspacePaths(shutil.copytree(template.root, tmp_path / "desk"))


def answers(paths: WorkspacePaths) -> list[Grouped]:
    """What questions of several kinds are answered."""
    by_month = ("model", "variable", "lead", "yyyymm")
    july = CYCLES[-1] - timedelta(days=1)
    return [
        grouped_sums(paths, "continuous", by_month, Selection(), "persistence-24h"),
        grouped_sums(paths, "vector", ("lead",), Selection("stations", "desk"), "climatology"),
        grouped_sums(paths, "continuous", ("lead",), Selection(model="desk"), versus="rival"),
        grouped_sums(paths, "contingency", ("threshold",), Selection(until=JUNE[2])),
        grouped_sums(paths, "continuous", ("variable",), Selection(since=JUNE[1], until=july)),
        load_cube(
            stored_sums(paths, "analysis", ["desk"], JUNE[1], CYCLES[5]), Slice("continuous", "msl")
        ).grouped(np.zeros((5, 4), dtype=np.int64)),
    ]


def same(ours: list[Grouped], theirs: list[Grouped]) -> bool:
    """Whether they agree, but for the order in which sums are added up."""
    return all(
        a.keys == b.keys
        and np.array_equal(a.cycles, b.cycles)
        and np.allclose(a.forecast.values, b.forecast.values, rtol=1e-12, atol=1e-12)
        and (a.baseline is None) == (b.baseline is None)
        and (
            a.baseline is None
            or b.baseline is None
            or np.allclose(a.baseline.values, b.baseline.values, rtol=1e-12, atol=1e-12)
        )
        for a, b in zip(ours, theirs, strict=True)
    )


def names(paths: WorkspacePaths) -> list[str]:
    return sorted(
        str(path.relative_to(paths.verification))
        for path in paths.verification.rglob("*")
        if path.is_file()
    )


def test_a_month_in_one_file_answers_as_its_cycles_did(paths: WorkspacePaths) -> None:
    before = answers(paths)
    records = {c: read_record(sums_path(paths, "analysis", "desk", c)) for c in CYCLES}
    written = compact_months(paths, datetime(2025, 7, 20, tzinfo=UTC))
    assert [path.name for path in written] == [
        "desk_202506.parquet", "rival_202506.parquet", "desk_202506.parquet"
    ]  # fmt: skip
    assert names(paths)[0] == "analysis/desk/2025/06/desk_202506.parquet"
    assert len(names(paths)) == 3 + 3 * (len(CYCLES) - len(JUNE))
    assert same(answers(paths), before)
    assert stored_sums(paths, "analysis", ["desk"]).times() == list(CYCLES)
    assert stored_sums(paths, "analysis", ["desk"], JUNE[1], JUNE[2]).times() == list(JUNE[1:3])
    stored = StoredRecords(paths, "analysis")
    assert {c: stored.of("desk", c) for c in CYCLES} == records
    assert stored.of("desk", JUNE[0] + timedelta(hours=1)) is None
    assert compact_months(paths, datetime(2025, 7, 20, tzinfo=UTC)) == []


def test_a_cycle_verified_again_counts_from_its_own_file_until_it_is_taken_in(
    paths: WorkspacePaths, template: WorkspacePaths
) -> None:
    compact_months(paths, AUGUST)
    again = sums_path(paths, "analysis", "desk", JUNE[1])
    shutil.copy(sums_path(template, "analysis", "rival", JUNE[1]), again)  # other sums
    model = "SELECT model, count(*) AS n FROM stored WHERE cycle = $cycle GROUP BY ALL ORDER BY 1"
    stored = stored_sums(paths, "analysis", ["desk"])
    naive = JUNE[1].replace(tzinfo=None)
    assert stored.ask(model, {"cycle": naive})["model"].to_pylist() == ["rival"]  # and none twice
    shutil.copy(sums_path(template, "analysis", "desk", JUNE[1]), again)
    before = answers(paths)
    assert same(before, answers(template))
    assert [path.name for path in compact_months(paths, AUGUST)] == ["desk_202506.parquet"]
    assert not again.exists()
    assert same(answers(paths), before)


def test_a_kill_at_any_moment_loses_nothing(template: WorkspacePaths, tmp_path: Path) -> None:
    """A real SIGKILL before each opening, renaming and removing of a file."""
    whole = template.verification / "stations" / "desk" / "2025" / "06"
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(whole), str(tmp_path)], check=True, text=True,
        capture_output=True,
    )  # fmt: skip
    ends = [int(line) for line in killed.stdout.split()]
    assert ends[-1] == 0
    assert set(ends[:-1]) == {signal.SIGKILL}
    assert len(ends) > 5 * len(JUNE)
    query = "SELECT * FROM stored WHERE kind = 'continuous' AND cycle <= $last ORDER BY ALL"
    expected = stored_sums(template, "stations").ask(query, {"last": naive_utc(JUNE[-1])})
    left: set[tuple[str, ...]] = set()
    for turn in range(len(ends)):
        paths = WorkspacePaths(tmp_path / str(turn))
        left.add(tuple(name for name in names(paths) if "/." not in name))
        for _ in range(2):
            found = stored_sums(paths, "stations").ask(query, {"last": naive_utc(JUNE[-1])})
            assert found.equals(expected)
            compact_months(paths, AUGUST)
        assert names(paths) == ["stations/desk/2025/06/desk_202506.parquet"]
    assert len(left) == 1 + 1 + len(JUNE)  # as it was, beside the cycles, with ever fewer of them


# In a fork of its own each time: arrow must not have been used before the fork.
KILLED = """
import os, shutil, signal, sys
import pyarrow.acero, pyarrow.dataset
from datetime import UTC, datetime
from pathlib import Path
from met2net_ops.paths import WorkspacePaths
from met2net_ops.verification.store.months import compact_months

whole, folder = Path(sys.argv[1]), Path(sys.argv[2])

def killed_before(count):
    turn = 0
    def hook(event, arguments):
        nonlocal turn
        watched = event in ("open", "os.rename", "os.remove", "os.truncate")
        if watched and str(arguments[0]).startswith(str(folder)):
            turn += 1
            if turn > count:
                os.kill(os.getpid(), signal.SIGKILL)
    return hook

count = 0
while True:
    root = folder / str(count)
    shutil.copytree(whole, root / "verification/stations/desk/2025/06")
    child = os.fork()
    if not child:
        sys.addaudithook(killed_before(count))
        compact_months(WorkspacePaths(root), datetime(2025, 8, 5, tzinfo=UTC))
        os._exit(0)
    _, status = os.waitpid(child, 0)
    print(os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status), flush=True)
    if not os.WIFSIGNALED(status):
        break
    count += 1
"""


def test_a_file_replaced_while_it_is_taken_in_stays(
    paths: WorkspacePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = sums_path(paths, "analysis", "desk", JUNE[2])
    copy = path.with_name(".copy")
    shutil.copy(path, copy)
    real = os.replace

    def verified_meanwhile(source: Path, target: Path) -> None:
        real(source, target)
        if Path(target).name == "desk_202506.parquet" and copy.exists():
            real(copy, path)

    monkeypatch.setattr(os, "replace", verified_meanwhile)
    before = answers(paths)
    compact_months(paths, AUGUST)
    assert path.exists()
    assert not copy.exists()
    assert same(answers(paths), before)


def test_two_compactions_and_a_verification_at_once_wait_or_leave_it(paths: WorkspacePaths) -> None:
    folder = sums_path(paths, "analysis", "desk", JUNE[0]).parent
    with claim(folder / "desk_202506.parquet"):
        assert folder / "desk_202506.parquet" not in compact_months(paths, AUGUST)
    busy = sums_path(paths, "analysis", "desk", JUNE[1])
    with claim(busy):
        assert folder / "desk_202506.parquet" in compact_months(paths, AUGUST)
        left = {path.name for path in folder.glob("[!.]*")}
        assert left == {busy.name, "desk_202506.parquet"}


def test_a_damaged_month_is_named_and_keeps_its_cycles(paths: WorkspacePaths) -> None:
    compact_months(paths, AUGUST)
    (path, _) = stored_sums(paths, "analysis", ["desk"]).months
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(VerificationError, match=r"desk_202506.parquet .*remove it and verify"):
        read_month(path)
    with pytest.raises(VerificationError, match=r"desk_202506.parquet"):
        answers(paths)


def test_files_compacted_while_they_are_read_are_found_again(paths: WorkspacePaths) -> None:
    stored = stored_sums(paths, "analysis", ["desk"])
    count = "SELECT count(*) AS n FROM stored"
    before = stored.ask(count)["n"].to_pylist()
    compact_months(paths, AUGUST)
    assert stored.ask(count)["n"].to_pylist() == before
