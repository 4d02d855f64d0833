"""What has been verified: the choices a reader has, found without reading every file."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from met2net_ops.variables import VARIABLES
from met2net_ops.verification.compute.match import CLIMATOLOGY, PERSISTENCE, PERSISTENCE_24H
from met2net_ops.verification.results.cube import cycle_files
from met2net_ops.verification.results.scores import SCORES
from met2net_ops.verification.store.files import TRUTHS, asking_sums, cycle_of, sums_files

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

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


def verified_models(workspace: WorkspacePaths) -> dict[str, list[str]]:
    """Truth → models that have been compared with it, by name; truths without any are left out."""
    found = {
        truth: sorted({path.parts[-4] for path in sums_files(workspace, truth)}) for truth in TRUTHS
    }
    return {truth: models for truth, models in found.items() if models}


def files_of(workspace: WorkspacePaths, truth: str, model: str, period: str) -> list[Path]:
    """Files of the newest so many days (a key of `PERIODS`), by cycle."""
    files = sorted(cycle_files(workspace, truth, model), key=lambda path: path.name)
    if period == "all" or not files:
        return files
    newest = cycle_of(files[-1])
    assert newest is not None
    since = newest - timedelta(days=int(period))
    return [path for path in files if _later(path, since)]


def _later(path: Path, since: datetime) -> bool:
    cycle = cycle_of(path)
    return cycle is not None and cycle > since


def state_of(files: Sequence[Path]) -> str:
    """Changes when any of these files does; the key of what is computed from them."""
    digest = hashlib.sha256()
    for path in files:
        try:
            stat = path.stat()
        except FileNotFoundError:  # replaced or removed since it was listed
            continue
        digest.update(f"{path} {stat.st_size} {stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def take_inventory(files: Sequence[Path]) -> VerifiedInventory:
    """Look into the newest files.

    Raises:
        VerificationError: one cannot be read.
    """
    if not files:
        return VerifiedInventory((), (), ())
    newest = [str(path) for path in sorted(files, key=lambda path: path.name)[-_FILES_LOOKED_INTO:]]
    source = "read_parquet($files, union_by_name = true)"
    with asking_sums() as connection:
        ask = {"files": newest}
        parts = connection.execute(
            f"SELECT DISTINCT variable, kind, threshold, neighbourhood FROM {source} "
            "WHERE system = 'forecast' ORDER BY ALL",
            ask,
        ).fetchall()
        leads = connection.execute(
            f"SELECT DISTINCT lead_hours FROM {source} ORDER BY 1", ask
        ).fetchall()
        regions = connection.execute(
            f"SELECT DISTINCT subset FROM {source} WHERE truth = 'analysis' ORDER BY 1", ask
        ).fetchall()
        columns = connection.execute(f"DESCRIBE SELECT * FROM {source}", ask).fetchall()
        land = "model_land" in {row[0] for row in columns} and bool(
            connection.execute(
                f"SELECT 1 FROM {source} WHERE model_land IS NOT NULL LIMIT 1", ask
            ).fetchall()
        )
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
