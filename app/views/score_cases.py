"""What the reader asked of the Verification page, and the cases behind a number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from met2net_ops.app import sums_cache
from met2net_ops.app.data.scored import cases
from met2net_ops.app.data.verified import BASELINES
from met2net_ops.app.figures.scores import shown_as
from met2net_ops.app.links import forecast_link
from met2net_ops.app.show import draw_table
from met2net_ops.app.text import plain
from met2net_ops.times import parse_time

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from met2net_ops.app.context import PageContext
    from met2net_ops.app.data.verified import VerifiedInventory
    from met2net_ops.verification.results.conditions import Slice
    from met2net_ops.verification.results.cube import Cube
    from met2net_ops.verification.results.scores import Score
    from met2net_ops.verification.store.listing import StoredSums
    from met2net_ops.verification.store.sums import Sums

CASES = "Cases behind"
_MOST_CASES = 300
_LINKED = 12


@dataclass(frozen=True)
class Asked:
    """What the reader chose.

    Attributes:
        context: where and how.
        truth: key of `TRUTH_NAMES`.
        model: whose forecasts.
        files: of sums.
        inventory: what they hold.
        view: which view.
        row: the score.
        part: the sums it derives from.
        lead: hours, None for all.
    """

    context: PageContext
    truth: str
    model: str
    files: StoredSums
    inventory: VerifiedInventory
    view: str
    row: Score
    part: Slice
    lead: int | None

    @property
    def cell(self) -> str:
        """What the address bar calls the number pointed at; 6 is a lead time or an hour of day."""
        return "cell" if self.view in ("lead", "scorecard") else f"cell-{self.view}"


def show_cases(
    asked: Asked,
    cube: Cube,
    chosen: NDArray[np.bool_],
    title: str,
    reference: tuple[str, Sums] | None = None,
) -> None:
    """List the forecasts behind a number, worst first, with links that open them as maps.

    Args:
        asked: by the reader.
        cube: sums.
        chosen: (cycle, lead) which of them are behind it.
        title: what the number is of.
        reference: its name and its sums; the first baseline there is by default.
    """
    if reference is None:
        system = next((name for name in BASELINES if name in cube.systems), None)
        if system is not None:
            reference = BASELINES[system], cube.systems[system]
    table = cases(cube, asked.row.name, chosen, reference)
    st.markdown(f"#### {len(table)} cases behind {plain(title)}")
    if table.empty:
        st.info("No forecast has pairs there.")
        return
    shown = shown_as(asked.row, asked.part.variable, asked.context.units)
    order = "worst first" if reference is None else f"worst against {plain(reference[0])} first"
    links = [
        f"[{cycle} +{lead} h]"
        f"({forecast_link(asked.model, parse_time(cycle), asked.part.variable, lead)})"
        for cycle, lead in zip(table["cycle"][:_LINKED], table["lead"][:_LINKED], strict=True)
    ]
    st.markdown(f"As maps, {order}: {' · '.join(links)}")
    columns = {
        "cycle": table["cycle"],
        "lead, h": table["lead"],
        "valid": table["valid"],
        f"{shown.title}, {asked.model}": table["model"] * shown.scale,
    }
    if reference is not None and not asked.row.baseline:
        columns[f"of {reference[0]}"] = table["reference"] * shown.scale
    columns["n"] = table["n"]
    draw_table(pd.DataFrame(columns).head(_MOST_CASES), key="cases")
    if len(table) > _MOST_CASES:
        st.caption(f"The first {_MOST_CASES} of {len(table)}.")


def baselines_of(asked: Asked) -> dict[str, str]:
    """Baselines there are for what was asked: system → name."""
    cube = sums_cache.cube(asked.files, asked.part)
    return {system: name for system, name in BASELINES.items() if system in cube.systems}


def undefined(asked: Asked) -> str:
    """Why there is nothing to draw."""
    return (
        f"{asked.row.label} of {asked.part.variable} is not defined on what is stored here: "
        "choose another score, region or lead time."
    )
