"""What a workspace wants of a dataset, matched with what the dataset has."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np

from met2net_ops.datasets.cube import find_cubes
from met2net_ops.datasets.window import Window, find_window
from met2net_ops.errors import DatasetError
from met2net_ops.times import format_time, from_datetime64, to_datetime64

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from numpy.typing import NDArray

    from met2net_ops.datasets.cube import Cube, Recipe
    from met2net_ops.datasets.opening import Part
    from met2net_ops.datasets.source import Dataset
    from met2net_ops.grids import LatLonGrid


@dataclass(frozen=True, eq=False)
class Item:
    """One variable from one cube.

    Attributes:
        cube: it comes from.
        window: that the grid needs.
        recipe: how.
        wanted: (time of the cube,) whether it is to be read.
    """

    cube: Cube
    window: Window
    recipe: Recipe
    wanted: NDArray[np.bool_]

    def times(self) -> list[datetime]:
        """Those wanted."""
        return [from_datetime64(time) for time in self.cube.times[self.wanted]]


@dataclass(frozen=True, eq=False)
class Request:
    """All that is wanted and there.

    Attributes:
        grid: of the archive.
        items: what to read.
        methods: variable → how it is had: "", or how it is derived.
        lacking: variables that the dataset does not have.
        cubes: what was found.
        unread: array of the dataset → why it is not used.
    """

    grid: LatLonGrid
    items: tuple[Item, ...]
    methods: dict[str, str]
    lacking: tuple[str, ...]
    cubes: tuple[Cube, ...]
    unread: dict[str, str]

    @property
    def frames(self) -> int:
        """How many fields are wanted."""
        return sum(int(item.wanted.sum()) for item in self.items)


def make_request(
    parts: Sequence[Part],
    dataset: Dataset,
    grid: LatLonGrid,
    variables: Sequence[str],
    step: timedelta,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Request:
    """Match parts with a grid, variables and period.

    Raises:
        DatasetError: none of the variables, no time in the period, or times too far apart.
    """
    cubes = find_cubes(parts, dataset.fields)
    items = []
    for cube in cubes:
        wanted = _wanted_times(cube, step, since, until)
        recipes = [found for name in variables if (found := cube.recipe(name)) is not None]
        if recipes and wanted.any():
            window = find_window(cube, grid)
            items += [Item(cube, window, recipe, wanted) for recipe in recipes]
    methods = {item.recipe.target: item.recipe.method for item in items}
    lacking = tuple(name for name in variables if name not in methods)
    unread = {name: why for cube in cubes for name, why in cube.unread.items()}
    if not items:
        raise _nothing(cubes, variables, step, since, until)
    return Request(grid, tuple(items), methods, lacking, tuple(cubes), unread)


def _wanted_times(
    cube: Cube, step: timedelta, since: datetime | None, until: datetime | None
) -> NDArray[np.bool_]:
    wanted = np.asarray((cube.times.astype(np.int64) % round(step.total_seconds() * 1e9)) == 0)
    if since is not None:
        wanted &= cube.times >= to_datetime64(since)
    if until is not None:
        wanted &= cube.times <= to_datetime64(until)
    return wanted


def _nothing(
    cubes: Sequence[Cube],
    variables: Sequence[str],
    step: timedelta,
    since: datetime | None,
    until: datetime | None,
) -> DatasetError:
    where = ", ".join(cube.where for cube in cubes)
    names = sorted({name for cube in cubes for name in cube.layers})
    if not set(names) & set(variables) and not any(c.recipe(v) for c in cubes for v in variables):
        unread = {name: why for cube in cubes for name, why in cube.unread.items()}
        rest = "; ".join(f"{name}: {why}" for name, why in unread.items())
        return DatasetError(
            f"{where} has none of {', '.join(variables)}; it has {', '.join(names) or 'nothing'}"
            f"{f' ({rest})' if rest else ''}. Set archive.variables to what it has, or name its "
            "arrays in a mapping file (docs/datasets.md)"
        )
    times = np.concatenate([cube.times for cube in cubes])
    period = " to ".join(format_time(time) if time else "…" for time in (since, until))
    hours = step // timedelta(hours=1)
    return DatasetError(
        f"{where} has times from {format_time(from_datetime64(times.min()))} to "
        f"{format_time(from_datetime64(times.max()))}; none lies in {period} and is a multiple of "
        f"{hours} h since 00 UTC. Choose other years, or set archive.step_hours"
    )
