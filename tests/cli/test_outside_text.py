"""Whatever a file, a model, a station or a setting is called: every command shows it as it is."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import shutil
import sqlite3
import subprocess
import sys
import unicodedata
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from met2net_ops.cli.main import COMMANDS, main
from met2net_ops.models.registry import SHIPPED
from met2net_ops.visible import visible
from met2net_ops.workspace import create_workspace

_PIECES = [
    "[bold]", "[/]", "[red", "]", "[link=x]", ":smile:", "\x1b[31m", "\x1b]0;t\x07", "\x9b", "\x7f",
    "\u202e", "\u2028", "\n", "\r", "\t", "\b", "{0}", "%s", "$(x)", "`x`", "<b>", "ä", "°",
    "\udcff", "\\x1b", "a", "B", "-", " ",
]  # fmt: skip
_TEXT = st.lists(st.one_of(st.sampled_from(_PIECES), st.characters()), max_size=8).map("".join)
_SETTINGS = settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
_TIME = datetime(2026, 11, 22, tzinfo=UTC)
_NUMBERS = count()
_WORST = "a[bold]\x1b[31m[/]\n\u202eb"


def _file_name(text: str) -> str:
    """As much of the text as a file may be called."""
    name = os.fsencode(text.translate({0: None, ord("/"): None}).encode(
        "utf-8", "surrogateescape" if _decodable(text) else "ignore").decode(
        "utf-8", "surrogateescape"))[:90]  # fmt: skip
    return "n" + os.fsdecode(name)


def _decodable(text: str) -> bool:
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        return False
    return True


_NAMES = _TEXT.map(_file_name)
_WORDS = _TEXT.filter(lambda text: "\0" not in text and _decodable(text)).map("w{}".format)


def _main(*arguments: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of the command line, in this process."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err), patch.object(sys, "argv", ["m", *arguments]):
        try:
            main()
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
    return code, out.getvalue(), err.getvalue()


def _assert_harmless(text: str) -> None:
    raw = {
        char
        for char in text
        if char != "\n" and not char.isprintable() and unicodedata.category(char) != "Zs"
    }
    assert raw == set()


def _together(text: str) -> str:
    """Without the line breaks that a table or click's help may put in."""
    return "".join(text.split())


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("text") / "base"
    place = create_workspace(
        root,
        {
            "grid": {"name": "g", "north": 60.0, "west": 0.0, "dlat": 30.0, "dlon": 90.0,
                     "nlat": 5, "nlon": 4},
            "feeds": [{"name": "feed", "path": "feed", "settle_seconds": 0.0}],
            "schedules": [{"model": "persistence", "cron": "0 * * * *"}],
        },
    )  # fmt: skip
    archive = place.create_archive()
    for name in place.settings.archive.variables:
        field = np.full(archive.grid.shape, 280.0, np.float32)
        archive.write(name, _TIME, field)
    return root


@pytest.fixture
def fresh(base: Path, tmp_path: Path) -> Callable[[], Path]:
    """Makes a copy of a small workspace."""

    def copy() -> Path:
        return Path(shutil.copytree(base, tmp_path / str(next(_NUMBERS))))

    return copy


# Every command, with a word in an argument or option that it has to mention.
_MENTIONED: dict[str, list[str]] = {
    "a word that is no command": ["{}"],
    "init": ["init", "base/met2net.toml/{}"],
    "demo": ["demo", "--workspace", "base/met2net.toml/{}"],
    "sources": ["sources", "-w", "absent/{}"],
    "fetch": ["fetch", "--source", "{}", "-w", "base"],
    "region": ["region", "area", "--area", "{}", "--source", "gfs"],
    "ingest": ["ingest", "-w", "base", "absent/{}"],
    "dataset plan": ["dataset", "plan", "absent/{}", "-w", "base"],
    "dataset fetch": ["dataset", "fetch", "absent/{}", "-w", "base"],
    "coverage": ["coverage", "--since", "{}", "-w", "base"],
    "observations import": ["observations", "import", "absent/{}", "-w", "base"],
    "observations form": ["observations", "import", "--form", "{}", "-w", "base"],
    "observations column": ["observations", "import", "--column", "{}", "-w", "base"],
    "forecast model": ["forecast", "--model", "{}", "-w", "base"],
    "forecast cycle": ["forecast", "--cycle", "{}", "-w", "base"],
    "verify score": ["verify", "--score", "{}", "-w", "base"],
    "verify region": ["verify", "--region", "{}", "-w", "base"],
    "verify explain": ["verify", "--explain", "{}"],
    "serve": ["serve", "-w", "absent/{}"],
    "status": ["status", "-w", "absent/{}"],
    "cycles list": ["cycles", "list", "--state", "{}", "-w", "base"],
    "cycles show": ["cycles", "show", "2026-11-22T00", "--model", "{}", "-w", "base"],
    "cycles run": ["cycles", "run", "{}", "-w", "base"],
    "models show": ["models", "show", "{}", "-w", "base"],
    "models check": ["models", "check", "{}", "-w", "base"],
    "models import": ["models", "import", "absent/{}", "-w", "base"],
    "models": ["models", "{}"],
    "train": ["train", "--out", "x", "--preset", "{}"],
    "train config": ["train", "--out", "x", "--config", "absent/{}"],
    "naturerun": ["naturerun", "feed", "--start", "2026-11-22", "--hours", "1", "--out", "x",
                  "--grid", "{}"],
    "dashboard": ["dashboard", "-w", "absent/{}"],
    "prune": ["prune", "-w", "absent/{}"],
    "doctor": ["doctor", "-w", "absent/{}"],
    "an option": ["doctor", "--{}"],
}  # fmt: skip


def test_every_command_is_in_the_table() -> None:
    assert set(COMMANDS) <= {words[0] for words in _MENTIONED.values()}


@pytest.mark.parametrize("case", _MENTIONED)
@example(word=_WORST)
@given(word=_WORDS)
@_SETTINGS
def test_a_command_repeats_its_arguments_harmlessly(base: Path, case: str, word: str) -> None:
    if "/{}" in " ".join(_MENTIONED[case]):
        word = _file_name(word)
    here = str(base)
    arguments = [
        part.replace("base", here).replace("absent", f"{here}/absent").replace("{}", word)
        for part in _MENTIONED[case]
    ]
    _, out, err = _main(*arguments)
    _assert_harmless(out + err)
    assert "fault of met2net-ops" not in err
    mentioned = word.partition("=")[0] if case == "an option" else word.strip()
    assert _recognisable(mentioned, out + err)


def _recognisable(word: str, text: str) -> bool:
    """Whether the word is in the text, printed or as Python's repr, line breaks apart."""
    for ours, of_click in (("\\r", "\\x0d"), ("\\n", "\\x0a"), ("\\t", "\\x09")):
        text = text.replace(of_click, ours)
    first = word.strip().partition("\n")[0]
    ways = (visible(word), repr(word)[1:-1], visible(word).lower(), visible(first))
    return any(_together(way) in _together(text) for way in ways)


@example(names=[_file_name(_WORST), "n[].grib", "n:smile:"])
@given(names=st.lists(_NAMES, min_size=1, max_size=5, unique=True))
@example(names=["n\udcff"])
@settings(_SETTINGS, max_examples=2)
def test_files_of_any_name_are_ingested(fresh: Callable[[], Path], names: list[str]) -> None:
    root = fresh()
    for name in names:
        (root / "feed" / name).write_bytes(b"no GRIB")
    code, out, err = _main("ingest", "-w", str(root))
    assert code == 4
    _assert_harmless(out + err)
    assert [name for name in names if _together(visible(name)) not in _together(out)] == []
    _, out, _ = _main("ingest", "-w", str(root), "--json")
    _assert_harmless(out)
    expected = {os.fsencode(name).decode(errors="backslashreplace") for name in names}
    assert {Path(file["path"]).name for file in json.loads(out)["files"]} == expected


@example(name=_file_name(_WORST), station="[/]\x1b[31m")
@given(name=_NAMES, station=_WORDS)
@_SETTINGS
def test_stations_and_reports_of_any_name_are_imported(
    fresh: Callable[[], Path], name: str, station: str
) -> None:
    root = fresh()
    file = root / f"{name}.csv"
    quoted = '"' + station.replace('"', '""') + '"'
    file.write_bytes(
        "station,latitude,longitude,height_m,time,t2m_k\n"
        f"{quoted},91,0,0,2026-11-22T00:00Z,280\n".encode("utf-8", "surrogateescape")
    )
    _, out, err = _main("observations", "import", str(file), "--form", "csv", "-w", str(root))
    _assert_harmless(out + err)
    assert _together(visible(file.name)) in _together(out + err)
    _, out, _ = _main(
        "observations", "import", str(file), "--form", "csv", "-w", str(root), "--json"
    )
    _assert_harmless(out)
    json.loads(out or "[]")


@example(name=_file_name(_WORST), text=_WORST)
@given(name=_NAMES, text=_TEXT)
@_SETTINGS
def test_models_of_any_name_and_card_are_shown(
    fresh: Callable[[], Path], name: str, text: str
) -> None:
    root = fresh()
    folder = Path(shutil.copytree(SHIPPED / "naturerun-5p625", root / "models" / name))
    description = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    description["licence"] = text
    (folder / "model.json").write_text(json.dumps(description))
    (root / "models" / "naturerun-5p625").mkdir()
    card = f"# {text}\n".encode("utf-8", "replace")
    for file in (folder, Path(shutil.copytree(folder, root / "models" / "carded"))):
        (file / "CARD.md").write_bytes(card)
    for arguments in (["models", "list"], ["models", "show", name], ["models", "check", name]):
        _, out, err = _main(*arguments, "-w", str(root))
        _assert_harmless(out.replace("\t", "") + err)
        assert "fault of met2net-ops" not in err
        assert _together(visible(name)) in _together(out + err) or repr(name) in err
        _, out, _ = _main(*arguments, "--json", "-w", str(root))
        _assert_harmless(out)
        if out:
            json.loads(out)


def test_a_card_keeps_its_lines_and_shows_its_escapes(fresh: Callable[[], Path]) -> None:
    root = fresh()
    folder = Path(shutil.copytree(SHIPPED / "naturerun-5p625", root / "models/naturerun-5p625"))
    (folder / "CARD.md").write_text("# Card [bold]\n\n\x1b[2Jgone\u202e\n", encoding="utf-8")
    _, out, _ = _main("models", "show", "naturerun-5p625", "-w", str(root))
    assert "# Card [bold]\n\n\\x1b[2Jgone\\u202e\n" in out


@example(key=_WORST, value=_WORST)
@given(key=_TEXT, value=_TEXT)
@_SETTINGS
def test_settings_of_any_key_and_value_are_refused_by_name(
    fresh: Callable[[], Path], key: str, value: str
) -> None:
    root = fresh()
    text = (root / "met2net.toml").read_text(encoding="utf-8")
    quoted = [json.dumps(word.encode("utf-8", "replace").decode()) for word in (key, value)]
    quoted = [word.replace("\x7f", "\\u007f") for word in quoted]
    assert "\n[forecast]" in text
    added = f"\n[forecast]\nprecision = {quoted[1]}\n{quoted[0]} = {quoted[1]}"
    (root / "met2net.toml").write_text(text.replace("\n[forecast]", added), encoding="utf-8")
    for arguments in (["coverage"], ["status"], ["doctor"], ["cycles", "list"]):
        code, out, err = _main(*arguments, "-w", str(root))
        assert code in (1, 3)
        _assert_harmless(out + err)
        assert "fault of met2net-ops" not in err


@example(text=_WORST)
@given(text=_TEXT)
@_SETTINGS
def test_the_ledger_shows_reasons_as_they_are(fresh: Callable[[], Path], text: str) -> None:
    root = fresh()
    text = text.encode("utf-8", "replace").decode()
    assert _main("cycles", "backfill", "2026-11-22T00..2026-11-22T00", "-w", str(root))[0] == 0
    with sqlite3.connect(root / "cycles.sqlite") as connection:
        connection.execute("UPDATE cycles SET reason = ?", (f"because {text}",))
    for arguments in (["list"], ["show", "2026-11-22T00"]):
        code, out, err = _main("cycles", *arguments, "-w", str(root))
        assert code == 0, err
        _assert_harmless(out + err)
        assert _together(visible(text.partition("\n")[0])) in _together(out)
        _, out, _ = _main("cycles", *arguments, "--json", "-w", str(root))
        _assert_harmless(out)
        found = json.loads(out)
        (cycle,) = found if isinstance(found, list) else [found]
        assert cycle["reason"] == f"because {text}"


def test_tables_and_bars_interpret_nothing_on_a_terminal() -> None:
    program = (
        "import sys\n"
        "from met2net_ops.cli.common import print_lines, print_table, track_for\n"
        "word = 'a[bold]b[/] :smile: \\x1b[2J\\x9b\\u202e'\n"
        "print_table(word, [word], [[word], [[word, word]]])\n"
        "print_lines(word)\n"
        "list(track_for(False)(range(3), word))\n"
    )
    ours, theirs = pty.openpty()
    try:
        subprocess.run(
            [sys.executable, "-c", program],
            stdout=theirs,
            stderr=theirs,
            timeout=60,
            check=True,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "200"},
        )
        drawn = os.read(ours, 100_000).decode()
    finally:
        os.close(ours)
        os.close(theirs)
    assert drawn.count("a[bold]b[/] :smile: \\x1b[2J\\x9b\\u202e") >= 6
    assert not {"\x1b[2J", "\x9b", "\u202e"} & {drawn[i : i + n] for i in range(len(drawn))
                                               for n in (1, 4)}  # fmt: skip


def test_a_stream_that_lacks_a_character_shows_its_code() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "met2net_ops.cli.main", "doctor", "-w", "nowhere/ä°…"],
        capture_output=True,
        timeout=60,
        env={**os.environ, "PYTHONIOENCODING": "latin-1"},
    )
    assert result.returncode == 3
    assert b"nowhere/\xe4\xb0\\u2026" in result.stderr


def test_nothing_prints_but_by_the_functions_that_make_text_visible() -> None:
    folder = Path(__file__).parents[2] / "cli"
    direct = [
        f"{file.name}: {line.strip()}"
        for file in sorted(folder.glob("*.py"))
        if file.name not in ("common.py", "main.py")
        for line in file.read_text(encoding="utf-8").splitlines()
        if re.search(
            r"typer\.(s?echo|secho)\(|(?<![.\w])print\(|from rich\.markup|sys\.stdout", line
        )
    ]
    assert direct == []
