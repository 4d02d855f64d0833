"""Verify products against the archive's analyses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

from met2net_ops.errors import VerificationError
from met2net_ops.times import format_time
from met2net_ops.verification.compute.analysis_sums import analysis_sums
from met2net_ops.verification.compute.baseline_cache import BaselineCache
from met2net_ops.verification.compute.match import missing_truth
from met2net_ops.verification.inputs.regions import regions, weigh
from met2net_ops.verification.pending import (
    Common,
    Compared,
    NothingYetError,
    VerifyOptions,
    verify_due,
)
from met2net_ops.verification.store.axes import Axes
from met2net_ops.verification.store.rows import Subset

if TYPE_CHECKING:
    from met2net_ops.verification.inputs.forecast_file import ForecastFile
    from met2net_ops.verification.outcome import VerificationOutcome
    from met2net_ops.workspace import Workspace


def verify_analyses(
    workspace: Workspace, **options: Unpack[VerifyOptions]
) -> list[VerificationOutcome]:
    """Compare published products with the archive's analyses and store the sums.

    Args:
        workspace: where products, archive and sums lie.
        settings: its settings.
        options: which products, and how; see `due.VerifyOptions`.

    Returns:
        One outcome per product, oldest cycle first. A product that cannot be compared, because it,
        a frame or a file of reports is damaged, say, is "failed" and keeps no other from being
        verified.

    Raises:
        ArchiveError: there is no archive.
        VerificationError: the surface file does not fit, or Dask cannot be used.
    """
    return verify_due(workspace, AnalysisTruth, **options)


class AnalysisTruth:
    """The archive's frames as truth, in regions of its grid."""

    name = "analysis"

    def __init__(self, common: Common) -> None:
        self._common = common
        self._weighting = weigh(
            common.cache.archive.grid, regions(common.settings), common.surface.land
        )
        self._repeated = BaselineCache()

    def state(self, axes: Axes) -> str:
        """Digest of the frames; see `due.Truth`."""
        names = self._common.archived(axes.variables)
        if not names:
            raise VerificationError(
                f"the forecast of {format_time(axes.reference_time)} and the archive have no "
                f"variable in common: {', '.join(axes.variables)} against "
                f"{', '.join(self._common.cache.archive.variables)}"
            )
        if not self._common.present(names, axes.valid_times).any():
            raise NothingYetError(self._nothing_yet(axes))
        return self._common.frame_state(axes)

    def compare(self, forecast: ForecastFile) -> Compared:
        """Sums per lead and region; see `due.Truth`."""
        axes, common = Axes.of(forecast.header), self._common
        names = common.archived(axes.variables)
        present = common.present(names, axes.valid_times)
        notes = []
        if not present.all():
            notes.append(f"missing analyses: {missing_truth(present, names, axes.valid_times)}")
        unknown = [name for name in axes.variables if name not in names]
        if unknown:
            notes.append(f"the archive has no {', '.join(unknown)}")
        found = analysis_sums(
            forecast,
            common.cache,
            common.months.climatology,
            self._weighting,
            common.settings.verification,
            self._repeated,
        )
        if not found.matched.any():
            raise VerificationError(
                f"{forecast.path}: no point has both a forecast and an analysis, although analyses "
                f"are there for {'; '.join(notes) or 'every lead'}; look for missing values in the "
                "product (met2net-ops doctor) and in the archive's frames of these times"
            )
        if found.lost:
            share = found.lost / found.points
            notes.append(f"{share:.1%} of points left out: a baseline is missing there")
        subsets = [Subset(name) for name in self._weighting.names]
        return Compared(
            found.parts, subsets, found.matched, complete=bool(present.all()), notes=tuple(notes)
        )

    def _nothing_yet(self, axes: Axes) -> str:
        first, last = axes.valid_times[0], axes.valid_times[-1]
        span = self._common.cache.archive.span()
        there = (
            "the archive is empty"
            if span is None
            else f"the archive has frames from {format_time(span[0])} to {format_time(span[1])}"
        )
        return f"no analysis between {format_time(first)} and {format_time(last)}: {there}"
