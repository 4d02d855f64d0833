"""What the publishers of the data ask to be shown, wherever their data are used."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
import xarray as xr
from dashboard import open_page

from met2net_ops.app.text import plain
from met2net_ops.cli.train import _acknowledgement
from met2net_ops.feeds.http import Retries
from met2net_ops.feeds.run import Fetcher, missing_files, remote_feeds
from met2net_ops.feeds.source import credits_of, find_source
from met2net_ops.forecast.inputs import catalog_origins
from met2net_ops.forecast.run import run_cycle
from met2net_ops.ingest.pipeline import ingest
from met2net_ops.models.selection import choose_forecaster
from met2net_ops.products.read import read_header
from met2net_ops.times import HOUR
from met2net_ops.workspace import Workspace

RUN = datetime(2026, 11, 20, 6, tzinfo=UTC)
QUICK = Retries(attempts=3, first_wait=0.01, longest_wait=0.02, total=1.0)
NOAA = find_source("gfs").credit


@pytest.fixture
def fetched(open_centre, make_workspace) -> Workspace:
    """Three hours of a source in the archive."""
    workspace: Workspace = make_workspace(open_centre().url)
    workspace.create_archive()
    (feed,) = remote_feeds(workspace)
    with Fetcher(workspace, feed, retries=QUICK, pause=lambda s: time.sleep(min(s, 0.02))) as one:
        list(one.fetch(missing_files(workspace, feed, RUN, RUN + 2 * HOUR),
                       lambda: RUN + timedelta(days=2)))  # fmt: skip
    ingest(workspace, [])
    return workspace


def test_a_product_acknowledges_the_source_of_its_input(fetched: Workspace, field_of) -> None:
    workspace = fetched.with_forecast(model="persistence", leads=2)
    forecaster = choose_forecaster(workspace, workspace.usable_frames)

    def made(time: datetime) -> str:
        origins = catalog_origins(workspace.catalog, workspace.paths.sources)
        result = run_cycle(forecaster, workspace.usable_frames, workspace, time, origins=origins)
        with xr.open_dataset(result.path) as product:
            text = str(product.attrs["acknowledgement"])
        assert read_header(result.path).acknowledgement in {text, ""}
        return text

    assert "National Oceanic and Atmospheric Administration" in NOAA
    assert made(RUN + 2 * HOUR) == NOAA
    # Frames of the desk's own ask for nothing.
    later = RUN + 5 * HOUR
    for name in workspace.archive.variables:
        workspace.archive.write(name, later, field_of(later, name))
    assert made(later) == "no source of the input is known to ask for one"


def test_a_card_acknowledges_the_sources_of_its_archive(fetched: Workspace) -> None:
    times = (RUN, RUN + 2 * HOUR)
    assert _acknowledgement(fetched, times) == f"{NOAA}."
    assert _acknowledgement(fetched, (RUN - 9 * HOUR, RUN - 3 * HOUR)) == ""


def test_every_page_of_the_dashboard_ends_with_it(fetched: Workspace) -> None:
    for path in ("forecast", "operations"):
        page = open_page(fetched.root, path)
        assert page.caption[-1].value == plain(NOAA)


def test_a_source_of_which_the_file_is_gone_is_named(tmp_path) -> None:
    assert credits_of(["gone", "gfs", "gone"], tmp_path) == (
        "Contains data of the source gone", NOAA,
    )  # fmt: skip
    assert credits_of([]) == ()
