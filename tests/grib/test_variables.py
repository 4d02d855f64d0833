"""The table of variables, the page about it, and what it promises."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from met2net_ops.grib.identify import Identity, Match, recognise
from met2net_ops.variables import UNIT_FACTORS, VARIABLES, Grib1Key, VerticalKind

DOCS = Path(__file__).resolve().parents[2] / "docs"
LEVELS = {
    VerticalKind.HEIGHT: "heightAboveGround",
    VerticalKind.MEAN_SEA: "meanSea",
    VerticalKind.SURFACE: "surface",
    VerticalKind.PRESSURE: "isobaricInhPa",
    VerticalKind.COLUMN: "entireAtmosphere",
}


def test_the_page_shows_the_table():
    page = (DOCS / "variables.md").read_text(encoding="utf-8")
    fill = runpy.run_path(str(DOCS / "make_variables_table.py"))["fill"]
    assert fill(page) == page, "run python docs/make_variables_table.py"


@pytest.mark.parametrize("name", VARIABLES)
def test_every_key_of_a_row_is_recognised_as_that_row(name):
    row = VARIABLES[name]
    for key in (*row.grib2, *row.grib1):
        one = isinstance(key, Grib1Key)
        numbers = (key.table, key.indicator) if one else (key.discipline, key.category, key.number)
        step_type = "accum" if row.accumulated else "instant"
        if not one and key.rate:
            step_type = "avg"
        identity = Identity(
            edition=1 if one else 2,
            centre=key.centre or "xxxx",
            parameter=numbers,
            short_name="unknown",
            type_of_level=LEVELS[row.vertical.kind],
            level=row.vertical.value,
            step_type=step_type,
            step_range="0-1",
            product_template=0,
            number=None,
        )
        match = recognise(identity)
        assert isinstance(match, Match), match
        assert match.variable.name == name
        assert match.scale == key.scale


@pytest.mark.parametrize("name", VARIABLES)
def test_rows_make_sense(name):
    row = VARIABLES[name]
    assert row.hard.low <= row.soft.low < row.soft.high <= row.hard.high
    assert not row.short_names or row.units in UNIT_FACTORS
    if row.vector_partner:
        assert VARIABLES[row.vector_partner].vector_partner == name
