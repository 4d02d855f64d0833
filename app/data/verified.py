"""What has been verified: the choices a reader has, found without reading every file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from met2net_ops.variables import VARIABLES
from met2net_ops.verification.inputs.baselines import CLIMATOLOGY, PERSISTENCE, PERSISTENCE_24H
from met2net_ops.verification.results.scores import SCORES
from met2net_ops.verification.store.files import TRUTHS
from met2net_ops.verification.store.listing import StoredSums, stored_sums

if TYPE_CHECKING:
    from met2net_ops.paths import WorkspacePaths
    from met2net_ops.verification.results.scores import Score

TRUTH_NAMES = {"analysis": "analyses", "stations": "stations"}
BASELINES = {
    PERSISTENCE: "persistence",
    PERSISTENCE_24H: "24 h persistence",
    CLIMATOLOGY: "climatology",
}
PERIODS = {
    "7": "newest 7 days",
    "30": "newest 30 days",
    "90": "newest 90 days",
    "365": "newest 365 days",
    "all": "all there is",
}
_FILES_LOOKED_INTO = 8
_MOMENT = timedelta(microseconds=1)
_ON_EVENTS = ("contingency", "fractions")


@dataclass(frozen=True, slots=True)
class Stored:
    """Sums of one kind that there are of a variable."""

    variable: str
    kind: str
    threshold: float | None
    neighbourhood: int | None


@dataclass(frozen=True)
class VerifiedInventory:
    """What the newest files of one model and truth hold.

    Attributes:
        parts: variables, kinds, thresholds and neighbourhoods.
        leads: hours, ascending.
        regions: named regions of sums against analyses; () against stations.
        land_and_sea: whether stations can be told apart by what the model has there.
    """

    parts: tuple[Stored, ...]
    leads: tuple[int, ...]
    regions: tuple[str, ...]
    land_and_sea: bool = False

    @property
    def variables(self) -> tuple[str, ...]:
        """Variables that have sums of their own, in the order of the files."""
        return tuple(dict.fromkeys(part.variable for part in self.parts))

    def scores(self, variable: str) -> list[Score]:
        """The scores that can be derived for a variable, in the order of the table."""
        kinds = {part.kind for part in self.parts if part.variable == variable}
        return [row for row in SCORES.values() if row.kind in kinds]

    def thresholds(self, variable: str, kind: str) -> list[float]:
        """Thresholds of events, ascending; [] for kinds without."""
        found = {p.threshold for p in self.parts if (p.variable, p.kind) == (variable, kind)}
        return sorted(value for value in found if value is not None)

    def neighbourhoods(self, variable: str, kind: str) -> list[int]:
        """Sides of windows in points, ascending; [] for kinds without."""
        found = {p.neighbourhood for p in self.parts if (p.variable, p.kind) == (variable, kind)}
        return sorted(value for value in found if value is not None)


def verified_models(paths: WorkspacePaths) -> dict[str, list[str]]:
    """Truth → models that have been compared with it, by name; truths without any are left out."""
    found = {
        truth: sorted(
            folder.name
            for folder in (paths.verification / truth).glob("*")
            if any(folder.glob("*/*/[!.]*.parquet"))
        )
        for truth in TRUTHS
    }
    return {truth: models for truth, models in found.items() if models}


def sums_of(paths: WorkspacePaths, truth: str, model: str, period: str) -> StoredSums:
    """Sums of the newest so many days (a key of `PERIODS`)."""
    stored = stored_sums(paths, truth, [model])
    newest = stored.newest()
    if period == "all" or newest is None:
        return stored
    return stored_sums(paths, truth, [model], newest - timedelta(days=int(period)) + _MOMENT)


def take_inventory(stored: StoredSums) -> VerifiedInventory:
    """Look into the newest files.

    Raises:
        VerificationError: one cannot be read.
    """
    few = replace(
        stored,
        cycles=stored.cycles[-_FILES_LOOKED_INTO:],
        months=() if stored.cycles else stored.months[-1:],
    )

    def rows(query: str) -> list[tuple[Any, ...]]:
        table = few.ask(query, later=True)
        return list(zip(*(column.to_pylist() for column in table.columns), strict=True))

    parts = rows(
        "SELECT DISTINCT variable, kind, threshold, neighbourhood FROM stored "
        "WHERE system = 'forecast' ORDER BY ALL"
    )
    leads = rows("SELECT DISTINCT lead_hours FROM stored ORDER BY 1")
    regions = rows("SELECT DISTINCT subset FROM stored WHERE truth = 'analysis' ORDER BY 1")
    land = bool(rows("SELECT 1 AS there FROM stored WHERE model_land IS NOT NULL LIMIT 1"))
    ordered = sorted((Stored(*row) for row in parts), key=lambda part: _place(part.variable))
    names = [row[0] for row in regions]
    return VerifiedInventory(
        parts=tuple(ordered),
        leads=tuple(int(row[0]) for row in leads),
        regions=tuple(sorted(names, key=lambda name: (name != "all", name))),
        land_and_sea=land,
    )


def _place(name: str) -> tuple[int, str]:
    """The order of the variables table, vector winds last."""
    names = list(VARIABLES)
    return (names.index(name) if name in names else len(names), name)


def variable_name(name: str) -> str:
    """How people call a variable of the sums.

    >>> variable_name("msl"), variable_name("wind10")
    ('mean sea level pressure', '10 metre wind vector')
    """
    if name in VARIABLES:
        return VARIABLES[name].long_name
    return f"{name.removeprefix('wind')} metre wind vector" if name.startswith("wind") else name


def on_events(row: Score) -> bool:
    """Whether a score is one of events, which have thresholds."""
    return row.kind in _ON_EVENTS
