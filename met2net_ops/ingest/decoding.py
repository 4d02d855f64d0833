"""One file to packed frames on the model grid, with a verdict for every field in it."""

from __future__ import annotations

import hashlib
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from met2net_ops.archive import codec
from met2net_ops.archive.codec import EncodedFrame
from met2net_ops.catalog.origin import Origin
from met2net_ops.errors import GridError, IngestError
from met2net_ops.grib.decode import GridCache
from met2net_ops.grib.header_cache import HeaderCache
from met2net_ops.grib.inventory import inventory
from met2net_ops.grib.reader import read_fields
from met2net_ops.grib.records import Inventory, MessageRecord, SourceField, Verdict, VerdictKind
from met2net_ops.grib.scan import ByteSource, scan
from met2net_ops.ingest.messages import DecodedFrame, FieldRefusal, FileStamp, Tally, TimeBegun
from met2net_ops.remap.remapper import Remapper, choose_method
from met2net_ops.remap.weights import remap
from met2net_ops.times import format_time
from met2net_ops.variables import variable

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Collection, Iterator

    from met2net_ops.ingest.fingerprint import DecodeSettings

_BLOCK = 4 << 20
_OTHER_TIME = "another valid time"
_CRASHED = "the decoder crashed or hung on a field of its valid time"


class FileDecoder:
    """Decodes file after file for one recipe; keeps what one has in common with the next."""

    def __init__(self, recipe: DecodeSettings) -> None:
        self._recipe = recipe
        self._remapper = Remapper(recipe.grid, recipe.weights)
        self._grids = GridCache()
        self._headers = HeaderCache()
        self._stamped: FileStamp | None = None
        self._digests: dict[int, bytes] = {}  # of the messages of that file, by offset

    def stamp(self, path: Path) -> FileStamp:
        """Hash a file, message by message, so that no byte has to be hashed twice.

        Raises:
            IngestError: it cannot be read, or changes meanwhile.
        """
        with ByteSource(path) as source:
            whole, self._digests, done = hashlib.sha256(), {}, 0
            for part in scan(source):
                if part.offset > done:
                    whole.update(_digest(source, done, part.offset - done))
                self._digests[part.offset] = _digest(source, part.offset, part.length)
                whole.update(self._digests[part.offset])
                done = part.offset + part.length
            if done < source.size:
                whole.update(_digest(source, done, source.size - done))
            after = path.stat()
        if _identity(source.status) != _identity(after):
            raise IngestError(
                f"{path} changed while it was read; it will be read when it is complete"
            )
        self._stamped = FileStamp(str(path), after.st_size, after.st_mtime_ns, whole.hexdigest())
        return self._stamped

    def decode(self, file: FileStamp) -> Iterator[DecodedFrame | Tally]:
        """Yield the frames in a file, and at the end how everything in it was judged.

        Raises:
            IngestError: the file cannot be read, or has changed since it was stamped.
        """
        listed = inventory(Path(file.path), self._headers)
        verdicts = _Verdicts(listed)
        yield from self._frames(file, verdicts, self._off_axis)
        _check_unchanged(file)
        yield verdicts.tally()

    def decode_by_time(
        self, file: FileStamp, lost: Collection[datetime | None]
    ) -> Iterator[TimeBegun | DecodedFrame | Tally]:
        """As `decode`, announcing each valid time and leaving out those that are `lost`."""
        listed = inventory(Path(file.path), self._headers)
        verdicts = _Verdicts(listed)
        for time in dict.fromkeys(record.valid_time for record in listed.records):
            if time in lost:
                verdicts.refuse_time(time, _CRASHED)
                continue
            yield TimeBegun(time)

            def skip(record: MessageRecord, time: datetime | None = time) -> str | None:
                return self._off_axis(record) if record.valid_time == time else _OTHER_TIME

            yield from self._frames(file, verdicts, skip)
        _check_unchanged(file)
        yield verdicts.tally()

    def _frames(
        self, file: FileStamp, verdicts: _Verdicts, skip: Callable[[MessageRecord], str | None]
    ) -> Iterator[DecodedFrame]:
        path, variables = Path(file.path), self._recipe.variables
        if self._stamped != file and self.stamp(path) != file:
            raise IngestError(f"{path} changed while it was read; it will be read again")
        found = read_fields(
            path, variables, inventory=verdicts.listed, skip=skip, grids=self._grids
        )
        for item in found:
            if isinstance(item, Verdict):
                verdicts.enter(item)
                continue
            try:
                frame = self._frame(file, item)
            except GridError as error:
                verdicts.drop(item, VerdictKind.REFUSED, str(error))
                continue
            if frame is None:
                grid = self._recipe.grid.name or "wanted"
                verdicts.drop(
                    item, VerdictKind.NOT_WANTED, f"no point of grid {grid} lies in its area"
                )
                continue
            verdicts.keep(item)
            yield frame

    def _off_axis(self, record: MessageRecord) -> str | None:
        midnight = datetime(1970, 1, 1, tzinfo=UTC)
        if record.valid_time and (record.valid_time - midnight) % self._recipe.step:
            return f"its time is not a multiple of {self._recipe.step}"
        return None

    def _digest(self, path: str, field: SourceField) -> str:
        offsets = sorted({record.offset for record in field.inputs})
        digests = [self._digests[offset] for offset in offsets if offset in self._digests]
        if len(digests) < len(offsets):
            raise IngestError(f"{path} changed while it was read; it will be read again")
        if len(digests) == 1:
            return digests[0].hex()
        return hashlib.sha256(b"".join(digests)).hexdigest()

    def _frame(self, file: FileStamp, field: SourceField) -> DecodedFrame | None:
        row = variable(field.variable)
        method = choose_method(field.grid, self._recipe.grid, row)
        values = remap(row, field.values, self._remapper.weights(field.grid, method))
        missing = int(np.isnan(values).sum())
        if missing == values.size:
            return None
        little = values.astype("<f4", copy=False)
        origin = Origin(
            variable=field.variable,
            valid_time=field.valid_time,
            path=file.path,
            file_sha256=file.sha256,
            file_mtime_ns=file.mtime_ns,
            message=field.record.message,
            field=field.record.field,
            message_sha256=self._digest(file.path, field),
            inputs=tuple(record.field for record in field.inputs),
            method=field.method,
            kind=field.kind,
            reference_time=field.reference_time,
            lead=field.lead,
            expver=field.expver,
            missing_points=missing,
            frame_sha256=hashlib.sha256(little.tobytes()).hexdigest(),
            recorded_at=datetime.now(UTC),
        )
        frame = EncodedFrame(field.variable, field.valid_time, codec.encode(little[None]))
        return DecodedFrame(frame, origin, field.warnings)


class _Verdicts:
    """The verdicts of one file, one per field and damaged byte range."""

    def __init__(self, listed: Inventory) -> None:
        self.listed = listed
        self._fields: dict[int, tuple[VerdictKind, str]] = {}
        self._dropped: dict[int, tuple[VerdictKind, str]] = {}
        self._kept: set[int] = set()

    def keep(self, field: SourceField) -> None:
        """A field gave a frame."""
        self._kept.update(record.field for record in field.inputs)

    def drop(self, field: SourceField, outcome: VerdictKind, reason: str) -> None:
        """A field was decoded but gives no frame."""
        self._dropped.update({record.field: (outcome, reason) for record in field.inputs})

    def enter(self, verdict: Verdict) -> None:
        """Note what became of a field; damage is in the inventory already."""
        if verdict.record is None or verdict.reason == _OTHER_TIME:
            return
        field, judged = verdict.record.field, (verdict.outcome, verdict.reason)
        if verdict.outcome is VerdictKind.TAKEN and field not in self._kept:
            judged = self._dropped.get(field, judged)
        self._fields[field] = judged

    def refuse_time(self, time: datetime | None, reason: str) -> None:
        """All fields of a valid time are refused."""
        for record in self.listed.records:
            if record.valid_time == time:
                self._fields[record.field] = (VerdictKind.REFUSED, reason)

    def tally(self) -> Tally:
        """Everything that is in the file, counted."""
        verdicts = Counter(self._fields.values())
        refusals = []
        for damage in self.listed.damage:
            verdicts[VerdictKind.REFUSED, damage.reason] += 1
            refusals.append(FieldRefusal(damage.offset, damage.length, damage.reason))
        for record in self.listed.records:
            outcome, reason = self._fields[record.field]
            if outcome is VerdictKind.REFUSED:
                refusals.append(FieldRefusal(record.offset, record.length, _named(record, reason)))
        fields, damaged = len(self.listed.records), len(self.listed.damage)
        return Tally(fields, damaged, verdicts, tuple(refusals))


def _identity(status: os.stat_result) -> tuple[int, ...]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _check_unchanged(file: FileStamp) -> None:
    status = Path(file.path).stat()
    if (status.st_size, status.st_mtime_ns) != (file.size, file.mtime_ns):
        raise IngestError(f"{file.path} changed while it was read; it will be read again")


def _named(record: MessageRecord, reason: str) -> str:
    what = record.variable or record.short_name
    when = f" {format_time(record.valid_time)}" if record.valid_time else ""
    return f"field {record.field} ({what}{when}): {reason}"


def _digest(source: ByteSource, offset: int, length: int) -> bytes:
    digest = hashlib.sha256()
    end = offset + length
    while offset < end and (block := source.read(offset, min(end - offset, _BLOCK))):
        digest.update(block)
        offset += len(block)
    return digest.digest()
