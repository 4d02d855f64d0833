"""A real anchor: 48-hour T2m of a real model against the SYNOPs of that hour.

An independent calculation, without height correction, of everything reported at 12 UTC, gave
n = 1471, bias -0.17 K, RMSE 2.62 K. Those are the figures of the nearest grid point; linear
interpolation along and between the rows of the grid gives -0.20 K and 2.42 K. Both are checked.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from met2net_ops.grib.reader import read_fields
from met2net_ops.grib.records import SourceField
from met2net_ops.observations.bufr import read_bufr
from met2net_ops.observations.report import Reading
from met2net_ops.verification.compute.kernels import continuous_sums
from met2net_ops.verification.inputs.interpolation import BilinearWeights
from met2net_ops.verification.results.scores import derive


@pytest.fixture(scope="module")
def synops(corpus: Path) -> Reading:
    return read_bufr(corpus / "observations" / "obs_3day.bufr")


def between_rows(
    field: SourceField, latitude: np.ndarray, longitude: np.ndarray
) -> BilinearWeights:
    """Bilinear weights on a reduced Gaussian grid: along the two rows, then between them."""
    lats = field.grid.latitudes
    starts = np.concatenate([[0], np.flatnonzero(np.diff(lats) != 0) + 1, [lats.size]])
    rows = lats[starts[:-1]]
    above = np.searchsorted(-rows, -latitude, side="right") - 1
    down = (rows[above] - latitude) / (rows[above] - rows[above + 1])
    corners, weights = [], []
    for row, share in ((above, 1 - down), (above + 1, down)):
        count = starts[row + 1] - starts[row]
        place = (longitude % 360) / (360 / count)
        west = np.floor(place).astype(int)
        right = place - west
        corners += [starts[row] + west % count, starts[row] + (west + 1) % count]
        weights += [share * (1 - right), share * right]
    return BilinearWeights(np.stack(corners, axis=1), np.stack(weights, axis=1))


def test_t2m_against_synops(corpus: Path, synops: Reading) -> None:
    path = corpus / "grib" / "metview-python" / "t2m_grib.grib"
    (field,) = [item for item in read_fields(path, ["t2m"]) if isinstance(item, SourceField)]
    assert field.valid_time == datetime(2018, 11, 20, 12, tzinfo=UTC)
    reports = [r for r in synops.reports if "t2m" in r.values and r.time == field.valid_time]
    latitude, longitude = (
        np.array([getattr(r, name) for r in reports]) for name in ("latitude", "longitude")
    )
    linear = between_rows(field, latitude, longitude)
    nearest = linear.corners[np.arange(len(reports)), linear.weights.argmax(axis=1)]
    truth = np.array([r.values["t2m"] for r in reports])
    for forecast, bias, rmse in (
        (field.values.reshape(-1)[nearest], -0.17, 2.62),
        (linear(field.values.reshape(1, -1)), -0.20, 2.42),
    ):
        sums = continuous_sums(forecast, truth, np.ones(len(reports)))
        assert sums["n"][0] == 1471
        assert derive("bias", sums)[0] == pytest.approx(bias, abs=0.005)
        assert derive("rmse", sums)[0] == pytest.approx(rmse, abs=0.005)


def test_sums_of_precipitation_are_kept_by_their_period(synops: Reading) -> None:
    amounts = [r.values["tp6h"] for r in synops.reports if "tp6h" in r.values]
    assert len(amounts) == 1054
    assert max(amounts) < 200
    assert not any("tp" in r.values or "tp24h" in r.values for r in synops.reports)


def test_every_synop_is_a_report_or_a_refusal(synops: Reading) -> None:
    assert synops.records == 1507
    assert len(synops.reports) == 1479
    assert all("reports none of the quantities" in x.reason for x in synops.refusals)
    assert sorted([r.record for r in synops.reports] + [x.record for x in synops.refusals]) == [
        *range(1, 1508)
    ]
