"""Data that lies beside a checkout; tests that need it skip where it is absent."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# Tests run side by side: threads of one must not take the cores of another. Child processes
# inherit it.
os.environ.setdefault("OMP_NUM_THREADS", "1")

_BESIDE = Path(__file__).resolve().parents[2] / "shared"


def _beside(name: str) -> Path:
    folder = _BESIDE / name
    if not folder.is_dir():
        pytest.skip(f"{name}/ is not beside this checkout (looked in ../shared)")
    return folder


@pytest.fixture(scope="session")
def corpus() -> Path:
    """Real GRIB and observation files."""
    return _beside("corpus")


@pytest.fixture(scope="session")
def parity() -> Path:
    """Golden numbers of the published network."""
    return _beside("parity")
