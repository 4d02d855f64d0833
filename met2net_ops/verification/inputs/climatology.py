"""Climatology from the archive: the mean of every month and hour of day, on the archive's grid.

A month is computed once, when the archive has enough days of it at every hour of day (or is past
the month, and has enough at some), and then stays as it is until it is asked to be rebuilt: scores
of old cycles must not move because the archive grew. A single
year's climatology has seen the days it is compared with (one in about thirty), which makes it a
slightly better baseline, and anomaly correlations slightly lower, than an independent one.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
import zlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from met2net_ops.errors import ProductError, VerificationError
from met2net_ops.products.publish import claim
from met2net_ops.progress import Track, silent
from met2net_ops.times import HOUR, time_range

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from met2net_ops.forecast.window import FrameSource

_HOURS = 24
_READ_AT_ONCE = 24
_WAIT = 60.0  # seconds for another process that writes the same month


class Climatology:
    """Monthly means by hour of day, kept in one file per month.

    Each file is a NumPy archive: per variable an array (hour, latitude, longitude) float32 that
    is NaN for hours without enough days, and `about`, a JSON text.
    """

    def __init__(self, folder: Path, archive: FrameSource, minimum_days: int) -> None:
        self._folder = folder
        self._archive = archive
        self._minimum = minimum_days
        self._months: dict[int, dict[str, NDArray[np.float32]]] = {}
        self._present: dict[int, dict[str, NDArray[np.int64]]] = {}
        self._identities: dict[int, str] = {}

    def field(self, name: str, time: datetime) -> NDArray[np.float32] | None:
        """(latitude, longitude) mean for that month and hour of day; None if there is none."""
        if time.minute or time.second:
            return None
        fields = self._load(time.month)
        if name not in fields or not self._present[time.month][name][time.hour]:
            return None
        mean: NDArray[np.float32] = fields[name][time.hour]
        return mean

    def complete(self, name: str, time: datetime) -> bool:
        """Whether `field` has no gap, or is None."""
        if self.field(name, time) is None:
            return True
        present = int(self._present[time.month][name][time.hour])
        return present == self._archive.grid.nlat * self._archive.grid.nlon

    def identity(self, month: int) -> str:
        """Twelve hexadecimal digits that change when the month is rebuilt; "" without one."""
        self._load(month)
        return self._identities.get(month, "")

    def ensure(
        self, months: Iterable[int], *, rebuild: bool = False, track: Track = silent
    ) -> list[int]:
        """Compute what is not there yet and the archive has enough days of.

        Args:
            months: 1 to 12.
            rebuild: compute them again from today's archive, even if they are there.
            track: progress.

        Returns:
            The months computed, or completed by a variable.

        Raises:
            VerificationError: what is there is damaged, or cannot be written.
        """
        lacking = {
            month: [
                name for name in self._archive.variables if rebuild or name not in self._load(month)
            ]
            for month in sorted(set(months))
        }
        wanted = [month for month, names in lacking.items() if names]
        return [
            month
            for month in track(wanted, "climatology", len(wanted))
            if self._compute(month, lacking[month], {} if rebuild else self._load(month))
        ]

    def _path(self, month: int) -> Path:
        return self._folder / f"{self._archive.grid.checksum}-{month:02d}.npz"

    def _load(self, month: int) -> dict[str, NDArray[np.float32]]:
        if month not in self._months:
            path = self._path(month)
            fields: dict[str, NDArray[np.float32]] = {}
            if path.is_file():
                try:
                    with path.open("rb") as file, np.load(file, allow_pickle=False) as saved:
                        fields = {name: saved[name] for name in saved.files if name != "about"}
                        about = str(saved["about"])
                except (
                    OSError,
                    EOFError,
                    ValueError,
                    KeyError,
                    zipfile.BadZipFile,
                    zlib.error,
                ) as error:
                    raise VerificationError(
                        f"climatology {path} is damaged ({error}); remove it and verify again"
                    ) from error
                self._identities[month] = hashlib.sha256(about.encode()).hexdigest()[:12]
            self._present[month] = {
                name: np.isfinite(means).sum(axis=(1, 2)) for name, means in fields.items()
            }
            self._months[month] = fields
        return self._months[month]

    def _compute(
        self, month: int, names: Sequence[str], kept_as_it_is: dict[str, NDArray[np.float32]]
    ) -> bool:
        span = self._archive.span()
        if span is None:
            return False
        spans = list(_months_within(span, month))
        times = [time for first, last in spans for time in time_range(first, last, HOUR)]
        times = [
            time for time in times if not time.timestamp() % self._archive.step.total_seconds()
        ]
        if not times:
            return False
        over = span[1] >= _last_of(spans[-1][0])
        fields: dict[str, NDArray[np.float32]] = {}
        counts: dict[str, list[int]] = {}
        for name in names:
            there = self._archive.present([name], times)[0]
            kept = [time for time, present in zip(times, there, strict=True) if present]
            if not self._enough(kept, over=over):
                continue
            fields[name], days = self._mean(name, kept)
            counts[name] = [int(day) for day in days.max(axis=(1, 2))]
        if not fields:
            return False
        about = {"month": month, "days": counts, "first": str(times[0])}
        self._save(month, {**kept_as_it_is, **fields}, about)
        return True

    def _enough(self, kept: Sequence[datetime], *, over: bool) -> bool:
        """Whether every hour of the archive has enough days, or the month gets no more of them."""
        days = np.bincount([time.hour for time in kept], minlength=_HOURS)
        days = days[:: int(self._archive.step / HOUR)]
        return bool((days.max() if over else days.min()) >= self._minimum)

    def _mean(
        self, name: str, kept: Sequence[datetime]
    ) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        """(hour, latitude, longitude) mean, NaN without enough days, and how many there are."""
        total = np.zeros((_HOURS, *self._archive.grid.shape))
        days = np.zeros((_HOURS, *self._archive.grid.shape), dtype=np.int32)
        for first in range(0, len(kept), _READ_AT_ONCE):
            several = kept[first : first + _READ_AT_ONCE]
            frames = self._archive.read([name], several)[:, 0]
            for time, frame in zip(several, frames, strict=True):
                finite = np.isfinite(frame)
                total[time.hour] += np.where(finite, frame, 0.0)
                days[time.hour] += finite
        mean = np.full(total.shape, np.nan, dtype=np.float32)
        np.divide(total, days, out=mean, where=days >= self._minimum, casting="same_kind")
        return mean, days

    def _save(
        self, month: int, fields: dict[str, NDArray[np.float32]], about: dict[str, object]
    ) -> None:
        digest = hashlib.sha256()
        for name, mean in fields.items():
            digest.update(name.encode())
            digest.update(mean.tobytes())
        text = json.dumps({**about, "sha256": digest.hexdigest()})
        try:
            with claim(self._path(month), _WAIT) as held:
                with held.temporary.open("wb") as file:
                    np.savez_compressed(file, allow_pickle=False, about=np.array(text), **fields)
                held.place(self._path(month))
        except (OSError, ProductError) as error:
            raise VerificationError(f"cannot write the climatology: {error}") from error
        self._months.pop(month, None)
        self._identities.pop(month, None)


def _months_within(
    span: tuple[datetime, datetime], month: int
) -> Iterable[tuple[datetime, datetime]]:
    """First and last moment of that month in every year of a span, cut to the span."""
    first, last = span
    for year in range(first.year, last.year + 1):
        start = datetime(year, month, 1, tzinfo=UTC)
        end = _last_of(start)
        if start <= last and end >= first:
            yield max(start, first), min(end, last)


def _last_of(time: datetime) -> datetime:
    """The last hour of that month."""
    year, month = time.year + time.month // 12, time.month % 12 + 1
    return datetime(year, month, 1, tzinfo=UTC) - HOUR
