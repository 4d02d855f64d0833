"""Forecasts and the analyses that followed, cut to what a map draws."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import numpy as np
import pandas as pd

from met2net_ops.app.data.cuts import cut_out
from met2net_ops.app.data.derived import inputs_of, made_of
from met2net_ops.app.data.rasters import raster_of
from met2net_ops.app.figures.barbs import NUMBERS
from met2net_ops.app.units import shown
from met2net_ops.errors import ArchiveError, ProductError
from met2net_ops.products.read import read_header, read_reduced
from met2net_ops.times import format_time
from met2net_ops.variables import variable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from numpy.typing import NDArray

    from met2net_ops.app.data.cuts import Cut
    from met2net_ops.app.data.rasters import MapView, Raster
    from met2net_ops.grids import LatLonGrid
    from met2net_ops.products.index import ProductEntry
    from met2net_ops.variables import Display
    from met2net_ops.verification.inputs.regions import Region
    from met2net_ops.workspace import Workspace

# Numbers in one figure: as float32 in base64 they take 2.5 MB on their way to the browser.
MOST_NUMBERS = 460_000
LEAD_STEPS = (1, 2, 3, 6, 12)
_ENOUGH = 9_000  # points of a map that looks smooth
_ISOBARS_TRACES = 3  # thin lines, their casing, and heavy ones, each with its own field
_LABELS = 3 * 88  # x, y and text of values of isobars, highs and lows
_SHARE = 0.3  # of a frame's numbers: what isobars, and what barbs may take
MOST_BARBS, _MOST_PRESSURES = 260, 4_000


class Points(Protocol):
    """Some points of a grid, or of a map."""

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        ...

    @property
    def latitudes(self) -> NDArray[np.float64]:
        """(row,) or (row, column) degrees north."""
        ...

    def __call__(self, fields: NDArray[np.float32]) -> NDArray[np.float32]:
        """(…, latitude, longitude) of the grid to (…, row, column)."""
        ...


P = TypeVar("P", bound=Points)


@dataclass(frozen=True)
class Field(Generic[P]):
    """One variable of one product at some points.

    Attributes:
        reference_time: of the product.
        grid: of the product.
        cut: the points.
        lead_times: those drawn.
        values: (lead, row, column) in the variable's stored unit.
    """

    reference_time: datetime
    grid: LatLonGrid
    cut: P
    lead_times: tuple[timedelta, ...]
    values: NDArray[np.float32]

    @property
    def valid_times(self) -> tuple[datetime, ...]:
        """One per lead."""
        return tuple(self.reference_time + lead for lead in self.lead_times)


@dataclass(frozen=True, slots=True)
class Shares:
    """How many points each layer of each frame may have, so that a figure stays below 3 MB.

    Attributes:
        cells: of each map.
        pressures: of the isobars' field.
        barbs: of wind.
    """

    cells: int
    pressures: int
    barbs: int


def shares(frames: int, maps: int, *, isobars: bool, barbs: bool) -> Shares:
    """Divide what a frame may hold.

    Args:
        frames: of the figure.
        maps: in each.
        isobars: whether they are drawn.
        barbs: whether they are drawn: a line and its casing.

    >>> shares(48, 1, isobars=False, barbs=False).cells
    9583
    >>> shares(24, 1, isobars=True, barbs=True)
    Shares(cells=7442, pressures=1916, barbs=119)
    >>> shares(240, 2, isobars=True, barbs=True)
    Shares(cells=288, pressures=191, barbs=11)
    """
    numbers = MOST_NUMBERS // frames
    pressures = min(_MOST_PRESSURES, int(_SHARE * numbers / _ISOBARS_TRACES)) if isobars else 0
    winds = min(MOST_BARBS, int(_SHARE * numbers / (2 * NUMBERS))) if barbs else 0
    labels = min(_LABELS, numbers // 8) if isobars else 0
    left = numbers - _ISOBARS_TRACES * pressures - 2 * NUMBERS * winds - labels
    return Shares(max(64, left // maps), pressures, winds)


def frames_every(leads: int, points: int, maps: int, *, isobars: bool, barbs: bool) -> int:
    """Every how many-th lead to draw by default: large grids get fewer frames, not coarse maps.

    Args:
        leads: of the product.
        points: of its grid inside the region.
        maps: see `shares`.
        isobars: see `shares`.
        barbs: see `shares`.

    >>> frames_every(48, 32 * 64, 1, isobars=True, barbs=True)
    1
    >>> frames_every(48, 721 * 1440, 1, isobars=True, barbs=True)
    3
    """
    wanted = min(points, _ENOUGH)
    for every in LEAD_STEPS:
        frames = max(1, leads // every)
        if shares(frames, maps, isobars=isobars, barbs=barbs).cells >= wanted:
            return every
    return LEAD_STEPS[-1]


def every_with(lead: float | None, step_hours: int, most: int) -> int:
    """The largest of `LEAD_STEPS`, not above `most`, whose frames include a lead of so many hours.

    >>> every_with(30, 1, 12), every_with(7, 1, 3), every_with(12, 6, 3), every_with(None, 1, 3)
    (6, 1, 2, 3)
    """
    if lead is None:
        return most
    fitting = [every for every in LEAD_STEPS if every <= most and lead % (every * step_hours) == 0]
    return max(fitting, default=most)


def load_field(path: Path, name: str, region: Region, most: int, every: int = 1) -> Field[Cut]:
    """Read one variable of a product, cut to a region.

    Args:
        path: the product.
        name: canonical; one that is derived is made of what the product has.
        region: box on the map.
        most: points per lead to keep.
        every: every how many-th lead to keep.

    Raises:
        ProductError: no such file, damaged, without that variable, or not reaching the region.
    """
    cut = cut_out(read_header(path).grid, region, most)
    if cut is None:
        raise ProductError(f"the grid of {path} does not reach into the region {region.name}")
    return _load(path, name, cut, every)


def load_raster(path: Path, name: str, view: MapView, most: int, every: int = 1) -> Field[Raster]:
    """Read one variable of a product at the points of a map.

    Args:
        path: the product.
        name: canonical; one that is derived is made of what the product has.
        view: the part of the map.
        most: points per lead.
        every: every how many-th lead to keep.

    Raises:
        ProductError: no such file, damaged, or without that variable.
    """
    grid, row = read_header(path).grid, variable(name)
    raster = raster_of(grid, view, most, nearest=row.circular or row.categorical)
    return _load(path, name, raster, every)


def _load(path: Path, name: str, points: P, every: int) -> Field[P]:
    inputs = inputs_of(name, read_header(path).variables)
    header, found = read_reduced(path, inputs, points, every=every)
    first = min(every, header.leads) - 1
    values = made_of(name, found)
    values.setflags(write=False)
    return Field(
        header.reference_time, header.grid, points, header.lead_times[first::every], values
    )


def load_analyses(workspace: Workspace, field: Field[Any], name: str) -> NDArray[np.float32] | None:
    """The analyses for a forecast's valid times: (lead, row, column); NaN where there is none yet.

    Returns:
        None where there is no archive, or it has another grid or not this variable.
    """
    try:
        analyses = workspace.analyses
    except ArchiveError:
        return None
    inputs = inputs_of(name, analyses.variables)
    if analyses.grid != field.grid or not set(inputs) <= set(analyses.variables):
        return None
    values = np.empty_like(field.values)
    for lead, time in enumerate(field.valid_times):
        read = analyses.read(inputs, [time])[0]
        values[lead] = made_of(name, {one: field.cut(read[at]) for at, one in enumerate(inputs)})
    return values


def at_valid_times(field: Field[Any], times: Sequence[datetime]) -> NDArray[np.float32]:
    """A field's values for other valid times: (time, row, column); NaN where it has none."""
    known = {time: lead for lead, time in enumerate(field.valid_times)}
    values = np.full((len(times), *field.cut.shape), np.nan, dtype=np.float32)
    for index, time in enumerate(times):
        if time in known:
            values[index] = field.values[known[time]]
    return values


def earlier_runs(
    entries: Sequence[ProductEntry], of: ProductEntry, most: int
) -> list[ProductEntry]:
    """Runs of the same model that started earlier, newest first.

    Args:
        entries: all products.
        of: the run whose forerunners are wanted.
        most: how many.
    """
    earlier = [
        entry
        for entry in entries
        if entry.model == of.model and entry.reference_time < of.reference_time
    ]
    return sorted(earlier, key=lambda entry: entry.reference_time, reverse=True)[:most]


def summary_table(
    field: Field[Cut],
    display: Display,
    apart: tuple[NDArray[np.float32], Display] | None = None,
) -> pd.DataFrame:
    """Lowest, mean and highest value of the points drawn per lead, in display units.

    Means are weighted by the cosine of latitude; points without a value do not count.

    Args:
        field: what is drawn.
        display: how its values are shown.
        apart: the difference to the analyses, (lead, row, column) in stored units, and how it is
            shown; its root mean square over the points that have an analysis stands beside.
    """
    values = shown(field.values, display)
    weights = np.broadcast_to(np.cos(np.deg2rad(field.cut.latitudes))[:, None], field.cut.shape)
    weights = np.clip(weights, 0, None)
    there = np.isfinite(values)
    some = there.any(axis=(1, 2))
    columns: dict[str, object] = {
        "lead, h": [lead / timedelta(hours=1) for lead in field.lead_times],
        "valid time": [format_time(time) for time in field.valid_times],
        f"lowest, {display.units}": np.where(
            some, values.min((1, 2), where=there, initial=np.inf), np.nan
        ),
        f"mean, {display.units}": _weighted(values, weights),
        f"highest, {display.units}": np.where(
            some, values.max((1, 2), where=there, initial=-np.inf), np.nan
        ),
    }
    if apart is not None:
        squares = shown(*apart).astype(np.float64) ** 2
        columns[f"rms difference to analysis, {apart[1].units}"] = np.sqrt(
            _weighted(squares, weights)
        )
    return pd.DataFrame(columns)


def _weighted(values: NDArray[Any], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Means of (lead, row, column) over the points that have a value; NaN where none has."""
    there = np.isfinite(values)
    known = np.where(there, weights, 0.0)
    total = known.sum(axis=(1, 2))
    total[total == 0] = np.nan
    return np.asarray(np.where(there, values * known, 0.0).sum(axis=(1, 2)) / total)
