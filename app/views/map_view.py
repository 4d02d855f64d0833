"""Which part of a map the reader looks at, and whether what is drawn still does for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from met2net_ops.app.data.rasters import Extent, MapView, extent_of, grid_region
from met2net_ops.app.figures.projections import projection_of
from met2net_ops.app.map_link import seen_area
from met2net_ops.verification.inputs.regions import Region

if TYPE_CHECKING:
    from met2net_ops.grids import LatLonGrid

_MARGIN = 0.3  # of what is seen, drawn around it, so that small moves need nothing new
_AS_GOOD = 1.5  # times larger or smaller: what was drawn for one view still does for another
_DRAWN = "met2net drawn"
_LATTICE = 41  # points of the lattice along each side


@dataclass(frozen=True, slots=True)
class Seen:
    """What is drawn, and what the axes show of it when the figure is new.

    Attributes:
        area: names the region and projection that a zoom belongs to.
        view: drawn.
        first: shown by the axes.
        asked: how often the reader has asked for all of the region.
    """

    area: str
    view: MapView
    first: Extent
    asked: int


@dataclass(frozen=True, slots=True)
class _Drawn:
    seen: Seen
    rest: str
    limits: Extent


def look(grid: LatLonGrid, region: Region, kind: str, aspect: float, rest: str) -> Seen:
    """The reader's view of a region, theirs if they zoomed, else all of it.

    A figure that changes is drawn anew, which interrupts; so it stays the same while it does.

    Args:
        grid: of the product.
        region: chosen.
        kind: of projection.
        aspect: width by height of the map on the screen.
        rest: all else the figure depends on: if that changes, it is drawn anew anyway.
    """
    projection = projection_of(region, kind)
    area = f"{kind} {region} {aspect:.2f}"
    limits = extent_of(projection, grid_region(grid, Region))
    zoomed, asked = seen_area(area)
    wanted, rest = zoomed or extent_of(projection, region), f"{rest}{asked}"
    drawn: _Drawn | None = st.session_state.get(_DRAWN)
    if drawn is not None and (drawn.seen.area, drawn.rest, drawn.limits) == (area, rest, limits):
        ratio = wanted.width / drawn.seen.first.filling(aspect).width
        around = drawn.seen.view.extent
        if 1 / _AS_GOOD < ratio < _AS_GOOD and around.holds(wanted.within(limits)):
            return drawn.seen
    around = wanted.filling(aspect).grown(_MARGIN).within(limits)
    seen = Seen(area, MapView(projection, around), wanted, asked)
    st.session_state[_DRAWN] = _Drawn(seen, rest, limits)
    return seen


def lattice(view: MapView) -> dict[str, object]:
    """Places of a view at the points of a lattice, for the browser to say where its pointer is."""
    extent = view.extent
    x = np.linspace(extent.west, extent.east, _LATTICE)
    y = np.linspace(extent.south, extent.north, _LATTICE)
    latitude, longitude = view.projection.inverse(*np.meshgrid(x, y))
    return {
        "west": extent.west,
        "east": extent.east,
        "south": extent.south,
        "north": extent.north,
        "size": _LATTICE,
        "latitudes": _numbers(latitude),
        "longitudes": _numbers(longitude),
    }


def _numbers(values: np.ndarray) -> list[float | None]:
    return [round(one, 4) if one == one else None for one in values.ravel().tolist()]
