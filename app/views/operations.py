"""How the context does: cycles and why they are late or failed, feeds, coverage, timings, disk."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from met2net_ops.app import caches
from met2net_ops.app.choices import choose_one_of, show_own_address
from met2net_ops.app.context import utc_and_local
from met2net_ops.app.data.operations import (
    CycleMark,
    Disk,
    FeedState,
    age,
    coverage_frame,
    cycle_marks,
    disk_use,
    feed_states,
    frame_coverage,
    newest_time,
    observation_counts,
    stage_timings,
)
from met2net_ops.app.figures.operations import (
    coverage_figure,
    cycles_figure,
    disk_figure,
    legend_of_cycles,
    legend_of_frames,
    meanings,
    megabytes,
    observations_figure,
    timings_figure,
)
from met2net_ops.app.links import forecast_link
from met2net_ops.app.pointing import NONE, pointed_at
from met2net_ops.app.show import draw_table, errors_shown, greet, plot
from met2net_ops.app.text import plain, without_folders
from met2net_ops.app.views.status_row import draw_status
from met2net_ops.feeds.state import source_states
from met2net_ops.service.ledger.reader import open_ledger_reader
from met2net_ops.service.ledger.states import STATES, CycleState
from met2net_ops.service.monitoring.status import Level, status
from met2net_ops.times import format_time

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from met2net_ops.app.context import PageContext
    from met2net_ops.products.header import ProductHeader
    from met2net_ops.service.ledger.records import Cycle
    from met2net_ops.workspace import Workspace

DAYS = {"1": "1 day", "3": "3 days", "7": "7 days", "30": "30 days"}
_AGAIN_S = 10  # the cycles are looked at that often while the page is open
_LOOKED_AT_S = 30  # folders are walked through at most that often
_TROUBLES = (
    CycleState.LATE,
    CycleState.FAILED,
    CycleState.EXPIRED,
    CycleState.HELD,
    CycleState.SKIPPED,
)
_WORDS = {
    Level.FINE: st.success,
    Level.LATE: st.warning,
    Level.FAILING: st.error,
    Level.STOPPED: st.warning,
}


@dataclass(frozen=True)
class _Look:
    """A look back.

    Attributes:
        context: what at.
        now: from when.
        days: how far.
    """

    context: PageContext
    now: datetime
    days: int

    @cached_property
    def until(self) -> datetime:
        """Now, or the newest cycle where that is longer ago."""
        return newest_time(self.context.workspace.paths, self.now, self.days)

    @cached_property
    def marks(self) -> list[CycleMark]:
        """The cycles seen, newest first."""
        return cycle_marks(self.context.workspace.paths, self.until - timedelta(days=self.days))


def render(context: PageContext) -> None:
    """Draw the page; its state, and the cycles, look again by themselves."""
    draw_status(context)
    if context.wall:
        _board(context, 3)
        return
    days = int(choose_one_of("Look back", DAYS, key="days", default="3"))
    _board(context, days)
    sections: dict[str, Callable[[_Look], None]] = {
        "Feeds": _feeds,
        "Archive": _archive,
        "Stage timings": _timings,
        "Observations": _observations,
        "Disk": _disk,
    }
    _sections(sections, _Look(context, datetime.now(UTC), days))


@st.fragment(run_every=_AGAIN_S)
def _board(context: PageContext, days: int) -> None:
    """What changes from cycle to cycle."""
    sections = {"Cycles": _cycles} if context.wall else {"Service": _service, "Cycles": _cycles}
    _sections(sections, _Look(context, datetime.now(UTC), days))
    show_own_address()


def _sections(sections: Mapping[str, Callable[[_Look], None]], look: _Look) -> None:
    for title, draw in sections.items():
        st.markdown(f"#### {title}")
        with errors_shown(f"The section {title}"):
            draw(look)


def _service(look: _Look) -> None:
    if not look.context.workspace.paths.ledger.exists() and not look.context.settings.schedules:
        greet(
            "Cycles are made by hand here. With a schedule under [[schedules]] in met2net.toml, "
            "this command makes them as their input comes in.",
            ["met2net-ops serve"],
        )
        return
    found = status(look.context.workspace, look.now)
    reasons = "; ".join(found.reasons) or "every model's newest cycle is as it should be"
    _WORDS[found.level](plain(without_folders(f"{found.level}: {reasons}")))
    if found.heartbeat is not None:
        beat = found.heartbeat
        seen = f"{utc_and_local(beat.at, look.context.zone)}, {age(beat.at, look.now)}"
        st.caption(plain(f"Last heartbeat of the service: {seen}, on {beat.host}."))
    if found.models:
        table = pd.DataFrame(
            {
                "model": [line.model for line in found.models],
                "state": [str(line.level) for line in found.models],
                "newest forecast": [_time(line.newest) for line in found.models],
                "published": [_time(line.published_at) for line in found.models],
                "next cycle": [_time(line.next) for line in found.models],
                "why": [line.reason for line in found.models],
            }
        )
        draw_table(table, key="models")


def _cycles(look: _Look) -> None:
    marks = look.marks
    if not marks:
        greet(
            f"No cycle in {DAYS[str(look.days)]}. This command makes the latest one.",
            ["met2net-ops forecast"],
        )
        return
    _say_if_old(look.until, look.now, "cycle")
    counts = {state: sum(mark.state is state for mark in marks) for state in STATES}
    said = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    st.html(legend_of_cycles(marks))
    state = plot(
        cycles_figure(marks), key="cycles", alt=f"Cycles by state: {said}", selectable=True,
        table=_cycle_table(marks),
    )  # fmt: skip
    st.caption(f"n = {len(marks)} cycles: {said}.")
    with st.expander("What the states mean"):
        st.markdown(meanings())
    trouble = [mark for mark in marks if _troubled(mark)]
    if trouble:
        st.markdown("**Late or failed, and why**")
        draw_table(_cycle_table(trouble), key="trouble")
    by_code = {mark.code: mark for mark in marks}
    labels = {code: f"{m.model} {format_time(m.time)}: {m.state}" for code, m in by_code.items()}
    code = pointed_at(state, "cycles", labels, key="look", label="One cycle")
    if code != NONE:
        _one_cycle(look.context, by_code[code])


def _troubled(mark: CycleMark) -> bool:
    late = mark.cycle is not None and mark.cycle.late_at is not None
    return late or mark.state in _TROUBLES


def _cycle_table(marks: Sequence[CycleMark]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "model": [mark.model for mark in marks],
            "cycle": [format_time(mark.time) for mark in marks],
            "state": [str(mark.state) for mark in marks],
            "why": [mark.reason for mark in marks],
            "since": [_time(mark.cycle.since if mark.cycle else None) for mark in marks],
            "late at": [_time(mark.cycle.late_at if mark.cycle else None) for mark in marks],
            "attempts": [len(mark.cycle.attempts) if mark.cycle else None for mark in marks],
        }
    )


def _one_cycle(context: PageContext, mark: CycleMark) -> None:
    st.markdown(f"**{plain(mark.model)} {format_time(mark.time)}: {mark.state}**")
    st.caption(plain(f"{STATES[mark.state].meaning}. {without_folders(mark.reason)}"))
    if context.workspace.paths.product(mark.model, mark.time).is_file():
        link = forecast_link(mark.model, mark.time, None, None)
        st.markdown(f"[Open the forecast]({link})")
    cycle: Cycle | None = mark.cycle
    if cycle is None:
        st.caption("The ledger does not know this cycle: only its product tells of it.")
        return
    known = open_ledger_reader(context.workspace.paths).cycle(mark.model, mark.time) or cycle
    st.caption(f"Deadline {format_time(known.deadline)}, given up at {format_time(known.expires)}.")
    if known.attempts:
        st.markdown("Attempts")
        attempts = pd.DataFrame(
            {
                "attempt": [one.number for one in known.attempts],
                "started": [format_time(one.started) for one in known.attempts],
                "seconds": [
                    None if one.duration is None else one.duration.total_seconds()
                    for one in known.attempts
                ],
                "ended": [str(one.kind or "under way") for one in known.attempts],
                "why": [one.reason for one in known.attempts],
            }
        )
        draw_table(attempts, key="attempts")
    st.markdown("History")
    changes = pd.DataFrame(
        {
            "at": [format_time(change.at) for change in known.history],
            "from": [str(change.before or "") for change in known.history],
            "to": [str(change.after) for change in known.history],
            "why": [change.reason for change in known.history],
            "by": [change.by for change in known.history],
        }
    )
    draw_table(changes, key="history")


def _feeds(look: _Look) -> None:
    found = _walk_feeds(str(look.context.workspace.root), look.context.workspace)
    table = pd.DataFrame(
        {
            "feed": [feed.name for feed in found],
            "newest file": [_time(feed.newest) for feed in found],
            "age": [age(feed.newest, look.now) if feed.newest else "" for feed in found],
            "files": [feed.files for feed in found],
            "problem": [feed.problem for feed in found],
        }
    )
    draw_table(table, key="feeds")
    states = source_states(look.context.workspace, look.now)
    if states:
        columns = {
            "feed": [one.feed for one in states],
            "source": [one.source for one in states],
            "state": [str(one.state) for one in states],
            "run": [_time(one.reference_time) for one in states],
            "since": [_time(one.since) for one in states],
            "files": [one.files for one in states],
        }
        draw_table(pd.DataFrame(columns), key="sources")
    if not look.context.settings.feeds:
        st.info("No feed is configured: add one under [[feeds]] in met2net.toml.")


def _archive(look: _Look) -> None:
    hours = min(look.days, 7) * 24
    found = frame_coverage(look.context.workspace, look.now, hours)
    if found is None:
        greet(
            "The archive has no frame yet. This command reads the feeds.",
            ["met2net-ops ingest"],
        )
        return
    _say_if_old(found.times[-1], look.now, "frame")
    counts = {str(state): count for state, count in found.counts().items()}
    said = ", ".join(f"{count} {state}" for state, count in counts.items())
    alt = f"Frames of {len(found.variables)} variables in {len(found.times)} hours: {said}"
    st.html(legend_of_frames(found))
    plot(coverage_figure(found), key="coverage", alt=alt, table=coverage_frame(found))
    st.caption(f"n = {sum(counts.values())} frames: {said}.")


def _timings(look: _Look) -> None:
    marks = look.marks
    table = stage_timings(marks, look.context.workspace.paths, _header)
    if table.empty:
        st.info("No forecast of these days has timings of its stages.")
        return
    stages = [name for name in table.columns if name not in ("model", "cycle")]
    medians = {stage: float(table[stage].median()) for stage in stages}
    said = ", ".join(f"{stage} {seconds:.2f} s" for stage, seconds in medians.items())
    shown = table.assign(cycle=[format_time(time) for time in table["cycle"]])
    alt = f"Seconds per stage of {len(table)} forecasts; medians: {said}"
    plot(timings_figure(table), key="timings", alt=alt, table=shown)
    st.caption(plain(f"n = {len(table)} forecasts. Medians: {said}."))


def _header(path: Path) -> ProductHeader:
    return caches.header(caches.stamp(path))


def _observations(look: _Look) -> None:
    until = look.until + timedelta(days=2)
    table = observation_counts(
        look.context.workspace.paths, until - timedelta(days=look.days + 2), until
    )
    if table.empty:
        greet(
            "No station report of these days. This command imports some.",
            ["met2net-ops observations import FILE"],
        )
        return
    said = ", ".join(
        f"{name} from up to {most} stations"
        for name, most in table.groupby("quantity")["stations"].max().items()
    )
    plot(
        observations_figure(table), key="observations", alt=f"Stations by hour: {said}",
        table=table,
    )  # fmt: skip
    st.caption(f"{said}; n = {int(table['stations'].sum())} hourly values.")


def _disk(look: _Look) -> None:
    found = _walk_disk(str(look.context.workspace.root), look.context.workspace)
    left, right = st.columns(2)
    left.metric("Free", megabytes(found.free))
    right.metric("Used by the workspace", megabytes(sum(found.parts.values())))
    table = pd.DataFrame(
        {"folder": list(found.parts), "bytes": list(found.parts.values())}
    ).sort_values("bytes", ascending=False)
    alt = f"Disk use of {len(found.parts)} folders, {megabytes(found.free)} free"
    plot(disk_figure(found.parts), key="disk", alt=alt, table=table)
    if found.cut_short:
        st.caption(f"Not counted to the end: {', '.join(found.cut_short)}.")


@st.cache_data(max_entries=4, ttl=_LOOKED_AT_S, show_spinner=False)
def _walk_feeds(root: str, _workspace: Workspace) -> list[FeedState]:
    return feed_states(_workspace)


@st.cache_data(max_entries=4, ttl=_LOOKED_AT_S, show_spinner="Adding up files …")
def _walk_disk(root: str, _workspace: Workspace) -> Disk:
    return disk_use(_workspace)


def _say_if_old(newest: datetime, now: datetime, what: str) -> None:
    if now - newest > timedelta(days=1):
        st.info(f"The newest {what} is of {format_time(newest)}, {age(newest, now)}.")


def _time(time: datetime | None) -> str:
    return "" if time is None else format_time(time)
