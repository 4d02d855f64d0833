"""Links from one page to another, which open the view they name."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

if TYPE_CHECKING:
    from datetime import datetime


def forecast_link(model: str, cycle: datetime, variable: str | None, lead: int | None) -> str:
    """The Forecast page at one cycle, relative to any other page.

    Args:
        model: name of the forecaster.
        cycle: reference time.
        variable: canonical name, or "wind10"; None for the usual one.
        lead: hours; None for the first.

    >>> from met2net_ops.times import parse_time
    >>> forecast_link("desk", parse_time("2026-11-22T06"), "t2m", 24)
    './?model=desk&cycle=2026112206&variable=t2m&lead=24'
    """
    values = {"model": model, "cycle": f"{cycle:%Y%m%d%H}"}
    if variable is not None:
        # A wind vector is shown on its first component's map.
        wind = variable.startswith("wind")
        values["variable"] = f"u{variable.removeprefix('wind')}" if wind else variable
    if lead is not None:
        values["lead"] = str(lead)
    return f"./?{urlencode(values)}"
