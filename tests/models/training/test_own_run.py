"""Training from a workspace alone: periods, sizes, and the whole command."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from toy_world import GRID, START, advected
from typer.testing import CliRunner, Result

from met2net_ops.cli.main import build
from met2net_ops.errors import ArchiveError, Met2NetOpsError, ModelError
from met2net_ops.models.folder import read_folder
from met2net_ops.models.registry import find_model
from met2net_ops.models.training.own import settings_text
from met2net_ops.models.training.periods import split_periods
from met2net_ops.models.training.settings_file import parse_settings
from met2net_ops.models.training.template import size_settings, workspace_settings
from met2net_ops.models.training.windows import check_split
from met2net_ops.verification.inputs.surface import Surface, write_surface
from met2net_ops.workspace import Workspace, create_workspace

HOUR = timedelta(hours=1)
NAMES = ("t2m", "msl")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(build(list(arguments)), list(arguments))


@pytest.fixture
def desk(tmp_path: Path) -> Workspace:
    """Twenty days of a toy world."""
    keys = ("north", "west", "dlat", "dlon", "nlat", "nlon", "name")
    grid = {key: getattr(GRID, key) for key in keys}
    made = create_workspace(
        tmp_path / "desk", {"grid": grid, "archive": {"variables": list(NAMES)}}
    )
    archive, values = made.create_archive(), advected(480, NAMES)
    archive.write_frames(
        [
            archive.encode(name, START + HOUR * hour, values[hour, number])
            for hour in range(480)
            for number, name in enumerate(NAMES)
        ]
    )
    return made


@given(
    days=st.integers(15, 4000),
    step=st.sampled_from([1, 3, 6]),
    year=st.integers(1990, 2020),
)
def test_periods_lie_in_the_series_in_order_a_guard_apart(days: int, step: int, year: int) -> None:
    first = datetime(year, 1, 1, tzinfo=UTC)
    last = first + timedelta(days=days)
    every = step * HOUR
    if days < 30 * step:
        return  # too short at that step: the next test
    split, guard = split_periods(first, last, every, 24)
    check_split(split, guard)
    periods = [*split.train, *split.validation, *split.test]
    assert min(period.start for period in periods) == first
    assert max(period.stop for period in periods) == last
    for period in periods:
        assert (period.stop - period.start) / every >= 24 + 7
        assert (period.start - first) % every == timedelta(0)
    learnt = sum((p.stop - p.start for p in split.train), timedelta())
    assert learnt > 0.5 * (last - first) or days >= 3 * 365
    judged = min(period.start for period in split.test)
    assert split.validation[0].stop < judged
    if days >= 3 * 365:
        assert split.test[0].stop - split.test[0].start == timedelta(days=365)


def test_a_series_that_is_too_short_says_how_long_it_must_be() -> None:
    first = datetime(2021, 1, 1, tzinfo=UTC)
    with pytest.raises(ArchiveError, match="is too short") as caught:
        split_periods(first, first + 100 * HOUR, HOUR, 24)
    (needed,) = re.findall(r"about (\d+) frames", str(caught.value))
    split_periods(first, first + (int(needed) - 1) * HOUR, HOUR, 24)


def test_the_network_grows_with_the_time_and_not_beyond_the_data(desk: Workspace) -> None:
    settings = workspace_settings(desk.archive, NAMES, "own", None, ())
    device = torch.device("cpu")
    short = size_settings(settings, GRID, 400, 1.0, device)
    long = size_settings(settings, GRID, 400, 1e6, device)
    rich = size_settings(settings, GRID, 20_000, 1e7, device)
    assert short.settings.run.steps <= long.settings.run.steps
    assert long.settings.network.hid_t == 48  # 400 windows justify no more
    assert rich.settings.network.hid_t > 48
    assert long.settings.run.steps == 20 * 400 // 4
    assert long.seconds > 0


def test_settings_come_back_from_their_file(desk: Workspace) -> None:
    settings = workspace_settings(desk.archive, NAMES, "own", None, (), 'of "ours" ü\nnext')
    assert parse_settings(settings_text(settings), "file") == settings


def test_train_alone_leaves_a_model_that_forecasts_and_goes_on_when_stopped(
    desk: Workspace,
) -> None:
    land = (np.arange(GRID.nlon) % 3 == 0) * np.ones(GRID.shape)
    write_surface(desk.paths.statics, GRID, Surface(None, land), "toy")
    root = str(desk.root)
    told = run("train", "-w", root, "--check", "--quiet")
    assert told.exit_code == 0, told.output
    assert not (desk.paths.training / "desk" / "settings.toml").exists()
    made = run("train", "-w", root, "--hours", "0.001", "--quiet")
    assert made.exit_code == 0, made.output
    assert "A forecast: met2net-ops forecast" in made.output
    folder = read_folder(desk.paths.models / "desk")
    assert folder.description.forcings == ("cos_zenith", "land_sea_mask")
    assert (folder.path / "CARD.md").is_file()
    cast = run("forecast", "-w", root, "--model", "desk", "--leads", "3")
    assert cast.exit_code == 0, cast.output
    again = run("train", "-w", root, "--quiet")
    assert isinstance(again.exception, ModelError)
    assert "--name desk-2" in str(again.exception)
    other = run("train", "-w", root, "--hours", "0.001", "--quiet", "--name", "desk-2")
    assert other.exit_code == 0, other.output
    # A model that was not installed is trained to its end by the same command.
    (desk.paths.models / "desk-2").rename(desk.root / "aside")
    assert run("train", "-w", root, "--quiet", "--name", "desk-2").exit_code == 0
    assert (desk.paths.models / "desk-2").is_dir()


def test_a_preset_for_another_grid_says_so_before_anything_else(
    desk: Workspace, tmp_path: Path
) -> None:
    result = run("train", "-w", str(desk.root), "--preset", "era5-uk-t2m", "--out",
                 str(tmp_path / "out"), "--set", 'data.train=["2020-01-01..2020-01-10"]', "--set",
                 'data.validation=["2020-01-12..2020-01-15"]', "--set",
                 'data.test=["2020-01-16..2020-01-20"]')  # fmt: skip
    assert isinstance(result.exception, Met2NetOpsError)
    assert "is for a grid of 33 by 49 points" in str(result.exception)
    assert "train` without --preset" in str(result.exception)


def test_an_archive_without_frames_says_what_to_do(tmp_path: Path) -> None:
    desk = create_workspace(tmp_path / "d")
    desk.create_archive()
    result = run("train", "-w", str(desk.root))
    assert "holds no frame of t2m" in str(result.exception)


def test_a_model_folder_is_installed_and_a_path_is_no_name(desk: Workspace) -> None:
    from met2net_ops.models.registry import SHIPPED

    source = str(SHIPPED / "naturerun-5p625")
    with pytest.raises(ModelError, match="models install"):
        find_model(source, desk.paths.models)
    result = run("models", "install", source, "-w", str(desk.root))
    assert result.exit_code == 0, result.output
    assert find_model("naturerun-5p625", desk.paths.models).path.parent == desk.paths.models
    assert "is left as it is" in str(
        run("models", "install", source, "-w", str(desk.root)).exception
    )
