"""A level is what it means, however it is coded."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from met2net_ops.grib.reader import read_fields
from met2net_ops.grib.records import SourceField, VerdictKind
from met2net_ops.variables import VARIABLES

from .conftest import encode_message

SHORT = {"t2m": "t", "d2m": "dpt", "q2m": "q", "u10": "u", "v10": "v", "ws10": "ws"}
INDICATOR = {"t2m": 11, "d2m": 17, "q2m": 51, "u10": 33, "v10": 34, "ws10": 32}  # table 2
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def variables(path):
    return [item.variable for item in read_fields(path, list(VARIABLES))
            if isinstance(item, SourceField) and not item.method]  # fmt: skip


def scaled(value, factor):
    """A level of edition 2: value times 10 to the minus factor."""
    return {
        "scaleFactorOfFirstFixedSurface": factor,
        "scaledValueOfFirstFixedSurface": round(value * 10.0**factor),
    }


def value_of(name):
    return {"q2m": 0.005}.get(name, 280.0 if name in ("t2m", "d2m") else 5.0)


@unhurried
@given(
    name=st.sampled_from(sorted(SHORT)),
    factor=st.integers(0, 6),
    height=st.sampled_from([0.0, 0.5, 1.0, 1.2, 1.25, 1.5, 1.8, 2.0, 2.5, 3.0, 9.0, 10.0, 80.0]),
)
def test_heights_of_edition_2(write, name, factor, height):
    height = round(height, factor)
    message = encode_message(
        np.full(20, value_of(name)), shortName=SHORT[name], typeOfFirstFixedSurface=103,
        **scaled(height, factor),
    )  # fmt: skip
    right = 1.25 <= height <= 2.0 if name.endswith("2m") else height == 10.0
    assert variables(write(message)) == ([name] if right else [])


@unhurried
@given(
    name=st.sampled_from(sorted(SHORT)),
    coded=st.sampled_from([(105, 2), (105, 10), (105, 1), (125, 200), (125, 150), (125, 125),
                           (125, 1000), (125, 2), (125, 10), (125, 100), (103, 10), (103, 2)]),
)  # fmt: skip
def test_heights_of_edition_1(write, name, coded):
    """Level type 105 is in metres above ground, 125 in centimetres, 103 above the sea."""
    kind, level = coded
    message = bytearray(encode_message(
        np.full(20, value_of(name)), edition=1, table2Version=2, centre=7,
        indicatorOfParameter=INDICATOR[name],
    ))  # fmt: skip
    message[8 + 9] = kind
    message[8 + 10 : 8 + 12] = level.to_bytes(2, "big")
    metres = {105: level, 125: level / 100, 103: -1}[kind]
    right = 1.25 <= metres <= 2.0 if name.endswith("2m") else metres == 10.0
    assert variables(write(bytes(message))) == ([name] if right else [])


@pytest.mark.parametrize("factor", [-3, -2, 0, 1, 2])
@pytest.mark.parametrize(
    ("name", "short", "hpa"), [("t850", "t", 850), ("t1000", "t", 1000), ("z500", "z", 500)]
)
def test_pressures_of_edition_2(write, name, short, hpa, factor):
    pascal = hpa * 100
    if round(pascal * 10.0**factor) * 10.0**-factor != pascal:
        pytest.skip("that factor cannot state it")
    message = encode_message(
        np.full(20, 280.0 if short == "t" else 5e4), shortName=short, typeOfFirstFixedSurface=100,
        **scaled(pascal, factor),
    )  # fmt: skip
    assert variables(write(message)) == [name]


@pytest.mark.parametrize(
    ("keys", "name"),
    [
        ({"typeOfFirstFixedSurface": 101, "parameterNumber": 0}, "msl"),
        ({"typeOfFirstFixedSurface": 101, "parameterNumber": 1}, "msl"),
        ({"typeOfFirstFixedSurface": 102, "parameterNumber": 0} | scaled(0, 0), "msl"),
        ({"typeOfFirstFixedSurface": 102, "parameterNumber": 1} | scaled(0, 0), "msl"),
        ({"typeOfFirstFixedSurface": 1, "parameterNumber": 1}, "msl"),
        ({"typeOfFirstFixedSurface": 103, "parameterNumber": 1} | scaled(0, 0), "msl"),
        ({"typeOfFirstFixedSurface": 1, "parameterNumber": 0}, "sp"),
        ({"typeOfFirstFixedSurface": 103, "parameterNumber": 0} | scaled(0, 0), "sp"),
        ({"typeOfFirstFixedSurface": 102, "parameterNumber": 0} | scaled(500, 0), None),
        ({"typeOfFirstFixedSurface": 103, "parameterNumber": 0} | scaled(2, 0), None),
    ],
)
def test_mean_sea_level_and_surface(write, keys, name):
    keys = {"shortName": "t", "discipline": 0, "parameterCategory": 3} | keys
    assert variables(write(encode_message(np.full(20, 1e5), **keys))) == ([name] if name else [])


@pytest.mark.parametrize(
    ("indicator", "kind", "level", "name"),
    [(2, 102, 0, "msl"), (2, 103, 0, "msl"), (2, 1, 0, "msl"), (1, 102, 0, "msl"),
     (1, 103, 0, "msl"), (1, 1, 0, "sp"), (1, 105, 0, "sp"), (1, 105, 2, None),
     (1, 125, 0, "sp"), (1, 103, 100, None)],
)  # fmt: skip
def test_mean_sea_level_and_surface_in_edition_1(write, indicator, kind, level, name):
    message = bytearray(encode_message(
        np.full(20, 1e5), edition=1, centre=7, table2Version=2, indicatorOfParameter=indicator
    ))  # fmt: skip
    message[8 + 9] = kind
    message[8 + 10 : 8 + 12] = level.to_bytes(2, "big")
    assert variables(write(bytes(message))) == ([name] if name else [])


def test_the_reported_files_give_their_variables(corpus):
    found = {}
    for path in sorted((corpus / "cases/screen_level").iterdir()):
        if path.name == "README":
            continue
        items = list(read_fields(path, list(VARIABLES)))
        assert not [v for v in items if getattr(v, "outcome", None) is VerdictKind.REFUSED]
        fields = [item for item in items if isinstance(item, SourceField)]
        found[path.name.rsplit("_", 4)[0][-12:]] = {field.variable for field in fields}
    assert sorted(map(sorted, found.values())) == [["t2m"], ["u10"]]
