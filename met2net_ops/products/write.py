"""Writing a product, lead by lead, checked by reading every value back before it is published."""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from typing import TYPE_CHECKING

import netCDF4
import numpy as np

from met2net_ops.durable import sync
from met2net_ops.errors import ProductError
from met2net_ops.products.layout import CHECKSUM, define, describe, valid_time_seconds
from met2net_ops.products.publish import Claim, claim, explained
from met2net_ops.products.read import LIBRARY_LOCK, checksum, header_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from met2net_ops.products.header import ProductHeader
    from met2net_ops.settings import ProductSettings


class ProductWriter:
    """One product in the making; made by `write_product`.

    Call `write` with consecutive blocks, then `finish`, `verify`, and `publish` or `reject`.
    """

    def __init__(self, held: Claim, header: ProductHeader, settings: ProductSettings) -> None:
        self._claim = held
        self._header = header
        self._digests = {name: hashlib.sha256() for name in header.variables}
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
                self._digests[name].update(fields.data)
        self._next_lead = stop

    def finish(self, header: ProductHeader) -> None:
        """Write the global attributes, close and sync; `header` adds timings and findings.

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
            for name, digest in self._digests.items():
                self._dataset[name].setncattr(CHECKSUM, digest.hexdigest())
            describe(self._dataset, header)
            self._dataset.close()
            sync(self._claim.temporary)

    def verify(self) -> None:
        """Reopen the file and compare every value, every valid time and the header.

        Raises:
            ProductError: anything differs from what was to be written.
        """
        with self._library():
            differing = self._differences()
        if differing:
            raise ProductError(
                f"{self._claim.destination} came back from disk with other values than were "
                f"written ({', '.join(differing)}) and was not "
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

    def _differences(self) -> list[str]:
        """What the file does not hold as it was written."""
        header, grid = self._header, self._header.grid
        coordinates = {
            "time": valid_time_seconds(header),
            "latitude": grid.latitudes,
            "longitude": grid.longitudes,
        }
        with netCDF4.Dataset(self._claim.temporary) as dataset:
            dataset.set_auto_maskandscale(False)
            differing = [] if header_of(dataset) == header else ["global attributes"]
            for name, values in coordinates.items():
                if not np.array_equal(dataset[name][:], values):
                    differing.append(name)
            for name, digest in self._digests.items():
                if checksum(dataset[name], header) != digest.hexdigest():
                    differing.append(name)
        return differing

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
