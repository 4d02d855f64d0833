"""What a model may be called."""

from __future__ import annotations

import re

MODEL_NAME = r"^[a-z0-9][a-z0-9._-]{0,63}$"
"""Lower case, digits, `.`, `_`, `-`: a folder's name on every system, and no way out of it."""


def is_model_name(name: str) -> bool:
    """Whether a model may have that name.

    >>> is_model_name("era5-uk-t2m"), is_model_name("../escape"), is_model_name("My model")
    (True, False, False)
    """
    return re.fullmatch(MODEL_NAME, name) is not None and "\n" not in name
