"""What goes wrong at real centres, on request and by a seeded plan."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256

from met2net_ops.errors import Met2NetOpsError


class CentreFault(StrEnum):
    """What happens to one object, until it has been requested often enough."""

    LATE = "late"  # 404: not there yet
    FORBIDDEN = "forbidden"  # 403: as object stores say that something is not there
    EMPTY = "empty"  # of no bytes
    GROWING = "growing"  # only its beginning is there, under a complete index
    STALE_INDEX = "stale-index"  # the index is of another version, with other offsets
    REWRITTEN = "rewritten"  # another version comes in the middle of the transfer
    IGNORES_RANGES = "ignores-ranges"  # 200 with all of it
    WRONG_RANGE = "wrong-range"  # 206 with another Content-Range than requested
    SHIFTED = "shifted"  # the right Content-Range over bytes that begin one too late
    WALL = "wall"  # 302 to a page
    TOO_MANY = "too-many"  # 429 with Retry-After
    SLOW_DOWN = "slow-down"  # 503
    RESET = "reset"  # the connection breaks half-way
    DRIP = "drip"  # a few bytes at a time, for ever
    WRONG_FIELD = "wrong-field"  # another variable under the right key
    MIXED_RUNS = "mixed-runs"  # fields of the run before under this one's index
    DUPLICATE_LINES = "duplicate-lines"  # the index names a field twice, at two offsets
    WEB_PAGE = "web-page"  # 200 with an HTML page
    COMPRESSED = "compressed"  # a range with Content-Encoding gzip


class CentreFaultError(Met2NetOpsError):
    """A fault that does not exist was requested."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """Which objects are faulty, the same for the same seed.

    Attributes:
        rate: share of the objects, 0 to 1.
        faults: of these kinds.
        seed: chooses objects and kinds.
        requests: a faulty object is sound after so many requests.
    """

    rate: float = 0.0
    faults: tuple[CentreFault, ...] = tuple(CentreFault)
    seed: int = 1
    requests: int = 6

    def fault_of(self, name: str) -> CentreFault | None:
        """The fault of an object; None if it is sound."""
        digest = sha256(f"{self.seed} {name}".encode()).digest()
        if not self.faults or int.from_bytes(digest[:8]) >= self.rate * 2**64:
            return None
        return self.faults[int.from_bytes(digest[8:12]) % len(self.faults)]


def parse_centre_faults(text: str) -> tuple[CentreFault, ...]:
    """Read `late,reset`, or `all`.

    Raises:
        CentreFaultError: an unknown fault.

    >>> parse_centre_faults("late, reset")
    (<CentreFault.LATE: 'late'>, <CentreFault.RESET: 'reset'>)
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    if names == ["all"]:
        return tuple(CentreFault)
    try:
        return tuple(CentreFault(name) for name in names)
    except ValueError as error:
        known = ", ".join(CentreFault)
        raise CentreFaultError(f"{error}; known: {known}") from error
