"""What is wrong with the service now, by part; an error in one part stops no other."""

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
        """Remember a problem, and log it where it is new."""
        if self._known.get(part) != reason:
            _log.error("%s went wrong", part, extra={"reason": reason}, exc_info=error)
        self._known[part] = reason

    def clear(self, part: str) -> None:
        """It works again."""
        self._known.pop(part, None)

    def set(self, part: str, reason: str) -> None:
        """Note what is wrong, or that nothing is where `reason` is ""."""
        if reason:
            self.note(part, reason)
        else:
            self.clear(part)

    @contextmanager
    def guard(self, part: str, *, clears: bool = True) -> Iterator[None]:
        """Turn exceptions inside into a problem, which the next success clears.

        Args:
            part: of the service, whose code runs inside.
            clears: whether to clear the problem when nothing is raised.
        """
        try:
            yield
        except Met2NetOpsError as error:
            self.note(part, str(error))  # its message is complete
        except Exception as error:
            self.note(part, f"unexpected {type(error).__name__}: {error}", error)
        else:
            if clears:
                self.clear(part)
