"""Indices: exact selection from real files of NOAA and ECMWF, and from damaged ones."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from met2net_ops.errors import FeedError
from met2net_ops.feeds.index import PARSERS, Wanted, Window, parse_ecmwf, parse_wgrib2, select
from met2net_ops.feeds.source import find_sources

AUGUST = datetime(2025, 8, 1, tzinfo=UTC)
MARCH = datetime(2025, 3, 1, tzinfo=UTC)
FIXTURES = Path(__file__).resolve().parents[2].parent / "shared/feeds/fixtures"

# First and last byte of every message, read off the index by hand: the offset of its line, and one
# less than the offset of the next line with a larger one (or offset + length - 1).
BY_HAND = {
    ("gfs", "gfs.t00z.pgrb2.0p25.f000.idx", AUGUST, 0): {
        "t2m": (414591098, 415111059), "d2m": (416343097, 416879589),
        "u10": (418245137, 419231078), "v10": (419231079, 420192466), "msl": (0, 892921),
        "sp": (406808440, 407654845), "tcc": (431334868, 432180129),
        "r1000": (394979746, 395794323), "t1000": (394099454, 394979745),
        "t850": (335513131, 336380781),
    },
    ("gfs", "gfs.t00z.pgrb2.0p25.f007.idx", AUGUST, 7): {
        "t2m": (418201888, 418725308), "d2m": (419959990, 420498097),
        "u10": (422898981, 423882840), "v10": (423882841, 424844937), "msl": (0, 895139),
        "sp": (409856805, 410705049), "tcc": (446359275, 447193388), "tp": (428200066, 428448702),
        "r1000": (398105723, 398924377), "t1000": (397223419, 398105722),
        "t850": (339048447, 339916722),
    },
    ("hrrr", "hrrr.t00z.wrfsfcf00.grib2.idx", AUGUST, 0): {
        "t2m": (37484992, 38722822), "d2m": (41540670, 42789377), "u10": (45030219, 47411833),
        "v10": (47411834, 49793448), "msl": (26433488, 27049035), "sp": (30925590, 32421380),
        "tcc": (71939150, 72888363),
    },
    ("hrrr", "hrrr.t00z.wrfsfcf24.grib2.idx", AUGUST, 24): {
        "t2m": (48807989, 50099561), "d2m": (53047395, 54338958), "u10": (56679230, 59060844),
        "v10": (59060845, 61442459), "msl": (30153995, 30777346), "sp": (42149910, 43645397),
        "tcc": (88995015, 90068459), "tp": (66979633, 67504689),
    },
    ("ecmwf-aifs", "aifs_single_20250301_00z_6h.index", MARCH, 6): {
        "t2m": (33029714, 33602283), "d2m": (35973326, 36568353), "u10": (23748566, 24494876),
        "v10": (29157728, 29914122), "msl": (19748574, 20237000), "sp": (12391938, 12899635),
        "tcc": (51889927, 53279725), "t1000": (34701695, 35239567),
        "q1000": (47247909, 47882298), "t850": (45537964, 46051919),
    },
}  # fmt: skip


def fixture(name: str) -> str:
    path = FIXTURES / name
    if not path.exists():
        pytest.skip(f"{path} is not beside the checkout")
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize("case", BY_HAND, ids=lambda case: case[1])
def test_every_variable_of_a_source_is_exactly_one_message(case) -> None:
    name, file, run, hours = case
    source = find_sources()[name]
    assert source.index != "none"
    entries = PARSERS[source.index](fixture(file), file)
    lead = timedelta(hours=hours)
    found = {
        variable: select(entries, field.at(run, lead), file)
        for variable, field in source.fields.items()
        if timedelta(hours=field.from_lead) <= lead
    }
    assert {key: (entry.offset, entry.end) for key, entry in found.items()} == BY_HAND[case]


def test_every_line_of_every_real_inventory_is_read() -> None:
    fixture("gfs.t00z.pgrb2.0p25.f000.idx")
    for path in sorted(FIXTURES.glob("g*.idx")) + sorted(FIXTURES.glob("h*.idx")):
        text = path.read_text(encoding="utf-8")
        entries = parse_wgrib2(text, path.name)
        assert len(entries) == len(text.split()) or len(entries) == len(text.splitlines())
        unread = [entry for entry in entries if entry.window is None]
        assert not unread, f"{path.name}: {unread[0]}"
        lengths = [entry.length for entry in entries[:-1]]
        assert all(length is not None and length > 0 for length in lengths)


def wgrib2(*lines: str) -> tuple:
    return parse_wgrib2("\n".join(lines), "a.idx")


def wanted(element: str, window: Window, level: str = "surface", **more: str) -> Wanted:
    return Wanted({"element": element, "level": level, **more}, window, AUGUST)


def hours(start: float, end: float, process: str = "acc") -> Window:
    return Window(timedelta(hours=start), timedelta(hours=end), process)


def test_windows_that_change_unit_are_told_apart() -> None:
    entries = wgrib2(
        "1:0:d=2025080100:APCP:surface:0-1 day acc fcst:",
        "2:10:d=2025080100:APCP:surface:23-24 hour acc fcst",
        "3:20:d=2025080100:APCP:surface:1410-1440 min acc fcst:",
    )
    found = [select(entries, wanted("APCP", one), "a") for one in
             (hours(0, 24), hours(23, 24), hours(23.5, 24))]  # fmt: skip
    assert [entry.line for entry in found] == [1, 2, 3]


def test_sub_messages_share_the_bytes_of_their_group() -> None:
    entries = wgrib2(
        "1:0:d=2025080100:TMP:2 m above ground:anl:",
        "2.1:100:d=2025080100:UGRD:10 m above ground:anl:",
        "2.2:100:d=2025080100:VGRD:10 m above ground:anl:",
        "3:250:d=2025080100:PRES:surface:anl:",
    )
    u, v = (
        select(entries, wanted(name, hours(0, 0, "instant"), "10 m above ground"), "a")
        for name in ("UGRD", "VGRD")
    )
    assert (u.offset, u.end) == (v.offset, v.end) == (100, 249)
    assert entries[-1].end is None


def test_members_and_names_that_begin_alike_are_others() -> None:
    entries = wgrib2(
        "1:0:d=2025080100:CIMIXR:surface:anl:",
        "2:10:d=2025080100:ICEC:surface:anl:ENS=+1",
        "3:20:d=2025080100:ICEC:surface:anl:ENS=low-res ctl",
        "4:30:d=2025080100:ICEC:surface:anl:ens mean",
    )
    instant = hours(0, 0, "instant")
    with pytest.raises(FeedError, match="has no element=CICE"):
        select(entries, wanted("CICE", instant), "a")
    with pytest.raises(FeedError, match="has no element=ICEC level=surface"):
        select(entries, wanted("ICEC", instant), "a")
    assert select(entries, wanted("ICEC", instant, member="ens mean"), "a").line == 4


def test_two_that_fit_are_both_named_and_a_repeated_line_counts_once() -> None:
    line = "d=2025080100:APCP:surface:0-1 hour acc fcst:"
    twice = wgrib2(f"1:0:{line}", f"2:10:{line}", "3:20:d=2025080100:A:b:anl:")
    with pytest.raises(FeedError, match=r"more than once: line 1 .* and line 2"):
        select(twice, wanted("APCP", hours(0, 1)), "a")
    same = wgrib2(f"1:0:{line}", f"1:0:{line}", "3:20:d=2025080100:A:b:anl:")
    assert select(same, wanted("APCP", hours(0, 1)), "a").end == 19


def test_an_index_of_another_run_is_refused() -> None:
    entries = wgrib2("1:0:d=2025073118:TMP:surface:anl:")
    with pytest.raises(FeedError, match="is of the run 2025-07-31T18Z, not of 2025-08-01T00Z"):
        select(entries, wanted("TMP", hours(0, 0, "instant")), "a")


def test_ecmwf_steps_levels_and_members_are_exact() -> None:
    text = "\n".join(
        f'{{"date": "20250801", "time": "0000", "param": "{param}", "levtype": "{kind}", '
        f'"step": "{step}"{more}, "_offset": {offset}, "_length": 10}}'
        for offset, (param, kind, step, more) in enumerate([
            ("t", "pl", "6", ', "levelist": "1000"'), ("t", "pl", "6", ', "levelist": "100"'),
            ("10fg", "sfc", "0-6", ""), ("10fg", "sfc", "6", ""),
            ("t", "pl", "6", ', "levelist": "1000", "number": "2"'),
        ])
    )  # fmt: skip
    entries = parse_ecmwf(text, "a.index")

    def at(window: Window, **keys: str) -> int:
        return select(entries, Wanted(keys, window, AUGUST), "a").line

    six = hours(6, 6, "instant")
    assert at(six, param="t", levtype="pl", levelist="1000") == 1
    assert at(six, param="t", levtype="pl", levelist="100") == 2
    assert at(hours(0, 6, "range"), param="10fg", levtype="sfc") == 3
    assert at(six, param="t", levtype="pl", levelist="1000", number="2") == 5
    with pytest.raises(FeedError, match="has no param=t levtype=pl for"):
        at(six, param="t", levtype="pl")


@pytest.mark.parametrize(
    ("kind", "text", "why"),
    [
        ("wgrib2", "", "a is empty"),
        ("wgrib2", "<html>please wait</html>", "line 1 is not a line of a wgrib2 inventory"),
        ("wgrib2", "1:x:d=2025080100:A:b:anl:", "line 1 is not a line"),
        ("wgrib2", "1:0:d=20258:A:b:anl:", "is no reference time"),
        ("ecmwf", "{", "line 1 is not a line of an ECMWF index"),
        ("ecmwf", '{"_offset": -1, "_length": 5}', "line 1"),
        ("ecmwf", '{"_offset": "0", "_length": 5}', "line 1"),
        ("ecmwf", "[1]", "line 1"),
    ],
)
def test_what_is_no_index_is_named(kind: str, text: str, why: str) -> None:
    with pytest.raises(FeedError, match=why):
        PARSERS[kind](text, "a")


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused_with_a_line(text: str) -> None:
    for parse in PARSERS.values():
        with suppress(FeedError):
            assert parse(text, "a")


@given(
    sizes=st.lists(st.integers(1, 10**6), min_size=1, max_size=30),
    order=st.randoms(use_true_random=False),
)
def test_ranges_tile_the_object_whatever_the_order_of_lines(sizes, order) -> None:
    offsets = [sum(sizes[:index]) for index in range(len(sizes))]
    lines = [f"{n}:{at}:d=2025080100:V{n}:surface:anl:" for n, at in enumerate(offsets, 1)]
    order.shuffle(lines)
    entries = sorted(wgrib2(*lines), key=lambda entry: entry.offset)
    assert [entry.length for entry in entries[:-1]] == sizes[:-1]
    assert entries[-1].length is None
