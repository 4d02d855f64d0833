"""What pages show, read from a workspace and reduced to plain arrays and tables."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from met2net_ops.archive.frames import open_archive
from met2net_ops.products.read import read_fields
from met2net_ops.times import format_time, time_range
from met2net_ops.variables import variable

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from met2net_ops.products.header import ProductHeader
    from met2net_ops.settings import Settings
    from met2net_ops.workspace import Workspace

_COVERAGE_FRAMES = 24


@dataclass(frozen=True)
class ForecastField:
    """One variable of one product.

    Attributes:
        header: of the product.
        values: (lead, latitude, longitude), canonical units.
    """

    header: ProductHeader
    values: NDArray[np.float32]


def load_field(path: Path, name: str) -> ForecastField:
    """Read one variable of a product.

    Raises:
        ProductError: no such file, damaged, or without that variable.
    """
    header, values = read_fields(path, [name])
    return ForecastField(header, values[:, 0])


def summary_table(field: ForecastField, name: str) -> pd.DataFrame:
    """Lowest, mean (unweighted) and highest value per lead, in display units."""
    display = variable(name).display
    shown = field.values.astype(np.float64) * display.scale + display.offset
    header = field.header
    return pd.DataFrame(
        {
            "lead, h": [lead.total_seconds() / 3600 for lead in header.lead_times],
            "valid time": [format_time(time) for time in header.valid_times],
            f"lowest, {display.units}": shown.min(axis=(1, 2)),
            f"mean, {display.units}": shown.mean(axis=(1, 2)),
            f"highest, {display.units}": shown.max(axis=(1, 2)),
        }
    )


def coverage_table(workspace: Workspace, settings: Settings) -> pd.DataFrame | None:
    """Variable x time over the newest frames: whether each is archived; None without frames.

    Raises:
        ArchiveError: there is no archive, or not for these settings.
    """
    archive = open_archive(workspace, settings)
    span = archive.span()
    if span is None:
        return None
    step = timedelta(hours=settings.archive.step_hours)
    times = time_range(max(span[0], span[1] - step * (_COVERAGE_FRAMES - 1)), span[1], step)
    there = archive.present(settings.archive.variables, times)
    return pd.DataFrame(
        np.where(there, "✓", "✗"),
        index=pd.Index(settings.archive.variables, name="variable"),
        columns=[f"{time:%d %H}Z" for time in times],
    )
