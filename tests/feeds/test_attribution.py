"""What sources ask to be shown is shown: in products, on pages, in cards of models."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import xarray as xr
from dashboard import open_page
from typer.testing import CliRunner

from met2net_ops.catalog.credits import Credit, credits_of_frames, known_credits, record_credit
from met2net_ops.cli.main import build
from met2net_ops.feeds.run import Fetcher, missing_files, remote_feeds
from met2net_ops.forecast.inputs import catalog_origins
from met2net_ops.forecast.persistence import persistence
from met2net_ops.forecast.run import run_cycle
from met2net_ops.ingest.pipeline import ingest
from met2net_ops.products.read import read_header
from met2net_ops.times import HOUR
from met2net_ops.workspace import Workspace

RUN = datetime(2026, 11, 20, 6, tzinfo=UTC)
NAMES = ("t2m", "u10", "v10", "msl")
NOAA = (
    "Contains data of the U.S. National Oceanic and Atmospheric Administration (NOAA) "
    "(licence: public domain (U.S. Government work))"
)
TOML = """
name = "toy"
description = "Waves that move east."
[data]
variables = ["t2m", "msl"]
train = ["2026-11-20T06..2026-11-20T18"]
validation = ["2026-11-20T19..2026-11-21T00"]
test = ["2026-11-21T01..2026-11-21T05"]
guard_hours = 0
[network]
frames = 2
hid_s = 4
hid_t = 16
n_t = 2
predict = "increment"
[run]
method = "end-to-end"
steps = 2
batch = 2
validate_steps = 2
validation_windows = 1
validation_leads = 2
"""


@pytest.fixture
def fetched(open_centre, make_workspace) -> Workspace:
    """A workspace that holds a day of GFS."""
    workspace: Workspace = make_workspace(open_centre().url)
    workspace.create_archive()
    (feed,) = remote_feeds(workspace)
    files = missing_files(workspace, feed, RUN, RUN + 23 * HOUR)
    with Fetcher(workspace, feed) as fetcher:
        assert all(done.path for done in fetcher.fetch(files, lambda: RUN + timedelta(days=2)))
    assert not ingest(workspace, []).refused_something
    return workspace


def test_products_and_pages_name_the_sources_of_their_input(fetched: Workspace) -> None:
    spec = persistence("persistence", NAMES, fetched.settings.grid.grid())
    source = catalog_origins(fetched.catalog)
    result = run_cycle(spec, fetched.archive, fetched, RUN + 5 * HOUR, origins=source)
    with xr.open_dataset(result.path) as product:
        assert product.attrs["acknowledgement"] == NOAA
    assert read_header(result.path).attributions == (NOAA,)
    for path in ("forecast", "operations", "models"):
        shown = [
            caption.value.replace("\\", "") for caption in open_page(fetched.root, path).caption
        ]
        assert NOAA in shown, path


def test_a_card_names_the_sources_of_the_archive(fetched: Workspace, tmp_path: Path) -> None:
    config = tmp_path / "toy.toml"
    config.write_text(TOML)
    arguments = ["train", "--config", str(config), "--out", str(tmp_path / "out")]
    arguments += ["--workspace", str(fetched.root), "--quiet"]
    result = CliRunner().invoke(build(arguments), arguments)
    assert result.exit_code == 0, result.output
    _, licence = (tmp_path / "out" / "toy" / "CARD.md").read_text().split("## Licence")
    assert NOAA in licence


def test_only_sources_of_the_frames_in_question_are_named(fetched: Workspace) -> None:
    catalog = fetched.create_catalog()
    (noaa,) = known_credits(catalog.engine)
    other = Credit(noaa.folder, "elsewhere", "theirs", "Data of others")
    record_credit(catalog.engine, other)
    record_credit(catalog.engine, other)
    assert known_credits(catalog.engine) == (other, noaa)
    there = credits_of_frames(catalog, NAMES, RUN, RUN + HOUR)
    assert there == (noaa,)
    assert credits_of_frames(catalog, NAMES, RUN - 2 * HOUR, RUN - HOUR) == ()
    changed = Credit(noaa.folder, "elsewhere", "theirs", "Data of others, 2027")
    record_credit(catalog.engine, changed)
    assert known_credits(catalog.engine) == (changed, noaa)
    catalog.dispose()
