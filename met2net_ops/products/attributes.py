"""The header as global attributes of the file, and back.

CF-1.11 §2.6.2 and ACDD-1.3 attributes are for everybody's tools; the `met2net_*` ones carry the
whole header, lists as compact JSON, so that reading gives back exactly what was written.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from met2net_ops.errors import GridError, ProductError
from met2net_ops.grids import LatLonGrid
from met2net_ops.products.header import InputFrame, ProductHeader
from met2net_ops.times import TimeFormatError, parse_time

if TYPE_CHECKING:
    from collections.abc import Mapping

CONVENTIONS = "CF-1.11, ACDD-1.3"
LAYOUT_VERSION = 1


def to_attributes(header: ProductHeader) -> dict[str, str | int | float]:
    """All global attributes of a product."""
    valid = header.valid_times
    first, last = _iso(valid[0]), _iso(valid[-1])
    cycle, created = _iso(header.reference_time), _iso(header.created)
    state = " (REJECTED by the gate, not for use)" if header.rejected else ""
    grid = header.grid
    return {
        "Conventions": CONVENTIONS,
        "title": f"{header.model} forecast from {cycle}{state}",
        "summary": (
            f"Weather forecast of {', '.join(header.variables)} by the model {header.model}, "
            f"{header.leads} leads of {header.step_hours} h from {cycle}."
        ),
        "keywords": "weather forecast",
        "id": f"{header.model}_{header.reference_time:%Y%m%d%H}",
        "processing_level": "forecast",
        "license": header.licence,
        **({"acknowledgement": "; ".join(header.attributions)} if header.attributions else {}),
        "institution": header.institution,
        "source": f"model {header.model}, run by met2net-ops {header.software_version}",
        "history": f"{created} met2net-ops {header.software_version}: forecast written",
        "references": header.references or "none given by the model",
        "date_created": created,
        "time_coverage_start": first,
        "time_coverage_end": last,
        "time_coverage_duration": f"PT{header.step_hours * (header.leads - 1)}H",
        "time_coverage_resolution": f"PT{header.step_hours}H",
        "geospatial_lat_min": float(grid.latitudes[-1]),
        "geospatial_lat_max": float(grid.latitudes[0]),
        "geospatial_lat_units": "degrees_north",
        "geospatial_lat_resolution": grid.dlat,
        "geospatial_lon_min": float(grid.longitudes[0]),
        "geospatial_lon_max": float(grid.longitudes[-1]),
        "geospatial_lon_units": "degrees_east",
        "geospatial_lon_resolution": grid.dlon,
        "met2net_layout": LAYOUT_VERSION,
        "met2net_version": header.software_version,
        "met2net_model": header.model,
        "met2net_model_checksum": header.model_checksum,
        "met2net_device": header.device,
        "met2net_precision": header.precision,
        "met2net_variables": " ".join(header.variables),
        "met2net_grid": _compact(_grid_values(grid)),
        "met2net_attributions": _compact(list(header.attributions)),
        "met2net_input_hash": header.input_hash,
        "met2net_inputs": _compact([_frame_values(frame) for frame in header.inputs]),
        "met2net_gaps_filled": _compact(
            [f"{frame.variable} {_iso(frame.time)}" for frame in header.filled]
        ),
        "met2net_settings": _compact(dict(header.settings)),
        "met2net_timings_seconds": _compact(dict(header.timings)),
        "met2net_gate_findings": _compact(list(header.findings)),
        "met2net_gate": "rejected" if header.rejected else "passed",
    }


def from_attributes(
    attributes: Mapping[str, Any], reference_time: datetime, leads: int
) -> ProductHeader:
    """The header that `to_attributes` wrote.

    Args:
        attributes: global attributes of the file.
        reference_time: value of its forecast_reference_time.
        leads: length of its time axis.

    Raises:
        ProductError: an attribute is missing or makes no sense (without the file's name).
    """
    try:
        layout = int(attributes["met2net_layout"])
        if layout != LAYOUT_VERSION:
            raise ProductError(f"it has layout {layout}, this version reads {LAYOUT_VERSION}")
        return ProductHeader(
            model=attributes["met2net_model"],
            model_checksum=attributes["met2net_model_checksum"],
            reference_time=reference_time,
            step=timedelta(hours=int(attributes["time_coverage_resolution"][2:-1])),
            leads=leads,
            variables=tuple(attributes["met2net_variables"].split()),
            grid=LatLonGrid(**json.loads(attributes["met2net_grid"])),
            inputs=tuple(map(_frame, json.loads(attributes["met2net_inputs"]))),
            device=attributes["met2net_device"],
            precision=attributes["met2net_precision"],
            software_version=attributes["met2net_version"],
            created=parse_time(attributes["date_created"]),
            references=_references(attributes["references"]),
            institution=attributes["institution"],
            licence=attributes["license"],
            attributions=tuple(json.loads(attributes.get("met2net_attributions", "[]"))),
            settings=json.loads(attributes["met2net_settings"]),
            timings=json.loads(attributes["met2net_timings_seconds"]),
            findings=tuple(json.loads(attributes["met2net_gate_findings"])),
            rejected=attributes["met2net_gate"] == "rejected",
        )
    except KeyError as error:
        raise ProductError(f"it is no met2net-ops product: attribute {error} is missing") from error
    except (ValueError, TypeError, AttributeError, GridError, TimeFormatError) as error:
        raise ProductError(f"its global attributes make no sense: {error}") from error


def _references(text: str) -> str:
    return "" if text == "none given by the model" else text


def _grid_values(grid: LatLonGrid) -> dict[str, float | str]:
    return {
        "north": grid.north,
        "west": grid.west,
        "dlat": grid.dlat,
        "dlon": grid.dlon,
        "nlat": grid.nlat,
        "nlon": grid.nlon,
        "name": grid.name,
    }


def _frame_values(frame: InputFrame) -> list[str | int]:
    return [frame.variable, _iso(frame.time), frame.sha256, frame.origin, int(frame.filled)]


def _frame(values: list[Any]) -> InputFrame:
    variable, time, sha256, origin, filled = values
    return InputFrame(variable, parse_time(time), sha256, origin, bool(filled))


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _iso(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
