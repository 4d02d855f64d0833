"""What a run takes, told beforehand, and what happens when it takes too much."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from met2net_ops.models.met2net.config import NetworkConfig
from met2net_ops.models.training.frames import FlatFrames
from met2net_ops.models.training.memory import (
    Cost,
    OutOfMemoryError,
    check_memory,
    is_out_of_memory,
    training_cost,
)
from met2net_ops.models.training.methods import build_method
from met2net_ops.models.training.settings import RunSettings

from .test_loop import TOML


def test_forecasts_cost_what_was_counted_for_the_published_sizes() -> None:
    # 2.28, 47.7 and 78.0 GFLOP: counted apart from this code, 2 per multiply-add.
    for config, gigaflops in (
        (NetworkConfig(12, 4, 32, 64, hid_s=16, hid_t=64, n_t=4), 2.28),
        (NetworkConfig(12, 5, 32, 64), 47.7),
        (NetworkConfig(10, 3, 64, 64, hid_s=64, hid_t=512, n_t=8, n_s=4), 78.0),
    ):
        run = RunSettings(method="end-to-end")
        cost = training_cost(run, config, build_method)
        assert cost.forecast_flops / 1e9 == pytest.approx(gigaflops, rel=0.003)
        assert cost.step_flops == 3 * cost.forecast_flops


def test_two_stages_cost_more_than_one_and_a_batch_is_shared() -> None:
    config = NetworkConfig(12, 4, 32, 64, hid_s=8, hid_t=32, n_t=2)
    plain, code, paper = (
        training_cost(RunSettings(batch=8, **method), config, build_method)  # type: ignore[arg-type]
        for method in (
            {"method": "end-to-end"},
            {"momentum_of": "translator"},
            {"momentum_of": "everything"},
        )
    )
    assert plain.step_flops < code.step_flops < paper.step_flops < 2 * plain.step_flops
    assert plain.window_bytes < code.window_bytes
    assert code.fixed_bytes < paper.fixed_bytes
    halves = training_cost(RunSettings(method="end-to-end", batch=8), config, build_method, 2)
    assert halves.batch == 4
    assert halves.peak_bytes < plain.peak_bytes
    rolled = RunSettings(method="end-to-end", batch=1, rollout_steps=1, rollout_batch=8)
    longer = training_cost(rolled, config, build_method)
    assert longer.peak_bytes > plain.peak_bytes


MEASURE = """
import sys, torch
from met2net_ops.models.met2net.config import NetworkConfig
from met2net_ops.models.training.methods import build_method
from met2net_ops.models.training.settings import RunSettings
torch.set_num_threads(1)
run, config = RunSettings(), NetworkConfig(12, 4, 32, 64, hid_s=16, hid_t=64, n_t=2)
method = build_method(run, config, None)
def peak():
    # Not ru_maxrss, which a process takes over from the one that started it.
    status = open("/proc/self/status").read()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024
method.backward(*torch.zeros(2, 1, 12, 4, 32, 64))
one = peak()
method.backward(*torch.zeros(2, 5, 12, 4, 32, 64))
print((peak() - one) / 4)
"""


def test_the_memory_of_a_window_is_what_a_step_really_takes() -> None:
    done = subprocess.run(
        [sys.executable, "-c", MEASURE], capture_output=True, text=True, check=True
    )
    config = NetworkConfig(12, 4, 32, 64, hid_s=16, hid_t=64, n_t=2)
    told = training_cost(RunSettings(), config, build_method).window_bytes
    assert told == pytest.approx(float(done.stdout), rel=0.25)


def test_a_step_that_cannot_fit_is_refused_with_a_batch_that_does() -> None:
    terabyte = 10**12
    cost = Cost(1, 1, 1, fixed_bytes=10**6, window_bytes=terabyte // 1000, rollout_window_bytes=0,
                batch=10**6, rollout_batch=0)  # fmt: skip
    with pytest.raises(OutOfMemoryError, match=r"about 1000000.0 GB, .* --set run.batch=\d+"):
        check_memory(cost, torch.device("cpu"))
    hopeless = Cost(1, 1, 1, 10**6, terabyte * 1000, 0, 1, 0)
    with pytest.raises(OutOfMemoryError, match="Not even a batch of 1 window would fit"):
        check_memory(hopeless, torch.device("cpu"))
    rollout = Cost(1, 1, 1, 10**6, 1, 10**9, 1, 10**6)
    with pytest.raises(OutOfMemoryError, match=r"--set run.rollout_batch=\d+"):
        check_memory(rollout, torch.device("cpu"))
    assert cost.batch_that_fits(10**6 + 7 * cost.window_bytes) == 7
    check_memory(Cost(1, 1, 1, 1, 1, 1, 1, 1), torch.device("cpu"))


def test_running_out_is_told_apart_from_other_faults() -> None:
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"))
    assert is_out_of_memory(MemoryError())
    assert not is_out_of_memory(RuntimeError("shape mismatch"))


# The address space is limited to little more than what is mapped after one step of two windows;
# the kernel then refuses what a step of all 200 asks for.
STARVED = """
import resource, sys
from dataclasses import replace
from pathlib import Path
import torch
from met2net_ops.models.training.frames import open_flat
from met2net_ops.models.training.loop import Run
from met2net_ops.models.training.preparation import prepare
from met2net_ops.models.training.settings_file import load_settings
torch.set_num_threads(1)
config, frames, out = map(Path, sys.argv[1:])
settings = load_settings(config, ["run.batch=200", "run.steps=2"])
data = prepare(settings, open_flat(frames), {})
run = Run(settings, data, out)
small = replace(settings.run, batch=2)
warm = Run(replace(settings, run=small), data, out / "warm")
warm.train()
mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (mapped + 60_000_000, resource.RLIM_INFINITY))
try:
    run.train()
except Exception as error:
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    print(type(error).__name__, error)
"""


def test_a_step_that_runs_out_of_memory_says_which_batch_fits(
    toy: Callable[..., FlatFrames], tmp_path: Path
) -> None:
    config = tmp_path / "toy.toml"
    config.write_text(TOML)
    program = [sys.executable, "-c", STARVED, str(config), str(toy().folder), str(tmp_path / "o")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(program, capture_output=True, text=True, env=environment)
    assert done.stdout.startswith("OutOfMemoryError step 1: "), (done.stdout, done.stderr)
    assert "would fit: --set run.batch=" in done.stdout
    assert 1 <= int(done.stdout.split("run.batch=")[1].split(".")[0]) <= 100
