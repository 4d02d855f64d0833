"""The loop: it learns, resumes exactly, stops on what is not a number, and leaves a model."""

from __future__ import annotations

import csv
import math
import os
import socket
import subprocess
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from toy_world import DATA

from met2net_ops.errors import ModelError, SettingsError
from met2net_ops.models.folder import read_folder
from met2net_ops.models.training.logs import RunLog
from met2net_ops.models.training.loop import Run, TrainingDivergedError
from met2net_ops.models.training.preparation import prepare
from met2net_ops.models.training.schedule import learning_rate
from met2net_ops.models.training.settings import RunSettings, TrainingSettings
from met2net_ops.models.training.settings_file import (
    load_preset,
    load_settings,
    parse_settings,
    preset_names,
)
from met2net_ops.models.training.train import train_model
from met2net_ops.models.training.two_stage import Losses
from met2net_ops.models.training.windows import batch_order
from met2net_ops.models.training.workers import Workers
from met2net_ops.models.weights import read_weights

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from met2net_ops.models.training.frames import FlatFrames

TOML = f"""
name = "toy"
description = "Waves that move east."

{DATA}
[network]
frames = 6
hid_s = 4
hid_t = 16
n_t = 2
forcings = ["cos_zenith"]
periodic_longitude = true
predict = "increment"

[run]
method = "end-to-end"
latitude_weighted = true
steps = 60
batch = 8
learning_rate = 5e-3
warmup_steps = 5
ema_decay = 0.9
clip_norm = 1.0
validate_steps = 30
validation_windows = 8
validation_leads = 12
test_windows = 12
"""


def settings_with(**run: Any) -> TrainingSettings:
    settings = parse_settings(TOML, "test")
    return replace(settings, run=replace(settings.run, **run))


def rows(path: Path, without: str = "seconds") -> list[dict[str, str]]:
    with path.open(newline="") as file:
        found = list(csv.DictReader(file))
    for row in found:
        row.pop(without, None)
    return found


def test_a_trained_folder_beats_persistence_and_forecasts_as_it_was_scored(
    toy: Callable[..., FlatFrames], tmp_path: Path
) -> None:
    series = toy()
    settings = settings_with(
        steps=50, rollout_steps=5, rollout_learning_rate=1e-3, validate_steps=55
    )
    data = prepare(settings, series, {})
    trained = train_model(settings, data, {}, tmp_path / "out", command="train it")
    assert trained is not None
    folder, scores = trained.folder, trained.scores
    assert folder is not None
    assert (scores.ratio()[2:] < 0.6).all()
    assert read_folder(tmp_path / "out" / "toy") == folder
    card = (folder.path / "CARD.md").read_text()
    assert "n = 12 forecasts" in card
    assert "train it" in card
    # The folder, read as operations read it, gives the very forecast that the loop scores.
    run = Run(settings, data, tmp_path / "other")
    run.average.network.load_state_dict(read_weights(folder).network)
    from met2net_ops.models.forecaster import Met2NetForecaster

    start = int(scores.starts[3])
    window = data.samples.frames.read(start, 6)[None]
    blocks = Met2NetForecaster(folder, device="cpu").rollout(window, [series.time(start + 5)], 12)
    ours = run.forecast(scores.starts[3:4], 12)
    theirs = np.concatenate([block.values for block in blocks], axis=1)
    spread = data.statistics.std[:, None, None]
    assert float((np.abs(ours - theirs) / spread).max()) < 1e-4


@pytest.mark.parametrize("method", ["end-to-end", "two-stage"])
def test_a_run_that_resumes_equals_one_that_never_stopped(
    toy: Callable[..., FlatFrames], tmp_path: Path, method: str
) -> None:
    settings = settings_with(
        method=method, steps=8, rollout_steps=4, validate_steps=4, rollout_blocks=2
    )
    data = prepare(settings, toy(), {})
    whole = Run(settings, data, tmp_path / "whole")
    whole.train()
    interrupted = Run(settings, data, tmp_path / "parts")
    with pytest.raises(KeyboardInterrupt):
        interrupted.train(track=stop_after(interrupted, 5))
    torch.manual_seed(99)  # another process would be elsewhere in the random numbers
    resumed = Run(settings, data, tmp_path / "parts")
    assert resumed.step == 5
    resumed.train()
    for ours, theirs in (
        (resumed.method.state_dict(), whole.method.state_dict()),
        (resumed.average.network.state_dict(), whole.average.network.state_dict()),
    ):
        assert all(torch.equal(ours[key], theirs[key]) for key in theirs)
    for name in ("losses.csv", "validation.csv"):
        assert rows(tmp_path / "parts" / name) == rows(tmp_path / "whole" / name)


def stop_after(run: Run, steps: int) -> Any:
    def track(items: Any, description: str, total: int | None = None) -> Any:
        for number, item in enumerate(items):
            if number == steps:
                run.save()
                raise KeyboardInterrupt
            yield item

    return track


@pytest.mark.timeout(400)
def test_killed_on_the_command_line_and_run_again(
    toy: Callable[..., FlatFrames], tmp_path: Path
) -> None:
    series = toy()
    config = tmp_path / "toy.toml"
    text = TOML.replace("steps = 60", "steps = 16\ncheckpoint_minutes = 0")
    config.write_text(text.replace("test_windows = 12", "test_windows = 2"))
    arguments = ["train", "--config", str(config), "--frames", str(series.folder), "--quiet"]
    program = [sys.executable, "-m", "met2net_ops.cli.main", *arguments]
    program += ["--out", str(tmp_path / "killed")]
    losses = tmp_path / "killed" / "run" / "losses.csv"
    killed = subprocess.Popen(program)
    while not losses.exists() or len(losses.read_bytes().splitlines()) < 6:
        assert killed.poll() is None
        time.sleep(0.01)
    killed.kill()
    assert killed.wait() != 0
    assert subprocess.run(program, check=False).returncode == 0
    settings = load_settings(config)
    whole = Run(settings, prepare(settings, series, {}), tmp_path / "whole")
    whole.train()
    found = read_weights(read_folder(tmp_path / "killed" / "toy")).network
    assert all(torch.equal(found[k], v) for k, v in whole.average.network.state_dict().items())
    assert rows(losses) == rows(tmp_path / "whole" / "losses.csv")


@pytest.mark.timeout(400)
def test_two_processes_give_the_gradient_of_one(
    toy: Callable[..., FlatFrames], tmp_path: Path
) -> None:
    series = toy()
    config = tmp_path / "toy.toml"
    config.write_text(TOML)
    program = tmp_path / "gradients.py"
    program.write_text(GRADIENTS)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    where = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2"}
    command = [sys.executable, str(program), str(config), str(series.folder), str(tmp_path)]
    processes = [
        subprocess.Popen(command, env={**os.environ, **where, "RANK": rank}) for rank in "01"
    ]
    settings = load_settings(config)
    alone = Run(settings, prepare(settings, series, {}), tmp_path / "alone")
    alone.method.eval()
    starts = alone.data.train[batch_order(len(alone.data.train), 8, 0, 0)]
    batch = alone.data.samples.batch(starts)
    target = alone.data.samples.output_for(batch)
    alone.method.backward(alone.data.samples.inputs(batch.frames, batch.forcings), target)
    assert [process.wait() for process in processes] == [0, 0]
    shared = torch.load(tmp_path / "shared.pt", weights_only=True)
    for name, parameter in alone.network.named_parameters():
        assert parameter.grad is not None
        size = float(parameter.grad.abs().max())
        assert float((parameter.grad - shared[name]).abs().max()) <= 1e-5 * size + 1e-7, name


GRADIENTS = """
import sys
from pathlib import Path
import torch
from met2net_ops.models.training.frames import open_flat
from met2net_ops.models.training.loop import Run
from met2net_ops.models.training.preparation import prepare
from met2net_ops.models.training.settings_file import load_settings
from met2net_ops.models.training.windows import batch_order
from met2net_ops.models.training.workers import join_workers

config, folder, out = map(Path, sys.argv[1:])
settings, workers = load_settings(config), join_workers()
run = Run(settings, prepare(settings, open_flat(folder), {}), out / f"run{workers.rank}", workers)
run.method.eval()  # BatchNorm would see only its own share of the batch
samples = run.data.samples
starts = run.data.train[batch_order(len(run.data.train), 8, 0, 0)]
batch = samples.batch(workers.share(starts))
target = samples.output_for(batch)
losses = run.method.backward(samples.inputs(batch.frames, batch.forcings), target)
workers.average(run.method, losses)
if workers.is_first:
    torch.save({n: p.grad for n, p in run.network.named_parameters()}, out / "shared.pt")
"""


def test_what_is_not_a_number_stops_the_run_and_names_the_batch(
    toy: Callable[..., FlatFrames], tmp_path: Path
) -> None:
    settings = settings_with(steps=4, batch=2)
    data = prepare(settings, toy(), {})
    run = Run(settings, data, tmp_path)
    with torch.no_grad():
        run.network.decoders[0].readout.bias.fill_(torch.inf)
    with pytest.raises(TrainingDivergedError, match=r"step 1: .*windows begin at 2020-01-\d\dT"):
        run.train()
    assert not run.checkpoint_file.exists()


def test_a_checkpoint_of_another_run_is_refused(
    toy: Callable[..., FlatFrames], tmp_path: Path
) -> None:
    settings = settings_with(steps=1)
    data = prepare(settings, toy(), {})
    run = Run(settings, data, tmp_path)
    run.save()
    with pytest.raises(ModelError, match="belongs to a run with other settings"):
        Run(settings_with(steps=2), data, tmp_path)
    run.checkpoint_file.write_bytes(run.checkpoint_file.read_bytes()[:1000])
    with pytest.raises(ModelError, match="cannot read the checkpoint"):
        Run(settings, data, tmp_path)


def test_a_checkpoint_does_not_go_on_with_other_data(
    toy: Callable[..., FlatFrames], tmp_path: Path
) -> None:
    """Its weights hold for its own mean and spread: a feed that was corrected has others."""
    settings = settings_with(steps=1)
    Run(settings, prepare(settings, toy(), {}), tmp_path / "run").save()

    def correct(values: np.ndarray) -> None:
        values[:, 0] += 1.0

    corrected = prepare(settings, toy(change=correct), {})
    with pytest.raises(ModelError, match="belongs to a run on other data"):
        Run(settings, corrected, tmp_path / "run")
    assert Run(settings, prepare(settings, toy(), {}), tmp_path / "run").step == 0


def test_fewer_windows_than_a_batch_are_shared_evenly_or_not_at_all(
    toy: Callable[..., FlatFrames], tmp_path: Path
) -> None:
    settings = settings_with(batch=8)
    data = prepare(settings, toy(), {})
    few = replace(data, train=data.train[:5])
    with pytest.raises(SettingsError, match="8 out of 5 windows cannot be shared evenly by 2"):
        Run(settings, few, tmp_path, Workers(0, 2))


def test_processes_begin_alike_and_then_draw_their_own_random_numbers() -> None:
    def drawn(rank: int, step: int) -> list[float]:
        torch.manual_seed(5)
        Workers(rank, 3).seed_process(0, step)
        return [float(number) for number in torch.rand(3)]

    alone = drawn(0, 1)
    torch.manual_seed(5)
    assert alone == torch.rand(3).tolist()  # the first one, or a single one, as ever
    assert drawn(1, 1) == drawn(1, 1)
    different = [alone, drawn(1, 1), drawn(2, 1), drawn(1, 2)]
    assert len({tuple(numbers) for numbers in different}) == 4


def test_a_phase_that_gets_no_better_ends_early(
    toy: Callable[..., FlatFrames], tmp_path: Path
) -> None:
    settings = settings_with(
        steps=40, validate_steps=2, patience=2, learning_rate=0.0, final_learning_rate=0.0,
        warmup_steps=0, ema_decay=0.0, rollout_steps=20, rollout_learning_rate=0.0, init="torch",
    )  # fmt: skip
    data = prepare(settings, toy(), {})
    run = Run(settings, data, tmp_path / "whole")
    run.train()
    # Nothing is learnt but the statistics of BatchNorm, which make these initial weights worse: the
    # first validation is the best one. Two more end the main phase, two of the rollout phase end
    # the run.
    steps = [int(row["step"]) for row in rows(tmp_path / "whole" / "losses.csv")]
    assert steps == [*range(1, 7), *range(41, 45)]
    assert run.step == 60
    assert run.average.updates == 10
    # A run that was stopped on the way ends at the same places.
    parts = Run(settings, data, tmp_path / "parts")
    with pytest.raises(KeyboardInterrupt):
        parts.train(track=stop_after(parts, 5))
    Run(settings, data, tmp_path / "parts").train()
    assert rows(tmp_path / "parts" / "losses.csv") == rows(tmp_path / "whole" / "losses.csv")
    finished = Run(settings, data, tmp_path / "parts")
    finished.train()
    assert finished.step == 60


def test_norms_biases_and_layer_scales_do_not_decay(
    toy: Callable[..., FlatFrames], tmp_path: Path
) -> None:
    # Small steps, so that decay is seen beside them: one step of Adam moves by the rate.
    same = {"steps": 1, "validate_steps": 1, "warmup_steps": 0, "learning_rate": 1e-3}
    data = prepare(settings_with(**same), toy(), {})
    runs = {}
    for decay in (0.0, 0.5):
        runs[decay] = Run(settings_with(weight_decay=decay, **same), data, tmp_path / f"{decay}")
        runs[decay].train()
    plain, decayed = (dict(runs[decay].network.named_parameters()) for decay in (0.0, 0.5))
    for name, value in plain.items():
        convolution = value.ndim == 4
        assert torch.equal(value, decayed[name]) != convolution, name
        if convolution:  # AdamW: w <- w (1 - rate decay) before Adam's step of the same gradient
            assert decayed[name].norm() < value.norm(), name
    assert any("scale_spatial" in name for name in plain)
    # A checkpoint of the time when everything decayed in one group is refused, with a way out.
    path = runs[0.5].checkpoint_file
    content = torch.load(path, weights_only=True)
    (first, second) = content["state"]["optimiser"]["param_groups"]
    first["params"] += second["params"]
    content["state"]["optimiser"]["param_groups"] = [first]
    torch.save(content, path)
    with pytest.raises(ModelError, match=r"of an earlier version.*another --out"):
        Run(settings_with(weight_decay=0.5, **same), data, tmp_path / "0.5")


def test_a_checkpoint_from_before_there_was_a_choice_of_initial_weights_is_resumed(
    toy: Callable[..., FlatFrames], tmp_path: Path
) -> None:
    settings = settings_with(steps=1, validate_steps=1, init="torch")
    data = prepare(settings, toy(), {})
    run = Run(settings, data, tmp_path)
    run.train()
    content = torch.load(run.checkpoint_file, weights_only=True)
    assert '"init"' not in content["settings"]
    content["state"]["best"] = content["state"].pop("best_score")  # of another measure
    torch.save(content, run.checkpoint_file)
    resumed = Run(settings, data, tmp_path)
    assert resumed.step == 1
    assert resumed.best == math.inf
    with pytest.raises(ModelError, match="other settings"):
        Run(settings_with(steps=1, validate_steps=1), data, tmp_path)


def test_rollout_sends_gradient_through_every_block(toy: Callable[..., FlatFrames]) -> None:
    from met2net_ops.models.training.methods import build_method
    from met2net_ops.models.training.preparation import network_config
    from met2net_ops.models.training.rollout import rollout_backward

    settings = settings_with()
    settings = replace(settings, network=replace(settings.network, predict="increment"))
    data = prepare(settings, toy(), {})
    samples = data.samples
    torch.manual_seed(0)
    network = build_method(settings.run, network_config(settings, samples.frames.grid), None)
    network.eval()
    batch = samples.batch(data.train[:2], 3)
    losses = rollout_backward(network.network, samples, batch, None)
    found = {name: p.grad.clone() for name, p in network.network.named_parameters()}  # type: ignore[union-attr]
    network.zero_grad()
    # The same, written out for three blocks.
    unit, t, total, state = samples.unit, 6, torch.zeros(()), batch.frames
    for block in range(3):
        at = slice(block * t, (block + 1) * t)
        inputs = torch.cat([state, batch.forcings[:, at]], dim=2)
        state = state[:, -1:] + network.network(inputs) * unit
        scale = unit if block == 0 else unit[-1:]
        total = total + torch.square((state - batch.targets[:, at]) / scale).mean() / 3
    total.backward()  # type: ignore[no-untyped-call]
    assert losses.total == pytest.approx(float(total.detach()), rel=1e-6)
    for name, parameter in network.network.named_parameters():
        assert parameter.grad is not None
        torch.testing.assert_close(found[name], parameter.grad, rtol=1e-4, atol=1e-6)


def test_bad_data_is_refused_before_any_step(toy: Callable[..., FlatFrames]) -> None:
    settings, series = settings_with(), toy()
    network = replace(settings.network, forcings=("land_sea_mask",))
    without_its_field = replace(settings, network=network)
    with pytest.raises(ModelError, match="land_sea_mask"):
        prepare(without_its_field, series, {})
    no_network = replace(settings, network=replace(settings.network, hid_t=12))
    with pytest.raises(ModelError, match="hid_t must be a multiple"):
        prepare(no_network, series, {})


def test_the_learning_rate_rises_falls_and_starts_again() -> None:
    run = RunSettings(
        steps=100, warmup_steps=10, learning_rate=1.0, final_learning_rate=0.1,
        rollout_steps=50, rollout_learning_rate=0.5,
    )  # fmt: skip
    assert [learning_rate(run, step) for step in (0, 4, 9)] == pytest.approx([0.1, 0.5, 1.0])
    assert learning_rate(run, 55) == pytest.approx(0.55)
    assert learning_rate(run, 99) == pytest.approx(0.1, abs=1e-3)
    assert learning_rate(run, 100) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("steps = 60", 'steps = "many"', "run.steps must be a whole number"),
        ("steps = 60", "steps = 0", "run.steps is 0"),
        ("batch = 8", "batches = 8", "unknown batches"),
        ('method = "end-to-end"', 'method = "magic"', "write 'end-to-end' or 'two-stage'"),
        ('name = "toy"', "", "name is missing"),
        ("guard_hours = 24", "guard_hours =", "not valid TOML"),
    ],
)
def test_bad_settings_are_named(old: str, new: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        parse_settings(TOML.replace(old, new), "test")


@pytest.mark.parametrize("name", preset_names())
def test_presets_hold(name: str) -> None:
    assert load_preset(name).data.split().train


def test_a_full_disk_under_the_log_says_what_to_do(tmp_path: Path) -> None:
    log = RunLog(tmp_path, 0)
    log.step(1, 0.5, 1e-3, Losses(1.0, 1.0, 0.0, 1.0), 2.0)
    kept = (tmp_path / "losses.csv").read_text()
    assert RunLog(tmp_path, 1) is not None
    assert (tmp_path / "losses.csv").read_text() == kept
    (tmp_path / "losses.csv").unlink()
    (tmp_path / "losses.csv").symlink_to("/dev/full")
    with pytest.raises(ModelError, match=r"cannot write .*losses.csv: .*No space left"):
        log.step(2, 1.0, 1e-3, Losses(1.0, 1.0, 0.0, 1.0), 2.0)
