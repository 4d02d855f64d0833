"""What a product says about itself: everything in the file but its fields."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from met2net_ops.errors import ProductError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from met2net_ops.grids import LatLonGrid

Scalar = str | int | float | bool

_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class InputFrame:
    """One field of the window a forecast started from.

    Attributes:
        variable: canonical name.
        time: valid time.
        sha256: of the float32 values as the model received them (hexadecimal).
        origin: where it came from, as the archive knows it; "" if it does not.
        filled: whether it was interpolated in time because the archive lacks it.
    """

    variable: str
    time: datetime
    sha256: str
    origin: str = ""
    filled: bool = False


@dataclass(frozen=True)
class ProductHeader:
    """Identity, axes and provenance of one forecast.

    Attributes:
        model: name of the forecaster.
        model_checksum: SHA-256 of its weights and description, "" if it has none.
        reference_time: valid time of the last input frame.
        step: time between leads, whole hours.
        leads: how many leads; lead n is valid at reference_time + n · step.
        variables: canonical names, in the order of the file.
        grid: the model's grid.
        inputs: the window's fields with hashes and origins.
        device: on what the rollout ran.
        precision: its arithmetic.
        software_version: of this package.
        created: when the file was written, to the second.
        references: published work on the model.
        institution: who made the forecast.
        licence: terms of use.
        attributions: what the sources of the input ask to be shown, with their licences.
        settings: the settings that shape values or publication.
        timings: seconds per stage.
        findings: what the gate remarked on.
        rejected: whether the gate kept it from being published.
    """

    model: str
    model_checksum: str
    reference_time: datetime
    step: timedelta
    leads: int
    variables: tuple[str, ...]
    grid: LatLonGrid
    inputs: tuple[InputFrame, ...]
    device: str
    precision: str
    software_version: str
    created: datetime
    references: str = ""
    institution: str = "unknown"
    licence: str = "not stated"
    attributions: tuple[str, ...] = ()
    settings: Mapping[str, Scalar] = field(default_factory=dict)
    timings: Mapping[str, float] = field(default_factory=dict)
    findings: tuple[str, ...] = ()
    rejected: bool = False

    def __post_init__(self) -> None:
        if self.step < _HOUR or self.step % _HOUR:
            raise ProductError(f"products have leads of whole hours, not of {self.step}")

    @property
    def step_hours(self) -> int:
        """Hours between leads."""
        return self.step // _HOUR

    @property
    def lead_times(self) -> tuple[timedelta, ...]:
        """One per lead, ascending."""
        return tuple(self.step * (lead + 1) for lead in range(self.leads))

    @property
    def valid_times(self) -> tuple[datetime, ...]:
        """One per lead, ascending."""
        return tuple(self.reference_time + lead for lead in self.lead_times)

    @property
    def filled(self) -> tuple[InputFrame, ...]:
        """Input fields that were interpolated in time."""
        return tuple(frame for frame in self.inputs if frame.filled)

    @property
    def input_hash(self) -> str:
        """SHA-256 over what the model received: names, times, values, what was filled."""
        return input_hash(self.inputs)

    def covers(self, other: ProductHeader) -> bool:
        """Whether both come from the same model, input and arithmetic, and no lead is lacking."""

        def identity(header: ProductHeader) -> tuple[object, ...]:
            return (
                header.model,
                header.model_checksum,
                header.reference_time,
                header.step,
                header.variables,
                header.grid,
                header.precision,
                header.input_hash,
            )

        return self.leads >= other.leads and identity(self) == identity(other)


def input_hash(inputs: tuple[InputFrame, ...]) -> str:
    """SHA-256 (hexadecimal) over names, times, values and filling of a window's fields."""
    digest = hashlib.sha256()
    for frame in inputs:
        time = frame.time.astimezone(UTC).isoformat()
        digest.update(f"{frame.variable} {time} {frame.sha256} {frame.filled:d}\n".encode())
    return digest.hexdigest()
