"""One cycle under way: each block of leads goes through the gate and into the file."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from met2net_ops.errors import GateRejectedError, ProductError
from met2net_ops.forecast.gate import Finding, GateReport, check_block, spreads
from met2net_ops.forecast.result import CycleOutcome, CycleResult, StageClock
from met2net_ops.products.read import read_header
from met2net_ops.products.write import ProductWriter, write_product
from met2net_ops.times import format_time

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import ExitStack
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from met2net_ops.errors import Met2NetOpsError
    from met2net_ops.forecast.window import Window
    from met2net_ops.products.header import ProductHeader
    from met2net_ops.settings import Settings

_LOG = logging.getLogger(__name__)


class CycleJob:
    """A cycle from its window to its result; the rollout feeds it blocks.

    A product that cannot be written is remembered as the cycle's error and costs no other cycle
    of the batch anything.
    """

    def __init__(
        self,
        window: Window,
        header: ProductHeader,
        path: Path,
        settings: Settings,
        clock: StageClock,
    ) -> None:
        self.window = window
        self.header = header
        self._path = path
        self._settings = settings
        self._clock = clock
        self._reference = spreads(window.values)
        self._findings: list[Finding] = []
        self._writer: ProductWriter | None = None
        self._error: ProductError | None = None

    def published(self) -> ProductHeader | None:
        """The product already in its place, if it is this forecast, with as many leads or more."""
        if not self._path.exists():
            return None
        try:
            there = read_header(self._path)
        except ProductError as error:
            facts = _facts(self.header, reason=str(error))
            _LOG.warning("replacing a damaged product", extra=facts)
            return None
        return there if there.covers(self.header) else None

    def open(self, stack: ExitStack) -> None:
        """Begin the product; `stack` removes it again unless it is finished."""
        with self._stage("write"):
            product = write_product(self._path, self.header, self._settings.products)
            self._writer = stack.enter_context(product)

    def take(self, first_lead: int, values: NDArray[np.float32]) -> None:
        """The next leads: (lead, variable, latitude, longitude)."""
        if self._writer is None or self._error is not None:
            return
        with self._clock("gate"):
            names, gate = self.header.variables, self._settings.gate
            self._findings += check_block(values, first_lead, names, self._reference, gate)
        with self._stage("write"):
            self._writer.write(first_lead, values)

    def end(self, timings: Mapping[str, float]) -> CycleResult:
        """Publish or reject; `timings` are the seconds of the stages so far."""
        report = GateReport(tuple(self._findings))
        rejected = self._settings.gate.enabled and not report.passed
        self.header = replace(
            self.header,
            timings=timings,
            findings=tuple(report.summary()),
            rejected=rejected,
        )
        path = self._path
        if self._writer is not None and self._error is None:
            with self._stage("write"):
                self._writer.finish(self.header)
        if self._writer is not None and self._error is None:
            with self._stage("verify"):
                self._writer.verify()
                path = self._writer.reject() if rejected else self._writer.publish()
        if self._error is not None:
            facts = _facts(self.header, reason=str(self._error))
            _LOG.error("product failed", extra=facts)
            return self._result(CycleOutcome.FAILED, path, report, self._error)
        if rejected:
            facts = _facts(self.header, findings=self.header.findings, kept=str(path))
            _LOG.error("forecast rejected", extra=facts)
            refusal = _refusal(self.header, report, path)
            return self._result(CycleOutcome.REJECTED, path, report, refusal)
        facts = _facts(self.header, findings=self.header.findings, path=str(path))
        _LOG.info("forecast published", extra=facts)
        return self._result(CycleOutcome.PUBLISHED, path, report)

    def unchanged(self, there: ProductHeader) -> CycleResult:
        """The result of a cycle whose forecast is already published, as the product `there`."""
        note = "the same forecast was published before; nothing was done (--force redoes it)"
        if there.leads > self.header.leads:
            note = (
                f"the published product has {there.leads} leads and covers the "
                f"{self.header.leads} requested; nothing was done (--force replaces it)"
            )
        result = self._result(CycleOutcome.UNCHANGED, self._path, GateReport())
        valid = there.valid_times
        return replace(
            result, leads=there.leads, valid_from=valid[0], valid_to=valid[-1], note=note
        )

    def _result(
        self,
        state: CycleOutcome,
        path: Path,
        report: GateReport,
        error: Met2NetOpsError | None = None,
    ) -> CycleResult:
        valid = self.header.valid_times
        return CycleResult(
            model=self.header.model,
            reference_time=self.header.reference_time,
            state=state,
            path=path,
            leads=self.header.leads,
            valid_from=valid[0],
            valid_to=valid[-1],
            table=self.window.table,
            report=report,
            error=error,
        )

    @contextmanager
    def _stage(self, stage: str) -> Iterator[None]:
        try:
            with self._clock(stage):
                yield
        except ProductError as error:
            self._error = error


def _refusal(header: ProductHeader, report: GateReport, kept: Path) -> GateRejectedError:
    reasons = "\n".join(f"  {line}" for line in GateReport(report.refusals).summary())
    return GateRejectedError(
        f"the forecast of {header.model} from {format_time(header.reference_time)} is not fit to "
        f"publish:\n{reasons}\nIt is kept as {kept}. Look at its input and at the model; [gate] "
        "in met2net.toml holds the bounds."
    )


def _facts(header: ProductHeader, **more: object) -> dict[str, object]:
    """What a log record says about a cycle."""
    return {"model": header.model, "cycle": format_time(header.reference_time), **more}
