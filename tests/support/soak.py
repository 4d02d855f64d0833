"""Months of an operational desk in minutes: everything goes wrong, and all must come right.

Hourly cycles are served under a clock that this driver sets, from real GRIB files of the synthetic
atmosphere, while a seeded plan (`soak_plan`) spoils files, kills, hangs and starves the processes,
fills the disk, locks the databases and bends the clock. After every step the ledger must agree with
a mirror in which nothing ever goes wrong (`soak_mirror`), and every product must hold the very
values that came out there.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from small_disk import small_disk
from soak_checks import debris, eventually, flat, plainly, unlike, wrong_with
from soak_clock import SetClock
from soak_desk import (
    BEFORE,
    CATCH_UP,
    GRID,
    LEADS,
    MODEL,
    NAMES,
    sabotage_json,
    values,
    weather,
)
from soak_findings import Findings
from soak_mirror import Mirror
from soak_plan import Arrival, Plan, Trouble
from soak_process import ServiceProcess
from soak_trouble import Troubles
from sqlalchemy import select

from met2net_ops.catalog.engine import rows
from met2net_ops.catalog.tables import files as files_table
from met2net_ops.naturerun.faults import spoil
from met2net_ops.naturerun.grib import encode_field
from met2net_ops.service.ledger.reader import open_ledger_reader
from met2net_ops.service.ledger.records import Cycle
from met2net_ops.service.ledger.states import CycleState
from met2net_ops.settings import Settings, load_settings
from met2net_ops.times import HOUR, format_time
from met2net_ops.workspace import Workspace, create_workspace

PATIENCE_S = 900.0  # in a long soak: a busy machine may take minutes to start a process
MINUTE = timedelta(minutes=1)


class Soak:
    """One run of a plan."""

    def __init__(self, folder: Path, disk: Path, plan: Plan, seed: int, limit: float) -> None:
        """Lay everything out; nothing runs yet.

        Args:
            folder: for everything but the workspace that is served.
            disk: where that goes; a small file system of its own, if it is to be filled.
            plan: what happens.
            seed: of the weather.
            limit: after so many seconds it ends with the hour it is in, and is looked at.
        """
        self._end = time.monotonic() + limit
        self.plan = plan
        self.findings = Findings()
        self._feed = folder / "feed"
        self._feed.mkdir()
        self._folder = folder
        self._disk = disk
        self.workspace = create_workspace(
            disk / "desk", values(self._feed, verify=plan.verify)
        ).paths
        mirrored = create_workspace(
            folder / "mirror", values(folder / "nothing", verify=False)
        ).paths
        self.settings: Settings = load_settings(mirrored.settings_file)
        Workspace(mirrored, self.settings).create_archive()
        self.mirror = Mirror(mirrored, self.settings, CATCH_UP)
        self.clock = SetClock.make(folder / "clock", plan.start - 30 * MINUTE)
        self._patience = PATIENCE_S if plan.verify else PATIENCE_S / 4
        (folder / "sabotage.json").write_text(sabotage_json(plan))
        self._ledger = open_ledger_reader(self.workspace)
        self.service = ServiceProcess(folder, self.workspace.root, self.findings.wrong.append)
        self._troubles = Troubles(
            disk, self.workspace, self.clock, self.service, self.mirror, self.findings,
            self._patience,
        )  # fmt: skip
        self._frames = weather(plan, seed)
        self._made: dict[int, bytes] = {}
        self._compared: set[datetime] = set()

    def run(self) -> Findings:
        """Live through the plan; what was found."""
        begun = time.monotonic()
        try:
            with self.mirror:
                self._live()
        finally:
            self.service.close()
            self.findings.compared = len(self._compared)
            self.findings.seconds = time.monotonic() - begun
        return self.findings

    # --- the life of the desk ---

    def _live(self) -> None:
        plan, now = self.plan, self.clock.now()
        self._history()
        self.mirror.expect([plan.start - HOUR])  # what came before the first start is no one's
        self.mirror.look(now)
        self._start()
        self._settle("the first start")
        arrivals = list(plan.arrivals)
        missed: list[datetime] = []
        for hour in range(plan.hours):
            cycle = plan.start + hour * HOUR
            down = plan.down(hour)
            for minute in (2, 5, 20, 35, 50):
                now = cycle + minute * MINUTE
                self.clock.set(now)
                if minute == 2:
                    if down:
                        missed.append(cycle)
                    else:
                        self.mirror.expect([cycle])
                if not down:
                    self.mirror.look(now)
                    self._settle("time passes")
                while arrivals and arrivals[0].at <= now:
                    self._arrive(arrivals.pop(0), down=down, trouble=plan.troubles.get(hour))
            if not down:
                self.findings.vitals += self.service.vitals(self.clock.now())
            if plan.troubles.get(hour) is Trouble.DOWN:
                self.service.stop()
            self.findings.hours += 1
            if missed and not plan.down(hour + 1):
                self._come_back(missed)
                missed = []
            self._tidy(cycle)
            if not missed and self.service.runs and time.monotonic() > self._end:
                break
        self._finish()

    def _start(self) -> None:
        self.service.start()
        self.findings.happened["service started"] += 1

    def _history(self) -> None:
        """Frames of the hours before, in one file."""
        path = self._feed / "history.grib2"
        path.write_bytes(b"".join(self._bytes(hour) for hour in range(-BEFORE, 0)))
        list(self.mirror._session.read([path]))

    def _arrive(self, arrival: Arrival, *, down: bool, trouble: Trouble | None) -> None:
        on_time = arrival.at.replace(minute=0) == self.plan.start + arrival.hour * HOUR
        data = spoil(self._bytes(arrival.hour), arrival.planned)
        target = self._feed / arrival.name
        hidden = target.with_name(f".{target.name}.part")
        hidden.write_bytes(data)
        self.findings.happened[f"file {arrival.planned.fault}"] += 1
        if down:
            hidden.replace(target)
            return
        ways: tuple[str, ...] = ()
        if on_time:
            ways = self.plan.sabotage.get(arrival.hour, ())
        with self._troubles.around(trouble if on_time else None):
            hidden.replace(target)
        for way in ways:
            self.findings.happened[f"child: {way}"] += 1
        self.mirror.deliver(target, self.clock.now())
        self._settle(f"{arrival.name} ({trouble or ', '.join(ways) or 'no trouble'})", target)

    def _come_back(self, missed: list[datetime]) -> None:
        """The service starts again after hours."""
        # Those it had entered before it ended were not missed.
        entered = [cycle for cycle in missed if self.mirror.is_entered(cycle)]
        for cycle in entered:
            self.mirror.expect([cycle])
        self.mirror.expect(missed[len(entered) :])
        now = self.clock.now()
        self.mirror.look(now)
        waiting = [self._feed / f"naturerun_{cycle:%Y%m%d%H}.grib2" for cycle in missed]
        for path in waiting:
            self.mirror.deliver(path, now)
        self._start()
        self._settle("back after hours", *waiting)

    def _tidy(self, now: datetime) -> None:
        """Who delivers files clears them away, too."""
        for path in self._feed.glob("*.grib2"):
            stamp = path.stem.split("_")[1] if "_" in path.stem else "1970010100"
            if datetime.strptime(stamp, "%Y%m%d%H").replace(tzinfo=UTC) < now - 12 * HOUR:
                path.unlink()

    def _finish(self) -> None:
        """Let the verification come to an end; then stop, and look at what is left."""
        now = self.clock.now()
        due = [
            cycle
            for cycle, expected in self.mirror.cycles.items()
            if expected.state == "published" and cycle + LEADS * HOUR + 6 * HOUR < now
        ]

        def verified() -> bool:
            return not self._ledger.cycles(MODEL, until=max(due), states=[CycleState.PUBLISHED])

        if due and self.plan.verify:
            if not eventually(self._patience, verified):
                self._wrong("published cycles whose time is over are not verified")
            self.findings.happened["verified"] += len(due)
        self.service.stop()
        self._look_at_what_is_left()

    # --- checks ---

    def _settle(self, what: str, *paths: Path) -> None:
        """Wait until files are read and the ledger says what the mirror says."""
        unread = list(paths)

        def settled() -> bool:
            unread[:] = [path for path in unread if not self._is_read(path)]
            return not unread and not self._differences()

        if not eventually(self._patience, settled):
            names = ", ".join(path.name for path in unread)
            told = "; ".join(self._differences()) or f"not read: {names}"
            self._wrong(f"{format_time(self.clock.now())}, {what}: {told}")
            raise SoakFailedError(self.findings.wrong[-1])
        self._compare()

    def _is_read(self, path: Path) -> bool:
        stamp = path.stat().st_mtime_ns
        query = select(files_table.c.id).where(
            files_table.c.path == str(path), files_table.c.mtime_ns == stamp
        )
        catalog = Workspace(self.workspace, self.settings).catalog
        try:
            return bool(rows(catalog.engine, [query]))
        finally:
            catalog.dispose()

    def _differences(self) -> list[str]:
        since = self.clock.now() - 14 * HOUR
        ledger = {cycle.reference_time: cycle for cycle in self._ledger.cycles(MODEL, since=since)}
        self._retry(list(ledger.values()))
        differing = []
        for cycle, expected in self.mirror.cycles.items():
            if cycle < since:
                continue
            found = ledger.get(cycle)
            state = "" if found is None else plainly(found.state)
            if state != expected.state:
                reason = "" if found is None else f" ({found.reason})"
                differing.append(
                    f"{format_time(cycle)} is {state or 'unknown'}{reason}, not {expected.state}"
                )
        return differing

    def _retry(self, cycles: list[Cycle]) -> None:
        """An attempt that waits for its time to come gets it."""
        waits = [c.not_before for c in cycles if c.state is CycleState.READY and c.not_before]
        if waits and min(waits) > self.clock.now():
            self.clock.set(min(waits))

    def _compare(self) -> None:
        """Every product that is new: the values and the inputs of the mirror's."""
        for cycle, expected in self.mirror.cycles.items():
            if expected.product is None or cycle in self._compared:
                continue
            path = self.workspace.product(MODEL, cycle)
            self.findings.wrong += unlike(path, expected.product)
            self._compared.add(cycle)

    def _look_at_what_is_left(self) -> None:
        self.findings.wrong += flat(self.findings.vitals)
        self.findings.wrong += debris(self.workspace.root, str(self._folder))
        if (known := len(self.mirror.cycles)) != self.findings.hours + 1:
            self._wrong(f"{known} cycles where {self.findings.hours + 1} are due")
        journal = (self._folder / "journal").read_text().splitlines()
        rollouts = Counter(line.split()[0] for line in journal if " begin " in line)
        for cycle in self._ledger.cycles(MODEL, until=self.clock.now()):
            expected = self.mirror.cycles.get(cycle.reference_time)
            begun = rollouts[f"{cycle.reference_time:%Y%m%d%H}"]
            self.findings.wrong += wrong_with(cycle, expected, begun)
            kinds = (f"attempt {attempt.kind}" for attempt in cycle.attempts)
            self.findings.happened.update(kinds)
            self.findings.happened[f"cycle {plainly(cycle.state)}"] += 1
            self.findings.happened["cycle was late"] += cycle.late_at is not None

    def _wrong(self, what: str) -> None:
        self.findings.wrong.append(what)

    def _bytes(self, hour: int) -> bytes:
        """The GRIB file of an hour."""
        while hour not in self._made:
            valid, fields = next(self._frames)
            index = (valid - self.plan.start) // HOUR
            self._made[index] = b"".join(
                encode_field(name, valid, one, GRID)
                for name, one in zip(NAMES, fields, strict=True)
            )
            self._made.pop(index - 60, None)
        return self._made[hour]


class SoakFailedError(Exception):
    """The service did not come to what it should have come to."""


def soak(
    folder: Path, plan: Plan, seed: int, megabytes: int, limit: float = float("inf")
) -> Findings:
    """Live through a plan in that folder.

    Without the right to mount a file system no disk is filled.
    """
    with small_disk(folder / "disk", f"{megabytes}m") as disk:
        if disk is None:
            troubles = {h: t for h, t in plan.troubles.items() if t is not Trouble.DISK_FULL}
            plan = replace(plan, troubles=troubles)
        run = Soak(folder, disk or folder / "disk", plan, seed, limit)
        try:
            return run.run()
        except SoakFailedError:
            return run.findings
