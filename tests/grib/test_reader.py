"""What becomes of messages: units, amounts, winds, derivations, verdicts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import eccodes
import numpy as np
import pytest

from met2net_ops.derive import humidity_from_specific
from met2net_ops.fields import FieldKind
from met2net_ops.grib.inventory import inventory
from met2net_ops.grib.reader import read_fields
from met2net_ops.grib.records import SourceField, Verdict, VerdictKind
from met2net_ops.variables import UnknownVariableError

N = 20
NCEP_ENSEMBLE = {"edition": 1, "centre": 7, "setLocalDefinition": 1}


def split(path, wanted, **options):
    items = list(read_fields(path, wanted, **options))
    fields = [item for item in items if isinstance(item, SourceField)]
    verdicts = {v.record.field: v for v in items if isinstance(v, Verdict) and v.record}
    assert len(fields) + len([v for v in items if isinstance(v, Verdict)]) == len(items)
    return fields, [verdicts[i] for i in sorted(verdicts)]


def only(path, name):
    fields, verdicts = split(path, [name])
    assert len(fields) == 1, verdicts
    return fields[0]


def test_times_kind_and_origin(encode, write):
    message = encode(
        np.full(N, 280.0), dataDate=20261122, dataTime=600, stepRange=9, typeOfProcessedData="fc"
    )
    field = only(write(message), "t2m")
    assert field.reference_time == datetime(2026, 11, 22, 6, tzinfo=UTC)
    assert field.valid_time == datetime(2026, 11, 22, 15, tzinfo=UTC)
    assert field.lead == timedelta(hours=9)
    assert field.kind is FieldKind.FORECAST
    analysis = encode(np.full(N, 280.0), typeOfProcessedData="an", typeOfGeneratingProcess=0)
    assert only(write(analysis), "t2m").kind is FieldKind.ANALYSIS


def test_minutes(encode, write):
    message = encode(np.full(N, 280.0), dataDate=20261122, dataTime=0, step="90m")
    assert only(write(message), "t2m").lead == timedelta(minutes=90)


@pytest.mark.parametrize(
    ("name", "keys", "coded", "value"),
    [
        ("tcc", {"edition": 2, "discipline": 0, "parameterCategory": 6, "parameterNumber": 1,
                 "typeOfFirstFixedSurface": 1}, 40.0, 0.4),
        ("tcc", {"edition": 1, "table2Version": 128, "indicatorOfParameter": 164}, 0.4, 0.4),
        ("tcc", {"edition": 1, "centre": "kwbc", "table2Version": 2, "indicatorOfParameter": 71,
                 "indicatorOfTypeOfLevel": 200}, 40.0, 0.4),
        ("z500", {"shortName": "gh", "typeOfLevel": "isobaricInhPa", "level": 500}, 5000.0,
         49033.25),
        ("z500", {"shortName": "z", "typeOfLevel": "isobaricInhPa", "level": 500}, 5e4, 5e4),
        ("msl", {"shortName": "prmsl", "typeOfLevel": "meanSea"}, 101_000.0, 101_000.0),
        ("msl", {"edition": 1, "table2Version": 253, "centre": "eidb", "indicatorOfParameter": 1,
                 "indicatorOfTypeOfLevel": 103, "level": 0}, 101_000.0, 101_000.0),
        ("t2m", {"edition": 1, "table2Version": 253, "centre": "eidb", "indicatorOfParameter": 11,
                 "indicatorOfTypeOfLevel": 105, "level": 2}, 280.0, 280.0),
        ("r1000", {"shortName": "r", "typeOfLevel": "isobaricInPa", "level": 100_000}, 55.0, 55.0),
    ],
)  # fmt: skip
def test_recognised_and_converted(encode, write, name, keys, coded, value):
    options = {"shortName": "2t"} | keys
    if "indicatorOfParameter" in keys or "discipline" in keys:
        options.pop("shortName")
        options = {"shortName": "t"} | options
    field = only(write(encode(np.full(N, coded), **options)), name)
    np.testing.assert_allclose(field.values, value, rtol=1e-6)


def total(encode, amount, start, stop, **keys):
    return encode(
        np.full(N, amount), centre="kwbc", paramId=228228, typeOfLevel="surface", stepType="accum",
        dataDate=20261122, dataTime=0,
        stepRange=f"{start}-{stop}", **keys,
    )  # fmt: skip


def test_tp_takes_hours_and_differences_the_rest(encode, write):
    path = write(
        total(encode, 1.0, 0, 1),
        total(encode, 3.0, 0, 2),
        total(encode, 7.0, 0, 3),
        total(encode, 9.0, 0, 6),
        total(encode, 2.5, 6, 7),
        total(encode, 1.0, 0, 7),
    )
    fields, verdicts = split(path, ["tp"])
    got = {field.valid_time.hour: (field.values[0, 0], len(field.inputs)) for field in fields}
    assert got == {1: (1.0, 1), 2: (2.0, 2), 3: (4.0, 2), 7: (2.5, 1)}
    assert [v.outcome for v in verdicts] == [VerdictKind.TAKEN] * 3 + [
        VerdictKind.NOT_WANTED, VerdictKind.TAKEN, VerdictKind.NOT_WANTED,
    ]  # fmt: skip
    assert "until one hour before its end is not in this file" in verdicts[3].reason
    assert "the last hour of it is in this file by itself" in verdicts[5].reason


def test_tp_packing_noise_is_no_negative_rain_but_loss_is_refused(encode, write):
    path = write(total(encode, 1.0, 0, 1), total(encode, 0.99, 0, 2), total(encode, 0.0, 0, 3))
    fields, verdicts = split(path, ["tp"])
    assert [field.values.max() for field in fields] == [1.0, 0.0]
    assert verdicts[2].outcome is VerdictKind.REFUSED
    assert "tp 2026-11-22T03:00Z: -0.99 kg m-2 is outside the possible" in verdicts[2].reason


def test_tp_in_metres_and_as_a_rate(encode, write):
    metres = encode(
        np.full(N, 0.004), edition=1, dataDate=20261122, table2Version=128,
        indicatorOfParameter=228, stepType="accum", stepRange="0-1",
    )  # fmt: skip
    assert only(write(metres), "tp").values[0, 0] == pytest.approx(4.0)
    rate = encode(
        np.full(N, 0.001), shortName="t", productDefinitionTemplateNumber=8, parameterCategory=1,
        parameterNumber=52, stepType="avg", stepRange="3-4",
    )  # fmt: skip
    assert only(write(rate), "tp").values[0, 0] == pytest.approx(3.6)


def test_a_rate_summed_over_its_interval_is_an_amount(encode, write):
    """What 0-1-52 means with statistical processing 1; ecCodes names it tp, in kg m-2."""
    summed = {"shortName": "t", "productDefinitionTemplateNumber": 8, "parameterCategory": 1}
    summed |= {"stepType": "accum", "stepRange": "3-4", "typeOfFirstFixedSurface": 1}
    amount = encode(np.full(N, 2.5), **summed, parameterNumber=52)
    assert only(write(amount), "tp").values[0, 0] == pytest.approx(2.5)
    # ecCodes calls the same of 0-1-7 a rate still, so which of both it is stays unknown.
    fields, (verdict,) = split(write(encode(np.full(N, 2.5), **summed, parameterNumber=7)), ["tp"])
    assert not fields
    assert "accum, not an amount" in verdict.reason


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ({"productDefinitionTemplateNumber": 8, "stepType": "max", "stepRange": "0-6"},
         "t2m, but max over 0-6"),
        ({"productDefinitionTemplateNumber": 1, "number": 7}, "ensemble member 7"),
        ({"productDefinitionTemplateNumber": 2}, "template 4.2"),
        ({"typeOfLevel": "heightAboveGround", "level": 80, "shortName": "t"},
         "heightAboveGround 80"),
        ({"shortName": "sd"}, "not in the variable table"),
        ({"edition": 1, "centre": 98, "localDefinitionNumber": 1, "type": "em"}, "ensemble mean"),
        ({"edition": 1, "centre": 98, "localDefinitionNumber": 1, "type": "es"}, "deviation"),
        ({"centre": 98, "setLocalDefinition": 1, "marsType": "es"}, "deviation (type es)"),
        (NCEP_ENSEMBLE | {"type": 2, "identificationNumber": 3}, "ensemble member 5"),
        (NCEP_ENSEMBLE | {"type": 3, "identificationNumber": 3}, "ensemble member 6"),
        (NCEP_ENSEMBLE | {"type": 5, "productIdentifier": 2}, "a statistic of an ensemble"),
    ],
)  # fmt: skip
def test_not_wanted_and_why(encode, write, keys, reason):
    _, (verdict,) = split(write(encode(np.full(N, 280.0), **keys)), ["t2m"])
    assert verdict.outcome is VerdictKind.NOT_WANTED
    assert reason in verdict.reason


def test_control_of_an_ensemble_is_taken(encode, write):
    message = encode(np.full(N, 280.0), productDefinitionTemplateNumber=1, number=0)
    assert only(write(message), "t2m").record.number == 0


@pytest.mark.parametrize("kind", [0, 1])
def test_control_of_ncep_in_edition_1_is_taken(encode, write, kind):
    message = encode(np.full(N, 280.0), **NCEP_ENSEMBLE, type=kind, identificationNumber=kind)
    assert only(write(message), "t2m").values[0, 0] == pytest.approx(280.0)


def test_other_variables_are_not_wanted_and_skipping_needs_no_decoding(encode, write):
    path = write(encode(np.full(N, 280.0)), encode(np.full(N, 270.0), shortName="2d"))
    fields, verdicts = split(path, ["t2m"])
    assert [field.variable for field in fields] == ["t2m"]
    assert verdicts[1].reason == "not among the wanted variables"
    fields, verdicts = split(path, ["t2m"], skip=lambda record: f"have {record.variable}")
    assert not fields
    assert [v.reason for v in verdicts] == ["have t2m", "have d2m"]


def test_unknown_variable(encode, write):
    with pytest.raises(UnknownVariableError, match="t3m"):
        list(read_fields(write(encode(np.full(N, 280.0))), ["t3m"]))


def test_limits(encode, write):
    spiked = np.full(N, 280.0)
    spiked[7] = 400.0
    _, (verdict,) = split(write(encode(spiked, dataDate=20260701, dataTime=1200)), ["t2m"])
    assert verdict.outcome is VerdictKind.REFUSED
    assert verdict.reason.startswith("t2m 2026-07-01T12:00Z: 400 K is outside the possible 150")
    spiked[7] = 340.0
    field = only(write(encode(spiked)), "t2m")
    assert len(field.warnings) == 1
    assert "340 K is outside the usual" in field.warnings[0]


@pytest.mark.parametrize("edition", [1, 2])
def test_missing_points_are_nan_and_9999_is_a_value(encode, write, edition):
    values = np.full(N, 9999.0)
    values[3] = np.nan
    keys = {"shortName": "z", "typeOfLevel": "isobaricInhPa", "level": 500}
    message = encode(values + 41_000, missing=True, edition=edition, **keys)
    got = only(write(message), "z500").values.ravel()
    assert np.isnan(got[3])
    assert np.isnan(got).sum() == 1
    np.testing.assert_allclose(np.delete(got, 3), 50_999.0, rtol=1e-6)


def test_a_field_without_any_value_is_refused(encode, write):
    _, (verdict,) = split(write(encode(np.full(N, np.nan), missing=True)), ["t2m"])
    assert verdict.reason.endswith("all are missing")


def multi_field(*messages):
    """One GRIB2 message with several fields, put together by ecCodes."""
    handles = [eccodes.codes_new_from_message(message) for message in messages]
    multi = eccodes.codes_grib_multi_new()
    for handle in handles:
        eccodes.codes_grib_multi_append(handle, 4, multi)
    return handles, multi


def test_sub_messages_share_sections(encode, write, tmp_path):
    parts = [
        encode(np.where(np.arange(N) % 3, 280.0 + i, np.nan), missing=True, shortName=name)
        for i, name in enumerate(["2t", "2d"])
    ]
    handles, multi = multi_field(*parts)
    path = tmp_path / "multi"
    with path.open("wb") as file:
        eccodes.codes_grib_multi_write(multi, file)
    eccodes.codes_grib_multi_release(multi)
    for handle in handles:
        eccodes.codes_release(handle)
    assert path.read_bytes().count(b"GRIB") == 1
    records = inventory(path).records
    assert [(r.message, r.sub_message, r.variable) for r in records] == [
        (0, 0, "t2m"), (0, 1, "d2m"),
    ]  # fmt: skip
    fields, _ = split(path, ["t2m", "d2m"])
    for i, field in enumerate(fields):
        np.testing.assert_allclose(
            field.values.ravel(), np.where(np.arange(N) % 3, 280.0 + i, np.nan)
        )


def test_a_bitmap_used_again(encode, write, tmp_path):
    """Indicator 254: the bitmap of the field before it in the same message."""
    first = encode(np.where(np.arange(N) % 3, 280.0, np.nan), missing=True)
    second = encode(np.where(np.arange(N) % 3, 270.0, np.nan), missing=True, shortName="2d")

    def sections(message):
        at, out = 16, {}
        while message[at : at + 4] != b"7777":
            size = int.from_bytes(message[at : at + 4], "big")
            out[message[at + 4]] = message[at : at + size]
            at += size
        return out

    one, two = sections(first), sections(second)
    reused = (6).to_bytes(4, "big") + b"\x06\xfe"
    body = b"".join(one[n] for n in (1, 3, 4, 5, 6, 7)) + two[4] + two[5] + reused + two[7]
    message = first[:8] + (16 + len(body) + 4).to_bytes(8, "big") + body + b"7777"
    fields, _ = split(write(message), ["t2m", "d2m"])
    np.testing.assert_array_equal(np.isnan(fields[0].values), np.isnan(fields[1].values))
    assert np.nanmax(fields[1].values) == 270.0


def test_r1000_is_derived_where_it_is_not_given(encode, write):
    level = {"typeOfLevel": "isobaricInhPa", "level": 1000}
    t = encode(np.full(N, 285.0), shortName="t", **level)
    q = encode(np.full(N, 0.006), shortName="q", **level)
    r = encode(np.full(N, 42.0), shortName="r", **level)
    fields, verdicts = split(write(q, t), ["r1000"])
    (field,) = fields
    assert field.method == "r1000 from q1000, t1000"
    assert [record.short_name for record in field.inputs] == ["q", "t"]
    assert {v.reason for v in verdicts} == {"used for r1000"}
    expected = humidity_from_specific(np.float32([0.006]), np.float32([285.0]), 1e5)
    np.testing.assert_allclose(field.values, expected[0], rtol=1e-5)
    fields, verdicts = split(write(q, t, r), ["r1000"])
    assert [f.values[0, 0] for f in fields] == [42.0]
    assert [v.outcome for v in verdicts] == [VerdictKind.NOT_WANTED] * 2 + [VerdictKind.TAKEN]
    later = encode(np.full(N, 285.0), shortName="t", stepRange=6, **level)
    fields, _ = split(write(q, later), ["r1000"])
    assert not fields  # not of the same time


def test_a_file_replaced_after_listing_is_not_mistaken(encode, write):
    path = write(encode(np.full(N, 280.0), dataDate=20260101))
    listed = inventory(path)
    write(encode(np.full(N, 290.0), dataDate=20260102))
    (verdict,) = read_fields(path, ["t2m"], inventory=listed)
    assert "changed since it was listed" in verdict.reason


@pytest.mark.parametrize("edition", [1, 2])
@pytest.mark.parametrize("bits", [8, 16])
def test_unpacking_whole_bytes_equals_ecCodes(encode, write, edition, bits):  # noqa: N802
    values = 101_325 + 5000 * np.sin(np.arange(N) / 3)
    for scale in (0, 2, -1):
        message = encode(
            values, edition=edition, bits=bits, shortName="msl", decimalScaleFactor=scale
        )
        handle = eccodes.codes_new_from_message(message)
        if eccodes.codes_get(handle, "bitsPerValue") != bits:
            eccodes.codes_release(handle)
            continue
        theirs = eccodes.codes_get_values(handle)
        eccodes.codes_release(handle)
        ours = only(write(message), "msl").values.ravel()
        np.testing.assert_allclose(ours, theirs, rtol=1.3e-7)
