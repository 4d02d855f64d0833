"""Whether a model folder is whole and its network runs."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch

from met2net_ops.errors import ModelError
from met2net_ops.models.folder import CARD_FILE, ModelFolder
from met2net_ops.models.met2net.inference import FastMet2Net
from met2net_ops.models.weights import build_network, read_weights

_TOLERANCE = 1e-4  # far above rounding (1e-6), far below any fault of the arithmetic


@dataclass(frozen=True)
class ModelCheck:
    """One check: its name, whether it passed, and what was found."""

    name: str
    ok: bool
    finding: str


def check_model(folder: ModelFolder) -> list[ModelCheck]:
    """Check a folder in order; stop at the first failure that makes further checks meaningless."""
    description = folder.description
    checks = [
        ModelCheck(
            "description", True,
            f"{len(description.variables)} variables on {description.grid.name}, "
            f"{description.input_frames} frames",
        )
    ]  # fmt: skip
    card = folder.path / CARD_FILE
    checks.append(
        ModelCheck("card", card.is_file(), "present" if card.is_file() else f"{card} is missing")
    )
    try:
        weights = read_weights(folder)
        checks.append(
            ModelCheck("checksum", True, f"SHA-256 {description.weights_sha256[:12]}… as described")
        )
        network = build_network(folder, weights)
    except ModelError as error:
        return [*checks, ModelCheck("weights", False, str(error))]
    size = sum(parameter.numel() for parameter in network.parameters())
    checks.append(ModelCheck("weights", True, f"{size:,} parameters of the right shapes, finite"))
    config = network.config
    noise = torch.Generator().manual_seed(0)
    shape = (1, config.input_frames, config.tokens, config.height, config.width)
    x = torch.randn(shape, generator=noise)
    with torch.inference_mode():
        expected = network(x)
        fast = FastMet2Net(network)
        started = time.perf_counter()
        found = fast(x)
        seconds = time.perf_counter() - started
    difference = float((found - expected).norm() / expected.norm())
    checks.append(
        ModelCheck(
            "dry run",
            difference < _TOLERANCE,
            f"{config.input_frames} leads in {seconds:.2f} s; the inference form differs by "
            f"{difference:.1e}",
        )
    )
    return checks
