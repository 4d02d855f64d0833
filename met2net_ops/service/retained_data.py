"""What must be kept, however old: everything that some cycle still needs."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from met2net_ops.errors import ProductError
from met2net_ops.products.index import list_products
from met2net_ops.products.read import read_header
from met2net_ops.service.ledger.reader import open_ledger_reader
from met2net_ops.service.ledger.states import OPEN, CycleState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from met2net_ops.forecast.forecaster import ForecasterSpec
    from met2net_ops.workspace import Workspace

    Span = tuple[datetime, datetime]
    SpecOf = Callable[[str], ForecasterSpec | None]

_BASELINE = timedelta(days=1)  # how far the verification's baselines reach back from a cycle
_LONGEST = timedelta(hours=2400)  # a forecast, see forecast.leads
_UNFINISHED = OPEN | {CycleState.HELD}
_EARLIEST = datetime(1800, 1, 1, tzinfo=UTC)
_LATEST = datetime(2300, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class RetainedData:
    """What unfinished cycles need.

    Attributes:
        frames: spans of valid times, both ends included, ascending and apart.
        products: (model, reference time).
    """

    frames: tuple[Span, ...] = ()
    products: frozenset[tuple[str, datetime]] = field(default_factory=frozenset)

    def frame(self, time: datetime) -> bool:
        """Whether frames valid then must stay."""
        return any(first <= time <= last for first, last in self.frames)


def retained_data(
    workspace: Workspace, now: datetime, before: datetime, spec_of: SpecOf
) -> RetainedData:
    """Find it in ledger, schedules and products.

    Kept are: windows and products of cycles that are open or held, and the windows of cycles that a
    schedule may still bring; product, truth and baselines of published cycles for which truth may
    still come. While a cycle of a model that cannot be found is open, everything is kept.

    Args:
        workspace: where all that lies.
        settings: its settings.
        now: the present.
        before: nothing later than that is about to be removed.
        spec_of: the model of a name; None if there is none.

    Raises:
        ServiceError: the ledger cannot be read.
    """
    spans: list[Span] = []
    products: set[tuple[str, datetime]] = set()
    for schedule in workspace.settings.schedules:
        oldest = now - schedule.expire
        spans.append((_reach(schedule.model, oldest, 0, spec_of)[0], _LATEST))
    for cycle in open_ledger_reader(workspace.paths).cycles(states=_UNFINISHED):
        leads = cycle.leads or workspace.settings.forecast.leads
        spans.append(_reach(cycle.model, cycle.reference_time, leads, spec_of))
        products.add((cycle.model, cycle.reference_time))
    patience = timedelta(days=workspace.settings.serve.verify_days)
    since = max(now - patience, _EARLIEST + _LONGEST) - _LONGEST
    for entry in list_products(workspace.paths, since=since, until=before + _BASELINE):
        try:
            last = read_header(entry.path).valid_times[-1]
        except ProductError:
            continue  # nothing can be verified with it
        if last >= now - patience:
            spans.append((entry.reference_time - _BASELINE, last))
            products.add((entry.model, entry.reference_time))
    return RetainedData(_merged(spans), frozenset(products))


def _reach(model: str, cycle: datetime, leads: int, spec_of: SpecOf) -> Span:
    """Valid times of the frames a cycle needs, to be made and to be verified."""
    spec = spec_of(model)
    if spec is None:
        return _EARLIEST, _LATEST
    back = max((spec.input_frames - 1) * spec.step, _BASELINE)
    return cycle - back, cycle + leads * spec.step


def _merged(spans: Iterable[Span]) -> tuple[Span, ...]:
    merged: list[Span] = []
    for first, last in sorted(spans):
        if merged and first <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return tuple(merged)
