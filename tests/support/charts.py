"""The charts of a page as the browser is sent them."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
from numpy.typing import NDArray
from streamlit.testing.v1 import AppTest


def chart(page: AppTest, at: int = 0) -> dict[str, Any]:
    """One of the page's figures."""
    found = json.loads(page.get("plotly_chart")[at].proto.spec)
    assert isinstance(found, dict)
    return found


def numbers(sent: Any) -> NDArray[np.float64]:
    """An array of a figure, which travels as a list or as bytes."""
    if not isinstance(sent, dict):
        return np.array(sent, dtype=np.float64)
    flat = np.frombuffer(base64.b64decode(sent["bdata"]), sent["dtype"]).astype(np.float64)
    shape = str(sent.get("shape", flat.size)).split(",")
    return flat.reshape([int(length) for length in shape])
