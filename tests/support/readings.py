"""What every reading of a file of station reports must fulfil."""

from __future__ import annotations

from met2net_ops.observations.report import Reading


def every_record_counted(reading: Reading) -> bool:
    """Whether every record is a report or a refusal, and none is both."""
    numbers = [r.record for r in reading.reports] + [x.record for x in reading.refusals]
    return sorted(numbers) == [*range(1, reading.records + 1)]
