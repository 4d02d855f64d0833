"""Weights and card alone, for what the forecast command could not run."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError
from safetensors.torch import save_file

from met2net_ops.errors import ModelError
from met2net_ops.models.training.exchange import put_in_place

if TYPE_CHECKING:
    from met2net_ops.models.met2net.network import Met2Net


def replace_plain_folder(out: Path, name: str, network: Met2Net, card: str) -> Path:
    """Write `out/NAME` with `weights.safetensors` and `CARD.md`, in place of one that is there.

    Raises:
        ModelError: the disk refuses.
    """
    target = out / name
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".staging-", dir=out) as staging:
            new = Path(staging) / name
            new.mkdir()
            tensors = {
                f"network.{key}": tensor.cpu().contiguous()
                for key, tensor in network.state_dict().items()
            }
            save_file(tensors, new / "weights.safetensors")
            (new / "CARD.md").write_text(card, encoding="utf-8")
            put_in_place(new, target)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"cannot write {target}: {error}") from error
    return target
