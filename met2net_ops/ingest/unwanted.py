"""Feeds that deliver, but nothing that the archive takes."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from met2net_ops.catalog.files import files_since
from met2net_ops.errors import ArchiveError
from met2net_ops.grib.records import VerdictKind
from met2net_ops.ingest.report import known_report

if TYPE_CHECKING:
    from datetime import datetime

    from met2net_ops.workspace import Workspace

DAY = timedelta(days=1)
ADVICE = (
    "change `variables` under [archive] or the [grid] in met2net.toml to what it delivers, or let "
    "it deliver what they want, then run `met2net-ops ingest`"
)


@dataclass(frozen=True, slots=True)
class UnwantedFeed:
    """A feed of whose last day nothing was taken.

    Attributes:
        name: of the feed.
        files: how many were read in that day.
        fields: that were in them.
        reason: why most of these were not taken.
        since_a_day: whether a whole day has passed since it brought anything else.
    """

    name: str
    files: int
    fields: int
    reason: str
    since_a_day: bool

    def __str__(self) -> str:
        return (
            f"nothing that feed {self.name} brought in the last day was taken ({self.fields} "
            f"fields in {self.files} files), most often because: {self.reason}"
        )


def unwanted_feeds(workspace: Workspace, now: datetime) -> list[UnwantedFeed]:
    """Feeds that brought files in the day before `now`, and nothing in them that was taken.

    Of a catalog that cannot be read nothing is known here; `doctor` says that by itself.
    """
    try:
        catalog = workspace.catalog
        read = files_since(catalog, now - 2 * DAY)
        catalog.dispose()
    except ArchiveError:
        return []
    found = []
    for feed in workspace.settings.feeds:
        folder = f"{workspace.root / feed.path}{os.sep}"
        own = [file for file in read if file.path.startswith(folder)]
        reports = [known_report(f.path, f.report) for f in own if f.ingested_at > now - DAY]
        if not reports or any(report.count(VerdictKind.TAKEN) for report in reports):
            continue
        reasons: Counter[str] = Counter()
        for report in reports:
            reasons += report.reasons(VerdictKind.NOT_WANTED)
            reasons += report.reasons(VerdictKind.REFUSED)
        reason = reasons.most_common(1)[0][0] if reasons else "there is no field in them"
        fields = sum(report.fields for report in reports)
        found.append(UnwantedFeed(feed.name, len(reports), fields, reason, len(own) > len(reports)))
    return found
