"""Training settings: what a run learns from, its network, and how it trains; all checked."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated, Literal

from pydantic import (
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    field_validator,
)
from pydantic.dataclasses import dataclass

from met2net_ops.models.names import is_model_name
from met2net_ops.models.training.windows import Period, Split
from met2net_ops.times import parse_range

OUT_FOLDERS = ("run", "frames")
"""Folders that a run keeps beside the model."""

Method = Literal["end-to-end", "two-stage"]
MomentumUpdate = Literal["after-backward", "as-published"]
MomentumOf = Literal["everything", "translator"]
Normalise = Literal["mean-std", "min-max"]
Precision = Literal["auto", "fp32", "tf32", "bf16"]
Predict = Literal["state", "increment", "daily", "linear"]
Init = Literal["published", "torch"]

_CONFIG = ConfigDict(extra="forbid", allow_inf_nan=False)
# Strict: TOML has types of its own, so "8" is no number and true no count.
_Names = tuple[StrictStr, ...]
_Count = Annotated[int, Field(strict=True, ge=0)]
_Positive = Annotated[int, Field(strict=True, ge=1)]
_NotNegative = Annotated[float, Field(strict=True, ge=0)]


@dataclass(frozen=True, config=_CONFIG)
class DataSettings:
    """The data and how they are split.

    Attributes:
        variables: canonical names, in the order of the network's variable axis.
        train, validation, test: periods `A..B`, both ends included.
        guard_hours: least distance between periods of different use.
        static: where static forcings come from: `naturerun`, or a `.npz` file.
        grid: name of the only grid these settings are for; empty for any.
        normalise: to mean 0 and standard deviation 1, or so that minimum and maximum are 0 and 1.
    """

    variables: _Names
    train: _Names
    validation: _Names
    test: _Names
    guard_hours: _NotNegative = 240.0
    static: StrictStr = ""
    grid: StrictStr = ""
    normalise: Normalise = "mean-std"

    @field_validator("variables")
    @classmethod
    def _distinct_variables(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if not names:
            raise ValueError("names none")
        return _distinct(names)

    @field_validator("train", "validation")
    @classmethod
    def _some_period(cls, periods: tuple[str, ...]) -> tuple[str, ...]:
        if not periods:
            raise ValueError("names no period")
        return periods

    def split(self) -> Split:
        """The periods as times.

        Raises:
            TimeFormatError: a period is not written `A..B`.
        """
        train, validation, test = (
            tuple(Period(*parse_range(text)) for text in texts)
            for texts in (self.train, self.validation, self.test)
        )
        return Split(train, validation, test)


@dataclass(frozen=True, config=_CONFIG)
class NetworkSettings:
    """Size and options of the network (names as in the paper).

    Attributes:
        frames: T, frames in and out.
        hid_s: channels of encoders and decoders.
        hid_t: channels of the translator.
        n_t: translator blocks.
        n_s: encoder blocks; every second one halves the sides.
        periodic_longitude: pad longitude with the values across the date line.
        forcings: names of the known inputs beside the variables.
        drop_path: chance that a residual branch is dropped in training.
        predict: the output: the state, its change since the last frame, or its departure from
            yesterday's hours and today's drift (`models/diurnal.py`; frames must make a day), or
            from the linear form fitted to the weeks before (`models/linear.py`).
    """

    frames: _Positive = 12
    hid_s: StrictInt = 16
    hid_t: StrictInt = 64
    n_t: StrictInt = 4
    n_s: StrictInt = 2
    periodic_longitude: StrictBool = False
    forcings: _Names = ()
    drop_path: StrictFloat = 0.1
    predict: Predict = "state"

    @field_validator("forcings")
    @classmethod
    def _distinct_forcings(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return _distinct(names)


@dataclass(frozen=True, config=_CONFIG)
class RunSettings:
    """How the network is trained.

    Attributes:
        method: the paper's two-stage step, or one loss through the whole network.
        momentum: of the slow copies, m in  copy <- m copy + (1 - m) original.
        momentum_update: after backward (exact gradients), or before it as the published code.
        momentum_of: what has a slow copy: everything, as in the paper, or the translator alone, as
            in the published code.
        latitude_weighted: weight the loss by cell area.
        steps: optimiser steps of the main phase.
        batch: windows per step.
        learning_rate: peak.
        final_learning_rate: end of the cosine.
        warmup_steps: linear rise to the peak.
        weight_decay: decoupled (AdamW), of convolution weights alone; 0 is Adam.
        clip_norm: gradients are scaled down to this L2 norm; 0 does not.
        ema_decay: of the averaged weights that are validated and shipped; 0 ships the last ones.
        level_shift: spread of a random constant added to each training window and variable, in
            standard deviations; for short series whose level is an accident (`augment.py`).
        stretch: spread of the logarithm of a random factor by which each training window departs
            from the mean of its input; for short series whose amplitude is an accident.
        rollout_steps: optimiser steps of a last phase that trains through several blocks.
        rollout_blocks: how many.
        rollout_learning_rate: its peak; it falls to `final_learning_rate`.
        rollout_batch: windows per step in that phase.
        fit_increment: keep of the network's changes to its base forecast the part that fits the
            validation windows best (`references.fit_increment`); nothing for `predict = "state"`.
        init: initial weights as the published code draws them, or torch's defaults.
        seed: of weights, shuffling and drop-path.
        validation_windows: how many validation windows are scored, evenly spaced.
        validation_leads: leads that are scored along the way and in the end; 0 is one block.
        test_windows: how many test windows are scored in the end, evenly spaced.
        validate_steps: steps between validations; each one also writes the model folder.
        checkpoint_minutes: time between checkpoints.
        patience: validations in a row without improvement after which a phase ends; 0 never.
        precision: of the arithmetic; `auto` is TF32 on CUDA and fp32 on a CPU.
    """

    method: Method = "two-stage"
    momentum: Annotated[float, Field(strict=True, ge=0, le=1)] = 0.9
    momentum_update: MomentumUpdate = "after-backward"
    momentum_of: MomentumOf = "everything"
    latitude_weighted: StrictBool = False
    steps: _Positive = 10_000
    batch: _Positive = 16
    learning_rate: _NotNegative = 1e-3
    final_learning_rate: _NotNegative = 1e-6
    warmup_steps: _Count = 0
    weight_decay: _NotNegative = 0.0
    clip_norm: _NotNegative = 0.0  # a negative one would climb where it should descend
    ema_decay: Annotated[float, Field(strict=True, ge=0, lt=1)] = 0.0  # 1 keeps the first weights
    level_shift: _NotNegative = 0.0
    stretch: _NotNegative = 0.0
    rollout_steps: _Count = 0
    rollout_blocks: Annotated[int, Field(strict=True, ge=2)] = 2
    rollout_learning_rate: _NotNegative = 1e-4
    rollout_batch: _Positive = 4
    fit_increment: StrictBool = True
    init: Init = "published"
    seed: _Count = 0
    validation_windows: _Positive = 64
    validation_leads: _Count = 0
    test_windows: _Positive = 240
    validate_steps: _Positive = 500
    checkpoint_minutes: _NotNegative = 10.0
    patience: _Count = 0
    precision: Precision = "auto"


@dataclass(frozen=True, config=_CONFIG)
class TrainingSettings:
    """One training run.

    Attributes:
        name: of the model it makes.
        description: one sentence for the card.
        data: what is learnt from.
        network: size and options.
        run: how.
        licence: terms of the weights.
        attribution: what the data's owners ask to be said.
    """

    name: StrictStr
    description: StrictStr
    data: DataSettings
    network: NetworkSettings = NetworkSettings()
    run: RunSettings = RunSettings()
    licence: StrictStr = "Apache-2.0"
    attribution: StrictStr = ""

    @field_validator("name")
    @classmethod
    def _usable_name(cls, name: str) -> str:
        if not is_model_name(name):
            raise ValueError(
                f"is {name!r}; write lower case, digits, '.', '_' and '-' only, 64 at most"
            )
        if name in OUT_FOLDERS:
            raise ValueError(f"is {name!r}, which --out needs for itself; choose another")
        return name

    def identity(self) -> str:
        """What a checkpoint must agree with; torch's initial weights were once the only ones."""
        values = asdict(self)
        del values["run"]["fit_increment"]  # of no influence on training
        if values["run"]["init"] == "torch":
            del values["run"]["init"]
        return json.dumps(values, sort_keys=True)


def _distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(f"names {', '.join(repeated)} twice")
    return names
