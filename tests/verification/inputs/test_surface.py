"""The model's surface from files as people have them; land and sea as regions."""

from __future__ import annotations

from pathlib import Path

import eccodes
import netCDF4
import numpy as np
import pytest
from verification_desk import GRID, HOUR, START, Desk

from met2net_ops.errors import VerificationError
from met2net_ops.grids import LatLonGrid, global_cell_centred
from met2net_ops.settings import Settings
from met2net_ops.verification.inputs.regions import WMO_REGIONS, weigh
from met2net_ops.verification.inputs.surface import Surface, read_surface, write_surface
from met2net_ops.verification.results.query import Selection, grouped_sums, region_of
from met2net_ops.verification.run_analyses import verify_analyses
from met2net_ops.workspace import Workspace

RNG = np.random.default_rng(0)
HEIGHT = np.round(3000 * RNG.random(GRID.shape))
LAND = np.round(RNG.random(GRID.shape), 1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "surface.nc"
    write_surface(path, GRID, Surface(HEIGHT, LAND), "a test")
    return path


def test_what_was_written_is_read(path: Path, tmp_path: Path) -> None:
    surface = read_surface(path, GRID)
    assert surface.height is not None
    assert surface.land is not None
    np.testing.assert_allclose(surface.height, HEIGHT)
    np.testing.assert_allclose(surface.land, LAND, rtol=1e-6)
    one = tmp_path / "one.nc"
    write_surface(one, GRID, Surface(land=LAND), "a test")
    assert read_surface(one, GRID).height is None
    assert read_surface(one, GRID).checksum != surface.checksum


def grib_fields(path: Path, name: str) -> np.ndarray:
    """As ecCodes reads it: north to south, west to east in this file."""
    with path.open("rb") as file:
        while (handle := eccodes.codes_grib_new_from_file(file)) is not None:
            if (eccodes.codes_get(handle, "shortName"), eccodes.codes_get(handle, "level")) == (
                name,
                0,
            ):
                values = eccodes.codes_get_values(handle)
                eccodes.codes_release(handle)
                return np.asarray(values)
            eccodes.codes_release(handle)
    raise AssertionError(name)


def test_grib_of_a_centre_on_its_own_grid_and_coarser(corpus: Path) -> None:
    path = corpus / "grib" / "pygrib" / "gfs.grb"
    own = LatLonGrid(90.0, 0.0, 2.5, 2.5, 73, 144)
    surface = read_surface(path, own)
    assert surface.height is not None
    assert surface.land is not None
    np.testing.assert_allclose(surface.height.ravel(), grib_fields(path, "orog"), atol=0.01)
    np.testing.assert_allclose(surface.land.ravel(), grib_fields(path, "lsm"), atol=1e-6)
    coarse = global_cell_centred(5.625, "coarse")
    remapped = read_surface(path, coarse)
    assert remapped.land is not None
    # Remapping is conservative: the share of land on the globe stays.
    shares = [(x.cell_areas * y).sum() / x.cell_areas.sum()
              for x, y in ((own, surface.land), (coarse, remapped.land))]  # fmt: skip
    assert shares[1] == pytest.approx(shares[0], rel=1e-3)
    assert 0.25 < shares[0] < 0.35


class TestRefusals:
    def refused(self, path: Path, grid: LatLonGrid = GRID) -> str:
        with pytest.raises(VerificationError) as caught:
            read_surface(path, grid)
        assert str(path) in str(caught.value)
        return str(caught.value)

    def test_another_grid(self, path: Path) -> None:
        shifted = LatLonGrid(75.0, 5.0, 30.0, 45.0, 6, 8)
        assert "longitude is offset by -5 degrees" in self.refused(path, shifted)
        assert "name the GRIB file" in self.refused(path, LatLonGrid(60.0, 0, 30, 45.0, 5, 8))

    def test_a_mirrored_surface(self, path: Path) -> None:
        with netCDF4.Dataset(path, "a") as file:
            file["latitude"][:] = file["latitude"][::-1]
        assert "latitude runs the other way round" in self.refused(path)

    def test_units_and_missing_values(self, path: Path) -> None:
        with netCDF4.Dataset(path, "a") as file:
            file["orog"].units = "feet"
        assert "orog is in 'feet', wanted 'm'" in self.refused(path)
        with netCDF4.Dataset(path, "a") as file:
            file["orog"].units = "km"
        assert "outside the possible" in self.refused(path)
        with netCDF4.Dataset(path, "a") as file:
            file["orog"].units = "m"
            file["lsm"][0, 0] = np.nan
        assert "missing at 1 points" in self.refused(path)

    def test_files_that_are_something_else(self, corpus: Path, tmp_path: Path) -> None:
        assert "cannot read" in self.refused(tmp_path / "none.nc")
        text = tmp_path / "text.nc"
        text.write_text("height 3", encoding="utf-8")
        assert "cannot read" in self.refused(text)
        assert "neither the height" in self.refused(corpus / "grib" / "cfgrib" / "step_60m.grib")


def test_land_and_sea_make_up_the_whole() -> None:
    weighting = weigh(GRID, WMO_REGIONS, LAND)
    rows = dict(zip(weighting.names, weighting.weights, strict=True))
    np.testing.assert_array_equal(rows["land"] + rows["sea"], rows["all"])
    assert np.array_equal(rows["land"] > 0, LAND.ravel() >= 0.5)
    assert "sea" not in weigh(GRID, (), np.ones(GRID.shape)).names


def test_scores_of_land_and_sea(desk: Desk) -> None:
    write_surface(desk.workspace.root / "s.nc", GRID, Surface(land=LAND), "a test")
    desk.observe(START, 36)
    error = np.where(LAND >= 0.5, 3.0, 1.0)
    desk.forecast(START + 24 * HOUR, error=lambda name, lead: error, leads=2)

    def verify(settings: Settings) -> list[bool]:
        return [
            outcome.computed for outcome in verify_analyses(Workspace(desk.workspace, settings))
        ]

    assert verify(desk.settings) == [True]
    with pytest.raises(VerificationError, match="no region is called 'atlantis'"):
        region_of("atlantis", desk.settings)
    with pytest.raises(VerificationError, match="where land is, is not known"):
        region_of("land", desk.settings)
    settings = desk.settings.model_copy(
        update={"verification": desk.settings.verification.model_copy(update={"surface": "s.nc"})}
    )
    assert verify(settings) == [True]
    assert verify(settings) == [False]
    for region, mean in (("land", 3.0), ("sea", 1.0)):
        chosen = Selection(region=region, variables=("t2m",))
        sums = grouped_sums(desk.workspace, "continuous", (), chosen).forecast.total((0, 1))
        assert sums["we"] / sums["w"] == pytest.approx(mean, rel=1e-5)
    regions = grouped_sums(desk.workspace, "continuous", ("region",), Selection(region=None))
    assert {key[0] for key in regions.keys} >= {"all", "land", "sea", "tropics", "pacific"}
    # Another mask under the same name is another settings digest.
    write_surface(desk.workspace.root / "s.nc", GRID, Surface(land=1 - LAND), "a test")
    assert verify(settings) == [True]
