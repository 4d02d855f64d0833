"""A feed that delivers nothing that is wanted is said, and what is advised puts it right."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from met2net_ops.catalog.engine import writing
from met2net_ops.cli.main import build
from met2net_ops.doctor import check_feeds
from met2net_ops.ingest.pipeline import ingest
from met2net_ops.ingest.unwanted import unwanted_feeds
from met2net_ops.service.monitoring.status import status
from met2net_ops.workspace import Workspace, create_workspace, find_workspace

DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)


def run(workspace: Workspace, *words: str) -> tuple[str, str]:
    result = CliRunner().invoke(build([words[0]]), [*words, "-w", str(workspace.root)])
    return result.stdout, result.stderr


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return create_workspace(
        tmp_path / "desk",
        {
            "archive": {"variables": ["t2m"]},
            "feeds": [{"name": "other", "path": "other"}, {"name": "good", "path": "good"}],
        },
    )


def later(workspace: Workspace, by: timedelta) -> None:
    """As if everything so far had been read earlier."""
    catalog = workspace.create_catalog()
    with writing(catalog.engine) as connection:
        (when,) = connection.execute(text("SELECT max(ingested_at) FROM ingested_files")).one()
        before = datetime.fromisoformat(when) - by
        connection.execute(
            text("UPDATE ingested_files SET ingested_at = :at"), {"at": f"{before:%F %T.%f}"}
        )
    catalog.dispose()


def test_a_feed_of_which_nothing_is_wanted_is_said_and_the_advice_helps(
    workspace: Workspace, grib: SimpleNamespace
) -> None:
    grib.deliver(workspace.root / "good" / "a.grib", [grib.Message("t2m", 0)])
    for hour in range(2):
        grib.deliver(workspace.root / "other" / f"{hour}.grib", [grib.Message("msl", hour)])
    _, said = run(workspace, "ingest")
    assert "nothing that feed other brought in the last day was taken (2 fields in 2 files)" in said
    assert "not among the wanted variables" in said
    assert "feed good" not in said
    now = datetime.now(UTC)
    checks = {check.name: check for check in check_feeds(workspace, now)}
    assert checks["feed other"].state == "warn"
    assert "`variables` under [archive]" in checks["feed other"].advice
    assert checks["feed good"].state == "ok"
    # A monitor is told once a whole day has passed with nothing else.
    assert not [reason for reason in status(workspace, now).reasons if "feed other" in reason]
    later(workspace, DAY + MINUTE)
    grib.deliver(workspace.root / "other" / "2.grib", [grib.Message("msl", 2)])
    out, _ = run(workspace, "ingest", "--json")
    (found,) = json.loads(out)["unwanted_feeds"]
    assert (found["name"], found["files"], found["since_a_day"]) == ("other", 1, True)
    now = datetime.now(UTC)
    (reason,) = [one for one in status(workspace, now).reasons if one.startswith("feed other")]
    assert "run `met2net-ops ingest`" in reason
    settings = workspace.paths.settings_file
    changed = settings.read_text().replace('variables = ["t2m"]', 'variables = ["t2m", "msl"]')
    settings.write_text(changed)
    _, said = run(workspace, "ingest")
    assert "nothing that feed" not in said
    assert unwanted_feeds(find_workspace(workspace.root), now) == []


def test_a_feed_that_brought_what_is_wanted_today_is_not_named(
    workspace: Workspace, grib: SimpleNamespace
) -> None:
    folder = workspace.root / "other"
    grib.deliver(folder / "0.grib", [grib.Message("msl", 0)])
    grib.deliver(folder / "1.grib", [grib.Message("msl", 1), grib.Message("t2m", 1)])
    ingest(workspace, [])
    now = datetime.now(UTC)
    assert unwanted_feeds(workspace, now) == []
    assert unwanted_feeds(workspace, now + DAY + MINUTE) == []  # it has brought nothing since


def test_without_a_catalog_nothing_is_known(workspace: Workspace) -> None:
    assert unwanted_feeds(workspace, datetime.now(UTC)) == []
    workspace.paths.catalog.write_bytes(b"no database")
    assert unwanted_feeds(workspace, datetime.now(UTC)) == []
