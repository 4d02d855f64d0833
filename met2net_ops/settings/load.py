"""Read `met2net.toml`; whatever is not valid is named, with a guess at what was meant."""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from pydantic_settings import SettingsError as EnvironmentSettingsError

from met2net_ops.errors import SettingsError
from met2net_ops.settings.model import ENVIRONMENT_PREFIX, Settings, list_sections, sections

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
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
    return check_settings(values, str(path))


def check_settings(values: Mapping[str, Any], source: str) -> Settings:
    """Settings from what `tomllib` read, overridden by the environment.

    Args:
        values: table → key → value, or a list of such tables.
        source: what to call them in an error, such as the name of their file.

    Raises:
        SettingsError: unknown keys or bad values, here or in the environment, each one named.
    """
    _refuse_unknown_environment()
    try:
        return Settings(**values)
    except ValidationError as error:
        lines = [_explain(item) for item in error.errors()]
    except EnvironmentSettingsError as error:  # says nothing but the table, in quotes
        table = (re.findall('"(.+?)"', str(error)) or [""])[0]
        example = '["t2m", "msl"]'
        where = f"{table}{_origin([table])}"
        lines = [f"  {where}: lists and tables in the environment are JSON, such as {example}"]
    raise SettingsError("\n".join([f"{source} is not valid:", *lines]))


def _refuse_unknown_environment() -> None:
    """Raise for a misspelt variable, which would otherwise be ignored."""
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
                f"the environment variable {variable} is not a setting{guess}; unset or correct it"
            )


def _explain(item: ErrorDetails) -> str:
    where = ".".join(str(part) for part in item["loc"])
    origin = _origin(item["loc"])
    if item["type"] != "extra_forbidden":
        message = item["msg"].removeprefix("Value error, ")
        shown = isinstance(item["input"], str | int | float) and item["loc"][-1] not in _SECRET
        given = f", not {item['input']!r}" if shown else ""
        return f"  {where}{origin}: {message}{given}"
    section = {**sections(), **list_sections()}.get(str(item["loc"][0]), Settings)
    guess = _did_you_mean(str(item["loc"][-1]), section.model_fields)
    return f"  {where}{origin}: no such setting{guess}"


def _origin(place: Sequence[str | int]) -> str:
    """Which environment variables set what is at that place, or part of it, in brackets."""
    keys = [str(part).lower() for part in place]
    found = []
    for variable in os.environ:
        if variable.upper().startswith(ENVIRONMENT_PREFIX):
            set_by = variable[len(ENVIRONMENT_PREFIX) :].lower().split("__")
            shared = min(len(keys), len(set_by))
            if set_by[:shared] == keys[:shared]:
                found.append(variable)
    return f" (from {', '.join(sorted(found))} in the environment)" if found else ""


def _did_you_mean(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return f", did you mean {close[0]}?" if close else ""
