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


CASES = Path(__file__).resolve().parents[3] / "shared" / "corpus" / "cases" / "checkpoints"


def forecasts_as_published(path: Path) -> bool:
    x = torch.randn(1, 12, 5, 8, 16, generator=torch.Generator().manual_seed(0))
    full = read_published(LIGHTNING).network(8, 16)(x)
    return torch.equal(read_published(path).network(8, 16)(x), full)


def bare_state() -> dict[str, torch.Tensor]:
    return {name.removeprefix("model."): value for name, value in published_state().items()}


@given(
    prefixes=st.lists(
        st.sampled_from(["module", "_orig_mod", "model", "network", "net", "student"]), max_size=4
    ),
    inside=st.sampled_from(["", "module", "_orig_mod"]),
    keys=st.lists(
        st.sampled_from(["state_dict", "model_state_dict", "model", "ema", "weights", 7]),
        max_size=3,
    ),
)
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_wrappers_and_dictionaries_are_removed_wherever_they_are(
    tmp_path: Path, prefixes: list[str], inside: str, keys: list[str | int]
) -> None:
    def wrapped(name: str) -> str:
        part, _, rest = name.partition(".")
        middle = [inside] if inside and part.startswith("hid") else []
        return ".".join([*prefixes, part, *middle, rest])

    content: Any = {wrapped(name): value for name, value in bare_state().items()}
    for key in keys:
        content = {key: content, "epoch": 3, "optimizer": {"state": {0: {"m": torch.ones(2)}}}}
    path = tmp_path / "wrapped.pth"
    torch.save(content, path)
    assert forecasts_as_published(path)


@pytest.mark.parametrize(
    ("trained", "averaged"),
    [
        ({"state_dict": ""}, {"state_dict_ema": ""}),
        ({"model": ""}, {"ema": "module."}),
        ({"params": ""}, {"params_ema": ""}),
        ({"state_dict": "model."}, {"state_dict": "ema_model.module."}),
    ],
)
def test_trained_weights_are_taken_and_the_averaged_ones_named(
    tmp_path: Path, trained: dict[str, str], averaged: dict[str, str]
) -> None:
    content: dict[str, dict[str, torch.Tensor]] = {}
    for places, factor in ((averaged, 0.5), (trained, 1.0)):  # the averaged ones come first
        for key, prefix in places.items():
            named = {f"{prefix}{n}": value * factor for n, value in bare_state().items()}
            content.setdefault(key, {}).update(named)
    path = tmp_path / "both.ckpt"
    torch.save(content, path)
    assert forecasts_as_published(path)
    facts = read_published(path).facts
    assert facts["weights_from"] == next(iter(trained))
    assert next(iter(averaged)) in str(facts["weights_not_used"])


def test_what_is_there_instead_of_the_network_is_named(tmp_path: Path) -> None:
    path = tmp_path / "other.ckpt"
    inside = {f"layer{number}": torch.zeros(2) for number in range(5)}
    content = {"generator": inside, "epoch": 3, "\x1b[31mred[/]": 1}
    torch.save(content, path)
    with pytest.raises(ModelError) as refused:
        read_published(path)
    message = str(refused.value)
    assert "generator (layer0, layer1, layer2, …), epoch, \\x1b[31mred[/]" in message
    assert "\x1b" not in message
    torch.save({}, path)
    with pytest.raises(ModelError, match="no key at all"):
        read_published(path)
    content = {}
    content["self"] = content
    torch.save(content, path)
    with pytest.raises(ModelError, match="It has self"):
        read_published(path)


@pytest.mark.parametrize("suffix", [".ckpt", ".pt", ".bin", ".safetensors", ""])
def test_the_format_is_known_by_the_content(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"weights{suffix}"
    save_file({name: value.contiguous() for name, value in bare_state().items()}, path)
    assert forecasts_as_published(path)
    torch.save(bare_state(), path)
    assert forecasts_as_published(path)


def test_two_networks_of_one_name_are_not_guessed_between(tmp_path: Path) -> None:
    path = tmp_path / "two.ckpt"
    state = bare_state()
    torch.save({**state, **{f"module.{name}": value + 1 for name, value in state.items()}}, path)
    with pytest.raises(ModelError, match="two different tensors for enc_q_list"):
        read_published(path)
    torch.save({**state, **{f"module.{name}": value for name, value in state.items()}}, path)
    assert forecasts_as_published(path)


@pytest.mark.parametrize("suffix", [".ckpt", ".safetensors"])
@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"<!DOCTYPE html>\n<html><body>Sign in", "an HTML page"),
        (b"\xef\xbb\xbf\n  <html lang=en>", "an HTML page"),
        ("<!doctype html><html>".encode("utf-16"), "an HTML page"),
        (b'<?xml version="1.0"?><!DOCTYPE html PUBLIC>', "an HTML page"),
        (b'<?xml version="1.0"?><Error><Code>NoSuchKey', "XML"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "a Git LFS pointer"),
        (b'{"error": "not found"}', "JSON text"),
        (b"\x1f\x8b\x08\x00", "compressed with gzip"),
        (b"", "empty"),
    ],
)
def test_what_is_downloaded_in_a_checkpoint_s_place_is_named(
    tmp_path: Path, suffix: str, content: bytes, kind: str
) -> None:
    path = tmp_path / f"weights{suffix}"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=rf"weights{suffix} is {kind}, not a checkpoint; download"):
        read_published(path)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_not_finite_are_refused(tmp_path: Path, value: float) -> None:
    state = bare_state()
    state["hid_q.conv1.bias"][3] = value
    path = tmp_path / "diverged.ckpt"
    torch.save({"state_dict": state}, path)
    with pytest.raises(ModelError, match=r"hid_q\.conv1\.bias holds values that are not finite"):
        read_published(path)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_are_read(tmp_path: Path, kind: torch.dtype) -> None:
    path = tmp_path / "half.pth"
    torch.save({name: value.to(kind) for name, value in bare_state().items()}, path)
    network = read_published(path).network(8, 16)
    assert next(network.parameters()).dtype is torch.float32


@pytest.mark.skipif(not CASES.is_dir(), reason="the collected checkpoints are not here")
def test_collected_checkpoints_are_read_or_refused_with_the_reason() -> None:
    refused = {"html.ckpt": "an HTML page", "nan_weights.ckpt": "not finite"}
    for path in sorted(CASES.glob("*.ckpt")):
        if path.name in refused:
            with pytest.raises(ModelError, match=refused[path.name]):
                read_published(path)
        else:
            assert read_published(path).variables == 5, path.name
