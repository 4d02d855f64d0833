"""Whether the archive has what cycles need."""

from __future__ import annotations

from typing import TYPE_CHECKING

from met2net_ops.errors import Met2NetOpsError
from met2net_ops.forecast.forecaster import ForecasterSpec
from met2net_ops.forecast.window import frame_table
from met2net_ops.service.scheduler.decisions import Readiness
from met2net_ops.times import format_time

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from met2net_ops.catalog.analyses import Analyses
    from met2net_ops.workspace import Workspace

_NAMED = 4


class ArchiveProbe:
    """Says whether the window of a cycle is there; a `ReadinessProbe`."""

    def __init__(self, workspace: Workspace, spec_of: Callable[[str], object]) -> None:
        """Prepare; nothing is opened yet.

        Args:
            workspace: whose archive.
            spec_of: what a model needs, a `ForecasterSpec`; anything else while that is not known.
        """
        self._workspace = workspace
        self._settings = workspace.settings
        self._spec_of = spec_of
        self._source: Analyses | None = None

    def __call__(self, model: str, reference_time: datetime) -> Readiness:
        """What there is for this cycle; never raises."""
        spec = self._spec_of(model)
        if not isinstance(spec, ForecasterSpec):
            return Readiness(complete=False, startable=False, detail="the model is not open")
        try:
            if self._source is None:
                self._source = self._workspace.usable_frames
            gap = self._settings.forecast.max_gap_frames
            table = frame_table(self._source, spec, reference_time, gap)
        except (Met2NetOpsError, OSError) as error:
            self._source = None
            return Readiness(complete=False, startable=False, detail=str(error))
        if table.missing:
            detail = f"{len(table.missing)} of {table.present.size} frames are missing"
            return Readiness(
                complete=False, startable=False, detail=f"{detail}: {_named(table.missing)}"
            )
        if table.gaps:
            detail = f"its deadline has come; to be interpolated: {_named(table.gaps)}"
            return Readiness(complete=False, startable=True, detail=detail)
        return Readiness(complete=True, startable=True, detail="")


def _named(frames: Sequence[tuple[str, datetime]]) -> str:
    some = ", ".join(f"{name} {format_time(time)}" for name, time in frames[:_NAMED])
    more = len(frames) - _NAMED
    return f"{some} and {more} more" if more > 0 else some
