"""Pages of the dashboard, run without a browser."""

from __future__ import annotations

import os
from pathlib import Path
from unittest.mock import patch

from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

from met2net_ops import app
from met2net_ops.workspace import ENVIRONMENT_VARIABLE

HOME = Path(app.__file__).with_name("home.py")


def open_page(root: Path, path: str = "forecast", **query: str) -> AppTest:
    """Open a page by its path in the address bar; no page may end in an exception."""
    page = AppTest.from_file(str(HOME), default_timeout=60)
    page._page_hash = calc_hash(path)  # AppTest can only switch to pages that are files
    for key, text in query.items():
        page.query_params[key] = text
    return rerun(page, root)


def rerun(page: AppTest, root: Path) -> AppTest:
    """Run a page again, after a widget was set."""
    with patch.dict(os.environ, {ENVIRONMENT_VARIABLE: str(root)}):
        page.run()
    assert not page.exception
    return page
