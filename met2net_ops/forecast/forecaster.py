"""What a forecaster is: anything that says what it needs and yields blocks of lead times."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    import numpy as np
    from numpy.typing import NDArray

    from met2net_ops.grids import LatLonGrid


@dataclass(frozen=True)
class ForecasterSpec:
    """What a forecaster is and what it needs.

    Attributes:
        name: model name; names folders and files.
        checksum: SHA-256 of the weights and description (hexadecimal), or "" if it has none.
        variables: canonical names, in the order of the window's variable axis.
        grid: the grid it works on.
        input_frames: frames in the window, the last at the reference time.
        step: time between frames and between leads.
        references: published work on the model, for the product's attributes.
    """

    name: str
    checksum: str
    variables: tuple[str, ...]
    grid: LatLonGrid
    input_frames: int
    step: timedelta = timedelta(hours=1)
    references: str = ""


@dataclass(frozen=True)
class Runtime:
    """On what and how a forecaster computes; written into every product.

    Attributes:
        device: `cpu`, `cuda:0`, … with the accelerator's name where there is one.
        precision: arithmetic of the rollout: `fp32`, `tf32`, `bf16`; `exact` if it only copies.
    """

    device: str
    precision: str


@dataclass(frozen=True)
class LeadBlock:
    """Consecutive leads of a rollout, in physical units.

    Attributes:
        first_lead: lead number of `values[:, 0]`, counted in steps; the first of all is 1.
        values: (cycle, lead, variable, latitude, longitude) float32.
    """

    first_lead: int
    values: NDArray[np.float32]


@runtime_checkable
class Forecaster(Protocol):
    """Rolls windows forward."""

    @property
    def spec(self) -> ForecasterSpec:
        """What it is and needs."""
        ...

    @property
    def runtime(self) -> Runtime:
        """On what it computes."""
        ...

    def rollout(
        self,
        window: NDArray[np.float32],
        reference_times: Sequence[datetime],
        leads: int,
    ) -> Iterator[LeadBlock]:
        """Yield blocks until `leads` leads are out; the last block may be shorter.

        Args:
            window: (cycle, frame, variable, latitude, longitude), physical units, finite.
            reference_times: one per cycle: the valid time of the last frame, UTC.
            leads: how many steps to forecast, at least 1.
        """
        ...
