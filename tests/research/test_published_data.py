"""ERA5-Cropped and MvMFMNIST, from small files of their layout, to flat frames for training."""

from __future__ import annotations

import gzip
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from met2net_ops.errors import ArchiveError
from met2net_ops.grids import named_grid
from met2net_ops.models.training.preparation import prepare
from met2net_ops.models.training.settings import NetworkSettings
from met2net_ops.models.training.settings_file import load_preset
from met2net_ops.models.training.sources import find_source, series_for
from met2net_ops.models.training.windows import Period, window_starts
from research.era5_cropped import copy_era5_cropped
from research.moving_fashion import write_moving_fashion


def write_era5_cropped(root: Path, hours: int = 30, *, compressed: bool = False) -> np.ndarray:
    random = np.random.default_rng(1)
    data = random.integers(0, 9, size=(4, hours, 128, 128)).astype(np.float32)
    stats = {name: {"min": 0.0, "max": 1.0} for name in ("msl", "u10", "v10", "t2m")}
    save = np.savez_compressed if compressed else np.savez
    save(root / "train_128_128.npz", data=data, stats=np.array(stats, dtype=object))
    save(root / "vail_128_128.npz", data=data[:, :10] + 1, stats=np.array(stats, dtype=object))
    return data


@pytest.mark.parametrize("compressed", [False, True])
def test_era5_cropped_files_lie_on_their_years(tmp_path: Path, compressed: bool) -> None:
    data = write_era5_cropped(tmp_path, compressed=compressed)
    settings = load_preset("era5-cropped-128")
    folders = [one.folder for one in copy_era5_cropped(tmp_path, tmp_path / "out")]
    source = find_source(settings, None, folders, tmp_path / "run")
    assert source.grid == named_grid("era5-cropped-128")
    frames = source.frames()
    assert frames.variables == ("msl", "u10", "v10", "t2m")
    np.testing.assert_array_equal(frames.read(0, 30), data.transpose(1, 0, 2, 3))
    year = frames.index(datetime(2022, 1, 1, tzinfo=UTC))
    np.testing.assert_array_equal(frames.read(year, 10), data[:, :10].transpose(1, 0, 2, 3) + 1)
    # Every hour begins a window; the published reader sees each sixth only in number.
    january = Period(datetime(2017, 1, 1, tzinfo=UTC), datetime(2017, 1, 31, tzinfo=UTC))
    assert window_starts(frames, [january], 24).tolist() == list(range(7))
    written = (tmp_path / "out" / "train_128_128" / "values.npy").stat().st_mtime_ns
    copy_era5_cropped(tmp_path, tmp_path / "out")
    again = (tmp_path / "out" / "train_128_128" / "values.npy").stat().st_mtime_ns
    assert written == again


def test_a_pickle_in_era5_cropped_is_never_run(tmp_path: Path) -> None:
    class Harm:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "harmed",)

    data = np.ones((4, 2, 128, 128), dtype=np.float32)
    np.savez(tmp_path / "train_128_128.npz", data=data, stats=np.array(Harm(), dtype=object))
    (tmp_path / "harmed").unlink(missing_ok=True)
    (copied,) = copy_era5_cropped(tmp_path, tmp_path / "out")
    assert len(copied) == 2
    assert not (tmp_path / "harmed").exists()


def test_other_shapes_than_era5_cropped_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "train_128_128.npz"
    with pytest.raises(ArchiveError, match=r"holds none of train_128_128.npz"):
        copy_era5_cropped(tmp_path, tmp_path / "out")
    np.savez(path, data=np.zeros((3, 5, 128, 128), dtype=np.float32))
    with pytest.raises(ArchiveError, match=r"data is float32 \(3, 5, 128, 128\)"):
        copy_era5_cropped(tmp_path, tmp_path / "out")
    np.savez(path, values=np.zeros(3))
    with pytest.raises(ArchiveError, match=r"is not a file of ERA5-Cropped: .*data.npy"):
        copy_era5_cropped(tmp_path, tmp_path / "out")
    path.write_bytes(b"PK nonsense")
    with pytest.raises(ArchiveError, match="is not a file of ERA5-Cropped"):
        copy_era5_cropped(tmp_path, tmp_path / "out")
    np.savez(path, data=np.zeros((4, 5, 128, 128), dtype=np.float32))
    path.write_bytes(path.read_bytes()[:70_000])
    with pytest.raises(ArchiveError, match="is not a file of ERA5-Cropped"):
        copy_era5_cropped(tmp_path, tmp_path / "out")
    assert not list((tmp_path / "out").rglob("about.json"))


def write_images(root: Path, images: int = 6, sequences: int = 3) -> np.ndarray:
    random = np.random.default_rng(2)
    for folder in ("moving_mnist", "moving_fmnist"):
        (root / folder).mkdir(parents=True, exist_ok=True)
        pixels = random.integers(0, 256, (images, 28, 28), dtype=np.uint8)
        header = np.array([2051, images, 28, 28], dtype=">u4").tobytes()
        with gzip.open(root / folder / "train-images-idx3-ubyte.gz", "wb") as file:
            file.write(header + pixels.tobytes())
    test = random.random((sequences, 20, 3, 64, 64)).astype(np.float32)
    np.save(root / "moving_mnist" / "mnist_fmnist_mv_test_seq.npy", test)
    return test


def test_moving_fashion_gives_whole_sequences(tmp_path: Path) -> None:
    test = write_images(tmp_path)
    settings = load_preset(
        "mv-mfmnist",
        [
            'data.train=["1900-01-01..1900-02-01"]',
            'data.validation=["2000-01-01..2000-02-01"]',
            'data.test=["2100-01-01..2100-02-01"]',
        ],
    )
    parts = write_moving_fashion(tmp_path, tmp_path / "out", training=5, validation=2)
    frames = series_for(settings, None, [part.folder for part in parts], tmp_path / "run")
    split = settings.data.split()
    starts = window_starts(frames, split.train, 20)
    assert starts.tolist() == [0, 21, 42, 63, 84]
    judged = window_starts(frames, split.test, 20)
    for start, sequence in zip(judged, test, strict=True):
        np.testing.assert_array_equal(frames.read(int(start), 20), sequence)
    first = frames.read(0, 20)
    assert (first >= 0).all()
    assert (first <= 1).all()
    anew = write_moving_fashion(tmp_path, tmp_path / "anew", training=1, validation=1)
    np.testing.assert_array_equal(anew[0].read(0, 20), first)
    assert not np.array_equal(first, frames.read(int(starts[1]), 20))
    # Whatever moves, moves without changing: every frame holds the same pixels of one object or
    # both, and the negative is dark exactly where a digit is not black.
    digits, negative = first[:, 0] * 255, first[:, 2] * 255
    np.testing.assert_array_equal(negative < 128, digits > 1)
    # An object moves at most a tenth of its room, 3.6 pixels, from frame to frame.
    rows = (digits > 1).any(axis=2)
    tops = rows.argmax(axis=1)
    assert np.abs(np.diff(tops)).max() <= 4
    sizes = replace(settings, network=NetworkSettings(frames=10, hid_s=4, hid_t=16, n_t=1, n_s=4))
    data = prepare(sizes, frames, {})
    batch = data.samples.batch(data.train[:2])
    assert float(batch.frames.min()) >= 0
    assert float(batch.frames.max()) <= 1


def test_incomplete_moving_fashion_is_named(tmp_path: Path) -> None:
    write_images(tmp_path)

    def refused(message: str) -> None:
        with pytest.raises(ArchiveError, match=message):
            write_moving_fashion(tmp_path, tmp_path / "out", training=1, validation=1)

    fixed = tmp_path / "moving_mnist" / "mnist_fmnist_mv_test_seq.npy"
    np.save(fixed, np.zeros((2, 20, 64, 64, 3), dtype=np.float32))
    refused(r"is float32 \(2, 20, 64, 64, 3\), not floats")
    garments = tmp_path / "moving_fmnist" / "train-images-idx3-ubyte.gz"
    whole = garments.read_bytes()
    garments.write_bytes(whole[:300])
    refused("cannot read .*moving_fmnist")
    with gzip.open(garments, "wb") as file:
        file.write(gzip.decompress(whole)[:-1])
    refused("is cut short: 6 images promised")
    garments.unlink()
    refused("cannot read .*moving_fmnist")
