"""A small forecast with every kind of level, and a way to write it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from met2net_ops.grids import LatLonGrid
from met2net_ops.products.header import InputFrame, ProductHeader
from met2net_ops.products.write import write_product
from met2net_ops.settings import ProductSettings
from met2net_ops.variables import VARIABLES, variable

REFERENCE = datetime(2026, 11, 22, 6, tzinfo=UTC)
GRID = LatLonGrid(44.0, 110.0, 0.25, 0.25, 6, 8, "crop")


def make_header(**changes: object) -> ProductHeader:
    """A header of seven leads with all variables there are."""
    inputs = tuple(
        InputFrame(name, REFERENCE - timedelta(hours=back), f"{back:064x}", f"feed/{name}.grib")
        for back in (1, 0)
        for name in VARIABLES
    )
    header = ProductHeader(
        model="test-model",
        model_checksum="ab" * 32,
        reference_time=REFERENCE,
        step=timedelta(hours=1),
        leads=7,
        variables=tuple(VARIABLES),
        grid=GRID,
        inputs=inputs,
        device="cpu",
        precision="fp32",
        software_version="0.1.0",
        created=REFERENCE + timedelta(hours=5),
        settings={"max_gap_frames": 0, "compression": "zlib"},
        timings={"rollout": 0.25},
    )
    return replace(header, **changes)  # type: ignore[arg-type]


def make_values(header: ProductHeader, seed: int = 0) -> NDArray[np.float32]:
    """(lead, variable, latitude, longitude) inside the soft limits."""
    rng = np.random.default_rng(seed)
    rows = [variable(name) for name in header.variables]
    shape = (header.leads, *header.grid.shape)
    fields = [rng.uniform(row.soft.low, row.soft.high, shape) for row in rows]
    return np.stack(fields, axis=1).astype(np.float32)


def publish(path: Path, header: ProductHeader, values: NDArray[np.float32]) -> Path:
    """Write in two blocks and publish."""
    with write_product(path, header, ProductSettings()) as writer:
        writer.write(1, values[:3])
        writer.write(4, values[3:])
        writer.finish(header)
        writer.verify()
        return writer.publish()


@pytest.fixture
def header() -> ProductHeader:
    return make_header()


@pytest.fixture
def values(header: ProductHeader) -> NDArray[np.float32]:
    return make_values(header)


@pytest.fixture
def product(tmp_path: Path, header: ProductHeader, values: NDArray[np.float32]) -> Path:
    """A published product."""
    return publish(tmp_path / "products/test-model_2026112206.nc", header, values)


@pytest.fixture(scope="session")
def shared_product(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published product that tests only read."""
    header = make_header()
    folder = tmp_path_factory.mktemp("product")
    return publish(folder / "test-model_2026112206.nc", header, make_values(header))


@pytest.fixture
def write():
    """`publish`, for tests that make several."""
    return publish


@pytest.fixture
def header_with():
    """`make_header`, for tests that need another."""
    return make_header


@pytest.fixture
def values_for():
    """`make_values`, for tests that need others."""
    return make_values
