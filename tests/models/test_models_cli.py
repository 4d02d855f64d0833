from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner, Result

from met2net_ops.cli.models import app
from met2net_ops.errors import GridError, ModelError, SettingsError
from met2net_ops.models.folder import ModelFolder, read_folder
from met2net_ops.models.registry import SHIPPED
from met2net_ops.paths import SETTINGS_NAME

LIGHTNING = Path(__file__).resolve().parents[1] / "data" / "parity" / "real_lightning.ckpt"
GRID = "70,0,20,20,8,16"
ANSWERS = {
    "--name": "mv5",
    "--variables": "u10,v10,t2m,tcc,r1000",
    "--grid": GRID,
    "--rows": "south_first",
    "--normalisation": "checkpoint",
}


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def options(**changes: str | None) -> list[str]:
    given = {**ANSWERS, **{f"--{key}": value for key, value in changes.items()}}
    return [part for key, value in given.items() if value is not None for part in (key, value)]


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (tmp_path / SETTINGS_NAME).write_text("")
    return tmp_path


def test_import_writes_a_model_that_runs(workspace: Path) -> None:
    result = invoke("import", str(LIGHTNING), *options(), "-w", str(workspace), "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    folder = read_folder(workspace / "models" / "mv5")
    assert told == {"name": "mv5", "path": str(folder.path), "checksum": folder.checksum}
    assert folder.description.variables == ("u10", "v10", "t2m", "tcc", "r1000")
    assert folder.description.rows == "south_first"
    assert folder.description.clip["tcc"] == (0.0, 1.0)
    assert folder.description.grid.grid().shape == (8, 16)
    card = (folder.path / "CARD.md").read_text()
    assert "weather_mv5my_12_5_625" in card
    assert invoke("check", "mv5", "-w", str(workspace)).exit_code == 0


def test_import_lists_all_that_is_missing_at_once(workspace: Path) -> None:
    result = invoke("import", str(LIGHTNING), "--name", "mv5", "-w", str(workspace))
    assert isinstance(result.exception, ModelError)
    message = str(result.exception)
    for option in ("--variables", "--grid", "--rows", "--normalisation"):
        assert f"  {option}: " in message
    assert "--name" not in message
    assert "8 x 16 points" in message
    assert "suggests u10,v10,t2m,tcc,r1000" in message
    assert "suggests south_first" in message
    assert not (workspace / "models").exists()


@pytest.mark.parametrize(
    ("changes", "error", "problem"),
    [
        ({"variables": "u10,v10"}, ModelError, "has 5 variables, not the 2"),
        ({"variables": "u10,v10,t2m,tcc,snow"}, ModelError, "snow"),
        ({"grid": "global-5p625"}, ModelError, r"trained on \(8, 16\) points"),
        ({"grid": "1,2,3"}, GridError, "north,west"),
        ({"grid": "70,0,20,20,nan,16"}, GridError, "north,west"),
        ({"grid": "nan,0,20,20,8,16"}, GridError, "must be finite"),
        ({"rows": "upwards"}, ModelError, "north_first or south_first"),
        ({"normalisation": "t2m=1"}, ModelError, "t2m=278.5:21.2"),
        ({"normalisation": "t2m=1:0"}, ModelError, "greater than 0"),
        ({"normalisation": "t2m=280:20"}, ModelError, "one entry per variable"),
        ({"normalisation": "absent.json"}, ModelError, r"absent\.json"),
        ({"name": "Not/A/Name"}, ModelError, "name:"),
    ],
)
def test_import_refuses_what_does_not_fit(
    workspace: Path, changes: dict[str, str], error: type[Exception], problem: str
) -> None:
    result = invoke("import", str(LIGHTNING), *options(**changes), "-w", str(workspace))
    assert isinstance(result.exception, error)
    with pytest.raises(error, match=problem):
        raise result.exception
    assert not list((workspace / "models").glob("*"))


@pytest.mark.parametrize("name", ["passwd", "weights.safetensors", "no-such-file", "."])
def test_import_of_another_file_says_what_it_must_be(workspace: Path, name: str) -> None:
    (workspace / "passwd").write_text("root:x:0:0:root:/root:/bin/bash\n")
    (workspace / "weights.safetensors").write_text("root:x:0:0:root:/root:/bin/bash\n")
    file = workspace / name
    result = invoke("import", str(file), *options(), "-w", str(workspace))
    assert isinstance(result.exception, ModelError)
    message = str(result.exception)
    assert str(file) in message
    assert "Lightning .ckpt, a state dict saved with torch.save, or a .safetensors" in message


def test_normalisation_from_a_file(workspace: Path, tmp_path: Path) -> None:
    entries = {name: {"offset": i, "scale": i + 1.0} for i, name in enumerate(
        ANSWERS["--variables"].split(","))}  # fmt: skip
    file = tmp_path / "scales.json"
    file.write_text(json.dumps(entries))
    into = workspace / "elsewhere"
    result = invoke(
        "import", str(LIGHTNING), *options(normalisation=str(file)), "--into", str(into)
    )
    assert result.exit_code == 0, result.output
    normalisation = read_folder(into / "mv5").description.normalisation
    assert {name: entry.model_dump() for name, entry in normalisation.items()} == entries


def test_import_asks_on_a_terminal(workspace: Path) -> None:
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "met2net_ops.cli.main", "models", "import", str(LIGHTNING),
         "--grid", GRID, "-w", str(workspace)],
        stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    os.close(theirs)
    os.write(ours, b"asked\n\n\n\n")  # a name, and three suggestions taken as they are
    out, err = process.communicate(timeout=100)
    os.close(ours)
    assert process.returncode == 0, err
    description = read_folder(workspace / "models" / "asked").description
    assert description.rows == "south_first"
    assert description.variables == ("u10", "v10", "t2m", "tcc", "r1000")
    assert "order of latitudes" in out + err


def test_list_show_check(workspace: Path, make_folder: Callable[..., ModelFolder]) -> None:
    folder = make_folder(workspace / "models")
    listed = json.loads(invoke("list", "--json", "-w", str(workspace)).stdout)
    mine = next(model for model in listed if model["name"] == "tiny")
    assert mine["origin"] == "workspace"
    assert mine["checksum"] == folder.checksum
    assert {model["name"] for model in listed if model["origin"] == "shipped"} == {
        path.name for path in SHIPPED.iterdir() if path.is_dir()
    }
    table = invoke("list", "-w", str(workspace)).stdout
    assert "tiny" in table
    assert "t2m,u10" in table
    assert "# tiny" in invoke("show", "tiny", "-w", str(workspace)).stdout
    shown = json.loads(invoke("show", "tiny", "--json", "-w", str(workspace)).stdout)
    assert shown["input_frames"] == 3
    assert np.isclose(shown["normalisation"]["t2m"]["scale"], 20.0)
    checks = json.loads(invoke("check", "tiny", "--json", "-w", str(workspace)).stdout)
    assert all(check["ok"] for check in checks)


def test_check_fails_on_damage(workspace: Path, make_folder: Callable[..., ModelFolder]) -> None:
    folder = make_folder(workspace / "models")
    with (folder.path / "weights.safetensors").open("ab") as file:
        file.write(b"x")
    result = invoke("check", "tiny", "-w", str(workspace))
    assert isinstance(result.exception, ModelError)
    assert "not fit to run: weights" in str(result.exception)
    assert "is damaged" in result.stdout


def test_workspaces_are_optional_but_must_exist_if_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MET2NET_WORKSPACE", raising=False)
    assert invoke("list").exit_code == 0
    assert isinstance(invoke("list", "-w", str(tmp_path)).exception, SettingsError)
    assert isinstance(invoke("show", "nothing").exception, ModelError)
    assert isinstance(invoke("import", str(LIGHTNING)).exception, SettingsError)


def test_text_from_files_is_shown_as_it_is(workspace: Path) -> None:
    models = workspace / "models"
    for name in ("[red]x", "[bold]", "a\x1b[31mb", ":warning:"):
        (models / name).mkdir(parents=True)
    shipped = next(path for path in sorted(SHIPPED.iterdir()) if (path / "model.json").is_file())
    mine = models / shipped.name
    shutil.copytree(shipped, mine)
    described = json.loads((mine / "model.json").read_text())
    described["licence"] = "[link=x]free[/link] [/] :smile: \x1b]8;;evil\x1b\\ \u202eright"
    (mine / "model.json").write_text(json.dumps(described))
    (mine / "CARD.md").write_bytes(b"# [red]Card[/red]\n\n\x1b[2Jgone \xc2\x9b31m \xff end\n")

    listed = invoke("list", "-w", str(workspace))
    assert listed.exit_code == 0, listed.output
    for text in (
        "[red]x", "[bold]", "a\\x1b[31mb", ":warning:", "[link=x]free[/link] [/] :smile:",
        "\\x1b]8;;evil\\x1b\\ \\u202eright",
    ):  # fmt: skip
        assert text in listed.output
    shown = invoke("show", mine.name, "-w", str(workspace))
    assert "# [red]Card[/red]\n\n\\x1b[2Jgone \\x9b31m \ufffd end\n" in shown.output
    for output in (listed.output, shown.output):
        assert not set(output) & {"\x1b", "\x9b", "\u202e"}


def test_import_says_which_weights_it_took(workspace: Path, tmp_path: Path) -> None:
    content = torch.load(LIGHTNING, weights_only=False)
    both = tmp_path / "both.ckpt"
    torch.save({**content, "[/]\x1bema": content["state_dict"]}, both)
    result = invoke("import", str(both), *options(), "-w", str(workspace), "--json")
    assert result.exit_code == 0, result.output
    assert "took the weights in state_dict; those in [/]\\x1bema are not used" in result.stderr
    folder = read_folder(workspace / "models" / "mv5")
    assert "weights not used: [/]\\x1bema" in (folder.path / "CARD.md").read_text()
