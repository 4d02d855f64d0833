"""The stacked baseline: as many parameters, same interface, all variables in one encoder."""

from __future__ import annotations

import pytest
import torch

from met2net_ops.models.met2net.config import NetworkConfig
from met2net_ops.models.met2net.network import Met2Net
from research.stacked import build_stacked, equal_sizes, parameters_of

CONFIGS = [
    NetworkConfig(12, 4, 32, 64, hid_s=8, hid_t=64, n_t=2),
    NetworkConfig(12, 4, 32, 64, hid_s=8, hid_t=64, n_t=2, forcings=2, periodic_longitude=True),
    NetworkConfig(12, 5, 32, 64, hid_s=32, hid_t=256, n_t=8),
    NetworkConfig(6, 1, 33, 49, hid_s=4, hid_t=16, n_t=1, n_s=4),
]
SMALL = NetworkConfig(3, 2, 9, 18, hid_s=4, hid_t=16, n_t=1, drop_path=0.0, forcings=1)


@pytest.mark.parametrize("config", CONFIGS)
def test_it_has_as_many_parameters(config: NetworkConfig) -> None:
    with torch.device("meta"):
        ours, rivals = parameters_of(Met2Net(config)), parameters_of(build_stacked(config))
    assert abs(rivals / ours - 1) < 0.03
    assert equal_sizes(config).hid_s == 2 * config.hid_s


def test_it_maps_windows_to_windows_and_learns_everywhere() -> None:
    torch.manual_seed(0)
    network = build_stacked(SMALL)
    x = torch.randn(2, 3, 3, 9, 18)
    out = network(x)
    assert out.shape == (2, 3, 2, 9, 18)
    out.square().mean().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name


def test_every_variable_sees_every_variable_and_forcing() -> None:
    torch.manual_seed(0)
    network = build_stacked(SMALL).eval()
    x = torch.randn(1, 3, 3, 9, 18, requires_grad=True)
    for variable in range(2):
        (gradient,) = torch.autograd.grad(network(x)[:, :, variable].sum(), x)
        assert (gradient.abs().amax(dim=(0, 1, 3, 4)) > 0).all()


def test_on_a_periodic_grid_turning_the_earth_turns_the_forecast() -> None:
    torch.manual_seed(0)
    config = NetworkConfig(2, 1, 8, 18, hid_s=4, hid_t=16, n_t=1, periodic_longitude=True)
    network = build_stacked(config).double().eval()
    x = torch.randn(1, 2, 1, 8, 18, dtype=torch.float64)
    turned = network(x.roll(4, dims=-1))
    torch.testing.assert_close(turned, network(x).roll(4, dims=-1), rtol=1e-9, atol=1e-9)
