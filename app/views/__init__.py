"""The pages, in the order of the navigation."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from met2net_ops.app.context import PageContext


@dataclass(frozen=True, slots=True)
class View:
    """A page of the dashboard.

    Attributes:
        title: in the navigation and the browser's tab.
        path: in the address bar.
        icon: a Material symbol, as Streamlit writes it.
        module: its name in this package; it has a function `render(context: PageContext) -> None`.
    """

    title: str
    path: str
    icon: str
    module: str

    def render(self, context: PageContext) -> None:
        """Draw it. A page's module is imported when it is first opened."""
        importlib.import_module(f"{__name__}.{self.module}").render(context)


VIEWS = (
    View("Forecast", "forecast", ":material/map:", "forecast"),
    View("Verification", "verification", ":material/query_stats:", "verification"),
    View("Operations", "operations", ":material/monitor_heart:", "operations"),
    View("Models", "models", ":material/neurology:", "models"),
)


def import_all() -> None:
    """Import every page's module, so that the first reader does not wait for it."""
    for view in VIEWS:
        importlib.import_module(f"{__name__}.{view.module}")
