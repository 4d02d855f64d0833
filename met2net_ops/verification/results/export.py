"""Monthly scores per station as the WMO lead centre for deterministic verification exchanges them.

One record per score: `key=value` pairs separated by commas, see "Exchange of surface scores" of
the lead centre (https://confluence.ecmwf.int/display/WLD). Every record carries all its keys, so
that lines can be sorted and filtered; unknown values are `na`. Times are those the forecasts are
valid at.

Contingency tables (`sc=ct`): those of two classes, for wind speed at each threshold kept and for
precipitation of 6 and 24 hours at the lead centre's (1, 5, 25 and 1, 10, 50 mm), are written as
misses/hits/correct rejections/false alarms, events being values at or above the threshold. That
of cloud cover has three classes of oktas, up to 2, 3 to 6, and 7 or 8 (`th=2/6`), in the same
order carried on: observed 7 or 8, then 3 to 6, then up to 2, and within each forecast up to 2, 3
to 6, 7 or 8.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from met2net_ops.errors import VerificationError
from met2net_ops.verification.results.query import Grouped, Selection, grouped_sums
from met2net_ops.verification.results.scores import derive

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from met2net_ops.paths import WorkspacePaths

_BY = (
    "model", "yyyymm", "hour", "lead", "subset", "latitude", "longitude", "elevation",
    "model_elevation", "variable",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Parameter:
    """A parameter of the exchange.

    Attributes:
        name: in the exchange.
        kind: of sums.
        variable: ours.
        scores: of the exchange, and ours.
        scale: from our unit to theirs.
        count: which of the sums counts the pairs.
    """

    name: str
    kind: str
    variable: str
    scores: dict[str, str]
    scale: float = 1.0
    count: str = "n"


_ERRORS = {"me": "bias", "mae": "mae", "rmse": "rmse"}
_PARAMETERS = (
    _Parameter("t2m", "continuous", "t2m", _ERRORS),
    _Parameter("td2m", "continuous", "d2m", _ERRORS),
    _Parameter("tcc", "continuous", "tcc", _ERRORS, scale=100.0),
    _Parameter("ff10m", "vector", "wind10", {"me": "speed_bias", "rmse": "speed_rmse"}),
    # A wind may blow too weakly to have a direction: fewer pairs.
    _Parameter(
        "dd10m", "vector", "wind10",
        {"me": "direction_bias", "mae": "direction_mae", "rmse": "direction_rmse"}, count="dn",
    ),
)  # fmt: skip
# Bottom up, then left to right, of tables with forecasts beside and observations above.
_TABLE = ("misses", "hits", "correct_negatives", "false_alarms")
_CLASSES = tuple(f"c{forecast}{observed}" for observed in (2, 1, 0) for forecast in (0, 1, 2))
_EVENTS = {"wind10": "ff10m", "tp6h": "tp6", "tp24h": "tp24"}
_NEEDS = {
    "tp6": "hourly leads of tp, and reports of precipitation (tp6h, or tp of every hour)",
    "tp24": "24 hourly leads of tp, and reports of precipitation (tp24h, or shorter sums)",
}


def check_centre(centre: str) -> None:
    """The identifier of a centre has four characters.

    Raises:
        VerificationError: it has not.
    """
    if len(centre) != 4 or not centre.isalnum() or not centre.isascii():
        raise VerificationError(f"a centre has four letters or digits, as ecmf has; not {centre!r}")


def wmo_records(paths: WorkspacePaths, selection: Selection, centre: str) -> list[str]:
    """Records of all station scores selected, sorted by model, month, station and parameter.

    Args:
        paths: where the sums lie.
        selection: which; its truth is "stations".
        centre: identifier of the originating centre, four letters.

    Raises:
        VerificationError: the centre is not four letters or digits, or there are no sums.
    """
    check_centre(centre)
    found = {kind: grouped_sums(paths, kind, _BY, selection) for kind in ("continuous", "vector")}
    records = [
        record
        for parameter in _PARAMETERS
        for record in _errors(found[parameter.kind], parameter, centre)
    ]
    tables = grouped_sums(paths, "contingency", (*_BY, "threshold"), selection)
    records += _tables(tables, centre)
    records += _classes(grouped_sums(paths, "classes", _BY, selection), centre)
    if not records:
        raise VerificationError(
            "no station scores to export; `met2net-ops verify --against stations` makes them"
        )
    return [text for _, text in sorted(records)]


def _errors(
    found: Grouped, parameter: _Parameter, centre: str
) -> Iterator[tuple[tuple[str, ...], str]]:
    chosen = [i for i, key in enumerate(found.keys) if key[-1] == parameter.variable]
    if not chosen:
        return
    total = found.forecast.total()
    for short, name in parameter.scores.items():
        values = derive(name, total) * parameter.scale
        for index in chosen:
            if np.isfinite(values[index]):
                count, value = int(total[parameter.count][index]), f"{values[index]:.4f}"
                yield _record(
                    found.keys[index], centre, par=parameter.name, sc=short, th="na", n=count,
                    v=value,
                )  # fmt: skip


def _tables(found: Grouped, centre: str) -> Iterator[tuple[tuple[str, ...], str]]:
    total = found.forecast.total()
    for index, (*key, threshold) in enumerate(found.keys):
        par = _EVENTS.get(str(key[-1]))
        if par is not None:
            cells = "/".join(str(int(total[name][index])) for name in _TABLE)
            count = int(total["n"][index])
            yield _record(
                tuple(key), centre, par=par, sc="ct", th=f"{threshold:g}", n=count, v=cells
            )


def _classes(found: Grouped, centre: str) -> Iterator[tuple[tuple[str, ...], str]]:
    total = found.forecast.total()
    for index, key in enumerate(found.keys):
        cells = "/".join(str(int(total[name][index])) for name in _CLASSES)
        count = int(total["n"][index])
        yield _record(key, centre, par="tcc", sc="ct", th="2/6", n=count, v=cells)


def lacking_parameters(records: Sequence[str]) -> list[str]:
    """What the exchange knows but the records have not, a sentence each.

    >>> lacking_parameters(["centre=none,par=tp6,sc=ct"])[-1]  # doctest: +ELLIPSIS
    'no tp24 is exported: there are no such sums. They need 24 hourly leads of tp, and ...'
    """
    there = {pair for record in records for pair in record.split(",") if pair.startswith("par=")}
    known = dict.fromkeys([*(parameter.name for parameter in _PARAMETERS), *_EVENTS.values()])
    return [
        f"no {name} is exported: there are no such sums. They need "
        + _NEEDS.get(name, "that variable in product and reports")
        for name in known
        if f"par={name}" not in there
    ]


def _record(
    key: tuple[object, ...], centre: str, *, par: str, sc: str, th: str, n: int, v: str
) -> tuple[tuple[str, ...], str]:
    """What to sort by, and the line."""
    model, month, hour, lead, station, latitude, longitude, elevation, ground, _ = key
    pairs = {
        "centre": centre.lower(),
        "model": str(model).replace(",", "_"),
        "d": month,
        "t": hour,
        "s": lead,
        "st": str(station).replace(",", "_"),
        "lat": f"{latitude:.2f}",
        "lon": f"{longitude:.2f}",
        "se": "na" if elevation is None else f"{elevation:.0f}",
        "me": "na" if ground is None else f"{ground:.0f}",
        "par": par,
        "sc": sc,
        "th": th,
        "n": n,
        "v": v,
    }
    line = ",".join(f"{name}={item}" for name, item in pairs.items())
    return (str(model), str(month), str(station), par, sc, th, f"{lead:04}", f"{hour:02}"), line
