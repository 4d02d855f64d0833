"""How long to wait after failures in a row."""

from __future__ import annotations

_MOST_DOUBLINGS = 40  # beyond it the longest wait has been reached anyway


def backoff_seconds(failures: int, first: float, longest: float) -> float:
    """The wait after so many failures in a row: doubled each time, up to the longest.

    >>> [backoff_seconds(failures, 60.0, 1800.0) for failures in (1, 2, 3, 9)]
    [60.0, 120.0, 240.0, 1800.0]
    """
    return min(first * 2.0 ** min(failures - 1, _MOST_DOUBLINGS), longest)
