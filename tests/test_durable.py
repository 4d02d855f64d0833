"""Files and folders that are replaced are there at every moment, and reach the disk first."""

from __future__ import annotations

import ast
import threading
from pathlib import Path

import pytest
from renames import watch_renames

from met2net_ops.durable import exchange, place, replacing

ROOT = Path(__file__).parents[1]
# `rename` of arrays, not of files.
OTHER_RENAMES = {ROOT / "met2net_ops" / "gribview" / "open.py"}


def _renames(path: Path) -> list[int]:
    """Lines that rename files: methods and functions of that name, `replace` with one argument."""
    calls = [
        node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    ]  # fmt: skip
    return [
        call.lineno
        for call in calls
        if isinstance(call.func, ast.Attribute)
        and (
            call.func.attr in ("rename", "renames")
            or (call.func.attr == "replace" and len(call.args) == 1 and not call.keywords)
            or ast.unparse(call.func) in ("os.replace", "shutil.move")
        )
    ]


def test_no_other_module_renames_files() -> None:
    home = ROOT / "met2net_ops" / "durable.py"
    assert len(_renames(home)) == 5
    rooms = ("met2net_ops", "models", "app", "cli", "research")
    wrong = [
        f"{path.relative_to(ROOT)}:{line}"
        for room in rooms
        for path in sorted((ROOT / room).rglob("*.py"))
        if path not in OTHER_RENAMES | {home}
        for line in _renames(path)
    ]
    assert wrong == []


def test_what_is_put_in_place_is_whole_and_on_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unsynced = watch_renames(monkeypatch)
    path = tmp_path / "table.csv"
    with replacing(path, text=True) as file:
        file.write("ä,b\r\n")
        assert not path.exists()
    assert path.read_bytes() == "ä,b\r\n".encode()
    with pytest.raises(TypeError), replacing(path) as file:
        file.write("text where bytes are wanted")
    assert path.read_bytes() == "ä,b\r\n".encode()
    other = tmp_path / "new"
    other.write_bytes(b"new")
    place(other, path)
    assert path.read_bytes() == b"new"
    assert [one.name for one in tmp_path.iterdir()] == ["table.csv"]
    assert unsynced == []


def test_a_folder_takes_no_other_folders_place(tmp_path: Path) -> None:
    new, target = tmp_path / "new", tmp_path / "target"
    for folder in (new, target):
        folder.mkdir()
        (folder / "file").write_text(folder.name)
    with pytest.raises(OSError, match="not empty"):
        place(new, target)
    assert (target / "file").read_text() == "target"
    exchange(new, target)
    assert (target / "file").read_text() == "new"
    assert (new / "file").read_text() == "target"


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

    exchange(make(0), target)
    made = [make(number) for number in range(1, 400)]
    reader = threading.Thread(target=look)
    reader.start()
    for new in made:
        exchange(new, target)
    done.set()
    reader.join()
    assert not missed
    assert (target / "CARD.md").read_text() == "399"
    assert (tmp_path / "new1" / "CARD.md").read_text() == "0"  # the old one is for the caller
