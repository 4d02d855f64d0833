"""Fields a product does not hold, made of those it does: chosen like any other variable."""

from __future__ import annotations

from typing import TYPE_CHECKING

from met2net_ops.derive import DERIVATIONS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from met2net_ops.derive import Derivation


def with_derived(names: Sequence[str]) -> tuple[str, ...]:
    """These variables, and those that follow from them.

    >>> with_derived(["t2m", "u10", "v10"])
    ('t2m', 'u10', 'v10', 'ws10', 'wd10')
    """
    made = [one.target for one in DERIVATIONS if set(one.inputs) <= set(names)]
    return tuple(dict.fromkeys([*names, *made]))


def inputs_of(name: str, names: Sequence[str]) -> tuple[str, ...]:
    """What to read of a product with these variables; the variable itself where it has it.

    >>> inputs_of("ws10", ["u10", "v10"]), inputs_of("t2m", ["t2m"]), inputs_of("tcc", ["t2m"])
    (('u10', 'v10'), ('t2m',), ('tcc',))
    """
    found = _derivation(name, names)
    return (name,) if found is None else found.inputs


def made_of(name: str, values: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float32]:
    """A variable from what `inputs_of` names."""
    found = _derivation(name, list(values))
    return values[name] if found is None else found.function(*(values[one] for one in found.inputs))


def _derivation(name: str, names: Sequence[str]) -> Derivation | None:
    if name in names:
        return None
    return next(
        (one for one in DERIVATIONS if one.target == name and set(one.inputs) <= set(names)), None
    )
