"""Write `met2net.toml` from the settings model, so that the file's comments cannot drift."""

from __future__ import annotations

import json
import textwrap
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from met2net_ops.settings.model import Settings, list_sections, sections
from met2net_ops.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel
    from pydantic.fields import FieldInfo

_WIDTH = 96
_HEADER = f"""\
# Settings of one met2net-ops workspace (written by version {__version__}).
#
# A line like "#key = value" shows a default ("#key =" where there is none): remove the "#" to
# change it. The environment wins: MET2NET_FORECAST__LEADS=24 sets leads in [forecast].
# `met2net-ops doctor` checks this file.
"""
_LIMITS = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}


def settings_text(values: Mapping[str, Any] | None = None) -> str:
    r"""The commented file: `values` are set in it, every other key shows its default.

    Args:
        values: as `tomllib` would read them: section → key → value, or a list of such sections.

    >>> text = settings_text({"forecast": {"leads": 24}})
    >>> "\nleads = 24\n" in text, '\n#device = "auto"\n' in text
    (True, True)
    """
    values = values or {}
    unknown = values.keys() - Settings.model_fields.keys()
    if unknown:
        raise KeyError(f"no such sections: {sorted(unknown)}")
    parts = [_HEADER]
    for name, model in sections().items():
        parts.append(_section(f"[{name}]", model, values.get(name, {})))
    for name, model in list_sections().items():
        given = values.get(name, [])
        parts += [_section(f"[[{name}]]", model, item) for item in given]
        if not given:
            parts.append(_section(f"#[[{name}]]", model, {}))
    return "\n".join(parts)


def _section(heading: str, model: type[BaseModel], values: Mapping[str, Any]) -> str:
    unknown = values.keys() - model.model_fields.keys()
    if unknown:
        raise KeyError(f"{heading} has no keys {sorted(unknown)}")
    lines = [*_comment(_first_paragraph(model)), heading]
    for key, field in model.model_fields.items():
        lines += _comment(f"{field.description or ''} {_choices(field)}".strip())
        if key in values:
            lines.append(f"{key} = {_toml(values[key])}")
        elif field.is_required() or field.default is None:
            lines.append(f"#{key} =")
        else:
            lines.append(f"#{key} = {_toml(field.default)}")
    return "\n".join(lines) + "\n"


def _first_paragraph(model: type[BaseModel]) -> str:
    return (model.__doc__ or "").strip().split("\n\n")[0]


def _choices(field: FieldInfo) -> str:
    if get_origin(field.annotation) is Literal:
        return f"One of {', '.join(_toml(item) for item in get_args(field.annotation))}."
    limits = [
        f"{words} {getattr(rule, name)}"
        for rule in field.metadata
        for name, words in _LIMITS.items()
        if hasattr(rule, name)
    ]
    return f"({', '.join(limits)})" if limits else ""


def _comment(text: str) -> list[str]:
    return [f"# {line}" for line in textwrap.wrap(" ".join(text.split()), _WIDTH)]


def _toml(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case str():
            return json.dumps(value, ensure_ascii=False)
        case list() | tuple():
            return f"[{', '.join(_toml(item) for item in value)}]"
    raise TypeError(f"cannot write a {type(value).__name__} into met2net.toml")
