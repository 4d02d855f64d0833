"""Bulletins of aviation reports as text: what reports they hold, of what kind, and of what date.

A report ends with an equals sign or an empty line, or where the next one begins on a new line.
What stands around reports says what they are: the heading of a bulletin (WMO-No. 386, attachment
II-5: TTAAii CCCC YYGGgg), a line such as TAF, a line with a date, a date before the report.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from met2net_ops.observations.dates import DateStatement, find_dates

if TYPE_CHECKING:
    from collections.abc import Iterator

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_HEADING = re.compile(
    r"(?:\d{3}\s+)?(?P<type>[A-Z]{2})[A-Z]{2}(?:\d\d)? [A-Z]{4} (?P<time>\d{6})"
    r"(?: (?P<suffix>[A-Z]{3})(?=\s|$))?\s*"
)
_AFOS = re.compile(r"(?P<type>[A-Z]{3})[A-Z0-9]{3}")
_NUMBER = re.compile(r"\d{3}|ZCZC.*|NNNN|<<.*>>")  # before and after a bulletin
_WORD = r"METAR|SPECI|TAF|SIGMET|AIRMET|GAMET|PIREP|AIREP|ARP|ARS|UUA|UA"
_SUFFIX = r"COR|AMD|CC[A-Z]|AAA|RTD"
_KIND = re.compile(rf"(?P<kind>{_WORD})(?: (?P<suffix>{_SUFFIX}))*")
_STATION = re.compile(rf"(?:(?:{_WORD}|{_SUFFIX})\s+)*\b[A-Z][A-Z0-9]{{3}} \d{{6}}Z?\b")
_PREFIX = 60  # characters in which a report's station and time are looked for
_WORDS_OF_DATES = frozenset(
    ("utc", "gmt", "z", "date", "time", "observed", "observation", "observations", "valid", "of",
     "issued", "at", "for", "from", "the", "metar", "metars", "report", "reports", "on",
     "mon", "tue", "wed", "thu", "fri", "sat", "sun")
)  # fmt: skip
_FORECAST = re.compile(
    r"^(?:\S+ )*?\d{6}Z? (?:(?:COR|AMD|NIL|CC[A-Z]|AAA) )*(?:[\dO]{3,6}/[\dO]{3,6}|\d{6})(?= |$)"
    r"|\bFM\d{6}\b|\bPROB[34]0\b|\bT[XN]M?\d\d/\d{4}Z"
    r"|\b(?:TEMPO|BECMG|INTER) \d{4}/\d{4}\b|\bWS\d{3}/\d{5}KT|\bCNL\b"
)
OBSERVATION = "an observation"
# First letters of a bulletin's type → what it holds.
_TYPES = {
    "SA": OBSERVATION,
    "SP": OBSERVATION,
    "FT": "a forecast (TAF)",
    "FC": "a forecast (TAF)",
    "F": "a forecast",
    "W": "a warning (SIGMET or the like)",
    "U": "a report from an aircraft",
}
_KINDS = {
    "METAR": OBSERVATION,
    "SPECI": OBSERVATION,
    "TAF": "a forecast (TAF)",
    "SIGMET": "a warning (SIGMET)",
    "AIRMET": "a warning (AIRMET)",
    "GAMET": "a forecast (GAMET)",
    **dict.fromkeys(("PIREP", "AIREP", "ARP", "ARS", "UUA", "UA"), "a report from an aircraft"),
}


@dataclass(frozen=True, slots=True)
class AviationText:
    """One report of a bulletin, not decoded.

    Attributes:
        text: on one line, without a date before it.
        kind: what the words around it say it is, such as OBSERVATION; "" where they say nothing.
        heading: day and time of the bulletin, six digits; "" without one.
        suffix: of the heading or the line above, such as COR or CCA for a correction.
        stated: what states its date.
    """

    text: str
    kind: str = ""
    heading: str = ""
    suffix: str = ""
    stated: tuple[DateStatement, ...] = ()


@dataclass
class _Context:
    """What the lines above say of the next report."""

    kind: str = ""
    heading: str = ""
    heading_suffix: str = ""
    suffix: str = ""
    after_heading: bool = False
    above: tuple[DateStatement, ...] = ()
    parts: list[str] = field(default_factory=list)
    before: tuple[DateStatement, ...] = ()

    def finish(self) -> Iterator[AviationText]:
        """The report whose lines were collected, if any."""
        text = " ".join(" ".join(self.parts).split())
        if text:
            stated = (*self.before, *self.above)
            yield AviationText(text, self.kind, self.heading, self.suffix, stated)
        self.parts, self.before = [], ()


def split_reports(text: str) -> Iterator[AviationText]:
    r"""The reports of a text, one line each.

    >>> bulletin = "SAXX99 KAWN 020100\r\r\nMETAR LFBD 020100Z 26006KT\r\r\n 15/14=\nLFLL 020100Z="
    >>> [report.text for report in split_reports(bulletin)]
    ['METAR LFBD 020100Z 26006KT 15/14', 'LFLL 020100Z']
    >>> [(r.text, r.kind) for r in split_reports("TAF\nKDSM 311721Z 3118/0118\n  FM010200 14005KT")]
    [('KDSM 311721Z 3118/0118 FM010200 14005KT', 'a forecast (TAF)')]
    """
    context = _Context()
    for line in re.split(r"\r+\n|\n|\r", _CONTROL.sub(" ", text)):
        yield from _read_line(context, line.strip().lstrip("\ufeff"))
    yield from context.finish()


def report_kind(report: AviationText) -> str:
    """What a report is: OBSERVATION if it is a METAR or SPECI.

    Its own words come before those around it, and its groups before both: a forecast has a period
    of validity after its time, changes from a day and time on (FM010200), probabilities, or the
    extreme temperatures to come. Without a Z its time may be the period of a forecast, as these
    were written before 2008, so that a word has to say what it is.

    >>> report_kind(AviationText("KDSM 311721Z 3118/0118 16014KT P6SM OVC007"))
    'a forecast (TAF)'
    >>> report_kind(AviationText("METAR LFBD 020100Z 26006KT 15/14 Q1013 BECMG FM0200 22010KT"))
    'an observation'
    """
    words = report.text.split()
    own = next((word for word in words[:4] if word in _KINDS), None)
    if own and _KINDS[own] != OBSERVATION:
        return _KINDS[own]
    groups = report.text.partition(" RMK")[0]
    if _FORECAST.search(groups):
        return "a forecast (TAF)"
    if re.search(r"\b(?:SIGMET|AIRMET|GAMET)\b|\bVALID \d{6}/\d{6}", groups):
        return "a warning (SIGMET or the like)"
    if re.match(r"(?:\w+ )?U?UA /", report.text):
        return _KINDS["UA"]
    if re.match(r"(?:AAXX|BBXX|OOXX) \d{5}", report.text):
        return "a SYNOP, which is read from BUFR only"
    kind = _KINDS[own] if own else report.kind
    if not kind and re.search(r"^\S+ \d{6}(?= |$)", report.text):
        return "perhaps a forecast, as its time has no Z"
    return kind or OBSERVATION


def looks_like_bulletin(text: str) -> bool:
    """Whether a text begins like one with aviation reports."""
    lines = [line.strip() for line in text.splitlines()[:20]]
    return any(_HEADING.fullmatch(x) or _KIND.fullmatch(x) or _begin(x) for x in lines)


def _read_line(context: _Context, line: str) -> Iterator[AviationText]:
    after_heading, context.after_heading = context.after_heading, False
    heading = _HEADING.match(line)
    if heading:
        yield from context.finish()
        kind = heading["type"]
        context.kind = _TYPES.get(kind) or _TYPES.get(kind[0], "")
        context.heading = heading["time"]
        context.suffix = context.heading_suffix = heading["suffix"] or ""
        context.after_heading = True
        line = line[heading.end() :]
    if not line or _NUMBER.fullmatch(line):
        if not heading:
            yield from context.finish()
        return
    if after_heading and (product := _AFOS.fullmatch(line)):
        context.kind = context.kind or _KINDS.get(product["type"], "")
        return
    if word := _KIND.fullmatch(line):
        yield from context.finish()
        context.kind = _KINDS[word["kind"]]
        context.suffix = word["suffix"] or context.heading_suffix
        return
    rest, dates = find_dates(line.lstrip("# "))
    only_date = not set(re.findall(r"\w+", rest.lower())) - _WORDS_OF_DATES
    # A line of other words with a date, such as a title, is none of a report that is being read.
    title = len(dates) == 1 and not context.parts and line[0] != "#" and _begin(line) is None
    if dates and (only_date or title):
        yield from context.finish()
        context.above = dates
        return
    if line.startswith("#"):
        yield from context.finish()
        return
    *ended, last = line.split("=")
    for part in ended:
        yield from _add(context, part)
        yield from context.finish()
    if last.strip():
        yield from _add(context, last)


def _add(context: _Context, part: str) -> Iterator[AviationText]:
    """Put a part of a line to the report it belongs to, which may be a new one."""
    start = _begin(part)
    if start is not None:
        yield from context.finish()
        part, context.before = start
    context.parts.append(part)


def _begin(line: str) -> tuple[str, tuple[DateStatement, ...]] | None:
    """If a report begins on a line: the report, and the dates before it."""
    text = line.strip()
    found = _STATION.search(text[: _PREFIX * 2])
    if found is None or found.start() > _PREFIX:
        word = _KIND.match(text)
        return (text, ()) if word and text[word.end() : word.end() + 1] in ("", " ") else None
    before, dates = find_dates(text[: found.start()])
    words = re.findall(r"\w+", before)
    known = [word for word in words if re.fullmatch(rf"{_WORD}|{_SUFFIX}", word)]
    if re.search(r"\d", before) or (len(known) < len(words) and not dates):
        return None
    return " ".join((*known, text[found.start() :])), dates
