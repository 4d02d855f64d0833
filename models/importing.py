"""Make a model folder from a published checkpoint and the facts it does not contain."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import TypeAdapter, ValidationError

from met2net_ops.errors import GridError, ModelError
from met2net_ops.grids import NAMED_GRIDS, LatLonGrid, named_grid
from met2net_ops.models.description import (
    GridDescription,
    Normalisation,
    describe_network,
    natural_bounds,
)
from met2net_ops.models.weights import write_folder
from met2net_ops.variables import VARIABLES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from met2net_ops.models.checkpoint import PublishedCheckpoint
    from met2net_ops.models.folder import ModelFolder

Rows = Literal["north_first", "south_first"]
_ROWS: dict[str, Rows] = {"north_first": "north_first", "south_first": "south_first"}


@dataclass(frozen=True)
class ImportFacts:
    """What a checkpoint does not contain, as far as it is known.

    Attributes:
        name: of the new model.
        variables: canonical names, in the order of the network.
        grid: the grid it was trained on, north first as we keep it.
        rows: in which order latitudes went into the network.
        normalisation: per variable, in our units.
    """

    name: str | None = None
    variables: tuple[str, ...] | None = None
    grid: LatLonGrid | None = None
    rows: Rows | None = None
    normalisation: Mapping[str, Normalisation] | None = None


@dataclass(frozen=True)
class Question:
    """One fact that is missing: its option, what is asked, and what the checkpoint suggests."""

    option: str
    text: str
    suggestion: str = ""


def open_questions(checkpoint: PublishedCheckpoint, facts: ImportFacts) -> list[Question]:
    """The facts that are missing before the checkpoint can be imported."""
    names = ",".join(checkpoint.variable_names)
    fitting = [name for name, grid in NAMED_GRIDS.items() if grid.shape == checkpoint.shape]
    size = f"{checkpoint.shape[0]} x {checkpoint.shape[1]} points" if checkpoint.shape else ""
    weather = str(checkpoint.facts.get("data_set", "")).startswith("weather")
    asked = {
        "name": Question("--name", "name of the new model"),
        "variables": Question(
            "--variables",
            f"its {checkpoint.variables} variables in the network's order, by canonical name",
            names,
        ),
        "grid": Question(
            "--grid",
            f"its grid{f' of {size}' if size else ''}: a name, or north,west,dlat,dlon,nlat,nlon",
            fitting[0] if fitting else "",
        ),
        "rows": Question(
            "--rows",
            "the order of latitudes it was trained on: north_first, or south_first as in "
            "WeatherBench files",
            "south_first" if weather else "",
        ),
        "normalisation": Question(
            "--normalisation",
            "per variable offset and scale in our units, (x - offset) / scale: "
            "t2m=278.5:21.2,…, a JSON file, or `checkpoint` for the test-period mean and "
            "deviation that it holds",
            "checkpoint" if checkpoint.statistics else "",
        ),
    }
    return [question for field, question in asked.items() if getattr(facts, field) is None]


def parse_variables(text: str) -> tuple[str, ...]:
    """`t2m,u10` as names of the table.

    Raises:
        ModelError: a name that the table does not have.
    """
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    unknown = [name for name in names if name not in VARIABLES]
    if unknown or not names:
        raise ModelError(
            f"no variables are called {', '.join(unknown) or repr(text)}; "
            f"known: {', '.join(sorted(VARIABLES))}"
        )
    return names


def parse_grid(text: str) -> LatLonGrid:
    """A grid's name, or `north,west,dlat,dlon,nlat,nlon`.

    Raises:
        GridError: no such name, or numbers that make no grid.

    >>> parse_grid("80,0,20,20,9,18").shape
    (9, 18)
    """
    if "," not in text:
        return named_grid(text)
    try:
        north, west, dlat, dlon, nlat, nlon = (float(part) for part in text.split(","))
        rows, columns = round(nlat), round(nlon)
    except (ValueError, OverflowError) as error:
        raise GridError(
            f"cannot read the grid {text!r}: write a name or north,west,dlat,dlon,nlat,nlon"
        ) from error
    return LatLonGrid(north, west, dlat, dlon, rows, columns, f"{rows}x{columns}")


def parse_rows(text: str) -> Rows:
    """`north_first` or `south_first`.

    Raises:
        ModelError: something else.
    """
    if text not in _ROWS:
        raise ModelError(f"cannot read the order of latitudes {text!r}: {' or '.join(_ROWS)}")
    return _ROWS[text]


def parse_normalisation(
    text: str, variables: tuple[str, ...], checkpoint: PublishedCheckpoint
) -> dict[str, Normalisation]:
    """`checkpoint`, a JSON file, or `t2m=278.5:21.2,u10=0:5`.

    Raises:
        ModelError: unreadable, or the checkpoint has no statistics.
    """
    if text == "checkpoint":
        if not checkpoint.statistics:
            raise ModelError(f"{checkpoint.path} holds no mean and deviation of its variables")
        _same_number(checkpoint, variables)
        pairs = zip(variables, checkpoint.statistics, strict=True)
        return {name: Normalisation(offset=o, scale=s) for name, (o, s) in pairs}
    try:
        if Path(text).suffix == ".json":
            raw = json.loads(Path(text).read_text(encoding="utf-8"))
        else:
            entries = (entry.partition("=") for entry in text.split(","))
            raw = {
                name.strip(): dict(zip(("offset", "scale"), numbers.split(":"), strict=True))
                for name, _, numbers in entries
            }
        return TypeAdapter(dict[str, Normalisation]).validate_python(raw)
    except (OSError, ValueError, ValidationError) as error:
        raise ModelError(
            f"cannot read the normalisation {text!r}: {error}. Write t2m=278.5:21.2,u10=0:5, or "
            'a JSON file like {"t2m": {"offset": 278.5, "scale": 21.2}}'
        ) from error


def import_checkpoint(
    checkpoint: PublishedCheckpoint,
    facts: ImportFacts,
    models: Path,
    *,
    step_hours: int = 1,
    licence: str = "not stated",
) -> ModelFolder:
    """Write the model folder of a published checkpoint, read it back and run it once.

    Raises:
        ModelError: facts missing or contradicting the checkpoint, a folder of that name, a disk
            that refuses.
    """
    missing = open_questions(checkpoint, facts)
    if missing:
        raise ModelError(unanswered(checkpoint, missing))
    assert facts.name is not None
    assert facts.variables is not None
    assert facts.grid is not None
    assert facts.normalisation is not None
    _same_number(checkpoint, facts.variables)
    if checkpoint.shape not in (None, facts.grid.shape):
        raise ModelError(
            f"{checkpoint.path} was trained on {checkpoint.shape} points, not on the "
            f"{facts.grid.shape} of the grid {facts.grid.name}"
        )
    network = checkpoint.network(*facts.grid.shape)
    training = {
        "method": "imported from a published checkpoint",
        "file": checkpoint.path.name,
        "file_sha256": checkpoint.sha256,
        **checkpoint.facts,
    }
    description = {
        "name": facts.name,
        "variables": facts.variables,
        "grid": GridDescription.of(facts.grid),
        "rows": facts.rows,
        "step_hours": step_hours,
        "input_frames": checkpoint.input_frames,
        "network": describe_network(network.config),
        "normalisation": dict(facts.normalisation),
        "clip": natural_bounds(facts.variables),
        "licence": licence,
        "training": training,
    }
    return write_folder(models, description, network, _card(checkpoint, facts, licence))


def _same_number(checkpoint: PublishedCheckpoint, variables: tuple[str, ...]) -> None:
    if len(variables) != checkpoint.variables:
        raise ModelError(
            f"{checkpoint.path} has {checkpoint.variables} variables, not the "
            f"{len(variables)} of --variables {','.join(variables)}"
        )


def unanswered(checkpoint: PublishedCheckpoint, questions: list[Question]) -> str:
    """A message that lists the missing facts and the options that give them."""
    lines = [
        f"  {question.option}: {question.text}"
        + (f" (the checkpoint suggests {question.suggestion})" if question.suggestion else "")
        for question in questions
    ]
    return "\n".join([f"{checkpoint.path} does not contain everything; add:", *lines])


def _card(checkpoint: PublishedCheckpoint, facts: ImportFacts, licence: str) -> str:
    assert facts.grid is not None
    assert facts.variables is not None
    said = [f"- {key.replace('_', ' ')}: {value}" for key, value in checkpoint.facts.items()]
    return f"""# {facts.name}

Imported from the published Met2Net checkpoint `{checkpoint.path.name}`
(SHA-256 `{checkpoint.sha256}`).

- variables: {", ".join(facts.variables)}
- grid: {facts.grid.name}, {facts.grid.nlat} x {facts.grid.nlon}
- latitudes in training: {str(facts.rows).replace("_", " ")}
- frames in and out: {checkpoint.input_frames}
- network: hid_S {checkpoint.hid_s}, hid_T {checkpoint.hid_t}, N_T {checkpoint.n_t}, \
N_S {checkpoint.n_s}
- licence: {licence}

What the checkpoint states about its training:

{chr(10).join(said) or "- nothing"}

Its scores have not been measured here: verify it against persistence before use.
"""
