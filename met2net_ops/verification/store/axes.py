"""The axes of a forecast, without its file."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from met2net_ops.products.header import ProductHeader


@dataclass(frozen=True)
class Axes:
    """What a forecast is valid for.

    Attributes:
        reference_time: its cycle.
        step: between leads.
        leads: how many.
        variables: canonical names.
    """

    reference_time: datetime
    step: timedelta
    leads: int
    variables: tuple[str, ...]

    @classmethod
    def of(cls, header: ProductHeader) -> Axes:
        """Those of a product."""
        return cls(header.reference_time, header.step, header.leads, header.variables)

    @cached_property
    def lead_times(self) -> tuple[timedelta, ...]:
        """From one step on."""
        return tuple(self.step * (i + 1) for i in range(self.leads))

    @cached_property
    def lead_hours(self) -> list[int]:
        """Lead times in hours."""
        return [int(lead.total_seconds() // 3600) for lead in self.lead_times]

    @cached_property
    def valid_times(self) -> tuple[datetime, ...]:
        """Reference time plus lead times."""
        return tuple(self.reference_time + lead for lead in self.lead_times)

    @property
    def months(self) -> set[int]:
        """Of the valid times."""
        return {time.month for time in self.valid_times}
