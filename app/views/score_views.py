"""Scores by lead, hour, month, region and station, each with its table and its cases."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st

from met2net_ops.app import sums_cache
from met2net_ops.app.choices import choose
from met2net_ops.app.data.scored import ScoreCurve, join_regions
from met2net_ops.app.figures.score_cells import station_figure
from met2net_ops.app.figures.scores import (
    better,
    group_figure,
    lead_figure,
    shown_as,
)
from met2net_ops.app.pointing import NONE, pointed_at
from met2net_ops.app.show import plot
from met2net_ops.app.views.score_cases import (
    CASES,
    Asked,
    baselines_of,
    show_cases,
    undefined,
)
from met2net_ops.verification.inputs.regions import ALL, LAND, SEA, regions
from met2net_ops.verification.results.query import region_of
from met2net_ops.verification.results.scores import derive

if TYPE_CHECKING:
    from collections.abc import Sequence

    from met2net_ops.app.context import PageContext
    from met2net_ops.app.data.verified import VerifiedInventory


def by_group(asked: Asked) -> None:
    """A score by lead, hour of day or month."""
    found = sums_cache.score_curves(
        asked.files, asked.part, asked.row.name, asked.view, asked.lead, asked.model
    )
    if not found:
        st.info(undefined(asked))
        return
    shown = shown_as(asked.row, asked.part.variable, asked.context.units)
    codes = [str(key) for key in found[0].keys]
    if asked.view == "lead":
        figure, axis = lead_figure(found, asked.row, shown), "lead, h"
    else:
        axis = "hour of day, UTC" if asked.view == "hour" else "month of the valid time"
        figure = group_figure(found, asked.row, shown, axis, codes)
    state = plot(
        figure, key=f"scores-{asked.view}", alt=_alt(asked, found), selectable=True,
        table=curve_table(found, axis, shown.unit, shown.scale),
    )  # fmt: skip
    _reasons(found)
    code = pointed_at(
        state,
        asked.view,
        {key: _name(asked.view, key) for key in codes},
        key=asked.cell,
        label=CASES,
    )
    if code != NONE:
        cube = sums_cache.cube(asked.files, asked.part)
        labels = sums_cache.groups(cube, asked.view, asked.lead)
        show_cases(asked, cube, labels == int(code), _name(asked.view, code))


def by_region(asked: Asked) -> None:
    """A score by region."""
    found: dict[str, list[ScoreCurve]] = {}
    for name in region_names(asked.context, asked.truth, asked.inventory):
        box = name if asked.truth == "analysis" else region_of(name, asked.context.settings)
        part = replace(asked.part, region=box)
        curves = sums_cache.score_curves(
            asked.files, part, asked.row.name, "region", asked.lead, asked.model
        )
        if curves:
            found[name] = curves
    joined = join_regions(found)
    if not joined:
        st.info(undefined(asked))
        return
    shown = shown_as(asked.row, asked.part.variable, asked.context.units)
    names = list(found)
    figure = group_figure(joined, asked.row, shown, "region", names)
    table = curve_table(joined, "region", shown.unit, shown.scale)
    state = plot(figure, key="scores-region", alt=_alt(asked, joined), selectable=True, table=table)
    _reasons(joined)
    code = pointed_at(state, "region", {name: name for name in names}, key=asked.cell, label=CASES)
    if code != NONE:
        box = code if asked.truth == "analysis" else region_of(code, asked.context.settings)
        chosen = replace(asked, part=replace(asked.part, region=box))
        cube = sums_cache.cube(chosen.files, chosen.part)
        show_cases(chosen, cube, sums_cache.groups(cube, "region", asked.lead) == 0, code)


def stations(asked: Asked) -> None:
    """A score per station on a map."""
    baseline = None
    if asked.row.baseline:
        options = baselines_of(asked)
        if not options:
            st.info(undefined(asked))
            return
        baseline = choose("Over", options, key="against")
    leads = None if asked.lead is None else (asked.lead,)
    found = sums_cache.stations(asked.files, asked.part, leads, baseline)
    value = derive(asked.row.name, found.forecast, found.baseline)
    if not np.isfinite(value).any():
        st.info(undefined(asked))
        return
    shown = shown_as(asked.row, asked.part.variable, asked.context.units)
    n = found.forecast["n"].astype(np.int64)
    figure = station_figure(
        found.names, found.latitude, found.longitude, value, n, asked.row, shown
    )
    table = pd.DataFrame(
        {
            "station": found.names, shown.title: value * shown.scale, "n": n,
            "latitude": found.latitude, "longitude": found.longitude, "height, m": found.height,
        }
    )  # fmt: skip
    alt = f"Map of {len(found.names)} stations, coloured by {shown.title} of {asked.model}"
    state = plot(figure, key="scores-station", alt=alt, table=table, selectable=True)
    st.caption(f"{len(found.names)} stations, n = {n.sum()} pairs. {better(asked.row)}".strip())
    code = pointed_at(
        state,
        "station",
        {name: name for name in found.names},
        key=asked.cell,
        label=CASES,
    )
    if code != NONE:
        chosen = replace(asked, part=replace(asked.part, region=ALL, station=code))
        cube = sums_cache.cube(chosen.files, chosen.part)
        show_cases(
            chosen, cube, sums_cache.groups(cube, "region", asked.lead) == 0, f"station {code}"
        )


def curve_table(found: Sequence[ScoreCurve], axis: str, unit: str, scale: float) -> pd.DataFrame:
    """The numbers of curves, one row per curve and group."""
    suffix = f", {unit}" if unit else ""
    return pd.DataFrame(
        [
            {
                axis: str(key), "of": curve.label, f"score{suffix}": curve.value[i] * scale,
                f"95 % from{suffix}": curve.low[i] * scale,
                f"95 % to{suffix}": curve.high[i] * scale,
                "n": int(curve.n[i]), "cycles": int(curve.cycles[i]),
            }
            for curve in found
            for i, key in enumerate(curve.keys)
        ]
    )  # fmt: skip


def _alt(asked: Asked, found: Sequence[ScoreCurve]) -> str:
    names = ", ".join(curve.label for curve in found)
    return (
        f"{asked.row.label} of {asked.part.variable} {asked.view and 'by ' + asked.view}: {names}"
    )


def _reasons(found: Sequence[ScoreCurve]) -> None:
    n = _range([int(count) for curve in found for count in curve.n])
    cycles = _range([int(count) for curve in found for count in curve.cycles])
    text = f"n = {n} pairs per point, from {cycles} cycles."
    why = dict.fromkeys(reason for curve in found for reason in curve.why_not)
    if why:
        text += f" No 95 % interval where there are too few cycles ({'; '.join(why)})."
    st.caption(text)


def _name(view: str, code: str) -> str:
    match view:
        case "lead":
            return f"+{code} h"
        case "hour":
            return f"{int(code):02d} UTC"
        case _:
            return f"{code[:4]}-{code[4:]}"


def region_names(context: PageContext, truth: str, inventory: VerifiedInventory) -> list[str]:
    """Regions there are scores of: those stored, or for stations any."""
    if truth == "analysis":
        return list(inventory.regions)
    surfaces = [LAND, SEA] if inventory.land_and_sea else []
    return [ALL, *surfaces, *(region.name for region in regions(context.settings))]


def _range(numbers: Sequence[int]) -> str:
    low, high = min(numbers), max(numbers)
    return f"{low}" if low == high else f"{low} to {high}"
