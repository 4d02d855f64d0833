"""The two-stage step: ours against the straightforward one, same machine, same numbers out.

    python bench/train.py [--rounds 5] [--batch 2] [--threads 1] [--device cpu] [--precision fp32]

The straightforward step is written as in the paper, on the network of `bench/straightforward.py`:
it encodes the input twice, keeps copies of encoders and decoders, reports the forecast's loss,
which trains nothing, and takes every gradient as the library does; then Adam steps. Ours leaves
that loss out, save in the row that says so. Losses and gradients of both are compared first. Then
each form runs in a process of its own, as it would in training, in turns; the figure is the median
over rounds of the ratio of CPU times (of wall times on a GPU). On a GPU the fraction of the
measured rate of large matrix products is printed too.
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

sys.path.insert(0, str(Path(__file__).parent))

from straightforward import Straightforward

from met2net_ops.models.device import arithmetic
from met2net_ops.models.met2net.config import NetworkConfig
from met2net_ops.models.met2net.published_names import own_state
from met2net_ops.models.training.memory import keep_memory, training_cost
from met2net_ops.models.training.methods import build_method
from met2net_ops.models.training.settings import RunSettings
from met2net_ops.models.training.two_stage import TwoStage

SIZES = {
    "12x4x32x64, hid_S 16, hid_T 64, 4 blocks": NetworkConfig(
        12, 4, 32, 64, hid_s=16, hid_t=64, n_t=4, drop_path=0.0
    ),
    "12x4x32x64, hid_S 8, hid_T 64, 2 blocks": NetworkConfig(
        12, 4, 32, 64, hid_s=8, hid_t=64, n_t=2, drop_path=0.0
    ),
    "12x5x32x64, hid_S 32, hid_T 256, 8 blocks": NetworkConfig(
        12, 5, 32, 64, hid_s=32, hid_t=256, n_t=8, drop_path=0.0
    ),
}
RUN = RunSettings(method="two-stage", momentum=0.9, momentum_of="translator")
FORMS = {
    "plain": "the straightforward step",
    "ours": "ours",
    "reported": "with forecast's loss",
    "unkept": "without kept memory",
    "contiguous": "without channels-last maps",
}


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
                slow.mul_(RUN.momentum).add_(fast, alpha=1 - RUN.momentum)
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


def straightforward(config: NetworkConfig) -> Straightforward:
    """The plain network of a size, always with the same weights."""
    torch.manual_seed(0)
    return Straightforward(
        config.input_frames, config.variables, config.hid_s, config.hid_t, config.n_t, config.n_s
    )


def batch_of(config: NetworkConfig, batch: int) -> tuple[Tensor, Tensor]:
    """Inputs and targets."""
    torch.manual_seed(1)
    shape = (batch, config.input_frames, config.variables, config.height, config.width)
    return torch.randn(shape), torch.randn(shape)


def compare(config: NetworkConfig, batch: int) -> None:
    """Print losses of both forms, and how far their gradients are apart."""
    plain_network = straightforward(config)
    ours = build_method(RUN, config, None)
    assert isinstance(ours, TwoStage)
    ours.report_prediction = True
    for module in (ours.network, ours.momentum_translator):
        state = own_state(plain_network.state_dict())
        prefix = "translator." if module is ours.momentum_translator else ""
        module.load_state_dict(
            {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
        )
    x, y = batch_of(config, batch)
    theirs = PlainTwoStage(plain_network).backward(x, y)
    mine = ours.backward(x, y)
    pairs = zip(theirs, (mine.reconstruction, mine.latent, mine.prediction), strict=True)
    print("losses, plain and ours: " + ", ".join(f"{a:.7f} {b:.7f}" for a, b in pairs))
    wanted = own_state({k: p.grad for k, p in plain_network.named_parameters()})
    found = dict(ours.network.named_parameters())
    difference = torch.cat([(wanted[k] - p.grad).flatten() for k, p in found.items()])
    size = torch.cat([p.grad.flatten() for p in found.values()]).norm()
    print(f"gradients: relative difference {float(difference.norm() / size):.1e}")


def work(name: str, form: str, arguments: argparse.Namespace) -> None:
    """In a process of its own: time steps whenever a line comes in."""
    torch.set_num_threads(arguments.threads)
    config, device = SIZES[name], torch.device(arguments.device)
    x, y = (part.to(device) for part in batch_of(config, arguments.batch))
    if form == "plain":
        network = straightforward(config).to(device)
        method: Any = PlainTwoStage(network)
        optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
    else:
        if form != "unkept":
            keep_memory()
        method = build_method(RUN, config, None).to(device)
        # The plain step, as published, decodes once more for a loss that trains nothing; a run of
        # ours does not.
        method.report_prediction = form == "reported"
        if form == "contiguous":
            method.to(memory_format=torch.contiguous_format)
        optimiser = torch.optim.AdamW(method.network.parameters(), lr=1e-3, fused=True)

    def step() -> float:
        began = clock(device)
        with arithmetic(arguments.precision if form != "plain" else "fp32", device):
            optimiser.zero_grad(set_to_none=True)
            method.backward(x, y)
            optimiser.step()
        return clock(device) - began

    for _ in range(3):
        step()
    print("ready", flush=True)
    for _ in sys.stdin:
        print(min(step() for _ in range(3)), flush=True)


def clock(device: torch.device) -> float:
    """CPU seconds of this process; on a GPU wall seconds, once it has done all it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        return time.perf_counter()
    return time.process_time()


def measure(name: str, arguments: argparse.Namespace) -> dict[str, list[float]]:
    """Seconds of one step by form, one process each, taking turns."""
    options = [f"--{key}={getattr(arguments, key)}" for key in ("batch", "threads", "device")]
    options.append(f"--precision={arguments.precision}")
    workers = {
        form: subprocess.Popen(
            [sys.executable, __file__, "--work", json.dumps([name, form]), *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for form in FORMS
    }
    times: dict[str, list[float]] = {form: [] for form in FORMS}
    for worker in workers.values():
        assert worker.stdout is not None
        worker.stdout.readline()
    for _ in range(arguments.rounds):
        for form, worker in workers.items():
            assert worker.stdin is not None
            assert worker.stdout is not None
            print("go", file=worker.stdin, flush=True)
            times[form].append(float(worker.stdout.readline()))
    for worker in workers.values():
        worker.communicate()
    return times


def report(config: NetworkConfig, times: dict[str, list[float]], arguments: Any) -> None:
    """Print rates and ratios."""
    for form, seconds in times.items():
        ratio = statistics.median(p / s for p, s in zip(times["plain"], seconds, strict=True))
        rate = arguments.batch / statistics.median(seconds)
        print(f"{FORMS[form]:28s} {rate:8.2f} samples/s   {ratio:.2f} times the plain step")
    operations = training_cost(RUN, config, build_method).step_flops * arguments.batch
    reached = operations / statistics.median(times["ours"])
    best = matrix_rate(torch.device(arguments.device), arguments.precision)
    print(
        f"ours does {reached / 1e9:.0f} GFLOP/s, {100 * reached / best:.0f} % of the "
        f"{best / 1e9:.0f} that large matrix products reach"
    )


def matrix_rate(device: torch.device, precision: Any) -> float:
    """Operations per second of large matrix products."""
    side = 4096 if device.type == "cuda" else 1024
    a = torch.randn(side, side, device=device)
    seconds = []
    with arithmetic(precision, device):
        for _ in range(8):
            began = clock(device)
            a @ a
            seconds.append(clock(device) - began)
    return float(2 * side**3 / min(seconds))


def main() -> None:
    """Parse and run."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="fp32", choices=["fp32", "tf32", "bf16"])
    parser.add_argument("--sizes", type=int, nargs="*", default=[0, 1])
    parser.add_argument("--work", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.work:
        work(*json.loads(arguments.work), arguments)
        return
    for number in arguments.sizes:
        name, config = list(SIZES.items())[number]
        print(f"\n{name}, batch {arguments.batch}, {arguments.device}")
        compare(config, arguments.batch)
        report(config, measure(name, arguments), arguments)


if __name__ == "__main__":
    main()
