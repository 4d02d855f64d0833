"""Model cards as text that a page can show safely, and models as a table."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pandas as pd

from met2net_ops.errors import ModelError
from met2net_ops.models.folder import CARD_FILE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from met2net_ops.models.description import ModelDescription
    from met2net_ops.models.registry import ListedModel

_LONGEST = 200_000  # characters of a card that are shown
_FENCE = re.compile(r"^\s*(```|~~~)")
_HEADING = re.compile(r"^([ >]*(?:[-*+] +|\d+[.)] +)*)(#{1,6})(?=\s)")  # in lists and quotes too
_UNDERLINE = re.compile(r"^([ >]*)(?==+\s*$)")  # makes the line above a heading of the first size
_DIRECTIVE = re.compile(r":(?=[a-z]+(?:-[a-z]+)*[\[:/])")  # Streamlit's :red[…], :material/…:


def read_card(folder: Path) -> str:
    """A model's card as Markdown fit for a page, see `safe_card`.

    Raises:
        ModelError: there is none, or it cannot be read.
    """
    path = folder / CARD_FILE
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(_LONGEST + 1)
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(
            f"cannot read {path}: {error}. `met2net-ops models check` says what else is wrong"
        ) from error
    return safe_card(text)


def safe_card(text: str) -> str:
    r"""Markdown that loads nothing and whose headings are smaller than the page's own.

    Images become links, which only a click follows; formulae and Streamlit's own directives become
    text. HTML is left to Streamlit, which shows it as text. Images are taken apart in code as well,
    by a space of no width: where code begins and ends is a matter of Markdown's finest print.

    >>> safe_card("# Card\n![map](http://example.org/x.png) costs $5, :red[no]")
    '#### Card\n!\u200b[map](http://example.org/x.png) costs \\$5, \\:red[no]'
    """
    cut = "" if len(text) <= _LONGEST else f"\n\n(The first {_LONGEST} characters.)"
    lines, fenced = [], False
    for line in text[:_LONGEST].splitlines():
        if _FENCE.match(line):
            fenced = not fenced
        lines.append(line if fenced or _FENCE.match(line) else _defused(line))
    whole = "\n".join(lines) + ("\n```" if fenced else "") + cut
    return whole.replace("![", "!\u200b[")


def _defused(line: str) -> str:
    line = _HEADING.sub(lambda found: found[1] + "#" * min(6, len(found[2]) + 3), line)
    line = _UNDERLINE.sub(r"\1\\", line).replace("$", "\\$")
    return _DIRECTIVE.sub(r"\\:", line)


def model_codes(models: Sequence[ListedModel]) -> dict[str, ListedModel]:
    """Models by the code the address bar knows them by: the name, where it is the only one."""
    codes: dict[str, ListedModel] = {}
    for model in models:
        code = model.name if model.name not in codes else f"{model.name}.{model.origin}"
        codes[code] = model
    return codes


def models_table(models: Sequence[ListedModel]) -> pd.DataFrame:
    """One row per model folder, damaged ones with the reason."""
    described = [model.folder.description if model.folder else None for model in models]
    return pd.DataFrame(
        {
            "model": [model.name for model in models],
            "from": [model.origin for model in models],
            "variables": [", ".join(one.variables) if one else "" for one in described],
            "grid": [one.grid.name if one else "" for one in described],
            "licence": [one.licence if one else "" for one in described],
            "checksum": [model.folder.checksum[:12] if model.folder else "" for model in models],
            "problem": [model.problem for model in models],
        }
    )


def facts_table(description: ModelDescription) -> pd.DataFrame:
    """What a model needs and gives, two columns of text."""
    grid = description.grid
    network = description.network
    facts = {
        "variables": ", ".join(description.variables),
        "grid": f"{grid.name}: {grid.nlat} x {grid.nlon}, {grid.dlat:g}° x {grid.dlon:g}°",
        "frames in": f"{description.input_frames}, {description.step_hours} h apart",
        "network": (
            f"{description.kind}, hid_S {network.hid_s}, hid_T {network.hid_t}, "
            f"N_T {network.n_t}, N_S {network.n_s}"
        ),
        "predicts": description.predict,
        "forcings": ", ".join(description.forcings) or "none",
        "licence": description.licence,
    }
    return pd.DataFrame({"what": list(facts), "value": list(facts.values())})
