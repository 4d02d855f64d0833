from __future__ import annotations

from pathlib import Path

import pytest
from verification_desk import Desk, make_desk


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """A workspace with an archive of known waves and products with known errors."""
    return make_desk(tmp_path / "desk")
