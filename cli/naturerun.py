"""`met2net-ops naturerun …`: make synthetic weather."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from met2net_ops.cli.common import JsonOption, QuietOption, WorkspaceOption, print_lines

if TYPE_CHECKING:
    from met2net_ops.naturerun.run import AtmosphereState, NatureRun
    from met2net_ops.progress import Track

app = typer.Typer(
    help="Make synthetic weather: GRIB feeds, archives, arrays, station reports.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

StartOption = Annotated[str, typer.Option(help="First valid time, UTC, such as 2026-11-20T00.")]
HoursOption = Annotated[int, typer.Option(min=1, help="How many hourly times.")]
SeedOption = Annotated[int, typer.Option(min=0, help="Chooses the weather.")]
EpochOption = Annotated[
    str | None,
    typer.Option(
        help="When the run starts from rest. The same seed and epoch always give the same "
        "weather; by default the first day of the month two months before --start.",
        show_default=False,
    ),
]
GridOption = Annotated[str, typer.Option(help="Name of the grid.")]
VariablesOption = Annotated[str, typer.Option(help="Canonical names, separated by commas.")]
TruncationOption = Annotated[
    int, typer.Option(min=10, max=127, help="Largest wavenumber: 21 is quick and coarse.")
]
StateOption = Annotated[
    Path | None,
    typer.Option(
        help="File to keep the spun-up state in: a later call with the same seed and epoch goes "
        "on from it.",
        show_default=False,
    ),
]


@app.command()
def feed(
    start: StartOption,
    hours: HoursOption,
    out: Annotated[Path, typer.Option(help="Folder to deliver into.")],
    grid: GridOption = "global-5p625",
    variables: VariablesOption = "t2m,u10,v10,msl",
    seed: SeedOption = 1,
    epoch: EpochOption = None,
    edition: Annotated[int, typer.Option(min=1, max=2, help="GRIB edition.")] = 2,
    packing: Annotated[str, typer.Option(help="simple or ccsds.")] = "simple",
    hours_per_file: Annotated[int, typer.Option(min=1, help="Hours that share a file.")] = 1,
    faults: Annotated[
        str,
        typer.Option(
            help="Share of files that go wrong, such as late=0.1,missing=0.05; also duplicate, "
            "truncated, damaged.",
            show_default=False,
        ),
    ] = "",
    pause: Annotated[float, typer.Option(min=0, help="Seconds between deliveries.")] = 0.0,
    truncation: TruncationOption = 31,
    state: StateOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Deliver GRIB files of hourly analyses into a folder, as a centre would."""
    from met2net_ops.cli.common import print_json, track_for
    from met2net_ops.grids import named_grid
    from met2net_ops.naturerun.faults import Fault, parse_faults
    from met2net_ops.naturerun.feed import FeedOptions, deliver_feed
    from met2net_ops.naturerun.grib import parse_edition, parse_packing

    options = FeedOptions(
        grid=named_grid(grid),
        variables=_names(variables),
        edition=parse_edition(edition),
        packing=parse_packing(packing),
        hours_per_file=hours_per_file,
        faults=parse_faults(faults),
        pause_seconds=pause,
    )
    track = track_for(quiet)
    run, at = _spun_up(start, seed, epoch, truncation, state, track)
    done = deliver_feed(out, run, at, hours, options, track=track)
    if json:
        print_json(done)
        return
    files = sum(len(item.paths) for item in done)
    print_lines(f"Delivered {files} files of synthetic weather to {out}")
    for item in done:
        if item.fault is not Fault.NONE:
            print_lines(f"  {item.name}: {item.fault}")


@app.command()
def archive(
    start: StartOption,
    hours: HoursOption,
    workspace: WorkspaceOption = None,
    seed: SeedOption = 1,
    epoch: EpochOption = None,
    truncation: TruncationOption = 31,
    state: StateOption = None,
    quiet: QuietOption = False,
) -> None:
    """Write synthetic frames straight into the workspace's archive, without GRIB."""
    from met2net_ops.cli.common import open_workspace, track_for
    from met2net_ops.naturerun.generate import fill_archive

    track = track_for(quiet)
    where = open_workspace(workspace)
    run, at = _spun_up(start, seed, epoch, truncation, state, track)
    frames = where.create_archive()
    count = fill_archive(frames, run, at, hours, track=track)
    print_lines(f"Wrote {count} frames of synthetic weather to {frames.url}")


@app.command()
def arrays(
    start: StartOption,
    hours: HoursOption,
    out: Annotated[Path, typer.Option(help="Folder for values.npy, times.npy, about.json.")],
    grid: GridOption = "global-5p625",
    variables: VariablesOption = "t2m,u10,v10,msl",
    seed: SeedOption = 1,
    epoch: EpochOption = None,
    truncation: TruncationOption = 31,
    quiet: QuietOption = False,
) -> None:
    """Write years of hourly fields as one array, for training."""
    from met2net_ops.cli.common import track_for
    from met2net_ops.grids import named_grid
    from met2net_ops.naturerun.generate import write_arrays
    from met2net_ops.times import HOUR, parse_time

    first = parse_time(start)
    write_arrays(
        out,
        first,
        first + HOUR * (hours - 1),
        named_grid(grid),
        _names(variables),
        seed,
        epoch=parse_time(epoch) if epoch else None,
        truncation=truncation,
        track=track_for(quiet),
    )
    print_lines(f"Wrote {hours} hours of synthetic weather to {out / 'values.npy'}")


@app.command()
def centre(
    start: StartOption,
    hours: HoursOption,
    source: Annotated[str, typer.Option(help="Whose paths and index to serve.")] = "gfs",
    grid: GridOption = "global-5p625",
    variables: VariablesOption = "t2m,u10,v10,msl",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8600,
    speed: Annotated[
        float, typer.Option(min=0.0, help="Seconds of its clock in one second; it begins at --now.")
    ] = 1.0,
    now: Annotated[
        str | None,
        typer.Option(help="What time it is there at first; by default all is published."),
    ] = None,
    faults: Annotated[
        str, typer.Option(help='What goes wrong: names separated by commas, or "all".')
    ] = "",
    fault_rate: Annotated[float, typer.Option(min=0.0, max=1.0)] = 0.3,
    seed: SeedOption = 1,
    epoch: EpochOption = None,
    truncation: TruncationOption = 31,
    state: StateOption = None,
    quiet: QuietOption = False,
) -> None:
    """Publish synthetic weather over HTTP on this machine, as a public centre does.

    Point a feed at it: source = "gfs", base_url = "http://127.0.0.1:8600".
    """
    import socket
    import threading
    import time
    from datetime import timedelta

    from met2net_ops.centre.faults import FaultPlan, parse_centre_faults
    from met2net_ops.centre.objects import Objects
    from met2net_ops.centre.server import Centre, serving
    from met2net_ops.cli.common import track_for
    from met2net_ops.feeds.source import find_source
    from met2net_ops.grids import named_grid
    from met2net_ops.naturerun.generate import frames
    from met2net_ops.times import HOUR, parse_time

    first, place = parse_time(start), named_grid(grid)
    names = _names(variables)
    run, at = _spun_up(start, seed, epoch, truncation, state, track_for(quiet))
    made = track_for(quiet)(frames(run, at, hours, place, names), "making weather", total=hours)
    weather = {time_: dict(zip(names, values, strict=True)) for time_, values in made}
    published = find_source(source)
    longest = timedelta(hours=max(published.analysis_leads))
    last = first + (hours - 1) * HOUR - longest
    objects = Objects(published, weather.__getitem__, names, place, first, last)
    begin = parse_time(now) if now else last + timedelta(days=30)
    began = time.monotonic()
    plan = FaultPlan(fault_rate if faults else 0.0, parse_centre_faults(faults), seed)
    site = Centre(
        objects, lambda: begin + timedelta(seconds=(time.monotonic() - began) * speed), plan
    )
    with socket.create_server(("127.0.0.1", port)) as listener, serving(site, listener) as url:
        print_lines(f"{published.name} from {start} at {url}; stop with Ctrl-C")
        threading.Event().wait()


@app.command()
def stations(
    start: StartOption,
    hours: HoursOption,
    out: Annotated[Path, typer.Option(help="CSV file of reports.")],
    count: Annotated[int, typer.Option(min=1, max=5000, help="How many stations.")] = 200,
    seed: SeedOption = 1,
    epoch: EpochOption = None,
    truncation: TruncationOption = 31,
    state: StateOption = None,
    quiet: QuietOption = False,
) -> None:
    """Write hourly reports of a synthetic station network as CSV."""
    from met2net_ops.cli.common import track_for
    from met2net_ops.naturerun.stations import Network, make_network, reports, write_reports

    track = track_for(quiet)
    run, at = _spun_up(start, seed, epoch, truncation, state, track)
    network = Network(run, make_network(count, seed))
    written = write_reports(out, reports(network, run, at, hours, track=track))
    print_lines(f"Wrote {written} reports of {count} synthetic stations to {out}")


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _spun_up(
    start: str, seed: int, epoch: str | None, truncation: int, state: Path | None, track: Track
) -> tuple[NatureRun, AtmosphereState]:
    from met2net_ops.naturerun.generate import run_for
    from met2net_ops.naturerun.restart import state_at
    from met2net_ops.times import parse_time

    first = parse_time(start)
    run = run_for(seed, first, parse_time(epoch) if epoch else None, truncation)
    return run, state_at(run, first, state, track=track)
