"""How the context does, as figures: cycles, coverage, stage timings, observations, disk."""

from __future__ import annotations

import math
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from met2net_ops.app.theme import (
    BLUE,
    GREEN,
    GREY,
    INVISIBLE,
    ORANGE,
    PURPLE,
    SERIES,
    SKY,
    VERMILION,
)
from met2net_ops.archive.coverage import FrameState
from met2net_ops.service.ledger.states import STATES, CycleState
from met2net_ops.visible import in_figure

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from met2net_ops.app.data.operations import CycleMark
    from met2net_ops.archive.coverage import Coverage

# Colour and sign of every state: the sign tells them apart where colours do not.
STATE_LOOKS: dict[CycleState, tuple[str, str]] = {
    CycleState.VERIFIED: (BLUE, "✓"),
    CycleState.PUBLISHED: (SKY, "✓"),
    CycleState.RUNNING: (GREEN, "▶"),
    CycleState.READY: ("#66c2a5", "▷"),
    CycleState.WAITING: ("#d9d9d9", "…"),
    CycleState.EXPECTED: ("#f0f0f0", "·"),
    CycleState.LATE: (ORANGE, "!"),
    CycleState.FAILED: (VERMILION, "✗"),
    CycleState.EXPIRED: ("#7f2704", "✗"),
    CycleState.HELD: (PURPLE, "‖"),
    CycleState.SKIPPED: (GREY, "-"),
}
FRAME_LOOKS: dict[FrameState, tuple[str, str]] = {
    FrameState.THERE: (BLUE, ""),
    FrameState.INCOMPLETE: ("#f0e442", "◐"),
    FrameState.LATE: (ORANGE, "~"),
    FrameState.MISSING: (VERMILION, "✗"),
    FrameState.DUE: ("#e6e6e6", "·"),
}
_MOST_SIGNS = 40  # columns up to which signs have room
_MOST_COLUMNS = 2000
_MARGIN = {"t": 10, "b": 10, "l": 10, "r": 10}


def cycles_figure(marks: Sequence[CycleMark]) -> go.Figure:
    """A strip per model, a cell per cycle, coloured by state; `customdata` begins with the code."""
    figure = go.Figure()
    models = sorted({mark.model for mark in marks})[::-1]
    for row, model in enumerate(models):
        figure.add_trace(_strip(row, [mark for mark in marks if mark.model == model]))
    figure.add_trace(
        go.Scattergl(
            x=[f"{mark.time:%Y-%m-%d %H:%M}" for mark in marks],
            y=[models.index(mark.model) for mark in marks],
            mode="markers",
            marker={"opacity": 0, "size": 24, "symbol": "square"},
            customdata=[
                [
                    mark.code,
                    in_figure(mark.model),
                    str(mark.state),
                    in_figure(_first_line(mark.reason)),
                ]
                for mark in marks
            ],
            hovertemplate=(
                "%{customdata[1]}, %{x}<br>%{customdata[2]}<br>%{customdata[3]}<extra></extra>"
            ),
            showlegend=False,
            **INVISIBLE,
        )
    )
    edges = [edge for trace in figure.data if trace.type == "heatmap" for edge in trace.x]
    # The invisible points would make room for themselves on both sides.
    span = [min(edges), max(edges)] if edges else None
    figure.update_xaxes(type="date", nticks=8, range=span, title_text="cycle, UTC", showgrid=False)
    # Plotly fails on strips of different lengths over names; numbers bear the names as ticks.
    figure.update_yaxes(
        tickmode="array", tickvals=list(range(len(models))),
        ticktext=[in_figure(model) for model in models], automargin=True,
        range=[-0.5, len(models) - 0.5], showgrid=False, zeroline=False,
    )  # fmt: skip
    figure.update_layout(
        height=134 + 46 * len(models), margin=_MARGIN | {"t": 34},  # room for the toolbar
        clickmode="event+select", dragmode=False, hoverdistance=-1,
    )  # fmt: skip
    return figure


def _strip(row: int, marks: Sequence[CycleMark]) -> go.Heatmap:
    """One row: cells so wide that every cycle has its own, nothing where none is."""
    states = list(STATE_LOOKS)
    by_time = {mark.time: mark for mark in marks}
    times = sorted(by_time)
    gaps = [int((after - before).total_seconds()) for before, after in pairwise(times)]
    step = timedelta(seconds=math.gcd(*gaps) or 3600)
    columns = (times[-1] - times[0]) // step + 1
    if columns > _MOST_COLUMNS:  # a single odd cycle must not make a figure of a million cells
        columns, step = _MOST_COLUMNS, (times[-1] - times[0]) / (_MOST_COLUMNS - 1)
    z, signs = np.full((1, columns), np.nan), np.full((1, columns), "", dtype=object)
    for time, mark in by_time.items():
        column = round((time - times[0]) / step)
        z[0, column] = states.index(mark.state)
        signs[0, column] = STATE_LOOKS[mark.state][1]
    edges = [times[0] + step * (column - 0.5) for column in range(columns + 1)]
    x = [f"{edge:%Y-%m-%d %H:%M:%S}" for edge in edges]
    return _cells(z, x, [row - 0.5, row + 0.5], [look[0] for look in STATE_LOOKS.values()], signs)


def coverage_figure(found: Coverage) -> go.Figure:
    """Variable x hour: which frames are there, late, missing or still to come."""
    states = list(FRAME_LOOKS)
    z = np.array([[states.index(state) for state in row] for row in found.states][::-1], float)
    x = [f"{time:%Y-%m-%d %H}Z" for time in found.times]
    signs = np.array(
        [[FRAME_LOOKS[state][1] for state in row] for row in found.states][::-1], dtype=object
    )
    words = [[str(state) for state in row] for row in found.states][::-1]
    colours = [look[0] for look in FRAME_LOOKS.values()]
    trace = _cells(z, x, list(found.variables)[::-1], colours, signs)
    trace.update(
        customdata=words,
        hoverinfo="all",
        hovertemplate="%{y}, %{x}: %{customdata}<extra></extra>",
    )
    figure = go.Figure(trace)
    figure.update_xaxes(type="category", nticks=8, title_text="valid time", showgrid=False)
    figure.update_yaxes(type="category", automargin=True, showgrid=False)
    figure.update_layout(height=110 + 30 * len(found.variables), margin=_MARGIN)
    return figure


def timings_figure(table: pd.DataFrame) -> go.Figure:
    """Seconds per stage of each forecast, stacked; one row of the table per forecast."""
    figure = go.Figure()
    several = table["model"].nunique() > 1
    x = [
        f"{time:%m-%d %H:%M}" + (f"<br>{in_figure(model)}" if several else "")
        for time, model in zip(table["cycle"], table["model"], strict=True)
    ]
    stages = [name for name in table.columns if name not in ("model", "cycle")]
    for index, stage in enumerate(stages):
        figure.add_trace(
            go.Bar(
                x=x,
                y=table[stage].fillna(0.0),
                name=in_figure(stage),
                marker={
                    "color": SERIES[index % len(SERIES)],
                    "pattern": {"shape": _PATTERNS[index // len(SERIES) % len(_PATTERNS)]},
                },
                hovertemplate=f"{in_figure(stage)}: %{{y:.2f}} s<br>%{{x}}<extra></extra>",
            )
        )
    figure.update_xaxes(type="category", nticks=8, title_text="cycle, UTC")
    figure.update_yaxes(title_text="seconds", rangemode="tozero")
    figure.update_layout(
        barmode="stack", height=340, margin=_MARGIN | {"t": 40}, legend=_LEGEND, bargap=0.15
    )
    return figure


_PATTERNS = ("", "/", ".")
_LEGEND = {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0}


def observations_figure(table: pd.DataFrame) -> go.Figure:
    """How many stations reported each quantity in each hour."""
    wide = table.pivot_table(index="quantity", columns="hour", values="stations", fill_value=0)
    hours = pd.date_range(wide.columns.min(), wide.columns.max(), freq="h")
    wide = wide.sort_index(ascending=False).reindex(columns=hours, fill_value=0)
    figure = go.Figure(
        go.Heatmap(
            z=wide.to_numpy(dtype=np.float32),
            x=[f"{time:%Y-%m-%d %H}Z" for time in wide.columns],
            y=list(wide.index),
            zmin=0,
            zmax=max(1.0, float(wide.to_numpy().max())),
            colorscale="Cividis",
            xgap=1,
            ygap=1,
            colorbar={
                "orientation": "h", "y": -0.5, "yanchor": "top", "thickness": 10,
                "title": {"text": "stations", "side": "bottom"},
            },
            hovertemplate="%{y}, %{x}: %{z:.0f} stations<extra></extra>",
        )
    )  # fmt: skip
    figure.update_xaxes(type="category", nticks=8, title_text="hour, UTC", showgrid=False)
    figure.update_yaxes(type="category", automargin=True, showgrid=False)
    figure.update_layout(height=190 + 30 * len(wide.index), margin=_MARGIN)
    return figure


def disk_figure(parts: Mapping[str, int]) -> go.Figure:
    """Megabytes by folder, the largest first."""
    ordered = sorted(((size, name) for name, size in parts.items() if size))
    figure = go.Figure(
        go.Bar(
            x=[size / 1e6 for size, _ in ordered],
            y=[name for _, name in ordered],
            orientation="h",
            marker={"color": BLUE},
            text=[megabytes(size) for size, _ in ordered],
            textposition="auto",
            hovertemplate="%{y}: %{text}<extra></extra>",
        )
    )
    figure.update_xaxes(title_text="MB", rangemode="tozero")
    figure.update_yaxes(type="category", automargin=True)
    figure.update_layout(height=120 + 28 * max(len(ordered), 1), margin=_MARGIN, showlegend=False)
    return figure


def megabytes(size: int) -> str:
    """Bytes for people.

    >>> megabytes(1_234_567), megabytes(5_200_000_000), megabytes(900)
    ('1.2 MB', '5.2 GB', '1 kB')
    """
    if size >= 1e9:
        return f"{size / 1e9:.1f} GB"
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB"


def legend_of_cycles(marks: Sequence[CycleMark]) -> str:
    """Colours, signs and counts of the states there are, as HTML that wraps on narrow screens."""
    counts = {state: sum(mark.state is state for mark in marks) for state in STATE_LOOKS}
    return _legend([(*STATE_LOOKS[state], state, count) for state, count in counts.items()])


def legend_of_frames(found: Coverage) -> str:
    """The same for frames."""
    counts = found.counts()
    return _legend([(*look, state, counts[state]) for state, look in FRAME_LOOKS.items()])


def _legend(entries: Sequence[tuple[str, str, str, int]]) -> str:
    boxes = "".join(
        f'<span style="white-space:nowrap"><span style="display:inline-block;width:0.9em;'
        f'height:0.9em;background:{colour};border:1px solid {GREY}"></span> '
        f"{sign} {name} ({count})</span>"
        for colour, sign, name, count in entries
        if count
    )
    return f'<div style="display:flex;flex-wrap:wrap;gap:0 1em;font-size:0.85rem">{boxes}</div>'


def meanings() -> str:
    """Every state of a cycle with its sign and what it means, as a Markdown list."""
    return "\n".join(
        f"- {sign} **{state}**: {STATES[state].meaning}" for state, (_, sign) in STATE_LOOKS.items()
    )


def _cells(
    z: np.ndarray, x: list[str], y: Sequence[str | float], colours: list[str], signs: np.ndarray
) -> go.Heatmap:
    """Cells in a few colours: z is the place of the colour in the list, NaN for nothing."""
    last = len(colours) - 1
    scale = [
        [end, colour]
        for index, colour in enumerate(colours)
        for end in (index / (last + 1), (index + 1) / (last + 1))
    ]
    readable = z.shape[1] <= _MOST_SIGNS
    return go.Heatmap(
        z=z, x=x, y=y, zmin=-0.5, zmax=last + 0.5, colorscale=scale, showscale=False,
        xgap=2 if readable else 0, ygap=3, hoverinfo="skip",
        text=signs if readable else None, texttemplate="%{text}" if readable else None,
    )  # fmt: skip


def _first_line(text: str) -> str:
    line = (text.splitlines() or [""])[0]
    return line if len(line) <= 90 else f"{line[:89]}…"
