"""`met2net-ops train`: what it refuses before any time is spent, and what it leaves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from toy_world import GRID
from typer.testing import CliRunner, Result

from met2net_ops.archive.frames import FrameArchive
from met2net_ops.cli.main import build
from met2net_ops.cli.train import describe_step
from met2net_ops.errors import Met2NetOpsError
from met2net_ops.models.folder import read_folder
from met2net_ops.models.training.frames import FlatFrames
from met2net_ops.models.training.progress_reports import StepReport
from met2net_ops.models.training.two_stage import Losses

from .test_loop import TOML, rows


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "toy.toml"
    path.write_text(TOML.replace("steps = 60", "steps = 6").replace("test_windows = 12", ""))
    return path


def train(config: Path, frames: Path | None, *options: str) -> Result:
    """Run the command in this process."""
    arguments = ["train", "--config", str(config), "--out", str(config.parent / "out"), *options]
    if frames is not None:
        arguments += ["--frames", str(frames)]
    return CliRunner().invoke(build(arguments), arguments)


def refusal(config: Path, frames: Path | None, *options: str) -> str:
    """The message of a refusal that came before a run was begun."""
    result = train(config, frames, *options)
    assert isinstance(result.exception, Met2NetOpsError), result.output
    assert not (config.parent / "out" / "run").exists()
    assert not (config.parent / "out" / "frames").exists()
    return str(result.exception)


def _gap(values: np.ndarray) -> None:
    values[5::11] = np.nan


def _one_nan_per_window(values: np.ndarray) -> None:
    values[::6, 0, 2, 3] = np.nan


def _constant(values: np.ndarray) -> None:
    values[:, 1] = 101_325.0


def _still_while_it_counts(values: np.ndarray) -> None:
    values[24 * 21 :, 1] = values[24 * 21, 1]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_gap, "no window of 12 consecutive frames .* longest run without a gap has 10"),
        (_one_nan_per_window, "no window of 12 consecutive frames .* has 5"),
        (_constant, "msl is constant over the training period"),
        (_still_while_it_counts, "msl does not change in the 8 validation windows"),
    ],
)
def test_data_that_teach_nothing_are_refused(
    toy: Callable[..., FlatFrames], config: Path, damage: Callable[[np.ndarray], None], message: str
) -> None:
    import re

    assert re.search(message, refusal(config, toy(change=damage).folder), re.DOTALL)


def test_too_short_a_series_is_refused(toy: Callable[..., FlatFrames], config: Path) -> None:
    text = refusal(config, toy(hours=24 * 22).folder)
    assert "no window of 18 consecutive frames in 2020-01-26T00:00Z" in text
    assert "goes from 2020-01-01T00:00Z to 2020-01-22T23:00Z" in text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ('data.variables=["t2m","u10"]', "has no u10; it has t2m, msl"),
        ("data.grid=global-5p625", "toy is for the grid global-5p625, but the frames are on toy"),
        ("data.guard_hours=100", "leave at least 100 h between them"),
        ("network.hid_t=12", "hid_t must be a multiple of 8"),
        ("network.n_s=3", "n_s must be even"),
        ('network.forcings=["land_sea_mask"]', "'land_sea_mask' is unknown, or its static field"),
        ('data.test=["2031-01-01..2031-02-01"]', "no window of 18 consecutive frames in 2031"),
        ("data.static=nowhere.npz", "cannot read the static fields nowhere.npz"),
        ("run.batch=100000", r"about .* GB are free on cpu. A batch of "),
        ("run.stepps=4", "unknown stepps"),
        ("run.steps", "write section.key=value"),
        ("run.steps=many", "run.steps must be a whole number"),
        ("data.train=[]", "data.train names no period"),
        ('data.train=["2020-01-20..2020-01-01"]', "ends before it begins"),
    ],
)
def test_settings_that_do_not_fit_are_refused(
    toy: Callable[..., FlatFrames], config: Path, change: str, message: str
) -> None:
    import re

    assert re.search(message, refusal(config, toy().folder, "--set", change, "--device", "cpu"))


def test_static_fields_that_are_damaged_are_refused(
    toy: Callable[..., FlatFrames], config: Path
) -> None:
    frames, path = toy().folder, config.parent / "land.npz"

    def told() -> str:
        static = f"data.static={path}"
        return refusal(
            config, frames, "--set", static, "--set", 'network.forcings=["land_sea_mask"]'
        )

    np.savez(path, land_sea_mask=np.ones(GRID.shape, dtype=np.float32))
    path.write_bytes(path.read_bytes()[:-30])
    assert "cannot read the static fields" in told()
    with path.open("wb") as file:
        np.save(file, np.ones(GRID.shape))
    assert "names a .npz file" in told()
    np.savez(path, land_sea_mask=np.full(GRID.shape, np.nan))
    assert "land_sea_mask has missing values" in told()


def test_a_model_that_lies_where_the_new_one_would_is_not_replaced(
    toy: Callable[..., FlatFrames], config: Path
) -> None:
    there = config.parent / "out" / "toy"
    there.mkdir(parents=True)
    (there / "model.json").write_text("somebody's")
    assert "exists and no run in" in refusal(config, toy().folder)
    assert (there / "model.json").read_text() == "somebody's"


def test_frames_that_make_no_model_folder_are_refused_before_training(
    toy: Callable[..., FlatFrames], config: Path
) -> None:
    about = toy().folder / "about.json"
    about.write_text(about.read_text().replace('"step_hours": 1.0', '"step_hours": 0.5'))
    periods = ("2020-01-01..2020-01-07", "2020-01-09..2020-01-11", "2020-01-13..2020-01-15")
    options = [
        word
        for part, span in zip(("train", "validation", "test"), periods, strict=True)
        for word in ("--set", f'data.{part}=["{span}"]')
    ]
    assert "lie 0.5 h apart; a model needs whole hours" in refusal(config, about.parent, *options)


def test_what_is_not_there_is_named(toy: Callable[..., FlatFrames], config: Path) -> None:
    frames = toy().folder
    assert "there is no device 'gpu'" in refusal(config, frames, "--device", "gpu")
    assert "write 'end-to-end' or 'two-stage'" in refusal(config, frames, "--method", "magic")
    assert "cannot read" in refusal(config.parent / "none.toml", frames)
    assert "holds neither flat frames" in refusal(config, config.parent / "nothing")
    assert "archive" in refusal(config, None, "--archive", str(config.parent / "none.zarr"))
    neither = CliRunner().invoke(build(["train"]), ["train", "--out", "x"])
    assert neither.exit_code == 2


def test_an_archive_that_ends_before_the_periods_is_refused(config: Path) -> None:
    url = str(config.parent / "archive.zarr")
    archive = FrameArchive.create(url, GRID, ("t2m", "msl"), timedelta(hours=1))
    from toy_world import START

    for name in ("t2m", "msl"):
        archive.write(name, START, np.full(GRID.shape, 280.0, dtype=np.float32))
    changes = [
        f'data.{part}=["2031-0{month}-01..2031-0{month}-20"]'
        for month, part in enumerate(("train", "validation", "test"), 1)
    ]
    options = [word for change in changes for word in ("--set", change)]
    text = refusal(config, None, "--archive", url, *options)
    assert "ends at 2020-01-01T00:00Z, before the first period" in text


def test_check_says_the_cost_and_stops(toy: Callable[..., FlatFrames], config: Path) -> None:
    result = train(config, toy().folder, "--check", "--device", "cpu")
    assert result.exit_code == 0, result.output
    assert "parameters" in result.stderr
    assert "GFLOP a forecast; end-to-end, 6 steps of 8 windows" in result.stderr
    assert "GB of memory" in result.stderr
    assert not (config.parent / "out").exists()


def test_a_run_leaves_model_card_scores_and_logs(
    toy: Callable[..., FlatFrames], config: Path
) -> None:
    options = ("--method", "two-stage", "--set", "run.validate_steps=3", "--json")
    options += ("--device", "cpu", "--set", "data.normalise=min-max")
    result = train(config, toy().folder, *options)
    assert result.exit_code == 0, result.output
    out = config.parent / "out"
    told = json.loads(result.stdout)
    folder = read_folder(out / "toy")
    assert (told["checksum"], told["leads"][-1]) == (folder.checksum, 12)
    low, spread = (getattr(folder.description.normalisation["t2m"], k) for k in ("offset", "scale"))
    training = toy().read(0, 24 * 20)[:, 0]
    assert low == pytest.approx(training.min(), abs=0.1)
    assert spread == pytest.approx(training.max() - training.min(), abs=0.2)
    card = (folder.path / "CARD.md").read_text()
    for said in (
        "two-stage with slow copies of the translator and encoders",
        "minimum and maximum",
        "training: 2020-01-01..2020-01-20T23",
        "on a", "fp32", "torch", "Apache-2.0", "persistence", "climatology",
    ):  # fmt: skip
        assert said in card
    # The card's numbers are those of the table that holds every lead.
    last = [row for row in rows(out / "run" / "scores.csv") if row["variable"] == "msl"][-1]
    assert last["lead"] == "12"
    assert f"| 12 | {last['n']} | {float(last['rmse']):.4g} |" in card
    told_again = f"({float(last['ratio_climatology']):.3f}, {float(last['low_climatology']):.3f} to"
    assert told_again in card
    assert float(last["low_persistence"]) <= float(last["ratio_persistence"])
    assert float(last["rmse"]) / float(last["rmse_persistence"]) == pytest.approx(
        float(last["ratio_persistence"])
    )
    losses = rows(out / "run" / "losses.csv")
    board = EventAccumulator(str(out / "run" / "tensorboard")).Reload()
    seen = [event.value for event in board.Scalars("loss/reconstruction")]
    assert seen == pytest.approx([float(row["reconstruction"]) for row in losses])
    assert {f"rmse_over_persistence/t2m/+{lead}" for lead in (1, 7, 12)} <= set(
        board.Tags()["scalars"]
    )


# A rented GPU machine may lack what training does not need.
BARE = """
import sys
for name in (
    "pydantic_settings", "rich", "netCDF4", "h5netcdf", "zarr", "numcodecs", "duckdb",
    "google_crc32c", "eccodes", "gribapi", "cfgrib", "sqlalchemy", "structlog", "tensorboard",
    "streamlit", "plotly", "pyarrow", "metar", "pdbufr", "watchfiles", "lightning",
):
    sys.modules[name] = None
from pathlib import Path
from met2net_ops.models.training.preparation import prepare
from met2net_ops.models.training.settings_file import load_settings
from met2net_ops.models.training.sources import series_for
from met2net_ops.models.training.train import static_fields, train_model

config, frames, out = map(Path, sys.argv[1:])
settings = load_settings(config)
series = series_for(settings, None, [frames], out)
data = prepare(settings, series, static_fields("", series.grid))
trained = train_model(settings, data, {}, out, command="x", device="auto", tensorboard=True)
assert trained.folder is not None
"""


def test_a_machine_without_the_other_dependencies_trains_a_whole_model(
    toy: Callable[..., FlatFrames], config: Path
) -> None:
    out = config.parent / "out"
    bare = subprocess.run(
        [sys.executable, "-c", BARE, str(config), str(toy().folder), str(out)],
        capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert bare.returncode == 0, bare.stderr
    assert "no TensorBoard files are written" in bare.stderr
    assert "Scores: test period" in (out / "toy" / "CARD.md").read_text()
    steps = (out / "run" / "losses.csv").read_text()
    result = train(config, toy().folder, "--device", "cpu")
    assert result.exit_code == 0, result.output
    assert (out / "run" / "losses.csv").read_text() == steps  # nothing was trained again
    assert read_folder(out / "toy").description.training["steps"] == 6


def test_the_bar_says_rate_time_left_and_parts_of_the_loss() -> None:
    losses = Losses(1.5, 1.0, 0.5, float("nan"))
    first = StepReport(1, 100, losses, float("nan"), float("nan"))
    assert describe_step(first) == "loss 1.5 = 1 + 0.5 latent"
    later = StepReport(10, 100, losses, 12.345, 3725.4)
    assert describe_step(later) == "1:02:05 left  12.3/s  loss 1.5 = 1 + 0.5 latent"
    plain = StepReport(10, 100, Losses(0.25, 0.25, 0.0, 0.25), 2.0, 45.0)
    assert describe_step(plain) == "0:00:45 left  2/s  loss 0.25"
