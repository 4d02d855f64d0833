"""How good the forecasts were: scores by lead, hour, month, region and station; scorecards."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from met2net_ops.app import sums_cache
from met2net_ops.app.choices import choose, choose_one_of
from met2net_ops.app.data.verified import (
    PERIODS,
    TRUTH_NAMES,
    on_events,
    sums_of,
    variable_name,
    verified_models,
)
from met2net_ops.app.figures.scores import explain
from met2net_ops.app.show import greet
from met2net_ops.app.text import plain
from met2net_ops.app.views import score_card, score_views
from met2net_ops.app.views.score_cases import Asked
from met2net_ops.app.views.score_views import region_names
from met2net_ops.times import format_time
from met2net_ops.verification.inputs.regions import ALL
from met2net_ops.verification.results.conditions import Slice
from met2net_ops.verification.results.query import region_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamlit.delta_generator import DeltaGenerator

    from met2net_ops.app.context import PageContext
    from met2net_ops.app.data.verified import VerifiedInventory
    from met2net_ops.verification.results.scores import Score

VIEWS = {
    "lead": "by lead",
    "hour": "by hour",
    "month": "by month",
    "region": "by region",
    "station": "stations",
    "scorecard": "scorecard",
}
_GLOSSARY = (
    "f is the forecast, o the truth, c the climatology, e = f - o, ⟨x⟩ = Σw·x / Σw; w is the "
    "cell's area, or 1 for a station."
)
_NOTHING = "Nothing has been verified here yet. These commands compare forecasts with the truth."


def render(context: PageContext) -> None:
    """Draw the page."""
    models = verified_models(context.workspace.paths)
    if not models:
        greet(
            _NOTHING,
            [
                "met2net-ops verify",
                "met2net-ops observations import FILE",
                "met2net-ops verify --against stations",
            ],
        )
        return
    left, middle, right = st.columns(3)
    truths = {truth: TRUTH_NAMES[truth] for truth in models}
    truth = choose("Against", truths, key="truth", place=left)
    names = {name: name for name in models[truth]}
    usual = context.settings.forecast.model
    model = choose("Model", names, key="model", default=usual, place=middle)
    period = choose("Cycles", PERIODS, key="period", default="30", place=right)
    files = sums_of(context.workspace.paths, truth, model, period)
    inventory = sums_cache.inventory(files)
    views = {code: text for code, text in VIEWS.items() if code != "station" or truth == "stations"}
    view = choose_one_of("View", views, key="view")
    columns = st.columns(3)
    chosen = _subject(context, truth, view, inventory, columns)
    if chosen is None:
        st.info(plain(f"The newest files of {model} against {TRUTH_NAMES[truth]} hold no sums."))
        return
    asked = Asked(context, truth, model, files, inventory, view, *chosen)
    st.caption(plain(f"{explain(asked.row)} {_span(asked)}"))
    match view:
        case "scorecard":
            score_card.scorecard(
                asked, [name for name in models[truth] if name != model], columns[2]
            )
        case "station":
            score_views.stations(asked)
        case "region":
            score_views.by_region(asked)
        case _:
            score_views.by_group(asked)


def _subject(
    context: PageContext,
    truth: str,
    view: str,
    inventory: VerifiedInventory,
    columns: Sequence[DeltaGenerator],
) -> tuple[Score, Slice, int | None] | None:
    """Score, sums and lead chosen; for the scorecard the variable is only the first."""
    if not inventory.parts:
        return None
    left, middle, right = columns
    names = {name: f"{variable_name(name)} ({name})" for name in inventory.variables}
    if view == "scorecard":
        variable = inventory.variables[0]
        rows = score_card.scorecard_scores(inventory)
    else:
        variable = choose("Variable", names, key="variable", place=left)
        rows = inventory.scores(variable)
    by_name = {row.name: row for row in rows}
    labels = {name: row.label for name, row in by_name.items()}
    usual = "vector_rmse" if "vector_rmse" in labels else "rmse"
    place = left if view == "scorecard" else middle
    name = choose("Score", labels, key="score", default=usual, place=place, help=_GLOSSARY)
    row = by_name[name]
    region = ALL
    if view != "region":
        found = region_names(context, truth, inventory)
        known = {name: name.replace("-", " ") for name in found}
        place = middle if view == "scorecard" else right
        region = choose("Region", known, key="region", place=place)
    threshold, neighbourhood = _event(row, variable, inventory)
    lead = None
    if view in ("hour", "month", "region", "station"):
        leads = {"all": "all"} | {str(hours): f"+{hours} h" for hours in inventory.leads}
        code = choose("Lead time", leads, key="lead", place=right if view == "region" else None)
        lead = None if code == "all" else int(code)
    box = region if truth == "analysis" else region_of(region, context.settings)
    part = Slice(row.kind, variable, box, None, threshold, neighbourhood)
    return row, part, lead


def _event(
    row: Score, variable: str, inventory: VerifiedInventory
) -> tuple[float | None, int | None]:
    if not on_events(row):
        return None, None
    left, right = st.columns(2)
    found = {f"{value:g}": value for value in inventory.thresholds(variable, row.kind)}
    labels = {code: f"{variable} ≥ {code}" for code in found}
    threshold = found[choose("Event, in the stored unit", labels, key="threshold", place=left)]
    sizes = {str(size): size for size in inventory.neighbourhoods(variable, row.kind)}
    if not sizes:
        return threshold, None
    labels = {code: f"{code} x {code} points" for code in sizes}
    return threshold, sizes[choose("Neighbourhood", labels, key="window", place=right)]


def _span(asked: Asked) -> str:
    cycles = asked.files.times()
    if not cycles:
        return ""
    return (
        f"{asked.model} against {TRUTH_NAMES[asked.truth]}: {len(cycles)} cycles, "
        f"{format_time(cycles[0])} to {format_time(cycles[-1])}. A baseline is scored on the "
        "pairs it shares with the forecast; n says how many."
    )
