"""The sums of one model, cycle and truth: a Parquet file, replaced whole.

`verification/<truth>/<model>/<YYYY>/<MM>/<model>_<YYYYMMDDHH>.parquet`. A file says in its
metadata from what it was made (`Record`), so that nothing is computed twice and late truth
rewrites just the one file it belongs to. The files of an old month become one, see `months`.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from met2net_ops.errors import ProductError, VerificationError
from met2net_ops.products.index import cycle_in
from met2net_ops.products.publish import claim
from met2net_ops.times import TimeFormatError, format_time, parse_time
from met2net_ops.verification.store.axes import Axes
from met2net_ops.verification.store.rows import FEW_VALUES, SCHEMA

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from met2net_ops.paths import WorkspacePaths
    from met2net_ops.verification.store.rows import Rows

FORMAT = 3
_RECORD = b"met2net-ops"
_NAME = re.compile(r".+_(\d{10})\.parquet")
_WAIT = 60.0  # seconds for another verification of the same product to end
TRUTHS = ("analysis", "stations")
FORECAST = "forecast"  # the system that is scored; the others are its baselines


@dataclass(frozen=True, slots=True)
class Record:
    """What a file of sums was made from.

    Attributes:
        model: name of the forecaster.
        cycle: reference time.
        truth: one of `TRUTHS`.
        status: "partial" while some truth is missing, then "final".
        product: size and modification time of the product file.
        settings: digest of everything that shapes the sums besides the data.
        truth_state: digest of which truth was there; a change makes the cycle due again.
        climatology: identity of the climatology per month used.
        step_seconds: between the product's leads.
        leads: of the product.
        variables: of the product.
        expected: pairs of variable and lead in the product.
        matched: those that had truth.
        notes: what a reader should know, such as coverage.
    """

    model: str
    cycle: datetime
    truth: str
    status: str
    product: str
    settings: str
    truth_state: str
    climatology: dict[str, str] = field(default_factory=dict)
    step_seconds: float = 3600.0
    leads: int = 0
    variables: tuple[str, ...] = ()
    expected: int = 0
    matched: int = 0
    notes: tuple[str, ...] = ()

    @property
    def axes(self) -> Axes:
        """The product's axes, so that it need not be opened to know what truth it wants."""
        step = timedelta(seconds=self.step_seconds)
        return Axes(self.cycle, step, self.leads, self.variables)


def sums_path(paths: WorkspacePaths, truth: str, model: str, cycle: datetime) -> Path:
    """Where the sums of one model, cycle and truth lie."""
    folder = paths.verification / truth / model / f"{cycle:%Y}" / f"{cycle:%m}"
    return folder / f"{model}_{cycle:%Y%m%d%H}.parquet"


def cycle_of(path: Path) -> datetime | None:
    """The cycle in a file's name; None where it has none, as the name of a month's file.

    >>> from pathlib import Path
    >>> cycle_of(Path("desk_2026112006.parquet"))
    datetime.datetime(2026, 11, 20, 6, 0, tzinfo=datetime.timezone.utc)
    """
    match = _NAME.fullmatch(path.name)
    return None if match is None or path.name[0] == "." else cycle_in(match[1])


def write_sums(path: Path, record: Record, rows: Rows) -> None:
    """Put a file in place whole, after reading it back.

    Raises:
        VerificationError: what was read back is not what was written, or the disk refused.
    """
    schema = SCHEMA.with_metadata({_RECORD: json.dumps(record_values(record))})
    few = list(islice(rows.tables(), 2))
    many = len(few) > 1  # made again rather than kept: sums of stations would fill the memory
    try:
        with claim(path, _WAIT) as held:
            with pq.ParquetWriter(
                held.temporary, schema, compression="zstd", use_dictionary=FEW_VALUES
            ) as writer:
                for table in rows.tables() if many else few:
                    writer.write_table(table)
            back = pq.ParquetFile(held.temporary)
            for group, table in enumerate(rows.tables() if many else few):
                if not back.read_row_group(group).equals(table):
                    raise VerificationError(
                        f"{path}: the disk gave back other sums than were written"
                    )
            held.place(path)
    except OSError as error:
        raise VerificationError(
            f"cannot write {path}: {error}; make room or check permissions, then verify again"
        ) from error
    except ProductError as error:
        raise VerificationError(str(error)) from error


def read_record(path: Path) -> Record | None:
    """What a file was made from; None if there is no such file or one of another format.

    Raises:
        VerificationError: the file is damaged.
    """
    if not path.is_file():
        return None
    try:
        return record_from(json.loads((pq.read_schema(path).metadata or {})[_RECORD]))
    except (OSError, KeyError, ValueError, TypeError, TimeFormatError) as error:
        raise damaged(path, error) from error


def record_from(values: dict[str, Any]) -> Record | None:
    """A record from the values of `record_values`; None if they are of another format."""
    if values.pop("format") != FORMAT:
        return None
    values["cycle"] = parse_time(values["cycle"])
    values["notes"], values["variables"] = tuple(values["notes"]), tuple(values["variables"])
    return Record(**values)


def record_values(record: Record) -> dict[str, Any]:
    """What JSON can hold of a record."""
    return {**asdict(record), "cycle": format_time(record.cycle), "format": FORMAT}


def damaged(path: Path, error: Exception) -> VerificationError:
    """What a file that cannot be read is refused with."""
    return VerificationError(
        f"{path} is no file of sums or is damaged ({error}); remove it and verify again"
    )
