"""The page, the comparison of two models, and the documentation drawn from the table of scores."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from verification_desk import HOUR, START, Desk

from met2net_ops.errors import VerificationError
from met2net_ops.verification.outcome import VerificationOutcome
from met2net_ops.verification.report.figures import score_figure, station_figure
from met2net_ops.verification.report.page import write_report
from met2net_ops.verification.results.comparison import compare_models
from met2net_ops.verification.results.query import Selection
from met2net_ops.verification.results.scores import SCORES
from met2net_ops.verification.results.summary import summary
from met2net_ops.verification.run_analyses import verify_analyses
from met2net_ops.workspace import Workspace

NOW = datetime(2026, 1, 20, tzinfo=UTC)


class Page(HTMLParser):
    """Counts tags, collects text and anything that would be fetched."""

    def __init__(self) -> None:
        super().__init__()
        self.rows = 0
        self.text = ""
        self.fetched: list[str] = []
        self._skip = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.rows += tag == "tr"
        self._skip = tag in ("script", "style")
        links = [value for name, value in attrs if name in ("src", "href") and value]
        self.fetched += [link for link in links if not link.startswith("#")]

    def handle_endtag(self, tag: str) -> None:
        self._skip = False

    def handle_data(self, data: str) -> None:
        self.text += "" if self._skip else data


@pytest.fixture
def verified(desk: Desk) -> Desk:
    desk.observe(START, 24 * 5)
    rng = np.random.default_rng(0)
    for i in range(12):
        for model, factor in (("one", 1.0), ("two", 1.3)):
            size = factor * (1 + 0.2 * rng.standard_normal())
            desk.forecast(
                START + (24 + 6 * i) * HOUR, lambda name, lead, s=size: s, model=model, leads=2
            )
    verify_analyses(Workspace(desk.workspace, desk.settings))
    return desk


def test_the_page_the_figure_and_the_comparison(verified: Desk, tmp_path: Path) -> None:
    desk = verified
    path = tmp_path / "report.html"
    write_report(path, desk.workspace, [Selection(), Selection("stations")], [], NOW)
    page = Page()
    page.feed(path.read_text(encoding="utf-8"))
    assert not page.fetched  # self-contained
    assert "Against analyses" in page.text
    assert "Against stations" not in page.text  # there are none
    assert "t2m ≥ 281" in page.text
    assert "Anomaly correlation" in page.text
    assert "one less two" in page.text
    assert "one better" in page.text
    assert "the archive is too short for a climatology" in page.text
    assert "RMSE by region" in page.text
    assert page.rows > 16
    lines = [line for line in summary(desk.workspace, Selection()) if line.variable == "t2m"]
    hostile = [replace(line, model="<b>x</b>\u202e") for line in lines]
    assert "&lt;b&gt;x&lt;/b&gt;\\u202e" in [trace.name for trace in score_figure(hostile).data]
    figure = score_figure(lines)
    names = [trace.name for trace in figure.data]
    assert {"one", "two", "persistence"} <= set(names)
    first = next(trace for trace in figure.data if trace.name == "one")
    expected = [x.rmse for x in lines if x.model == "one"]
    assert list(first.y) == pytest.approx(expected)

    compared = compare_models(desk.workspace, Selection(), "one", "two")
    assert {(x.variable, x.lead_hours) for x in compared} == {
        (name, lead) for name in ("t2m", "u10", "v10", "wind10") for lead in (1, 2)
    }
    assert all(x.cycles == 12 for x in compared)
    assert all(x.result.verdict == "one better" for x in compared)
    with pytest.raises(VerificationError, match="no verified cycle"):
        compare_models(desk.workspace, Selection(), "one", "three")


def test_text_from_outside_is_shown_as_it_is(verified: Desk, tmp_path: Path) -> None:
    word = "<script>a</script>\x1b[31m\u202eb"
    path = tmp_path / "report.html"
    outcome = VerificationOutcome("one", START, "analysis", "failed", computed=False, reason=word)
    write_report(path, verified.workspace, [Selection()], [outcome], NOW)
    page = Page()
    page.feed(path.read_text(encoding="utf-8"))
    assert "<script>a</script>\\x1b[31m\\u202eb" in page.text
    assert not {"\x1b", "\u202e"} & set(page.text)


def test_nothing_to_report(desk: Desk, tmp_path: Path) -> None:
    with pytest.raises(VerificationError, match="nothing to report"):
        write_report(tmp_path / "x.html", desk.workspace, [Selection()], [], NOW)


def test_the_documentation_lists_every_score_as_the_table_has_it() -> None:
    text = (Path(__file__).parents[3] / "docs" / "verification.md").read_text(encoding="utf-8")
    rows = {
        cells[0]: cells
        for line in text.splitlines()
        if (match := re.match(r"\| `(\w+)` \|", line)) and match[1] in SCORES
        for cells in [[cell.strip() for cell in line.replace("\\|", "¦").strip("|").split("|")]]
    }
    assert rows.keys() == {f"`{name}`" for name in SCORES}
    for score in SCORES.values():
        _, label, formula, span, perfect, unit, reference = rows[f"`{score.name}`"]
        assert label == score.label
        assert formula.replace("¦", "|") == score.formula
        assert span == f"{score.low:g} to {score.high:g}"
        assert perfect == ("-" if score.perfect is None else f"{score.perfect:g}")
        assert unit == score.unit
        assert reference == score.reference


def test_stations_in_figures_are_shown_and_not_read_as_html() -> None:
    (trace,) = station_figure([1.0], [2.0], [0.5], ["<b>x</b>\u202e"], "K").data
    assert list(trace.text) == ["&lt;b&gt;x&lt;/b&gt;\\u202e"]
