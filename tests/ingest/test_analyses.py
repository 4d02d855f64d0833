"""A long forecast in the archive starts no forecast and judges none."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime

import numpy as np
import pytest

from met2net_ops.errors import MissingInputError
from met2net_ops.forecast.forecaster import ForecasterSpec
from met2net_ops.forecast.window import frame_table, latest_reference_time, require_complete
from met2net_ops.ingest.pipeline import ingest
from met2net_ops.times import HOUR
from met2net_ops.verification.compute.match import FrameCache
from met2net_ops.workspace import Workspace, create_workspace

MIDNIGHT = datetime(2024, 1, 30, tzinfo=UTC)
TEXT = '[archive]\nvariables = ["t2m", "msl"]\n'


@pytest.fixture
def desk(grib, make_workspace, tmp_path):
    """An analysis at 00 UTC and its forecasts for +3, +6 and +24 h."""
    workspace, settings = make_workspace(text=TEXT)
    messages = [grib.Message(name, 0, lead) for name in ("t2m", "msl") for lead in (0, 3, 6, 24)]
    ingest(
        Workspace(workspace, settings), [grib.deliver(tmp_path / "feed" / "run.grib2", messages)]
    )
    return workspace, settings


def test_frames_of_long_forecasts_are_kept_but_do_not_count(desk):
    times = [MIDNIGHT + lead * HOUR for lead in (0, 3, 6, 24)]
    analyses = Workspace(*desk).analyses

    assert Workspace(*desk).archive.present(["t2m"], times).all()
    np.testing.assert_array_equal(
        analyses.present(["msl", "t2m"], times), [[True, True, True, False]] * 2
    )
    values = analyses.read(["t2m"], times)
    assert np.isfinite(values[:3]).all()
    assert np.isnan(values[3]).all()


def test_the_latest_cycle_does_not_lie_in_the_feeds_future(desk):
    analyses = Workspace(*desk).analyses
    spec = ForecasterSpec("any", "", ("t2m", "msl"), analyses.grid, input_frames=1)

    assert latest_reference_time(analyses, spec) == MIDNIGHT + 6 * HOUR
    with pytest.raises(MissingInputError, match="analysis_lead_hours"):
        require_complete(frame_table(analyses, spec, MIDNIGHT + 24 * HOUR), spec)


def test_the_limit_is_a_setting(desk, make_workspace):
    workspace, settings = desk
    strict = settings.archive.model_copy(update={"analysis_lead_hours": 0})
    analyses = Workspace(workspace, settings.model_copy(update={"archive": strict})).analyses

    times = [MIDNIGHT, MIDNIGHT + 3 * HOUR]
    np.testing.assert_array_equal(analyses.present(["t2m"], times), [[True, False]])


def test_a_forecast_that_an_analysis_replaced_counts(desk, grib, tmp_path):
    later = grib.deliver(tmp_path / "feed" / "next.grib2", [grib.Message("t2m", 24)])
    ingest(Workspace(*desk), [later])

    analyses = Workspace(*desk).analyses
    day_after = MIDNIGHT + 24 * HOUR
    np.testing.assert_array_equal(analyses.present(["t2m", "msl"], [day_after]), [[True], [False]])
    assert np.isfinite(FrameCache(analyses).read(("t2m",), day_after)).all()


def test_coverage_forecast_and_doctor_agree_on_a_frame_with_gaps(tmp_path, corpus):
    grid = {"north": 59.0, "west": 2.0, "dlat": 1.0, "dlon": 1.0, "nlat": 8, "nlon": 38}
    workspace = create_workspace(
        tmp_path / "area",
        {
            "grid": {"name": "areas", **grid},
            "archive": {"variables": ["t2m"]},
            "forecast": {"model": "persistence"},
        },
    )
    ingest(workspace, [corpus / "cases/tiles/areaA.grib2"])
    (time, _) = workspace.archive.span()
    hour = f"{time:%Y-%m-%dT%H}"
    command = [sys.executable, "-m", "met2net_ops.cli.main"]

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, *words, "-w", str(workspace.root)], text=True, capture_output=True
        )

    assert workspace.analyses.present(["t2m"], [time]).all()
    assert not workspace.usable_frames.present(["t2m"], [time]).any()
    shown = run("coverage", "--json", "--since", hour, "--until", hour)
    assert json.loads(shown.stdout)["counts"] == {"incomplete": 1}
    forecast = run("forecast", "--cycle", hour)
    assert forecast.returncode == 5
    assert "points without a value, do not count" in forecast.stderr
    assert "0 of 1 frames" in run("doctor").stdout
    ingest(workspace, [corpus / "cases/tiles/areaB.grib2"])
    assert workspace.usable_frames.present(["t2m"], [time]).all()
    shown = run("coverage", "--json", "--since", hour, "--until", hour)
    assert json.loads(shown.stdout)["counts"] == {"there": 1}
    assert run("forecast", "--cycle", hour).returncode == 0
