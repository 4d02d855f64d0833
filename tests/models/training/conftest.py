"""Fixtures that these tests share with others."""

from __future__ import annotations

from toy_world import toy

__all__ = ["toy"]
