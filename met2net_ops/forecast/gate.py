"""The gate: whether a rollout is fit to publish.

Three things make a field unfit: values that are not finite, values outside the hard limits of the
variables' table, and a spatial standard deviation far from that of the frames the forecast
started from (a network that blows up, or one that melts into its mean). Values outside the soft
limits are warned about.

Everything here is a pure function of arrays; blocks may be checked one by one as they come.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from met2net_ops.variables import variable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from met2net_ops.settings import GateSettings

# A window may be nearly flat (no rain, a clear sky); below this part of the variable's hard range
# its spread says nothing about how much structure the forecast should have.
_NEGLIGIBLE_SPREAD = 0.01


class GateCheck(StrEnum):
    """What the gate checks."""

    FINITE = "not finite"
    HARD_LIMITS = "outside the hard limits"
    SOFT_LIMITS = "outside the soft limits"
    EXPLODING = "exploding"
    COLLAPSED = "collapsed"

    @property
    def refuses(self) -> bool:
        """Whether a finding of this kind keeps a product from being published."""
        return self is not GateCheck.SOFT_LIMITS


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong with one field.

    Attributes:
        variable: canonical name.
        lead: lead number, counted in steps.
        check: which check found it.
        points: grid points concerned (all of them for the checks of spread).
        detail: what was found, with numbers and units.
    """

    variable: str
    lead: int
    check: GateCheck
    points: int
    detail: str


@dataclass(frozen=True, slots=True)
class Spread:
    """Least and greatest spatial standard deviation over the frames of a window."""

    least: float
    greatest: float


@dataclass(frozen=True)
class GateReport:
    """All findings of one rollout, in order of lead and variable."""

    findings: tuple[Finding, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether nothing found keeps the product from being published."""
        return not self.refusals

    @property
    def refusals(self) -> tuple[Finding, ...]:
        """Findings that keep the product from being published."""
        return tuple(finding for finding in self.findings if finding.check.refuses)

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """Findings that do not."""
        return tuple(finding for finding in self.findings if not finding.check.refuses)

    def summary(self) -> list[str]:
        """One line per variable and kind of finding, refusals first."""
        return [*_grouped(self.refusals), *_grouped(self.warnings)]


def spreads(window: NDArray[np.float32]) -> list[Spread]:
    """The spread of each variable over a window's frames.

    Args:
        window: (frame, variable, latitude, longitude), finite.
    """
    deviations = window.std(axis=(-2, -1), dtype=np.float64)
    return [
        Spread(float(least), float(greatest))
        for least, greatest in zip(deviations.min(axis=0), deviations.max(axis=0), strict=True)
    ]


def check_block(
    values: NDArray[np.float32],
    first_lead: int,
    names: Sequence[str],
    reference: Sequence[Spread],
    settings: GateSettings,
) -> list[Finding]:
    """Look at every field of a block of leads of one cycle.

    Args:
        values: (lead, variable, latitude, longitude), physical units.
        first_lead: lead number of `values[0]`.
        names: canonical names along the variable axis.
        reference: spread of the window, one per variable.
        settings: the bounds on the ratio of spreads.
    """
    # Four reductions over the block find the fields worth a closer look: normally none.
    with np.errstate(invalid="ignore", over="ignore"):
        low = values.min(axis=(-2, -1))
        high = values.max(axis=(-2, -1))
        deviation = values.std(axis=(-2, -1), dtype=np.float64)
    findings: list[Finding] = []
    for lead in range(values.shape[0]):
        for index, name in enumerate(names):
            number, field = first_lead + lead, values[lead, index]
            if not np.isfinite(deviation[lead, index]):
                findings.append(_not_finite(field, name, number))
                continue
            findings += _outside(field, name, number, low[lead, index], high[lead, index])
            findings += _spread(
                name, number, field.size, deviation[lead, index], reference[index], settings
            )
    return findings


def _not_finite(field: NDArray[np.float32], name: str, lead: int) -> Finding:
    points = int(np.count_nonzero(~np.isfinite(field)))
    detail = f"{points} of {field.size} values are NaN or infinite"
    return Finding(name, lead, GateCheck.FINITE, points, detail)


def _outside(
    field: NDArray[np.float32], name: str, lead: int, low: np.float32, high: np.float32
) -> list[Finding]:
    row = variable(name)
    for check, limits in ((GateCheck.HARD_LIMITS, row.hard), (GateCheck.SOFT_LIMITS, row.soft)):
        if low < limits.low or high > limits.high:
            points = int(np.count_nonzero((field < limits.low) | (field > limits.high)))
            detail = (
                f"{low:g}..{high:g} {row.units}, limits {limits.low:g}..{limits.high:g}, "
                f"{points} of {field.size} points"
            )
            return [Finding(name, lead, check, points, detail)]
    return []


def _spread(
    name: str, lead: int, size: int, deviation: float, window: Spread, settings: GateSettings
) -> list[Finding]:
    row = variable(name)
    negligible = _NEGLIGIBLE_SPREAD * (row.hard.high - row.hard.low)
    ceiling = settings.max_spread_ratio * max(window.greatest, negligible)
    if deviation > ceiling:
        detail = (
            f"standard deviation {deviation:.4g} {row.units}, more than {ceiling:.4g} "
            f"({settings.max_spread_ratio:g} x the window's {window.greatest:.4g})"
        )
        return [Finding(name, lead, GateCheck.EXPLODING, size, detail)]
    floor = settings.min_spread_ratio * window.least
    if window.least > negligible and deviation < floor:
        detail = (
            f"standard deviation {deviation:.4g} {row.units}, less than {floor:.4g} "
            f"({settings.min_spread_ratio:g} x the window's {window.least:.4g})"
        )
        return [Finding(name, lead, GateCheck.COLLAPSED, size, detail)]
    return []


def _grouped(findings: Iterable[Finding]) -> list[str]:
    def key(finding: Finding) -> tuple[str, str]:
        return finding.variable, finding.check.value

    lines = []
    for (name, check), members in groupby(sorted(findings, key=key), key=key):
        group = sorted(members, key=lambda finding: finding.lead)
        first = group[0]
        more = f" and {len(group) - 1} more leads" if len(group) > 1 else ""
        lines.append(f"{name} {check} at lead {first.lead}{more}: {first.detail}")
    return lines
