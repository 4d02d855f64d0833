"""Keep what was refused: the bytes as they came, each beside a file that says why."""

from __future__ import annotations

import json
import os
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from met2net_ops.errors import IngestError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from met2net_ops.ingest.messages import FileStamp, Refusal

_MOST_BYTES = 64 << 20
_BLOCK = 1 << 20


def quarantine(folder: Path, file: FileStamp, refusals: Sequence[Refusal]) -> list[Path]:
    """Copy refused bytes of a file; the same bytes are kept once.

    Each copy is called after the file, its hash and the offset, and has a `.json` beside it.

    Raises:
        IngestError: the folder cannot be written to.
    """
    by_place: dict[tuple[int, int], list[str]] = {}
    for refusal in refusals:
        by_place.setdefault((refusal.offset, refusal.length), []).append(refusal.reason)
    kept = []
    try:
        for (offset, length), reasons in by_place.items():
            name = f"{Path(file.path).name}-{file.sha256[:12]}-{offset}"
            note = folder / f"{name}.json"
            if note.exists():
                continue
            folder.mkdir(parents=True, exist_ok=True)
            size = _copy(Path(file.path), offset, min(length, _MOST_BYTES), folder / f"{name}.bin")
            facts = {
                "file": file.path,
                "file_sha256": file.sha256,
                "offset": offset,
                "length": length,
                "bytes_kept": size,
                "reasons": list(dict.fromkeys(reasons)),
                "at": datetime.now(UTC).isoformat(),
            }
            _replace(note, json.dumps(facts, indent=2).encode())
            kept.append(note)
    except OSError as error:
        raise IngestError(
            f"cannot keep refused bytes of {file.path} in {folder}: {error.strerror or error}. "
            "Free space or mend permissions, then run the same command again."
        ) from error
    return kept


def _copy(source: Path, offset: int, length: int, target: Path) -> int:
    temporary = target.with_name(f".{uuid.uuid4().hex}.partial")
    copied = 0
    try:
        with source.open("rb") as stream, temporary.open("wb") as copy:
            stream.seek(offset)
            while copied < length and (block := stream.read(min(length - copied, _BLOCK))):
                copy.write(block)
                copied += len(block)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    return copied


def _replace(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{uuid.uuid4().hex}.partial")
    try:
        with temporary.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
