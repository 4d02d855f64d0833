from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from met2net_ops.errors import SettingsError
from met2net_ops.paths import WorkspacePaths
from met2net_ops.settings import (
    FeedSettings,
    HookSettings,
    Settings,
    list_sections,
    load_settings,
    sections,
    settings_text,
)
from met2net_ops.workspace import create_workspace, find_workspace


@pytest.fixture
def workspace(tmp_path: Path) -> WorkspacePaths:
    return create_workspace(tmp_path / "desk").paths


def _write(workspace: WorkspacePaths, text: str) -> None:
    workspace.settings_file.write_text(text, encoding="utf-8")


def test_the_written_file_means_the_defaults_and_one_feed(workspace: WorkspacePaths) -> None:
    settings = load_settings(workspace.settings_file)
    assert settings.model_copy(update={"feeds": ()}) == Settings()
    assert [feed.name for feed in settings.feeds] == ["incoming"]
    assert all(folder.is_dir() for folder in workspace.folders)
    assert (workspace.root / "incoming").is_dir()


def test_every_default_in_the_file_holds_when_its_hash_is_removed() -> None:
    lists = {
        "feeds": [{"name": "a", "path": "b"}],
        "hooks": [{"name": "a", "url": "https://example.org/"}],
        "schedules": [{"model": "a", "cron": "0 0,12 * * *"}],
    }
    live = re.sub(r"^#(?=\w+ = )", "", settings_text(lists), flags=re.MULTILINE)
    values = tomllib.loads(live)
    plain = Settings(**values).model_copy(update=dict.fromkeys(lists, ()))
    assert plain == Settings()
    assert Settings(**values).hooks == (HookSettings(name="a", url="https://example.org/"),)
    assert Settings(**values).feeds == (FeedSettings(name="a", path="b"),)
    assert values["forecast"]["leads"] == 48


def test_every_setting_is_in_the_file_with_its_description() -> None:
    text = " ".join(re.sub(r"^# ?", "", settings_text(), flags=re.MULTILINE).split())
    for name, model in {**sections(), **list_sections()}.items():
        assert f"[{name}]" in text
        for key, field in model.model_fields.items():
            assert field.description, f"{name}.{key} has no docstring"
            assert " ".join(field.description.split()) in text


def test_a_setting_the_model_lacks_cannot_be_written() -> None:
    with pytest.raises(KeyError, match="leeds"):
        settings_text({"forecast": {"leeds": 1}})
    with pytest.raises(KeyError, match="forcast"):
        settings_text({"forcast": {}})


def test_a_second_init_leaves_an_edited_file_alone(workspace: WorkspacePaths) -> None:
    _write(workspace, "[forecast]\nleads = 6\n")
    with pytest.raises(SettingsError, match="exists already"):
        create_workspace(workspace.root)
    assert load_settings(workspace.settings_file).forecast.leads == 6


def test_a_workspace_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="cannot make the workspace"):
        create_workspace(tmp_path / "file" / "desk")


def test_unknown_keys_come_with_a_suggestion(workspace: WorkspacePaths) -> None:
    _write(workspace, "[forecast]\nleeds = 3\n[gird]\n[[feeds]]\nname='a'\npath='b'\npatern='c'\n")
    with pytest.raises(SettingsError) as caught:
        load_settings(workspace.settings_file)
    message = str(caught.value)
    assert str(workspace.settings_file) in message
    assert "forecast.leeds: no such setting, did you mean leads?" in message
    assert "gird: no such setting, did you mean grid?" in message
    assert "feeds.0.patern: no such setting, did you mean pattern?" in message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[forecast]\nleads = 0", "forecast.leads: Input should be greater than or equal to 1, no"),
        ("[archive]\nvariables = ['t3m']", "archive.variables: unknown, repeated or no variables"),
        ("[grid]\nname = 'moon'", "grid: no grid is called 'moon'"),
        ("[grid]\nname = 'mine'\nnorth = 3", "grid: give all of north, west"),
        ("[grid]\nnorth = nan", "grid.north: Input should be a finite number"),
        ("[ingest]\ntimeout_seconds = inf", "timeout_seconds: Input should be a finite number"),
        ("[archive]\nstep_hours = 5", "archive.step_hours: must divide a day: 1, 2, 3, 4, 6, 8"),
        ("[[feeds]]\nname = 'a'\npath = ''", "feeds.0.path: is empty; name a folder"),
        ("[[feeds]]\nname = 'a'\npath = 'b'\npattern = '/x'", "feeds.0.pattern: must be"),
        ("[[feeds]]\nname = 'a'\npath = 'b'\npattern = ''", "feeds.0.pattern: must be"),
        (
            "[[feeds]]\nname = 'a'\npath = 'b'\npattern = '../*'",
            "feeds.0.pattern: must be",
        ),
        ("[forecast\n", "is not valid TOML"),
    ],
)
def test_bad_values_are_named(workspace: WorkspacePaths, text: str, expected: str) -> None:
    _write(workspace, text)
    with pytest.raises(SettingsError) as caught:
        load_settings(workspace.settings_file)
    assert expected in str(caught.value)


def test_bytes_that_are_no_text_are_refused(workspace: WorkspacePaths) -> None:
    workspace.settings_file.write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="cannot read"):
        load_settings(workspace.settings_file)


def test_the_environment_wins(workspace: WorkspacePaths, monkeypatch: pytest.MonkeyPatch) -> None:
    _write(workspace, "[forecast]\nleads = 6\nbatch = 2\n")
    monkeypatch.setenv("MET2NET_FORECAST__LEADS", "24")
    monkeypatch.setenv("MET2NET_ARCHIVE__VARIABLES", '["t2m"]')
    settings = load_settings(workspace.settings_file)
    assert (settings.forecast.leads, settings.forecast.batch) == (24, 2)
    assert settings.archive.variables == ("t2m",)


def test_variables_that_are_no_settings_do_not_upset(
    workspace: WorkspacePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MET2NET_WORKSPACE", str(workspace.root))
    monkeypatch.setenv("MET2NET_DEBUG", "1")
    assert find_workspace(None).settings.forecast == Settings().forecast


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("MET2NET_FORECAST__LEADS", "many", "MET2NET_FORECAST__LEADS"),
        ("MET2NET_FORECAST__LEEDS", "3", "did you mean leads?"),
        ("MET2NET_FORCAST__LEADS", "3", "did you mean MET2NET_FORECAST?"),
        ("MET2NET_ARCHIVE__VARIABLES", "t2m", "archive"),
    ],
)
def test_a_bad_environment_variable_is_named(
    workspace: WorkspacePaths,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    value: str,
    expected: str,
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match=re.escape(expected)):
        load_settings(workspace.settings_file)


def test_the_workspace_is_the_given_one_then_the_environments_then_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given, named, here = (create_workspace(tmp_path / name).paths for name in ("a", "b", "c"))
    monkeypatch.chdir(here.root)
    monkeypatch.delenv("MET2NET_WORKSPACE", raising=False)
    assert find_workspace(None).paths == here
    monkeypatch.setenv("MET2NET_WORKSPACE", str(named.root))
    assert find_workspace(None).paths == named
    assert find_workspace(given.root).paths == given


def test_no_workspace_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"met2net-ops init"):
        find_workspace(tmp_path)


@pytest.mark.parametrize(
    ("section", "key"),
    [
        (name, key)
        for name, model in {**sections(), **list_sections()}.items()
        for key in model.model_fields
        if re.search("(seconds|minutes|hours|days)$", key)
    ],
)
def test_durations_that_no_calendar_holds_are_refused(
    workspace: WorkspacePaths, section: str, key: str
) -> None:
    """Sums of dates and such durations would overflow, and the service could not go on."""
    table = f"[[{section}]]" if section in list_sections() else f"[{section}]"
    _write(workspace, f"{table}\n{key} = 999999999999\n")
    with pytest.raises(SettingsError, match=rf"{key}: Input should be less than or equal to \d+"):
        load_settings(workspace.settings_file)


def test_what_may_be_a_secret_is_not_repeated(workspace: WorkspacePaths) -> None:
    _write(workspace, '[[hooks]]\nname = "a"\nurl = "htps://chat.example.org/s3cret"\n')
    with pytest.raises(SettingsError, match="must be a URL") as caught:
        load_settings(workspace.settings_file)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("url", ["http://a:99999/", "http://a:b/", "http://a b/"])
def test_a_url_that_leads_nowhere_is_refused(workspace: WorkspacePaths, url: str) -> None:
    _write(workspace, f'[[hooks]]\nname = "a"\nurl = "{url}"\n')
    with pytest.raises(SettingsError, match=r"hooks\.0\.url"):
        load_settings(workspace.settings_file)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("MET2NET_FORECAST__LEADS", "many"),
        ("MET2NET_FORECAST", "{"),
        ("MET2NET_FORECAST", '{"leads": 0}'),
        ("MET2NET_FORECAST__LEEDS", "3"),
        ("MET2NET_ARCHIVE__VARIABLES", "t2m,msl"),
        ("MET2NET_GRID__NORTH", "70"),
        ("MET2NET_forecast__leads", "many"),
        ("MET2NET_FORCAST__LEADS", "3"),
    ],
)
def test_init_under_a_wrong_environment_variable_names_it_and_makes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    root = tmp_path / "desk"
    with monkeypatch.context() as context:
        context.setenv(variable, value)
        with pytest.raises(SettingsError, match=rf"{variable}\b"):
            create_workspace(root)
    assert not root.exists()
    assert create_workspace(root).settings.feeds[0].name == "incoming"


def test_settings_know_neither_the_workspace_nor_the_archive() -> None:
    program = (
        "import sys, met2net_ops.settings\n"
        "loaded = {name.split('.')[1] for name in sys.modules if name.startswith('met2net_ops.')}\n"
        "assert loaded <= {'settings', 'errors', 'grids', 'variables', 'version'}, loaded\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
