"""Initial weights against the distributions of the published code."""

from __future__ import annotations

import math

import pytest
import torch
from scipy import stats
from torch import nn

from met2net_ops.models.met2net.config import NetworkConfig
from met2net_ops.models.met2net.layers import ConvBlock, Tau
from met2net_ops.models.met2net.network import Met2Net
from met2net_ops.models.training.methods import build_method
from met2net_ops.models.training.settings import RunSettings

CONFIG = NetworkConfig(4, 2, 16, 32, hid_s=16, hid_t=64, n_t=3, n_s=4, forcings=1)


def built(**run: str) -> Met2Net:
    torch.manual_seed(5)
    return build_method(RunSettings(**run), CONFIG, None).network  # type: ignore[arg-type]


def assert_normal(weight: torch.Tensor, deviation: float) -> None:
    values = weight.detach().double().flatten().numpy()
    assert stats.kstest(values, "norm", (0.0, deviation)).pvalue > 1e-3


def test_encoders_and_decoders_start_from_a_normal_of_0p02_without_bias() -> None:
    network = built()
    blocks = [part for part in network.modules() if isinstance(part, ConvBlock)]
    assert len(blocks) == (3 + 2) * 4
    for block in blocks:
        assert_normal(block.conv.weight, 0.02)
        assert block.conv.bias is not None
        assert not block.conv.bias.any()


@pytest.mark.parametrize(
    ("name", "fan_out"),
    [
        ("spatial.project_in", 64),
        ("spatial.near", 5 * 5),
        ("spatial.far", 7 * 7),
        ("spatial.mix", 64),
        ("spatial.project_out", 64),
        ("channel.widen", 4 * 64),
        ("channel.depthwise", 3 * 3),
        ("channel.narrow", 64),
    ],
)
def test_tau_starts_from_normals_by_their_outputs_without_bias(name: str, fan_out: int) -> None:
    (tau, *_) = (part for part in built().modules() if isinstance(part, Tau))
    convolution = tau.get_submodule(name)
    assert isinstance(convolution, nn.Conv2d)
    assert convolution.bias is not None
    assert_normal(convolution.weight, math.sqrt(2 / fan_out))
    assert not convolution.bias.any()


def test_every_convolution_of_tau_is_among_those() -> None:
    (tau, *_) = (part for part in built().modules() if isinstance(part, Tau))
    assert sum(isinstance(part, nn.Conv2d) for part in tau.modules()) == 8


def test_translator_blocks_start_alike_and_learn_apart() -> None:
    network = built()
    first, *others = network.translator.blocks
    for other in others:
        for name, value in first.state_dict().items():
            assert torch.equal(value, other.state_dict()[name]), name
        for one, another in zip(first.parameters(), other.parameters(), strict=True):
            assert one.data_ptr() != another.data_ptr()
    attention = first.attention
    assert not torch.equal(attention.query.conv.weight, attention.key.conv.weight)
    drawn = {encoder.blocks[1].conv.weight[0, 0, 0, 0].item() for encoder in network.encoders}
    assert len(drawn) == 3


def test_the_rest_keeps_torch_s_defaults() -> None:
    network = built()
    translator = network.translator
    for layer in (translator.project_in, translator.blocks[0].attention.key.conv):
        edge = 1 / math.sqrt(layer.in_channels)  # torch draws 1 x 1 convolutions uniformly
        values = layer.weight.detach().double().flatten().numpy()
        assert stats.kstest(values, "uniform", (-edge, 2 * edge)).pvalue > 1e-3


def test_torch_s_initial_weights_are_there_by_name() -> None:
    torch.manual_seed(5)
    plain = Met2Net(CONFIG).state_dict()
    found = built(init="torch").state_dict()
    assert all(torch.equal(value, found[name]) for name, value in plain.items())
    assert not torch.equal(
        built().encoders[0].blocks[0].conv.weight, plain["encoders.0.blocks.0.conv.weight"]
    )
