"""Verification, Operations and Models as pages: choices, messages, what links may ask."""

from __future__ import annotations

import json
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from dashboard import open_page, rerun
from pages_desk import CYCLES, LEADS, NOW, PAIRS, STATIONS, make_scores
from streamlit.testing.v1 import AppTest

from met2net_ops.app.text import plain
from met2net_ops.models.registry import SHIPPED
from met2net_ops.paths import WorkspacePaths
from met2net_ops.verification.store.axes import Axes
from met2net_ops.verification.store.files import Record, sums_path, write_sums
from met2net_ops.verification.store.rows import Rows
from met2net_ops.workspace import create_workspace

MODEL = "naturerun-5p625"
NASTY = ("../../../etc/passwd", "\x00..%2f' OR 1=1 --<b>")


def _figure(page: AppTest) -> dict[str, Any]:
    (chart,) = page.get("plotly_chart")
    return json.loads(chart.proto.spec)


def _words(page: AppTest) -> str:
    parts = (page.markdown, page.caption, page.info, page.error, page.warning, page.success)
    return "\n".join(element.value for elements in parts for element in elements)


def _box(page: AppTest, label: str) -> Any:
    (found,) = [box for box in page.selectbox if box.label == label]
    return found


def _cases(page: AppTest) -> Any:
    (table,) = [frame.value for frame in page.dataframe if "valid" in frame.value.columns]
    return table


def test_scores_by_lead_with_words_and_table(scored: WorkspacePaths) -> None:
    page = open_page(scored.root, "verification", model="desk")
    figure = _figure(page)
    names = [trace["name"] for trace in figure["data"] if trace.get("name")]
    assert names == ["desk", "persistence", "24 h persistence", "climatology"]
    words = _words(page)
    assert plain("Root mean square error: √⟨e²⟩") in words
    assert "lower is better" in words
    assert f"n = {PAIRS * (len(CYCLES) - 1)} to {PAIRS * len(CYCLES)} pairs per point" in words
    page.session_state["scores-lead-opened"] = True
    table = rerun(page, scored.root).dataframe[0].value
    assert {"n", "cycles", "of", "lead, h"} <= set(table.columns)
    assert len(table) == 4 * len(LEADS)
    assert page.get("plotly_chart")[0].proto.alt.startswith("Root mean square error of t2m by lead")
    assert page.query_params["score"] == "rmse"


def test_a_point_lists_its_cases_with_links_that_open_them(scored: WorkspacePaths) -> None:
    page = open_page(scored.root, "verification", model="desk", cell="12", variable="msl")
    assert len(_cases(page)) == len(CYCLES)
    (links,) = [text.value for text in page.markdown if "As maps" in text.value]
    assert "(./?model=desk&cycle=20261101" in links
    assert "variable=msl&lead=12)" in links
    _box(page, "Cases behind").select("24")
    rerun(page, scored.root)
    assert set(_cases(page)["lead, h"]) == {24}
    assert page.query_params["cell"] == "24"


@pytest.mark.parametrize(
    ("view", "key", "cell", "cases"),
    [
        ("hour", "cell-hour", "6", len(CYCLES)),
        ("month", "cell-month", "202611", len(CYCLES) * len(LEADS)),
        ("region", "cell-region", "tropics", len(CYCLES) * len(LEADS)),
        ("scorecard", "cell", "wind10.24", len(CYCLES)),
    ],
)
def test_other_views_and_their_cases(
    scored: WorkspacePaths, view: str, key: str, cell: str, cases: int
) -> None:
    page = open_page(scored.root, "verification", model="desk", view=view, **{key: cell})
    assert page.query_params[key] == cell
    assert len(_cases(page)) == cases
    assert "n = " in _words(page)


def test_a_lead_time_pointed_at_is_no_hour_of_day(scored: WorkspacePaths) -> None:
    page = open_page(scored.root, "verification", model="desk", cell="6")
    assert "cases behind" in _words(page)
    page.session_state["choice-view"] = "hour"
    rerun(page, scored.root)
    assert "cases behind" not in _words(page)


def test_stations_on_a_map_and_the_cases_of_one(scored: WorkspacePaths) -> None:
    odd = STATIONS[2].name
    chosen = {"truth": "stations", "view": "station", "cell-station": odd}
    page = open_page(scored.root, "verification", model="desk", **chosen)
    stations = _figure(page)["data"][1]
    assert [point[0] for point in stations["customdata"]] == sorted(s.name for s in STATIONS)
    assert len(_cases(page)) == len(CYCLES) * len(LEADS)
    heading = next(text.value for text in page.markdown if "cases behind" in text.value)
    assert "\\<b\\>odd\\* \\[name\\]" in heading


def test_a_scorecard_against_another_model(scored: WorkspacePaths) -> None:
    query = {"model": "desk", "view": "scorecard", "against": "model:rival", "cell": "t2m.12"}
    page = open_page(scored.root, "verification", **query)
    words = _words(page)
    assert plain("Scorecard of desk against rival: better in") in words
    # Different truths' values lie behind both, but the same pairs: rival's errors are greater.
    assert "against rival first" in words
    assert len(_cases(page)) == len(CYCLES)


def test_choices_follow_what_there_is(scored: WorkspacePaths) -> None:
    page = open_page(scored.root, "verification", model="desk", variable="wind10")
    assert _box(page, "Score").value == "vector_rmse"
    page = open_page(scored.root, "verification", model="desk", score="csi")
    assert _box(page, "Event, in the stored unit").options == ["t2m ≥ 273.15"]
    assert _figure(page)["layout"]["yaxis"]["title"]["text"].startswith("Critical success index")


@pytest.mark.parametrize("text", NASTY)
def test_nothing_in_the_address_bar_leads_astray(
    scored: WorkspacePaths, ledgered: WorkspacePaths, text: str
) -> None:
    keys = ("truth", "model", "period", "view", "score", "region", "cell", "variable")
    page = open_page(scored.root, "verification", **dict.fromkeys(keys, text))
    assert not page.error
    assert _figure(page)["data"]
    assert page.query_params["model"] == "desk"
    keys = ("view", "against", "threshold", "window", "lead", "cell")
    page = open_page(
        scored.root, "verification", **dict.fromkeys(keys, text) | {"view": "scorecard"}
    )
    assert not page.error
    assert not open_page(ledgered.root, "operations", look=text, days=text).error
    assert not open_page(ledgered.root, "models", model=text, truth=text).error


def test_an_empty_workspace_says_what_to_run(tmp_path: Path) -> None:
    workspace = create_workspace(tmp_path / "desk").paths
    page = open_page(workspace.root, "verification")
    assert "met2net-ops verify" in page.code[0].value
    page = open_page(workspace.root, "operations")
    commands = "\n".join(code.value for code in page.code)
    for command in ("serve", "forecast", "observations import"):
        assert f"met2net-ops {command}" in commands
    page = open_page(workspace.root, "models")
    assert MODEL in list(page.dataframe[0].value["model"])


def test_a_damaged_file_of_sums_is_a_message(few: WorkspacePaths) -> None:
    path = sums_path(few, "analysis", "desk", CYCLES[1])
    whole = path.read_bytes()
    for content in (b"", whole[: len(whole) // 2]):
        path.write_bytes(content)
        page = open_page(few.root, "verification")
        assert plain(path.name) in page.error[0].value
        assert "verify" in page.error[0].value
    path.write_bytes(whole)
    assert not open_page(few.root, "verification").error


def test_files_without_sums_or_with_other_names_are_a_message(few: WorkspacePaths) -> None:
    first, second = (sums_path(few, "analysis", "desk", time) for time in CYCLES[:2])
    record = Record("desk", CYCLES[0], "analysis", "final", "", "", "")
    axes = Axes(CYCLES[0], timedelta(hours=6), len(LEADS), ())
    write_sums(first, record, Rows("desk", "analysis", axes, [], []))
    second.rename(second.with_name("notes.parquet"))
    assert "hold no sums" in open_page(few.root, "verification").info[0].value
    first.rename(first.with_name("more notes.parquet"))
    assert "hold no sums" in open_page(few.root, "verification").info[0].value


def test_sums_made_again_are_read_again(few: WorkspacePaths) -> None:
    before = _figure(open_page(few.root, "verification"))
    sums_path(few, "analysis", "desk", CYCLES[1]).unlink()
    assert _figure(open_page(few.root, "verification"))["data"] != before["data"]


def test_operations_tell_states_and_reasons(ledgered: WorkspacePaths) -> None:
    page = open_page(ledgered.root, "operations", days="3")
    (trouble,) = [
        frame.value for frame in page.dataframe
        if "why" in frame.value.columns and "late at" in frame.value.columns
        and len(frame.value) < 8
    ]  # fmt: skip
    assert {"late", "failed", "expired", "held", "skipped"} == set(trouble["state"])
    assert "missing" in trouble["why"].iloc[0]
    assert "1 late" in _words(page)
    assert "service" in page.warning[0].value
    chart = page.get("plotly_chart")[0]
    assert "1 failed" in chart.proto.alt


def test_one_cycle_has_attempts_and_history(ledgered: WorkspacePaths) -> None:
    time = NOW.replace(minute=0, second=0, microsecond=0) - timedelta(hours=5)
    code = f"desk@{time:%Y%m%d%H%M}"
    page = open_page(ledgered.root, "operations", days="3", look=code)
    attempts = next(f.value for f in page.dataframe if "attempt" in f.value.columns)
    assert list(attempts["ended"]) == ["timeout"]
    history = next(f.value for f in page.dataframe if "by" in f.value.columns)
    assert list(history["to"]) == ["ready", "running", "failed"]
    caption = next(c.value for c in page.caption if "all attempts failed" in c.value)
    assert "![" not in caption


def test_a_damaged_ledger_leaves_the_rest_of_the_page(
    ledgered: WorkspacePaths, tmp_path: Path
) -> None:
    root = tmp_path / "copy"
    shutil.copytree(ledgered.root, root)
    found = sorted(root.glob("cycles.sqlite*"))  # with what SQLite keeps beside it
    assert WorkspacePaths(root).ledger in found
    for path in found:
        path.unlink()
    WorkspacePaths(root).ledger.write_bytes(b"this is no database" * 100)
    page = open_page(root, "operations")
    assert any("ledger" in error.value for error in page.error)
    assert page.metric[0].label == "Free"


def test_operations_without_a_ledger(shown_desk: WorkspacePaths) -> None:
    page = open_page(shown_desk.root, "operations", days="3")
    assert not page.error
    assert "2 published" in _words(page)
    assert len(page.get("plotly_chart")) == 5
    assert not shown_desk.ledger.exists()  # pages write nothing


def test_a_model_its_card_and_its_checksums(tmp_path: Path) -> None:
    workspace = create_workspace(tmp_path / "desk").paths
    shutil.copytree(SHIPPED / MODEL, workspace.models / MODEL)
    page = open_page(workspace.root, "models", model=MODEL)
    assert "hidden by" in " ".join(page.dataframe[0].value["problem"])
    assert any(text.value.startswith(f"#### {MODEL}") for text in page.markdown)
    assert not page.success
    weights = workspace.models / MODEL / "weights.safetensors"
    _check_weights(page, workspace)
    assert "are those that model.json describes" in page.success[0].value
    weights.write_bytes(weights.read_bytes()[:-1] + b"?")
    _check_weights(page, workspace)
    assert "damaged or belong to another model" in page.error[0].value
    weights.unlink()
    _check_weights(page, workspace)
    assert "restore the folder" in page.error[0].value


def _check_weights(page: AppTest, workspace: WorkspacePaths) -> None:
    (button,) = [button for button in page.button if "weights" in button.label]
    button.click()
    rerun(page, workspace.root)


def test_a_model_without_card_or_description_is_a_message(tmp_path: Path) -> None:
    workspace = create_workspace(tmp_path / "desk").paths
    folder = workspace.models / MODEL
    shutil.copytree(SHIPPED / MODEL, folder)
    (folder / "CARD.md").unlink()
    page = open_page(workspace.root, "models", model=MODEL)
    assert "CARD" in page.error[0].value
    (folder / "model.json").write_text("{")
    page = open_page(workspace.root, "models", model=MODEL)
    assert "is not valid" in page.error[0].value


def test_the_skill_of_a_verified_model(few: WorkspacePaths) -> None:
    folder = few.models / "desk"
    shutil.copytree(SHIPPED / MODEL, folder)
    description = folder / "model.json"
    description.write_text(description.read_text().replace(f'"name": "{MODEL}"', '"name": "desk"'))
    page = open_page(few.root, "models", model="desk")
    assert not page.error
    names = [trace["name"] for trace in _figure(page)["data"] if trace.get("name")]
    assert names == ["t2m", "msl", "wind10"]
    assert "n up to" in _words(page)


def test_a_scorecard_and_its_cases_are_of_the_same_cycles(tmp_path: Path) -> None:
    """Cycles of the newest days are those of the model looked at, however new the other's are."""
    workspace = create_workspace(tmp_path / "desk").paths
    make_scores(workspace, ("desk", "rival"), CYCLES[:4])
    newer = sums_path(workspace, "analysis", "rival", CYCLES[3] + timedelta(days=20))
    newer.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(sums_path(workspace, "analysis", "rival", CYCLES[3]), newer)
    query = {"model": "desk", "view": "scorecard", "against": "model:rival", "cell": "t2m.12"}
    page = open_page(workspace.root, "verification", period="7", **query)
    assert len(_cases(page)) == 4
