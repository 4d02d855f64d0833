"""Data that lies beside a checkout; tests that need it skip where it is absent."""

from __future__ import annotations

from pathlib import Path

import pytest

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
