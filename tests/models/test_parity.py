"""Outputs against golden numbers of the published implementation."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from met2net_ops.models.checkpoint import read_published
from met2net_ops.models.met2net.config import NetworkConfig
from met2net_ops.models.met2net.inference import FastMet2Net
from met2net_ops.models.met2net.layers import DropPath
from met2net_ops.models.met2net.network import Met2Net

EMBEDDED = Path(__file__).resolve().parents[1] / "data" / "parity"
FP32, FP64 = 3e-6, 1e-10


def golden(folder: Path, name: str) -> tuple[Met2Net, dict[str, Tensor]]:
    checkpoint = read_published(folder / f"{name}.ckpt")
    assert checkpoint.shape is not None
    return checkpoint.network(*checkpoint.shape), load_file(folder / f"{name}.safetensors")


def relative_error(found: Tensor, expected: Tensor) -> float:
    return float((found.double() - expected.double()).norm() / expected.double().norm())


def tolerance(computed: torch.dtype, reference: torch.dtype) -> float:
    return FP64 if computed == reference == torch.float64 else FP32


@pytest.fixture(params=["real_lightning", "small_d", "tiny_era5"])
def case(request: pytest.FixtureRequest) -> tuple[Met2Net, dict[str, Tensor]]:
    if request.param == "real_lightning":  # small enough to travel with the code
        return golden(EMBEDDED, request.param)
    return golden(request.getfixturevalue("parity"), request.param)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("form", ["reference", "fast"])
def test_inference(case: tuple[Met2Net, dict[str, Tensor]], dtype: torch.dtype, form: str) -> None:
    network, arrays = case
    network.to(dtype)
    runnable: nn.Module = network if form == "reference" else FastMet2Net(network)
    with torch.inference_mode():
        found = runnable(arrays["x"].to(dtype))
    expected = arrays["sample_eval"]
    assert found.dtype == dtype
    assert relative_error(found, expected) <= tolerance(dtype, expected.dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("name", "array"),
    [("small_d", "train_pre_y"), ("tiny_era5", "train_pre_y"), ("tiny_era5", "sample_train_bn")],
)
def test_with_batch_statistics(parity: Path, name: str, array: str, dtype: torch.dtype) -> None:
    network, arrays = golden(parity, name)
    network.to(dtype).train()
    for module in network.modules():
        if isinstance(module, DropPath):
            module.p = 0.0
    found = network(arrays["x"].to(dtype))
    assert relative_error(found, arrays[array]) <= tolerance(dtype, arrays[array].dtype)


def test_the_plain_form_in_bench_is_the_published_one_too(straightforward: ModuleType) -> None:
    checkpoint = torch.load(EMBEDDED / "real_lightning.ckpt", weights_only=False)
    model = straightforward.Straightforward(12, 5, 4, 16, 2, 2).eval()
    straightforward.load_published(model, checkpoint["state_dict"])
    arrays = load_file(EMBEDDED / "real_lightning.safetensors")
    with torch.inference_mode():
        assert relative_error(model(arrays["x"]), arrays["sample_eval"]) <= FP32


@pytest.mark.parametrize(
    ("config", "published"),
    [
        (NetworkConfig(12, 4, 128, 128, hid_s=32, hid_t=256, n_t=8, n_s=4), 8_902_276),
        (NetworkConfig(12, 5, 32, 64, hid_s=32, hid_t=256, n_t=8, n_s=2), 8_698_405),
        (NetworkConfig(12, 4, 32, 64, hid_s=16, hid_t=64, n_t=4, n_s=2), 372_036),
    ],
)
def test_number_of_parameters(config: NetworkConfig, published: int) -> None:
    never_used = config.n_t * 2 * config.hid_t * 16  # the published `fc`, 16 channels narrow
    own = sum(parameter.numel() for parameter in Met2Net(config).parameters())
    assert own + never_used == published
