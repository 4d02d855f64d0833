"""Two models compared by any score, against a bootstrap that draws the pairs themselves."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from verification_desk import HOUR, START, Desk

from met2net_ops.errors import VerificationError
from met2net_ops.verification.compute.event_sums import contingency_sums, fractions_sums
from met2net_ops.verification.compute.kernels import continuous_sums, ensemble_sums
from met2net_ops.verification.compute.wind_sums import vector_sums
from met2net_ops.verification.results.comparison import compare_models
from met2net_ops.verification.results.intervals import compare, draw, score_interval
from met2net_ops.verification.results.query import Grouped, Selection
from met2net_ops.verification.results.scores import SCORES
from met2net_ops.verification.results.summary import group_intervals
from met2net_ops.verification.run_analyses import verify_analyses
from met2net_ops.verification.store.sums import Sums
from met2net_ops.workspace import Workspace

CYCLES, POINTS, MEMBERS, EVENT = 16, 25, 4, 0.3
WEIGHTS = np.linspace(0.5, 1.5, POINTS)
Fields = dict[str, np.ndarray]


def world(seed: int, size: float) -> Fields:
    """Truth, climatology and one model's forecasts: (cycle, point…); the truth is that of all."""
    rng, own = np.random.default_rng(1), np.random.default_rng(seed)
    hard = rng.standard_normal((CYCLES, 1))
    shape = CYCLES, POINTS
    found = {name: rng.standard_normal(shape) for name in ("o", "c", "ut", "vt")}
    noise = size * (hard + own.standard_normal(shape))
    found["f"] = found["o"] + noise + 0.2 * size
    found["u"] = found["ut"] + size * own.standard_normal(shape)
    found["v"] = found["vt"] + size * own.standard_normal(shape)
    found["x"] = found["o"][:, None] + size * own.standard_normal((CYCLES, MEMBERS, POINTS))
    return found


def stored(kind: str, fields: Fields) -> Sums:
    """(cycle,) sums as they are kept."""
    parts = []
    for i in range(CYCLES):
        one = {name: values[i] for name, values in fields.items()}
        match kind:
            case "continuous":
                sums = continuous_sums(one["f"], one["o"], WEIGHTS, one["c"])
            case "contingency":
                sums = contingency_sums(one["f"], one["o"], WEIGHTS, EVENT)
            case "vector":
                sums = vector_sums((one["u"], one["v"]), (one["ut"], one["vt"]), WEIGHTS, 0.5)
            case "ensemble":
                sums = ensemble_sums(one["x"], one["o"], WEIGHTS)
            case _:
                square = (5, 5)
                sums = fractions_sums(
                    one["f"].reshape(square), one["o"].reshape(square), WEIGHTS.reshape(square),
                    EVENT, 1,
                )  # fmt: skip
        parts.append(sums.values[0])
    return Sums(kind, np.stack(parts))


def mean(x: np.ndarray, w: np.ndarray) -> float:
    return float((w * x).sum() / w.sum())


def correlation(a: np.ndarray, b: np.ndarray, w: np.ndarray) -> float:
    a, b = a - mean(a, w), b - mean(b, w)
    return mean(a * b, w) / np.sqrt(mean(a * a, w) * mean(b * b, w))


def table(s: Fields, w: np.ndarray) -> tuple[float, float, float, float]:
    f, o = s["f"] >= EVENT, s["o"] >= EVENT
    return tuple(float((w * x).sum()) for x in (f & o, f & ~o, ~f & o, ~f & ~o))  # type: ignore[return-value]


def turns(s: Fields, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    blows = (np.hypot(s["u"], s["v"]) > 0.5) & (np.hypot(s["ut"], s["vt"]) > 0.5)
    angle = np.angle((s["u"] + 1j * s["v"]) / (s["ut"] + 1j * s["vt"]), deg=True)
    return -angle[blows], w[blows]


def ets(s: Fields, w: np.ndarray) -> float:
    a, b, c, d = table(s, w)
    chance = (a + b) * (a + c) / (a + b + c + d)
    return (a - chance) / (a + b + c - chance)


def crps(s: Fields, w: np.ndarray) -> float:
    x, o = s["x"], s["o"]
    pairs = np.abs(x[:, :, None] - x[:, None]).mean(axis=(1, 2)) / 2
    return mean(np.abs(x - o[:, None]).mean(axis=1) - pairs, w)


def spread_skill(s: Fields, w: np.ndarray) -> float:
    error = mean((s["x"].mean(axis=1) - s["o"]) ** 2, w)
    return float(np.sqrt((1 + 1 / MEMBERS) * mean(s["x"].var(axis=1, ddof=1), w) / error))


def fss(s: Fields, w: np.ndarray) -> float:
    f, o = (s["f"] >= EVENT) * 1.0, (s["o"] >= EVENT) * 1.0
    return 1 - mean((f - o) ** 2, w) / mean(f + o, w)


ORACLES: dict[str, Callable[[Fields, np.ndarray], float]] = {
    "bias": lambda s, w: mean(s["f"] - s["o"], w),
    "mae": lambda s, w: mean(np.abs(s["f"] - s["o"]), w),
    "rmse": lambda s, w: float(np.sqrt(mean((s["f"] - s["o"]) ** 2, w))),
    "error_std": lambda s, w: float(
        np.sqrt(mean((s["f"] - s["o"] - mean(s["f"] - s["o"], w)) ** 2, w))
    ),
    "correlation": lambda s, w: correlation(s["f"], s["o"], w),
    "acc": lambda s, w: correlation(s["f"] - s["c"], s["o"] - s["c"], w),
    "pod": lambda s, w: table(s, w)[0] / (table(s, w)[0] + table(s, w)[2]),
    "far": lambda s, w: table(s, w)[1] / (table(s, w)[0] + table(s, w)[1]),
    "csi": lambda s, w: table(s, w)[0] / sum(table(s, w)[:3]),
    "ets": ets,
    "frequency_bias": lambda s, w: sum(table(s, w)[:2]) / (table(s, w)[0] + table(s, w)[2]),
    "fss": fss,
    "vector_rmse": lambda s, w: float(
        np.sqrt(mean((s["u"] - s["ut"]) ** 2 + (s["v"] - s["vt"]) ** 2, w))
    ),
    "speed_bias": lambda s, w: mean(np.hypot(s["u"], s["v"]) - np.hypot(s["ut"], s["vt"]), w),
    "direction_mae": lambda s, w: mean(np.abs(turns(s, w)[0]), turns(s, w)[1]),
    "crps": crps,
    "spread_skill": spread_skill,
}
BEST = {"bias": 0.0, "speed_bias": 0.0, "frequency_bias": 1.0, "spread_skill": 1.0}


def drawn_pairs(fields: Fields, cycles: np.ndarray) -> tuple[Fields, np.ndarray]:
    """All pairs of the drawn cycles, one after the other, and their weights."""
    taken = {}
    for name, values in fields.items():
        chosen = np.moveaxis(values[cycles], -1, 1)  # members last
        taken[name] = chosen.reshape(-1, *chosen.shape[2:])
    return taken, np.tile(WEIGHTS, len(cycles))


@pytest.mark.parametrize("name", ORACLES)
def test_against_a_bootstrap_of_the_pairs_themselves(name: str) -> None:
    first, second = world(2, 1.0), world(3, 1.3)
    kind = SCORES[name].kind
    result = compare(name, stored(kind, first), stored(kind, second), ("A", "B"))
    counts = draw(CYCLES)
    differences = []
    for row in [np.ones(CYCLES), *counts]:
        cycles = np.repeat(np.arange(CYCLES), row.astype(int))
        ours, theirs = (ORACLES[name](*drawn_pairs(x, cycles)) for x in (first, second))
        if name in BEST:
            ours, theirs = abs(ours - BEST[name]), abs(theirs - BEST[name])
        differences.append(ours - theirs)
    whole, *resampled = differences
    low, high = np.quantile(resampled, [0.025, 0.975])
    assert result.difference == pytest.approx(whole, abs=1e-10)
    assert (result.low, result.high) == pytest.approx((low, high), abs=1e-9)
    side = min(np.mean(np.array(resampled) <= 0), np.mean(np.array(resampled) >= 0))
    assert result.p_value == pytest.approx(min(1, 2 * (1000 * side + 1) / 1001), abs=0.003)
    if low <= 0 <= high:
        assert result.verdict == "not significant"
        assert "holds zero" in result.why
    else:
        higher_is_better = SCORES[name].orientation == "higher"
        assert result.verdict == ("A better" if (whole > 0) == higher_is_better else "B better")


def rare_events() -> tuple[Sums, Sums]:
    """Twelve cycles, one of which has an event: many resamples have none."""
    truth = np.zeros((12, 10))
    truth[4, :3] = 1.0
    good, bad = truth.copy(), truth.copy()
    bad[4, 0] = 0.0
    return tuple(  # type: ignore[return-value]
        Sums(
            "contingency",
            np.stack(
                [contingency_sums(f, o, np.ones(10), 0.5).values[0]
                 for f, o in zip(x, truth, strict=True)]
            ),
        )
        for x in (good, bad)
    )  # fmt: skip


def test_too_few_events_are_said_to_be_the_reason() -> None:
    good, bad = rare_events()
    result = compare("pod", good, bad, ("A", "B"))
    assert result.difference == pytest.approx(1 / 3)
    assert result.verdict == "not significant"
    assert result.why == (
        "Probability of detection is not defined in more than 5 % of the resamples"
    )
    assert np.isnan([result.low, result.high, result.p_value]).all()
    assert np.isnan(score_interval("pod", good).low)
    cycles = np.arange(12).astype("datetime64[us]")
    alone = Grouped([("x",)], cycles, Sums("contingency", good.values[:, None]))
    assert group_intervals("pod", alone)[2] == [result.why]


def test_a_score_against_a_baseline_is_not_compared() -> None:
    sums = stored("continuous", world(2, 1.0))
    with pytest.raises(VerificationError, match="compares with a baseline already"):
        compare("skill", sums, sums)


def test_models_are_compared_by_any_score_from_the_store(desk: Desk) -> None:
    desk.observe(START, 24 * 4)
    rng = np.random.default_rng(0)
    for i in range(11):
        for model, size in (("one", 0.5), ("two", 1.5)):
            error = size * rng.standard_normal((2, 6, 8))
            desk.forecast(
                START + (24 + 4 * i) * HOUR, lambda name, lead, e=error: e[lead - 1], model, 2
            )
    verify_analyses(Workspace(desk.workspace, desk.settings))
    wanted = ("mae", "bias", "csi", "fss", "vector_rmse")
    found = compare_models(desk.workspace, Selection(), "one", "two", wanted)
    assert dict.fromkeys(line.score for line in found) == dict.fromkeys(wanted)
    assert {(x.variable, x.threshold) for x in found if x.score == "csi"} == {
        ("t2m", 281.0), ("wind10", 5.0),
    }  # fmt: skip
    assert {x.neighbourhood for x in found if x.score == "fss"} == {3}
    assert all(x.cycles == 11 for x in found)
    assert {x.result.verdict for x in found if x.score in ("mae", "vector_rmse")} == {"one better"}
    with pytest.raises(VerificationError, match="with itself"):
        compare_models(desk.workspace, Selection(), "one", "one")
