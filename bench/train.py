"""The two-stage step: ours against the straightforward one, same machine, same numbers out.

    python bench/train.py [--pairs 5] [--batch 2] [--threads 1]

The straightforward step is written as in the paper, on the network of `bench/straightforward.py`:
it encodes the input twice, keeps copies of encoders and decoders, and takes every gradient as the
library does. Both run in turns; times are CPU seconds of forward and backward, the ratio is the
median over pairs. Losses and gradients of both are compared first.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import sys
import time
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

sys.path.insert(0, str(Path(__file__).parent))

from straightforward import Straightforward

from met2net_ops.models.met2net.config import NetworkConfig
from met2net_ops.models.met2net.network import Met2Net
from met2net_ops.models.met2net.published_names import own_state
from met2net_ops.models.training.two_stage import TwoStage

SIZES = {
    "12x4x32x64, hid_S 16, hid_T 64, 4 blocks": NetworkConfig(
        12, 4, 32, 64, hid_s=16, hid_t=64, n_t=4, drop_path=0.0
    ),
    "12x4x32x64, hid_S 8, hid_T 64, 2 blocks": NetworkConfig(
        12, 4, 32, 64, hid_s=8, hid_t=64, n_t=2, drop_path=0.0
    ),
}
MOMENTUM = 0.9


class PlainTwoStage:
    """The step as the paper writes it, with exact gradients."""

    def __init__(self, network: Straightforward) -> None:
        self.q, self.k = network, copy.deepcopy(network).requires_grad_(False)

    def backward(self, x: Tensor, y: Tensor) -> tuple[float, float, float]:
        """Reconstruction, latent and prediction loss; gradients are added to `q`."""
        decoded = decode(self.q.dec_q_list, self.k.hid_q(encode(self.q.enc_q_list, x)), x)
        reconstruction = functional.mse_loss(decoded, y)
        self.k.enc_q_list.load_state_dict(self.q.enc_q_list.state_dict())
        self.k.dec_q_list.load_state_dict(self.q.dec_q_list.state_dict())
        translated = self.q.hid_q(encode(self.k.enc_q_list, x))
        latent = functional.mse_loss(translated, encode(self.k.enc_q_list, y))
        with torch.no_grad():
            prediction = functional.mse_loss(decode(self.k.dec_q_list, translated, x), y)
        (reconstruction + latent).backward()
        with torch.no_grad():
            for slow, fast in zip(
                self.k.hid_q.parameters(), self.q.hid_q.parameters(), strict=True
            ):
                slow.mul_(MOMENTUM).add_(fast, alpha=1 - MOMENTUM)
        return reconstruction.item(), latent.item(), prediction.item()


def encode(encoders: nn.ModuleList, x: Tensor) -> Tensor:
    """(B, T, C, H, W) -> (B, C, T hid_s, h, w)."""
    b, t, c, height, width = x.shape
    latents = [encoders[i](x[:, :, i].reshape(b * t, 1, height, width)) for i in range(c)]
    return torch.stack([z.reshape(b, -1, *z.shape[-2:]) for z in latents], dim=1)


def decode(decoders: nn.ModuleList, latent: Tensor, like: Tensor) -> Tensor:
    """(B, C, T hid_s, h, w) -> (B, T, C, H, W)."""
    b, t, c, height, width = like.shape
    fields = [
        decoders[i](latent[:, i].reshape(b * t, -1, *latent.shape[-2:])).reshape(
            b, t, height, width
        )
        for i in range(c)
    ]
    return torch.stack(fields, dim=2)


def compare(config: NetworkConfig, batch: int, pairs: int) -> None:
    """Check that both give the same numbers, then time them in turns."""
    torch.manual_seed(0)
    plain_network = Straightforward(
        config.input_frames, config.variables, config.hid_s, config.hid_t, config.n_t, config.n_s
    )
    network = Met2Net(config)
    network.load_state_dict(own_state(plain_network.state_dict()))
    plain = PlainTwoStage(plain_network)
    ours = TwoStage(network, MOMENTUM, momentum_of="translator", report_prediction=True)
    shape = (batch, config.input_frames, config.variables, config.height, config.width)
    x, y = torch.randn(shape), torch.randn(shape)
    plain_losses = plain.backward(x, y)
    losses = ours.backward(x, y)
    print("losses (plain, ours):")
    for theirs, mine in zip(
        plain_losses, (losses.reconstruction, losses.latent, losses.prediction), strict=True
    ):
        print(f"  {theirs:.7f} {mine:.7f}")
    theirs_by_name = own_state({k: p.grad for k, p in plain_network.named_parameters()})
    difference = torch.cat(
        [(theirs_by_name[k] - p.grad).flatten() for k, p in network.named_parameters()]
    )
    size = torch.cat([p.grad.flatten() for p in network.parameters()]).norm()
    print(f"gradients: relative difference {float(difference.norm() / size):.1e}")
    quiet = TwoStage(network, MOMENTUM, momentum_of="translator")
    times: dict[str, list[float]] = {"plain": [], "ours": [], "ours, prediction not reported": []}
    for _ in range(pairs):
        for name, step in zip(times, (plain, ours, quiet), strict=True):
            started = time.process_time()
            step.backward(x, y)
            times[name].append(time.process_time() - started)
    for name, seconds in times.items():
        ratio = statistics.median(p / s for p, s in zip(times["plain"], seconds, strict=True))
        rate = batch / statistics.median(seconds)
        print(f"{name:32s} {rate:6.2f} samples per CPU second, {ratio:.2f} times the plain step")


def main() -> None:
    """Parse and run."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    for name, config in SIZES.items():
        print(f"\n{name}, batch {arguments.batch}")
        compare(config, arguments.batch, arguments.pairs)


if __name__ == "__main__":
    main()
