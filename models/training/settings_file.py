"""Reading training settings: presets and TOML files, with changes from the command line."""

from __future__ import annotations

import tomllib
from dataclasses import fields
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from met2net_ops.errors import SettingsError
from met2net_ops.models.training.settings import (
    DataSettings,
    NetworkSettings,
    RunSettings,
    TrainingSettings,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pydantic_core import ErrorDetails

_SECTIONS = {"data": DataSettings, "network": NetworkSettings, "run": RunSettings}
_BOUNDS = {
    "greater_than_equal": ("at least", "ge"),
    "less_than_equal": ("at most", "le"),
    "less_than": ("below", "lt"),
}
_KINDS = {
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "a string",
    "tuple_type": "a list of strings",
    "dataclass_type": "a section of settings",
}


def preset_names() -> list[str]:
    """The presets that ship."""
    folder = files("met2net_ops.models.training") / "presets"
    return sorted(p.name.removesuffix(".toml") for p in folder.iterdir() if p.name[-5:] == ".toml")


def load_preset(name: str, changes: Sequence[str] = ()) -> TrainingSettings:
    """The settings of a preset; `changes` as in `parse_settings`.

    Raises:
        SettingsError: no such preset, or an invalid change.
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
    table.setdefault("description", "")  # the card then tells of data and settings alone
    for change in changes:
        _change(table, change)
    if changes:
        origin = f"{origin} with {', '.join(changes)}"
    try:
        return TypeAdapter(TrainingSettings).validate_python(table)
    except ValidationError as error:
        problems = "; ".join(_explain(item) for item in error.errors())
        raise SettingsError(f"{origin}: {problems}") from error


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


def _explain(item: ErrorDetails) -> str:
    """One problem, its key as in `--set`."""
    *sections, name = map(str, item["loc"])
    key, kind, given = ".".join((*sections, name)), item["type"], item["input"]
    context = item.get("ctx", {})
    if kind == "missing":
        return f"{key} is missing"
    if kind == "unexpected_keyword_argument":
        section = _SECTIONS[sections[0]] if sections else TrainingSettings
        known = ", ".join(part.name for part in fields(section))
        return f"{': '.join((*sections, f'unknown {name}'))}; known: {known}"
    if kind == "value_error":
        return f"{key} {context['error']}"
    if kind == "literal_error":
        return f"{key} is {given!r}; write {context['expected']}"
    if kind in _BOUNDS:
        relation, bound = _BOUNDS[kind]
        return f"{key} is {given}, must be {relation} {context[bound]:g}"
    if kind == "finite_number":
        return f"{key} is {given}, must be finite"
    return f"{key} must be {_KINDS.get(kind, kind)}, not {given!r}"
