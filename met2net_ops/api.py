"""The functions of `import met2net_ops as m2n`: each does what a command does, and returns it.

A `workspace` comes from `find_workspace` or `create_workspace`; options that are left out come
from its settings. Times are UTC: aware datetimes, or text such as "2026-11-22T06".
"""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from dataclasses import fields, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from met2net_ops.progress import silent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import pandas as pd
    import xarray as xr

    from met2net_ops.forecast.forecaster import Forecaster
    from met2net_ops.forecast.result import CycleResult
    from met2net_ops.ingest.report import IngestReport
    from met2net_ops.products.index import ProductEntry
    from met2net_ops.progress import Track
    from met2net_ops.service.clock import Clock
    from met2net_ops.service.monitoring.listeners import ServiceSnapshot
    from met2net_ops.service.service import Service
    from met2net_ops.verification.outcome import VerificationOutcome
    from met2net_ops.workspace import Workspace

Time: TypeAlias = datetime | str
Truth: TypeAlias = Literal["analysis", "stations"]


def ingest_files(
    workspace: Workspace, paths: Path | str | Iterable[Path | str] = (), *, track: Track = silent
) -> IngestReport:
    """Read GRIB files and folders into the archive; without any, all configured feeds.

    Args:
        workspace: where to archive.
        paths: files and folders; what has been read before is not read again.
        track: progress over files.

    Returns:
        What became of every file and every message in it. Refused input raises nothing.

    Raises:
        IngestError: a path does not exist.
        ArchiveError: the archive or the catalog cannot be written.
    """
    from met2net_ops.ingest.pipeline import ingest

    given = [paths] if isinstance(paths, Path | str) else paths
    return ingest(workspace, [Path(path) for path in given], track=track)


def open_archive(workspace: Workspace) -> xr.Dataset:
    """The archive's frames as xarray opens them, read when they are used.

    `xr.open_zarr(workspace.archive_url)` does the same.

    Returns:
        Variables (time, latitude, longitude) float32 in canonical units; NaN where there is no
        frame.

    Raises:
        ArchiveError: there is none yet, or it does not fit the settings' grid and step.
    """
    import xarray as xr

    frames: xr.Dataset = xr.open_zarr(workspace.archive.url, chunks=None)
    return frames


def list_products(
    workspace: Workspace,
    *,
    model: str | None = None,
    since: Time | None = None,
    until: Time | None = None,
    rejected: bool = False,
) -> list[ProductEntry]:
    """Published forecasts, oldest cycle first: model, reference time and path of each.

    Args:
        workspace: where to look.
        model: only of this model.
        since: earliest reference time.
        until: latest reference time, included.
        rejected: list the forecasts that failed the checks before publication instead.
    """
    from met2net_ops.products import index

    return index.list_products(
        workspace.paths, model=model, since=_time(since), until=_time(until), rejected=rejected
    )


def open_product(path: Path | str, variables: Sequence[str] | None = None) -> xr.Dataset:
    """Read a forecast into memory and check its values against the checksums in the file.

    `xr.open_dataset(path)` opens it as well, without the check.

    Args:
        path: the NetCDF file.
        variables: canonical names; all by default.

    Returns:
        Variables (time, latitude, longitude) float32, `time` being the valid time.

    Raises:
        ProductError: no such file, damaged, not a product, or without one of the variables.
    """
    from met2net_ops.products.read import open_product as read_product

    return read_product(Path(path), variables).dataset


def run_cycle(
    workspace: Workspace,
    reference_time: Time = "latest",
    *,
    model: str | None = None,
    leads: int | None = None,
    device: str | None = None,
    force: bool = False,
    track: Track = silent,
) -> CycleResult:
    """Make and publish one forecast.

    Args:
        workspace: whose archive to start from.
        reference_time: the cycle; "latest" is the newest the archive has the input for.
        model: a model's name, or a baseline's such as persistence or linear-online.
        leads: lead times, in steps of the model.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.
        force: make a forecast again that is already published.
        track: progress over leads.

    Returns:
        Where the product is, and how it was made.

    Raises:
        MissingInputError: frames are missing; the message holds the table.
        ModelError: no such model, a damaged one, or a rollout that failed.
        GateRejectedError: the forecast is not fit to publish; it is kept as `….rejected.nc`.
        ProductError: it could not be written; an earlier product is untouched.
        ArchiveError: there is no archive, or a frame is damaged.
        GridError: the model's grid is finer than that of the frames.
    """
    from met2net_ops.forecast import run
    from met2net_ops.forecast.inputs import catalog_origins
    from met2net_ops.forecast.window import latest_reference_time
    from met2net_ops.models.selection import choose_forecaster

    chosen = workspace.with_forecast(model=model, leads=leads, device=device)
    analyses = chosen.usable_frames
    forecaster = choose_forecaster(chosen, analyses)
    if reference_time == "latest":
        gaps = chosen.settings.forecast.max_gap_frames
        time: datetime | None = latest_reference_time(analyses, forecaster.spec, gaps)
    else:
        time = _time(reference_time)
    assert time is not None
    origins = catalog_origins(chosen.catalog)
    return run.run_cycle(
        forecaster, analyses, chosen, time, force=force, origins=origins, track=track
    )


def verify(
    workspace: Workspace,
    against: Truth = "analysis",
    *,
    model: str | None = None,
    since: Time | None = None,
    until: Time | None = None,
    again: bool = False,
    track: Track = silent,
) -> list[VerificationOutcome]:
    """Compare published forecasts with the truth there is by now, and store the sums.

    Args:
        workspace: whose forecasts.
        against: the archive's analyses, or imported station reports.
        model: only this model.
        since: earliest reference time.
        until: latest reference time, included.
        again: compute also what is there and has not changed.
        track: progress over forecasts.

    Returns:
        One outcome per forecast, oldest first. A forecast that cannot be compared is "failed".

    Raises:
        ArchiveError: there is no archive.
        VerificationError: the file of surface heights does not fit.
    """
    from met2net_ops.verification.run_analyses import verify_analyses
    from met2net_ops.verification.run_stations import verify_stations

    run = verify_analyses if against == "analysis" else verify_stations
    return run(
        workspace, model=model, since=_time(since), until=_time(until), again=again, track=track
    )


def summary(
    workspace: Workspace,
    against: Truth = "analysis",
    *,
    model: str | None = None,
    since: Time | None = None,
    until: Time | None = None,
    region: str = "all",
    leads: Sequence[int] | None = None,
    by: str | None = None,
) -> pd.DataFrame:
    """Scores from all stored sums, a row per model, variable and lead time.

    Args:
        workspace: whose sums; `verify` makes them.
        against: "analysis" or "stations".
        model: only this model.
        since: earliest reference time.
        until: latest reference time, included.
        region: a name of `[[regions]]`, "land" or "sea".
        leads: lead times in hours; all by default.
        by: a further division: hour, month or region; for stations station, height or surface.

    Returns:
        The columns of `ScoreLine`: among them `n` pairs, `rmse` with its 95 % interval, `mae`,
        `bias`, `acc` and skill against persistence and climatology; NaN where not defined.

    Raises:
        VerificationError: stored sums cannot be read, or no such region or division.
    """
    import pandas as pd

    from met2net_ops.verification.results import summary as results
    from met2net_ops.verification.results.query import Selection, region_of

    box = region_of(region, workspace.settings)
    selection = Selection(
        truth=against,
        model=model,
        since=_time(since),
        until=_time(until),
        region=None if by == "region" else box if against == "stations" else region,
        leads=None if leads is None else tuple(leads),
    )
    lines = results.summary(workspace.paths, selection, by)
    columns = [field.name for field in fields(results.ScoreLine)]
    return pd.DataFrame(
        [[getattr(line, name) for name in columns] for line in lines], columns=columns
    )


def load_model(
    name: str | None = None, *, workspace: Workspace | None = None, device: str | None = None
) -> Forecaster:
    """A forecaster, ready to roll windows of frames forward.

    Args:
        name: a model's name, or a baseline's such as persistence or linear-online; by default
            that of the settings.
        workspace: whose models to search before those that ship; without one only the latter.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.

    Raises:
        ModelError: no such model, a damaged folder, or a device that is not there.
        ArchiveError: for a baseline, which takes grid and step from the archive, there is none.
    """
    from met2net_ops.errors import ModelError
    from met2net_ops.models.baselines import BASELINE_NAMES
    from met2net_ops.models.forecaster import load_forecaster
    from met2net_ops.models.selection import choose_forecaster

    if workspace is None:
        if name is None or name in BASELINE_NAMES:
            raise ModelError(
                "load_model needs the name of a model that ships with the package, or a workspace"
            )
        return load_forecaster(name, None, device=device or "auto")
    chosen = workspace.with_forecast(model=name, device=device)
    if chosen.settings.forecast.model in BASELINE_NAMES:
        return choose_forecaster(chosen, chosen.usable_frames)
    forecast = chosen.settings.forecast
    return load_forecaster(
        forecast.model,
        chosen.paths.models,
        device=forecast.device,
        precision=forecast.precision,
        compile=forecast.compile,
        source=chosen.usable_frames if chosen.paths.archive.exists() else None,
    )


def serve(
    workspace: Workspace,
    *,
    json_log: bool = False,
    quiet: bool = False,
    clock: Clock | None = None,
    until: Callable[[ServiceSnapshot], bool] | None = None,
) -> None:
    """Run the cycles of `[[schedules]]` until stopped: read the feeds, forecast, verify.

    In the main thread SIGTERM and SIGINT (Ctrl-C) end it within `serve.stop_seconds`, a second one
    at once, and SIGHUP reads the settings again. It logs to stderr and to `logs/`.

    Args:
        workspace: to serve.
        json_log: log JSON lines on stderr.
        quiet: only warnings and worse on stderr.
        clock: whose time counts; the machine's by default.
        until: asked after rounds with decisions; the service ends in good order when it says so.

    Raises:
        ServiceError: another process serves this workspace, or the ledger cannot be opened.
        SettingsError: the schedules are not valid.
    """
    from functools import partial

    from met2net_ops.models.selection import find_spec
    from met2net_ops.models.serving import OPENER
    from met2net_ops.service.integrations import Integrations
    from met2net_ops.service.monitoring.daily_log import log_daily
    from met2net_ops.service.service import Service

    with log_daily(workspace.paths, json_lines=json_log, quiet=quiet):
        integrations = Integrations(workspace, partial(find_spec, workspace))
        told = integrations.listeners

        def on_snapshot(snapshot: ServiceSnapshot) -> None:
            told.on_snapshot(snapshot)
            if until is not None and until(snapshot):
                service.stop()

        listeners = replace(told, on_snapshot=on_snapshot)
        service = Service(workspace, opener=OPENER, clock=clock, listeners=listeners)
        with _signals_for(service):
            service.run()


@contextmanager
def _signals_for(service: Service) -> Iterator[None]:
    """SIGTERM and SIGINT stop, SIGHUP reloads; as they were before at the end."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: object) -> None:
        service.stop()

    def reload(*_: object) -> None:
        service.reload()

    handlers = {signal.SIGTERM: stop, signal.SIGINT: stop, signal.SIGHUP: reload}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _time(given: Time | None) -> datetime | None:
    from met2net_ops.times import parse_time

    return parse_time(given) if isinstance(given, str) else given
