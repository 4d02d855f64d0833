"""The generated part of docs/skill.md, between its marks."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from met2net_ops.durable import replacing
from met2net_ops.errors import Met2NetOpsError
from met2net_ops.variables import variable
from research.arms import ARMS, Budget
from research.chart import Line, draw
from research.summary import (
    Estimate,
    by_seed,
    estimate,
    itself,
    mean_ratio,
    ratio_by_lead,
    ratio_by_variable,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from research.runs import References, Result
    from research.summary import Errors

BEGIN = "<!-- results: written by `python -m research.compare`, do not edit -->"
END = "<!-- end of results -->"
_LEADS = (1, 2, 3, 6, 9, 12)
_SHORT_LEADS = (1, 6, 12)
_COLOURS = {
    "end-to-end": "#0072B2", "two-stage": "#D55E00", "stacked": "#009E73",
    "end-to-end.all": "#CC79A7",
}  # fmt: skip


class PageError(Met2NetOpsError):
    """A page cannot take the results."""

    exit_code = 3


@dataclass(frozen=True)
class Findings:
    """All that the page is written from.

    Attributes:
        budget: of every run.
        references: persistence and climatology on the same cases.
        results: every run, by arm.
        command: that made them.
    """

    budget: Budget
    references: References
    results: dict[str, list[Result]]
    command: str

    def errors(self, arm: str) -> Errors:
        """(seed, case, lead, variable) of an arm, or of `persistence` or `climatology`."""
        if arm in ("persistence", "climatology"):
            found: Errors = getattr(self.references, arm)[None]
            return found
        return by_seed(self.results[arm])


def collect(
    budget: Budget, references: References, results: Sequence[Result], command: str
) -> Findings:
    """Sort runs by arm."""
    grouped: dict[str, list[Result]] = {}
    for result in results:
        grouped.setdefault(result.arm, []).append(result)
    return Findings(budget, references, grouped, command)


def results_text(findings: Findings, picture: str) -> str:
    """The generated part of the page, marks included.

    Args:
        findings: what was run.
        picture: path of the chart, relative to the page.
    """
    methods = [name for name in findings.results if ARMS[name].group == "methods"]
    options = [name for name in findings.results if ARMS[name].group == "options"]
    parts = [BEGIN, _conditions(findings), f"![Mean squared error over lead time]({picture})"]
    if methods:
        parts += ["### Methods", _overview(findings, methods), *_pairs(findings, methods)]
    if options:
        parts += ["### Options", _overview(findings, options), _learning(findings)]
    if methods:
        parts += [
            "### Mean squared error per variable and lead",
            "Mean over cases, and seeds where there are any, with 95 % interval.",
            *(_table(findings, methods, number) for number in range(_variables(findings))),
        ]
    return "\n\n".join([*parts, END])


def put_into(page: Path, text: str) -> None:
    """Replace the part of the page between the marks; a missing page is created.

    Raises:
        PageError: the page has no marks, or cannot be written.
    """
    try:
        old = page.read_text(encoding="utf-8") if page.exists() else f"# Skill\n\n{BEGIN}\n{END}\n"
        before, begin, rest = old.partition(BEGIN)
        _, end, after = rest.partition(END)
        if not (begin and end):
            raise PageError(
                f"{page} has no lines\n{BEGIN}\n{END}\nbetween which results could go; add them, "
                "or give another page"
            )
        with replacing(page, text=True) as file:
            file.write(before + text + after)
    except (OSError, UnicodeDecodeError) as error:
        raise PageError(f"cannot write {page}: {error}") from error


def put_picture(path: Path, text: str) -> None:
    """Write the chart, in place of one that may be there.

    Raises:
        PageError: the disk refuses.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path, text=True) as file:
            file.write(text)
    except OSError as error:
        raise PageError(f"cannot write {path}: {error}") from error


def chart(findings: Findings) -> str:
    """SVG: MSE over lead, a panel per variable, with intervals where there are several seeds."""
    names = ["persistence", "climatology", *(n for n in _COLOURS if n in findings.results)]
    styles = {"persistence": ("#555555", "6 4"), "climatology": ("#555555", "2 3")}
    spread = {name: estimate(itself, findings.errors(name)) for name in names}
    panels = []
    for number, name in enumerate(findings.references.variables):
        lines = []
        for arm in names:
            colour, dashes = styles.get(arm) or (_COLOURS[arm], "")
            found = spread[arm]
            value, low, high = (a[:, number].tolist() for a in (found.value, found.low, found.high))
            title = ARMS[arm].title if arm in ARMS else arm
            shaded = arm in ARMS
            lines.append(
                Line(title, colour, dashes, value, low if shaded else (), high if shaded else ())
            )
        panels.append((f"{name}, mean squared error ({variable(name).units})²", lines))
    return draw(panels, "lead (h)")


def _conditions(findings: Findings) -> str:
    budget, references = findings.budget, findings.references
    data = budget.data
    cases = references.persistence.shape[0]
    network = f"hid_S {budget.hid_s}, hid_T {budget.hid_t}, {budget.n_t} blocks"
    return f"""    {findings.command}

- {", ".join(data.variables)}; training {", ".join(data.train)}; validation \
{", ".join(data.validation)}
- n = {cases} test forecasts, from {references.first} to {references.last} (first input frame), \
evenly spaced; errors weighted by cell area
- every run: {budget.steps} steps of {budget.batch} windows of 12 + 12 h, one thread; Met2Net with \
{network}
- torch {torch.__version__}, Python {platform.python_version()}, {platform.machine()}, \
{os.cpu_count()} cores"""


def _overview(findings: Findings, arms: Sequence[str]) -> str:
    """One row per arm: MSE over a reference's, mean over variables."""
    head = ["", "seeds", "parameters", "CPU s a run", "all leads / climatology",
            *(f"+{lead} h / persistence" for lead in _SHORT_LEADS)]  # fmt: skip
    rows = [head, ["---", *["---:"] * (len(head) - 1)]]
    persistence, climatology = findings.errors("persistence"), findings.errors("climatology")
    for name in arms:
        runs = findings.results[name]
        errors = findings.errors(name)
        overall = estimate(mean_ratio, errors, climatology)
        leads = estimate(ratio_by_lead, errors, persistence)
        rows.append([
            ARMS[name].title, str(len(runs)), f"{runs[0].parameters:,}",
            f"{np.mean([run.cpu_seconds for run in runs]):.0f}", _bracketed(overall),
            *(_bracketed(leads.at(lead - 1)) for lead in _SHORT_LEADS),
        ])  # fmt: skip
    text = "Mean squared error as a part of a reference's, mean over the variables, 95 % interval."
    return f"{text}\n\n{_markdown(rows)}"


def _pairs(findings: Findings, arms: Sequence[str]) -> list[str]:
    """Ratios of one method's error to another's, on the same forecasts."""
    names = findings.references.variables
    head = ["", "all", *names]
    rows = [head, ["---", *["---:"] * (len(head) - 1)]]
    for first, second in (
        ("two-stage", "end-to-end"), ("stacked", "end-to-end"), ("two-stage", "stacked"),
    ):  # fmt: skip
        if first in arms and second in arms:
            both = findings.errors(first), findings.errors(second)
            overall, each = estimate(mean_ratio, *both), estimate(ratio_by_variable, *both)
            rows.append([
                f"{ARMS[first].title} / {ARMS[second].title}", _bracketed(overall),
                *(_bracketed(each.at(i)) for i in range(len(names))),
            ])  # fmt: skip
    text = "Ratio of mean squared errors, mean over leads; below 1 the first is better."
    return [f"{text}\n\n{_markdown(rows)}"] if len(rows) > 2 else []


def _learning(findings: Findings) -> str:
    """Learning curves: seed 0's validation error at each quarter."""
    rows = [["", "1/4", "1/2", "3/4", "end"], ["---", *["---:"] * 4]]
    for name, runs in findings.results.items():
        curve = runs[0].curve
        places = [round(part * curve[-1, 0]) for part in (0.25, 0.5, 0.75, 1.0)]
        nearest = [int(np.abs(curve[:, 0] - place).argmin()) for place in places]
        rows.append([ARMS[name].title, *(f"{curve[i, 1]:.3f}" for i in nearest)])
    text = (
        "How they learnt: mean squared error over persistence's on 16 validation windows, seed 0."
    )
    return f"{text}\n\n{_markdown(rows)}"


def _table(findings: Findings, arms: Sequence[str], number: int) -> str:
    name = findings.references.variables[number]
    columns = ["persistence", "climatology", *arms]
    titles = [ARMS[arm].title if arm in ARMS else arm for arm in columns]
    rows = [["lead (h)", *titles], ["---:"] * (1 + len(columns))]
    found = [estimate(itself, findings.errors(arm)) for arm in columns]
    leads = len(found[0].value)
    for lead in [lead for lead in _LEADS if lead <= leads]:
        at = lead - 1, number
        cells = [f"{e.value[at]:.4g} ({e.low[at]:.4g} to {e.high[at]:.4g})" for e in found]
        rows.append([str(lead), *cells])
    return f"**{name}**, ({variable(name).units})²\n\n{_markdown(rows)}"


def _variables(findings: Findings) -> int:
    return len(findings.references.variables)


def _bracketed(found: Estimate) -> str:
    return f"{float(found.value):.3f} ({float(found.low):.3f} to {float(found.high):.3f})"


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
