"""Choices that pages share, some of which one page has and another has not."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest

# By page. Nothing is on all three; "whole" comes first on one and last on another.
PAGES: dict[str, tuple[str, ...]] = {
    "map": ("whole", "europe", "pacific"),
    "scores": ("all", "tropics"),
    "both": ("all", "whole"),
}


def _page() -> None:
    import streamlit as st

    from met2net_ops.app.choices import choose, show_address, start_address

    options = st.session_state["options"]
    start_address()
    choose("Region", dict(options), key="region")
    show_address()


class Reader:
    def __init__(self) -> None:
        self._test = AppTest.from_function(_page)

    def look(self, page: str) -> str:
        """What a page shows, and its address bar."""
        labels = {code: f"{code} on {page}" for code in PAGES[page]}
        self._test.session_state["options"] = labels
        self._test.run()
        assert not self._test.exception
        shown = str(self._test.selectbox[0].value)
        assert self._test.query_params["region"] == shown
        return shown

    def choose(self, code: str) -> None:
        self._test.selectbox[0].select(code).run()


def test_a_choice_outlives_a_page_that_does_not_have_it() -> None:
    reader = Reader()
    assert reader.look("map") == "whole"
    reader.choose("europe")
    assert reader.look("scores") == "all"
    assert reader.look("scores") == "all"
    assert reader.look("map") == "europe"
    assert reader.look("both") == "all"
    assert reader.look("map") == "europe"


def test_what_is_chosen_meanwhile_counts() -> None:
    reader = Reader()
    reader.look("map")
    reader.choose("europe")
    reader.look("scores")
    reader.choose("tropics")
    reader.choose("all")  # what stood in before is now the reader's own choice
    assert reader.look("both") == "all"
    assert reader.look("map") == "whole"
    assert reader.look("scores") == "all"


def test_a_stand_in_does_not_become_a_choice_where_it_could_be_one() -> None:
    reader = Reader()
    reader.look("scores")
    reader.choose("tropics")
    assert reader.look("map") == "whole"  # stands in for the tropics
    assert reader.look("both") == "whole"  # which are not here either
    assert reader.look("scores") == "tropics"
    reader.look("map")
    reader.choose("pacific")
    reader.choose("whole")
    assert reader.look("both") == "whole"
    assert reader.look("scores") == "all"
