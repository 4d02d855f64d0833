"""`python -m soak_run --days 30`: the long soak, with its figures; see `soak`."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from soak import soak
from soak_desk import START
from soak_findings import Findings
from soak_plan import Plan, long_plan, short_plan

from met2net_ops.times import format_time


def main() -> int:
    """Run and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--days", type=int, default=30, help="0: the short form of the tests")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=float("inf"), help="end after so many")
    parser.add_argument("--keep", type=Path, help="work here, and leave the log behind")
    chosen = parser.parse_args()
    plan = long_plan(START, chosen.days, chosen.seed) if chosen.days else short_plan(START)
    with tempfile.TemporaryDirectory() as temporary:
        folder = chosen.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        findings = soak(folder, plan, chosen.seed, 60 + 10 * chosen.days, 60 * chosen.minutes)
    sys.stdout.write("\n".join(report(plan, findings)) + "\n")
    return 1 if findings.wrong else 0


def report(plan: Plan, findings: Findings) -> Iterator[str]:
    """The figures, line by line."""
    yield f"{findings.hours} of {plan.hours} hourly cycles in {findings.seconds / 60:.1f} minutes"
    for what, count in sorted(findings.happened.items()):
        yield f"  {what:24} {count}"
    yield f"products compared with the mirror's: {findings.compared}"
    last = [one for one in findings.vitals if one.pid == findings.vitals[-1].pid]
    for one in last[:: max(len(last) // 8, 1)]:
        yield (
            f"  {format_time(one.at)}  {one.memory / 1e6:6.1f} MB  {one.files} files open  "
            f"{one.threads} threads"
        )
    yield "wrong: nothing" if not findings.wrong else "WRONG:"
    for what in findings.wrong:
        yield f"  {what}"


if __name__ == "__main__":
    raise SystemExit(main())
