from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from met2net_ops.app.figures.maps import forecast_figure, thinning
from met2net_ops.grids import named_grid
from met2net_ops.variables import VARIABLES, variable

RUN = datetime(2026, 11, 22, 6, tzinfo=UTC)
GRID = named_grid("global-5p625")
LEADS = [timedelta(hours=hour) for hour in range(1, 13)]


def _values(leads: int = 12) -> np.ndarray:
    random = np.random.default_rng(0)
    return random.uniform(250, 300, (leads, *GRID.shape)).astype(np.float32)


def test_each_lead_is_a_frame_with_its_field_in_display_units() -> None:
    values = _values()
    figure = forecast_figure(values, GRID, RUN, LEADS, variable("t2m"))
    assert [frame.name for frame in figure.frames] == [f"+{hour} h" for hour in range(1, 13)]
    for frame, field in zip(figure.frames, values, strict=True):
        np.testing.assert_allclose(frame.data[0].z, field - 273.15, atol=1e-4)
    np.testing.assert_allclose(figure.data[0].z, values[0] - 273.15, atol=1e-4)
    assert figure.data[0].y[0] == GRID.latitudes[0]
    assert figure.data[0].x[-1] == GRID.longitudes[-1]


def test_run_and_valid_time_are_in_every_title() -> None:
    figure = forecast_figure(_values(), GRID, RUN, LEADS, variable("t2m"))
    title = figure.frames[11].layout.title.text
    assert "valid 2026-11-22T18:00Z" in title
    assert "run 2026-11-22T06:00Z +12 h" in title


@pytest.mark.parametrize("name", sorted(VARIABLES))
def test_colours_span_the_tables_range_whatever_the_field(name: str) -> None:
    row = variable(name)
    figure = forecast_figure(_values(2) * 0, GRID, RUN, LEADS[:2], row)
    assert (figure.data[0].zmin, figure.data[0].zmax) == row.display.colour_range
    assert figure.data[0].zauto is None
    assert figure.data[0].colorbar.title.text == row.display.units


def test_the_slider_reaches_every_lead_without_leaving_the_figure() -> None:
    figure = forecast_figure(_values(), GRID, RUN, LEADS, variable("u10"))
    (slider,) = figure.layout.sliders
    reached = [list(step.args[0]) for step in slider.steps]
    assert reached == [[frame.name] for frame in figure.frames]
    assert {step.method for step in slider.steps} == {"animate"}


def test_fields_travel_as_binary() -> None:
    figure = forecast_figure(_values(), GRID, RUN, LEADS, variable("t2m"))
    sent = figure.to_dict()["frames"][3]["data"][0]["z"]
    assert sent["dtype"] == "f4"
    assert len(base64.b64decode(sent["bdata"])) == 4 * 32 * 64


def test_large_grids_are_thinned_below_three_megabytes() -> None:
    for leads, rows, columns in ((48, 721, 1440), (240, 721, 1440), (12, 128, 128), (1, 1, 1)):
        step = thinning(leads, rows, columns)
        assert leads * len(range(0, rows, step)) * len(range(0, columns, step)) * 4 < 3.3e6
    assert thinning(12, 128, 128) == 1
