"""The verification of cycles, in a child process (`met2net_ops.service.workers.child`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from met2net_ops.service.workers.jobs import VerifyDone, VerifyJob, VerifyVerdict

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from met2net_ops.verification.outcome import VerificationOutcome
    from met2net_ops.workspace import Workspace

OPENER = "met2net_ops.service.workers.verification_job:open_verification"


def open_verification(
    workspace: Workspace, _subject: str
) -> tuple[None, Callable[[VerifyJob], VerifyDone]]:
    """Be ready to verify; what has not changed since it was verified costs little."""
    from met2net_ops.verification.run_analyses import verify_analyses
    from met2net_ops.verification.run_stations import verify_stations

    def verify(job: VerifyJob) -> VerifyDone:
        found: dict[datetime, list[VerificationOutcome]] = {}
        for compare in (verify_analyses, verify_stations):
            for outcome in compare(workspace, model=job.model, since=job.since, until=job.until):
                found.setdefault(outcome.cycle, []).append(outcome)
        return VerifyDone(tuple(_verdict(cycle, outcomes) for cycle, outcomes in found.items()))

    return None, verify


def _verdict(cycle: datetime, outcomes: list[VerificationOutcome]) -> VerifyVerdict:
    words = []
    for outcome in outcomes:
        why = f": {outcome.reason}" if outcome.status == "failed" and outcome.reason else ""
        words.append(f"{outcome.truth} {outcome.status}{why}")
    return VerifyVerdict(
        reference_time=cycle,
        final=any(one.truth == "analysis" and one.status == "final" for one in outcomes),
        any=any(one.status in ("partial", "final") for one in outcomes),
        words="; ".join(words),
    )
