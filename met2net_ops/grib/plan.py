"""Plan, from the inventory alone, which fields to decode or derive from which messages."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from met2net_ops.derive import DERIVATIONS, Derivation
from met2net_ops.grib.identify import possible_variables
from met2net_ops.grib.records import Verdict, VerdictKind
from met2net_ops.times import HOUR
from met2net_ops.variables import VARIABLES

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from met2net_ops.grib.records import Inventory, MessageRecord

    Group = dict[str, list[MessageRecord]]


@dataclass(frozen=True, slots=True)
class Task:
    """One field to decode or derive.

    Attributes:
        target: canonical name of the result.
        main: the message that gives it its times and its place in the file.
        partner: the other component of a wind, in case it must be turned.
        earlier: the accumulation to subtract.
        derivation: how to make it from `inputs` instead of decoding it.
        inputs: tasks whose results the derivation takes, in its order.
    """

    target: str
    main: MessageRecord
    partner: MessageRecord | None = None
    earlier: MessageRecord | None = None
    derivation: Derivation | None = None
    inputs: tuple[Task, ...] = ()

    def records(self) -> set[MessageRecord]:
        """Every message it may use."""
        own = {self.main, self.partner, self.earlier} - {None}
        return {record for record in own if record} | {
            record for task in self.inputs for record in task.records()
        }


@dataclass(frozen=True, slots=True)
class DecodePlan:
    """What to do with a file.

    Attributes:
        tasks: in file order.
        verdicts: on all messages that no task may use, and on damage.
        if_unused: by field, the verdict on a message that a task may use, if it then does not.
    """

    tasks: tuple[Task, ...]
    verdicts: tuple[Verdict, ...]
    if_unused: dict[int, Verdict]


def make_plan(
    inventory: Inventory,
    wanted: Collection[str],
    skip: Callable[[MessageRecord], str | None] | None = None,
) -> DecodePlan:
    """The plan for a file; the arguments are those of `read_fields`."""
    needed = _needed(wanted)
    reasons: dict[int, tuple[VerdictKind, str]] = {}
    groups: dict[tuple[object, ...], Group] = defaultdict(lambda: defaultdict(list))
    for record in inventory.records:
        if record.unreadable:
            refused = _may_be_needed(record, needed)
            outcome = VerdictKind.REFUSED if refused else VerdictKind.NOT_WANTED
            reasons[record.field] = (outcome, record.reason)
        elif record.variable is None:
            reasons[record.field] = (VerdictKind.NOT_WANTED, record.reason)
        else:
            if skip is not None and (reason := skip(record)):
                reasons[record.field] = (VerdictKind.NOT_WANTED, reason)
            groups[_group_key(record)][record.variable].append(record)
    skipped = frozenset(reasons)
    accumulations: dict[tuple[object, ...], list[MessageRecord]] = defaultdict(list)
    for group in groups.values():
        for name in group:
            if VARIABLES[name].accumulated:
                for record in group[name]:
                    accumulations[_accumulation_key(record)].append(record)

    tasks: list[Task] = []
    for group in groups.values():
        for name in wanted:
            if name in group and VARIABLES[name].accumulated:
                for record in group[name]:
                    if record.field in skipped:
                        continue
                    siblings = accumulations[_accumulation_key(record)]
                    made = _accumulation(record, siblings, group[name])
                    if isinstance(made, Task):
                        tasks.append(made)
                    else:
                        reasons[record.field] = (VerdictKind.NOT_WANTED, made)
            else:
                tasks += (task for task in _tasks(name, group) if task.main.field not in skipped)
    tasks.sort(key=lambda task: (min(r.field for r in task.records()), task.main.field))
    used = {record.field for task in tasks for record in task.records()}
    unused = (VerdictKind.NOT_WANTED, "not among the wanted variables")
    verdicts = [Verdict(VerdictKind.REFUSED, item.reason, damage=item) for item in inventory.damage]
    if_unused = {}
    for record in inventory.records:
        outcome, reason = reasons.get(record.field, unused)
        verdict = Verdict(outcome, reason, record=record)
        if record.field in used:
            if_unused[record.field] = verdict
        else:
            verdicts.append(verdict)
    return DecodePlan(tuple(tasks), tuple(verdicts), if_unused)


def _needed(wanted: Collection[str]) -> frozenset[str]:
    """The wanted variables, and all they may be turned or derived with."""
    inputs = {
        source
        for derivation in DERIVATIONS
        if derivation.target in wanted
        for source in derivation.inputs
    }
    names = {*wanted, *inputs}
    return frozenset(names | {VARIABLES[name].vector_partner or name for name in names})


def _may_be_needed(record: MessageRecord, needed: frozenset[str]) -> bool:
    """Whether a field that cannot be read may be one of the needed variables."""
    if record.variable is not None:
        return record.variable in needed
    return not record.parameter or bool(
        needed & possible_variables(record.edition, record.parameter)
    )


def _group_key(record: MessageRecord) -> tuple[object, ...]:
    """Messages that may be combined: same times, origin and size of grid."""
    return (
        record.reference_time, record.valid_time, record.kind, record.centre, record.expver,
        record.number, record.grid_type, record.ni, record.nj, record.points,
    )  # fmt: skip


def _accumulation_key(record: MessageRecord) -> tuple[object, ...]:
    """Accumulations that may be subtracted: as above, from the same start."""
    start = record.valid_time - record.interval if record.valid_time else None
    return (
        start, record.variable, record.parameter, record.reference_time, record.centre,
        record.expver, record.number, record.grid_type, record.ni, record.nj, record.points,
    )  # fmt: skip


def _tasks(name: str, group: Group) -> Iterator[Task]:
    """One task for every message of a variable, or else one derivation."""
    if name in group:
        partners = group.get(VARIABLES[name].vector_partner or "", [])
        for i, record in enumerate(group[name]):
            partner = partners[min(i, len(partners) - 1)] if partners else None
            yield Task(name, record, partner=partner)
        return
    for derivation in DERIVATIONS:
        if derivation.target == name and all(source in group for source in derivation.inputs):
            inputs = tuple(next(_tasks(source, group)) for source in derivation.inputs)
            main = min((task.main for task in inputs), key=lambda record: record.field)
            yield Task(name, main, derivation=derivation, inputs=inputs)
            return


def _accumulation(
    record: MessageRecord, siblings: list[MessageRecord], others: list[MessageRecord]
) -> Task | str:
    """How to get the amount of its last hour from an accumulation, or why that is impossible.

    Args:
        record: the accumulation.
        siblings: all of the file that start when it starts, itself included.
        others: all that end when it ends, itself included.
    """
    name = record.variable or ""
    if record.interval == HOUR:
        return Task(name, record)
    what = f"{name} accumulated over {record.step_range} h"
    if record.interval < HOUR:
        return f"{what}, not over the preceding hour"
    if any(other.interval == HOUR for other in others):
        return f"{what}; the last hour of it is in this file by itself"
    before = [other for other in siblings if other.interval == record.interval - HOUR]
    if not before:
        return f"{what}; the accumulation until one hour before its end is not in this file"
    return Task(name, record, earlier=before[0])
