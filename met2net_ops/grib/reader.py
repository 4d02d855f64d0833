"""Read the wanted variables of a GRIB file, one decoded field at a time."""

from __future__ import annotations

from collections import Counter, OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from met2net_ops.fields import FieldKind
from met2net_ops.grib.decode import Decoded, GridCache, decode
from met2net_ops.grib.inventory import take_inventory
from met2net_ops.grib.plan import DecodePlan, Task, make_plan
from met2net_ops.grib.records import (
    Damage,
    GribUnreadableError,
    Inventory,
    MessageRecord,
    SourceField,
    Verdict,
    VerdictKind,
)
from met2net_ops.grib.scan import ByteSource
from met2net_ops.grids import SourceGrid
from met2net_ops.times import format_time
from met2net_ops.variables import variable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = [
    "Damage",
    "FieldKind",
    "GridCache",
    "Inventory",
    "MessageRecord",
    "SourceField",
    "SourceGrid",
    "Verdict",
    "VerdictKind",
    "read_fields",
]

_KEPT_DECODED = 4  # wind pairs and running accumulations use a message twice in a row


def read_fields(
    path: Path,
    wanted: Collection[str],
    *,
    inventory: Inventory | None = None,
    skip: Callable[[MessageRecord], str | None] | None = None,
    grids: GridCache | None = None,
) -> Iterator[SourceField | Verdict]:
    """Decode the wanted variables of a file.

    Yields decoded fields and verdicts mixed. Every field of the file, and every damaged byte
    range, gets exactly one `Verdict`, so their number is `len(inventory.records) +
    len(inventory.damage)`. A `SourceField` comes before the verdicts of the messages it used.
    A handful of fields (the inputs of one derivation) are in memory at a time, plus the
    geometry of each distinct grid. Nothing is decided about which of several fields of one
    variable and valid time wins: all are yielded.

    Args:
        path: the file.
        wanted: canonical variable names. Those that are not in the file, but follow from what is
            (`met2net_ops.derive.DERIVATIONS`), are derived.
        inventory: of this very file, where it was already made.
        skip: looks at a record before anything is decoded and says why no field is wanted of it,
            or None. Its message may still be used to make another field, as the other component
            of a wind or an earlier accumulation.
        grids: share one among calls to compute coordinates once for many files.

    Raises:
        IngestError: the file cannot be opened or read at all.
        UnknownVariableError: a wanted name is no variable.
    """
    names = [variable(name).name for name in dict.fromkeys(wanted)]
    with ByteSource(path) as source:
        listed = take_inventory(source) if inventory is None else inventory
        plan = make_plan(listed, names, skip)
        yield from plan.verdicts
        decoder = _TaskDecoder(source, grids or GridCache())
        verdicts = _VerdictCollector(plan)
        for task in plan.tasks:
            try:
                field = decoder.decode(task)
            except GribUnreadableError as error:
                yield from verdicts.failed(task, str(error))
            else:
                yield field
                yield from verdicts.succeeded(task, field)


class _VerdictCollector:
    """Gives each message its verdict when the last task that may use it is done."""

    def __init__(self, plan: DecodePlan) -> None:
        self._if_unused = plan.if_unused
        self._open = Counter(record.field for task in plan.tasks for record in task.records())
        self._used: dict[int, str] = {}
        self._failures: dict[int, str] = {}

    def succeeded(self, task: Task, field: SourceField) -> Iterator[Verdict]:
        for record in field.inputs:
            own = record is task.main and not task.derivation
            if own or record.field not in self._used:
                self._used[record.field] = "" if own else f"used for {field.variable}"
        yield from self._close(task)

    def failed(self, task: Task, reason: str) -> Iterator[Verdict]:
        for record in task.records():
            if record is task.main or task.derivation:
                self._failures.setdefault(record.field, reason)
        yield from self._close(task)

    def _close(self, task: Task) -> Iterator[Verdict]:
        for record in sorted(task.records(), key=lambda record: record.field):
            self._open[record.field] -= 1
            if self._open[record.field]:
                continue
            if record.field in self._used:
                yield Verdict(VerdictKind.TAKEN, self._used[record.field], record=record)
            elif record.field in self._failures:
                yield Verdict(VerdictKind.REFUSED, self._failures[record.field], record=record)
            else:
                yield self._if_unused[record.field]


@dataclass(frozen=True, slots=True)
class _UncheckedField:
    """Values before their limits are checked, and the messages they were made from."""

    values: NDArray[np.float32]
    grid: SourceGrid
    inputs: tuple[MessageRecord, ...]
    method: str = ""


class _TaskDecoder:
    """Carries out the decoding tasks of one file."""

    def __init__(self, source: ByteSource, grids: GridCache) -> None:
        self._source = source
        self._grids = grids
        self._decoded: OrderedDict[int, Decoded] = OrderedDict()

    def decode(self, task: Task) -> SourceField:
        """The field a task describes.

        Raises:
            GribUnreadableError: it cannot be made, or its values are outside the possible range.
        """
        unchecked = self._unchecked(task)
        record = task.main
        if record.reference_time is None or record.valid_time is None:
            raise GribUnreadableError("its times cannot be read")
        field = SourceField(
            variable=task.target,
            record=record,
            inputs=unchecked.inputs,
            grid=unchecked.grid,
            values=unchecked.values,
            reference_time=record.reference_time,
            valid_time=record.valid_time,
            kind=record.kind,
            expver=record.expver,
            method=unchecked.method,
        )
        return replace(field, warnings=_check_limits(field))

    def _unchecked(self, task: Task) -> _UncheckedField:
        if task.derivation is not None:
            return self._derived(task)
        decoded = self._decode(task.main)
        grid, inputs = decoded.geometry.grid, (task.main,)
        if task.earlier is not None:
            return self._difference(task, decoded, task.earlier)
        if variable(task.target).vector_partner and decoded.geometry.grid_relative:
            return self._turned(task, decoded)
        return _UncheckedField(decoded.values, grid, inputs)

    def _derived(self, task: Task) -> _UncheckedField:
        assert task.derivation is not None
        sources = [self._unchecked(source) for source in task.inputs]
        if any(source.grid != sources[0].grid for source in sources):
            raise GribUnreadableError(f"{task.derivation.method}: they lie on different grids")
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            values = task.derivation.function(*(source.values for source in sources))
        inputs = dict.fromkeys(record for source in sources for record in source.inputs)
        return _UncheckedField(
            np.asarray(values, dtype=np.float32),
            sources[0].grid,
            tuple(sorted(inputs, key=lambda record: record.field)),
            task.derivation.method,
        )

    def _difference(self, task: Task, later: Decoded, record: MessageRecord) -> _UncheckedField:
        earlier = self._decode(record)
        if earlier.geometry.grid != later.geometry.grid:
            raise GribUnreadableError("the accumulation before it lies on another grid")
        values = later.values - earlier.values
        # Packing rounds both, so a dry hour may come to slightly less than zero.
        values[(values < 0) & (values >= variable(task.target).hard.low)] = 0.0
        method = f"accumulated over {task.main.step_range} minus {record.step_range} h"
        return _UncheckedField(values, later.geometry.grid, (record, task.main), method)

    def _turned(self, task: Task, own: Decoded) -> _UncheckedField:
        """A grid-relative wind component made earth-relative."""
        rotation, grid = own.geometry.rotation, own.geometry.grid
        if rotation is None:
            return _UncheckedField(own.values, grid, (task.main,))
        if task.partner is None:
            other = variable(task.target).vector_partner
            raise GribUnreadableError(
                f"{task.target} follows the axes of its grid and cannot be turned to the earth's "
                f"without {other}, which is not in this file for the same time"
            )
        try:
            partner = self._decode(task.partner)
        except GribUnreadableError as error:
            raise GribUnreadableError(
                f"the other wind component cannot be read: {error}"
            ) from error
        if partner.geometry.grid != grid or not partner.geometry.grid_relative:
            raise GribUnreadableError("the other wind component lies on another grid")
        if variable(task.target).standard_name.startswith("eastward"):
            values = rotation.eastward(own.values, partner.values)
        else:
            values = rotation.northward(partner.values, own.values)
        inputs = sorted((task.main, task.partner), key=lambda record: record.field)
        return _UncheckedField(values, grid, tuple(inputs), "turned from grid to earth axes")

    def _decode(self, record: MessageRecord) -> Decoded:
        if record.field in self._decoded:
            self._decoded.move_to_end(record.field)
            return self._decoded[record.field]
        decoded = decode(self._source, record, self._grids)
        self._decoded[record.field] = decoded
        if len(self._decoded) > _KEPT_DECODED:
            self._decoded.popitem(last=False)
        return decoded


def _check_limits(field: SourceField) -> tuple[str, ...]:
    """Warnings about values outside the soft limits.

    Raises:
        GribUnreadableError: no value at all, an infinite one, or one outside the hard limits.
    """
    row, values = variable(field.variable), field.values
    low, high = values.min(), values.max()
    if np.isnan(low):
        if np.isnan(values).all():
            raise GribUnreadableError(
                f"{row.name} {format_time(field.valid_time)}: all are missing"
            )
        low, high = np.nanmin(values), np.nanmax(values)
    warnings = []
    for value, beyond in ((float(low), np.less), (float(high), np.greater)):
        what = f"{row.name} {format_time(field.valid_time)}: {value:g} {row.units}"
        edge = "low" if beyond is np.less else "high"
        hard, soft = getattr(row.hard, edge), getattr(row.soft, edge)
        if not np.isfinite(value) or beyond(value, hard):
            raise GribUnreadableError(f"{what} is outside the possible {row.hard.low:g} to "
                                  f"{row.hard.high:g}")  # fmt: skip
        if beyond(value, soft):
            warnings.append(f"{what} is outside the usual {row.soft.low:g} to {row.soft.high:g}")
    return tuple(warnings)
