"""The scorecard: the model against a reference, every variable and up to sixteen leads."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st

from met2net_ops.app import sums_cache
from met2net_ops.app.choices import choose
from met2net_ops.app.data.scored import Cell, lead_labels, thin_leads
from met2net_ops.app.data.verified import BASELINES
from met2net_ops.app.figures.score_cells import scorecard_figure
from met2net_ops.app.pointing import NONE, pointed_at
from met2net_ops.app.show import plot
from met2net_ops.app.text import plain
from met2net_ops.app.views.score_cases import CASES, Asked, baselines_of, show_cases
from met2net_ops.verification.results.query import Selection
from met2net_ops.verification.results.scores import SCORES, score
from met2net_ops.verification.store.files import FORECAST
from met2net_ops.verification.store.listing import StoredSums, stored_sums
from met2net_ops.verification.store.sums import zeros

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamlit.delta_generator import DeltaGenerator

    from met2net_ops.app.data.verified import VerifiedInventory
    from met2net_ops.verification.results.conditions import Slice
    from met2net_ops.verification.results.cube import Cube
    from met2net_ops.verification.results.scores import Score
    from met2net_ops.verification.store.sums import Sums

# What stands for a score where the sums are those of a wind vector.
_OF_VECTORS = {"rmse": "vector_rmse"}
_ON_SCORECARDS = ("rmse", "mae", "correlation", "acc")


def scorecard_scores(inventory: VerifiedInventory) -> list[Score]:
    """Scores that tell of every variable which of two forecasts is better."""
    kinds = {part.kind for part in inventory.parts}
    return [SCORES[name] for name in _ON_SCORECARDS if SCORES[name].kind in kinds]


def scorecard(asked: Asked, others: Sequence[str], place: DeltaGenerator) -> None:
    """The model against a reference, every variable and up to sixteen leads."""
    references = {f"model:{name}": f"model {name}" for name in others}
    options = baselines_of(asked) | references
    if not options:
        st.info("There is nothing to compare with: no baseline, and no other model.")
        return
    code = choose("Reference", options, key="against", place=place)
    wanted = []
    for variable in asked.inventory.variables:
        kinds = {part.kind for part in asked.inventory.parts if part.variable == variable}
        name = asked.row.name if "continuous" in kinds else _OF_VECTORS.get(asked.row.name)
        if name is not None and score(name).kind in kinds:
            part = replace(asked.part, kind=score(name).kind, variable=variable)
            wanted.append((name, part))
    parts = tuple(wanted)
    other = code.removeprefix("model:")
    versus = None
    if code.startswith("model:"):
        cycles = asked.files.times()
        first, last = cycles[0], cycles[-1]
        versus = stored_sums(asked.context.workspace.paths, asked.truth, [other], first, last)
        selection = Selection(
            asked.truth, asked.model, first, last, None, asked.part.region,
            tuple(thin_leads(asked.inventory.leads)),
        )  # fmt: skip
        cells = sums_cache.scorecard_versus(
            asked.files, versus, asked.context.workspace.paths, parts, selection, other
        )
    else:
        names = (asked.model, BASELINES[code])
        cells = sums_cache.scorecard(asked.files, parts, names, code)
    called = BASELINES.get(code, other)
    if not cells:
        st.info(
            plain(f"{asked.model} and {called}")
            + " have no pairs in common here: choose another reference or period, or run "
            "`met2net-ops verify`."
        )
        return
    verdicts = {word: sum(cell.verdict == word for cell in cells) for word in ("better", "worse")}
    alt = (
        f"Scorecard of {asked.model} against {called}: better in {verdicts['better']}, worse in "
        f"{verdicts['worse']} of {len(cells)} cells of variable and lead time"
    )
    figure = scorecard_figure(cells, asked.row)
    state = plot(figure, key="scorecard", alt=alt, selectable=True, table=_card_table(cells))
    st.caption(
        f"{plain(alt)}. ▲ and blue: {plain(asked.model)} is better; ▼ and red: worse; grey: the "
        "95 % interval of the difference holds zero, or there are too few cycles. "
        f"n = {sum(c.n for c in cells)}."
    )
    labels = {f"{c.variable}.{c.lead}": f"{c.variable} +{c.lead} h ({c.verdict})" for c in cells}
    cell = pointed_at(state, "scorecard", labels, key=asked.cell, label=CASES)
    if cell != NONE:
        _behind(asked, {p.variable: (n, p) for n, p in parts}, cell, code, versus, called)


def _behind(
    asked: Asked,
    parts: dict[str, tuple[str, Slice]],
    cell: str,
    reference: str,
    versus: StoredSums | None,
    called: str,
) -> None:
    variable, _, lead = cell.rpartition(".")
    name, part = parts[variable]
    chosen = replace(asked, row=score(name), part=part)
    cube = sums_cache.cube(asked.files, part)
    mask = lead_labels(cube) == int(lead)
    title = f"{variable} +{lead} h"
    if versus is None:
        show_cases(chosen, cube, mask, title, (called, cube.systems[reference]))
    else:
        theirs = on_axes_of(cube, sums_cache.cube(versus, part))
        show_cases(chosen, cube, mask, title, (called, theirs))


def on_axes_of(cube: Cube, other: Cube) -> Sums:
    """The other model's forecast on the cycles and leads of `cube`, zeros where it has none."""
    sums = zeros(cube.kind, (len(cube.cycles), len(cube.leads)))
    _, here, there = np.intersect1d(cube.cycles, other.cycles, return_indices=True)
    _, near, far = np.intersect1d(cube.leads, other.leads, return_indices=True)
    sums.values[np.ix_(here, near)] = other.systems[FORECAST].values[np.ix_(there, far)]
    return sums


def _card_table(cells: Sequence[Cell]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "variable": cell.variable, "lead, h": cell.lead, "model": cell.ours,
                "reference": cell.theirs, "gain": cell.gain, "difference from": cell.low,
                "to": cell.high, "verdict": cell.verdict, "why": cell.why, "n": cell.n,
                "cycles": cell.cycles,
            }
            for cell in cells
        ]
    )  # fmt: skip
