from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from met2net_ops.errors import ModelError
from met2net_ops.models.checks import check_model
from met2net_ops.models.folder import ModelFolder, read_folder
from met2net_ops.models.met2net.network import Met2Net
from met2net_ops.models.registry import SHIPPED, find_model, list_models
from met2net_ops.models.selection import find_spec
from met2net_ops.models.weights import build_network, read_weights
from met2net_ops.settings import load_settings
from met2net_ops.workspace import Workspace, create_workspace

MakeFolder = Callable[..., ModelFolder]
MakeNetwork = Callable[..., Met2Net]


def edit(folder: ModelFolder, **changes: Any) -> Path:
    file = folder.path / "model.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))
    return folder.path


def test_what_is_written_comes_back(
    tmp_path: Path, make_folder: MakeFolder, make_network: MakeNetwork
) -> None:
    orography = np.linspace(-1, 1, 8 * 18, dtype=np.float32).reshape(8, 18)
    network = make_network(forcings=2)
    forcings = ("cos_zenith", "orography")
    folder = make_folder(
        tmp_path, network=network, static={"orography": orography}, forcings=forcings
    )
    again = read_folder(folder.path)
    assert again == folder
    assert again.description.forcings == forcings
    weights = read_weights(again)
    np.testing.assert_array_equal(weights.static["orography"], orography)
    x = torch.randn(1, 3, 4, 8, 18)
    assert torch.equal(build_network(again, weights)(x), network(x))
    assert sorted(path.name for path in folder.path.iterdir()) == [
        "CARD.md", "model.json", "weights.safetensors",
    ]  # fmt: skip
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"]


def test_a_name_leads_to_no_other_folder(tmp_path: Path, make_folder: MakeFolder) -> None:
    workspace = create_workspace(tmp_path / "desk").paths
    settings = load_settings(workspace.settings_file)
    outside = make_folder(tmp_path / "elsewhere").path
    make_folder(workspace.models)
    found = find_spec(Workspace(workspace, settings), "tiny")
    assert found is not None
    assert found.name == "tiny"
    for name in (str(outside), "../../elsewhere/tiny", "./tiny", ""):
        assert find_spec(Workspace(workspace, settings), name) is None
        with pytest.raises(ModelError, match="no model is called"):
            find_model(name, workspace.models)


def test_a_folder_that_describes_another_model_is_refused_everywhere(
    tmp_path: Path, make_folder: MakeFolder
) -> None:
    workspace = create_workspace(tmp_path / "desk")
    models = workspace.paths.models
    made = make_folder(models).path
    spec = find_spec(workspace, "tiny")
    assert spec is not None
    assert spec == find_model("tiny", models).spec
    renamed = made.rename(made.with_name("other"))
    assert find_spec(workspace, "other") is None
    for read in (lambda: read_folder(renamed), lambda: find_model("other", models)):
        with pytest.raises(ModelError, match="describes 'tiny': rename the folder"):
            read()


def test_a_static_field_with_a_hole_is_refused(
    tmp_path: Path, make_folder: MakeFolder, make_network: MakeNetwork
) -> None:
    orography = np.full((8, 18), np.nan, dtype=np.float32)
    with pytest.raises(ModelError, match="the static field orography is not finite"):
        make_folder(
            tmp_path, network=make_network(forcings=1), static={"orography": orography},
            forcings=("orography",),
        )  # fmt: skip


def test_the_checksum_covers_description_and_weights(
    tmp_path: Path, make_folder: MakeFolder, make_network: MakeNetwork
) -> None:
    first = make_folder(tmp_path / "a")
    assert make_folder(tmp_path / "b").checksum == first.checksum
    assert make_folder(tmp_path / "c", network=make_network(seed=1)).checksum != first.checksum
    assert make_folder(tmp_path / "d", licence="CC0-1.0").checksum != first.checksum


def test_a_model_that_is_there_is_never_overwritten(
    tmp_path: Path, make_folder: MakeFolder, make_network: MakeNetwork
) -> None:
    first = make_folder(tmp_path)
    with pytest.raises(ModelError, match="exists already; choose another name"):
        make_folder(tmp_path, network=make_network(seed=1))
    assert read_folder(first.path).checksum == first.checksum
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"surprise": 1}, "surprise: Extra inputs"),
        ({"format": 2}, "format:"),
        ({"kind": "graphcast"}, "kind:"),
        ({"name": "../escape"}, "name:"),
        ({"variables": ["t2m", "snow"]}, "snow"),
        ({"normalisation": {"t2m": {"offset": 0, "scale": 1}}}, "one entry per variable"),
        ({"normalisation": {"t2m": {"offset": 0, "scale": 0}}}, "greater than 0"),
        ({"predict": "increment"}, "increment_scale"),
        ({"increment_scale": {"t2m": [1, 1, 1], "u10": [1, 1, 1]}}, "increment_scale"),
        ({"forcings": ["moon"]}, "no forcing is called moon"),
        ({"clip": {"t2m": [3, 1]}}, "low below its high"),
        ({"clip": {"msl": [0, 1]}}, "does not have"),
        ({"weights_sha256": "abc"}, "weights_sha256"),
        ({"grid": {"north": 80}}, r"grid\.nlat: Field required"),
    ],
)
def test_descriptions_that_do_not_hold_name_file_and_key(
    tmp_path: Path, make_folder: MakeFolder, changes: dict[str, Any], problem: str
) -> None:
    path = edit(make_folder(tmp_path), **changes)
    with pytest.raises(ModelError, match=rf"(?s)tiny/model\.json is not valid.*{problem}"):
        read_folder(path)


def test_a_wrong_description_is_refused_before_anything_appears(
    tmp_path: Path, make_folder: MakeFolder
) -> None:
    with pytest.raises(ModelError, match=r"(?s)'Bad Name' is not valid.*name:"):
        make_folder(tmp_path, name="Bad Name")
    with pytest.raises(ModelError, match="does not fit the network"):
        make_folder(tmp_path, input_frames=4)
    assert list(tmp_path.iterdir()) == []


def test_damage_is_found(tmp_path: Path, make_folder: MakeFolder) -> None:
    folder = make_folder(tmp_path)
    weights = folder.path / "weights.safetensors"
    content = bytearray(weights.read_bytes())
    content[-3] ^= 1
    weights.write_bytes(content)
    with pytest.raises(ModelError, match=r"weights\.safetensors is damaged"):
        read_weights(folder)
    weights.unlink()
    with pytest.raises(ModelError, match=r"cannot read .*weights\.safetensors"):
        read_weights(folder)
    (folder.path / "model.json").write_bytes(b"{not json")
    with pytest.raises(ModelError, match=r"model\.json is not valid"):
        read_folder(folder.path)
    with pytest.raises(ModelError, match="is not a model folder"):
        read_folder(tmp_path / "nowhere")


def test_static_fields_must_be_there_and_fit(tmp_path: Path, make_folder: MakeFolder) -> None:
    with pytest.raises(ModelError, match="needs"):
        make_folder(tmp_path, forcings=("orography",))
    with pytest.raises(ModelError, match="needs"):
        make_folder(
            tmp_path, forcings=("orography",), static={"orography": np.zeros((3, 3), np.float32)}
        )


def test_weights_that_are_not_finite_are_refused(
    tmp_path: Path, make_folder: MakeFolder, make_network: MakeNetwork
) -> None:
    network = make_network()
    network.decoders[0].readout.bias.fill_(float("nan"))  # type: ignore[union-attr,operator]
    with pytest.raises(ModelError, match=r"readout\.bias is not finite"):
        make_folder(tmp_path, network=network)
    assert list(tmp_path.iterdir()) == []


_FULL_DISK = """
import resource, signal, sys
from pathlib import Path
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
from met2net_ops.errors import ModelError
from met2net_ops.models.checkpoint import read_published
from met2net_ops.models.importing import *
checkpoint = read_published(Path(sys.argv[1]))
names = checkpoint.variable_names
facts = ImportFacts("full", names, parse_grid("80,0,20,20,8,16"), "north_first",
                    parse_normalisation("checkpoint", names, checkpoint))
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    import_checkpoint(checkpoint, facts, Path(sys.argv[2]))
except ModelError as error:
    print(error)
    sys.exit(error.exit_code)
"""


def test_a_disk_that_takes_no_more_leaves_no_debris(tmp_path: Path) -> None:
    checkpoint = Path(__file__).resolve().parents[1] / "data/parity/real_lightning.ckpt"
    models = tmp_path / "models"
    done = subprocess.run(
        [sys.executable, "-c", _FULL_DISK, str(checkpoint), str(models)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == ModelError.exit_code, done.stderr
    assert "cannot write a model folder" in done.stdout
    assert list(models.iterdir()) == []


def test_checks_pass_and_fail(tmp_path: Path, make_folder: MakeFolder) -> None:
    folder = make_folder(tmp_path)
    assert all(check.ok for check in check_model(folder))
    (folder.path / "CARD.md").unlink()
    assert [check.name for check in check_model(folder) if not check.ok] == ["card"]
    (folder.path / "weights.safetensors").write_bytes(b"rubbish")
    assert check_model(folder)[-1].name == "weights"
    assert not check_model(folder)[-1].ok


def test_finding_models(tmp_path: Path, make_folder: MakeFolder) -> None:
    make_folder(tmp_path, name="mine")
    broken = make_folder(tmp_path, name="broken").path
    (broken / "model.json").write_text("{}")
    make_folder(tmp_path, name="moved").path.rename(tmp_path / "elsewhere")
    (tmp_path / ".partial-x").mkdir()
    listed = {model.name: model for model in list_models(tmp_path) if model.origin == "workspace"}
    assert sorted(listed) == ["broken", "elsewhere", "mine"]
    assert listed["mine"].problem == ""
    assert "is not valid" in listed["broken"].problem
    assert "describes 'moved'" in listed["elsewhere"].problem
    assert find_model("mine", tmp_path).path == tmp_path / "mine"
    with pytest.raises(ModelError, match=r"no model is called 'other'.*mine"):
        find_model("other", tmp_path)


def test_the_workspace_hides_what_ships(tmp_path: Path, make_folder: MakeFolder) -> None:
    shipped = [model.name for model in list_models(None)]
    assert shipped == sorted(path.name for path in SHIPPED.iterdir() if path.is_dir())
    for name in shipped[:1]:
        own = make_folder(tmp_path, name=name)
        assert find_model(name, tmp_path).checksum == own.checksum
        hidden = [model for model in list_models(tmp_path) if model.origin == "shipped"]
        assert "hidden by" in next(model.problem for model in hidden if model.name == name)


@pytest.mark.parametrize("name", sorted(path.name for path in SHIPPED.glob("*/")))
def test_shipped_models_are_whole(name: str) -> None:
    assert [check for check in check_model(find_model(name, None)) if not check.ok] == []
