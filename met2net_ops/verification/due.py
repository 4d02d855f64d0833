"""Which products are due, and which months of stored sums are old enough to become one file."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from met2net_ops.products.index import list_products, newest_product
from met2net_ops.verification.store.listing import stored_sums
from met2net_ops.verification.store.months import compact_months

if TYPE_CHECKING:
    from pathlib import Path

    from met2net_ops.paths import WorkspacePaths
    from met2net_ops.products.index import ProductEntry

RECENT = timedelta(days=30)  # for so long late reports and corrected analyses are expected


def products_due(paths: WorkspacePaths, truth: str, model: str | None = None) -> list[ProductEntry]:
    """Products whose sums may be missing or out of date, oldest cycle first.

    Those without sums, and those whose truth may still change: of the last `RECENT` before the
    newest. Only names are read, so that years of verified cycles cost little.

    Raises:
        VerificationError: the file of sums of a month is damaged.
    """
    entries = list_products(paths, model=model)
    if not entries:
        return []
    stored = stored_sums(paths, truth, None if model is None else [model]).verified()
    recent = entries[-1].reference_time - RECENT
    return [
        entry
        for entry in entries
        if entry.reference_time >= recent or (entry.model, entry.reference_time) not in stored
    ]


def compact_old_sums(paths: WorkspacePaths) -> list[Path]:
    """Put the sums of every month that ended `RECENT` before the newest product into one file.

    Returns:
        The files written, see `months.compact_months`.

    Raises:
        VerificationError: one cannot be written; the sums it was to hold are still there.
    """
    newest = newest_product(paths)
    return [] if newest is None else compact_months(paths, newest.reference_time - RECENT)
