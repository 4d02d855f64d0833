"""Which frames there are, and with what content: what sums against analyses were made from."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from met2net_ops.catalog.origins import origins
from met2net_ops.variables import VARIABLES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    import numpy as np
    from numpy.typing import NDArray

    from met2net_ops.catalog.engine import Catalog


class FrameStates:
    """Digests of frames, by what the catalog knows of their content.

    The catalog is asked once per valid time in the life of this object. Frames written without
    the ingest are known by their presence alone.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._known: dict[datetime, dict[str, str]] = {}

    def state(
        self,
        names: tuple[str, ...],
        times: Sequence[datetime],
        present: Callable[[tuple[str, ...], Sequence[datetime]], NDArray[np.bool_]],
    ) -> str:
        """Sixteen hexadecimal digits that change with presence or content of any of the frames.

        Args:
            names: canonical names.
            times: valid times.
            present: (variable, time) presence of frames.
        """
        self._ask([time for time in times if time not in self._known])
        digest = hashlib.sha256(present(names, times).tobytes())
        for time in times:
            hashes = self._known[time]
            digest.update(" ".join(hashes.get(name, "-") for name in names).encode())
        return digest.hexdigest()[:16]

    def _ask(self, times: Sequence[datetime]) -> None:
        for time in times:
            self._known[time] = {}
        if not times:
            return
        for (name, time), origin in origins(self._catalog, VARIABLES, times).items():
            self._known[time][name] = origin.frame_sha256
