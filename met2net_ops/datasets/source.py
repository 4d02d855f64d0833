"""Datasets, one declarative TOML file each: where a store lies and how it names what it holds."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from typing import TYPE_CHECKING, Literal

from pydantic import Field, ValidationError, field_validator

from met2net_ops.errors import DatasetError
from met2net_ops.settings.section import Section
from met2net_ops.times import parse_time
from met2net_ops.variables import VARIABLES

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path


class DatasetField(Section):
    """How a dataset names one variable.

    Attributes:
        name: of the array.
        units: of the array, where it states none or wrong ones.
        level: pressure in hPa, where the array has several levels.
        absent: what a chunk that the store does not have means: data that are missing, or a field
            that has the fill value everywhere (Zarr leaves such chunks out).
    """

    name: str
    units: str | None = None
    level: float | None = None
    absent: Literal["missing", "fill"] = "missing"


class Dataset(Section):
    """One dataset.

    Attributes:
        name: as `[dataset]` and the command line name it.
        title: for people.
        url: of a Zarr store (http, https, s3, gs or a folder); "" where files are given.
        licence: under which the data are.
        attribution: what must be shown where the data are used.
        account: what one needs to have, "" for nothing.
        grid: for people.
        spacing: of its grid, degrees; what `region` proposes for a workspace.
        step_hours: between its times.
        since: its first time.
        feed: the source of `[[feeds]]` that continues it, "" for none.
        region: of an S3 bucket.
        fields: variable of ours → how it is named; arrays with the names of ERA5 and the CDS need
            none.
    """

    name: str
    title: str = ""
    url: str = ""
    licence: str = "not stated"
    attribution: str = ""
    account: str = ""
    grid: str = ""
    spacing: float | None = Field(default=None, gt=0)
    step_hours: int = Field(default=1, ge=1, le=24)
    since: str = ""
    feed: str = ""
    region: str = "us-east-1"
    fields: dict[str, DatasetField] = Field(default_factory=dict)

    @field_validator("fields")
    @classmethod
    def _known(cls, fields: dict[str, DatasetField]) -> dict[str, DatasetField]:
        if unknown := sorted(set(fields) - set(VARIABLES)):
            raise ValueError(f"{unknown[0]} is no variable of ours; see docs/variables.md")
        return fields

    @property
    def first_time(self) -> datetime | None:
        """`since` as a time."""
        return parse_time(self.since) if self.since else None


def read_dataset(text: str, where: str) -> Dataset:
    """A dataset from the text of its file.

    Raises:
        DatasetError: not TOML, or a value is missing, unknown or bad; the message names it.
    """
    try:
        return Dataset(**tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise DatasetError(f"{where} is not valid TOML: {error}") from error
    except ValidationError as error:
        lines = [
            f"  {'.'.join(map(str, item['loc']))}: {item['msg'].removeprefix('Value error, ')}"
            for item in error.errors()
        ]
        raise DatasetError("\n".join([f"{where} is not valid:", *lines])) from error


def read_dataset_file(path: Path) -> Dataset:
    """A dataset from its file.

    Raises:
        DatasetError: as `read_dataset`, or the file cannot be read.
    """
    try:
        return read_dataset(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"cannot read {path}: {error}") from error


def find_datasets(folder: Path | None = None) -> dict[str, Dataset]:
    """Every known dataset by name: those that ship, then those of a folder, which win.

    Raises:
        DatasetError: a file is not valid.
    """
    shipped = sorted(files("met2net_ops.datasets").joinpath("sources").iterdir(), key=str)
    own = sorted(folder.glob("*.toml")) if folder is not None and folder.is_dir() else []
    found = [
        read_dataset(file.read_text(encoding="utf-8"), str(file))
        for file in (*shipped, *own)
        if file.name.endswith(".toml")
    ]
    return {dataset.name: dataset for dataset in found}


def find_dataset(name: str, folder: Path | None = None) -> Dataset:
    """One dataset by name.

    Raises:
        DatasetError: there is none, or a file is not valid.
    """
    known = find_datasets(folder)
    if name not in known:
        where = f" One of your own goes into {folder}/{name}.toml." if folder is not None else ""
        raise DatasetError(f"no dataset is called {name!r}; there are {', '.join(known)}.{where}")
    return known[name]
