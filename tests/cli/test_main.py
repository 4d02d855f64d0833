from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from met2net_ops.cli.main import COMMANDS
from met2net_ops.version import __version__

# What a help text must not wait for.
_HEAVY = {
    "eccodes", "matplotlib", "netCDF4", "numpy", "pandas", "plotly", "pydantic", "rich", "scipy",
    "sqlalchemy", "streamlit", "structlog", "torch", "xarray", "zarr",
}  # fmt: skip
_PROBE = """
import json, sys
from met2net_ops.cli.main import main
try:
    main()
finally:
    print(json.dumps(sorted(sys.modules)), file=sys.stderr)
"""


def run(
    *arguments: str, environment: dict[str, str] | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "met2net_ops.cli.main", *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        timeout=60,
        env={**os.environ, **(environment or {})},
    )


def test_version() -> None:
    assert run("--version").stdout == f"met2net-ops {__version__}\n"


def test_help_lists_every_command() -> None:
    text = run("--help").stdout
    assert [name for name in COMMANDS if f"\n  {name} " not in text] == []


def _every_command() -> Iterator[list[str]]:
    yield []
    for name, module in COMMANDS.items():
        yield [name]
        group = getattr(import_module(module), "app", None)
        for inner in group.registered_commands if group else ():
            yield [name, inner.name or inner.callback.__name__.replace("_", "-")]


@pytest.mark.parametrize("arguments", list(_every_command()), ids=" ".join)
def test_help_waits_for_nothing_heavy(arguments: list[str]) -> None:
    result = subprocess.run(
        [sys.executable, "-c", _PROBE, *arguments, "--help"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 0
    assert result.stdout.startswith(" ".join(["Usage: met2net-ops", *arguments]))
    assert set(json.loads(result.stderr)) & _HEAVY == set()


def test_a_misspelt_command_gets_a_suggestion() -> None:
    result = run("docter")
    assert result.returncode == 2
    assert "doctor" in result.stderr


def test_a_refusal_is_one_message_and_its_own_exit_code(tmp_path: Path) -> None:
    result = run("doctor", "--workspace", str(tmp_path / "nowhere"))
    assert result.returncode == 3
    assert result.stderr.startswith("Error: ")
    assert "met2net-ops init" in result.stderr
    assert "Traceback" not in result.stderr


def test_debug_shows_where_an_error_came_from(tmp_path: Path) -> None:
    for result in (
        run("--debug", "doctor", "-w", str(tmp_path)),
        run("doctor", "-w", str(tmp_path), environment={"MET2NET_DEBUG": "1"}),
    ):
        assert result.returncode == 1
        assert "Traceback" in result.stderr
        assert "SettingsError" in result.stderr


def test_a_fault_of_ours_is_short_unless_debugging(tmp_path: Path) -> None:
    program = (
        "import sys, types; from met2net_ops.cli import main as m\n"
        "def command() -> None:\n"
        "    'Fail.'\n"
        "    raise ZeroDivisionError('seven by nought')\n"
        "sys.modules['failing'] = types.SimpleNamespace(command=command)\n"
        "m.COMMANDS['failing'] = 'failing'\n"
        "m.main()\n"
    )
    quiet = subprocess.run(
        [sys.executable, "-c", program, "failing"], capture_output=True, text=True, timeout=60
    )
    assert quiet.returncode == 1
    assert "unexpected ZeroDivisionError: seven by nought" in quiet.stderr
    assert "--debug" in quiet.stderr
    assert "Traceback" not in quiet.stderr
    loud = subprocess.run(
        [sys.executable, "-c", program, "--debug", "failing"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "Traceback" in loud.stderr


def test_an_interrupt_ends_with_130() -> None:
    program = (
        "import signal, sys, time, types; from met2net_ops.cli import main as m\n"
        # Ignored from the start where the tests run in a shell's background.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "def command() -> None:\n"
        "    print('working', flush=True)\n"
        "    time.sleep(50)\n"
        "sys.modules['slow'] = types.SimpleNamespace(command=command)\n"
        "m.COMMANDS['slow'] = 'slow'\n"
        "m.main()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, "slow"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"working\n"
        started = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert b"Traceback" not in errors
    assert time.monotonic() - started < 30


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_name_the_program(shell: str) -> None:
    result = run(environment={"_MET2NET_OPS_COMPLETE": f"source_{shell}"})
    assert result.returncode == 0
    assert "met2net-ops" in result.stdout


def test_completion_offers_the_commands() -> None:
    result = run(
        environment={
            "_MET2NET_OPS_COMPLETE": "complete_bash",
            "COMP_WORDS": "met2net-ops do",
            "COMP_CWORD": "1",
        }
    )
    assert "doctor" in result.stdout.split()


def test_init_makes_a_workspace_that_doctor_finds_by_the_environment(tmp_path: Path) -> None:
    made = run("init", str(tmp_path / "desk"))
    assert made.returncode == 0
    assert str(tmp_path / "desk") in made.stdout
    result = run("doctor", "--json", environment={"MET2NET_WORKSPACE": str(tmp_path / "desk")})
    checks = {check["name"]: check for check in json.loads(result.stdout)["checks"]}
    assert checks["configuration"]["state"] == "ok"


def test_every_exit_code_of_an_error_is_documented_and_only_once() -> None:
    from met2net_ops import errors

    codes = [
        kind.exit_code
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, Exception)
    ]
    assert len(set(codes)) == len(codes)
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    assert [code for code in codes if f"| {code} |" not in readme] == []
