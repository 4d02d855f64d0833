"""What commands share: options, progress bars and ways to print.

Everything a command prints goes through `print_lines`, `print_text`, `print_table` or
`print_json`: text from outside (file names, model cards, stations, settings) is shown as it is.

Imports only the standard library and typer; everything else is imported where it is used, so that
every `--help` answers at once.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, TypeVar

import typer

from met2net_ops.visible import json_text, visible

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress
    from rich.text import Text

    from met2net_ops.feeds.state import SourceState
    from met2net_ops.progress import Track
    from met2net_ops.workspace import Workspace

T = TypeVar("T")

WorkspaceOption = Annotated[
    Path | None,
    typer.Option(
        "--workspace",
        "-w",
        envvar="MET2NET_WORKSPACE",
        help="Directory of the deployment; the current one by default.",
        show_default=False,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, only results.")]


def open_workspace(given: Path | None) -> Workspace:
    """The workspace a command works in.

    Raises:
        SettingsError: there is none, or its settings are not valid.
    """
    from met2net_ops.workspace import find_workspace

    return find_workspace(given)


def console(*, stderr: bool = False) -> Console:
    """A rich console on stdout, or on stderr for what is not the result; markup is plain text."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False, soft_wrap=True, markup=False, emoji=False)


def print_lines(*lines: object, err: bool = False) -> None:
    """Print each as one line on stdout, or stderr; control characters are shown, not obeyed."""
    for line in lines:
        typer.echo(visible(str(line)), err=err)


def print_text(text: str, *, err: bool = False) -> None:
    """Print a text of several lines, such as a model card; other control characters are shown."""
    typer.echo(visible(text, keep="\n\t"), err=err)


Cell: TypeAlias = "str | Sequence[str] | Text"


def print_sources(states: Sequence[SourceState]) -> None:
    """How it stands with the remote sources; nothing where there are none."""
    from met2net_ops.times import format_time

    rows = [
        (
            one.feed,
            one.source,
            str(one.state),
            format_time(one.reference_time) if one.reference_time else "-",
            format_time(one.since) if one.since else "-",
            str(one.files or "-"),
        )
        for one in states
    ]
    if rows:
        print_table("", ("feed", "source", "", "run", "since", "files"), rows)


def print_table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[Cell]], right: Sequence[str] = ()
) -> None:
    """Print a table on stdout. Text is shown as it is, without markup, control characters escaped.

    Args:
        title: heading, or "" for none.
        columns: headings of the columns; these may have two lines.
        rows: cells, as many per row as there are columns: a string, several lines, or rich's
            `Text` where a command colours words of its own.
        right: columns to align right, as numbers are.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=Text(visible(title)) if title else None,
        box=box.SIMPLE_HEAD,
        title_justify="left",
        pad_edge=False,
        collapse_padding=True,
    )
    for column in columns:
        heading = Text(visible(column, keep="\n"))
        table.add_column(heading, justify="right" if column in right else "left")
    for row in rows:
        table.add_row(*(_cell(cell) for cell in row))
    out = console()
    if not out.is_terminal:
        out.width = 10_000  # a pipe has no width: the table takes what it needs, no cell is cut
    out.print(table, soft_wrap=False)


def _cell(cell: Cell) -> Text:
    from rich.text import Text

    if isinstance(cell, Text):
        return cell
    lines = [cell] if isinstance(cell, str) else cell
    return Text("\n".join(visible(line) for line in lines))


def print_json(value: object, *, indent: int | None = 2) -> None:
    """Print any value of plain data, data classes, times and paths as JSON on stdout."""
    typer.echo(json_text(plain(value), indent=indent))


def plain(value: object) -> Any:
    """Reduce a value to what JSON knows; times become ISO 8601, durations seconds, NaN null.

    >>> plain({"path": Path("a"), "wait": timedelta(minutes=1), "rmse": float("nan")})
    {'path': 'a', 'wait': 60.0, 'rmse': None}
    """
    match value:
        case None | bool() | int() | str() if not isinstance(value, Enum):
            return value
        case Enum():
            return plain(value.value)
        case float():
            return value if math.isfinite(value) else None
        case datetime():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case Path():
            return str(value)
        case Mapping():
            return {str(plain(key)): plain(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset() | Iterator():
            return [plain(item) for item in value]
    if is_dataclass(value) and not isinstance(value, type):
        return {item.name: plain(getattr(value, item.name)) for item in fields(value)}
    if hasattr(value, "tolist"):  # numpy arrays and scalars, without importing numpy
        return plain(value.tolist())
    raise TypeError(f"cannot print a {type(value).__name__} as JSON: {value!r}")


def track_for(quiet: bool, received: Callable[[], int] | None = None) -> Track:
    """Progress bars on stderr, or nothing where `quiet` or stderr is no terminal.

    Args:
        quiet: nothing.
        received: bytes so far; the bars show them and their rate.
    """
    from met2net_ops.progress import silent

    if quiet or not sys.stderr.isatty():
        return silent
    return _Bars(received)


class Received:
    """Bytes so far and their rate since the first look, as text."""

    def __init__(self, count: Callable[[], int]) -> None:
        self._count, self._began = count, time.monotonic()

    def __str__(self) -> str:
        count, seconds = self._count(), max(time.monotonic() - self._began, 1e-3)
        return f"{count / 1e6:.1f} MB, {count / 1e6 / seconds:.1f} MB/s"


class _Bars:
    """Draws one bar per loop it is wrapped around, nested loops below each other."""

    def __init__(self, received: Callable[[], int] | None = None) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
        from rich.progress import TimeElapsedColumn as Elapsed
        from rich.progress import TimeRemainingColumn as Remaining

        self._progress: Progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            *([TextColumn("{task.fields[received]}", markup=False)] if received else []),
            Elapsed(),
            Remaining(),
            console=console(stderr=True),
            transient=True,
        )
        self._received = None if received is None else Received(received)

    def __call__(
        self, items: Iterable[T], description: str, total: int | None = None
    ) -> Iterator[T]:
        if total is None and isinstance(items, Sequence):
            total = len(items)
        if not self._progress.tasks:
            self._progress.start()
        task = self._progress.add_task(visible(description), total=total, received=self._received)
        try:
            for item in items:
                yield item
                self._progress.advance(task)
        finally:
            self._progress.remove_task(task)
            if not self._progress.tasks:
                self._progress.stop()
