"""Spherical harmonic transforms with triangular truncation, by matrix products and FFT.

A real field is f(λ, μ) = Σ_m Σ_n f[m, n] P[m, n](μ) exp(imλ) with μ = sin φ, both signs of m
(those of negative m are the conjugates and are not stored) and ½ ∫ P² dμ = 1, so that f[0, 0] is
the global mean. Spectral arrays have the shape (field, m, n), square, zero where n < m; grid
arrays (field, latitude, longitude), south to north on the Gaussian latitudes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import scipy.fft

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Complex = NDArray[np.complex128]
    Real = NDArray[np.float64]


def legendre(truncation: int, sines: Real) -> tuple[Real, Real]:
    """Associated Legendre functions P and H = (1 - μ²) dP/dμ.

    Args:
        truncation: the largest m and n, N.
        sines: (J,) sine of latitude.

    Returns:
        Two arrays (N + 1, J, N + 1): order m, latitude, degree n.

    Source: Belousov (1962); the stable recursion in n at fixed m.

    >>> p, h = legendre(2, np.array([0.5]))
    >>> round(float(p[0, 0, 1]), 6), round(float(h[0, 0, 1]), 6)  # √3 μ and √3 (1 - μ²)
    (0.866025, 1.299038)
    """
    size = truncation + 1
    p = np.zeros((size, sines.size, size + 1))
    cosines = np.sqrt(1.0 - sines**2)
    diagonal = np.ones_like(sines)
    epsilon = np.zeros((size, size + 2))
    for m in range(size):
        n = np.arange(m, size + 2)
        epsilon[m, m:] = np.sqrt((n**2 - m**2) / (4.0 * n**2 - 1.0))
        if m:
            diagonal = diagonal * np.sqrt((2 * m + 1) / (2 * m)) * cosines
        p[m, :, m] = diagonal
        for degree in range(m, size):
            below = p[m, :, degree - 1] * epsilon[m, degree] if degree > m else 0.0
            p[m, :, degree + 1] = (sines * p[m, :, degree] - below) / epsilon[m, degree + 1]
    degrees = np.arange(size)
    h = -degrees * epsilon[:, None, 1 : size + 1] * p[:, :, 1:]
    h[:, :, 1:] += (degrees[1:] + 1) * epsilon[:, None, 1:size] * p[:, :, : size - 1]
    return np.ascontiguousarray(p[:, :, :size]), h


class SpectralTransform:
    """Transforms between coefficients and a dealiased Gaussian grid.

    Attributes:
        truncation: N.
        nlat, nlon: the Gaussian grid, large enough that products of two fields are exact.
        sines: (nlat,) sine of latitude, ascending.
        weights: (nlat,) Gaussian weights; they add up to 2.
        cosines2: (nlat, 1) cos² of latitude.
        laplacian: (N + 1,) eigenvalues -n(n + 1)/a² in m⁻².
        inverse_laplacian: their inverses, 0 for n = 0.
        radius: a, m.
    """

    def __init__(self, truncation: int, radius: float) -> None:
        self.truncation = truncation
        self.radius = radius
        self.nlon = scipy.fft.next_fast_len(3 * truncation + 1)
        self.nlon += self.nlon % 2
        self.nlat = self.nlon // 2
        self.sines, self.weights = np.polynomial.legendre.leggauss(self.nlat)
        self.cosines2 = (1.0 - self.sines**2)[:, None]
        n = np.arange(truncation + 1)
        self.laplacian = -n * (n + 1.0) / radius**2
        self.inverse_laplacian = np.zeros(n.size)
        self.inverse_laplacian[1:] = 1.0 / self.laplacian[1:]
        self._im = 1j * n[:, None]
        self._n_below_m = n[None, :] < n[:, None]
        p, h = legendre(truncation, self.sines)
        self._p = p
        self._ph = np.concatenate([p, h], axis=2)  # (m, lat, 2n)
        weights = 0.5 * self.weights
        self._p_back = np.ascontiguousarray((p * weights[:, None]).transpose(0, 2, 1))
        over = weights / self.cosines2[:, 0]
        back = np.concatenate([p * over[:, None], h * over[:, None]], axis=2)
        self._ph_back = np.ascontiguousarray(back.transpose(0, 2, 1))  # (m, 2n, lat)

    @property
    def latitudes(self) -> Real:
        """(nlat,) degrees north, ascending."""
        return np.asarray(np.rad2deg(np.arcsin(self.sines)))

    @property
    def longitudes(self) -> Real:
        """(nlon,) degrees east from 0."""
        return np.asarray(np.arange(self.nlon) * (360.0 / self.nlon))

    def zeros(self, fields: int) -> Complex:
        """Coefficients of that many zero fields."""
        return np.zeros((fields, self.truncation + 1, self.truncation + 1), dtype=np.complex128)

    def _to_grid(self, matrix: Real, columns: Complex) -> Real:
        """Matrix (m, lat, k) times columns (field, m, k), then Fourier synthesis."""
        fields = columns.shape[0]
        right = np.ascontiguousarray(columns.transpose(1, 2, 0)).view(np.float64)
        fourier = np.matmul(matrix, right).view(np.complex128)  # (m, lat, field)
        padded = np.zeros((fields, self.nlat, self.nlon // 2 + 1), dtype=np.complex128)
        padded[:, :, : self.truncation + 1] = fourier.transpose(2, 1, 0)
        return np.asarray(
            scipy.fft.irfft(padded, n=self.nlon, axis=2, norm="forward", overwrite_x=True)
        )

    def _fourier(self, grid: Real) -> Real:
        """(field, lat, lon) to (m, lat, 2 field): real and imaginary parts side by side."""
        fourier = scipy.fft.rfft(grid, axis=2, norm="forward")[:, :, : self.truncation + 1]
        return np.ascontiguousarray(fourier.transpose(2, 1, 0)).view(np.float64)

    def synthesis(self, spectral: Complex) -> Real:
        """Coefficients (field, m, n) to the grid (field, lat, lon)."""
        return self._to_grid(self._p, spectral)

    def analysis(self, grid: Real) -> Complex:
        """The grid (field, lat, lon) to coefficients (field, m, n)."""
        product = np.matmul(self._p_back, self._fourier(grid)).view(np.complex128)
        return self._finish(product)

    def _finish(self, product: Complex) -> Complex:
        spectral = np.ascontiguousarray(product.transpose(2, 0, 1))
        spectral[:, self._n_below_m] = 0.0
        return spectral

    def vector_synthesis(self, stream: Complex, potential: Complex) -> tuple[Real, Real]:
        """The vector k x ∇ψ + ∇χ, times a cos φ, on the grid.

        Args:
            stream: ψ (field, m, n).
            potential: χ (field, m, n).

        Returns:
            The eastward and northward parts (field, lat, lon), each times a cos φ.
        """
        east = np.concatenate([self._im * potential, -stream], axis=2)
        north = np.concatenate([self._im * stream, potential], axis=2)
        both = self._to_grid(self._ph, np.concatenate([east, north]))
        return both[: stream.shape[0]], both[stream.shape[0] :]

    def wind(self, vorticity: Complex, divergence: Complex) -> tuple[Real, Real]:
        """The wind times cos φ (U, V), m/s, from vorticity and divergence, 1/s."""
        scale = self.inverse_laplacian / self.radius
        return self.vector_synthesis(vorticity * scale, divergence * scale)

    def vector_analysis(self, east: Real, north: Real) -> tuple[Complex, Complex]:
        """Curl and divergence of a vector given as (east, north) times cos φ.

        Returns:
            Coefficients of the curl and of the divergence, per metre.
        """
        fields = east.shape[0]
        fourier = self._fourier(np.concatenate([east, north]))
        product = np.matmul(self._ph_back, fourier).view(np.complex128)
        size = self.truncation + 1
        flat, tilted = product[:, :size], product[:, size:]
        im = self._im[:, :, None]
        curl = im * flat[:, :, fields:] + tilted[:, :, :fields]
        divergence = im * flat[:, :, :fields] - tilted[:, :, fields:]
        return self._finish(curl / self.radius), self._finish(divergence / self.radius)

    def mean(self, grid: Real) -> Real:
        """Area mean over the sphere of (..., lat, lon)."""
        return np.asarray(0.5 * np.einsum("...jk,j->...", grid, self.weights) / self.nlon)


class Synthesis:
    """Evaluates coefficients at the points of any latitude x longitude product grid."""

    def __init__(self, truncation: int, radius: float, latitudes: Real, longitudes: Real) -> None:
        sines = np.sin(np.deg2rad(latitudes))
        m = np.arange(truncation + 1)
        angle = np.deg2rad(longitudes) * m[:, None]
        twice = np.where(m == 0, 1.0, 2.0)[:, None]
        self._fourier = np.concatenate([twice * np.cos(angle), -twice * np.sin(angle)])
        p, h = legendre(truncation, sines)
        self._p = p
        # At the poles the wind is undefined in these components: step off by a hair.
        cosines = np.maximum(np.cos(np.deg2rad(latitudes)), 1e-6)
        self._ph = np.concatenate([p, h], axis=2) / cosines[:, None] / radius
        self._im = 1j * m[:, None]
        n = np.arange(truncation + 1)
        self._inverse_laplacian = np.zeros(n.size)
        self._inverse_laplacian[1:] = -(radius**2) / (n[1:] * (n[1:] + 1.0))

    def _evaluate(self, matrix: Real, columns: Complex) -> Real:
        right = np.ascontiguousarray(columns.transpose(1, 2, 0)).view(np.float64)
        fourier = np.matmul(matrix, right).view(np.complex128).transpose(2, 1, 0)
        return np.asarray(np.concatenate([fourier.real, fourier.imag], axis=2) @ self._fourier)

    def scalar(self, spectral: Complex) -> Real:
        """(field, m, n) to (field, lat, lon)."""
        return self._evaluate(self._p, spectral)

    def wind(self, vorticity: Complex, divergence: Complex) -> tuple[Real, Real]:
        """Eastward and northward wind, m/s, (field, lat, lon)."""
        stream = vorticity * self._inverse_laplacian
        potential = divergence * self._inverse_laplacian
        east = np.concatenate([self._im * potential, -stream], axis=2)
        north = np.concatenate([self._im * stream, potential], axis=2)
        both = self._evaluate(self._ph, np.concatenate([east, north]))
        return both[: stream.shape[0]], both[stream.shape[0] :]
