"""Where every frame came from, and what replaced what."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select, update

from met2net_ops.catalog.engine import open_engine
from met2net_ops.catalog.tables import origins as table
from met2net_ops.catalog.tables import tables
from met2net_ops.grib.records import Kind

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import datetime

    from sqlalchemy import Connection, Engine, Row

    from met2net_ops.settings import Settings
    from met2net_ops.workspace import Workspace

_PRELIMINARY = "5"  # ERA5T, the stream that ERA5 (expver 1) replaces months later
_TIMES_PER_QUERY = 500


@dataclass(frozen=True, slots=True)
class Origin:
    """The one source of one frame.

    Attributes:
        variable: canonical name.
        valid_time: UTC.
        path: the file as it was given.
        file_sha256: of the whole file.
        file_mtime_ns: of the file, nanoseconds since 1970.
        message: position of the GRIB message in the file, from 0.
        field: position among all fields of the file, from 0 (sub-messages counted).
        message_sha256: of the message's bytes; of all inputs' bytes in turn, if several were used.
        inputs: positions of all fields used, more than one for rotated winds and derived fields.
        method: "" if decoded as it stands, else how it was made.
        kind: analysis or forecast.
        reference_time: UTC.
        lead: valid time minus reference time.
        expver: ECMWF experiment version, else "".
        missing_points: points of the frame without a value.
        frame_sha256: of the frame's values, float32 little endian, row by row.
        recorded_at: UTC.
    """

    variable: str
    valid_time: datetime
    path: str
    file_sha256: str
    file_mtime_ns: int
    message: int
    field: int
    message_sha256: str
    inputs: tuple[int, ...]
    method: str
    kind: Kind
    reference_time: datetime
    lead: timedelta
    expver: str
    missing_points: int
    frame_sha256: str
    recorded_at: datetime


def rank(origin: Origin) -> tuple[Any, ...]:
    """The higher wins a frame: a total order, so the archive does not depend on arrival order.

    Analysis over forecast, then the shorter lead, the later reference time, the final over the
    preliminary; between equals the newer file, then the later field.
    """
    return (
        origin.kind is Kind.ANALYSIS,
        -origin.lead,
        origin.reference_time,
        origin.expver.lstrip("0") != _PRELIMINARY,
        origin.file_mtime_ns,
        origin.field,
        origin.message_sha256,
    )


def beats(candidate: Origin, present: Origin) -> bool:
    """Whether a candidate takes the place of what is there.

    A file delivered again under its own name replaces its earlier content even if its time stamp
    went back.
    """
    rule, other = rank(candidate)[:4], rank(present)[:4]
    if rule == other and candidate.path == present.path:
        return candidate.file_sha256 != present.file_sha256 or candidate.field >= present.field
    return rank(candidate) >= rank(present)


def open_catalog(workspace: Workspace, settings: Settings) -> Engine:
    """The engine of the workspace's catalog, with the ingest's tables."""
    return open_engine(workspace, settings, tables)


def origins(
    catalog: Engine, variables: Collection[str], times: Collection[datetime]
) -> dict[tuple[str, datetime], Origin]:
    """Origins of the frames in the archive now, by (variable, valid time).

    Frames that were written without the ingest have none.
    """
    found = {}
    ordered = sorted(set(times))
    with catalog.begin() as connection:
        for begin in range(0, len(ordered), _TIMES_PER_QUERY):
            query = select(table).where(
                table.c.variable.in_(list(variables)),
                table.c.valid_time.in_(ordered[begin : begin + _TIMES_PER_QUERY]),
                table.c.replaced_by.is_(None),
            )
            for row in connection.execute(query):
                found[(row.variable, row.valid_time)] = _origin(row)
    return found


def origins_of_file(catalog: Engine, file_sha256: str) -> list[Origin]:
    """Origins of the frames in the archive now that came from a file of that content."""
    query = select(table).where(table.c.file_sha256 == file_sha256, table.c.replaced_by.is_(None))
    with catalog.begin() as connection:
        return [_origin(row) for row in connection.execute(query)]


def history(catalog: Engine, variable: str, time: datetime) -> list[Origin]:
    """Every origin a frame ever had, the present one first."""
    query = (
        select(table)
        .where(table.c.variable == variable, table.c.valid_time == time)
        .order_by(table.c.id.desc())
    )
    with catalog.begin() as connection:
        return [_origin(row) for row in connection.execute(query)]


def record_origins(connection: Connection, new: Iterable[Origin]) -> None:
    """Make these the present origins of their frames; the ones there become their past."""
    for origin in new:
        present = connection.execute(
            select(table.c.id).where(
                table.c.variable == origin.variable,
                table.c.valid_time == origin.valid_time,
                table.c.replaced_by.is_(None),
            )
        ).scalar()
        if present is not None:
            # Its own successor for a moment: only one row per frame may have no successor.
            connection.execute(
                update(table).where(table.c.id == present).values(replaced_by=present)
            )
        inserted = connection.execute(insert(table).values(**_values(origin))).inserted_primary_key
        assert inserted is not None
        if present is not None:
            connection.execute(
                update(table).where(table.c.id == present).values(replaced_by=inserted[0])
            )


def _values(origin: Origin) -> dict[str, Any]:
    values = {name: getattr(origin, name) for name in Origin.__slots__ if name != "lead"}
    return {
        **values,
        "inputs": list(origin.inputs),
        "kind": origin.kind.value,
        "lead_seconds": int(origin.lead.total_seconds()),
    }


def _origin(row: Row[Any]) -> Origin:
    values = {name: getattr(row, name) for name in Origin.__slots__ if name != "lead"}
    values["inputs"] = tuple(values["inputs"])
    values["kind"] = Kind(values["kind"])
    return Origin(**values, lead=timedelta(seconds=row.lead_seconds))
