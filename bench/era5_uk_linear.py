"""What a linear form makes of the British Isles' March, on its training days alone.

    python bench/era5_uk_linear.py trained/frames

The folder holds the flat frames that `met2net-ops train --preset era5-uk-t2m --out trained` leaves.
The form is the mean of the training days at each hour and point, plus what is left of the last
frame's departure from it: x(t + L) = m(t + L) + a(L) (x(t) - m(t)), a by least squares. It is
fitted and scored by blocked cross-validation within 1 to 20 March: each block of four days is
forecast from the others, a day on either side left out. Printed is the RMSE in K, weighted by cell
area. The days from 21 March on are never read.
"""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from met2net_ops.models.training.frames import open_flat

if TYPE_CHECKING:
    from numpy.typing import NDArray

DAY, DAYS, BLOCK_DAYS = 24, 20, 4
LEADS = tuple(range(1, DAY + 1))
FORMS = ("linear form", "persistence", "24-hour persistence")
SHOWN = (1, 2, 3, 6, 9, 12, 18, 24)


def main() -> None:
    """Read, cross-validate and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("frames", type=Path)
    frames = open_flat(parser.parse_args().frames).select(("t2m",))
    first = frames.index(datetime(2019, 3, 1, tzinfo=UTC))
    values = frames.read(first, DAYS * DAY)[:, 0].astype(np.float64)
    weights = frames.grid.cell_areas / frames.grid.cell_areas.sum()
    folds = [_fold(values, weights, day) for day in range(0, DAYS, BLOCK_DAYS)]
    errors = np.sqrt(np.concatenate(folds).mean(axis=0))
    print(f"| RMSE, K | {' | '.join(f'+{lead} h' for lead in SHOWN)} |")
    print(f"|---|{'---:|' * len(SHOWN)}")
    for name, row in zip(
        ("linear form", "persistence", "24-hour persistence"), errors, strict=True
    ):
        print(f"| {name} | {' | '.join(f'{row[lead - 1]:.2f}' for lead in SHOWN)} |")


def _fold(
    values: NDArray[np.float64], weights: NDArray[np.float64], day: int
) -> NDArray[np.float64]:
    """(case, form, lead) mean squared errors in the block that begins on a day."""
    hours = np.arange(len(values))
    block = slice(day * DAY, (day + BLOCK_DAYS) * DAY)
    learnt = (hours < block.start - DAY) | (hours >= block.stop + DAY)
    daily = np.stack([values[learnt & (hours % DAY == hour)].mean(axis=0) for hour in range(DAY)])
    departure = values - daily[hours % DAY]
    lasts = np.arange(block.start + DAY - 1, block.stop - DAY)
    found = np.empty((len(lasts), 3, len(LEADS)))
    for place, lead in enumerate(LEADS):
        pairs = np.flatnonzero(learnt[:-lead] & learnt[lead:])
        before, after = departure[pairs], departure[pairs + lead]
        damping = (before * after * weights).sum() / (before * before * weights).sum()
        truth = values[lasts + lead]
        forms = (
            daily[(lasts + lead) % DAY] + damping * departure[lasts],
            values[lasts],
            values[lasts + lead - DAY],
        )
        for number, form in enumerate(forms):
            found[:, number, place] = (np.square(form - truth) * weights).sum(axis=(1, 2))
    return found


if __name__ == "__main__":
    main()
