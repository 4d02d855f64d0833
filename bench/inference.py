"""Time one forecast of Met2Net: the straightforward form against ours, side by side.

    python bench/inference.py [--threads 2] [--rounds 15] [--all] [--sizes small,large]

Every form runs in a process of its own, as it would in use, with the same random weights; the
processes take turns, one forecast each per round, so that what else the machine does falls on all
of them alike. Printed are the least and the median wall time, the least CPU time, the ratio of the
straightforward form's to each (least, median, least CPU), and the relative L2 error of the output
against the straightforward form's. On a machine with CUDA the same is done there.

--all adds our form with one of its steps left out, the training form, torch.compile and bf16.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from straightforward import Straightforward
from torch import Tensor, nn

from met2net_ops.memory import keep_freed_memory
from met2net_ops.models.device import arithmetic
from met2net_ops.models.met2net.config import NetworkConfig
from met2net_ops.models.met2net.inference import FastMet2Net
from met2net_ops.models.met2net.network import Met2Net
from met2net_ops.models.met2net.published_names import own_state

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

BASE = ("straightforward", "ours")
MORE = ("no packing", "library padding", "memory not kept", "training form", "compiled", "bf16")


@dataclass(frozen=True)
class Size:
    """One network and grid, named as in the published configurations."""

    frames: int
    variables: int
    height: int
    width: int
    hid_s: int
    hid_t: int
    n_t: int
    n_s: int


SIZES = {
    "small": Size(12, 4, 32, 64, 16, 64, 4, 2),
    "large": Size(12, 5, 32, 64, 32, 256, 8, 2),
}


class _Dilated(nn.Module):
    """The dilated depth-wise convolution as it stands, for channels-last maps."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.conv = conv

    def forward(self, x: Tensor) -> Tensor:
        """(n, h, w, c)."""
        out: Tensor = self.conv(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        return out.contiguous()


def build(form: str, size: Size, device: torch.device) -> Callable[[Tensor], Tensor]:
    """A form of the network, the same weights whatever the form."""
    torch.manual_seed(0)
    plain = Straightforward(
        size.frames, size.variables, size.hid_s, size.hid_t, size.n_t, size.n_s
    ).eval()
    if form == "straightforward":
        return plain.to(device)
    config = NetworkConfig(
        size.frames, size.variables, size.height, size.width,
        hid_s=size.hid_s, hid_t=size.hid_t, n_t=size.n_t, n_s=size.n_s,
    )  # fmt: skip
    network = Met2Net(config)
    network.load_state_dict(own_state(plain.state_dict()))
    network.eval().to(device)
    if device.type == "cpu" and form != "memory not kept":
        keep_freed_memory()
    if form == "training form":
        return network
    fast = FastMet2Net(network, pack=form not in ("no packing", "compiled", "bf16"))
    if form == "library padding":
        for block, origin in zip(fast.blocks, network.translator.blocks, strict=True):
            block.far = _Dilated(origin.tau.spatial.far)  # type: ignore[union-attr,arg-type]
    if form == "compiled":
        mode = "default" if device.type == "cpu" else "reduce-overhead"
        compiled: Callable[[Tensor], Tensor] = torch.compile(fast, mode=mode)
        return compiled
    return fast


def serve(form: str, size: Size, device_name: str, threads: int, pipe: Connection) -> None:
    """In the child: build, warm up, send the output, then time one forecast per request."""
    torch.set_num_threads(threads)
    device = torch.device(device_name)
    precision = "bf16" if form == "bf16" else "fp32"
    network = build(form, size, device)
    shape = (1, size.frames, size.variables, size.height, size.width)
    x = torch.randn(shape, generator=torch.Generator().manual_seed(1)).to(device)
    with torch.inference_mode(), arithmetic(precision, device):  # type: ignore[arg-type]
        for _ in range(3):
            output = network(x)
        pipe.send(output.float().cpu().numpy())
        while pipe.recv():
            wall, cpu = time.perf_counter(), time.process_time()
            network(x)
            if device.type == "cuda":
                torch.cuda.synchronize()
            pipe.send((time.perf_counter() - wall, time.process_time() - cpu))


def measure(
    forms: tuple[str, ...], size: Size, device: str, threads: int, rounds: int
) -> dict[str, tuple[Any, list[tuple[float, float]]]]:
    """Output and (wall, CPU) seconds of every round, per form."""
    context = multiprocessing.get_context("spawn")
    pipes: dict[str, Connection] = {}
    for form in forms:
        pipes[form], theirs = context.Pipe()
        arguments = (form, size, device, threads, theirs)
        context.Process(target=serve, args=arguments, daemon=True).start()
    results: dict[str, tuple[Any, list[tuple[float, float]]]] = {
        form: (pipe.recv(), []) for form, pipe in pipes.items()
    }
    for _ in range(rounds):
        for form, pipe in pipes.items():
            pipe.send(True)
            results[form][1].append(pipe.recv())
    for pipe in pipes.values():
        pipe.send(False)
    return results


def report(results: dict[str, tuple[Any, list[tuple[float, float]]]]) -> None:
    """One line per form."""
    expected, base = results["straightforward"]
    print(f"{'form':17}{'least':>9}{'median':>9}{'CPU':>9}   ratio (least, median, CPU)   error")
    for form, (output, rounds) in results.items():
        numbers, peer = (_summary(values) for values in (rounds, base))
        ratios = [b / a for a, b in zip(numbers, peer, strict=True)]
        difference = torch.from_numpy(output - expected).norm().item()
        error = difference / torch.from_numpy(expected).norm().item()
        times = "".join(f"{1e3 * number:7.1f}ms" for number in numbers)
        print(
            f"{form:17}{times}   {ratios[0]:7.2f} {ratios[1]:7.2f} {ratios[2]:7.2f}   {error:10.1e}"
        )


def _summary(rounds: list[tuple[float, float]]) -> tuple[float, float, float]:
    walls, cpus = zip(*rounds, strict=True)
    return min(walls), statistics.median(walls), min(cpus)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--sizes", default=",".join(SIZES))
    parser.add_argument("--all", action="store_true", help="more forms")
    chosen = parser.parse_args()
    forms = BASE + (MORE if chosen.all else ())
    for device in ["cpu"] + (["cuda"] if torch.cuda.is_available() else []):
        for name in chosen.sizes.split(","):
            size = SIZES[name]
            print(
                f"\n{name}: {size.frames}x{size.variables}x{size.height}x{size.width}, "
                f"hid_S {size.hid_s}, hid_T {size.hid_t}, {size.n_t} blocks; batch 1, fp32, "
                f"{device}{f', {chosen.threads} threads' if device == 'cpu' else ''}"
            )
            report(measure(forms, size, device, chosen.threads, chosen.rounds))


if __name__ == "__main__":
    main()
