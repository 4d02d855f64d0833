"""Reading ahead changes when things are made, never which."""

from __future__ import annotations

import threading

import pytest

from met2net_ops.models.training.prefetch import Prefetcher


@pytest.mark.parametrize("ahead", [False, True])
def test_every_number_gives_its_own_thing(ahead: bool) -> None:
    made: list[int] = []

    def make(number: int) -> int:
        made.append(number)
        return number * number

    source: Prefetcher[int] = Prefetcher(6, ahead=ahead)
    assert [source.take(number, make) for number in (0, 1, 2, 5, 3)] == [0, 1, 4, 25, 9]
    assert set(made) <= set(range(6))


def test_the_next_one_is_made_while_the_last_one_is_in_use() -> None:
    begun = threading.Event()

    def make(number: int) -> int:
        if number == 1:
            begun.set()
        return number

    source: Prefetcher[int] = Prefetcher(2, ahead=True)
    source.take(0, make)
    assert begun.wait(10)
    assert source.take(1, make) == 1


def test_a_fault_comes_out_where_the_thing_is_taken() -> None:
    def make(number: int) -> int:
        if number == 1:
            raise OSError("the disk is gone")
        return number

    source: Prefetcher[int] = Prefetcher(3, ahead=True)
    assert source.take(0, make) == 0
    with pytest.raises(OSError, match="the disk is gone"):
        source.take(1, make)
