"""The comparison: equal budgets, kept results, intervals, and the page."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import numpy as np
import pytest

from met2net_ops.errors import ArchiveError, ModelError, SettingsError
from met2net_ops.models.training.settings import DataSettings
from research.arms import ARMS, Budget, choose
from research.chart import Line, draw
from research.compare import main
from research.report import (
    BEGIN,
    END,
    PageError,
    chart,
    collect,
    put_into,
    results_text,
)
from research.runs import compare
from research.summary import estimate, itself, mean_ratio

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from met2net_ops.models.training.frames import FlatFrames

DATA = DataSettings(
    variables=("t2m", "msl"),
    train=("2020-01-01..2020-01-18T23",),
    validation=("2020-01-20..2020-01-23T23",),
    test=("2020-01-25..2020-01-30T23",),
    guard_hours=24,
)
BUDGET = Budget(steps=3, batch=2, seeds=2, test_windows=9, hid_s=2, hid_t=8, n_t=1, data=DATA)
NAMES = ["end-to-end", "two-stage", "stacked", "end-to-end.increment"]


def test_arms_share_cases_and_finished_runs_are_kept(
    toy: Callable[..., FlatFrames], tmp_path: Path
) -> None:
    frames, out = [toy().folder], tmp_path / "out"
    references, results = compare(choose(NAMES), BUDGET, frames, out)
    assert [(r.arm, r.seed) for r in results] == [
        ("end-to-end", 0), ("two-stage", 0), ("stacked", 0),
        ("end-to-end", 1), ("two-stage", 1), ("stacked", 1), ("end-to-end.increment", 0),
    ]  # fmt: skip
    assert {r.errors.shape for r in results} == {references.persistence.shape} == {(9, 12, 2)}
    assert all(np.isfinite(r.errors).all() and r.cpu_seconds > 0 for r in results)
    # Three steps from nothing: increments begin near persistence, states nowhere near.
    state, increment = results[0].errors, results[-1].errors
    assert (increment[:, 0].mean(axis=0) < 0.2 * state[:, 0].mean(axis=0)).all()

    kept = {path: path.stat().st_mtime_ns for path in out.rglob("result.npz")}
    _, again = compare(choose(NAMES), BUDGET, frames, out)
    assert {path: path.stat().st_mtime_ns for path in out.rglob("result.npz")} == kept
    assert all(np.array_equal(a.errors, b.errors) for a, b in zip(again, results, strict=True))
    # One that is lost is run again, to the same numbers.
    (out / "stacked" / "seed1" / "result.npz").unlink()
    _, finished = compare(choose(["stacked"]), BUDGET, frames, out, finished_only=True)
    assert [result.seed for result in finished] == [0]
    _, mended = compare(choose(["stacked"]), BUDGET, frames, out)
    assert np.array_equal(mended[1].errors, results[5].errors)
    with pytest.raises(ModelError, match="of another budget"):
        compare(choose(["stacked"]), replace(BUDGET, steps=4), frames, out)

    damaged = out / "two-stage" / "seed1" / "result.npz"
    damaged.write_bytes(damaged.read_bytes()[:-200])
    with pytest.raises(ModelError, match=r"cannot read .*two-stage/seed1/result.npz.*remove it"):
        compare(choose(["two-stage"]), BUDGET, frames, out)
    (out / "references.npz").write_bytes(b"")
    with pytest.raises(ModelError, match=r"references.npz.*compute it again"):
        compare(choose(["stacked"]), BUDGET, frames, out)

    findings = collect(BUDGET, references, results, "the command")
    page = tmp_path / "skill.md"
    page.write_text(f"# Before\n\n{BEGIN}\nold\n{END}\n\nAfter.\n")
    put_into(page, results_text(findings, "images/skill.svg"))
    text = page.read_text()
    assert text.startswith("# Before")
    assert text.endswith("After.\n")
    assert "old" not in text
    for expected in ("the command", "n = 9 test forecasts", "two-stage / end to end", "**msl**"):
        assert expected in text
    put_into(page, results_text(findings, "images/skill.svg"))
    assert page.read_text() == text
    drawn = ElementTree.fromstring(chart(findings))
    lines = drawn.findall("{http://www.w3.org/2000/svg}polyline")
    assert len(lines) == 2 * (2 + 3)  # two variables; two references, three methods


def test_a_page_without_marks_is_left_alone(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Mine\n")
    with pytest.raises(PageError, match="has no lines"):
        put_into(page, f"{BEGIN}\n{END}")
    assert page.read_text() == "# Mine\n"
    put_into(tmp_path / "new.md", f"{BEGIN}\nresults\n{END}")
    assert "results" in (tmp_path / "new.md").read_text()


def test_bad_requests_are_named() -> None:
    with pytest.raises(SettingsError, match="no arm is called magic; known: end-to-end,"):
        choose(["magic"])
    with pytest.raises(SettingsError, match="seeds is 0"):
        Budget(seeds=0)
    assert choose(None) == list(ARMS.values())


@pytest.mark.parametrize("name", list(ARMS))
def test_an_arm_differs_only_in_what_it_says(name: str) -> None:
    arm, base = ARMS[name], ARMS["end-to-end"].settings(BUDGET, 1)
    found = arm.settings(BUDGET, 1)
    assert found.data == base.data
    assert found.run.batch == base.run.batch == BUDGET.batch
    changed = {
        key
        for key in vars(base.network)
        if getattr(found.network, key) != getattr(base.network, key)
    }
    assert changed <= set(arm.network)
    changed = {key for key in vars(base.run) if getattr(found.run, key) != getattr(base.run, key)}
    assert changed - {"steps", "validate_steps"} <= set(arm.run)


def test_the_command_names_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="has no valid flat frames"):
        main(["--frames", str(tmp_path / "none"), "--out", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()


def test_equal_errors_have_the_ratio_one_exactly() -> None:
    errors = np.random.default_rng(1).gamma(2.0, size=(1, 50, 3, 2))
    found = estimate(mean_ratio, 0.25 * errors, errors)
    assert found.value == found.low == found.high == 0.25


def test_the_interval_of_a_mean_is_as_wide_as_theory_says() -> None:
    random = np.random.default_rng(2)
    cases = 400
    errors = 1.0 + random.normal(0.0, 0.3, size=(1, cases, 1, 1))
    found = estimate(itself, errors)
    half = 1.96 * 0.3 / np.sqrt(cases)
    assert float(found.value[0, 0]) == pytest.approx(errors.mean())
    assert float((found.high - found.low)[0, 0]) == pytest.approx(2 * half, rel=0.25)
    # Runs that differ from seed to seed widen it.
    spread = errors + np.array([-0.2, 0.0, 0.2])[:, None, None, None]
    wide = estimate(itself, spread)
    assert float((wide.high - wide.low)[0, 0]) > 4 * float((found.high - found.low)[0, 0])


def test_seeds_have_the_variance_of_their_mean() -> None:
    of_seeds = np.array([0.7, 1.0, 1.6])
    errors = np.broadcast_to(of_seeds[:, None, None, None], (3, 30, 1, 1))
    drawn: list[float] = []

    def statistic(error: np.ndarray) -> np.ndarray:
        drawn.append(float(error[0, 0]))
        return error

    estimate(statistic, errors, resamples=20_000)
    # Unbiased: s² / n with s² of n - 1 degrees of freedom; n draws of n would give 2/3 of it.
    assert np.var(drawn[:-1]) == pytest.approx(of_seeds.var(ddof=1) / 3, rel=0.03)


def test_the_chart_is_valid_and_keeps_order() -> None:
    lines = [
        Line("a < b & c", "#000", "", [1.0, 10.0, 100.0], [0.9, 9.0, 90.0], [1.1, 11.0, 110.0]),
        Line("flat", "#111", "2 2", [5.0, 5.0, 5.0]),
    ]
    drawn = ElementTree.fromstring(draw([("t2m", lines)], "lead (h)"))
    space = "{http://www.w3.org/2000/svg}"
    rising, flat = [
        [tuple(map(float, point.split(","))) for point in line.attrib["points"].split()]
        for line in drawn.findall(f"{space}polyline")
    ]
    steps = [rising[i][1] - rising[i + 1][1] for i in range(2)]
    assert steps[0] == pytest.approx(steps[1], abs=0.2)  # decades are equally far apart
    assert len({y for _, y in flat}) == 1
    assert len(drawn.findall(f"{space}polygon")) == 1
    assert "a < b & c" in [text.text for text in drawn.findall(f"{space}text")]
