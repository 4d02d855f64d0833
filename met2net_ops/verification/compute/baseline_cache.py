"""Sums that come up again: a baseline beside a truth is the same for every cycle of that time."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from met2net_ops.verification.store.sums import Sums

_MOST = 20_000  # some 10 MB for four regions


class BaselineCache:
    """Sums by what they were made from, the most recently used kept.

    Whoever owns one asks always with the same weights.
    """

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._sums: OrderedDict[Hashable, Sums] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], Sums]) -> Sums:
        """The sums of that key, made if they are not there.

        >>> from met2net_ops.verification.store.sums import zeros
        >>> cache = BaselineCache()
        >>> cache.get("a", lambda: zeros("vector")) is cache.get("a", lambda: zeros("vector"))
        True
        """
        if key not in self._sums:
            self._sums[key] = make()
            if len(self._sums) > self._most:
                self._sums.popitem(last=False)
        self._sums.move_to_end(key)
        return self._sums[key]
