"""Monthly scores per station as the WMO lead centre for deterministic verification exchanges them.

One record per score: `key=value` pairs separated by commas, see "Exchange of surface scores" of
the lead centre (https://confluence.ecmwf.int/display/WLD). Every record carries all its keys, so
that lines can be sorted and filtered; unknown values are `na`. Times are those the forecasts are
valid at. Cloud cover, precipitation and contingency tables, for which the lead centre asks other
periods and thresholds than those kept here, are not exported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from met2net_ops.errors import VerificationError
from met2net_ops.verification.query import Selection, grouped_sums
from met2net_ops.verification.scores import derive

if TYPE_CHECKING:
    from met2net_ops.workspace import Workspace

_BY = (
    "model", "yyyymm", "hour", "lead", "subset", "latitude", "longitude", "elevation", "variable",
)  # fmt: skip
# Variable → parameter of the exchange → its scores → ours; by kind of sums.
_PARAMETERS = {
    "continuous": {
        "t2m": {"t2m": {"me": "bias", "mae": "mae", "rmse": "rmse"}},
        "d2m": {"td2m": {"me": "bias", "mae": "mae", "rmse": "rmse"}},
    },
    "vector": {
        "wind10": {
            "ff10m": {"me": "speed_bias", "rmse": "speed_rmse"},
            "dd10m": {"me": "direction_bias", "mae": "direction_mae", "rmse": "direction_rmse"},
        },
    },
}


def wmo_records(workspace: Workspace, selection: Selection, centre: str) -> list[str]:
    """Records of all station scores selected, sorted by model, month, station and parameter.

    Args:
        workspace: where the sums lie.
        selection: which; its truth is "stations".
        centre: identifier of the originating centre, four letters.

    Raises:
        VerificationError: the centre is not four letters or digits, or there are no sums.
    """
    if len(centre) != 4 or not centre.isalnum():
        raise VerificationError(f"a centre has four letters or digits, as ecmf has; not {centre!r}")
    records: list[tuple[object, str]] = []
    for kind, variables in _PARAMETERS.items():
        found = grouped_sums(workspace, kind, _BY, selection)
        if not found.keys:
            continue
        total = found.forecast.total()
        for variable, parameters in variables.items():
            chosen = [i for i, key in enumerate(found.keys) if key[-1] == variable]
            for parameter, scores in parameters.items():
                # A wind may blow too weakly to have a direction.
                counts = total["dn" if parameter == "dd10m" else "n"]
                for short, name in scores.items():
                    values = derive(name, total)
                    for index in chosen:
                        if np.isfinite(values[index]):
                            key = found.keys[index]
                            text = _record(
                                key, centre, parameter, short, int(counts[index]), values[index]
                            )
                            records.append(((*key[:5], parameter, short), text))
    if not records:
        raise VerificationError(
            "no station scores to export; `met2net-ops verify --against stations` makes them"
        )
    return [text for _, text in sorted(records, key=lambda record: str(record[0]))]


def _record(
    key: tuple[object, ...], centre: str, parameter: str, score: str, n: int, value: float
) -> str:
    model, month, hour, lead, station, latitude, longitude, elevation, _ = key
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
        "me": "na",
        "par": parameter,
        "sc": score,
        "th": "na",
        "n": n,
        "v": f"{value:.4f}",
    }
    return ",".join(f"{name}={item}" for name, item in pairs.items())
