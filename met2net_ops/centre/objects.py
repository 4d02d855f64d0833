"""What the centre publishes: GRIB objects and their indices, made when they are first requested."""

from __future__ import annotations

import json
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from met2net_ops.feeds.index import INSTANT
from met2net_ops.naturerun.grib import encode_field
from met2net_ops.times import HOUR

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from met2net_ops.feeds.source import Source, SourceField
    from met2net_ops.grids import LatLonGrid

    Weather = Callable[[datetime], Mapping[str, NDArray[np.float32]]]

_KEPT = 64  # objects in memory


@dataclass(frozen=True, slots=True)
class Published:
    """One object of the centre.

    Attributes:
        reference_time: of its run.
        lead: of its fields.
        index: whether it is the index of an object, not the object itself.
    """

    reference_time: datetime
    lead: timedelta
    index: bool


@dataclass(frozen=True, slots=True)
class Message:
    """One GRIB message of an object, and the variable it holds."""

    variable: str
    body: bytes


class Objects:
    """Every object of a source over some days, by path."""

    def __init__(
        self,
        source: Source,
        weather: Weather,
        variables: Sequence[str],
        grid: LatLonGrid,
        since: datetime,
        until: datetime,
    ) -> None:
        """Lay out the paths; no object is made yet.

        Args:
            source: whose paths, index and names are used.
            weather: valid time → variable → field on `grid`.
            variables: that objects hold, in this order.
            grid: of the fields.
            since: first reference time.
            until: last reference time, included.
        """
        self.source = source
        self._weather = weather
        self._variables = tuple(name for name in variables if name in source.fields)
        self._grid = grid
        self._made: OrderedDict[tuple[datetime, timedelta], tuple[Message, ...]] = OrderedDict()
        self.paths: dict[str, Published] = {}
        mirror = source.mirrors[0]
        leads = [timedelta(hours=hours) for hours in source.analysis_leads]
        for run in source.schedule.runs(since, until):
            for lead in leads:
                address = mirror.address(run, lead)
                place = partial(Published, run, lead)
                self.paths[urlsplit(address).path] = place(index=False)
                self.paths[urlsplit(mirror.index_address(address)).path] = place(index=True)

    def messages(self, reference_time: datetime, lead: timedelta) -> tuple[Message, ...]:
        """The messages of an object, in its order."""
        key = (reference_time, lead)
        if key not in self._made:
            fields = self._weather(reference_time + lead)
            self._made[key] = tuple(
                Message(
                    name,
                    encode_field(name, reference_time + lead, fields[name], self._grid, lead=lead),
                )
                for name in self._variables
                if timedelta(hours=self.source.fields[name].from_lead) <= lead
            )
            if len(self._made) > _KEPT:
                self._made.popitem(last=False)
        return self._made[key]

    def other(self, place: Published) -> tuple[datetime, timedelta]:
        """Reference time and lead of another object: of an earlier run if there is one."""
        runs = sorted({one.reference_time for one in self.paths.values()})
        at = runs.index(place.reference_time)
        return (runs[at - 1] if at else runs[-1]), place.lead

    def index(
        self, reference_time: datetime, lead: timedelta, messages: Sequence[Message]
    ) -> bytes:
        """The index of an object that holds these messages."""
        write = _wgrib2_line if self.source.index == "wgrib2" else _ecmwf_line
        offset, lines = 0, []
        for number, message in enumerate(messages, 1):
            field = self.source.fields[message.variable]
            lines.append(write(number, offset, len(message.body), field, reference_time, lead))
            offset += len(message.body)
        return ("\n".join(lines) + "\n").encode()


def _wgrib2_line(
    number: int, offset: int, _length: int, field: SourceField, run: datetime, lead: timedelta
) -> str:
    hours = lead // HOUR
    if field.window != INSTANT:
        window = f"{hours - 1}-{hours} hour {field.window} fcst"
    else:
        window = f"{hours} hour fcst" if hours else "anl"
    keys = field.keys
    return f"{number}:{offset}:d={run:%Y%m%d%H}:{keys['element']}:{keys['level']}:{window}:"


def _ecmwf_line(
    _number: int, offset: int, length: int, field: SourceField, run: datetime, lead: timedelta
) -> str:
    line = {
        "domain": "g", "date": f"{run:%Y%m%d}", "time": f"{run:%H}00", "expver": "0001",
        "class": "od", "type": "fc", "stream": "oper", "step": str(lead // HOUR), **field.keys,
        "_offset": offset, "_length": length,
    }  # fmt: skip
    return json.dumps(line)
