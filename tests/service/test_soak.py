"""The short form of the soak; `make soak` runs thirty days of it."""

from __future__ import annotations

from collections import Counter

import pytest
from soak import soak
from soak_desk import START
from soak_plan import ARRIVES, DOWN_HOURS, Trouble, long_plan, short_plan

from met2net_ops.naturerun.faults import Fault
from met2net_ops.times import HOUR


@pytest.mark.timeout(400)
def test_whatever_goes_wrong_every_cycle_comes_to_what_it_should(tmp_path):
    plan = short_plan(START)
    findings = soak(tmp_path, plan, seed=1, megabytes=60)
    assert findings.wrong == []
    # All but the hour whose file never comes, and the one after the last whose gap may be filled.
    assert findings.compared == plan.hours - 1
    happened = findings.happened
    assert happened["attempt crashed"] >= 1
    assert happened["attempt memory"] + happened["attempt timeout"] >= 1
    assert happened[Trouble.KILLED] == happened[Trouble.LEDGER_LOCKED] == 1
    assert happened["service started"] == 2


def test_a_plan_is_the_same_for_the_same_seed_and_holds_everything():
    plan = long_plan(START, 30, seed=1)
    assert plan == long_plan(START, 30, seed=1)
    assert plan != long_plan(START, 30, seed=2)
    assert set(plan.troubles.values()) == set(Trouble)
    faults = Counter(arrival.planned.fault for arrival in plan.arrivals)
    assert faults[Fault.DAMAGED] > 5
    assert faults[Fault.TRUNCATED] > 5
    hours = {arrival.hour for arrival in plan.arrivals}
    assert len(hours) < plan.hours  # some never come
    late = [a for a in plan.arrivals if a.at > START + a.hour * HOUR + ARRIVES]
    assert len(late) > 30
    down = [hour for hour in range(plan.hours) if plan.down(hour)]
    stops = [t for t in plan.troubles.values() if t is Trouble.DOWN]
    assert len(down) == DOWN_HOURS * len(stops)
