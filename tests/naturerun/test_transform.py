"""The transforms against what is known of spherical harmonics."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import sph_harm_y

from met2net_ops.naturerun.transform import SpectralTransform, Synthesis, legendre

RADIUS = 6.371e6
TRANSFORM = SpectralTransform(21, RADIUS)


def random_spectral(seed: int, fields: int = 2, truncation: int = 21) -> np.ndarray:
    rng = np.random.default_rng(seed)
    size = truncation + 1
    values = rng.standard_normal((2, fields, size, size))
    spectral = values[0] + 1j * values[1]
    spectral[:, 0] = spectral[:, 0].real
    m, n = np.ogrid[:size, :size]
    return np.where(n >= m, spectral, 0.0)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_there_and_back_is_the_same(seed: int) -> None:
    spectral = random_spectral(seed)
    back = TRANSFORM.analysis(TRANSFORM.synthesis(spectral))
    np.testing.assert_allclose(back, spectral, atol=1e-11)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_the_wind_has_the_vorticity_and_divergence_it_was_made_from(seed: int) -> None:
    vorticity, divergence = random_spectral(seed), random_spectral(seed + 1)
    vorticity[:, 0, 0] = divergence[:, 0, 0] = 0.0
    curl, spread = TRANSFORM.vector_analysis(*TRANSFORM.wind(vorticity, divergence))
    np.testing.assert_allclose(curl, vorticity, atol=1e-10)
    np.testing.assert_allclose(spread, divergence, atol=1e-10)


def test_legendre_functions_are_those_of_scipy() -> None:
    sines = np.linspace(-0.99, 0.99, 11)
    p, _ = legendre(31, sines)
    for m, n in ((0, 0), (0, 7), (3, 9), (31, 31), (17, 30)):
        # scipy's are orthonormal over the sphere and carry the Condon-Shortley phase
        theirs = sph_harm_y(n, m, np.arccos(sines), 0.0).real * np.sqrt(4 * np.pi) * (-1) ** m
        np.testing.assert_allclose(p[m, :, n], theirs, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("m", "n"), [(0, 1), (0, 5), (4, 5), (20, 21)])
def test_harmonics_are_eigenfunctions_of_the_laplacian(m: int, n: int) -> None:
    spectral = TRANSFORM.zeros(1)
    spectral[0, m, n] = 1.0
    gradient = TRANSFORM.vector_synthesis(np.zeros_like(spectral), spectral)
    _, laplacian = TRANSFORM.vector_analysis(*(part / RADIUS for part in gradient))
    expected = -n * (n + 1) / RADIUS**2 * spectral
    np.testing.assert_allclose(laplacian, expected, atol=1e-22)


def test_products_of_two_fields_are_not_aliased() -> None:
    # sin φ times cos²¹ φ cos 21λ has degree 22: only its part within the truncation may show
    spectral = TRANSFORM.zeros(2)
    spectral[0, 0, 1], spectral[1, 21, 21] = 1.0, 1.0
    grid = TRANSFORM.synthesis(spectral)
    product = TRANSFORM.analysis((grid[0] * grid[1])[None])
    np.testing.assert_allclose(product, 0.0, atol=1e-12)


def test_any_grid_gives_the_values_of_the_gaussian_one() -> None:
    spectral = random_spectral(9)
    elsewhere = Synthesis(21, RADIUS, TRANSFORM.latitudes, TRANSFORM.longitudes)
    np.testing.assert_allclose(
        elsewhere.scalar(spectral), TRANSFORM.synthesis(spectral), atol=1e-10
    )
    spectral[:, 0, 0] = 0.0
    u, v = elsewhere.wind(spectral, spectral[::-1])
    cosine = np.sqrt(TRANSFORM.cosines2)
    east, north = TRANSFORM.wind(spectral, spectral[::-1])
    np.testing.assert_allclose(u * cosine, east, rtol=1e-9, atol=1e-4)
    np.testing.assert_allclose(v * cosine, north, rtol=1e-9, atol=1e-4)


def test_the_first_coefficient_is_the_mean() -> None:
    spectral = random_spectral(4, fields=1)
    assert TRANSFORM.mean(TRANSFORM.synthesis(spectral))[0] == pytest.approx(
        spectral[0, 0, 0].real, abs=1e-12
    )
