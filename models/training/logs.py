"""The log of a run: CSV tables, and TensorBoard's files where it is installed."""

from __future__ import annotations

import csv
import logging
from typing import TYPE_CHECKING, Any

from met2net_ops.durable import place
from met2net_ops.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from met2net_ops.models.training.scores import Scores
    from met2net_ops.models.training.two_stage import Losses

_LOSS_COLUMNS = (
    "step", "seconds", "learning_rate", "total", "reconstruction", "latent", "prediction",
    "gradient_norm",
)  # fmt: skip
_VALIDATION_COLUMNS = ("step", "variable", "lead", "rmse", "rmse_persistence")


class RunLog:
    """Logs of a run that has made so many steps; lines of later steps are dropped.

    Args:
        folder: gets `losses.csv`, `validation.csv` and, where wanted and possible, `tensorboard/`.
        step: steps made.
        tensorboard: whether to write TensorBoard's files too.
    """

    def __init__(self, folder: Path, step: int, *, tensorboard: bool = False) -> None:
        self._losses = _Table(folder / "losses.csv", _LOSS_COLUMNS, step)
        self._validation = _Table(folder / "validation.csv", _VALIDATION_COLUMNS, step)
        self._board = _summary_writer(folder / "tensorboard", step) if tensorboard else None

    def step(
        self, step: int, seconds: float, learning_rate: float, losses: Losses, norm: float
    ) -> None:
        """One optimiser step."""
        self._losses.add([[step, round(seconds, 2), learning_rate, *vars(losses).values(), norm]])
        if self._board is not None:
            for name, value in vars(losses).items():
                if value == value:  # the prediction is not always computed
                    self._board.add_scalar(f"loss/{name}", value, step)
            self._board.add_scalar("run/learning_rate", learning_rate, step)
            self._board.add_scalar("run/gradient_norm", norm, step)

    def validation(self, step: int, scores: Scores) -> None:
        """RMSE of model and persistence on the validation windows, per lead and variable."""
        rmse, reference = scores.rmse(), scores.rmse("persistence")
        self._validation.add(
            (step, name, lead + 1, rmse[lead, number], reference[lead, number])
            for lead in range(len(rmse))
            for number, name in enumerate(scores.variables)
        )
        if self._board is not None:
            for number, name in enumerate(scores.variables):
                for lead in {0, len(rmse) // 2, len(rmse) - 1}:
                    label = f"rmse_over_persistence/{name}/+{lead + 1}"
                    value = rmse[lead, number] / reference[lead, number]
                    self._board.add_scalar(label, value, step)
            self._board.flush()


def _summary_writer(folder: Path, step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        logging.getLogger(__name__).warning(
            "no TensorBoard files are written, because tensorboard is not installed "
            "(pip install 'met2net-ops[train]'); losses.csv and validation.csv hold the same"
        )
        return None
    return SummaryWriter(str(folder), purge_step=step + 1, flush_secs=30)


class _Table:
    """A CSV file that grows by whole lines; lines of steps that will be made again are dropped."""

    def __init__(self, path: Path, columns: tuple[str, ...], step: int) -> None:
        self._path = path
        kept: list[list[str]] = []
        if path.exists() and step:
            with path.open(newline="", encoding="utf-8") as file:
                rows = [row for row in csv.reader(file) if len(row) == len(columns)]
            kept = [row for row in rows[1:] if int(row[0]) <= step]
        partial = path.with_name(f".{path.name}.partial")
        _append(partial, [columns, *kept], "w")
        place(partial, path)

    def add(self, rows: Iterable[Sequence[object]]) -> None:
        _append(self._path, rows)


def _append(path: Path, rows: Iterable[Sequence[object]], mode: str = "a") -> None:
    try:
        with path.open(mode, newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(rows)
    except OSError as error:
        raise ModelError(
            f"cannot write {path}: {error}. Make room; the same command continues from the "
            "checkpoint"
        ) from error
