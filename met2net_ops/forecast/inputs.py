"""What a forecast was fed with, for its provenance: hashes and origins of the window's fields."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from met2net_ops.products.header import InputFrame

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from met2net_ops.catalog.origins import Catalog, Origin
    from met2net_ops.forecast.window import Window


@dataclass(frozen=True, slots=True)
class KnownOrigin:
    """Where an archived frame came from.

    Attributes:
        words: file, message and what it is.
        frame_sha256: of the values that came from there, float32 little endian.
        attribution: what must be shown where the frame is used, with its licence; "" for nothing.
    """

    words: str
    frame_sha256: str
    attribution: str = ""


class Origins(Protocol):
    """Tells where archived frames came from, as far as that is known."""

    def __call__(
        self, variables: Sequence[str], times: Sequence[datetime]
    ) -> Mapping[tuple[str, datetime], KnownOrigin]:
        """Origins by variable and valid time; unknown ones are left out."""
        ...


def no_origins(
    variables: Sequence[str],
    times: Sequence[datetime],
) -> Mapping[tuple[str, datetime], KnownOrigin]:
    """Knows of no origins."""
    return {}


def catalog_origins(catalog: Catalog) -> Origins:
    """Origins as the ingest's catalog remembers them."""
    from met2net_ops.catalog.credits import known_credits
    from met2net_ops.catalog.origins import origins

    def look_up(
        variables: Sequence[str], times: Sequence[datetime]
    ) -> Mapping[tuple[str, datetime], KnownOrigin]:
        found, sources = origins(catalog, variables, times), known_credits(catalog.engine)

        def attribution(path: str) -> str:
            owed = [str(one) for one in sources if path.startswith(one.path_prefix)]
            return owed[0] if owed else ""

        return {
            key: KnownOrigin(_in_words(origin), origin.frame_sha256, attribution(origin.path))
            for key, origin in found.items()
        }

    return look_up


@dataclass(frozen=True, slots=True)
class WindowInputs:
    """What a forecast was fed with.

    Attributes:
        frames: one entry per field of the window, in order of time and variable.
        attributions: what must be shown where the forecast is used.
    """

    frames: tuple[InputFrame, ...]
    attributions: tuple[str, ...]


def window_inputs(window: Window, origins: Origins, *, remapped: bool = False) -> WindowInputs:
    """Hashes, origins and attributions of the window's fields.

    A frame may have been written without its origin being recorded: the ingest was killed in
    between, or it came from elsewhere. An origin that gave other values is therefore not told;
    what was interpolated in time has none.

    Args:
        window: the input of a forecast.
        origins: where archived frames came from.
        remapped: the window's fields are not the archive's, so that their values tell nothing.
    """
    table = window.table
    known = origins(table.variables, table.times)
    filled = set(table.gaps)
    frames = []
    for time, fields in zip(table.times, window.values, strict=True):
        for name, field in zip(table.variables, fields, strict=True):
            key = (name, time)
            digest = hashlib.sha256(field.astype("<f4", copy=False).tobytes()).hexdigest()
            origin = known.get(key)
            if origin and (key in filled or not (remapped or origin.frame_sha256 == digest)):
                origin = None
            words = origin.words if origin else ""
            frames.append(InputFrame(name, time, digest, words, key in filled))
    owed = sorted({origin.attribution for origin in known.values()} - {""})
    return WindowInputs(tuple(frames), tuple(owed))


def _in_words(origin: Origin) -> str:
    hours = origin.lead.total_seconds() / 3600
    made = f", {origin.method}" if origin.method else ""
    return (
        f"{origin.path} message {origin.message} sha256 {origin.message_sha256[:16]} "
        f"({origin.kind.value} {origin.reference_time:%Y-%m-%dT%H}+{hours:g}h{made})"
    )
