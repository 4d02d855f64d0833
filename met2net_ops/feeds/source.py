"""Remote sources, one declarative TOML file each: where, when and how they publish."""

from __future__ import annotations

import string
import tomllib
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from met2net_ops.errors import FeedError
from met2net_ops.feeds.index import INSTANT, Wanted, Window
from met2net_ops.settings.section import Section
from met2net_ops.variables import VARIABLES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REPORTS = "reports"  # what is wanted of a source of station reports, in place of a variable
_PLACEHOLDERS = frozenset({"time", "lead", "name", "upper"})


class SourceField(Section):
    """How a source names the message of one variable.

    Attributes:
        keys: names and values in the index, all of them.
        window: "instant", or "acc"/"ave"/"max"/"min" over the hour that ends at the lead.
        from_lead: the first lead, in hours, that has it.
        name: in the file name, where each variable has a file of its own.
    """

    keys: dict[str, str] = Field(default_factory=dict)
    window: Literal["instant", "acc", "ave", "max", "min"] = "instant"
    from_lead: int = Field(default=0, ge=0)
    name: str = ""

    def at(self, reference_time: datetime, lead: timedelta) -> Wanted:
        """The message of one run and lead."""
        start = lead if self.window == INSTANT else lead - timedelta(hours=1)
        return Wanted(self.keys, Window(start, lead, self.window), reference_time)


class Mirror(Section):
    """One host that holds the files.

    Attributes:
        name: of the host, such as "aws".
        url: of one file; `{time:%Y%m%d}`, `{lead:03d}` (hours) and the field's `{name}`, or
            `{upper}` in capitals, are filled in.
        index: what `url` becomes for its index: a suffix to append, or "old -> new".
        lag_minutes: how much later than the first mirror it has a file.
        keep_days: for how long it keeps files; None for ever.
        requests_per_minute: asked of it at most.
        connections: open at the same time at most.
        settle_seconds: how long a file is left alone after it was last modified.
    """

    name: str
    url: str
    index: str = ".idx"
    lag_minutes: float = Field(default=0.0, ge=0)
    keep_days: float | None = Field(default=None, gt=0)
    requests_per_minute: float = Field(default=600.0, gt=0)
    connections: int = Field(default=8, ge=1, le=64)
    settle_seconds: float = Field(default=0.0, ge=0)

    @field_validator("url")
    @classmethod
    def _known_placeholders(cls, url: str) -> str:
        names = {name for _, name, _, _ in string.Formatter().parse(url) if name is not None}
        if unknown := names - _PLACEHOLDERS:
            raise ValueError(
                f"{{{sorted(unknown)[0]}}} is unknown; there are time, lead, name and upper"
            )
        return url

    def address(self, reference_time: datetime, lead: timedelta, name: str = "") -> str:
        """Of one file."""
        hours = lead // timedelta(hours=1)
        return self.url.format(time=reference_time, lead=hours, name=name, upper=name.upper())

    def index_address(self, address: str) -> str:
        """Of the index of a file."""
        old, arrow, new = self.index.partition(" -> ")
        return address.removesuffix(old) + new if arrow else address + self.index


class Schedule(Section):
    """When a source publishes.

    Attributes:
        hours: reference times of its runs, hours UTC.
        first_minutes: from the reference time to the first lead's file.
        minutes_per_lead: and so much more for each hour of lead.
        deadline_minutes: a file that is so much later than expected is late.
        longest_lead: hours.
        lead_step: hours between leads.
    """

    hours: tuple[int, ...]
    first_minutes: float = Field(ge=0)
    minutes_per_lead: float = Field(default=0.0, ge=0)
    deadline_minutes: float = Field(default=60.0, gt=0)
    longest_lead: int = Field(ge=0)
    lead_step: int = Field(default=1, ge=1)

    def runs(self, since: datetime, until: datetime) -> Iterator[datetime]:
        """Reference times from one time to another, both included."""
        time = since.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        while time <= until:
            if time >= since and time.hour in self.hours:
                yield time
            time += timedelta(hours=1)

    def expected(self, reference_time: datetime, lead: timedelta) -> datetime:
        """When the file of a lead appears, as a rule."""
        hours = lead / timedelta(hours=1)
        return reference_time + timedelta(
            minutes=self.first_minutes + self.minutes_per_lead * hours
        )

    def deadline(self, reference_time: datetime, lead: timedelta) -> datetime:
        """After which it is late."""
        return self.expected(reference_time, lead) + timedelta(minutes=self.deadline_minutes)


class Source(Section):
    """One remote source.

    Attributes:
        name: as `[[feeds]]` names it.
        title: for people.
        grid: for people.
        step_hours: between the valid times that `analysis_leads` give.
        analysis_leads: which leads of each run make the analysis series, in hours.
        index: kind of index; "none" where files are fetched whole.
        files: "lead" where a file holds all variables of a lead, "variable" where one of them.
        reports: form of its station reports, "metar", "bufr" or "csv"; "" for a source of GRIB. Its
            runs are the hours that its files are of.
        licence: under which the data are.
        attribution: what must be shown where the data are used.
        account: what one needs to have, "" for nothing.
        schedule: when it publishes.
        mirrors: hosts, best first.
        fields: variable of ours → how the source names it.
    """

    name: str
    title: str
    grid: str
    step_hours: int = Field(ge=1)
    analysis_leads: tuple[int, ...]
    index: Literal["wgrib2", "ecmwf", "none"] = "wgrib2"
    files: Literal["lead", "variable"] = "lead"
    reports: Literal["", "metar", "bufr", "csv"] = ""
    licence: str
    attribution: str
    account: str = ""
    schedule: Schedule
    mirrors: tuple[Mirror, ...] = Field(min_length=1)
    fields: dict[str, SourceField] = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _of_reports(cls, values: Any) -> Any:
        if not isinstance(values, dict) or not values.get("reports"):
            return values
        if wrong := sorted({"fields", "analysis_leads", "index", "files"} & set(values)):
            raise ValueError(f"{wrong[0]} has no meaning for station reports")
        made = {"step_hours": 1, "grid": "stations", "analysis_leads": (0,), "index": "none"}
        return {**made, "files": "variable", "fields": {REPORTS: {"name": REPORTS}}, **values}

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if unknown := sorted(set(self.fields) - set(VARIABLES) - {REPORTS}):
            raise ValueError(f"fields.{unknown[0]} is no variable of ours")
        longest = max(self.analysis_leads, default=0)
        if longest > self.schedule.longest_lead:
            raise ValueError(f"analysis_leads go to {longest} h, beyond schedule.longest_lead")
        if self.index != "none" and not all(one.keys for one in self.fields.values()):
            raise ValueError("every field needs keys, by which its index names it")
        if self.files == "variable" and not all(one.name for one in self.fields.values()):
            raise ValueError("every field needs a name, for its file")
        return self


def read_source(text: str, where: str) -> Source:
    """A source from the text of its file.

    Raises:
        FeedError: it is not TOML, or a value is missing, unknown or bad; the message names it.
    """
    try:
        return Source(**tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise FeedError(f"{where} is not valid TOML: {error}") from error
    except ValidationError as error:
        lines = [
            f"  {'.'.join(map(str, item['loc']))}: {item['msg'].removeprefix('Value error, ')}"
            for item in error.errors()
        ]
        raise FeedError("\n".join([f"{where} is not valid:", *lines])) from error


def find_source(name: str, folder: Path | None = None) -> Source:
    """One source by name.

    Raises:
        FeedError: there is none, or a file is not valid.
    """
    sources = find_sources(folder)
    if name not in sources:
        where = f" One of your own goes into {folder}/{name}.toml." if folder is not None else ""
        raise FeedError(f"no source is called {name!r}; there are {', '.join(sources)}.{where}")
    return sources[name]


def find_sources(folder: Path | None = None) -> dict[str, Source]:
    """Every known source by name: those that ship, then those of a folder, which win.

    Raises:
        FeedError: a file is not valid.
    """
    shipped = sorted(files("met2net_ops.feeds").joinpath("sources").iterdir(), key=str)
    own = sorted(folder.glob("*.toml")) if folder is not None and folder.is_dir() else []
    found = [
        read_source(file.read_text(encoding="utf-8"), str(file))
        for file in (*shipped, *own)
        if file.name.endswith(".toml")
    ]
    return {source.name: source for source in found}
