"""The archive's frames that count as analyses: what forecasts start from and are verified with.

An archive also keeps forecasts, so that hours between two analyses are covered and coverage shows
what a feed delivers. No forecast starts
from a frame whose source is a long forecast or that has points without a value, and none is
verified with a long forecast.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from sqlalchemy import and_, or_, select

from met2net_ops.catalog.engine import rows
from met2net_ops.catalog.tables import origins as table
from met2net_ops.fields import FieldKind

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    from numpy.typing import NDArray

    from met2net_ops.archive.frames import FrameArchive
    from met2net_ops.catalog.engine import Catalog
    from met2net_ops.grids import LatLonGrid


class Analyses:
    """An archive seen without the frames that come from forecasts longer than `longest`.

    Frames that no file is known for (written directly, as the synthetic atmosphere can) count.
    """

    def __init__(
        self, archive: FrameArchive, catalog: Catalog, longest: timedelta, *, whole: bool = False
    ) -> None:
        """Open nothing yet.

        Args:
            archive: the frames.
            catalog: where they come from.
            longest: lead of the longest forecast that counts as an analysis.
            whole: whether frames that have points without a value are left out, too.
        """
        self.archive = archive
        self._catalog = catalog
        self._longest = longest
        self._whole = whole

    @property
    def grid(self) -> LatLonGrid:
        """The grid of every frame."""
        return self.archive.grid

    @property
    def variables(self) -> tuple[str, ...]:
        """Canonical names of what it may hold."""
        return self.archive.variables

    @property
    def step(self) -> timedelta:
        """Time between frames."""
        return self.archive.step

    def span(self) -> tuple[datetime, datetime] | None:
        """First and last valid time of any frame of the archive; None if there is none."""
        return self.archive.span()

    def present(self, variables: Sequence[str], times: Sequence[datetime]) -> NDArray[np.bool_]:
        """(variable, time) whether the frame is there and counts."""
        there = self.archive.present(variables, times)
        if there.any():
            there[self._not_counted(variables, times)] = False
        return there

    def read(self, variables: Sequence[str], times: Sequence[datetime]) -> NDArray[np.float32]:
        """(time, variable, latitude, longitude); NaN where a frame is missing or does not count."""
        values = self.archive.read(variables, times)
        values[self._not_counted(variables, times).T] = np.nan
        return values

    def _not_counted(
        self, variables: Sequence[str], times: Sequence[datetime]
    ) -> NDArray[np.bool_]:
        """(variable, time) whether the frame is from too long a forecast, or not whole."""
        too_long = np.zeros((len(variables), len(times)), dtype=np.bool_)
        if not times:
            return too_long
        not_counted = and_(
            table.c.kind == FieldKind.FORECAST.value,
            table.c.lead_seconds > self._longest.total_seconds(),
        )
        query = select(table.c.variable, table.c.valid_time).where(
            and_(
                table.c.archive == self._catalog.archive,
                table.c.replaced_by.is_(None),
                or_(not_counted, table.c.missing_points > 0) if self._whole else not_counted,
                table.c.valid_time.between(min(times), max(times)),
            )
        )
        found = {(row.variable, row.valid_time) for row in rows(self._catalog.engine, [query])}
        if found:
            too_long[...] = [[(name, time) in found for time in times] for name in variables]
        return too_long
