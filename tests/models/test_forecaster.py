from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from met2net_ops.errors import ModelError
from met2net_ops.forecast.forecaster import Forecaster
from met2net_ops.models.description import ModelDescription
from met2net_ops.models.folder import ModelFolder
from met2net_ops.models.forcings import cos_zenith
from met2net_ops.models.forecaster import Met2NetForecaster, load_forecaster
from met2net_ops.models.weights import build_network, read_weights
from met2net_ops.times import to_datetime64

MakeFolder = Callable[..., ModelFolder]
T0 = datetime(2026, 3, 1, 6, tzinfo=UTC)


def window(cycles: int = 1, seed: int = 0) -> NDArray[np.float32]:
    noise = np.random.default_rng(seed).standard_normal((cycles, 3, 2, 8, 18))
    scaled = noise * np.array([15.0, 5.0])[:, None, None]
    return (scaled + np.array([280.0, 0.0])[:, None, None]).astype(np.float32)


def run(
    forecaster: Met2NetForecaster, frames: NDArray[np.float32], leads: int
) -> NDArray[np.float32]:
    times = [T0 + timedelta(hours=6 * i) for i in range(len(frames))]
    return np.concatenate([b.values for b in forecaster.rollout(frames, times, leads)], axis=1)


def by_hand(
    folder: ModelFolder, frames: NDArray[np.float32], leads: int, first_time: datetime = T0
) -> NDArray[np.float64]:
    """One cycle's rollout in float64, written as the description says."""
    d: ModelDescription = folder.description
    weights = read_weights(folder)
    network = build_network(folder, weights).double()
    offset = np.array([d.normalisation[v].offset for v in d.variables])[:, None, None]
    scale = np.array([d.normalisation[v].scale for v in d.variables])[:, None, None]
    physical = frames[0].astype(np.float64)
    out = []
    for block in range(-(-leads // 3)):
        x = (physical - offset) / scale
        for name in d.forcings:
            assert name == "cos_zenith"
            leads_here = [first_time + timedelta(hours=3 * block + k) for k in (1, 2, 3)]
            times = np.array([to_datetime64(time) for time in leads_here])
            x = np.concatenate([x, cos_zenith(times, d.grid.grid())[:, None]], axis=1)
        x = x[:, :, ::-1] if d.rows == "south_first" else x
        y = network(torch.from_numpy(x[None].copy())).numpy()[0]
        y = y[:, :, ::-1] if d.rows == "south_first" else y
        if d.predict == "increment":
            steps = np.array([d.increment_scale[v] for v in d.variables]).T[:, :, None, None]
            physical = physical[-1] + y * steps
        else:
            physical = y * scale + offset
        out.append(physical)
    return np.concatenate(out)[:leads]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"rows": "south_first"},
        {"forcings": ("cos_zenith",)},
        {"predict": "increment", "increment_scale": {"t2m": (1, 2, 3), "u10": (0.5, 1, 1.5)}},
        {
            "predict": "increment", "rows": "south_first", "forcings": ("cos_zenith",),
            "increment_scale": {"t2m": (1, 2, 3), "u10": (0.5, 1, 1.5)},
        },
    ],
    ids=["state", "south first", "forcing", "increment", "all"],
)  # fmt: skip
def test_the_rollout_is_what_the_description_says(
    tmp_path: Path, make_folder: MakeFolder, changes: dict[str, object]
) -> None:
    folder = make_folder(tmp_path, **changes)
    forecaster = Met2NetForecaster(folder, device="cpu")
    frames = window()
    found, expected = run(forecaster, frames, 8)[0], by_hand(folder, frames, 8)
    assert found.dtype == np.float32
    assert found.shape == (8, 2, 8, 18)
    scale = expected.std(axis=(0, 2, 3), keepdims=True)
    np.testing.assert_allclose(found / scale, expected / scale, atol=1e-3)
    assert abs(found - frames[0, -1]).max() > 0.1


def test_blocks_are_numbered_and_cut(tmp_path: Path, make_folder: MakeFolder) -> None:
    forecaster = Met2NetForecaster(make_folder(tmp_path), device="cpu")
    for leads, sizes in ((1, [1]), (3, [3]), (7, [3, 3, 1])):
        blocks = list(forecaster.rollout(window(), [T0], leads))
        assert [block.values.shape[1] for block in blocks] == sizes
        assert [block.first_lead for block in blocks] == list(range(1, leads + 1, 3))
    np.testing.assert_array_equal(run(forecaster, window(), 2), run(forecaster, window(), 7)[:, :2])


def test_cycles_share_the_batch_and_nothing_else(tmp_path: Path, make_folder: MakeFolder) -> None:
    forecaster = Met2NetForecaster(make_folder(tmp_path, forcings=("cos_zenith",)), device="cpu")
    frames = window(cycles=3)
    times = [T0, T0 + timedelta(hours=6), T0 + timedelta(days=100)]
    together = np.concatenate([b.values for b in forecaster.rollout(frames, times, 5)], axis=1)
    for i, time in enumerate(times):
        alone = np.concatenate(
            [b.values for b in forecaster.rollout(frames[i : i + 1], [time], 5)], axis=1
        )
        np.testing.assert_allclose(together[i], alone[0], rtol=1e-4, atol=1e-3)


def test_calls_do_not_disturb_each_other(tmp_path: Path, make_folder: MakeFolder) -> None:
    forecaster = Met2NetForecaster(make_folder(tmp_path), device="cpu")
    one, two = window(seed=1), window(seed=2)
    kept = one.copy()
    first, second = (forecaster.rollout(frames, [T0], 6) for frames in (one, two))
    mixed = [(next(first).values, next(second).values) for _ in range(2)]
    np.testing.assert_array_equal(np.concatenate([m[0] for m in mixed], 1), run(forecaster, one, 6))
    np.testing.assert_array_equal(np.concatenate([m[1] for m in mixed], 1), run(forecaster, two, 6))
    np.testing.assert_array_equal(one, kept)


def test_clipping_bounds_what_comes_out_but_not_what_goes_back(
    tmp_path: Path, make_folder: MakeFolder
) -> None:
    free = run(Met2NetForecaster(make_folder(tmp_path / "a"), device="cpu"), window(), 6)
    clip = {"t2m": (None, 281.0), "u10": (0.0, None)}
    bounded = run(Met2NetForecaster(make_folder(tmp_path / "b", clip=clip)), window(), 6)
    assert (free[:, :, 0] > 281.0).any()
    assert (free[:, :, 1] < 0.0).any()
    np.testing.assert_array_equal(bounded[:, :, 0], np.minimum(free[:, :, 0], 281.0))
    np.testing.assert_array_equal(bounded[:, :, 1], np.maximum(free[:, :, 1], 0.0))


def test_it_says_what_it_is(tmp_path: Path, make_folder: MakeFolder) -> None:
    folder = make_folder(tmp_path, step_hours=3)
    forecaster = load_forecaster("tiny", tmp_path, device="cpu")
    assert isinstance(forecaster, Forecaster)
    spec = forecaster.spec
    assert (spec.name, spec.checksum) == ("tiny", folder.checksum)
    assert (spec.variables, spec.input_frames) == (("t2m", "u10"), 3)
    assert spec.step == timedelta(hours=3)
    assert spec.grid == folder.description.grid.grid()
    assert (forecaster.runtime.device, forecaster.runtime.precision) == ("cpu", "fp32")


def test_precision_is_explicit(tmp_path: Path, make_folder: MakeFolder) -> None:
    folder = make_folder(tmp_path)
    exact = run(Met2NetForecaster(folder, device="cpu"), window(), 3)
    tf32 = Met2NetForecaster(folder, device="cpu", precision="tf32")
    assert tf32.runtime.precision == "fp32"  # a CPU has no TF32
    np.testing.assert_array_equal(run(tf32, window(), 3), exact)
    half = Met2NetForecaster(folder, device="cpu", precision="bf16")
    assert half.runtime.precision == "bf16"
    before = torch.backends.cudnn.allow_tf32, torch.is_autocast_enabled("cpu")
    rough = run(half, window(), 3)
    assert (torch.backends.cudnn.allow_tf32, torch.is_autocast_enabled("cpu")) == before
    error = np.sqrt(((rough - exact) ** 2).mean((0, 1, 3, 4))) / exact.std(axis=(0, 1, 3, 4))
    assert (error < 0.1).all()
    assert (error > 0).all()


def test_devices_that_are_not_there(tmp_path: Path, make_folder: MakeFolder) -> None:
    folder = make_folder(tmp_path)
    with pytest.raises(ModelError, match="there is no device 'gpu'"):
        Met2NetForecaster(folder, device="gpu")
    with pytest.raises(ModelError, match="there is no device 'meta'"):
        Met2NetForecaster(folder, device="meta")
    with pytest.raises(ModelError, match=r"cuda:99.*not on this machine"):
        Met2NetForecaster(folder, device="cuda:99")


def test_windows_that_do_not_fit(tmp_path: Path, make_folder: MakeFolder) -> None:
    forecaster = Met2NetForecaster(make_folder(tmp_path), device="cpu")
    with pytest.raises(ModelError, match=r"needs a window of .*\(1, 3, 2, 8, 18\)"):
        next(forecaster.rollout(window()[:, :2], [T0], 3))
    with pytest.raises(ModelError, match="needs a window"):
        next(forecaster.rollout(window(2), [T0], 3))
    with pytest.raises(ModelError, match="at least 1"):
        next(forecaster.rollout(window(), [T0], 0))
    holed = window()
    holed[0, 1, 1, 2, 3] = np.nan
    with pytest.raises(ModelError, match=r"2026-03-01T06Z has missing values in u10, frame 2"):
        next(forecaster.rollout(holed, [T0], 3))


def test_a_model_that_changed_on_disk_is_refused(tmp_path: Path, make_folder: MakeFolder) -> None:
    folder = make_folder(tmp_path)
    file = folder.path / "model.json"
    described = json.loads(file.read_text())
    described["weights_sha256"] = "0" * 64
    file.write_text(json.dumps(described))
    with pytest.raises(ModelError, match="damaged or belongs to another model"):
        load_forecaster("tiny", tmp_path, device="cpu")
