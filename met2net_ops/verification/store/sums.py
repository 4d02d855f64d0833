"""What is kept of a comparison: weighted sums, from which every score is derived later.

Sums of parts add up to the sums of the whole, so cycles, leads and regions can be grouped in any
way afterwards without touching a field again. Six kinds, each a tuple of names; in the formulae
f is the forecast, o the truth, c the climatology, w the weight and e = f - o:

* `CONTINUOUS`: n, Σw, Σw·e, Σw·|e|, Σw·e², the moments of f and o, and (names beginning with
  `a`) the moments of the anomalies f - c and o - c over the pairs that have a climatology;
* `CONTINGENCY`: the weights of hits, false alarms, misses and correct negatives at a threshold;
* `FRACTIONS`: Σw(p_f - p_o)² and Σw(p_f² + p_o²) of neighbourhood fractions;
* `VECTOR`: Σw|Δv|² of a horizontal wind, its speed errors and (names beginning with `d`) its
  direction errors where both winds are strong enough to have a direction;
* `CLASSES`: the weights of a table of three classes, `c21` that of the third class forecast (0 is
  the lowest) where the second came true;
* `ENSEMBLE`: Σw·CRPS, Σw·variance of the members, Σw·(ensemble mean - o)².

All arithmetic is float64; `kernels` makes sums from fields. `n` says how many pairs counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from met2net_ops.errors import VerificationError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

CONTINUOUS = (
    "n", "w", "we", "wabs", "wee", "wf", "wo", "wff", "woo", "wfo",
    "an", "aw", "af", "ao", "aff", "aoo", "afo",
)  # fmt: skip
CONTINGENCY = ("n", "w", "hits", "false_alarms", "misses", "correct_negatives")
FRACTIONS = ("n", "w", "fss_error", "fss_reference")
VECTOR = ("n", "w", "wvv", "ws", "wss", "dn", "dw", "wd", "wdabs", "wdd")
CLASSES = ("n", "w", "c00", "c01", "c02", "c10", "c11", "c12", "c20", "c21", "c22")
ENSEMBLE = ("n", "w", "wcrps", "wvariance", "wmm", "members")

KINDS: dict[str, tuple[str, ...]] = {
    "continuous": CONTINUOUS,
    "contingency": CONTINGENCY,
    "fractions": FRACTIONS,
    "vector": VECTOR,
    "classes": CLASSES,
    "ensemble": ENSEMBLE,
}


@dataclass(frozen=True, slots=True)
class Sums:
    """Sums of one kind, one set per cell of an array.

    Attributes:
        kind: a key of `KINDS`.
        values: (…, len(KINDS[kind])) float64, not to be written to.
    """

    kind: str
    values: Floats

    def __post_init__(self) -> None:
        if self.kind not in KINDS or self.values.shape[-1:] != (len(KINDS[self.kind]),):
            raise VerificationError(
                f"{self.values.shape} is no array of {self.kind!r} sums; known are "
                + ", ".join(f"{kind} ({len(names)})" for kind, names in KINDS.items())
            )

    def __getitem__(self, name: str) -> Floats:
        """The sums of that name, (…)."""
        return np.asarray(self.values[..., KINDS[self.kind].index(name)])

    def __add__(self, other: Sums) -> Sums:
        """Merge two parts, cell by cell."""
        if self.kind != other.kind:
            raise VerificationError(f"cannot merge {self.kind} sums with {other.kind} sums")
        return Sums(self.kind, self.values + other.values)

    def total(self, axis: int | tuple[int, ...] = 0) -> Sums:
        """Merge the cells along those leading axes (not negative)."""
        return Sums(self.kind, np.asarray(self.values.sum(axis=axis)))


def zeros(kind: str, shape: tuple[int, ...] = ()) -> Sums:
    """Sums of nothing, to start from.

    >>> float(zeros("continuous")["n"])
    0.0
    """
    return Sums(kind, np.zeros((*shape, len(KINDS[kind]))))


def merge(parts: Iterable[Sums], kind: str) -> Sums:
    """The sums of all parts together; of none, zeros.

    >>> merge([zeros("vector"), zeros("vector")], "vector").values.shape
    (10,)
    """
    total = zeros(kind)
    for part in parts:
        total = total + part
    return total


def without_anomalies(sums: Sums) -> Sums:
    """Continuous sums with the anomaly sums set to nothing.

    >>> float(without_anomalies(zeros("continuous"))["aw"])
    0.0
    """
    values = sums.values.copy()
    values[..., CONTINUOUS.index("an") :] = 0.0
    return Sums(sums.kind, values)
