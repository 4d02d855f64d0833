"""Which rows of the stored sums are wanted, in SQL: written once for every question."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from met2net_ops.errors import VerificationError
from met2net_ops.verification.inputs.regions import ALL, COAST, LAND, SEA, Region

if TYPE_CHECKING:
    from collections.abc import Mapping

# Stations in a box, which may lie across the dateline.
_WITHIN = "latitude BETWEEN $south AND $north AND ((longitude - $west) % 360 + 360) % 360 <= $width"


@dataclass(frozen=True, slots=True)
class Slice:
    """Which sums of the files to take.

    Attributes:
        kind: a key of `sums.KINDS`.
        variable: canonical name, or "wind10".
        region: a named region of the analysis sums; for stations a box, "land", "sea" or "all".
        station: one station, by its identifier.
        threshold: of an event; None for kinds without.
        neighbourhood: of fractions; None for the other kinds.
    """

    kind: str
    variable: str
    region: str | Region = ALL
    station: str | None = None
    threshold: float | None = None
    neighbourhood: int | None = None

    def conditions(self, truth: str) -> tuple[str, dict[str, object]]:
        """Which rows belong to it, and the values the text names."""
        columns: dict[str, object] = {
            "kind": self.kind,
            "variable": self.variable,
            "threshold": self.threshold,
            "neighbourhood": self.neighbourhood,
        }
        if self.station is not None:
            columns["subset"] = self.station
        return conditions(truth, self.region, columns)


def conditions(
    truth: str, region: str | Region | None, columns: Mapping[str, object]
) -> tuple[str, dict[str, object]]:
    """A condition on rows, and the values it names.

    Args:
        truth: "analysis", whose sums have regions of their own, or "stations".
        region: a name, a box for stations, or None for all rows.
        columns: the value of each; a tuple for any of several, None where there is to be none.

    Raises:
        VerificationError: stations are wanted in a region that has only a name.
    """
    found: list[str] = []
    values: dict[str, object] = {}
    for name, value in columns.items():
        if isinstance(value, tuple):
            several = {f"{name}_{index}": item for index, item in enumerate(value)}
            found.append(
                f"{name} IN ({', '.join(f'${key}' for key in several)})" if value else "false"
            )
            values |= several
        elif value is None:
            found.append(f"{name} IS NULL")
        else:
            found.append(f"{name} = ${name}")
            values[name] = value
    if isinstance(region, Region):
        width = (region.east - region.west) % 360.0 or 360.0
        found.append(_WITHIN)
        values |= {
            "south": region.south,
            "north": region.north,
            "west": region.west,
            "width": width,
        }
    elif region is not None and truth == "analysis":
        found.append("subset = $region")
        values["region"] = region
    elif region in (LAND, SEA):
        found.append(f"model_land {'>=' if region == LAND else '<'} {COAST}")
    elif region not in (ALL, None):
        raise VerificationError(f"stations are selected by a box, not by the name {region!r}")
    return " AND ".join(found) or "true", values
