"""Products with members: the mean is scored, and CRPS and spread reach store and table."""

from __future__ import annotations

from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr
from scores.probability import crps_for_ensemble
from verification_desk import GRID, HOUR, NAMES, START, Desk, nature

from met2net_ops.errors import VerificationError
from met2net_ops.observations.store import import_files
from met2net_ops.verification.inputs.forecast_file import open_forecast
from met2net_ops.verification.inputs.interpolation import bilinear
from met2net_ops.verification.results.query import Selection
from met2net_ops.verification.results.summary import ScoreLine, summary
from met2net_ops.verification.run_analyses import verify_analyses
from met2net_ops.verification.run_stations import verify_stations
from met2net_ops.workspace import Workspace

MEMBERS = 5
CYCLE = START + 24 * HOUR
AREA = GRID.cell_areas / GRID.cell_areas.sum()


def with_members(path: Path) -> dict[str, np.ndarray]:
    """Give a product's fields the dimension CF has for members; what they are then."""
    rng = np.random.default_rng(1)
    fields = {}
    whole = path.with_suffix(".members")
    with netCDF4.Dataset(path) as old, netCDF4.Dataset(whole, "w") as new:
        new.setncatts({name: old.getncattr(name) for name in old.ncattrs()})
        new.createDimension("realization", MEMBERS)
        for name, dimension in old.dimensions.items():
            new.createDimension(name, len(dimension))
        for name, item in old.variables.items():
            shape = ("realization", *item.dimensions) if name in NAMES else item.dimensions
            made = new.createVariable(name, item.dtype, shape, fill_value=False)
            made.setncatts({k: item.getncattr(k) for k in item.ncattrs() if k != "_FillValue"})
            if name in NAMES:
                spread = rng.standard_normal((MEMBERS, *item.shape)).astype(np.float32)
                fields[name] = item[...].data + spread
                made[...] = fields[name]
            else:
                made[...] = item[...]
    whole.replace(path)
    return fields


def line(desk: Desk, truth: str, lead: int) -> ScoreLine:
    found = summary(desk.workspace, Selection(truth))
    (one,) = [x for x in found if (x.variable, x.lead_hours) == ("t2m", lead)]
    return one


def test_against_analyses(desk: Desk) -> None:
    desk.observe(START, 36)
    members = with_members(desk.forecast(CYCLE, leads=3))["t2m"]
    (outcome,) = verify_analyses(Workspace(desk.workspace, desk.settings))
    assert outcome.status == "final"
    assert f"mean of {MEMBERS} members" in outcome.reason
    found = line(desk, "analysis", 2)
    truth = nature("t2m", CYCLE + 2 * HOUR).astype(float)
    x = members[:, 1].astype(float)
    f, o, w = (xr.DataArray(v, dims=d) for v, d in
               ((x, ("m", "y", "x")), (truth, ("y", "x")), (AREA, ("y", "x"))))  # fmt: skip
    expected = float(crps_for_ensemble(f, o, "m", method="ecdf", weights=w))
    assert found.crps == pytest.approx(expected, rel=1e-9)
    error = (AREA * (x.mean(axis=0) - truth) ** 2).sum()
    spread = (MEMBERS + 1) / MEMBERS * (AREA * x.var(axis=0, ddof=1)).sum()
    assert found.spread_skill == pytest.approx(np.sqrt(spread / error), rel=1e-9)
    assert found.rmse == pytest.approx(np.sqrt(error), rel=1e-5)  # the mean is float32
    assert np.isfinite(found.skill_persistence)


def test_against_stations(desk: Desk) -> None:
    desk.observe(START, 36)
    members = with_members(desk.forecast(CYCLE, leads=2))["t2m"]
    places = [("A", 40.0, 50.0), ("B", -20.0, 200.0), ("C", 10.0, 300.5)]
    time = CYCLE + HOUR
    rows = [f"{name},{lat},{lon},5,{time:%Y-%m-%dT%H:%MZ},{280 + i}\n"
            for i, (name, lat, lon) in enumerate(places)]  # fmt: skip
    path = desk.workspace.root / "a.csv"
    path.write_text("station,latitude,longitude,height_m,time,t2m_k\n" + "".join(rows))
    import_files(desk.workspace.observations, [path], desk.settings.observations.columns)
    verify_stations(Workspace(desk.workspace, desk.settings))
    _, lat, lon = zip(*places, strict=True)
    x = bilinear(GRID, lat, lon)(members[:, 0])
    o = 280.0 + np.arange(3)
    pairs = np.abs(x[:, None] - x[None]).sum(axis=(0, 1)) / (2 * MEMBERS**2)
    expected = np.mean(np.abs(x - o).mean(axis=0) - pairs)
    found = line(desk, "stations", 1)
    assert found.n == 3
    assert found.crps == pytest.approx(expected, rel=1e-9)


def test_other_dimensions_are_refused(desk: Desk) -> None:
    path = desk.forecast(CYCLE, leads=2)
    with_members(path)
    with netCDF4.Dataset(path, "a") as file:
        file.renameDimension("realization", "number")
    with pytest.raises(VerificationError, match=r"dimensions .*'number'.*; wanted"):
        open_forecast(path, GRID)
