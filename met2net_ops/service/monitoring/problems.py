"""What is wrong with the service now, by part; one in trouble keeps no other from working."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

from met2net_ops.errors import Met2NetOpsError

if TYPE_CHECKING:
    from collections.abc import Iterator

_log = logging.getLogger(__name__)


class Problems:
    """Part → what is wrong with it."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def now(self) -> dict[str, str]:
        """All of them."""
        return dict(self._known)

    def note(self, part: str, reason: str, error: Exception | None = None) -> None:
        """Something is wrong; it is logged where that is news."""
        if self._known.get(part) != reason:
            _log.error("%s went wrong", part, extra={"reason": reason}, exc_info=error)
        self._known[part] = reason

    def clear(self, part: str) -> None:
        """It goes right again."""
        self._known.pop(part, None)

    @contextmanager
    def guard(self, part: str, *, clears: bool = True) -> Iterator[None]:
        """What goes wrong inside is logged, remembered, and forgotten when it goes right.

        Args:
            part: what works inside.
            clears: whether to forget what was wrong with that part when nothing is raised.
        """
        try:
            yield
        except Met2NetOpsError as error:
            self.note(part, str(error))  # it says what there is to say
        except Exception as error:
            self.note(part, f"unexpected {type(error).__name__}: {error}", error)
        else:
            if clears:
                self.clear(part)
