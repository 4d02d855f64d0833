"""`met2net-ops dataset`: past weather from NetCDF files and Zarr stores into the archive."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from met2net_ops.cli.common import (
    JsonOption,
    QuietOption,
    WorkspaceOption,
    open_workspace,
    print_json,
    print_lines,
    print_table,
    track_for,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from met2net_ops.datasets.fetch import Fetched
    from met2net_ops.datasets.opening import Part
    from met2net_ops.datasets.plan import Plan
    from met2net_ops.datasets.request import Request
    from met2net_ops.datasets.source import Dataset
    from met2net_ops.workspace import Workspace

app = typer.Typer(
    help="Fill the archive with past weather from NetCDF files and Zarr stores.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

FromArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[FROM]...",
        help="A dataset's name, NetCDF files, zips or folders of them, or one Zarr store (folder, "
        "http, s3, gs); by default dataset.source of met2net.toml.",
        show_default=False,
    ),
]
YearsOption = Annotated[
    str | None,
    typer.Option(help="Years or times, A..B, both included, such as 2021..2025.", metavar="A..B"),
]
MappingOption = Annotated[
    Path | None,
    typer.Option(help="TOML file that says what arrays are called, see docs/datasets.md."),
]


@app.command("list")
def list_command(workspace: WorkspaceOption = None, json: JsonOption = False) -> None:
    """List the datasets that are known by name."""
    from met2net_ops.datasets.source import find_datasets
    from met2net_ops.errors import SettingsError
    from met2net_ops.workspace import find_paths

    try:
        folder = find_paths(workspace).root / "datasets"
    except SettingsError:
        if workspace is not None:
            raise
        folder = None
    found = find_datasets(folder).values()
    if json:
        print_json([one.model_dump() for one in found])
        return
    rows = [
        (one.name, one.grid, f"{one.step_hours} h", one.since[:10], one.feed or "-",
         one.account or "none needed", one.licence, one.title)
        for one in found
    ]  # fmt: skip
    print_table(
        "", ("dataset", "grid", "step", "since", "feed", "account", "licence", "what"), rows
    )


@app.command()
def plan(
    what: FromArgument = None,
    years: YearsOption = None,
    mapping: MappingOption = None,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Say what fetching would take: chunks, bytes, time, disk, licence, and what is lacking.

    One chunk of every array is read, to measure its size and the rate.
    """
    from met2net_ops.datasets.opening import opened

    place = open_workspace(workspace)
    dataset, locations = _find(place, what or [], mapping)
    with opened(locations, dataset.region) as parts:
        request, made = _plan(place, dataset, parts, years)
    if json:
        document = {"dataset": dataset.name, "licence": dataset.licence, **_facts(request, made)}
        print_json({**document, "account": dataset.account, "fits": made.fits})
        return
    _print_plan(dataset, request, made)


@app.command()
def fetch(
    what: FromArgument = None,
    years: YearsOption = None,
    mapping: MappingOption = None,
    workspace: WorkspaceOption = None,
    quiet: QuietOption = False,
    json: JsonOption = False,
) -> None:
    """Read frames into the archive, remapped to its grid, each with its origin.

    Killed at any moment, the same command goes on. Exit code 15: some chunks are missing or
    damaged, or values impossible; what is good is archived.
    """
    from met2net_ops.datasets.fetch import Fetched
    from met2net_ops.datasets.fetch import fetch as fetch_frames
    from met2net_ops.datasets.opening import opened
    from met2net_ops.datasets.statics import write_statics
    from met2net_ops.errors import DatasetError

    place = open_workspace(workspace)
    dataset, locations = _find(place, what or [], mapping)
    result = Fetched()
    with opened(locations, dataset.region) as parts:
        request, made = _plan(place, dataset, parts, years)
        if not made.fits:
            raise DatasetError(
                f"{made.frames} frames take {_size(made.disk_bytes)}, and "
                f"{_size(made.free_bytes or 0)} are free at {place.archive_url}. Fetch fewer "
                "years, or set archive.url to a larger disk"
            )
        if not (json or quiet):
            _print_plan(dataset, request, made)
        archive = place.create_archive()
        counts = fetch_frames(request, archive, place.create_catalog(), result)
        track = track_for(quiet or json)
        for _ in track(_one_by_one(counts), "fetching frames", total=request.frames):
            pass
        statics = write_statics(request, place.paths.statics)
    if json:
        print_json(
            {"frames": result.frames, "already": result.skipped, "planned": request.frames,
             "fates": result.fates, "refused": result.refused, "statics": statics,
             "problems": list(result.problems.values()), "bytes": sum(_read_bytes(request))}
        )  # fmt: skip
    else:
        verified = place.settings.verification.surface is not None
        _print_fetched(request, result, statics, verified=verified)
    if result.frames < request.frames:
        lost = [f"{p.chunk}: {p.reason}" for p in result.problems.values()] + result.refused
        raise DatasetError(
            "\n".join(
                [f"{request.frames - result.frames} of {request.frames} frames did not come:",
                 *(f"  {one}" for one in lost[:20]),
                 *([f"  and {len(lost) - 20} more"] if len(lost) > 20 else []),
                 "What is good is archived; the same command tries the rest again."]
            )
        )  # fmt: skip


def _one_by_one(counts: Iterator[int]) -> Iterator[int]:
    for count in counts:
        yield from range(count)


def _find(place: Workspace, what: list[str], mapping: Path | None) -> tuple[Dataset, list[str]]:
    """The dataset, and where it lies.

    Raises:
        DatasetError: nothing is named, or no dataset has that name.
    """
    from met2net_ops.datasets.source import Dataset, find_dataset, read_dataset_file
    from met2net_ops.errors import DatasetError

    folder, settings = place.root / "datasets", place.settings.dataset
    if not what and settings.source is None:
        raise DatasetError(
            "name a dataset, files or a store, or set dataset.source in met2net.toml; "
            "`met2net-ops dataset list` shows the known ones"
        )
    if not what or (len(what) == 1 and _is_name(what[0])):
        dataset = find_dataset(what[0] if what else str(settings.source), folder)
        return dataset, [settings.url or dataset.url]
    if mapping is not None:
        return read_dataset_file(mapping), what
    return Dataset(name="given files"), what


def _is_name(text: str) -> bool:
    return "/" not in text and "." not in text and not Path(text).exists()


def _plan(
    place: Workspace, dataset: Dataset, parts: list[Part], years: str | None
) -> tuple[Request, Plan]:
    from datetime import timedelta

    from met2net_ops.archive.store import is_url
    from met2net_ops.datasets.plan import make_plan
    from met2net_ops.datasets.request import make_request

    settings = place.settings
    since, until = _period(years)
    request = make_request(
        parts, dataset, settings.grid.grid(), settings.archive.variables,
        timedelta(hours=settings.archive.step_hours), since, until,
    )  # fmt: skip
    url = place.archive_url
    return request, make_plan(request, None if is_url(url) else Path(url))


def _period(years: str | None) -> tuple[datetime | None, datetime | None]:
    """`2021..2025` as the first and last hour; also times as everywhere else."""
    from met2net_ops.times import parse_range, parse_time

    if years is None:
        return None, None
    first, _, last = years.partition("..")
    last = last or first
    if len(first) == len(last) == 4 and (first + last).isdigit():
        return parse_time(f"{first}-01-01T00"), parse_time(f"{last}-12-31T23")
    return parse_range(f"{first}..{last}")


def _facts(request: Request, made: Plan) -> dict[str, object]:
    return {
        "variables": {
            **{name: method or "there" for name, method in request.methods.items()},
            **dict.fromkeys(request.lacking, "missing"),
        },
        "first": str(made.times[0])[:16], "last": str(made.times[1])[:16],
        "frames": made.frames, "chunks": made.chunks, "wire_bytes": made.wire_bytes,
        "disk_bytes": made.disk_bytes, "free_bytes": made.free_bytes, "seconds": made.seconds,
    }  # fmt: skip


def _print_plan(dataset: Dataset, request: Request, made: Plan) -> None:
    method = request.items[0].window.method
    rows_by_columns = " by ".join(map(str, request.grid.shape))
    free = f" of {_size(made.free_bytes)} free" if made.free_bytes else ""
    rows = [
        ("dataset", f"{dataset.name}{f': {dataset.title}' if dataset.title else ''}"),
        ("there", ", ".join(n for n, method in request.methods.items() if not method) or "-"),
        ("derived", ", ".join(method for method in request.methods.values() if method) or "-"),
        ("missing", ", ".join(request.lacking) or "-"),
        ("times", f"{str(made.times[0])[:16]}Z to {str(made.times[1])[:16]}Z"),
        ("frames", f"{made.frames:,} on {rows_by_columns} points, {method}"),
        ("to read", f"{made.chunks:,} chunks, {_size(made.wire_bytes)}"),
        ("to write", f"{_size(made.disk_bytes)}{free}"),
        ("time", f"about {made.seconds or 0:.0f} s to read, at the rate of a sample"),
        ("licence", dataset.licence),
        ("account", dataset.account or "none needed"),
    ]  # fmt: skip
    print_table("", ("", ""), rows)


def _print_fetched(
    request: Request, result: Fetched, statics: tuple[str, ...], *, verified: bool
) -> None:
    fates = ", ".join(f"{count} {fate}" for fate, count in sorted(result.fates.items()))
    already = f", {result.skipped} already there" if result.skipped else ""
    print_lines(f"{result.frames} of {request.frames} frames: {fates or 'none new'}{already}")
    if statics:
        print_lines(f"Surface: {', '.join(statics)} in statics.nc; `train` uses it")
        if not verified:
            print_lines('For verification set surface = "statics.nc" in [verification]')


def _read_bytes(request: Request) -> list[int]:
    traffic = {
        id(part.traffic): part.traffic.bytes
        for cube in request.cubes
        for part in cube.parts
        if part.traffic
    }
    return list(traffic.values())


def _size(number: int) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6)):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return f"{number / 1e3:.3g} kB"
