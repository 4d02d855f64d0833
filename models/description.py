"""`model.json`: what a trained model is, needs and produces."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from met2net_ops.errors import GridError, ModelError
from met2net_ops.grids import LatLonGrid
from met2net_ops.models.forcings import FORCINGS, STATIC_FORCINGS
from met2net_ops.models.linear import LEAST_DAYS, frames_per_day
from met2net_ops.models.met2net.config import NetworkConfig
from met2net_ops.models.names import MODEL_NAME
from met2net_ops.variables import VARIABLES

if TYPE_CHECKING:
    from collections.abc import Sequence

Name = Annotated[str, Field(pattern=MODEL_NAME)]

_DAY_HOURS = 24


class _Part(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False
    )


class GridDescription(_Part):
    """The six numbers of a regular latitude-longitude grid, and its name."""

    name: str
    north: float
    west: float
    dlat: float
    dlon: float
    nlat: int
    nlon: int

    @classmethod
    def of(cls, grid: LatLonGrid) -> Self:
        """Describe a grid."""
        return cls(
            name=grid.name, north=grid.north, west=grid.west,
            dlat=grid.dlat, dlon=grid.dlon, nlat=grid.nlat, nlon=grid.nlon,
        )  # fmt: skip

    def grid(self) -> LatLonGrid:
        """The grid described."""
        return LatLonGrid(
            self.north, self.west, self.dlat, self.dlon, self.nlat, self.nlon, self.name
        )


class NetworkDescription(_Part):
    """What the network's shape needs beyond variables, grid and frames."""

    hid_s: int
    """Channels of encoders and decoders (hid_S)."""
    hid_t: int
    """Channels of the translator (hid_T)."""
    n_t: int
    """Translator blocks (N_T)."""
    n_s: int
    """Encoder and decoder blocks (N_S)."""
    drop_path: float = 0.1
    """Used in training only."""
    periodic_longitude: bool = False
    """Convolutions wrap east-west."""


class Normalisation(_Part):
    """normalised = (physical - offset) / scale."""

    offset: float
    """In the variable's unit: the mean, or the minimum."""
    scale: float = Field(gt=0)
    """In the variable's unit: the standard deviation, or the range."""


class ModelDescription(_Part):
    """All of `model.json`."""

    format: Literal[1] = 1
    """Version of this layout."""
    name: Name
    """Names the folder, the products and the checks: lower case, digits, `.`, `_`, `-`."""
    kind: Literal["met2net"] = "met2net"
    """The network's family."""
    variables: tuple[str, ...]
    """Canonical names, in the network's order."""
    grid: GridDescription
    """The grid it works on."""
    rows: Literal["north_first", "south_first"] = "north_first"
    """Order of latitudes the network was trained on; WeatherBench files begin in the south. Frames
    always come north first and are turned for the network where needed."""
    step_hours: int = Field(default=1, ge=1)
    """Hours between frames and between leads."""
    input_frames: int = Field(ge=1)
    """T: frames in, and leads per block."""
    network: NetworkDescription
    """Shape of the network."""
    normalisation: dict[str, Normalisation]
    """One entry per variable."""
    predict: Literal["state", "increment", "daily", "linear"] = "state"
    """`state`: the output is the normalised field. `increment`: physical = last input frame +
    output x increment_scale. `daily`: physical = the frame of the same hour yesterday +
    daily_memory x the change since yesterday + output x increment_scale (models/diurnal.py).
    `linear`: physical = the forecast of linear-online + output x increment_scale
    (models/linear.py)."""
    increment_scale: dict[str, tuple[float, ...]] = {}
    """Per variable, one number per lead of a block, in its unit; not with `state`."""
    daily_memory: dict[str, tuple[float, ...]] = {}
    """Per variable, one number per lead of a block; only with `daily`."""
    clip: dict[str, tuple[float | None, float | None]] = {}
    """Per variable, lowest and highest value a forecast gives; the network's own feedback is not
    clipped."""
    forcings: tuple[str, ...] = ()
    """Input-only fields at the target times, by name (`met2net_ops.models.forcings`)."""
    weights_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    """Of `weights.safetensors`."""
    licence: str = "not stated"
    """Terms under which the weights may be used."""
    training: dict[str, Any] = {}
    """Summary of where the weights come from; the card has more."""

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        try:
            self.network_config()
        except (GridError, ModelError) as error:
            raise ValueError(str(error)) from error
        for problem in self._problems():
            raise ValueError(problem)
        return self

    def _problems(self) -> list[str]:
        unknown = [name for name in self.variables if name not in VARIABLES]
        strange = [name for name in self.forcings if name not in FORCINGS | STATIC_FORCINGS]
        increments = set(self.variables) if self.predict != "state" else set()
        daily = set(self.variables) if self.predict == "daily" else set()
        checks = {
            f"variables must be different names of the table, not {unknown or 'these'}": (
                bool(unknown)
                or not self.variables
                or len(set(self.variables)) != len(self.variables)
            ),
            f"normalisation must have one entry per variable ({', '.join(self.variables)})": (
                set(self.normalisation) != set(self.variables)
            ),
            f"no forcing is called {', '.join(strange)}": bool(strange),
            "forcings are repeated": len(set(self.forcings)) != len(self.forcings),
            "increment_scale must have one entry per variable unless predict is state": (
                set(self.increment_scale) != increments
            ),
            f"daily_memory must have {self.input_frames} numbers per variable if, and only if, "
            "predict is daily": set(self.daily_memory) != daily
            or any(len(part) != self.input_frames for part in self.daily_memory.values()),
            "with daily, input_frames must make 24 hours": self.predict == "daily"
            and self.input_frames * self.step_hours != _DAY_HOURS,
            f"increment_scale must have {self.input_frames} numbers of 0 or more per variable": any(
                len(scale) != self.input_frames or min(scale) < 0
                for scale in self.increment_scale.values()
            ),
            "linear needs several frames a day, and no angles": self.predict == "linear"
            and (
                frames_per_day(self.step) is None
                or any(VARIABLES[name].circular for name in self.variables if name not in unknown)
            ),
            "clip names a variable the model does not have": not set(self.clip).issubset(
                self.variables
            ),
            "clip must give a low below its high": any(
                low is not None and high is not None and low >= high
                for low, high in self.clip.values()
            ),
        }
        return [problem for problem, wrong in checks.items() if wrong]

    @property
    def step(self) -> timedelta:
        """Time between frames."""
        return timedelta(hours=self.step_hours)

    @property
    def window_frames(self) -> int:
        """Frames that a forecast needs: those that the network reads, or the base forecast's."""
        if self.predict != "linear":
            return self.input_frames
        return max(self.input_frames, LEAST_DAYS * (frames_per_day(self.step) or 1))

    def network_config(self) -> NetworkConfig:
        """The network's full shape."""
        grid = self.grid.grid()
        return NetworkConfig(
            input_frames=self.input_frames,
            variables=len(self.variables),
            height=grid.nlat,
            width=grid.nlon,
            forcings=len(self.forcings),
            **self.network.model_dump(),
        )


def describe_network(config: NetworkConfig) -> NetworkDescription:
    """The part of a network's shape that `model.json` keeps under `network`."""
    return NetworkDescription(
        hid_s=config.hid_s, hid_t=config.hid_t, n_t=config.n_t, n_s=config.n_s,
        drop_path=config.drop_path, periodic_longitude=config.periodic_longitude,
    )  # fmt: skip


def natural_bounds(variables: Sequence[str]) -> dict[str, tuple[float | None, float | None]]:
    """Bounds that a field cannot leave by its definition, for `clip`.

    >>> natural_bounds(["t2m", "tcc"])
    {'tcc': (0.0, 1.0)}
    """
    bounds: dict[str, tuple[float | None, float | None]] = {
        "tcc": (0.0, 1.0), "tp": (0.0, None), "r1000": (0.0, None),
    }  # fmt: skip
    return {name: bounds[name] for name in variables if name in bounds}
