"""Writing a product, lead by lead, checked by reading every value back before it is published."""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from typing import TYPE_CHECKING

import netCDF4
import numpy as np

from met2net_ops.errors import ProductError
from met2net_ops.products.layout import define, describe, valid_time_seconds
from met2net_ops.products.publish import Claim, claim, explained
from met2net_ops.products.read import LIBRARY_LOCK, header_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from met2net_ops.products.header import ProductHeader
    from met2net_ops.settings import ProductSettings

_COMPARED_AT_ONCE = 2**21  # values: 8 MB


class ProductWriter:
    """One product in the making; made by `write_product`.

    Call `write` with consecutive blocks, then `finish`, `verify`, and `publish` or `reject`.
    """

    def __init__(self, held: Claim, header: ProductHeader, settings: ProductSettings) -> None:
        self._claim = held
        self._header = header
        self._digests: dict[tuple[int, str], bytes] = {}
        self._next_lead = 1
        with self._library():
            self._dataset = netCDF4.Dataset(held.temporary, "w", format="NETCDF4")
            define(self._dataset, header, settings)

    def write(self, first_lead: int, values: NDArray[np.float32]) -> None:
        """Append leads.

        Args:
            first_lead: lead number of `values[0]`, the one after the last written.
            values: (lead, variable, latitude, longitude) float32.

        Raises:
            ProductError: out of order or of another shape; or the disk refused.
        """
        header, stop = self._header, first_lead + values.shape[0]
        wanted = (len(header.variables), *header.grid.shape)
        if first_lead != self._next_lead or stop - 1 > header.leads or values.shape[1:] != wanted:
            raise ProductError(
                f"{self._claim.destination}: a block of shape {values.shape} from lead "
                f"{first_lead} does not follow lead {self._next_lead - 1} of {header.leads} "
                f"with fields of shape {wanted}"
            )
        with self._library():
            for index, name in enumerate(header.variables):
                fields = np.ascontiguousarray(values[:, index], dtype=np.float32)
                self._dataset[name][first_lead - 1 : stop - 1] = fields
                for lead, field in enumerate(fields, first_lead):
                    self._digests[lead, name] = _digest(field)
        self._next_lead = stop

    def finish(self, header: ProductHeader) -> None:
        """Write the global attributes and close; `header` adds timings and findings.

        Raises:
            ProductError: leads are missing, or the disk refused.
        """
        if self._next_lead != header.leads + 1:
            raise ProductError(
                f"{self._claim.destination}: the rollout ended at lead {self._next_lead - 1} "
                f"of {header.leads}"
            )
        self._header = header
        with self._library():
            describe(self._dataset, header)
            self._dataset.close()

    def verify(self) -> None:
        """Reopen the file and compare every value, every valid time and the header.

        Raises:
            ProductError: anything differs from what was to be written.
        """
        with self._library():
            differing = _differences(self._claim.temporary, self._header, self._digests)
        if differing:
            raise ProductError(
                f"{self._claim.destination} came back from disk with other values than were "
                f"written ({', '.join(differing[:5])}, {len(differing)} in all) and was not "
                "published; check the disk and memory of this machine"
            )

    def publish(self) -> Path:
        """Put the product in its place, replacing an earlier one at once.

        Raises:
            ProductError: the disk refused.
        """
        return self._place(self._claim.destination)

    def reject(self) -> Path:
        """Keep it beside its place as `….rejected.nc`.

        Raises:
            ProductError: the disk refused.
        """
        return self._place(rejected_path(self._claim.destination))

    def _place(self, destination: Path) -> Path:
        try:
            self._claim.place(destination)
        except OSError as error:
            raise explained(error, destination) from error
        return destination

    def close(self) -> None:
        """Let go of the file, whatever state it is in."""
        if self._dataset.isopen():
            with LIBRARY_LOCK:
                try:
                    self._dataset.close()
                except (OSError, RuntimeError):
                    return  # on a full disk closing fails too; the first error is the telling one

    @contextmanager
    def _library(self) -> Iterator[None]:
        try:
            with LIBRARY_LOCK:
                yield
        except (OSError, RuntimeError) as error:
            raise explained(error, self._claim.destination) from error


@contextmanager
def write_product(
    path: Path, header: ProductHeader, settings: ProductSettings
) -> Iterator[ProductWriter]:
    """A writer for `path`; what is not published or rejected by the end is removed.

    Raises:
        ProductError: another process is writing `path`, or the disk refused.
    """
    with claim(path) as held:
        writer = ProductWriter(held, header, settings)
        try:
            yield writer
        finally:
            writer.close()


def rejected_path(path: Path) -> Path:
    """Where a product is kept that the gate refused."""
    return path.with_name(f"{path.stem}.rejected.nc")


def _differences(
    path: Path, header: ProductHeader, digests: dict[tuple[int, str], bytes]
) -> list[str]:
    with netCDF4.Dataset(path) as dataset:
        dataset.set_auto_maskandscale(False)
        differing = [] if header_of(dataset) == header else ["global attributes"]
        if not np.array_equal(dataset["time"][:], valid_time_seconds(header)):
            differing.append("time")
        for name, values in (
            ("latitude", header.grid.latitudes),
            ("longitude", header.grid.longitudes),
        ):
            if not np.array_equal(dataset[name][:], values):
                differing.append(name)
        at_once = max(1, _COMPARED_AT_ONCE // (header.grid.nlat * header.grid.nlon))
        for name in header.variables:
            for start in range(0, header.leads, at_once):
                fields = dataset[name][start : start + at_once]
                differing += [
                    f"{name} at lead {lead}"
                    for lead, field in enumerate(fields, start + 1)
                    if _digest(field) != digests[lead, name]
                ]
    return differing


def _digest(field: NDArray[np.float32]) -> bytes:
    """A hash of a field's bits: equal hashes mean equal bits, NaN payloads and signs included."""
    return hashlib.blake2b(np.ascontiguousarray(field).data, digest_size=16).digest()
