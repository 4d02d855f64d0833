"""One self-contained HTML page: what a desk wants to know of its forecasts, with the numbers."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from importlib.resources import files
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from met2net_ops.errors import VerificationError
from met2net_ops.times import format_time
from met2net_ops.variables import VARIABLES
from met2net_ops.verification.report.figures import hour_figure, score_figure, station_figure
from met2net_ops.verification.report.tables import (
    coverage,
    event_table,
    meaning,
    paired_table,
    score_table,
    scorecard,
    shown_leads,
    station_table,
)
from met2net_ops.verification.results.comparison import compare_models
from met2net_ops.verification.results.query import Selection, grouped_sums
from met2net_ops.verification.results.scores import derive
from met2net_ops.verification.results.summary import ScoreLine, error_unit, summary, write_text
from met2net_ops.visible import escape_html as escape

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    import plotly.graph_objects as go

    from met2net_ops.paths import WorkspacePaths
    from met2net_ops.verification.outcome import VerificationOutcome

_TRUTHS = {"analysis": "analyses", "stations": "stations"}
_WORST = 10  # stations listed
_FIGURE = {"displayModeBar": False, "responsive": True}


def write_report(
    path: Path,
    paths: WorkspacePaths,
    selections: Sequence[Selection],
    outcomes: Sequence[VerificationOutcome],
    now: datetime,
) -> None:
    """Write the page; it needs no network and no other file.

    Args:
        path: the HTML file.
        paths: where the sums lie.
        selections: one per truth.
        outcomes: what the verification that precedes the report found.
        now: shown as the time of writing.

    Raises:
        VerificationError: there is nothing to report, or the file cannot be written.
    """
    from plotly.offline import get_plotlyjs

    found = [(selection, summary(paths, selection)) for selection in selections]
    found = [(selection, lines) for selection, lines in found if lines]
    if not found:
        raise VerificationError("no verified forecasts match; there is nothing to report")
    style = (
        files("met2net_ops.verification.report").joinpath("report.css").read_text(encoding="utf-8")
    )
    models = list(dict.fromkeys(line.model for _, lines in found for line in lines))
    title = f"Verification of {', '.join(models)}"
    sections = "".join(_section(paths, selection, lines) for selection, lines in found)
    links = "".join(
        f'<a href="#{selection.truth}">Against {_TRUTHS[selection.truth]}</a>'
        for selection, _ in found
    )
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{style}</style>"
        f"<script>{get_plotlyjs()}</script></head><body>"
        f"<header><h1>{escape(title)}</h1>{_facts(paths, found, outcomes, now)}"
        f'<nav>{links}<a href="#coverage">Coverage</a><a href="#scores">Scores</a></nav></header>'
        f"<main>{sections}"
        f"<section id=coverage><h2>Coverage</h2>{_statuses(outcomes)}{coverage(outcomes)}</section>"
        "<section id=scores><h2>What the scores mean</h2><p class=note>f is the forecast, o the "
        "truth, c the climatology, e = f - o, ⟨x⟩ = Σw·x / Σw; w is the cell's area, or 1 for a "
        "station. Forecast and baselines are scored on the same pairs. Intervals: moving-block "
        f"bootstrap over cycles.</p>{meaning()}</section></main></body></html>"
    )
    write_text(path, page)


def _facts(
    paths: WorkspacePaths,
    found: Sequence[tuple[Selection, list[ScoreLine]]],
    outcomes: Sequence[VerificationOutcome],
    now: datetime,
) -> str:
    cycles = [outcome.cycle for outcome in outcomes if outcome.status in ("final", "partial")]
    leads = [line.lead_hours for _, lines in found for line in lines]
    facts = [("Leads", f"{min(leads)} to {max(leads)} h")]
    if cycles:
        facts.insert(0, ("Cycles", f"{format_time(min(cycles))} to {format_time(max(cycles))}"))
    for selection, lines in found:
        pairs = sum(line.n for line in lines if line.variable in VARIABLES)
        facts.append((f"Pairs with {_TRUTHS[selection.truth]}", f"{pairs:,}"))
        if isinstance(selection.region, str) and selection.region != "all":
            facts.append(("Region", selection.region))
    facts += [("Workspace", paths.root.name), ("Written", format_time(now))]
    return (
        "<dl>"
        + "".join(f"<div><dt>{k}</dt><dd>{escape(v)}</dd></div>" for k, v in facts)
        + ("</dl>")
    )


def _statuses(outcomes: Sequence[VerificationOutcome]) -> str:
    counts = Counter((outcome.truth, outcome.status) for outcome in outcomes)
    return "".join(
        f"<p class=note>{_TRUTHS[truth].capitalize()}: {count} cycles "
        f"<span class='chip {status}'>{status}</span></p>"
        for (truth, status), count in sorted(counts.items())
    )


def _section(paths: WorkspacePaths, selection: Selection, lines: list[ScoreLine]) -> str:
    by = ("model", "variable", "threshold", "lead")
    events = event_table(
        grouped_sums(paths, "contingency", by, selection),
        grouped_sums(paths, "fractions", (*by, "neighbourhood"), selection),
    )
    reasons = dict.fromkeys(line.no_interval for line in lines if line.no_interval)
    notes = [f"No 95 % intervals: {why}." for why in reasons]
    if all(np.isnan(line.skill_climatology) for line in lines):
        notes.append(
            "No skill against climatology and no anomaly correlation: the archive is too short for "
            "a climatology of these months."
        )
    figures = "".join(
        f"<article><h3>{escape(_long_name(name))}</h3>"
        f"{_html(score_figure([line for line in lines if line.variable == name]))}</article>"
        for name in dict.fromkeys(line.variable for line in lines)
    )
    more = _stations(paths, selection) if selection.truth == "stations" else ""
    return (
        f"<section id={selection.truth}><h2>Against {_TRUTHS[selection.truth]}</h2>"
        f"{_cards(lines)}{''.join(f'<p class=note>{escape(note)}</p>' for note in notes)}"
        f"{_comparisons(paths, selection, lines)}{figures}"
        f"{_groups(paths, selection, lines)}{_hours(paths, selection)}{more}"
        f"{score_table(lines)}{events}</section>"
    )


def _cards(lines: Sequence[ScoreLine]) -> str:
    """RMSE at a glance, a table per model."""
    leads = shown_leads(line.lead_hours for line in lines)
    cards = []
    for model in dict.fromkeys(line.model for line in lines):
        chosen = [line for line in lines if line.model == model and line.lead_hours in leads]
        card = scorecard(chosen, [f"+{lead} h" for lead in leads], "lead")
        cards.append(f"<article><h3>{escape(model)}: RMSE by lead</h3>{card}</article>")
    return "".join(cards) + (
        "<p class=note>Small: skill against persistence, 1 - MSE / MSE of persistence; blue is "
        "better than persistence, orange worse. Hold the pointer over a number for its n and "
        "interval.</p>"
    )


def _comparisons(paths: WorkspacePaths, selection: Selection, lines: Sequence[ScoreLine]) -> str:
    models = list(dict.fromkeys(line.model for line in lines))
    parts = []
    for first, second in combinations(models, 2):
        try:
            found = compare_models(paths, selection, first, second)
        except VerificationError as error:
            parts.append(f"<p class=note>{escape(str(error))}</p>")
            continue
        table = paired_table(found, first, second)
        parts.append(f"<article>{table}</article>")
    return "".join(parts)


def _groups(paths: WorkspacePaths, selection: Selection, lines: Sequence[ScoreLine]) -> str:
    """Regions, or heights of stations, at the lead nearest to a day."""
    lead = min({line.lead_hours for line in lines}, key=lambda lead: abs(lead - 24))
    at = replace(selection, leads=(lead,))
    if selection.truth == "analysis":
        group, what = "region", "region"
        at = replace(at, region=None)
    else:
        group, what = "height", "height of the station"
    parts = []
    found = summary(paths, at, group)
    for model in dict.fromkeys(line.model for line in found):
        chosen = [line for line in found if line.model == model]
        columns = list(dict.fromkeys(line.group for line in chosen))
        if len(columns) > 1:
            card = scorecard(chosen, columns, "group")
            parts.append(
                f"<article><h3>{escape(model)}: RMSE by {what}, +{lead} h</h3>"
                f"<div class=wide>{card}</div></article>"
            )
    return "".join(parts)


def _hours(paths: WorkspacePaths, selection: Selection) -> str:
    found = grouped_sums(paths, "continuous", ("model", "variable", "hour"), selection)
    if len({key[2] for key in found.keys}) < 4:
        return ""
    names = list(dict.fromkeys(str(key[1]) for key in found.keys))[:4]
    return (
        "<article><h3>Bias by the hour of day forecasts are valid at, all leads</h3>"
        f"{_html(hour_figure(found, names))}</article>"
    )


def _stations(paths: WorkspacePaths, selection: Selection) -> str:
    """Temperature (or what there is) station by station: a map, and where errors are largest."""
    by = ("variable", "station", "latitude", "longitude", "elevation", "model_elevation", "surface")
    found = grouped_sums(paths, "continuous", by, selection)
    names = list(dict.fromkeys(str(key[0]) for key in found.keys))
    if not names:
        return ""
    name = "t2m" if "t2m" in names else names[0]
    unit, scale = error_unit(name)
    rows = [i for i, key in enumerate(found.keys) if key[0] == name]
    total = found.forecast.total()
    rmse, bias = (derive(score, total)[rows] * scale for score in ("rmse", "bias"))
    count = total["n"][rows]
    keys = [found.keys[i][1:] for i in rows]
    labels = [
        f"{key[0]}: bias {b:+.2f} {unit}, RMSE {r:.2f} {unit}, n = {n:.0f}"
        for key, b, r, n in zip(keys, bias, rmse, count, strict=True)
    ]
    figure = station_figure(
        [float(str(key[2])) for key in keys], [float(str(key[1])) for key in keys],
        bias.tolist(), labels, unit,
    )  # fmt: skip
    worst = np.argsort(-rmse)[:_WORST]
    table = station_table(
        [
            (
                str(keys[i][0]), f"{keys[i][1]:.2f}", f"{keys[i][2]:.2f}", _metres(keys[i][3]),
                _metres(keys[i][4]), str(keys[i][5] or ""), f"{rmse[i]:.2f}", f"{bias[i]:+.2f}",
                f"{count[i]:.0f}",
            )
            for i in worst
        ],
        ("station", "latitude", "longitude", "height, m", "model's height, m", "model's surface",
         f"RMSE, {unit}", f"bias, {unit}", "n"),
    )  # fmt: skip
    return (
        f"<article><h3>{escape(_long_name(name))}: bias by station, all leads</h3>{_html(figure)}"
        f"</article><article><h3>Where its errors are largest</h3>{table}</article>"
    )


def _metres(value: object) -> str:
    return "" if value is None else f"{float(str(value)):.0f}"


def _long_name(name: str) -> str:
    """What people call a variable, with its name here.

    >>> _long_name("t2m"), _long_name("wind10")
    ('2 metre temperature (t2m)', '10 metre wind (wind10)')
    """
    long = VARIABLES[name].long_name if name in VARIABLES else f"{name[4:]} metre wind"
    return f"{long[0].upper()}{long[1:]} ({name})"


def _html(figure: go.Figure) -> str:
    return str(figure.to_html(full_html=False, include_plotlyjs=False, config=_FIGURE))
