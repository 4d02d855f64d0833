"""The first row of the Operations page, which looks again by itself."""

from __future__ import annotations

import html
import shutil
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import streamlit as st

from met2net_ops.app import sums_cache
from met2net_ops.app.data.news import newest_run
from met2net_ops.app.data.operations import feed_states
from met2net_ops.app.data.tiles import (
    SIGNS,
    Tile,
    disk_tile,
    feeds_tile,
    newest_tile,
    next_tile,
    service_tile,
    trend_tile,
)
from met2net_ops.app.data.verified import sums_of, verified_models
from met2net_ops.app.notices import LOOKS_S
from met2net_ops.app.show import errors_shown
from met2net_ops.app.text import without_folders
from met2net_ops.service.monitoring.status import status
from met2net_ops.variables import variable
from met2net_ops.verification.results.conditions import Slice

if TYPE_CHECKING:
    from collections.abc import Sequence

    from met2net_ops.app.context import PageContext
    from met2net_ops.app.data.operations import FeedState
    from met2net_ops.workspace import Workspace

_LOOKED_AT_S = 30  # folders of feeds are walked through at most that often
_STYLE = """<style>
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: 0.5rem; }
.tile { border: 1px solid rgba(128, 128, 128, 0.4); border-left-width: 0.5rem;
  padding: 0.4rem 0.7rem;
  border-radius: 0.4rem; overflow: hidden; }
.tile b { display: block; font-size: 1.5rem; line-height: 1.25; white-space: nowrap; }
.tile span { display: block; font-size: 0.85rem; max-height: 2.7em; overflow: hidden; }
.tile.good { border-left-color: #0072B2; } .tile.poor { border-left-color: #E69F00; }
.tile.bad { border-left-color: #D55E00; }
</style>"""


@st.fragment(run_every=LOOKS_S)
def draw_status(context: PageContext) -> None:
    """Six tiles: service, last good cycle, next cycle, feeds, verification, disk."""
    with errors_shown("The row of states"):
        st.html(_STYLE + _written(_tiles(context, datetime.now(UTC))))


def _tiles(context: PageContext, now: datetime) -> list[Tile]:
    workspace = context.workspace
    scheduled = workspace.paths.ledger.exists() or bool(context.settings.schedules)
    found = status(workspace, now) if scheduled else None
    lines = found.models if found is not None else ()
    newest = max((line.newest for line in lines if line.newest), default=None)
    if newest is None and (run := newest_run(workspace, None, None)) is not None:
        newest = run.reference_time
    usage = shutil.disk_usage(workspace.root)
    return [
        service_tile(found),
        newest_tile(newest, now),
        next_tile(min((line.next for line in lines if line.next), default=None), now),
        feeds_tile(_feeds(str(workspace.root), workspace), now),
        _trend(context),
        disk_tile(usage.free, usage.total),
    ]


def _trend(context: PageContext) -> Tile:
    """Of the desk's own model, else of any that has been verified."""
    models = verified_models(context.workspace.paths)
    for truth, names in models.items():
        model = context.settings.forecast.model
        model = model if model in names else names[0]
        errors = []
        for days in ("7", "30"):
            files = sums_of(context.workspace.paths, truth, model, days)
            parts = [one for one in sums_cache.inventory(files).parts if one.kind == "continuous"]
            if not parts:
                break
            name = next((one.variable for one in parts if one.variable == "t2m"), parts[0].variable)
            part = Slice("continuous", name)
            curves = sums_cache.score_curves(files, part, "rmse", "region", None, model)
            errors.append((name, float(curves[0].value[0])))
        if len(errors) == 2:
            row = variable(errors[0][0])
            display = context.units.difference(row)
            week, month = (error * display.scale for _, error in errors)
            return trend_tile(row.name, week, month, display.units)
    return trend_tile("", None, None, "")


def _written(tiles: Sequence[Tile]) -> str:
    parts = []
    for tile in tiles:
        detail = html.escape(without_folders(tile.detail))
        parts.append(
            f'<div class="tile {tile.mood}"><span>{html.escape(tile.label)}</span>'
            f"<b>{SIGNS[tile.mood]} {html.escape(tile.value)}</b><span>{detail}</span></div>"
        )
    return f'<div class="tiles" role="group" aria-label="State">{"".join(parts)}</div>'


@st.cache_data(max_entries=4, ttl=_LOOKED_AT_S, show_spinner=False)
def _feeds(root: str, _workspace: Workspace) -> list[FeedState]:
    found = feed_states(_workspace)
    # Reports of stations are no must: without their folder none are expected.
    return [feed for feed in found if feed.name != "observations" or feed.newest]
