"""The rooms at the top are one package, whichever way it is installed (see CONTRIBUTING)."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("app", "cli", "models")


def _tracked() -> list[str]:
    try:
        listing = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            check=True,
            text=True,
        )
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout: what belongs to the project is not known")
    return [name for name in listing.stdout.split("\0") if name and (ROOT / name).exists()]


def _expected() -> set[str]:
    """What an installation must hold: every file of the rooms."""
    inside = {name for name in _tracked() if name.startswith("met2net_ops/")}
    inside -= {f"met2net_ops/{room}" for room in ROOMS}
    linked = {f"met2net_ops/{name}" for name in _tracked() if name.startswith(ROOMS)}
    return inside | {name for name in linked if name.split("/")[1] in ROOMS}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A source distribution, and a wheel made from that, built from a copy of the checkout."""
    copy = tmp_path_factory.mktemp("copy")
    for name in _tracked():
        if name.startswith(("tests/", "bench/", "docs/")):
            continue
        target = copy / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_symlink():
            target.symlink_to((ROOT / name).readlink())
        else:
            target.write_bytes((ROOT / name).read_bytes())
    out = tmp_path_factory.mktemp("dist")
    result = subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(copy)],
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    return out


@pytest.mark.parametrize("room", ROOMS)
def test_the_rooms_are_linked_into_the_package(room: str) -> None:
    link = ROOT / "met2net_ops" / room
    assert link.is_symlink()
    assert link.readlink() == Path("..") / room
    assert (ROOT / room).is_dir()
    assert not (ROOT / room).is_symlink()


def test_nothing_imports_a_room_by_its_bare_name() -> None:
    starts = tuple(f"{word} {room}{end}" for word in ("from", "import") for room in ROOMS
                   for end in (".", " import"))  # fmt: skip
    wrong = [
        f"{name}: {line.strip()}"
        for name in _tracked()
        if name.endswith(".py")
        for line in (ROOT / name).read_text(encoding="utf-8").splitlines()
        if line.lstrip().startswith(starts)
    ]
    assert wrong == []


def test_the_wheel_holds_every_file_of_the_package_under_one_name(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert {name.split("/")[0] for name in names} == {"met2net_ops"}
    assert names == _expected()


def test_the_source_distribution_holds_real_files(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        members = {member.name.split("/", 1)[-1]: member for member in archive.getmembers()}
    assert {name for name in _expected() if name not in members or not members[name].isfile()} == (
        set()
    )
    assert {"LICENSE", "README.md", "pyproject.toml"} <= members.keys()


def test_the_command_is_an_entry_point(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith("entry_points.txt")]
        assert "met2net-ops = met2net_ops.cli.main:main" in archive.read(name).decode()
