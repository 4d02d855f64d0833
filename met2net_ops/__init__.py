"""Operational weather forecasting with Met2Net: GRIB in, verified CF NetCDF out.

    import met2net_ops as m2n

    workspace = m2n.find_workspace("demo")
    m2n.ingest_files(workspace)
    result = m2n.run_cycle(workspace)
    m2n.open_product(result.path)

Everything below is imported when it is first used, so importing the package costs nothing. See
docs/api.md.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from met2net_ops.api import (
        ingest_files,
        list_products,
        load_model,
        open_archive,
        open_product,
        run_cycle,
        serve,
        summary,
        verify,
    )
    from met2net_ops.errors import (
        ArchiveError,
        DatasetError,
        FeedError,
        GateRejectedError,
        GridError,
        IngestError,
        Met2NetOpsError,
        MissingInputError,
        ModelError,
        ProductError,
        ServiceError,
        SettingsError,
        VerificationError,
    )
    from met2net_ops.gribview.open import GribWarning, open_grib
    from met2net_ops.models.training.loop import TrainingDivergedError
    from met2net_ops.models.training.memory import OutOfMemoryError
    from met2net_ops.observations.report import ObservationError
    from met2net_ops.times import TimeFormatError
    from met2net_ops.variables import UnknownVariableError
    from met2net_ops.version import __version__
    from met2net_ops.workspace import Workspace, create_workspace, find_workspace

__all__ = [
    "ArchiveError",
    "DatasetError",
    "FeedError",
    "GateRejectedError",
    "GribWarning",
    "GridError",
    "IngestError",
    "Met2NetOpsError",
    "MissingInputError",
    "ModelError",
    "ObservationError",
    "OutOfMemoryError",
    "ProductError",
    "ServiceError",
    "SettingsError",
    "TimeFormatError",
    "TrainingDivergedError",
    "UnknownVariableError",
    "VerificationError",
    "Workspace",
    "__version__",
    "create_workspace",
    "find_workspace",
    "ingest_files",
    "list_products",
    "load_model",
    "open_archive",
    "open_grib",
    "open_product",
    "run_cycle",
    "serve",
    "summary",
    "verify",
]

_MODULES = {  # those of the other names, all errors, is met2net_ops.errors
    "met2net_ops.gribview.open": ("GribWarning", "open_grib"),
    "met2net_ops.models.training.loop": ("TrainingDivergedError",),
    "met2net_ops.models.training.memory": ("OutOfMemoryError",),
    "met2net_ops.observations.report": ("ObservationError",),
    "met2net_ops.times": ("TimeFormatError",),
    "met2net_ops.variables": ("UnknownVariableError",),
    "met2net_ops.version": ("__version__",),
    "met2net_ops.workspace": ("Workspace", "create_workspace", "find_workspace"),
    "met2net_ops.api": (
        "ingest_files", "list_products", "load_model", "open_archive", "open_product", "run_cycle",
        "serve", "summary", "verify",
    ),
}  # fmt: skip
_HOMES = {name: module for module, names in _MODULES.items() for name in names}


if not TYPE_CHECKING:  # else type checkers would take any name for one of ours

    def __getattr__(name: str) -> object:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(_HOMES.get(name, "met2net_ops.errors")), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
