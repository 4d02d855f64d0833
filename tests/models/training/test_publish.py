"""A model folder that is replaced is there at every moment."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from met2net_ops.models.training.publish import put_in_place

if TYPE_CHECKING:
    from pathlib import Path


def test_a_reader_finds_the_old_folder_or_the_new_one(tmp_path: Path) -> None:
    target, missed, done = tmp_path / "model", [], threading.Event()

    def look() -> None:
        while not done.is_set():
            try:
                (target / "CARD.md").read_text()
            except FileNotFoundError as error:
                missed.append(error)

    def make(number: int) -> Path:
        new = tmp_path / f"new{number}"
        new.mkdir()
        (new / "CARD.md").write_text(str(number))
        return new

    put_in_place(make(0), target)
    made = [make(number) for number in range(1, 400)]
    reader = threading.Thread(target=look)
    reader.start()
    for new in made:
        put_in_place(new, target)
    done.set()
    reader.join()
    assert not missed
    assert (target / "CARD.md").read_text() == "399"
    assert (tmp_path / "new1" / "CARD.md").read_text() == "0"  # the old one is for the caller
