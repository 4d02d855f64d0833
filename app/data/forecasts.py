"""What pages show, read from a workspace and reduced to plain arrays and tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from met2net_ops.products.read import read_fields
from met2net_ops.times import format_time
from met2net_ops.variables import variable

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from met2net_ops.products.header import ProductHeader


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
