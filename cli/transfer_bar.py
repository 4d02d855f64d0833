"""A progress bar for files that are fetched: how many, bytes, rate and time left."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from rich.filesize import decimal
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn
from rich.text import Text

from met2net_ops.cli.common import console
from met2net_ops.visible import visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rich.progress import Task

    from met2net_ops.feeds.fetch import Fetched
    from met2net_ops.feeds.transfer import Transfer, TransferState


def in_words(state: TransferState) -> str:
    """Bytes, rate and time left.

    >>> from met2net_ops.feeds.transfer import TransferState
    >>> in_words(TransferState(12_300_000, 4_100_000.0, timedelta(seconds=83.2)))
    '12.3 MB, 4.1 MB/s, 0:01:23 left'
    >>> in_words(TransferState(0, 0.0, None))
    '0 bytes, 0 bytes/s'
    """
    text = f"{decimal(state.bytes)}, {decimal(round(state.rate))}/s"
    if state.left is None:
        return text
    return f"{text}, {timedelta(seconds=round(state.left.total_seconds()))} left"


class _StateColumn(ProgressColumn):
    """The state of a transfer, taken anew at each refresh."""

    def __init__(self, transfer: Transfer) -> None:
        super().__init__()
        self._transfer = transfer

    def render(self, task: Task) -> Text:
        return Text(in_words(self._transfer.state()))


def with_bar(done: Iterable[Fetched], transfer: Transfer, description: str) -> Iterator[Fetched]:
    """Pass files through and draw a bar on stderr meanwhile."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        _StateColumn(transfer),
    )
    with Progress(*columns, console=console(stderr=True), transient=True) as progress:
        task = progress.add_task(visible(description), total=transfer.files)
        for one in done:
            progress.advance(task)
            yield one
