"""Which time of an archive trains, chooses and judges, fitted to its length."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from met2net_ops.errors import ArchiveError
from met2net_ops.models.training.windows import Period, Split
from met2net_ops.times import format_time

if TYPE_CHECKING:
    from datetime import datetime

_YEAR = timedelta(days=365)
_BLOCK = timedelta(days=90)  # below it one split; above, each block has its own, for the seasons
_SHARES = (0.68, 0.14, 0.18)  # of what the guards leave: train, validation, test
_GUARD_SHARE = 0.04  # of a block, for each guard
_MOST_GUARD = timedelta(hours=240)
_LEAST_WINDOWS = 8  # validation or test


def split_periods(
    first: datetime, last: datetime, step: timedelta, window: int
) -> tuple[Split, float]:
    """Periods for a series, and the guard between them in hours.

    Three years and more: the last year tests, the one before validates. Less: blocks of about 90
    days, each split in that order, so that every season is in each part. A test period is never
    looked at before the end, and always lies a guard after what trains or chooses.

    Args:
        first: the first valid time.
        last: the last.
        step: between frames.
        window: frames of a training window, in and out.

    Raises:
        ArchiveError: the series is too short; the length that would do is named.
    """
    length = last - first
    if length >= 3 * _YEAR:
        guard = _MOST_GUARD
        test = Period(last - _YEAR, last)
        validation = Period(test.start - guard - _YEAR, test.start - guard)
        train = Period(first, validation.start - guard)
        return Split((train,), (validation,), (test,)), guard / timedelta(hours=1)
    blocks = max(1, round(length / _BLOCK))
    part = _rounded(length / blocks, step)
    guard = max(step, min(_MOST_GUARD, _rounded(part * _GUARD_SHARE, step)))
    ends = [first + part * number for number in range(blocks)] + [last + step]
    trains, validations, tests = [], [], []
    for begin, end in pairwise(ends):
        usable = end - begin - 3 * guard  # the last guard parts it from the next block
        chosen, judged = (_rounded(usable * share, step) for share in _SHARES[1:])
        least = step * (window + _LEAST_WINDOWS)
        if min(chosen, judged) < least:
            frames = round(least / step / min(_SHARES[1:]) / (1 - 3 * _GUARD_SHARE)) + 1
            raise ArchiveError(
                f"{format_time(first)} to {format_time(last)} is too short to train, choose and "
                f"test on: about {frames} frames ({step * frames / timedelta(days=1):.0f} days) "
                "are needed. Fetch or ingest more"
            )
        test = Period(end - guard - judged, end - guard - step)
        if end > last:
            test = Period(last + step - judged, last)
        validation = Period(test.start - guard - chosen, test.start - guard - step)
        trains.append(Period(begin, validation.start - guard - step))
        validations.append(validation)
        tests.append(test)
    return Split(tuple(trains), tuple(validations), tuple(tests)), guard / timedelta(hours=1)


def _rounded(length: timedelta, step: timedelta) -> timedelta:
    return step * int(length / step)
