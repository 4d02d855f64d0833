"""`met2net-ops train`: from an archive to a model folder."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from met2net_ops.cli.common import (
    JsonOption,
    QuietOption,
    WorkspaceOption,
    console,
    print_json,
    print_lines,
    print_table,
    track_for,
)

if TYPE_CHECKING:
    from met2net_ops.grids import LatLonGrid
    from met2net_ops.models.training.memory import Cost
    from met2net_ops.models.training.preparation import Prepared
    from met2net_ops.models.training.progress_reports import StepReport
    from met2net_ops.models.training.settings import TrainingSettings
    from met2net_ops.models.training.train import Trained
    from met2net_ops.progress import Track

T = TypeVar("T")
_GIGA = 1e9


def command(
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for the model, its checkpoint and its logs; a workspace's own run has one "
            "in training/."
        ),
    ] = None,
    preset: Annotated[
        str | None, typer.Option(help="Settings that ship with the package, by name.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="Settings from a TOML file, laid out like a preset.")
    ] = None,
    archive: Annotated[
        str | None,
        typer.Option(help="The archive to learn from; the workspace's by default."),
    ] = None,
    frames: Annotated[
        list[Path] | None,
        typer.Option(
            help="A folder instead of an archive: flat frames (repeat it to join several), or "
            "WeatherBench as it is published."
        ),
    ] = None,
    hours: Annotated[
        float,
        typer.Option(min=0.001, help="Without --preset and --config: how long it may take."),
    ] = 3.0,
    name: Annotated[
        str | None, typer.Option(help="Of the model; by default that of the workspace's folder.")
    ] = None,
    method: Annotated[
        str | None, typer.Option(help="two-stage or end-to-end, instead of the settings' method.")
    ] = None,
    change: Annotated[
        list[str] | None,
        typer.Option("--set", help="Change one setting, as in run.batch=8; may be repeated."),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    check: Annotated[
        bool, typer.Option("--check", help="Check data and settings, print the cost, and stop.")
    ] = False,
    workspace: WorkspaceOption = None,
    quiet: QuietOption = False,
    json: JsonOption = False,
) -> None:
    """Train a network and write a model folder with its card.

    Without --preset and --config everything comes from the workspace: archive, grid, surface, and
    settings for the time in --hours. The model then lies in the workspace's models/.

    Killed at any moment, the same command continues from the last checkpoint. Started through
    torchrun, several processes share every batch.
    """
    import logging

    from met2net_ops.models.training.settings_file import load_preset, load_settings
    from met2net_ops.models.training.train import train_model
    from met2net_ops.models.training.workers import join_workers

    if preset is not None and config is not None:
        raise typer.BadParameter("give one of --preset and --config, or neither")
    changes = [*(change or []), *([f"run.method={method}"] if method else [])]
    own = preset is None and config is None
    if own:
        if frames or archive or out:
            raise typer.BadParameter(
                "--frames, --archive and --out go with --preset or --config; without these the "
                "workspace's own archive is used"
            )
        settings, out = _own_settings(workspace, name, hours, device, changes, json=json,
                                      keep=not check)  # fmt: skip
    elif out is None:
        raise typer.BadParameter("--preset and --config need --out, a folder for the run")
    elif preset:
        settings = load_preset(preset, changes)
    else:
        settings = load_settings(config or Path(), changes)
    logging.getLogger("met2net_ops.models.training").setLevel(
        logging.WARNING if quiet else logging.INFO
    )
    url = _archive_url(archive, workspace) if not frames else None
    data = _prepared(settings, url, frames or [], out, track_for(quiet))
    if not (archive or frames):
        data = _with_attributions(data, workspace)
    cost = _cost(settings, data.samples.frames.grid, device)
    prints = join_workers().is_first
    if not quiet and not json and prints:
        _print_cost(settings, cost)
    if check:
        return
    bar = _bar(quiet or not prints)
    result = train_model(
        settings,
        data,
        data.samples.static,
        out,
        command=shlex.join(["met2net-ops", *sys.argv[1:]]),
        device=device,
        track=bar or track_for(True),
        on_step=bar.show if bar else lambda _: None,
        tensorboard=True,
    )
    if result is not None and own:
        _install(result, workspace, json)
    elif result is not None:
        _print_result(result, json)


def _own_settings(
    workspace: Path | None,
    name: str | None,
    hours: float,
    device: str,
    changes: list[str],
    *,
    json: bool,
    keep: bool,
) -> tuple[TrainingSettings, Path]:
    """Settings and folder of the workspace's own run; says what it will take."""
    from met2net_ops.cli.common import open_workspace
    from met2net_ops.models.device import device_name, resolve_device
    from met2net_ops.models.training.own import begin, own_run

    place, where = open_workspace(workspace), resolve_device(device)
    run = own_run(place, name, hours, where, changes)
    settings, sized = run.settings, run.sized
    if sized is not None and not json:
        data = settings.data
        print_lines(
            f"{settings.name}: {', '.join(data.variables)}; trains on {', '.join(data.train)}; "
            f"chooses on {', '.join(data.validation)}; tests on {', '.join(data.test)}",
            f"{sized.step_seconds:.3g} s a step on {device_name(where)}, measured: "
            f"{settings.run.steps} steps take about {_duration(sized.seconds)}, the first usable "
            f"model is there after {_duration(sized.first_seconds)}",
            err=True,
        )
    if keep:
        begin(run)
    return settings, run.out


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _install(result: Trained, workspace: Path | None, json: bool) -> None:
    """Put the model where forecast and serve find it, and say what to do with it."""
    from dataclasses import replace

    from met2net_ops.cli.common import open_workspace
    from met2net_ops.models.installing import install_folder

    place = open_workspace(workspace)
    folder = install_folder(result.path, place.paths.models)
    _print_result(replace(result, path=folder.path, folder=folder), json)
    if json:
        return
    at = shlex.quote(str(workspace or place.root))
    print_lines(
        f"Its card: met2net-ops models show {folder.name} -w {at}",
        f"A forecast: met2net-ops forecast -w {at} --model {folder.name}",
    )
    if folder.name not in [one.model for one in place.settings.schedules]:
        print_lines(
            f'To run it on a schedule, give a [[schedules]] of met2net.toml model = "{folder.name}"'
            ' and cron = "0 */6 * * *", then: met2net-ops serve'
        )
    else:
        print_lines(f"Its schedule is set: met2net-ops serve -w {at}")


def _prepared(
    settings: TrainingSettings, archive: str | None, folders: list[Path], out: Path, track: Track
) -> Prepared:
    """Data ready to train on; everything that would fail later is found here.

    Raises:
        Met2NetOpsError: the data, the settings or `out` do not allow the run.
    """
    from met2net_ops.models.training.preparation import network_config, prepare
    from met2net_ops.models.training.sources import find_source
    from met2net_ops.models.training.train import check_target, static_fields, test_windows

    source = find_source(settings, archive, folders, out, track)
    network_config(settings, source.grid)  # a network that does not fit is refused before copying
    series = source.frames()
    data = prepare(settings, series, static_fields(settings.data.static, series.grid))
    test_windows(settings, data)
    check_target(settings, data, out)
    return data


def _with_attributions(data: Prepared, workspace: Path | None) -> Prepared:
    """The data, and whom the workspace owes them to."""
    from dataclasses import replace

    from met2net_ops.catalog.credits import attributions, credits_of_frames
    from met2net_ops.cli.common import open_workspace

    catalog, series = open_workspace(workspace).catalog, data.samples.frames
    try:
        last = series.time(len(series) - 1)
        owed = credits_of_frames(catalog, series.variables, series.start, last)
    finally:
        catalog.dispose()
    return replace(data, attributions=attributions(owed))


def _cost(settings: TrainingSettings, grid: LatLonGrid, device: str) -> Cost:
    """What the run will take.

    Raises:
        OutOfMemoryError: more than the device has.
    """
    from met2net_ops.models.device import resolve_device
    from met2net_ops.models.training.memory import check_memory, training_cost
    from met2net_ops.models.training.methods import build_method
    from met2net_ops.models.training.preparation import network_config
    from met2net_ops.models.training.workers import join_workers

    where = resolve_device(device)
    workers = join_workers()
    config = network_config(settings, grid)
    cost = training_cost(settings.run, config, build_method, workers.count)
    check_memory(cost, where, workers.count)
    return cost


def _print_cost(settings: TrainingSettings, cost: Cost) -> None:
    run = settings.run
    step = cost.step_flops * run.batch / _GIGA
    print_lines(
        f"{settings.name}: {cost.parameters:,} parameters, {cost.forecast_flops / _GIGA:.3g} GFLOP "
        f"a forecast; {run.method}, {run.steps + run.rollout_steps} steps of {run.batch} windows "
        f"and {step:.3g} GFLOP; about {cost.peak_bytes / _GIGA:.2g} GB of memory",
        err=True,
    )


class _Bar:
    """One line: steps, time left, rate and the parts of the loss."""

    def __init__(self) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
        from rich.progress import TimeElapsedColumn as Elapsed

        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            Elapsed(),
            TextColumn("{task.fields[said]}", markup=False),
            console=console(stderr=True),
            transient=True,
        )

    def __call__(
        self, items: Iterable[T], description: str, total: int | None = None
    ) -> Iterator[T]:
        with self._progress:
            self._task = self._progress.add_task(description, total=total, said="")
            yield from items  # `show` moves the bar

    def show(self, report: StepReport) -> None:
        """Show how the last step went."""
        self._progress.update(self._task, total=report.total_steps, completed=report.step)
        self._progress.update(self._task, said=describe_step(report))


def describe_step(report: StepReport) -> str:
    """Rate, time left and losses in one line."""
    left = report.seconds_left
    losses = report.losses
    parts = (
        f"loss {losses.total:.4g} = {losses.reconstruction:.4g} + {losses.latent:.4g} latent"
        if losses.latent
        else f"loss {losses.total:.4g}"
    )
    if left != left:  # the first step has no rate yet
        return parts
    minutes, seconds = divmod(round(left), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02} left  {report.windows_per_second:.3g}/s  {parts}"


def _bar(quiet: bool) -> _Bar | None:
    return _Bar() if not quiet and sys.stderr.isatty() else None


def _print_result(result: Trained, json: bool) -> None:
    scores = result.scores
    last = len(scores.rmse())
    if json:
        print_json(
            {
                "folder": result.path,
                "checksum": result.folder.checksum if result.folder else None,
                "cases": len(scores.starts),
                "leads": list(range(1, 1 + last)),
                "rmse": dict(zip(scores.variables, scores.rmse().T, strict=True)),
                "rmse_persistence": dict(
                    zip(scores.variables, scores.rmse("persistence").T, strict=True)
                ),
            }
        )
        return
    leads = sorted({lead for lead in (1, 3, 6, 12, 24, 48) if lead < last} | {last})
    ratio = scores.ratio()
    rows = [
        [name, *(f"{ratio[lead - 1, number]:.3f}" for lead in leads)]
        for number, name in enumerate(scores.variables)
    ]
    print_table(
        f"RMSE over persistence's, {len(scores.starts)} test forecasts",
        ["variable", *(f"+{lead} h" for lead in leads)],
        rows,
        [f"+{lead} h" for lead in leads],
    )
    print_lines(f"Model: {result.path}")
    if result.folder is None:
        print_lines("Its variables are not weather, so `met2net-ops forecast` cannot run it.")


def _archive_url(archive: str | None, workspace: Path | None) -> str:
    if archive is not None:
        return archive
    from met2net_ops.cli.common import open_workspace

    return open_workspace(workspace).archive_url
