"""`met2net-ops train`: from an archive to a model folder."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from met2net_ops.cli.common import (
    JsonOption,
    QuietOption,
    WorkspaceOption,
    print_json,
    print_table,
    track_for,
)


def command(
    out: Annotated[Path, typer.Option(help="Folder for the model, its checkpoint and its logs.")],
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
        typer.Option(help="Flat frames instead of an archive; repeat it to join several."),
    ] = None,
    workspace: WorkspaceOption = None,
    quiet: QuietOption = False,
    json: JsonOption = False,
) -> None:
    """Train a network and write a model folder with its card.

    Killed at any moment, the same command goes on from the last checkpoint. Started through
    torchrun, several processes share every batch.
    """
    import logging

    from met2net_ops.models.training.settings import load_preset, load_settings
    from met2net_ops.models.training.train import series_for, static_fields, train_model

    if (preset is None) == (config is None):
        raise typer.BadParameter("give either --preset or --config")
    settings = load_preset(preset) if preset else load_settings(config or Path())
    logging.getLogger("met2net_ops.models.training").setLevel(
        logging.WARNING if quiet else logging.INFO
    )
    track = track_for(quiet)
    series = series_for(
        settings, _archive_url(archive, workspace) if not frames else None, frames or [], out, track
    )
    result = train_model(
        settings,
        series,
        static_fields(settings.data.static, series.grid),
        out,
        command=shlex.join(["met2net-ops", *sys.argv[1:]]),
        track=track,
    )
    if result is None:
        return
    folder, scores = result
    last = len(scores.rmse())
    leads = sorted({lead for lead in (1, 3, 6, 12, 24, 48) if lead < last} | {last})
    if json:
        print_json(
            {
                "folder": folder.path,
                "checksum": folder.checksum,
                "cases": len(scores.starts),
                "leads": list(range(1, 1 + last)),
                "rmse": dict(zip(scores.variables, scores.rmse().T, strict=True)),
                "rmse_persistence": dict(
                    zip(scores.variables, scores.rmse("persistence").T, strict=True)
                ),
            }
        )
        return
    rows = [
        [name, *(f"{scores.ratio()[lead - 1, number]:.3f}" for lead in leads)]
        for number, name in enumerate(scores.variables)
    ]
    print_table(
        f"RMSE over persistence's, {len(scores.starts)} test forecasts",
        ["variable", *(f"+{lead} h" for lead in leads)],
        rows,
        [f"+{lead} h" for lead in leads],
    )
    typer.echo(f"Model: {folder.path}")


def _archive_url(archive: str | None, workspace: Path | None) -> str:
    if archive is not None:
        return archive
    from met2net_ops.archive.frames import archive_url
    from met2net_ops.cli.common import open_workspace

    return archive_url(*open_workspace(workspace))
