"""Stored sums, read once: what is kept depends on path and modification time of every file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from met2net_ops.app.data.scored import (
    Cell,
    ScoreCurve,
    curves,
    hour_labels,
    lead_labels,
    month_labels,
    only_lead,
    scorecard_row,
    thin_leads,
)
from met2net_ops.app.data.verified import VerifiedInventory, take_inventory
from met2net_ops.verification.results.cube import Cube, StationCube, load_cube, load_stations
from met2net_ops.verification.results.query import Selection, grouped_sums
from met2net_ops.verification.results.scores import score

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from met2net_ops.paths import WorkspacePaths
    from met2net_ops.verification.results.conditions import Slice
    from met2net_ops.verification.store.listing import StoredSums

LABELS = {"lead": lead_labels, "hour": hour_labels, "month": month_labels}


def inventory(files: StoredSums) -> VerifiedInventory:
    """What the newest files hold."""
    return _inventory(files.state, files)


def cube(files: StoredSums, part: Slice) -> Cube:
    """Sums of all systems by cycle and lead; not to be changed."""
    return _cube(files.state, files, part)


def groups(cube: Cube, by: str, lead: int | None) -> NDArray[np.int64]:
    """(cycle, lead) labels: a key of `LABELS`, or "region" for one group."""
    labels = LABELS[by](cube) if by in LABELS else np.zeros_like(lead_labels(cube))
    return labels if by == "lead" else only_lead(cube, labels, lead)


def score_curves(
    files: StoredSums, part: Slice, name: str, by: str, lead: int | None, model: str
) -> list[ScoreCurve]:
    """A score by lead, hour, month or as one group, with baselines and intervals."""
    return _curves(files.state, files, part, name, by, lead, model)


def stations(
    files: StoredSums, part: Slice, leads: tuple[int, ...] | None, baseline: str | None
) -> StationCube:
    """Sums by station; not to be changed."""
    return _stations(files.state, files, part, leads, baseline)


def scorecard(
    files: StoredSums,
    parts: tuple[tuple[str, Slice], ...],
    names: tuple[str, str],
    baseline: str,
) -> list[Cell]:
    """Cells of the model against one of its baselines; `parts` are scores and their sums."""
    return _scorecard(files.state, files, parts, names, baseline)


def scorecard_versus(
    files: StoredSums,
    other: StoredSums,
    paths: WorkspacePaths,
    parts: tuple[tuple[str, Slice], ...],
    selection: Selection,
    versus: str,
) -> list[Cell]:
    """Cells of the model against another model, on the pairs both have."""
    return _versus(files.state + other.state, paths, parts, selection, versus)


@st.cache_resource(max_entries=8, show_spinner=False)
def _inventory(state: str, _files: StoredSums) -> VerifiedInventory:
    return take_inventory(_files)


@st.cache_resource(max_entries=12, show_spinner="Reading the stored sums …")
def _cube(state: str, _files: StoredSums, part: Slice) -> Cube:
    return load_cube(_files, part)


@st.cache_resource(max_entries=32, show_spinner=False)
def _curves(
    state: str, _files: StoredSums, part: Slice, name: str, by: str, lead: int | None, model: str
) -> list[ScoreCurve]:
    found = cube(_files, part)
    return curves(found, name, groups(found, by, lead), model)


@st.cache_resource(max_entries=8, show_spinner="Reading the stored sums …")
def _stations(
    state: str, _files: StoredSums, part: Slice, leads: tuple[int, ...] | None, baseline: str | None
) -> StationCube:
    lacking = cube(_files, part).lacking(baseline) if baseline is not None else []
    return load_stations(_files, part, leads, baseline, lacking)


@st.cache_resource(max_entries=8, show_spinner="Drawing resamples …")
def _scorecard(
    state: str,
    _files: StoredSums,
    parts: tuple[tuple[str, Slice], ...],
    names: tuple[str, str],
    baseline: str,
) -> list[Cell]:
    cells = []
    for name, part in parts:
        found = cube(_files, part)
        labels = lead_labels(found)
        shown = thin_leads(found.leads.tolist())
        labels = np.where(np.isin(labels, shown), labels, -1)
        grouped = found.grouped(labels, baseline=baseline)
        cells += scorecard_row(name, part.variable, grouped, names)
    return cells


@st.cache_resource(max_entries=8, show_spinner="Drawing resamples …")
def _versus(
    state: str,
    _workspace: WorkspacePaths,
    parts: tuple[tuple[str, Slice], ...],
    selection: Selection,
    versus: str,
) -> list[Cell]:
    cells = []
    assert selection.model is not None
    for name, part in parts:
        chosen = Selection(
            selection.truth, selection.model, selection.since, selection.until,
            (part.variable,), selection.region, selection.leads,
        )  # fmt: skip
        grouped = grouped_sums(_workspace, score(name).kind, ("lead",), chosen, versus=versus)
        cells += scorecard_row(name, part.variable, grouped, (selection.model, versus))
    return cells
