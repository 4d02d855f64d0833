"""A local server of gridded stores."""

from gridded_server import server

__all__ = ["server"]
