from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from dashboard import open_page
from streamlit.testing.v1 import AppTest

from met2net_ops.app.data.coverage import coverage_table
from met2net_ops.app.data.forecasts import load_field, summary_table
from met2net_ops.archive.frames import create_archive, open_archive
from met2net_ops.errors import ProductError
from met2net_ops.forecast.persistence import persistence
from met2net_ops.forecast.run import run_cycle
from met2net_ops.products.index import list_products
from met2net_ops.settings import load_settings
from met2net_ops.workspace import Workspace, create_workspace


def _open(root: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    monkeypatch.setenv("MET2NET_WORKSPACE", str(root))
    return open_page(root)


def _figure(page: AppTest) -> dict[str, object]:
    (chart,) = page.get("plotly_chart")
    return json.loads(chart.proto.spec)


def test_a_forecast_is_shown_and_the_variable_can_be_chosen(
    desk: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = _open(desk.root, monkeypatch)
    assert page.selectbox[0].options == ["2020-11-22T06:00Z  persistence"]
    assert page.selectbox[1].value == "t2m"
    assert "2 metre temperature" in _figure(page)["layout"]["title"]["text"]
    assert len(_figure(page)["frames"]) == 6
    page.selectbox[1].select("msl").run()
    assert not page.exception
    assert "mean sea level pressure" in _figure(page)["layout"]["title"]["text"]
    assert _figure(page)["data"][0]["zmin"] == 960


def test_an_empty_workspace_greets_with_what_to_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = create_workspace(tmp_path / "desk")
    page = _open(workspace.root, monkeypatch)
    assert f"met2net-ops ingest --workspace {workspace.root}" in page.code[0].value
    assert not page.get("plotly_chart")


def test_no_workspace_is_a_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = _open(tmp_path, monkeypatch)
    assert "met2net-ops init" in page.error[0].value


def test_a_damaged_product_is_a_message(desk: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    (entry,) = list_products(desk)
    entry.path.write_bytes(entry.path.read_bytes()[:1000])
    page = _open(desk.root, monkeypatch)
    assert str(entry.path) in page.error[0].value
    assert not page.get("plotly_chart")


def test_a_product_made_again_is_read_again(
    desk: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = _figure(_open(desk.root, monkeypatch))
    settings = load_settings(desk)
    archive = open_archive(desk, settings)
    (entry,) = list_products(desk)
    archive.write("t2m", entry.reference_time, np.full(archive.grid.shape, 300, np.float32))
    forecaster = persistence("persistence", settings.archive.variables, archive.grid)
    run_cycle(forecaster, archive, desk, entry.reference_time, settings)
    after = _figure(_open(desk.root, monkeypatch))
    assert after["data"] != before["data"]


def test_the_table_beside_the_map_holds_the_same_numbers(desk: Workspace) -> None:
    (entry,) = list_products(desk)
    field = load_field(entry.path, "msl")
    table = summary_table(field, "msl")
    np.testing.assert_allclose(table["lowest, hPa"], field.values.min(axis=(1, 2)) / 100, rtol=1e-6)
    np.testing.assert_allclose(table["highest, hPa"], field.values.max(axis=(1, 2)) / 100, 1e-6)
    assert table["valid time"].iloc[0] == "2020-11-22T07:00Z"
    with pytest.raises(ProductError, match="tcc"):
        load_field(entry.path, "tcc")


def test_coverage_without_frames_is_none(tmp_path: Path) -> None:
    workspace = create_workspace(tmp_path / "desk")
    settings = load_settings(workspace)
    create_archive(workspace, settings)
    assert coverage_table(workspace, settings, datetime.now(UTC)) is None


def test_frames_that_may_still_come_are_late_not_missing(desk: Workspace) -> None:
    settings = load_settings(desk)
    newest = datetime(2020, 11, 22, 6, tzinfo=UTC)
    hours = settings.ingest.late_after_hours
    table = coverage_table(desk, settings, newest + timedelta(hours=hours + 2))
    assert table is not None
    assert table.loc["t2m", "22 06Z"] == "✓"
    assert table.loc["t2m", "22 07Z"] == "✗"
    assert table.loc["t2m"].iloc[-1] == "~"
