"""What is compared: each arm is a method, a network and the options it differs in."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, cast

from met2net_ops.errors import SettingsError
from met2net_ops.models.met2net.initialisation import initialise_as_published
from met2net_ops.models.met2net.network import Met2Net
from met2net_ops.models.training.end_to_end import EndToEnd
from met2net_ops.models.training.methods import build_method
from met2net_ops.models.training.settings import (
    DataSettings,
    NetworkSettings,
    RunSettings,
    TrainingSettings,
)
from research.stacked import build_stacked
from research.tied import TiedTwoStage

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from torch import Tensor

    from met2net_ops.models.met2net.config import NetworkConfig
    from met2net_ops.models.training.methods import MethodBuilder

Group = Literal["methods", "options"]

SYNTHETIC = DataSettings(
    variables=("t2m", "u10", "v10", "msl"),
    train=("2019-01-01..2019-12-31T23", "2020-01-01..2020-09-30T23"),
    validation=("2020-10-11..2020-12-31T23",),
    test=("2023-01-01..2023-12-31T23",),
    guard_hours=240.0,
    static="naturerun",
)
"""Years of the synthetic atmosphere, each from a seed of its own."""


@dataclass(frozen=True)
class Budget:
    """What every arm gets, and how it is judged.

    Attributes:
        steps: optimiser steps; the cosine ends with them.
        batch: windows per step.
        seeds: how many runs of each of the three methods, with seeds 0, 1, 2, …
        option_seeds: the same for every option.
        test_windows: forecasts that are scored, evenly spaced over the test period.
        hid_s: channels of Met2Net's encoders.
        hid_t: channels of its translator.
        n_t: its translator blocks.
        data: variables and periods.
    """

    steps: int = 800
    batch: int = 2
    seeds: int = 3
    option_seeds: int = 1
    test_windows: int = 120
    hid_s: int = 8
    hid_t: int = 64
    n_t: int = 2
    data: DataSettings = SYNTHETIC

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "seeds", "test_windows"):
            if getattr(self, name) < 1:
                raise SettingsError(f"{name} is {getattr(self, name)}, must be at least 1")
        if self.option_seeds < 0:
            raise SettingsError(f"option_seeds is {self.option_seeds}, must be at least 0")


@dataclass(frozen=True)
class Arm:
    """One thing that is compared.

    Attributes:
        name: folder of its runs, and its name on the command line.
        title: what the page calls it.
        group: one of the three methods, or an option tried on one of them.
        builder: makes the network and its training step.
        network: settings that differ from the published ones.
        run: the same for the run.
        steps_factor: steps relative to the budget's.
    """

    name: str
    title: str
    group: Group
    builder: MethodBuilder
    network: Mapping[str, Any]
    run: Mapping[str, Any]
    steps_factor: float = 1.0

    def settings(self, budget: Budget, seed: int) -> TrainingSettings:
        """The run's settings: as published but for budget and size, then this arm's changes."""
        steps = round(budget.steps * self.steps_factor)
        network = NetworkSettings(hid_s=budget.hid_s, hid_t=budget.hid_t, n_t=budget.n_t)
        run = RunSettings(
            steps=steps,
            batch=budget.batch,
            seed=seed,
            validate_steps=max(1, steps // 4),
            validation_windows=16,
            checkpoint_minutes=2.0,
        )
        return TrainingSettings(
            name=self.name,
            description=self.title,
            data=budget.data,
            network=replace(network, **self.network),
            run=replace(run, **self.run),
        )

    def seeds(self, budget: Budget) -> range:
        """Which seeds it runs with."""
        return range(budget.seeds if self.group == "methods" else budget.option_seeds)


def build_stacked_method(
    run: RunSettings, config: NetworkConfig, weights: Tensor | None
) -> EndToEnd:
    """The stacked baseline and the plain step; it has no second stage."""
    network = build_stacked(config)
    if run.init == "published":
        initialise_as_published(network)
    # The plain step calls the network and nothing inside it.
    return EndToEnd(cast("Met2Net", network), weights)


def build_tied_method(
    run: RunSettings, config: NetworkConfig, weights: Tensor | None
) -> TiedTwoStage:
    """The two-stage step that also restores its targets."""
    network = Met2Net(config)
    if run.init == "published":
        initialise_as_published(network)
    return TiedTwoStage(
        network, run.momentum, run.momentum_update, weights, momentum_of=run.momentum_of
    )


_PLAIN = {"method": "end-to-end"}
_TWO = {"method": "two-stage"}
_CODE = {**_TWO, "momentum_of": "translator"}
_INCREMENT = {"predict": "increment"}
_FORCED = {"forcings": ("cos_zenith", "land_sea_mask")}
_ALL_NETWORK = {**_INCREMENT, **_FORCED, "periodic_longitude": True, "drop_path": 0.0}
_ALL_RUN = {
    "latitude_weighted": True, "learning_rate": 2e-3, "warmup_steps": 50, "weight_decay": 0.01,
    "clip_norm": 1.0, "ema_decay": 0.99,
}  # fmt: skip


def _arms() -> list[Arm]:
    met, stacked, tied = build_method, build_stacked_method, build_tied_method
    fast = {"learning_rate": 3e-3}
    return [
        Arm("end-to-end", "end to end", "methods", met, {}, _PLAIN),
        Arm("two-stage", "two-stage", "methods", met, {}, _TWO),
        Arm("stacked", "stacked SimVP/TAU", "methods", stacked, {}, _PLAIN),
        Arm("end-to-end.all", "end to end, all options", "options", met, _ALL_NETWORK,
            {**_PLAIN, **_ALL_RUN}),
        Arm("two-stage.all", "two-stage, all options", "options", met, _ALL_NETWORK,
            {**_TWO, **_ALL_RUN}),
        Arm("stacked.all", "stacked, all options", "options", stacked, _ALL_NETWORK,
            {**_PLAIN, **_ALL_RUN}),
        Arm("two-stage.fast", "two-stage, learning rate 3e-3", "options", met, {}, _TWO | fast),
        Arm("end-to-end.fast", "end to end, learning rate 3e-3", "options", met, {}, _PLAIN | fast),
        Arm("stacked.fast", "stacked, learning rate 3e-3", "options", stacked, {}, _PLAIN | fast),
        Arm("two-stage.m999", "two-stage, momentum 0.999", "options", met, {},
            {**_TWO, "momentum": 0.999}),
        Arm("two-stage.m0", "two-stage, momentum 0", "options", met, {}, {**_TWO, "momentum": 0.0}),
        Arm("two-stage.code", "two-stage, copy of the translator alone", "options", met, {}, _CODE),
        Arm("two-stage.published", "two-stage, as the published code", "options", met, {},
            {**_CODE, "momentum_update": "as-published"}),
        Arm("end-to-end.increment", "end to end, predicts increments", "options", met, _INCREMENT,
            _PLAIN),
        Arm("two-stage.increment", "two-stage, predicts increments", "options", met, _INCREMENT,
            _TWO),
        Arm("two-stage.tied", "two-stage, targets restored", "options", tied, {}, _TWO),
        Arm("two-stage.tied-all", "two-stage, targets restored, all options", "options",
            tied, _ALL_NETWORK, {**_TWO, **_ALL_RUN}),
        Arm("stacked.long", "stacked, three times the steps", "options", stacked, {}, _PLAIN, 3.0),
    ]  # fmt: skip


ARMS: dict[str, Arm] = {arm.name: arm for arm in _arms()}
"""Everything that can be compared, by name; the three methods come first."""


def choose(names: list[str] | None) -> list[Arm]:
    """Arms by name, all of them by default.

    Raises:
        SettingsError: an unknown name.
    """
    unknown = [name for name in names or [] if name not in ARMS]
    if unknown:
        raise SettingsError(f"no arm is called {', '.join(unknown)}; known: {', '.join(ARMS)}")
    return [ARMS[name] for name in names] if names else list(ARMS.values())
