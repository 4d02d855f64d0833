"""Errors that a person can act on, each with the exit code the command line ends with.

Exit codes: 0 done; 1 unexpected failure; 2 wrong usage (Typer); then one per family below. A
message names the file, field or time concerned and what to do next.
"""

from __future__ import annotations


class Met2NetOpsError(Exception):
    """Anything this package refuses on purpose; the message is complete and written for people."""

    exit_code = 1


class SettingsError(Met2NetOpsError):
    """The workspace or its `met2net.toml` is missing, unreadable or inconsistent."""

    exit_code = 3


class IngestError(Met2NetOpsError):
    """Some input was refused; what was good has been archived."""

    exit_code = 4


class MissingInputError(Met2NetOpsError):
    """A forecast window lacks frames, and the rules for gaps do not allow them to be filled."""

    exit_code = 5


class ModelError(Met2NetOpsError):
    """A model folder or checkpoint is missing, damaged or does not fit the request."""

    exit_code = 6


class GateRejectedError(Met2NetOpsError):
    """A finished rollout failed the checks before publication and was not published."""

    exit_code = 7


class ProductError(Met2NetOpsError):
    """A product could not be written, read back or verified on disk (full disk, permissions)."""

    exit_code = 8


class ArchiveError(Met2NetOpsError):
    """The frame archive is damaged, locked or laid out for another grid."""

    exit_code = 9


class GridError(Met2NetOpsError):
    """Two grids that should agree do not, or a grid description makes no sense."""

    exit_code = 10


class VerificationError(Met2NetOpsError):
    """Forecast and truth cannot be compared; the message names the difference."""

    exit_code = 11


class ServiceError(Met2NetOpsError):
    """The service already runs, its ledger cannot be used, or a cycle's state does not allow it."""

    exit_code = 12


class FeedError(Met2NetOpsError):
    """A remote source is unknown, cannot be reached, or does not hold what its index says."""

    exit_code = 14


class DatasetError(Met2NetOpsError):
    """A dataset cannot be opened or read, or lacks what is wanted; what is good was archived."""

    exit_code = 15
