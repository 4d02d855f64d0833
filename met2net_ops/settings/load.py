"""Reading `met2net.toml`; what does not hold is named, with a guess at what was meant."""

from __future__ import annotations

import difflib
import os
import tomllib
from typing import TYPE_CHECKING

from pydantic import ValidationError
from pydantic_settings import SettingsError as EnvironmentSettingsError

from met2net_ops.errors import SettingsError
from met2net_ops.settings.model import ENVIRONMENT_PREFIX, Settings, list_sections, sections

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pydantic_core import ErrorDetails


_SECRET = frozenset({"url"})  # may hold a key or a password; errors are logged and served
_OTHER_ENVIRONMENT = frozenset({"MET2NET_WORKSPACE", "MET2NET_DEBUG"})


def load_settings(path: Path) -> Settings:
    """Read and check a `met2net.toml`.

    Raises:
        SettingsError: unreadable, not TOML, unknown keys or bad values, each one named.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"cannot read {path}: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path} is not valid TOML: {error}") from error
    _refuse_unknown_environment()
    try:
        return Settings(**values)
    except (ValidationError, EnvironmentSettingsError) as error:
        lines = (
            [_explain(item) for item in error.errors()]
            if isinstance(error, ValidationError)
            else [f"  {error}"]
        )
        raise SettingsError("\n".join([f"{path} does not hold:", *lines])) from error


def _refuse_unknown_environment() -> None:
    """A misspelt variable would otherwise be ignored in silence."""
    for variable in os.environ:
        name, _, _ = variable.removeprefix(ENVIRONMENT_PREFIX).partition("__")
        if (
            variable.startswith(ENVIRONMENT_PREFIX)
            and variable not in _OTHER_ENVIRONMENT
            and name.lower() not in Settings.model_fields
        ):
            known = [f"{ENVIRONMENT_PREFIX}{field.upper()}" for field in Settings.model_fields]
            guess = _did_you_mean(f"{ENVIRONMENT_PREFIX}{name}", known)
            raise SettingsError(
                f"the environment variable {variable} is no setting{guess}; unset or correct it"
            )


def _explain(item: ErrorDetails) -> str:
    where = ".".join(str(part) for part in item["loc"])
    variable = ENVIRONMENT_PREFIX + "__".join(str(part).upper() for part in item["loc"])
    origin = f" (from {variable} in the environment)" if variable in os.environ else ""
    if item["type"] != "extra_forbidden":
        message = item["msg"].removeprefix("Value error, ")
        told = isinstance(item["input"], str | int | float) and item["loc"][-1] not in _SECRET
        given = f", not {item['input']!r}" if told else ""
        return f"  {where}{origin}: {message}{given}"
    section = {**sections(), **list_sections()}.get(str(item["loc"][0]), Settings)
    guess = _did_you_mean(str(item["loc"][-1]), section.model_fields)
    return f"  {where}{origin}: no such setting{guess}"


def _did_you_mean(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return f", did you mean {close[0]}?" if close else ""
