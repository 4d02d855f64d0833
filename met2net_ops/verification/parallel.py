"""Verification of many cycles on Dask: processes of this machine, or a cluster.

Products are dealt out in runs of neighbouring cycles, because they share analyses. Every worker
opens the archive itself and writes its own files; nothing but outcomes travels back.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

from met2net_ops.errors import VerificationError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from met2net_ops.products.index import ProductEntry
    from met2net_ops.verification.outcome import VerificationOutcome

CONNECT_TIMEOUT = "10s"
_RUNS_PER_WORKER = 4  # so that a slow run does not keep the others waiting at the end


def verify_in_parallel(
    work: Callable[[Sequence[ProductEntry]], list[VerificationOutcome]],
    entries: Sequence[ProductEntry],
    workers: int,
    scheduler: str | None = None,
) -> list[VerificationOutcome]:
    """Run `work` on runs of entries, in order.

    Args:
        work: verifies a run of entries; must survive pickling.
        entries: products, oldest first.
        workers: processes on this machine; without meaning where `scheduler` is given.
        scheduler: address of a Dask scheduler, such as tcp://host:8786, whose workers see the
            workspace under the same path.

    Raises:
        VerificationError: Dask is not installed, or the scheduler cannot be reached.
    """
    try:
        import dask
    except ImportError as error:
        raise VerificationError(
            "verification on several workers needs Dask: pip install 'met2net-ops[cluster]'"
        ) from error
    size = max(1, -(-len(entries) // (workers * _RUNS_PER_WORKER)))
    runs = [entries[first : first + size] for first in range(0, len(entries), size)]
    tasks = [dask.delayed(work)(run) for run in runs]  # type: ignore[attr-defined]
    if scheduler is None:
        found = dask.compute(*tasks, scheduler="processes", num_workers=workers)  # type: ignore[attr-defined, no-untyped-call]
    else:
        found = _on_cluster(tasks, scheduler)
    return list(chain.from_iterable(found))


def _on_cluster(tasks: list[Any], scheduler: str) -> Sequence[list[VerificationOutcome]]:
    try:
        import distributed
    except ImportError as error:
        raise VerificationError(
            "a Dask cluster needs the distributed package: pip install 'met2net-ops[cluster]'"
        ) from error
    connect: Any = distributed.Client
    try:
        client = connect(scheduler, timeout=CONNECT_TIMEOUT)
    except (OSError, ValueError) as error:
        raise VerificationError(f"no Dask scheduler answers at {scheduler}: {error}") from error
    with client:
        found: list[list[VerificationOutcome]] = client.gather(client.compute(tasks))
        return found
