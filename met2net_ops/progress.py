"""Progress of long work, without saying how it is shown.

Long-running functions take a `track` argument and wrap their main loop in it; the command line
passes one that draws bars, everything else leaves the default, which shows nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

T = TypeVar("T")


class Track(Protocol):
    """Passes items through and may show how far it is."""

    def __call__(
        self, items: Iterable[T], description: str, total: int | None = None
    ) -> Iterator[T]:
        """Yield every item; `total` is how many there will be, where known."""
        ...


def silent(items: Iterable[T], description: str, total: int | None = None) -> Iterator[T]:
    """Show nothing.

    >>> list(silent([1, 2], "counting"))
    [1, 2]
    """
    yield from items
