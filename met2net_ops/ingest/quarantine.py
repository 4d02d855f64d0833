"""Keep what was refused: the bytes as they came, each beside a file that says why."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from met2net_ops.durable import replacing
from met2net_ops.errors import IngestError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from met2net_ops.ingest.messages import FieldRefusal, FileStamp

_MOST_BYTES = 64 << 20
_BLOCK = 1 << 20
_NAME_BYTES = 160  # of a file's name kept in that of a copy; file systems take 255 with the rest


def quarantine(folder: Path, file: FileStamp, refusals: Sequence[FieldRefusal]) -> list[Path]:
    """Copy refused bytes of a file; the same bytes are kept once.

    Each copy is called after the file, its hash and the offset, and has a `.json` beside it. Of a
    file that has gone or changed since it was read there is only the latter.

    Raises:
        IngestError: the folder cannot be written to.
    """
    by_place: dict[tuple[int, int], list[str]] = {}
    for refusal in refusals:
        by_place.setdefault((refusal.offset, refusal.length), []).append(refusal.reason)
    start = os.fsencode(Path(file.path).name)[:_NAME_BYTES].decode(errors="ignore")
    kept = []
    try:
        for (offset, length), reasons in by_place.items():
            name = f"{start}-{file.sha256[:12]}-{offset}"
            note = folder / f"{name}.json"
            if note.exists():
                continue
            folder.mkdir(parents=True, exist_ok=True)
            size = _copy(file, offset, min(length, _MOST_BYTES), folder / f"{name}.bin")
            facts = {
                "file": file.path,
                "file_sha256": file.sha256,
                "offset": offset,
                "length": length,
                "bytes_kept": size,
                "reasons": list(dict.fromkeys(reasons)),
                "at": datetime.now(UTC).isoformat(),
            }
            with replacing(note, text=True) as stream:
                json.dump(facts, stream, indent=2)
            kept.append(note)
    except OSError as error:
        raise IngestError(
            f"cannot keep refused bytes of {file.path} in {folder}: {error.strerror or error}. "
            "Free space, correct permissions or move what is in the way, then run the same command "
            "again."
        ) from error
    return kept


def _copy(file: FileStamp, offset: int, length: int, target: Path) -> int:
    """Copy bytes of a file, if they are still the ones that were read; says how many."""
    source = _still_there(file)
    if source is None:
        return 0
    copied = 0
    with source, replacing(target) as copy:
        source.seek(offset)
        while copied < length and (block := source.read(min(length - copied, _BLOCK))):
            copy.write(block)
            copied += len(block)
    return copied


def _still_there(file: FileStamp) -> BinaryIO | None:
    """The file, open; None if it has gone or changed."""
    try:
        stream = Path(file.path).open("rb")  # noqa: SIM115 - closed by the caller
    except OSError:
        return None
    status = os.fstat(stream.fileno())
    if (status.st_size, status.st_mtime_ns) == (file.size, file.mtime_ns):
        return stream
    stream.close()
    return None
