r"""Train Met2Net both ways and a stacked baseline on the same data and budget, and score them.

    python -m research.compare --frames 2019 --frames 2020 --frames 2023 --out comparison \
        --page docs/skill.md

Stopped at any moment, the same command continues. The page gets tables of mean squared errors with
intervals between its marks, and the chart images/skill.svg beside it; see docs/skill.md.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from met2net_ops.cli.common import track_for
from met2net_ops.errors import Met2NetOpsError
from research.arms import ARMS, Budget, choose
from research.report import chart, collect, put_into, put_picture, results_text
from research.runs import compare

if TYPE_CHECKING:
    from collections.abc import Sequence

_CHART = "images/skill.svg"


def main(arguments: Sequence[str]) -> None:
    """Run the comparison that the arguments describe, and print or write its results.

    Raises:
        Met2NetOpsError: as `research.runs.compare` and `research.report.put_into`.
    """
    given = _parser().parse_args(arguments)
    budget = Budget(
        steps=given.steps, batch=given.batch, seeds=given.seeds, option_seeds=given.option_seeds
    )
    references, results = compare(
        choose(given.arm),
        budget,
        given.frames,
        given.out,
        jobs=given.jobs,
        finished_only=given.finished_only,
        track=track_for(given.quiet),
    )
    shown = [argument for argument in arguments if argument not in ("--quiet", "-q")]
    command = shlex.join(["python", "-m", "research.compare", *shown])
    findings = collect(budget, references, results, command)
    text = results_text(findings, _CHART)
    if given.page is None:
        print(text)
        return
    picture = given.page.parent / _CHART
    put_picture(picture, chart(findings))
    put_into(given.page, text)
    print(f"{given.page}\n{picture}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m research.compare",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--frames", type=Path, action="append", required=True, help="flat frames; repeat it")
    add("--out", type=Path, required=True, help="folder of the runs; finished ones are kept")
    add("--page", type=Path, help="page that the results are written into")
    add("--arm", action="append", help=f"what to compare, all by default: {', '.join(ARMS)}")
    add("--steps", type=int, default=800, help="optimiser steps of every run (%(default)s)")
    add("--batch", type=int, default=2, help="windows per step (%(default)s)")
    add("--seeds", type=int, default=3, help="runs of each method (%(default)s)")
    add("--option-seeds", type=int, default=1, help="runs of each option (%(default)s)")
    add("--jobs", type=int, default=1, help="runs at a time, one thread each (%(default)s)")
    add("--finished-only", action="store_true", help="write down what is there; run nothing")
    add("--quiet", "-q", action="store_true", help="no progress")
    return parser


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except Met2NetOpsError as error:
        sys.exit(f"error: {error}")
