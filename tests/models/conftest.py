from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from met2net_ops.grids import LatLonGrid
from met2net_ops.models.description import GridDescription, describe_network
from met2net_ops.models.folder import ModelFolder
from met2net_ops.models.met2net.config import NetworkConfig
from met2net_ops.models.met2net.network import Met2Net
from met2net_ops.models.weights import write_folder

ROOT = Path(__file__).resolve().parents[2]
GRID = LatLonGrid(70.0, 0.0, 20.0, 20.0, 8, 18, "test-20")


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def straightforward() -> ModuleType:
    """The network written a second time, in `bench/`."""
    spec = importlib.util.spec_from_file_location(
        "straightforward", ROOT / "bench" / "straightforward.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def make_network() -> Callable[..., Met2Net]:
    """Random networks in eval mode, every parameter and running statistic away from its default."""

    def make(seed: int = 0, **shape: Any) -> Met2Net:
        sizes: dict[str, Any] = {
            "input_frames": 3, "variables": 2, "height": 8, "width": 18,
            "hid_s": 4, "hid_t": 16, "n_t": 2, "n_s": 2, **shape,
        }  # fmt: skip
        generator = torch.Generator().manual_seed(seed)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            network = Met2Net(NetworkConfig(**sizes))
        with torch.no_grad():
            for tensor in network.state_dict().values():
                if tensor.is_floating_point():
                    tensor.add_(0.2 * torch.rand(tensor.shape, generator=generator))
        return network.eval().requires_grad_(False)

    return make


@pytest.fixture
def make_folder(make_network: Callable[..., Met2Net]) -> Callable[..., ModelFolder]:
    """Model folders of two variables on an 8 x 18 grid; `changes` go into the description."""

    def make(
        models: Path,
        name: str = "tiny",
        network: Met2Net | None = None,
        static: dict[str, Any] | None = None,
        **changes: Any,
    ) -> ModelFolder:
        network = network or make_network(forcings=len(changes.get("forcings", ())))
        description = {
            "name": name,
            "variables": ("t2m", "u10"),
            "grid": GridDescription.of(GRID),
            "input_frames": network.config.input_frames,
            "network": describe_network(network.config),
            "normalisation": {
                "t2m": {"offset": 280.0, "scale": 20.0},
                "u10": {"offset": 0.5, "scale": 6.0},
            },
            **changes,
        }
        return write_folder(models, description, network, f"# {name}\n", static=static)

    return make
