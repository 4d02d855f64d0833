"""Precipitation over 6 and 24 hours, from amounts in the preceding hour.

The sums WMO-No. 485, Appendix 2.2.34 asks for at stations. They can be had of forecasts with
hourly leads only; a lead has one when all the hours it covers lie after the reference time.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np

from met2net_ops.verification.inputs.baselines import baseline_times

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

HOURLY = "tp"
PERIODS = {"tp6h": 6, "tp24h": 24}
# The events the lead centre asks for, kg m-2 in the period.
THRESHOLDS = {"tp6h": (1.0, 5.0, 25.0), "tp24h": (1.0, 10.0, 50.0)}
_HOUR = timedelta(hours=1)


def accumulated(variables: Sequence[str], valid_times: Sequence[datetime]) -> tuple[str, ...]:
    """Which sums a forecast of these variables and valid times has."""
    hourly = len(valid_times) > 1 and valid_times[1] - valid_times[0] == _HOUR
    if HOURLY not in variables or not hourly:
        return ()
    return tuple(name for name, hours in PERIODS.items() if hours <= len(valid_times))


def running_sum(values: Floats, hours: int) -> Floats:
    """(…, hour, station) amounts to sums over the hours up to and with each; NaN without all.

    >>> running_sum(np.array([[1.0], [2.0], [4.0]]), 2)[:, 0].tolist()
    [nan, 3.0, 6.0]
    """
    found = np.full(values.shape, np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(values, hours, axis=-2)
    found[..., hours - 1 :, :] = windows.sum(axis=-1)
    return found


def complete_accumulations(values: dict[str, Floats]) -> None:
    """Fill sums no station reported from shorter ones: six hours from single hours, a day from six.

    Args:
        values: quantity → (hour, station); those of `PERIODS` that are there are filled in place.
    """
    if "tp6h" in values and HOURLY in values:
        _fill(values["tp6h"], running_sum(values[HOURLY], 6))
    if "tp24h" in values:
        quarters = values["tp6h"]
        day = np.full(quarters.shape, np.nan)
        day[18:] = quarters[18:] + quarters[12:-6] + quarters[6:-12] + quarters[:-18]
        _fill(values["tp24h"], day)


def _fill(table: Floats, other: Floats) -> None:
    np.copyto(table, other, where=np.isnan(table))


def frames_before(reference_time: datetime) -> list[datetime]:
    """Hours up to the reference time that the sums of persistence are made of."""
    return [reference_time - _HOUR * hour for hour in range(2 * PERIODS["tp24h"] - 1)]


def accumulate_systems(
    systems: dict[str, dict[str, Floats]],
    names: Sequence[str],
    reference_time: datetime,
    lead_times: Sequence[timedelta],
    amounts_at: Callable[[datetime], Floats],
) -> None:
    """Add the sums of every system to what it has at the stations.

    Args:
        systems: system → variable → (lead, station); hourly amounts are in it.
        names: keys of `PERIODS`.
        reference_time: of the forecast.
        lead_times: its leads, hourly.
        amounts_at: analysed amounts in the hour before a time, (station,), NaN where missing.
    """
    past = {time: amounts_at(time) for time in frames_before(reference_time)} if names else {}
    for name in names:
        hours = PERIODS[name]
        for fields in systems.values():
            fields[name] = running_sum(fields[HOURLY], hours)
        for lead, step in enumerate(lead_times):
            for system, last in baseline_times(reference_time, step).items():
                parts = [past[last - _HOUR * hour] for hour in range(hours)]
                systems[system][name][lead] = np.sum(parts, axis=0)
