"""Which messages of a file make one xarray variable."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from met2net_ops.grib.records import MessageRecord
from met2net_ops.times import format_time

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence

    from met2net_ops.grib.records import Damage

_NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)
_SPARSE = 2  # cells per message above which a hypercube is cut up by lead time


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A message, or a damaged range of bytes, that is not in the result, and why."""

    what: MessageRecord | Damage
    reason: str

    def __str__(self) -> str:
        if isinstance(self.what, MessageRecord):
            return f"{describe(self.what)}: {self.reason}"
        return f"{self.what.length} bytes at {self.what.offset}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Cube:
    """Messages of one variable that differ in member, reference time, lead time or level alone.

    Each of the four axes is sorted; a combination without a message is missing. A message whose
    times cannot be read is alone.
    """

    records: tuple[MessageRecord, ...]

    @property
    def timeless(self) -> bool:
        """Whether the times cannot be read; the axes of time then say nothing."""
        return self.records[0].lead is None

    @property
    def numbers(self) -> list[int | None]:
        """Ensemble members; [None] where messages name none."""
        return sorted(
            {record.number for record in self.records}, key=lambda n: -1 if n is None else n
        )

    @property
    def reference_times(self) -> list[datetime]:
        """UTC."""
        return sorted({_reference(record) for record in self.records})

    @property
    def leads(self) -> list[timedelta]:
        """Valid time less reference time."""
        return sorted({_lead(record) for record in self.records})

    @property
    def levels(self) -> list[float]:
        """In the unit of the level type."""
        return sorted({record.level for record in self.records})

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """How many members, reference times, lead times and levels."""
        return len(self.numbers), len(self.reference_times), len(self.leads), len(self.levels)

    def places(self) -> Iterator[tuple[MessageRecord, tuple[int, int, int, int]]]:
        """Every message with its place on the four axes."""
        axes = (self.numbers, self.reference_times, self.leads, self.levels)
        numbers, times, leads, levels = ({v: i for i, v in enumerate(axis)} for axis in axes)
        for record in self.records:
            yield (
                record,
                (
                    numbers[record.number],
                    times[_reference(record)],
                    leads[_lead(record)],
                    levels[record.level],
                ),
            )


def describe(record: MessageRecord) -> str:
    """A message for people: its place in the file, parameter, level and valid time."""
    sub = f".{record.sub_message}" if record.sub_message else ""
    valid = "no valid time" if record.valid_time is None else format_time(record.valid_time)
    level = f"{record.type_of_level} {record.level:g}"
    return f"message {record.message}{sub} ({record.short_name}, {level}, {valid})"


def make_cubes(
    records: Iterable[MessageRecord], grid_of: Callable[[MessageRecord], Hashable]
) -> Iterator[Cube | LeftOut]:
    """Sort messages into cubes, in file order; every one ends in a cube or is left out.

    Args:
        records: of an inventory.
        grid_of: what is equal for messages on the same grid, stored in the same order.
    """
    groups: dict[Hashable, list[MessageRecord]] = defaultdict(list)
    for record in records:
        if record.unreadable:
            yield LeftOut(record, record.reason)
        elif record.lead is None:
            yield Cube((record,))
        else:
            groups[_key(record), grid_of(record)].append(record)
    for group in groups.values():
        for part in _by_interval(group):
            rest = part
            while rest:
                cube, rest = _take_cube(rest)
                yield from _not_sparse(cube)


def _key(record: MessageRecord) -> tuple[object, ...]:
    return (
        record.edition, record.centre, record.param_id, record.parameter, record.short_name,
        record.type_of_level, record.step_type, record.kind, record.expver, record.number is None,
    )  # fmt: skip


def _by_interval(group: Sequence[MessageRecord]) -> list[list[MessageRecord]]:
    """Sums from the start of the forecast stay together, and so do those of equal length."""
    if all(record.interval == _lead(record) for record in group):
        return [list(group)]
    parts: dict[timedelta, list[MessageRecord]] = defaultdict(list)
    for record in group:
        parts[record.interval].append(record)
    return list(parts.values())


def _take_cube(group: Sequence[MessageRecord]) -> tuple[list[MessageRecord], list[MessageRecord]]:
    """The first message for each place, and what is left for another cube."""
    first: dict[tuple[object, ...], MessageRecord] = {}
    rest = []
    for record in group:
        place = (record.number, record.reference_time, record.valid_time, record.level)
        if first.setdefault(place, record) is not record:
            rest.append(record)
    return list(first.values()), rest


def _not_sparse(records: Sequence[MessageRecord]) -> Iterator[Cube]:
    cube = Cube(tuple(records))
    members, times, leads, levels = cube.shape
    if members * times * leads * levels <= max(_SPARSE * len(records), 8):
        yield cube
        return
    parts: dict[timedelta, list[MessageRecord]] = defaultdict(list)
    for record in records:
        parts[_lead(record)].append(record)
    for part in parts.values():
        yield Cube(tuple(part))


def _reference(record: MessageRecord) -> datetime:
    return record.reference_time or _NO_TIME


def _lead(record: MessageRecord) -> timedelta:
    return record.lead or timedelta(0)
