"""From the runs' errors to means, ratios and their 95 % intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from met2net_ops.resampling import block_length, draw_counts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from research.runs import Result

    Errors = NDArray[np.float64]

_RESAMPLES = 1000


@dataclass(frozen=True)
class Estimate:
    """A number, or an array of them, with the ends of its 95 % interval."""

    value: Errors
    low: Errors
    high: Errors

    def at(self, place: int) -> Estimate:
        """One of them."""
        return Estimate(self.value[place], self.low[place], self.high[place])


def by_seed(results: Sequence[Result]) -> Errors:
    """(seed, case, lead, variable) of one arm's runs."""
    return np.stack([result.errors for result in results])


def estimate(
    statistic: Callable[..., Errors], *errors: Errors, resamples: int = _RESAMPLES, seed: int = 0
) -> Estimate:
    """A statistic of mean errors, with its interval.

    Cases are drawn in circular blocks (`met2net_ops.resampling`), the same ones for every argument,
    so that ratios are of paired forecasts. Seeds are drawn separately for each argument, n - 1 of
    n, which gives their mean its unbiased variance (Rao and Wu, 1988, doi:10.2307/2288945); a
    single seed has no spread. What is left out: another training year.

    Args:
        statistic: of one (lead, variable) array of mean errors per argument.
        errors: (seed, case, lead, variable); seeds may differ in number, cases may not.
        resamples: draws.
        seed: of the draws.
    """
    random = np.random.default_rng(seed)
    cases = errors[0].shape[1]
    drawn = []
    for counts in draw_counts(cases, block_length(cases), resamples, random, circular=True) / cases:
        means = []
        for one in errors:
            seeds = random.integers(0, len(one), size=max(1, len(one) - 1))
            means.append(np.tensordot(counts, one[seeds].mean(axis=0), axes=1))
        drawn.append(statistic(*means))
    value = statistic(*(one.mean(axis=(0, 1)) for one in errors))
    low, high = np.percentile(np.array(drawn), [2.5, 97.5], axis=0)
    return Estimate(np.asarray(value), np.asarray(low), np.asarray(high))


def itself(error: Errors) -> Errors:
    """The mean squared error of each lead and variable."""
    return error


def mean_ratio(error: Errors, reference: Errors) -> Errors:
    """Mean over leads and variables of the ratio of mean squared errors."""
    return np.asarray((error / reference).mean())


def ratio_by_variable(error: Errors, reference: Errors) -> Errors:
    """(variable,) the same, over leads only."""
    return np.asarray((error / reference).mean(axis=0))


def ratio_by_lead(error: Errors, reference: Errors) -> Errors:
    """(lead,) the same, over variables only."""
    return np.asarray((error / reference).mean(axis=1))
