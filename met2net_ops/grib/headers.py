"""Read the header of one field: the few keys that place it, and nothing of its values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from met2net_ops.fields import FieldKind
from met2net_ops.grib.geometry import count_points
from met2net_ops.grib.identify import Identity, Match, possible_variables, recognise
from met2net_ops.grib.keys import get_double, get_long, get_text
from met2net_ops.grib.records import GribUnreadableError, MessageRecord
from met2net_ops.grib.times import Times, check_units, read_kind, read_reference, read_times

if TYPE_CHECKING:
    from met2net_ops.grib.scan import Frame
    from met2net_ops.grib.sections import Header

_MISSING = 2147483647  # ecCodes' "no value here"
_STEP_TYPES1 = {0: "instant", 1: "instant", 10: "instant", 3: "avg", 4: "accum", 5: "diff"}
_STEP_TYPES2 = {0: "avg", 1: "accum", 2: "max", 3: "min", 4: "diff"}


@dataclass(frozen=True, slots=True)
class FieldPlacement:
    """The position of a field in its file."""

    field: int
    message: int
    sub_message: int
    frame: Frame


@dataclass(frozen=True, slots=True)
class Names:
    """What ecCodes calls a parameter and its level: slow to look up, and the same for all times.

    Attributes:
        short_name: `unknown` where it has none.
        param_id: 0 where it has none.
        type_of_level: `unknown` where it has none.
        centre: of origin.
    """

    short_name: str
    param_id: int
    type_of_level: str
    centre: str


def read_names(handle: int) -> Names:
    """The names of one field.

    Raises:
        GribUnreadableError: it has no centre.
    """
    return Names(
        short_name=get_text(handle, "shortName", "unknown"),
        param_id=get_long(handle, "paramId", 0),
        type_of_level=get_text(handle, "typeOfLevel", "unknown"),
        centre=get_text(handle, "centre"),
    )


def read_identity(handle: int, names: Names, *, times_are_sound: bool) -> Identity:
    """What identifies a field.

    Args:
        handle: on the message.
        names: of the field.
        times_are_sound: whether ecCodes may compute steps (`check_units`).

    Raises:
        GribUnreadableError: the keys for it are missing or damaged.
    """
    edition = get_long(handle, "edition")
    if edition == 1:
        keys: tuple[str, ...] = ("table2Version", "indicatorOfParameter")
        template = 0
    else:
        keys = ("discipline", "parameterCategory", "parameterNumber")
        template = get_long(handle, "productDefinitionTemplateNumber")
    number, data_type = get_long(handle, "number", -1), get_text(handle, "dataType", "")
    if edition == 1 and names.centre == "kwbc":
        number, data_type = _ncep_member(handle)
    if times_are_sound:
        step_type, step_range = (get_text(handle, k, "unknown") for k in ("stepType", "stepRange"))
    else:
        step_type, step_range = _coded_step_type(handle, edition), "unknown"
    return Identity(
        edition=edition,
        centre=names.centre,
        parameter=tuple(get_long(handle, key) for key in keys),
        short_name=names.short_name,
        type_of_level=names.type_of_level,
        level=get_double(handle, "level", 0.0),
        step_type=step_type,
        step_range=step_range,
        product_template=template,
        number=None if number < 0 else number,
        data_type=data_type,
    )


def _coded_step_type(handle: int, edition: int) -> str:
    """The processing over time by its code alone: table 4.10, and 5 of edition 1."""
    if edition == 1:
        return _STEP_TYPES1.get(get_long(handle, "timeRangeIndicator", 255), "unknown")
    if not get_long(handle, "numberOfTimeRange", 0):
        return "instant"
    return _STEP_TYPES2.get(get_long(handle, "typeOfStatisticalProcessing", 255), "unknown")


def _ncep_member(handle: int) -> tuple[int, str]:
    """Number, -1 for none, and data type of a field of NCEP in edition 1.

    Octets 42 and 43 of section 1 (NCEP Office Note 388, PDS extension for ensembles): 1 control,
    2 and 3 negatively and positively perturbed pairs, 4 and 5 clusters and whole ensembles.
    """
    kind, pair = get_long(handle, "type", 0), get_long(handle, "identificationNumber", 0)
    if kind in (2, 3):
        return 2 * pair + kind - 3, ""
    return (0 if kind == 1 else -1), ("ens" if kind in (4, 5) else "")


def read_record(handle: int, header: Header, place: FieldPlacement, names: Names) -> MessageRecord:
    """The record of one field. Never fails: `unreadable` says that something cannot be read.

    Only fields of variables of the table are refused for their times; those of others do not
    matter.
    """
    try:
        check_units(handle)
        problem = ""
    except GribUnreadableError as error:
        problem = str(error)
    try:
        identity = read_identity(handle, names, times_are_sound=not problem)
    except GribUnreadableError as error:
        return unreadable_record(header, place, str(error))
    if problem:
        times = Times(read_reference(handle), None, timedelta(0), problem)
    else:
        times = read_times(handle, identity.step_type, identity.step_range)
    found = recognise(identity)
    variable, reason = (found.variable.name, "") if isinstance(found, Match) else (None, found)
    unreadable = bool(variable and times.problem)
    grid_type = get_text(handle, "gridType", "unknown")
    ni, nj = get_long(handle, "Ni", 0), get_long(handle, "Nj", 0)
    return MessageRecord(
        field=place.field,
        message=place.message,
        sub_message=place.sub_message,
        offset=place.frame.offset,
        length=place.frame.length,
        edition=identity.edition,
        centre=identity.centre,
        short_name=identity.short_name,
        param_id=names.param_id,
        parameter=identity.parameter,
        type_of_level=identity.type_of_level,
        level=identity.level,
        number=identity.number,
        step_type=identity.step_type,
        step_range=identity.step_range,
        reference_time=times.reference,
        valid_time=times.valid,
        interval=times.interval,
        kind=read_kind(handle, identity.edition, times),
        expver=get_text(handle, "expver", ""),
        grid_type=grid_type,
        ni=0 if ni == _MISSING else ni,
        nj=0 if nj == _MISSING else nj,
        points=_points(handle, grid_type),
        variable=variable,
        reason=times.problem if unreadable else reason,
        unreadable=unreadable,
        header=header.checksum,
    )


def _points(handle: int, grid_type: str) -> int:
    try:
        return count_points(handle, grid_type)
    except GribUnreadableError:
        return 0


def unreadable_record(header: Header, place: FieldPlacement, reason: str) -> MessageRecord:
    """The record of a field whose frame is sound and whose header cannot be read.

    Where its numbers alone show that it is not in the variable table, it is not wanted.
    """
    edition = place.frame.edition
    parameter = header.parameter
    unreadable = not parameter or bool(possible_variables(edition, parameter))
    if not unreadable:
        numbers = "/".join(str(number) for number in parameter)
        reason = f"parameter {numbers} is not in the variable table, and {reason}"
    return MessageRecord(
        field=place.field,
        message=place.message,
        sub_message=place.sub_message,
        offset=place.frame.offset,
        length=place.frame.length,
        edition=edition,
        centre="",
        short_name="unknown",
        param_id=0,
        parameter=parameter,
        type_of_level="unknown",
        level=0.0,
        number=None,
        step_type="unknown",
        step_range="",
        reference_time=None,
        valid_time=None,
        interval=timedelta(0),
        kind=FieldKind.FORECAST,
        expver="",
        grid_type="unknown",
        ni=0,
        nj=0,
        points=0,
        variable=None,
        reason=reason,
        unreadable=unreadable,
        header=header.checksum,
    )
