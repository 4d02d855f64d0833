"""What the synthetic feed writes is read back as what it was."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from met2net_ops.fields import FieldKind
from met2net_ops.grib.reader import read_fields
from met2net_ops.grib.records import SourceField
from met2net_ops.grids import LatLonGrid, named_grid
from met2net_ops.naturerun.grib import encode_field
from met2net_ops.variables import VARIABLES

# Edition 1 has coordinates in thousandths of a degree.
GRIDS = {1: LatLonGrid(90.0, 0.0, 5.0, 5.0, 37, 72), 2: named_grid("global-5p625")}
TIME = datetime(2026, 11, 22, 6, tzinfo=UTC)


@pytest.mark.parametrize(("edition", "packing"), [(1, "simple"), (2, "simple"), (2, "ccsds")])
@pytest.mark.parametrize("name", [row.name for row in VARIABLES.values() if row.grib2])
def test_written_and_read(write, name, edition, packing):
    row = VARIABLES[name]
    grid = GRIDS[edition]
    values = np.linspace(row.soft.low, row.soft.high, grid.nlat * grid.nlon, dtype=np.float32)
    values = values.reshape(grid.shape)
    message = encode_field(name, TIME, values, grid, edition=edition, packing=packing)
    field, verdict = read_fields(write(message), [name])
    assert isinstance(field, SourceField), verdict
    assert field.variable == name
    assert field.valid_time == TIME
    assert field.kind is (FieldKind.FORECAST if row.accumulated else FieldKind.ANALYSIS)
    assert field.grid.periodic
    np.testing.assert_allclose(field.grid.latitudes, grid.latitudes, atol=1e-6)
    np.testing.assert_allclose(field.grid.longitudes, grid.longitudes, atol=1e-6)
    span = row.soft.high - row.soft.low
    np.testing.assert_allclose(field.values, values, atol=span / 2**15)
