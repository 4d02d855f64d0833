"""Prefetching: while a GPU computes a step, a thread reads the next step's windows."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Prefetcher(Generic[T]):
    """Makes items by number, the next one while the last one is in use.

    On a CPU reading takes a hundredth of a step, and the cores are busy: there nothing is
    prefetched.

    Args:
        count: how many items there are.
        ahead: whether to prefetch the next one.
    """

    def __init__(self, count: int, *, ahead: bool) -> None:
        self._count = count
        self._pool = ThreadPoolExecutor(1) if ahead else None
        self._next: tuple[int, Future[T]] | None = None

    def take(self, number: int, make: Callable[[int], T]) -> T:
        """Return the item of that number and start on the next."""
        ready, self._next = self._next, None
        started = ready is not None and ready[0] == number
        value = ready[1].result() if ready is not None and started else make(number)
        if self._pool is not None and number + 1 < self._count:
            self._next = (number + 1, self._pool.submit(make, number + 1))
        return value
