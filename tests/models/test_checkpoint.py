from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from met2net_ops.errors import ModelError
from met2net_ops.models.checkpoint import read_published

LIGHTNING = Path(__file__).resolve().parents[1] / "data" / "parity" / "real_lightning.ckpt"


def published_state() -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = torch.load(LIGHTNING, weights_only=False)["state_dict"]
    return state


class RunsCode:
    """What an attacker pickles: loading it runs a command."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.marker}",)


def test_a_lightning_checkpoint_says_almost_everything() -> None:
    checkpoint = read_published(LIGHTNING)
    assert (checkpoint.input_frames, checkpoint.variables) == (12, 5)
    assert (checkpoint.hid_s, checkpoint.hid_t) == (4, 16)
    assert (checkpoint.n_t, checkpoint.n_s) == (2, 2)
    assert checkpoint.shape == (8, 16)
    assert checkpoint.variable_names == ("u10", "v10", "t2m", "tcc", "r1000")
    assert checkpoint.statistics == ((0.0, 1.0),) * 5
    assert checkpoint.facts["data_set"] == "weather_mv5my_12_5_625"


@pytest.mark.parametrize("kind", ["bare", "prefixed", "safetensors"])
def test_bare_state_dicts_give_the_same_network(tmp_path: Path, kind: str) -> None:
    state = published_state()
    path = tmp_path / ("weights.safetensors" if kind == "safetensors" else "weights.pth")
    if kind == "safetensors":
        save_file({name: value.contiguous() for name, value in state.items()}, path)
    elif kind == "bare":
        torch.save({name.removeprefix("model."): value for name, value in state.items()}, path)
    else:
        torch.save({f"module.{name}": value for name, value in state.items()}, path)
    bare, full = read_published(path), read_published(LIGHTNING)
    assert bare.shape is None
    assert bare.variable_names == ()
    sizes = ("input_frames", "variables", "hid_s", "hid_t", "n_t", "n_s")
    assert [getattr(bare, size) for size in sizes] == [getattr(full, size) for size in sizes]
    x = torch.randn(1, 12, 5, 8, 16)
    assert torch.equal(bare.network(8, 16)(x), full.network(8, 16)(x))


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("protocol", ["zip", "legacy", "pickle"])
def test_code_in_a_checkpoint_is_never_run(tmp_path: Path, protocol: str) -> None:
    marker, path = tmp_path / "it-ran", tmp_path / "evil.ckpt"
    content = {"state_dict": published_state(), "callbacks": RunsCode(marker)}
    if protocol == "pickle":
        path.write_bytes(pickle.dumps(RunsCode(marker)))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=protocol == "zip")
    with pytest.raises(ModelError, match=r"evil\.ckpt"):
        read_published(path)
    assert not marker.exists()
    if protocol != "pickle":  # the same file does run code where it is loaded carelessly
        torch.load(path, weights_only=False)
        assert marker.exists()


def test_the_type_that_was_refused_is_named(tmp_path: Path) -> None:
    path = tmp_path / "evil.ckpt"
    torch.save({"state_dict": published_state(), "x": RunsCode(tmp_path / "it-ran")}, path)
    with pytest.raises(ModelError, match=r"system\).*If you trust its origin"):
        read_published(path)


def test_only_float_arrays_are_allowed_beside_tensors(tmp_path: Path) -> None:
    path = tmp_path / "objects.ckpt"
    objects = np.array([Path("x")], dtype=object)
    torch.save({"state_dict": published_state(), "hyper_parameters": {"a": objects}}, path)
    with pytest.raises(ModelError, match=r"objects\.ckpt"):
        read_published(path)


@given(
    where=st.floats(0, 1, exclude_max=True),
    junk=st.binary(max_size=64),
    how=st.sampled_from(["cut", "overwrite", "only junk"]),
)
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_damage_is_refused_or_harmless(tmp_path: Path, where: float, junk: bytes, how: str) -> None:
    whole = LIGHTNING.read_bytes()
    at = int(where * len(whole))
    damaged = {
        "cut": whole[:at],
        "overwrite": whole[:at] + junk + whole[at + len(junk) :],
        "only junk": junk,
    }[how]
    path = tmp_path / "damaged.ckpt"
    path.write_bytes(damaged)
    if how == "overwrite":
        _refused_or_whole(path)  # a byte of a weight or of unused parts may change unnoticed
    else:
        with pytest.raises(ModelError, match=r"damaged\.ckpt"):
            read_published(path)


def _refused_or_whole(path: Path) -> None:
    try:
        variables = read_published(path).variables
    except ModelError:
        return
    assert variables == 5


def test_files_that_are_no_checkpoints(tmp_path: Path) -> None:
    other = tmp_path / "other.pth"
    torch.save({"layer.weight": torch.zeros(3)}, other)
    with pytest.raises(ModelError, match=r"no published Met2Net.*layer\.weight"):
        read_published(other)
    torch.save([1, 2], other)
    with pytest.raises(ModelError, match="holds a list"):
        read_published(other)
    with pytest.raises(ModelError, match="there is no file"):
        read_published(tmp_path / "absent.ckpt")
    with pytest.raises(ModelError, match="not a readable checkpoint"):
        read_published(tmp_path)


def test_a_checkpoint_that_lacks_a_tensor(tmp_path: Path) -> None:
    state = published_state()
    del state["model.hid_q.layers.1.attn_1.k_Conv.0.weight"]
    path = tmp_path / "incomplete.pth"
    torch.save(state, path)
    with pytest.raises(ModelError, match=r"(?s)incomplete\.pth.*blocks\.1\.attention\.key"):
        read_published(path).network(8, 16)


def test_nonsense_in_a_checkpoint_is_refused_or_left_out(tmp_path: Path) -> None:
    path = tmp_path / "odd.ckpt"

    def written(name: str | None = None, **said: Any) -> Path:
        content = torch.load(LIGHTNING, weights_only=False)
        content["hyper_parameters"].update(said)
        if name:
            content["state_dict"][name] = torch.zeros(0, 1, 3, 3)
        torch.save(content, path)
        return path

    assert read_published(written(in_shape=[12, "five", 8, 16])).shape is None
    assert read_published(written(in_shape=[12, 5.0, 8, float("inf")])).shape is None
    assert read_published(written(test_mean=np.full(5, np.nan))).statistics == ()
    assert read_published(written(test_std=np.full(5, np.inf))).statistics == ()
    with pytest.raises(ModelError, match="no published Met2Net"):
        read_published(written("model.enc_q_list.0.enc.0.conv.conv.weight"))
    # A block by the number of a million is one block more, that does not fit.
    far = read_published(written("model.hid_q.layers.999999.attn_1.k_Conv.0.weight"))
    assert far.n_t == 3
    with pytest.raises(ModelError, match=r"blocks\.999999"):
        far.network(8, 16)


def test_a_checkpoint_that_contradicts_itself(tmp_path: Path) -> None:
    content = torch.load(LIGHTNING, weights_only=False)
    content["hyper_parameters"]["in_shape"] = [12, 4, 8, 16]
    path = tmp_path / "odd.ckpt"
    torch.save(content, path)
    with pytest.raises(ModelError, match="contradicts itself"):
        read_published(path)
