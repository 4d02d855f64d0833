r"""MvMFMNIST: digits and pieces of clothing that drift through 64 x 64 pixels together.

    ROOT/moving_mnist/train-images-idx3-ubyte.gz          digits to make sequences from
    ROOT/moving_fmnist/train-images-idx3-ubyte.gz         clothing to make sequences from
    ROOT/moving_mnist/mnist_fmnist_mv_test_seq.npy        (n, 20, 3, 64, 64) float, 0 to 1

A sequence has 20 frames of three variables: two digits, the garments of the same numbers moving
along with them, and the digits cut out of white. Training sequences are made as the published code
makes them, here each from a seed of its own, and written as flat frames (1 MB a sequence, 10 GB in
all):

    python -m research.moving_fashion ROOT FRAMES
    met2net-ops train --preset mv-mfmnist --frames FRAMES/training --frames FRAMES/validation \
        --frames FRAMES/test --out OUT

The three fields stand for no weather. They lie on a series of frames an hour apart with one missing
frame after every sequence, so that a window of 20 is one sequence: training from 1900, validation
(other seeds) from 2000, test from 2100.
"""

from __future__ import annotations

import argparse
import gzip
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from met2net_ops.cli.common import track_for
from met2net_ops.errors import ArchiveError
from met2net_ops.grids import LatLonGrid
from met2net_ops.models.training.frames import FlatFrames, flat_file, open_flat
from met2net_ops.progress import Track, silent

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Sequence20 = NDArray[np.float32]

VARIABLES = ("digits", "garments", "negative")
PIXELS = LatLonGrid(0.315, 0.0, 0.01, 0.01, 64, 64, "pixels-64")  # all cells of one size
FRAMES = 20
SPACING = FRAMES + 1
TRAINING_SEQUENCES = 10_000
VALIDATION_SEQUENCES = 1_000
STARTS = tuple(datetime(year, 1, 1, tzinfo=UTC) for year in (1900, 2000, 2100))
_HOUR = timedelta(hours=1)
_DIGITS = "moving_mnist/train-images-idx3-ubyte.gz"
_GARMENTS = "moving_fmnist/train-images-idx3-ubyte.gz"
_TEST = "moving_mnist/mnist_fmnist_mv_test_seq.npy"
_SIDE = 28
_SPEED = 0.1  # of the room an object has, per frame


def write_moving_fashion(
    root: Path,
    folder: Path,
    training: int = TRAINING_SEQUENCES,
    validation: int = VALIDATION_SEQUENCES,
    track: Track = silent,
) -> list[FlatFrames]:
    """Write `training`, `validation` and `test`, each a folder of flat frames.

    Args:
        root: the published files.
        folder: gets the three folders.
        training: how many training sequences to make.
        validation: the same for validation.
        track: shows progress.

    Raises:
        ArchiveError: a file is missing, damaged, or of another shape, or the disk refuses.
    """
    digits, garments = _images(root / _DIGITS), _images(root / _GARMENTS)
    if len(digits) != len(garments):
        raise ArchiveError(
            f"{root / _DIGITS} has {len(digits)} images, {root / _GARMENTS} {len(garments)}; "
            "they must have as many"
        )
    made, test = _Made(digits, garments), _test(root / _TEST)
    parts: list[tuple[str, int, Callable[[int], Sequence20]]] = [
        ("training", training, lambda number: made.sequence(0, number)),
        ("validation", validation, lambda number: made.sequence(1, number)),
        ("test", len(test), lambda number: np.asarray(test[number], dtype=np.float32)),
    ]
    series = []
    for (name, count, sequence), start in zip(parts, STARTS, strict=True):
        target = folder / name
        with flat_file(
            target, VARIABLES, PIXELS, start, _HOUR, count * SPACING, source=str(root)
        ) as values:
            for number in track(range(count), f"writing {name} sequences", count):
                first = number * SPACING
                values[first : first + FRAMES] = sequence(number)
                values[first + FRAMES] = np.nan
        series.append(open_flat(target))
    return series


@dataclass(frozen=True)
class _Made:
    digits: NDArray[np.uint8]
    garments: NDArray[np.uint8]

    def sequence(self, part: int, number: int) -> Sequence20:
        """(20, 3, 64, 64), 0 to 1."""
        random = np.random.default_rng((part, number))
        frames = np.zeros((FRAMES, len(VARIABLES), *PIXELS.shape), dtype=np.float32)
        frames[:, 2] = 255.0
        for _ in range(2):
            which = int(random.integers(len(self.digits)))
            digit, garment = self.digits[which], self.garments[which]
            negative = np.where(digit > 1, 0, 255 - digit)
            for frame, (top, left) in zip(frames, _trajectory(random), strict=True):
                window = frame[:, top : top + _SIDE, left : left + _SIDE]
                np.maximum(window[0], digit, out=window[0])
                np.maximum(window[1], garment, out=window[1])
                np.minimum(window[2], negative, out=window[2])
        return frames / 255.0


def _trajectory(random: np.random.Generator) -> NDArray[np.int64]:
    """(20, 2) upper left corners: straight ahead, turning back at the edges."""
    place = random.random(2)
    angle = random.random() * 2 * np.pi
    velocity = _SPEED * np.array([np.sin(angle), np.cos(angle)])
    corners = np.empty((FRAMES, 2))
    for number in range(FRAMES):
        place = place + velocity
        outside = (place <= 0) | (place >= 1)
        velocity = np.where(outside, -velocity, velocity)
        place = np.clip(place, 0, 1)
        corners[number] = place
    return (corners * (PIXELS.nlat - _SIDE)).astype(np.int64)


def _images(path: Path) -> NDArray[np.uint8]:
    """(n, 28, 28) of an IDX file (LeCun et al., 1998)."""
    try:
        with gzip.open(path, "rb") as file:
            content = file.read()
    except (OSError, EOFError) as error:
        raise ArchiveError(
            f"cannot read {path}: {error}. MvMFMNIST makes its training sequences from the images "
            "of MNIST and Fashion-MNIST; fetch that file"
        ) from error
    header = np.frombuffer(content[:16], dtype=">u4")
    if len(header) < 4 or header[0] != 2051 or tuple(header[2:]) != (_SIDE, _SIDE):
        raise ArchiveError(f"{path} is not an IDX file of {_SIDE} x {_SIDE} images")
    pixels = np.frombuffer(content, dtype=np.uint8, offset=16)
    if pixels.size != int(header[1]) * _SIDE**2 or not pixels.size:
        raise ArchiveError(f"{path} is cut short: {header[1]} images promised")
    return pixels.reshape(-1, _SIDE, _SIDE)


def _test(path: Path) -> NDArray[np.floating[Any]]:
    wanted = (FRAMES, len(VARIABLES), *PIXELS.shape)
    try:
        values: NDArray[np.floating[Any]] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ArchiveError(f"cannot read {path}: {error}. Fetch it again") from error
    if values.shape[1:] != wanted or values.dtype.kind != "f" or not len(values):
        raise ArchiveError(f"{path} is {values.dtype} {values.shape}, not floats (n, {wanted})")
    return values


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("root", type=Path, help="folder of the published files")
    parser.add_argument("frames", type=Path, help="gets the three folders of flat frames")
    given = parser.parse_args()
    try:
        for part in write_moving_fashion(given.root, given.frames, track=track_for(quiet=False)):
            print(part.folder)
    except ArchiveError as error:
        sys.exit(f"error: {error}")
