"""`met2net-ops cycles`: show the ledger, and change what happens to cycles."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from met2net_ops.cli.common import (
    JsonOption,
    QuietOption,
    WorkspaceOption,
    open_workspace,
    print_json,
    print_lines,
    print_table,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from met2net_ops.paths import WorkspacePaths
    from met2net_ops.service.ledger.records import Cycle
    from met2net_ops.service.scheduler.schedule import Schedule
    from met2net_ops.settings import Settings
    from met2net_ops.workspace import Workspace

_MOST = 50_000  # cycles in one command: more than five years of hourly ones
_YEARS = (1700, 2200)

app = typer.Typer(help="Show the ledger of cycles, and change what happens to them.")

ModelOption = Annotated[
    str | None,
    typer.Option("--model", "-m", help="Which model; the only one on schedule by default."),
]
CyclesArgument = Annotated[
    list[str], typer.Argument(help="Reference times (UTC) such as 2026-11-22T06, or A..B.")
]


@app.command("list")
def list_cycles(
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="Only this model.", show_default=False)
    ] = None,
    state: Annotated[
        list[str] | None, typer.Option("--state", help="Only these states.", show_default=False)
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="Earliest reference time.", show_default=False)
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the newest.")] = 24,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Cycles and their states, newest first."""
    from met2net_ops.service.ledger.reader import open_ledger_reader
    from met2net_ops.service.ledger.states import CycleState
    from met2net_ops.times import format_time, parse_time

    unknown = set(state or ()) - {str(one) for one in CycleState}
    if unknown:
        raise typer.BadParameter(
            f"no such state: {', '.join(sorted(unknown))}; there are {', '.join(CycleState)}"
        )
    place = open_workspace(workspace)
    cycles = open_ledger_reader(place.paths).cycles(
        model,
        since=None if since is None else parse_time(since),
        states=[CycleState(one) for one in state] if state else None,
        limit=limit,
    )
    if json:
        print_json(cycles)
        return
    rows = [
        (
            format_time(cycle.reference_time),
            cycle.model,
            cycle.state,
            format_time(cycle.since),
            str(len(cycle.attempts) or ""),
            (cycle.verification or cycle.reason).partition("\n")[0],
        )
        for cycle in cycles
    ]
    if rows:
        print_table("", ("cycle", "model", "state", "since", "attempts", "why"), rows)
    else:
        print_lines("No cycles in the ledger match.")


@app.command()
def show(
    cycle: Annotated[str, typer.Argument(help="Reference time (UTC) such as 2026-11-22T06.")],
    model: ModelOption = None,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Everything the ledger knows of one cycle: attempts, timings, history."""
    from met2net_ops.errors import ServiceError
    from met2net_ops.service.ledger.reader import open_ledger_reader
    from met2net_ops.times import format_time, parse_time

    place = open_workspace(workspace)
    name, time = _model(place.settings, model), parse_time(cycle)
    found = open_ledger_reader(place.paths).cycle(name, time)
    if found is None:
        raise ServiceError(
            f"the ledger has no cycle {format_time(time)} of {name}; "
            "`met2net-ops cycles list` shows those it has"
        )
    if json:
        print_json(found)
    else:
        _print_one(found)


@app.command()
def run(
    cycles: CyclesArgument,
    model: ModelOption = None,
    workspace: WorkspaceOption = None,
    quiet: QuietOption = False,
) -> None:
    """Run cycles now, whatever their deadline, with gaps filled where the rules allow it.

    A running service does it; without one it happens here. Exit code 12: a forecast is not
    published.
    """
    _run(_named(workspace, model, cycles), again=False, quiet=quiet)


@app.command()
def rerun(
    cycles: CyclesArgument,
    model: ModelOption = None,
    workspace: WorkspaceOption = None,
    quiet: QuietOption = False,
) -> None:
    """Run cycles again, also published ones; attempts count from one."""
    _run(_named(workspace, model, cycles), again=True, quiet=quiet)


@app.command()
def hold(
    cycles: CyclesArgument, model: ModelOption = None, workspace: WorkspaceOption = None
) -> None:
    """Keep cycles from starting until they are released."""
    from met2net_ops.service import operator

    _change(operator.hold, "held", _named(workspace, model, cycles))


@app.command()
def release(
    cycles: CyclesArgument, model: ModelOption = None, workspace: WorkspaceOption = None
) -> None:
    """Let held cycles go on."""
    from met2net_ops.service import operator

    _change(operator.release, "released", _named(workspace, model, cycles))


@app.command()
def skip(
    cycles: CyclesArgument, model: ModelOption = None, workspace: WorkspaceOption = None
) -> None:
    """Leave cycles out; `rerun` brings them back."""
    from met2net_ops.service import operator

    _change(operator.skip, "skipped", _named(workspace, model, cycles))


@app.command()
def backfill(
    cycles: Annotated[str, typer.Argument(help="Range A..B of reference times, both included.")],
    model: ModelOption = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Enter the scheduled cycles of a past range; they run after the current ones.

    `forecast --cycles A..B` makes many forecasts quicker, but without the ledger.
    """
    from met2net_ops.service import operator
    from met2net_ops.service.lock import lock_holder

    named = _named(workspace, model, [cycles], ranges_only=True)
    place, schedule, times = named.workspace.paths, named.schedule, named.times
    if times[-1] > _now():
        raise typer.BadParameter("a backfill ends in the past; later cycles come by themselves")
    new = operator.backfill(place, schedule, times, _now())
    print_lines(f"{schedule.model}: {new} cycles entered, {len(times) - new} were there already")
    holder = lock_holder(place)
    if new and (holder is None or not holder.serves):
        print_lines("Nothing serves this workspace now; they run once `met2net-ops serve` does.")


@dataclass(frozen=True, slots=True)
class _Named:
    """Cycles of one model, in one workspace."""

    workspace: Workspace
    schedule: Schedule
    times: list[datetime]


def _change(
    how: Callable[[WorkspacePaths, str, Sequence[datetime], datetime], None],
    word: str,
    named: _Named,
) -> None:
    """Change cycles by hand, all of them or none, and say so."""
    from met2net_ops.times import format_time

    how(named.workspace.paths, named.schedule.model, named.times, _now())
    shown = ", ".join(format_time(time) for time in named.times[:5])
    more = f" and {len(named.times) - 5} more" if len(named.times) > 5 else ""
    print_lines(f"{named.schedule.model}: {word} {shown}{more}")


def _run(named: _Named, *, again: bool, quiet: bool) -> None:
    from met2net_ops.errors import ServiceError
    from met2net_ops.models.serving import OPENER
    from met2net_ops.service import operator
    from met2net_ops.service.ledger.reader import open_ledger_reader
    from met2net_ops.service.ledger.states import GOOD
    from met2net_ops.service.lock import lock_holder, take_lock
    from met2net_ops.service.service import Service

    place, schedule, times = named.workspace.paths, named.schedule, named.times
    holder = lock_holder(place)
    if holder is not None and holder.serves:
        operator.run_now(place, schedule, times, _now(), again=again)
        print_lines(f"{len(times)} handed to {holder}; `met2net-ops cycles list` shows them.")
        return
    with take_lock(place, serves=False) as lock:  # before anything is changed
        operator.run_now(place, schedule, times, _now(), again=again, alone=True)
        wanted = [(schedule.model, time) for time in times]
        service = Service(named.workspace, opener=OPENER, only=wanted)
        service.run(lock)
    bad = 0
    for time in times:
        found = open_ledger_reader(place).cycle(schedule.model, time)
        assert found is not None
        bad += found.state not in GOOD
        if found.state in GOOD:
            print_lines(place.root / found.product)
        elif not quiet:
            _print_one(found)
    if bad:
        raise ServiceError(
            f"{bad} of {len(times)} forecasts are not published"
            + "".join(f"; {part}: {why}" for part, why in service.all_problems().items())
        )


def _named(
    given: Path | None, model: str | None, cycles: list[str], *, ranges_only: bool = False
) -> _Named:
    """The cycles that are named on the command line, ascending."""
    from met2net_ops.times import parse_time

    place = open_workspace(given)
    schedule = _schedule(place.settings, model)
    times: list[datetime] = []
    for text in cycles:
        if ranges_only or ".." in text:
            times += _in_range(schedule, text)
        else:
            times.append(_possible(parse_time(text)))
    hours = place.settings.archive.step_hours
    for time in times:
        if (time - time.replace(hour=0, minute=0, second=0)).total_seconds() % (hours * 3600):
            raise typer.BadParameter(
                f"{time:%Y-%m-%dT%H:%M:%S}Z is no cycle: the archive has frames every {hours} h, "
                "counted from 00 UTC"
            )
    if not times:
        raise typer.BadParameter(f"the schedule of {schedule.model} has no cycle in that range")
    return _Named(place, schedule, sorted(set(times)))


def _in_range(schedule: Schedule, text: str) -> list[datetime]:
    """The scheduled reference times in `A..B`, both included."""
    from itertools import islice

    from met2net_ops.times import parse_range

    first, last = map(_possible, parse_range(text))
    times = list(islice(schedule.within(first, last), _MOST + 1))
    if len(times) > _MOST:
        raise typer.BadParameter(
            f"{text} has more than {_MOST} cycles of {schedule.model}; name a shorter range"
        )
    return times


def _possible(time: datetime) -> datetime:
    """A time that arrays can hold (`datetime64[ns]`), windows and forecasts included."""
    if not _YEARS[0] <= time.year <= _YEARS[1]:
        raise typer.BadParameter(
            f"{time:%Y-%m-%dT%H}Z is no cycle: years from {_YEARS[0]} to {_YEARS[1]} are"
        )
    return time


def _schedule(settings: Settings, model: str | None) -> Schedule:
    from met2net_ops.errors import SettingsError
    from met2net_ops.service.scheduler.schedule import read_schedules

    name = _model(settings, model)
    for schedule in read_schedules(settings, _now()):
        if schedule.model == name:
            return schedule
    known = ", ".join(one.model for one in settings.schedules)
    raise SettingsError(f"{name} is not on schedule; [[schedules]] in met2net.toml has {known}")


def _model(settings: Settings, given: str | None) -> str:
    if given is not None:
        return given
    names = sorted({one.model for one in settings.schedules})
    if len(names) > 1:
        raise typer.BadParameter(f"name one with --model: {', '.join(names)}")
    return names[0] if names else settings.forecast.model


def _now() -> datetime:
    from datetime import UTC

    return datetime.now(UTC)


def _print_one(cycle: Cycle) -> None:
    from met2net_ops.service.ledger.states import STATES
    from met2net_ops.times import format_time

    print_lines(
        f"{cycle.model} {format_time(cycle.reference_time)}: {cycle.state}, "
        f"{STATES[cycle.state].meaning}"
    )
    facts = {
        "why": cycle.reason,
        "deadline": format_time(cycle.deadline),
        "expires": format_time(cycle.expires),
        "product": cycle.product,
        "verification": cycle.verification,
        "not before": format_time(cycle.not_before) if cycle.not_before else "",
    }
    for name, value in facts.items():
        if value:
            print_lines(f"  {name:12} {value}")
    tries = [
        (
            str(one.number),
            f"{one.started:%Y-%m-%d %H:%M:%S}",
            f"{one.duration.total_seconds():.1f}" if one.duration is not None else "",
            one.kind or "under way",
            one.reason.partition("\n")[0],
            " ".join(f"{stage} {seconds:.2f}" for stage, seconds in one.seconds.items()),
        )
        for one in cycle.attempts
    ]
    if tries:
        columns = ("attempt", "started", "seconds", "ended", "why", "stages")
        print_table("", columns, tries, right=("attempt", "seconds"))
    changes = [
        (
            f"{one.at:%Y-%m-%d %H:%M:%S}",
            one.before or "",
            one.after,
            one.by,
            one.reason.partition("\n")[0],
        )
        for one in cycle.history
    ]
    print_table("", ("at", "from", "to", "by", "why"), changes)
