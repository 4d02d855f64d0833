"""Settings that make no sense are refused before anything is read, with the key and its bounds."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace

import pytest

from met2net_ops.errors import SettingsError
from met2net_ops.models.training.settings import RunSettings
from met2net_ops.models.training.settings_file import load_preset, parse_settings

from .test_loop import TOML


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("run.clip_norm=-1.0", "run.clip_norm is -1.0, must be at least 0"),  # would climb
        ("run.ema_decay=1.0", "run.ema_decay is 1.0, must be below 1"),  # would ship first weights
        ("run.momentum=1.5", "run.momentum is 1.5, must be at most 1"),
        ("run.learning_rate=nan", "run.learning_rate is nan"),
        ("run.weight_decay=inf", "run.weight_decay is inf"),
        ("run.rollout_steps=-5", "run.rollout_steps is -5"),
        ("run.rollout_batch=0", "run.rollout_batch is 0"),
        ("run.stretch=-0.1", "run.stretch is -0.1"),
        ('run.batch="8"', "run.batch must be a whole number, not '8'"),
        ("run.batch=true", "run.batch must be a whole number, not True"),
        ("run.batch=8.0", "run.batch must be a whole number, not 8.0"),
        ("run.latitude_weighted=1", "run.latitude_weighted must be true or false, not 1"),
        ("data.train=2020-01-01..2020-01-02", "data.train must be a list of strings"),
        ("data.train=[2020-01-01]", "data.train.0 must be a string"),
        ("data.test_periods=[]", "data: unknown test_periods; known: variables, train"),
        ("steps=3", "unknown steps; known: name, description"),
        ("run.seed=-1", "run.seed is -1"),
        ("run.validation_leads=-1", "run.validation_leads is -1"),
        ("data.guard_hours=-1000", "data.guard_hours is -1000"),
        ('data.variables=["t2m","t2m"]', "data.variables names t2m twice"),
        ("data.variables=[]", "data.variables names none"),
        ('network.forcings=["cos_zenith","cos_zenith"]', "names cos_zenith twice"),
        ("name=../escape", "name is '../escape'; write lower case"),
        ("name=My Model", "name is 'My Model'; write lower case"),
        ("name=run", "which --out needs for itself"),  # the checkpoint would be thrown away
        ("name=frames", "which --out needs for itself"),
    ],
)
def test_numbers_and_names_without_sense_are_refused(change: str, message: str) -> None:
    with pytest.raises(SettingsError) as refused:
        parse_settings(TOML, "test", [change])
    assert message in str(refused.value)


def test_the_ends_of_the_bounds_are_taken() -> None:
    changes = ["run.momentum=1.0", "run.ema_decay=0.0", "run.clip_norm=0.0", "run.momentum=0"]
    assert parse_settings(TOML, "test", changes).run.momentum == 0.0


def test_every_problem_is_named_at_once() -> None:
    changes = ["name=My Model", "run.steps=0", "run.momentum=2.0", "network.layers=3"]
    with pytest.raises(SettingsError) as refused:
        parse_settings(TOML, "test", changes)
    problems = "name is 'My Model'", "run.steps is 0", "run.momentum is 2.0", "unknown layers"
    for problem in problems:
        assert problem in str(refused.value)


def test_settings_made_in_code_are_checked_and_frozen() -> None:
    run = RunSettings(learning_rate=1)
    assert isinstance(run.learning_rate, float)
    with pytest.raises(FrozenInstanceError):
        run.steps = 3  # type: ignore[misc]
    with pytest.raises(ValueError, match="ema_decay"):
        replace(run, ema_decay=1.0)


@pytest.mark.parametrize(
    ("name", "epochs"),
    [("mv-mfmnist", 200), *((f"weatherbench-mv{number}", 50) for number in (4, 5, 6, 8, 9))],
)
def test_steps_of_a_preset_are_the_epochs_it_speaks_of(name: str, epochs: int) -> None:
    settings = load_preset(name)
    (period,) = settings.data.split().train
    hours = round((period.stop - period.start).total_seconds() / 3600) + 1
    windows = 10_000 if name == "mv-mfmnist" else hours - 2 * settings.network.frames + 1
    assert settings.run.steps == epochs * (windows // settings.run.batch)
