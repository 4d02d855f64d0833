"""Training settings: a frozen description, read from TOML; unknown keys are refused."""

from __future__ import annotations

import dataclasses
import math
import tomllib
from dataclasses import dataclass, field
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Literal, get_type_hints

from met2net_ops.errors import SettingsError
from met2net_ops.models.names import is_model_name
from met2net_ops.models.training.windows import Period, Split
from met2net_ops.times import parse_range

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

OUT_FOLDERS = ("run", "frames")
"""What lies in the folder of a run beside the model."""

Method = Literal["end-to-end", "two-stage"]
MomentumUpdate = Literal["after-backward", "as-published"]
MomentumOf = Literal["everything", "translator"]
Normalise = Literal["mean-std", "min-max"]
Precision = Literal["auto", "fp32", "tf32", "bf16"]
Predict = Literal["state", "increment", "daily"]


@dataclass(frozen=True)
class DataSettings:
    """What is learnt from.

    Attributes:
        variables: canonical names, in the order of the network's variable axis.
        train, validation, test: periods `A..B`, both ends included.
        guard_hours: least distance between periods of different use.
        static: where static forcings come from: `naturerun`, or a `.npz` file.
        grid: name of the only grid these settings are for; empty for any.
        normalise: to mean 0 and standard deviation 1, or so that minimum and maximum are 0 and 1.
    """

    variables: tuple[str, ...]
    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]
    guard_hours: float = 240.0
    static: str = ""
    grid: str = ""
    normalise: Normalise = "mean-std"

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


@dataclass(frozen=True)
class NetworkSettings:
    """Size and options of the network (names as in the paper).

    Attributes:
        frames: T, frames in and out.
        hid_s: channels of encoders and decoders.
        hid_t: channels of the translator.
        n_t: translator blocks.
        n_s: encoder blocks; every second one halves the sides.
        periodic_longitude: pad longitude with what lies across the seam.
        forcings: names of the known inputs beside the variables.
        drop_path: chance that a residual branch is dropped in training.
        predict: what comes out: the state, its change since the last frame, or its departure from
            yesterday's hours and today's drift (`models/daily.py`; frames must make a day).
    """

    frames: int = 12
    hid_s: int = 16
    hid_t: int = 64
    n_t: int = 4
    n_s: int = 2
    periodic_longitude: bool = False
    forcings: tuple[str, ...] = ()
    drop_path: float = 0.1
    predict: Predict = "state"


@dataclass(frozen=True)
class RunSettings:
    """How it is learnt.

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
        weight_decay: decoupled (AdamW); 0 is Adam.
        clip_norm: gradients are scaled down to this L2 norm; 0 does not.
        ema_decay: of the averaged weights that are validated and shipped; 0 ships the last ones.
        level_shift: spread of a random constant added to each training window and variable, in
            standard deviations; for short series whose level is an accident (`augment.py`).
        stretch: spread of the logarithm of a random factor by which each training window departs
            from its mean over time; for short series whose amplitude is an accident.
        rollout_steps: optimiser steps of a last phase that trains through several blocks.
        rollout_blocks: how many.
        rollout_learning_rate: its peak; it falls to `final_learning_rate`.
        rollout_batch: windows per step in that phase.
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
    momentum: float = 0.9
    momentum_update: MomentumUpdate = "after-backward"
    momentum_of: MomentumOf = "everything"
    latitude_weighted: bool = False
    steps: int = 10_000
    batch: int = 16
    learning_rate: float = 1e-3
    final_learning_rate: float = 1e-6
    warmup_steps: int = 0
    weight_decay: float = 0.0
    clip_norm: float = 0.0
    ema_decay: float = 0.0
    level_shift: float = 0.0
    stretch: float = 0.0
    rollout_steps: int = 0
    rollout_blocks: int = 2
    rollout_learning_rate: float = 1e-4
    rollout_batch: int = 4
    seed: int = 0
    validation_windows: int = 64
    validation_leads: int = 0
    test_windows: int = 240
    validate_steps: int = 500
    checkpoint_minutes: float = 10.0
    patience: int = 0
    precision: Precision = "auto"


@dataclass(frozen=True)
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

    name: str
    description: str
    data: DataSettings
    network: NetworkSettings = field(default_factory=NetworkSettings)
    run: RunSettings = field(default_factory=RunSettings)
    licence: str = "Apache-2.0"
    attribution: str = ""


def preset_names() -> list[str]:
    """The presets that ship."""
    folder = files("met2net_ops.models.training") / "presets"
    return sorted(p.name.removesuffix(".toml") for p in folder.iterdir() if p.name[-5:] == ".toml")


def load_preset(name: str, changes: Sequence[str] = ()) -> TrainingSettings:
    """The settings of a preset; `changes` as in `parse_settings`.

    Raises:
        SettingsError: no such preset, or a change that does not hold.
    """
    if name not in preset_names():
        raise SettingsError(f"no preset is called {name!r}; known: {', '.join(preset_names())}")
    path = files("met2net_ops.models.training") / "presets" / f"{name}.toml"
    return parse_settings(path.read_text(encoding="utf-8"), f"preset {name}", changes)


def load_settings(path: Path, changes: Sequence[str] = ()) -> TrainingSettings:
    """The settings of a file; `changes` as in `parse_settings`.

    Raises:
        SettingsError: unreadable, not TOML, unknown keys or values of the wrong kind.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"cannot read {path}: {error}") from error
    return parse_settings(text, str(path), changes)


def parse_settings(text: str, origin: str, changes: Sequence[str] = ()) -> TrainingSettings:
    """Read settings from TOML text; `origin` is named in errors.

    Args:
        text: TOML.
        origin: of the text.
        changes: `section.key=value`, the value in TOML; plain words need no quotation marks.

    Raises:
        SettingsError: not TOML, unknown or missing keys, or values of the wrong kind.
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{origin} is not valid TOML: {error}") from error
    for change in changes:
        _change(table, change)
    if changes:
        origin = f"{origin} with {', '.join(changes)}"
    settings: TrainingSettings = _build(TrainingSettings, table, origin)
    for problem in _problems(settings):
        raise SettingsError(f"{origin}: {problem}")
    return settings


# Least value of every number; the others are checked by the network's shape. A negative clip_norm
# would climb where it should descend, an ema_decay of 1 would ship the weights of the first moment.
_LEAST: dict[str, float] = {
    "data.guard_hours": 0,
    "network.frames": 1,
    "run.momentum": 0,
    "run.steps": 1,
    "run.batch": 1,
    "run.learning_rate": 0,
    "run.final_learning_rate": 0,
    "run.warmup_steps": 0,
    "run.weight_decay": 0,
    "run.clip_norm": 0,
    "run.ema_decay": 0,
    "run.level_shift": 0,
    "run.stretch": 0,
    "run.rollout_steps": 0,
    "run.rollout_blocks": 2,
    "run.rollout_learning_rate": 0,
    "run.rollout_batch": 1,
    "run.seed": 0,
    "run.validation_windows": 1,
    "run.validation_leads": 0,
    "run.test_windows": 1,
    "run.validate_steps": 1,
    "run.checkpoint_minutes": 0,
    "run.patience": 0,
}
_MOST: dict[str, float] = {"run.momentum": 1}
_BELOW: dict[str, float] = {"run.ema_decay": 1}


def _problems(settings: TrainingSettings) -> Iterator[str]:
    """What makes no sense in settings whose types are right."""
    name, data = settings.name, settings.data
    if not is_model_name(name):
        yield f"name is {name!r}; write lower case, digits, '.', '_' and '-' only, 64 at most"
    if name in OUT_FOLDERS:
        yield f"name is {name!r}, which --out needs for itself; choose another"
    for part in ("train", "validation"):
        if not getattr(data, part):
            yield f"data.{part} names no period"
    for key, names in (
        ("data.variables", data.variables),
        ("network.forcings", settings.network.forcings),
    ):
        repeated = sorted({each for each in names if names.count(each) > 1})
        if repeated:
            yield f"{key} names {', '.join(repeated)} twice"
    if not data.variables:
        yield "data.variables names none"
    for key, least in _LEAST.items():
        section, _, field_name = key.partition(".")
        value = getattr(getattr(settings, section), field_name)
        if not (least <= value and math.isfinite(value)):
            yield f"{key} is {value}, must be at least {least:g} and finite"
        if value > _MOST.get(key, math.inf):
            yield f"{key} is {value}, must be at most {_MOST[key]:g}"
        if value >= _BELOW.get(key, math.inf):
            yield f"{key} is {value}, must be below {_BELOW[key]:g}"


def _change(table: dict[str, Any], change: str) -> None:
    key, separator, value = (part.strip() for part in change.partition("="))
    *sections, name = key.split(".")
    if not separator or not all((*sections, name)):
        raise SettingsError(f"cannot read the change {change!r}; write section.key=value")
    for section in sections:
        table = table.setdefault(section, {})
        if not isinstance(table, dict):
            raise SettingsError(f"cannot change {key}: {section} is no section")
    try:
        table[name] = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        table[name] = value


def _build(kind: Any, table: dict[str, Any], where: str) -> Any:
    """A frozen data class from a TOML table, every key and type checked."""
    hints = get_type_hints(kind)
    unknown = sorted(set(table) - set(hints))
    if unknown:
        raise SettingsError(f"{where}: unknown {', '.join(unknown)}; known: {', '.join(hints)}")
    values: dict[str, Any] = {}
    for item in dataclasses.fields(kind):
        if item.name not in table:
            required = (
                item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING
            )
            if required:
                raise SettingsError(f"{where}: {item.name} is missing")
            continue
        values[item.name] = _convert(hints[item.name], table[item.name], f"{where}: {item.name}")
    return kind(**values)


def _convert(hint: Any, value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(hint) and isinstance(value, dict):
        return _build(hint, value, where)
    if getattr(hint, "__origin__", None) is Literal:
        if value not in hint.__args__:
            raise SettingsError(f"{where} is {value!r}; one of {', '.join(hint.__args__)}")
        return value
    if getattr(hint, "__origin__", None) is tuple:
        if isinstance(value, list) and all(isinstance(part, str) for part in value):
            return tuple(value)
        raise SettingsError(f"{where} must be a list of strings, not {value!r}")
    if hint is float and type(value) is int:
        return float(value)
    if type(value) is not hint:
        raise SettingsError(f"{where} must be {hint.__name__}, not {value!r}")
    return value
