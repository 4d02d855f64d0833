r"""The published ERA5-Cropped files: three `.npz` of hourly East Asia on 128 x 128 points.

    train_128_128.npz   2017 to 2021     data (4, time, 128, 128): msl, u10, v10, t2m
    vail_128_128.npz    2022             stats: a pickled dictionary of minimum and maximum
    test_128_128.npz    2023

110 to 141.75° E, 44 to 12.25° N, north first. Times are not in the files: each begins with its
first year and is hourly. `stats` is never read, because a pickle can run code: the range comes
from the training windows, as all statistics do.

    python -m research.era5_cropped ROOT FRAMES
    met2net-ops train --preset era5-cropped-128 --frames FRAMES/train_128_128 \
        --frames FRAMES/vail_128_128 --frames FRAMES/test_128_128 --out OUT
"""

from __future__ import annotations

import argparse
import sys
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO

import numpy as np

from met2net_ops.cli.common import track_for
from met2net_ops.errors import ArchiveError
from met2net_ops.grids import named_grid
from met2net_ops.models.training.frames import FlatFrames, flat_file, open_flat, source_of
from met2net_ops.progress import Track, silent

VARIABLES = ("msl", "u10", "v10", "t2m")
GRID = named_grid("era5-cropped-128")
STARTS = {
    "train_128_128.npz": datetime(2017, 1, 1, tzinfo=UTC),
    "vail_128_128.npz": datetime(2022, 1, 1, tzinfo=UTC),
    "test_128_128.npz": datetime(2023, 1, 1, tzinfo=UTC),
}
_FRAMES_PER_READ = 256
_HOUR = timedelta(hours=1)


def copy_era5_cropped(root: Path, folder: Path, track: Track = silent) -> list[FlatFrames]:
    """Copy every file into a flat one, a few hundred frames at a time.

    A copy that is there is used again if the file has not changed since.

    Args:
        root: holds the files; those that are missing are left out.
        folder: gets one folder per file.
        track: shows progress.

    Raises:
        ArchiveError: there is no such file, one is not of this layout, or the disk refuses.
    """
    if not any((root / name).exists() for name in STARTS):
        raise ArchiveError(
            f"{root} holds none of {', '.join(STARTS)}; give the folder of these files"
        )
    series = []
    for name, start in STARTS.items():
        path, target = root / name, folder / name.removesuffix(".npz")
        if not path.exists():
            continue
        about = target / "about.json"
        fresh = about.exists() and about.stat().st_mtime > path.stat().st_mtime
        if not (fresh and source_of(target) in (None, str(path))):
            _copy(path, start, target, track)
        series.append(open_flat(target))
    return series


def _copy(path: Path, start: datetime, target: Path, track: Track) -> None:
    try:
        with zipfile.ZipFile(path) as archive, archive.open("data.npy") as data:
            shape, dtype = _header(path, data)
            count, size = shape[1], GRID.nlat * GRID.nlon * dtype.itemsize
            with flat_file(
                target, VARIABLES, GRID, start, _HOUR, count, source=str(path)
            ) as values:
                # The file holds one variable after the other.
                blocks = [
                    (column, first)
                    for column in range(len(VARIABLES))
                    for first in range(0, count, _FRAMES_PER_READ)
                ]
                for column, first in track(blocks, f"copying {path.name}", len(blocks)):
                    length = min(_FRAMES_PER_READ, count - first)
                    raw = data.read(length * size)
                    part = np.frombuffer(raw, dtype=dtype).reshape(length, *GRID.shape)
                    values[first : first + length, column] = part
    except (zipfile.BadZipFile, KeyError, ValueError, EOFError, OSError) as error:
        raise ArchiveError(
            f"{path} is not a file of ERA5-Cropped: {error}. Fetch it again"
        ) from error


def _header(path: Path, data: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[np.generic]]:
    version = np.lib.format.read_magic(data)
    read = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    if version not in read:
        raise ArchiveError(f"{path}: data.npy is of format {version}; save it with NumPy again")
    shape, fortran, dtype = read[version](data)
    fits = len(shape) == 4 and shape[0] == len(VARIABLES) and shape[2:] == GRID.shape
    if not fits or fortran or dtype.kind != "f" or shape[1] < 1:
        raise ArchiveError(
            f"{path}: data is {dtype} {shape}{', in Fortran order' if fortran else ''}; "
            f"ERA5-Cropped has floats ({len(VARIABLES)}, time, {GRID.nlat}, {GRID.nlon})"
        )
    return shape, dtype


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("root", type=Path, help="folder of the published files")
    parser.add_argument("frames", type=Path, help="gets one folder of flat frames per file")
    given = parser.parse_args()
    try:
        for copied in copy_era5_cropped(given.root, given.frames, track_for(quiet=False)):
            print(copied.folder)
    except ArchiveError as error:
        sys.exit(f"error: {error}")
