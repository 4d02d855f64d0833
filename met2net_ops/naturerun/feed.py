"""A synthetic GRIB feed: files of analyses that appear in a folder as a centre delivers them."""

from __future__ import annotations

import time as clock
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from met2net_ops.durable import replacing
from met2net_ops.errors import Met2NetOpsError
from met2net_ops.naturerun.faults import Fault, FaultRates, delivery_order, plan_faults, spoil
from met2net_ops.naturerun.generate import frames
from met2net_ops.naturerun.grib import Edition, Packing, encode_field
from met2net_ops.progress import Track, silent
from met2net_ops.times import HOUR

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from met2net_ops.grids import LatLonGrid
    from met2net_ops.naturerun.faults import Planned
    from met2net_ops.naturerun.run import AtmosphereState, NatureRun


@dataclass(frozen=True, slots=True)
class FeedOptions:
    """How a feed looks.

    Attributes:
        grid: of the fields.
        variables: canonical names; one message each per hour.
        edition: GRIB edition.
        packing: "simple" or "ccsds".
        hours_per_file: how many hours of analyses share a file.
        faults: what share of the files goes wrong, and how.
        pause_seconds: wait between two deliveries, to play a feed live.
    """

    grid: LatLonGrid
    variables: tuple[str, ...] = ("t2m", "u10", "v10", "msl")
    edition: Edition = 2
    packing: Packing = "simple"
    hours_per_file: int = 1
    faults: FaultRates = field(default_factory=FaultRates)
    pause_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of one file of the feed.

    Attributes:
        name: file name.
        first: first valid time in it.
        last: last valid time in it.
        fault: what was done to it.
        paths: where it lies; none if it is missing, two if it came twice.
    """

    name: str
    first: datetime
    last: datetime
    fault: Fault
    paths: tuple[Path, ...]


def deliver_feed(
    folder: Path,
    run: NatureRun,
    start: datetime | AtmosphereState,
    hours: int,
    options: FeedOptions,
    *,
    track: Track = silent,
) -> list[Delivery]:
    """Write the analyses of `hours` hours from `start` on into a folder.

    Every file is written under a hidden name and appears by a rename, complete. Same arguments,
    same bytes.

    Args:
        folder: made if it is not there.
        run: the weather, as `generate.run_for` gives it.
        start: first valid time, or the state then.
        hours: how many.
        options: grid, variables, coding, faults.
        track: shows progress.

    Returns:
        One entry per file, in the order of delivery; missing ones at the end.

    Raises:
        Met2NetOpsError: no hours wanted.
        EncodingError, GridError: GRIB cannot hold what is wanted.
        UnknownVariableError: the synthetic atmosphere has no such variable.
    """
    if hours < 1 or options.hours_per_file < 1:
        raise Met2NetOpsError("a feed needs at least one hour, and at least one hour per file")
    folder.mkdir(parents=True, exist_ok=True)
    begin = start if isinstance(start, datetime) else start.time
    starts = [begin + HOUR * i for i in range(0, hours, options.hours_per_file)]
    plan = plan_faults(len(starts), options.faults, run.seed)
    suffix = f"grib{options.edition}"
    names = [f"naturerun_{first:%Y%m%d%H}.{suffix}" for first in starts]
    lasts = [*(first - HOUR for first in starts[1:]), begin + HOUR * (hours - 1)]

    def deliver(index: int, data: bytes) -> Delivery:
        item = plan[index]
        targets = [folder / names[index]]
        if item.fault is Fault.DUPLICATE:
            targets.append(folder / names[index].replace(".", "_again."))
        for target in targets:
            _appear(target, spoil(data, item))
        if options.pause_seconds:
            clock.sleep(options.pause_seconds)
        return Delivery(names[index], starts[index], lasts[index], item.fault, tuple(targets))

    weather = frames(run, start, hours, options.grid, options.variables)
    files = _files(track(weather, "writing the feed", total=hours), options)
    done = [deliver(index, data) for index, data in _in_order(files, plan)]
    missing = [i for i, item in enumerate(plan) if item.fault is Fault.MISSING]
    return done + [Delivery(names[i], starts[i], lasts[i], Fault.MISSING, ()) for i in missing]


def _files(
    weather: Iterator[tuple[datetime, NDArray[np.float32]]], options: FeedOptions
) -> Iterator[bytes]:
    """The bytes of one file after the other."""
    messages: list[bytes] = []
    count = 0
    for time, values in weather:
        messages += [
            encode_field(
                name, time, one, options.grid, edition=options.edition, packing=options.packing
            )
            for name, one in zip(options.variables, values, strict=True)
        ]
        count += 1
        if count == options.hours_per_file:
            yield b"".join(messages)
            messages, count = [], 0
    if messages:
        yield b"".join(messages)


def _in_order(files: Iterator[bytes], plan: Sequence[Planned]) -> Iterator[tuple[int, bytes]]:
    """(index, bytes) in the order of delivery; a late file waits in memory."""
    order = delivery_order(list(plan))
    waiting: dict[int, bytes] = {}
    position = 0
    for made, data in enumerate(files):
        waiting[made] = data
        while position < len(order) and order[position] in waiting:
            yield order[position], waiting.pop(order[position])
            position += 1
        for index in [i for i in waiting if plan[i].fault is Fault.MISSING]:
            del waiting[index]


def _appear(path: Path, data: bytes) -> None:
    """Write under a hidden name, then rename."""
    with replacing(path) as file:
        file.write(data)
