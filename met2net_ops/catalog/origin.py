"""What is known of the source of a frame, and which of two sources wins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from met2net_ops.fields import FieldKind

if TYPE_CHECKING:
    from datetime import datetime, timedelta

_PRELIMINARY = "5"  # ERA5T, the stream that ERA5 (expver 1) replaces months later


@dataclass(frozen=True, slots=True)
class Origin:
    """The one source of one frame.

    Attributes:
        variable: canonical name.
        valid_time: UTC.
        path: the file as it was given.
        file_sha256: of the whole file: over the SHA-256 of every message and every range between
            messages, in turn.
        file_mtime_ns: of the file, nanoseconds since 1970.
        message: position of the GRIB message in the file, from 0.
        field: position among all fields of the file, from 0 (sub-messages counted).
        message_sha256: of the message's bytes; over those of all inputs in turn, if it has several.
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
    kind: FieldKind
    reference_time: datetime
    lead: timedelta
    expver: str
    missing_points: int
    frame_sha256: str
    recorded_at: datetime


def rank(origin: Origin) -> tuple[Any, ...]:
    """The higher wins a frame: a total order, so arrival does not matter (but see `beats`).

    The fuller frame first: a forecast starts from whole frames only. Then analysis over forecast,
    the shorter lead, the later reference time, the final over the preliminary; between equals the
    newer file, then the later field.
    """
    return (
        -origin.missing_points,
        origin.kind is FieldKind.ANALYSIS,
        -origin.lead,
        origin.reference_time,
        origin.expver.lstrip("0") != _PRELIMINARY,
        origin.file_mtime_ns,
        origin.field,
        origin.message_sha256,
    )


def are_tiles(one: Origin, other: Origin) -> bool:
    """Whether two frames with gaps are parts of one field, delivered by area.

    Parts have the same reference time, lead, kind and experiment version, and come from different
    messages.
    """
    return (
        one.missing_points > 0
        and other.missing_points > 0
        and one.message_sha256 != other.message_sha256
        and (one.kind, one.reference_time, one.lead, one.expver.lstrip("0"), one.method)
        == (other.kind, other.reference_time, other.lead, other.expver.lstrip("0"), other.method)
    )


def beats(candidate: Origin, present: Origin) -> bool:
    """Whether a candidate takes the place of what is there.

    A file delivered again under its own name replaces its earlier content even if its time stamp
    went back: the one case in which the order of arrival counts.
    """
    rule, other = rank(candidate)[:5], rank(present)[:5]
    if rule == other and candidate.path == present.path:
        return candidate.file_sha256 != present.file_sha256 or candidate.field >= present.field
    return rank(candidate) >= rank(present)
