"""MvMFMNIST: digits and pieces of clothing that drift through 64 x 64 pixels together.

    ROOT/moving_mnist/train-images-idx3-ubyte.gz          digits to make sequences from
    ROOT/moving_fmnist/train-images-idx3-ubyte.gz         clothing to make sequences from
    ROOT/moving_mnist/mnist_fmnist_mv_test_seq.npy        (n, 20, 3, 64, 64) float, 0 to 1

A sequence has 20 frames of three variables: two digits, the garments of the same numbers moving
along with them, and the digits cut out of white. Training sequences are made when they are read,
as the published code makes them, here from the sequence's own seed: nothing is stored, and every
sequence is the same whenever it is read.

The three fields stand for no weather. They lie on a series of frames an hour apart with one missing
frame after every sequence, so that a window of 20 is one sequence: training from 1900, validation
(other seeds) from 2000, test from 2100.
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from met2net_ops.errors import ArchiveError
from met2net_ops.grids import LatLonGrid
from met2net_ops.models.training.frames import FlatFrames

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

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


def holds_moving_fashion(root: Path) -> bool:
    """Whether a folder is laid out like this."""
    return (root / _DIGITS).exists() or (root / _TEST).exists()


def open_moving_fashion(root: Path) -> FlatFrames:
    """The three parts on one time axis.

    Raises:
        ArchiveError: a file is missing, damaged, or of another shape.
    """
    digits, garments = _images(root / _DIGITS), _images(root / _GARMENTS)
    if len(digits) != len(garments):
        raise ArchiveError(
            f"{root / _DIGITS} has {len(digits)} images, {root / _GARMENTS} {len(garments)}; "
            "they must have as many"
        )
    made = _Made(digits, garments)
    sizes = (TRAINING_SEQUENCES, VALIDATION_SEQUENCES)
    parts = [
        _Sequences(sizes[0], lambda number: made.sequence(0, number)),
        _Sequences(sizes[1], lambda number: made.sequence(1, number)),
        _test(root / _TEST),
    ]
    firsts = [(start - STARTS[0]) // _HOUR for start in STARTS]
    return FlatFrames(
        root,
        VARIABLES,
        PIXELS,
        STARTS[0],
        _HOUR,
        tuple(zip(firsts, parts, strict=True)),
        tuple(range(len(VARIABLES))),
    )


@dataclass(frozen=True)
class _Sequences:
    """Sequences of 20 frames, one missing frame after each, as one series."""

    count: int
    sequence: Callable[[int], Sequence20]

    def __len__(self) -> int:
        return self.count * SPACING

    def __getitem__(self, key: tuple[slice, tuple[int, ...]]) -> NDArray[np.float32]:
        times, columns = key
        start, stop, _ = times.indices(len(self))
        out = np.full((stop - start, len(VARIABLES), *PIXELS.shape), np.nan, dtype=np.float32)
        for number in range(start // SPACING, -(-stop // SPACING)):
            first = number * SPACING
            low, high = max(start, first), min(stop, first + FRAMES)
            if low < high:
                out[low - start : high - start] = self.sequence(number)[low - first : high - first]
        return out[:, columns]


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


def _test(path: Path) -> _Sequences:
    wanted = (FRAMES, len(VARIABLES), *PIXELS.shape)
    try:
        values = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ArchiveError(f"cannot read {path}: {error}. Fetch it again") from error
    if values.shape[1:] != wanted or values.dtype.kind != "f" or not len(values):
        raise ArchiveError(f"{path} is {values.dtype} {values.shape}, not floats (n, {wanted})")
    return _Sequences(len(values), lambda number: np.asarray(values[number], dtype=np.float32))
