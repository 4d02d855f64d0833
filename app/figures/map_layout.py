"""Where things are in a figure of maps: axes, colour bars, headings, slider."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from met2net_ops.app.data.rasters import Extent
    from met2net_ops.app.figures.basemap import Graticule
    from met2net_ops.variables import Display

_TOP, _TICKS, _BAR, _SLIDER = 62, 24, 44, 62  # pixels: title, tick labels, colour bars, slider
_WIDE, _NARROW = 1330, 350  # pixels a figure is expected to have, on a desk and on a phone
_HIGH, _HIGH_NARROW = 440, 400  # pixels of one map
_GAP = 0.04  # of the figure, between two maps


@dataclass(frozen=True)
class MapLayout:
    """Where things are in the figure, in pixels and in fractions of the plotting area.

    Attributes:
        count: maps.
        stacked: one above the other instead of side by side.
        narrow: for a phone.
        beside: something else takes two fifths of the width.
    """

    count: int
    stacked: bool = False
    narrow: bool = False
    beside: bool = False

    @property
    def _rows(self) -> int:
        return self.count if self.stacked else 1

    @property
    def _map_height(self) -> float:
        return _HIGH_NARROW * (0.7 if self.stacked else 1.0) if self.narrow else _HIGH

    @property
    def aspect(self) -> float:
        """Width by height of one map."""
        across = _NARROW if self.narrow else _WIDE * (0.58 if self.beside else 1.0)
        return across / (1 if self.stacked else self.count) / self._map_height

    @property
    def _plot_height(self) -> float:
        return self._rows * self._map_height + (self._rows - 1) * (_TICKS + _BAR + 30)

    @property
    def _heading(self) -> int:
        return 22 if self.count > 1 else 0

    @property
    def margins(self) -> dict[str, int]:
        """Pixels around the plotting area."""
        top = _TOP + self._heading
        return {"t": top, "b": _TICKS + _BAR + _SLIDER, "l": 46, "r": 8}

    @property
    def height(self) -> int:
        """Pixels of the whole figure."""
        return round(self._plot_height + self.margins["t"] + self.margins["b"])

    def _below(self, pixels: float) -> float:
        return -pixels / self._plot_height

    def _span(self, at: int) -> tuple[tuple[float, float], tuple[float, float]]:
        """Horizontal and vertical extent of a map, as fractions."""
        if self.count == 1:
            return (0.0, 1.0), (0.0, 1.0)
        if self.stacked:
            share = self._map_height / self._plot_height
            return (0.0, 1.0), ((1 - share, 1.0) if at == 0 else (0.0, share))
        half = (1 - _GAP) / 2
        return ((0.0, half) if at == 0 else (1 - half, 1.0)), (0.0, 1.0)

    def axes(self, seen: Extent, lines: Graticule) -> dict[str, Any]:
        """Axes of all maps, moving together, as long in x as in y, named by the graticule."""
        found: dict[str, Any] = {}
        for at in range(self.count):
            number = "" if at == 0 else str(at + 1)
            across, up = self._span(at)
            shared = {
                "constrain": "range",
                "showgrid": False,
                "zeroline": False,
                "tickmode": "array",
                "ticks": "outside",
                "ticklen": 3,
                "tickangle": 0,
                "tickfont": {"size": 10},
                "title": {"text": ""},
                "automargin": False,
            }
            found[f"xaxis{number}"] = {
                **shared,
                "domain": across,
                "range": [seen.west, seen.east],
                "anchor": f"y{number}",
                "tickvals": list(lines.below),
                "ticktext": list(lines.below.values()),
                **({"matches": "x"} if at else {}),
            }
            found[f"yaxis{number}"] = {
                **shared,
                "domain": up,
                "range": [seen.south, seen.north],
                "anchor": f"x{number}",
                "tickvals": list(lines.left),
                "ticktext": list(lines.left.values()),
                **({"matches": "y"} if at else {"scaleanchor": "x"}),
            }
        return found

    def colour_bar(self, at: int, display: Display) -> dict[str, Any]:
        """Below its map."""
        (left, right), (bottom, _) = self._span(at)
        return {
            "orientation": "h",
            "ticksuffix": f" {display.units}",
            "showticksuffix": "last",
            "x": (left + right) / 2,
            "len": (right - left) * 0.9,
            "y": bottom + self._below(_TICKS + 2),
            "yanchor": "top",
            "ypad": 0,
            "thickness": 10,
        }

    def headings(self, names: Sequence[str], times: str) -> list[dict[str, Any]]:
        """The times of a lead, and a name above each map, where it is not empty."""
        above: dict[str, Any] = {
            "xref": "paper",
            "yref": "paper",
            "xanchor": "left",
            "yanchor": "bottom",
        }
        above |= {"showarrow": False, "align": "left"}
        small = {"size": 11 if self.narrow else 13}
        found: list[dict[str, Any]] = [
            {**above, "text": times, "x": 0, "y": 1, "font": small,
             "xshift": 4 - self.margins["l"], "yshift": 4 + self._heading}
        ]  # fmt: skip
        for at, name in enumerate(names):
            (left, _), (_, top) = self._span(at)
            if name:
                found.append({**above, "text": name, "x": left, "y": top, "font": small})
        return found

    def slider(self, hours: Sequence[str], active: int) -> dict[str, Any]:
        """Below the colour bars; a step a lead, which is the name of a frame."""
        at_once = {"mode": "immediate", "frame": {"duration": 0, "redraw": True}}
        at_once["transition"] = {"duration": 0}
        return {
            "active": active,
            "currentvalue": {"visible": False},
            "x": 0,
            "len": 1,
            "y": self._below(_TICKS + _BAR),
            "pad": {"t": 0, "b": 0},
            "ticklen": 4,
            "steps": [
                {"label": hour, "method": "animate", "args": [[hour], at_once]} for hour in hours
            ],
        }
