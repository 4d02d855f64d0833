"""Where and in what arithmetic a network runs: explicit choices, resolved once."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

import torch

from met2net_ops.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator

Precision = Literal["fp32", "tf32", "bf16"]


def resolve_device(wanted: str) -> torch.device:
    """`auto` (CUDA if there, else CPU), `cpu`, `cuda` or `cuda:N`.

    Raises:
        ModelError: no such device, or not on this machine.

    >>> resolve_device("cpu")
    device(type='cpu')
    """
    available = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if wanted == "auto":
        return torch.device("cuda", 0) if available else torch.device("cpu")
    try:
        device = torch.device(wanted)
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda"):
        raise ModelError(f"there is no device {wanted!r}: write auto, cpu, cuda or cuda:N")
    if device.type == "cuda":
        device = torch.device("cuda", device.index or 0)
        if device.index >= available:
            raise ModelError(
                f"the device {wanted!r} is not on this machine, which shows {available} CUDA "
                "devices to torch; use --device auto or cpu, or check the driver with nvidia-smi"
            )
    return device


def device_name(device: torch.device) -> str:
    """For people: `cpu`, or `cuda:0` with the card's name."""
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return str(device)


def effective_precision(wanted: Precision, device: torch.device) -> Precision:
    """What the arithmetic really is: TF32 exists on CUDA only, a CPU computes fp32 instead."""
    return "fp32" if wanted == "tf32" and device.type == "cpu" else wanted


@contextmanager
def arithmetic(precision: Precision, device: torch.device) -> Iterator[None]:
    """Compute in that precision inside the block and leave torch's settings as they were.

    fp32 keeps TF32 out of cuDNN as well, where torch allows it by default.
    """
    tf32 = precision == "tf32"
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
    try:
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
            yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before
