"""Monthly scores per station as the WMO lead centre for deterministic verification exchanges them.

One record per score: `key=value` pairs separated by commas, see "Exchange of surface scores" of
the lead centre (https://confluence.ecmwf.int/display/WLD). Every record carries all its keys, so
that lines can be sorted and filtered; unknown values are `na`. Times are those the forecasts are
valid at. Contingency tables (`sc=ct`) are those of two classes at each threshold kept for the wind
speed, as misses/hits/correct rejections/false alarms. Precipitation, for which the lead centre
asks sums of 6 and 24 hours, and the three classes of cloud cover are not exported.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from met2net_ops.errors import VerificationError
from met2net_ops.verification.query import Grouped, Selection, grouped_sums
from met2net_ops.verification.scores import derive

if TYPE_CHECKING:
    from collections.abc import Iterator

    from met2net_ops.workspace import Workspace

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
_TABLE = ("misses", "hits", "correct_negatives", "false_alarms")  # bottom up, then left to right


def wmo_records(workspace: Workspace, selection: Selection, centre: str) -> list[str]:
    """Records of all station scores selected, sorted by model, month, station and parameter.

    Args:
        workspace: where the sums lie.
        selection: which; its truth is "stations".
        centre: identifier of the originating centre, four letters.

    Raises:
        VerificationError: the centre is not four letters or digits, or there are no sums.
    """
    if len(centre) != 4 or not centre.isalnum() or not centre.isascii():
        raise VerificationError(f"a centre has four letters or digits, as ecmf has; not {centre!r}")
    found = {
        kind: grouped_sums(workspace, kind, _BY, selection) for kind in ("continuous", "vector")
    }
    records = [
        record
        for parameter in _PARAMETERS
        for record in _errors(found[parameter.kind], parameter, centre)
    ]
    tables = grouped_sums(workspace, "contingency", (*_BY, "threshold"), selection)
    records += _tables(tables, centre)
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
        if key[-1] == "wind10":
            cells = "/".join(str(int(total[name][index])) for name in _TABLE)
            count = int(total["n"][index])
            yield _record(
                tuple(key), centre, par="ff10m", sc="ct", th=f"{threshold:g}", n=count, v=cells
            )


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
