from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest
from charts import chart, numbers
from dashboard import open_page, rerun
from streamlit.testing.v1 import AppTest

from met2net_ops.app.data.cuts import WHOLE, cut_out, regions_on
from met2net_ops.app.data.forecasts import Field, load_analyses, load_field, summary_table
from met2net_ops.app.text import plain
from met2net_ops.app.units import Units
from met2net_ops.errors import ProductError
from met2net_ops.forecast.persistence import persistence
from met2net_ops.forecast.run import run_cycle
from met2net_ops.grids import named_grid
from met2net_ops.observations.store import import_files
from met2net_ops.paths import WorkspacePaths
from met2net_ops.products.index import list_products
from met2net_ops.products.read import read_fields, read_header
from met2net_ops.settings import load_settings
from met2net_ops.times import HOUR, format_time, parse_time
from met2net_ops.variables import variable
from met2net_ops.workspace import Workspace, create_workspace


def _figure(page: AppTest, at: int = 0) -> dict[str, Any]:
    found = json.loads(page.get("plotly_chart")[at].proto.spec)
    assert isinstance(found, dict)
    return found


def _times(page: AppTest) -> str:
    return str(_figure(page)["layout"]["annotations"][0]["text"])


def _boxes(page: AppTest) -> dict[str, Any]:
    return {box.label: box for box in page.selectbox}


def test_the_latest_run_is_shown_and_everything_lands_in_the_address_bar(
    shown_desk: WorkspacePaths,
) -> None:
    page = open_page(shown_desk.root)
    assert _boxes(page)["Run"].options == ["2020-11-22 06 UTC", "2020-11-22 03 UTC"]
    assert _figure(page)["layout"]["title"]["text"] == "2 metre temperature, °C"
    assert "valid Sun 2020-11-22 07:00 UTC" in _times(page)
    assert "run 2020-11-22 06:00 UTC +1 h, persistence" in _times(page)
    assert len(_figure(page)["frames"]) == 6
    for key, text in {"model": "persistence", "cycle": "2020112206", "variable": "t2m"}.items():
        assert page.query_params[key] == text
    assert "Map of 2 metre temperature" in page.get("plotly_chart")[0].proto.alt


def test_choices_change_the_map_and_the_address_bar(shown_desk: WorkspacePaths) -> None:
    page = open_page(shown_desk.root)
    _boxes(page)["Variable"].select("msl")
    _boxes(page)["Region"].select("europe")
    rerun(page, shown_desk.root)
    assert page.query_params["variable"] == "msl"
    assert page.query_params["region"] == "europe"
    figure = _figure(page)
    assert "ean sea level pressure" in figure["layout"]["title"]["text"]
    assert figure["data"][0]["zmin"] == 960
    west, east = figure["layout"]["xaxis"]["range"]
    assert -40 < west < east < 40  # of a plane whose middle is the region's


def test_an_address_the_browser_has_not_renewed_yet_takes_no_choice_back(
    shown_desk: WorkspacePaths,
) -> None:
    page = open_page(shown_desk.root)
    _boxes(page)["Variable"].select("msl")
    rerun(page, shown_desk.root)
    # The next choice comes with the address from before the last one.
    page.query_params["variable"] = "t2m"
    _boxes(page)["Region"].select("europe")
    rerun(page, shown_desk.root)
    assert _boxes(page)["Variable"].value == "msl"
    assert page.query_params["variable"] == "msl"
    assert page.query_params["region"] == "europe"


def test_a_link_opens_the_same_view(shown_desk: WorkspacePaths) -> None:
    page = open_page(
        shown_desk.root, variable="u10", cycle="2020112203", lead="4", wind="kt", at="LOW"
    )
    figure = _figure(page)
    assert "eastward wind, kt" in figure["layout"]["title"]["text"]
    assert "run 2020-11-22 03:00 UTC +4 h" in _times(page)
    assert figure["layout"]["sliders"][0]["active"] == 3
    assert "Station LOW" in _figure(page, 1)["layout"]["title"]["text"]


@pytest.mark.parametrize(
    "query",
    [
        {"cycle": "../../../../etc/passwd"},
        {"model": "..", "cycle": "2020112206/../../x"},
        {"variable": "<img src=x onerror=alert(1)>"},
        {"at": "../catalog.sqlite"},
        {"region": "\x00", "every": "-1"},
        {"lead": "../../met2net.toml", "lat": "nan", "lon": "1e999"},
        {"lat": "95", "lon": "0", "at": "point"},
        {"beside": "a" * 5000},
    ],
)
def test_nonsense_in_the_address_bar_falls_back(
    shown_desk: WorkspacePaths, query: dict[str, str]
) -> None:
    page = open_page(shown_desk.root, **query)
    assert not page.error
    assert "2020-11-22 06:00 UTC +1 h" in _times(page)
    for note in page.info:
        assert not set("<>/\x00") & set(note.value)
    assert page.query_params["variable"] == "t2m"
    assert page.query_params["cycle"] == "2020112206"


@pytest.mark.parametrize("text", ["91", "nan", "1e400", "north"])
def test_a_number_that_makes_no_sense_is_said_and_leaves_the_address_bar(
    shown_desk: WorkspacePaths, text: str
) -> None:
    page = open_page(shown_desk.root, lat=text, lon="0")
    assert f"There is no lat `{text}` here" in page.info[0].value
    assert "lat" not in page.query_params


@pytest.mark.parametrize(("lead", "every", "shown"), [("5", "3", 6), ("4", "", 4), ("99", "", 6)])
def test_a_lead_time_is_shown_or_the_nearest(
    shown_desk: WorkspacePaths, lead: str, every: str, shown: int
) -> None:
    page = open_page(shown_desk.root, lead=lead, **({"every": every} if every else {}))
    assert f"+{shown} h" in _times(page)


def test_difference_to_the_analysis(shown_desk: WorkspacePaths) -> None:
    page = open_page(shown_desk.root, beside="analysis", variable="msl")
    frames = _figure(page)["frames"]
    headings = [frame["layout"]["annotations"][2]["text"] for frame in frames]
    assert headings[0] == "minus analysis, hPa"
    assert headings[1] == "minus analysis, hPa, no analysis yet"  # that frame is missing
    assert headings[5].endswith("no analysis yet")
    settings, entry = load_settings(shown_desk.settings_file), list_products(shown_desk)[-1]
    grid = read_header(entry.path).grid
    field = load_field(entry.path, "msl", regions_on(grid, [])[WHOLE], 10_000)
    analyses = load_analyses(Workspace(shown_desk, settings), field, "msl")
    assert analyses is not None
    truth = Workspace(shown_desk, settings).archive.read(["msl"], [entry.reference_time + HOUR])[
        0, 0
    ]
    np.testing.assert_array_equal(analyses[0], field.cut(truth))
    row = variable("msl")
    off = field.values - analyses
    off[0, :10] = np.nan  # a third of the map has no analysis
    table = summary_table(field, Units().display(row), (off, Units().difference(row)))
    found = table["rms difference to analysis, hPa"]
    weights = np.cos(np.deg2rad(field.cut.latitudes[10:]))
    means = (((off[0, 10:] / 100) ** 2).mean(axis=1) * weights).sum() / weights.sum()
    np.testing.assert_allclose(found.iloc[0], np.sqrt(means), rtol=1e-5)
    assert np.isnan(found.iloc[1])
    kelvin = variable("t2m")
    degrees = summary_table(field, Units().display(kelvin), (off, Units().difference(kelvin)))
    assert "rms difference to analysis, K" in degrees.columns


def test_the_run_before_for_the_same_valid_time(shown_desk: WorkspacePaths) -> None:
    page = open_page(shown_desk.root, beside="previous")
    frames = _figure(page)["frames"]
    headings = [frame["layout"]["annotations"][2]["text"] for frame in frames]
    assert headings[2] == "run 11-22 03 UTC"
    assert headings[3] == "run 11-22 03 UTC, does not reach that far"
    first = open_page(shown_desk.root, beside="previous", cycle="2020112203")
    assert "No earlier run" in first.info[0].value
    assert len(_figure(first)["frames"][0]["data"]) == 5  # one map, isobars, and their values


def test_units_change_numbers_and_not_colours(shown_desk: WorkspacePaths) -> None:
    kelvin = _figure(open_page(shown_desk.root, temperature="K"))
    celsius = _figure(open_page(shown_desk.root, temperature="°C"))
    assert kelvin["data"][0]["zmin"] == pytest.approx(celsius["data"][0]["zmin"] + 273.15)
    assert kelvin["data"][0]["colorscale"] == celsius["data"][0]["colorscale"]


def test_an_empty_workspace_greets_with_what_to_run(tmp_path: Path) -> None:
    workspace = create_workspace(tmp_path / "desk").paths
    page = open_page(workspace.root)
    assert "met2net-ops ingest" in page.code[0].value
    assert not page.get("plotly_chart")


def test_no_workspace_is_a_message(tmp_path: Path) -> None:
    page = open_page(tmp_path / "![x](y) :red[z] $w$")
    message = page.error[0].value
    assert plain("met2net-ops init") in message
    assert plain("![x](y) :red[z] $w$") in message  # text, neither picture nor formula


@pytest.mark.parametrize("how", ["cut short", "other values"])
def test_the_newest_good_forecast_stands_in_for_a_damaged_one(
    desk: WorkspacePaths, how: str
) -> None:
    earlier, later = list_products(desk)
    whole = later.path.read_bytes()
    if how == "cut short":
        later.path.write_bytes(whole[:1000])
    else:
        with netCDF4.Dataset(later.path, "a") as product:
            product["t2m"][2, 3, 4] = 0.0
    page = open_page(desk.root)
    said = page.warning[0].value
    assert plain(later.path.name) in said
    assert plain(str(desk.root)) not in said
    assert plain(format_time(earlier.reference_time)) in said
    assert "03:00 UTC" in _times(page)
    assert not page.error
    # Made again, it is shown.
    later.path.write_bytes(whole)
    rerun(page, desk.root)
    assert not page.warning
    assert "06:00 UTC" in _times(page)


def test_an_older_damaged_forecast_is_a_message(desk: WorkspacePaths) -> None:
    earlier, _ = list_products(desk)
    earlier.path.write_bytes(earlier.path.read_bytes()[:1000])
    page = open_page(desk.root, cycle=f"{earlier.reference_time:%Y%m%d%H}")
    assert plain(earlier.path.name) in page.error[0].value
    assert plain(str(desk.root)) not in page.error[0].value
    assert not page.get("plotly_chart")


@pytest.mark.parametrize("path", ["forecast", "verification", "operations", "models"])
def test_no_page_names_a_folder_of_the_server(tmp_path: Path, path: str) -> None:
    """With a feed that is gone, a model that is damaged, and a product cut short."""
    root = tmp_path / "secret place"
    settings = {
        "feeds": [{"name": "gone", "path": str(tmp_path / "elsewhere" / "in")}],
        "forecast": {"model": "bad"},
    }
    paths = create_workspace(root, settings).paths
    (paths.models / "bad").mkdir(parents=True)
    (paths.models / "bad" / "model.json").write_text("{")
    product = paths.product("bad", parse_time("2026-11-22T06"))
    product.parent.mkdir(parents=True)
    product.write_bytes(b"no NetCDF")
    page = open_page(root, path)
    texts = [*page.markdown, *page.error, *page.warning, *page.info, *page.code, *page.caption]
    sent = "".join(str(one.value) for one in texts)
    sent += "".join(frame.value.to_csv() for frame in page.dataframe)
    assert len(sent) > 100
    assert str(tmp_path) not in sent.replace("\\", "")


def test_a_product_removed_while_it_is_looked_at_is_no_stack_trace(desk: WorkspacePaths) -> None:
    page = open_page(desk.root)
    list_products(desk)[-1].path.unlink()
    rerun(page, desk.root)
    assert "03:00 UTC" in _times(page)
    assert "There is no cycle `2020112206` here" in page.info[0].value
    rerun(page, desk.root)
    assert not page.info


def test_a_broken_archive_is_a_message(desk: WorkspacePaths) -> None:
    (desk.archive / "zarr.json").write_text("{")
    page = open_page(desk.root, beside="analysis")
    assert page.get("plotly_chart")
    assert page.info or page.error


def test_a_product_made_again_is_read_again(desk: WorkspacePaths) -> None:
    before = _figure(open_page(desk.root))
    settings = load_settings(desk.settings_file)
    archive = Workspace(desk, settings).archive
    entry = list_products(desk)[-1]
    archive.write("t2m", entry.reference_time, np.full(archive.grid.shape, 300, np.float32))
    forecaster = persistence("persistence", settings.archive.variables, archive.grid)
    run_cycle(forecaster, archive, Workspace(desk, settings), entry.reference_time)
    after = _figure(open_page(desk.root))
    assert after["data"][0]["z"] != before["data"][0]["z"]


def test_reports_that_came_after_the_page_was_seen_are_on_it(desk: WorkspacePaths) -> None:
    def observed() -> dict[str, float]:
        """Hour and temperature in °C of what the page shows of a station."""
        page = open_page(desk.root, at="HIGH")
        traces = [trace for trace in chart(page, 1)["data"] if trace["name"] == "observed"]
        (found,) = [trace for trace in traces if trace["yaxis"] == "y"]
        return dict(zip((text[11:16] for text in found["x"]), numbers(found["y"]), strict=True))

    before = observed()
    assert before == pytest.approx({"06:00": 6.85, "07:00": 7.85, "09:00": 9.85, "10:00": 10.85})
    assert "Station NEW" not in _boxes(open_page(desk.root))["Meteogram"].options
    reports = desk.root / "later.csv"
    reports.write_text(
        "station,latitude,longitude,time,t2m\n"
        "HIGH,52.5,13.4,2020-11-22T09:00Z,290.15\n"  # corrected
        "HIGH,52.5,13.4,2020-11-22T11:00Z,291.15\n"
        "NEW,10,20,2020-11-22T11:00Z,300\n"
    )
    columns = ("station = station", "latitude = latitude", "longitude = longitude")
    import_files(desk.observations, [reports], (*columns, "time = time", "t2m = t2m K"))
    assert observed() == pytest.approx(before | {"09:00": 17.0, "11:00": 18.0})
    assert "Station NEW" in _boxes(open_page(desk.root))["Meteogram"].options


def test_the_table_beside_the_map_holds_the_same_numbers(shown_desk: WorkspacePaths) -> None:
    entry = list_products(shown_desk)[-1]
    header, values = read_fields(entry.path, ["msl"])
    region = regions_on(header.grid, [])[WHOLE]
    field = load_field(entry.path, "msl", region, 10_000)
    table = summary_table(field, Units().display(variable("msl")))
    hectopascal = values[:, 0] / 100
    np.testing.assert_allclose(table["lowest, hPa"], hectopascal.min(axis=(1, 2)), rtol=1e-6)
    np.testing.assert_allclose(table["highest, hPa"], hectopascal.max(axis=(1, 2)), rtol=1e-6)
    areas = header.grid.cell_areas
    mean = (hectopascal * areas).sum(axis=(1, 2)) / areas.sum()
    np.testing.assert_allclose(table["mean, hPa"], mean, rtol=1e-4)
    assert table["valid time"].iloc[0] == "2020-11-22T07:00Z"
    with pytest.raises(ProductError, match="tcc"):
        load_field(entry.path, "tcc", region, 10_000)


def test_the_table_of_a_field_with_gaps_counts_what_is_there() -> None:
    grid, row = named_grid("global-5p625"), variable("t2m")
    cut = cut_out(grid, regions_on(grid, [])[WHOLE], 10_000)
    assert cut is not None
    values = np.full((3, *grid.shape), 280.0, np.float32)
    values[0, :10] = np.nan  # a third is missing
    values[0, 20] = 290.0
    values[1] = np.nan
    leads = tuple(HOUR * lead for lead in (1, 2, 3))
    field = Field(parse_time("2020-11-22T00"), grid, cut, leads, values)
    apart = values - 279, Units().difference(row)
    table = summary_table(field, Units().display(row), apart)
    weights = np.cos(np.deg2rad(cut.latitudes))
    mean = 6.85 + 10 * weights[20] / weights[10:].sum()
    np.testing.assert_allclose(table["lowest, °C"], [6.85, np.nan, 6.85], atol=1e-4)
    np.testing.assert_allclose(table["mean, °C"], [mean, np.nan, 6.85], atol=1e-4)
    np.testing.assert_allclose(table["highest, °C"], [16.85, np.nan, 6.85], atol=1e-4)
    square = 1 + (11**2 - 1) * weights[20] / weights[10:].sum()
    found = table["rms difference to analysis, K"]
    np.testing.assert_allclose(found, [np.sqrt(square), np.nan, 1], atol=1e-4)
