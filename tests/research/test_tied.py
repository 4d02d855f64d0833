"""The two-stage step that restores its targets: one more term, and nothing else."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from met2net_ops.models.met2net.config import NetworkConfig
from met2net_ops.models.met2net.network import Met2Net
from met2net_ops.models.training.two_stage import TwoStage
from research.tied import TiedTwoStage

CONFIG = NetworkConfig(3, 2, 8, 18, hid_s=2, hid_t=8, n_t=1, drop_path=0.0)


def test_the_third_term_is_the_error_of_restored_targets() -> None:
    torch.manual_seed(0)
    network = Met2Net(CONFIG)
    x, y = torch.randn(2, 2, 3, 2, 8, 18).unbind(0)
    plain = TwoStage(network).backward(x, y)
    gradients = {n: p.grad.clone() for n, p in network.named_parameters() if p.grad is not None}
    network.zero_grad()
    tied = TiedTwoStage(network).backward(x, y)
    with torch.no_grad():
        restored = functional.mse_loss(network.decode(network.encode(y)), y).item()
    assert tied.total == pytest.approx(plain.total + restored, rel=1e-5)
    assert (tied.reconstruction, tied.latent) == pytest.approx(
        (plain.reconstruction, plain.latent), rel=1e-5
    )
    changed = set()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        if not torch.allclose(parameter.grad, gradients[name], rtol=1e-4, atol=1e-7):
            changed.add(name.split(".")[0])
    assert changed == {"encoders", "decoders"}  # the translator learns what it learnt before
