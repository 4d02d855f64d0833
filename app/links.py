"""Links from one page to another, which open the view they name."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

if TYPE_CHECKING:
    from datetime import datetime


def forecast_link(model: str, cycle: datetime, variable: str, lead: int) -> str:
    """The Forecast page at one cycle, variable and lead, relative to any other page.

    >>> from met2net_ops.times import parse_time
    >>> forecast_link("desk", parse_time("2026-11-22T06"), "t2m", 24)
    './?model=desk&cycle=2026112206&variable=t2m&lead=24'
    """
    # A wind vector is drawn from its first component's map.
    name = f"u{variable.removeprefix('wind')}" if variable.startswith("wind") else variable
    values = {"model": model, "cycle": f"{cycle:%Y%m%d%H}", "variable": name, "lead": lead}
    return f"./?{urlencode(values)}"
