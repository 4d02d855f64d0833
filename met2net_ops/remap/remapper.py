"""Choose how to remap, and keep the weights of each pair of grids."""

from __future__ import annotations

import logging
import zipfile
from collections import OrderedDict
from typing import TYPE_CHECKING

import numpy as np

from met2net_ops.durable import replacing
from met2net_ops.errors import GridError
from met2net_ops.remap import axes
from met2net_ops.remap.weights import MatrixWeights, Method, SeparableWeights, Weights

if TYPE_CHECKING:
    from pathlib import Path

    from scipy import sparse

    from met2net_ops.grids import LatLonGrid, SourceGrid
    from met2net_ops.variables import Variable

_log = logging.getLogger(__name__)

_FORMAT = 1
_PAIRS_IN_MEMORY = 16
_SAME_SIZE = 1.001  # a target cell larger than that many source cells is coarser


def choose_method(source: SourceGrid, target: LatLonGrid, row: Variable | None = None) -> Method:
    """Nearest for categories, conservative when coarsening, bilinear when refining or equal."""
    if row is not None and row.categorical:
        return Method.NEAREST
    dlat, dlon = spacing(source)
    coarser = target.dlat * target.dlon > _SAME_SIZE * dlat * dlon
    return Method.CONSERVATIVE if coarser else Method.BILINEAR


def spacing(source: SourceGrid) -> tuple[float, float]:
    """Typical spacing of a grid in latitude and longitude, degrees.

    On meshes the longitude spacing is that of the equator; both are the great-circle distance
    scaled to the grid's middle latitude.
    """
    if source.separable:
        return _median_step(source.latitudes), _median_step(source.longitudes)
    if len(source.shape) == 2:
        from met2net_ops.remap import curvilinear

        step = curvilinear.spacing_degrees(source)
        middle = np.cos(np.deg2rad(np.median(source.latitudes)))
        return step, step / max(float(middle), 0.05)
    rows = np.unique(np.round(source.latitudes, 6))
    longest = max(np.unique(np.round(source.latitudes, 6), return_counts=True)[1])
    return 180.0 / rows.size, 360.0 / float(longest)


def compute_weights(source: SourceGrid, target: LatLonGrid, method: Method) -> Weights:
    """The weights of a grid pair.

    Raises:
        GridError: the source is neither rows and columns, nor rows around the globe, nor a mesh.
    """
    if method is Method.NEAREST:
        return MatrixWeights(_nearest(source, target), target.shape)
    if source.separable:
        return _separable(source, target, method)
    # What needs SciPy is imported here: half of a decoder's start, and most feeds never need it.
    from met2net_ops.remap import curvilinear, reduced

    if len(source.shape) == 2 and min(source.shape) >= 2:
        mesh = curvilinear.conservative if method is Method.CONSERVATIVE else curvilinear.bilinear
        return MatrixWeights(mesh(source, target), target.shape)
    if reduced.is_reduced(source):
        rows = reduced.conservative if method is Method.CONSERVATIVE else reduced.bilinear
        return MatrixWeights(rows(source, target), target.shape)
    raise GridError(
        f"a {source.kind} grid of shape {source.shape} cannot be remapped: its points are neither "
        "rows and columns, nor rows around the whole globe, nor a mesh. Deliver the field on a "
        "regular, rotated, projected or (global) Gaussian grid."
    )


class Remapper:
    """Weights onto one target grid, computed once per source grid.

    The few pairs used last stay in memory. Matrices that take long to compute are kept in
    `folder`, where another process finds them.
    """

    def __init__(self, target: LatLonGrid, folder: Path | None = None) -> None:
        self.target = target
        self._folder = folder
        self._kept: OrderedDict[tuple[str, Method], Weights] = OrderedDict()

    def weights(self, source: SourceGrid, method: Method) -> Weights:
        """The weights of a pair, from memory, from disk, or computed.

        Raises:
            GridError: see `compute_weights`.
        """
        key = (source.checksum, method)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        weights = self._load(source, method) or self._compute(source, method)
        self._kept[key] = weights
        if len(self._kept) > _PAIRS_IN_MEMORY:
            self._kept.popitem(last=False)
        return weights

    def _compute(self, source: SourceGrid, method: Method) -> Weights:
        weights = compute_weights(source, self.target, method)
        path = self._path(source, method)
        if path is not None and isinstance(weights, MatrixWeights):
            try:
                _save(path, weights.matrix)
            except OSError as error:  # the copy in memory still serves
                _log.warning("cannot keep remapping weights in %s: %s", path, error)
        return weights

    def _load(self, source: SourceGrid, method: Method) -> Weights | None:
        path = self._path(source, method)
        if path is None or not path.is_file():
            return None
        from scipy import sparse

        try:
            with path.open("rb") as stream:
                matrix = sparse.csr_array(sparse.load_npz(stream))
        except (OSError, ValueError, KeyError, zipfile.BadZipFile):
            return None  # damaged: computed again, and replaced
        nlat, nlon = self.target.shape
        if matrix.shape != (nlat * nlon, int(np.prod(source.shape))):
            return None
        return MatrixWeights(matrix, self.target.shape)

    def _path(self, source: SourceGrid, method: Method) -> Path | None:
        if self._folder is None or (source.separable and method is not Method.NEAREST):
            return None
        name = f"{source.checksum}-{self.target.checksum}-{method.value}-{_FORMAT}.npz"
        return self._folder / name


def _separable(source: SourceGrid, target: LatLonGrid, method: Method) -> SeparableWeights:
    poles = source.periodic
    if method is Method.CONSERVATIVE:
        return SeparableWeights(
            axes.latitude_overlap(
                axes.latitude_edges(source.latitudes, reaches_poles=poles), target.latitude_edges
            ),
            axes.longitude_overlap(
                axes.longitude_edges(source.longitudes, periodic=source.periodic),
                target.longitude_edges,
            ),
        )
    return SeparableWeights(
        axes.latitude_interpolation(source.latitudes, target.latitudes, reaches_poles=poles),
        axes.longitude_interpolation(
            source.longitudes, target.longitudes, periodic=source.periodic
        ),
    )


def _nearest(source: SourceGrid, target: LatLonGrid) -> sparse.csr_array:
    from met2net_ops.remap import curvilinear

    latitudes, longitudes = source.latitudes, source.longitudes
    if source.separable:
        latitudes, longitudes = np.meshgrid(latitudes, longitudes, indexing="ij")
    return curvilinear.nearest(latitudes, longitudes, target, reach=max(spacing(source)))


def _median_step(coordinates: np.ndarray) -> float:
    return float(np.median(np.abs(np.diff(coordinates)))) if coordinates.size > 1 else 180.0


def _save(path: Path, matrix: sparse.csr_array) -> None:
    from scipy import sparse

    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file:
        sparse.save_npz(file, matrix, compressed=False)
