"""Finding a published network's tensors in whatever a training script saved around them.

Wrappers leave their name in every tensor's name: `module.` (DataParallel, DDP), `_orig_mod.`
(torch.compile), `model.` (Lightning), singly, stacked, and in the middle where only a part of the
network was wrapped. Scripts also save the state dict as a value of a dictionary, beside optimiser,
epoch, and often a second, averaged set of weights.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from met2net_ops.errors import ModelError
from met2net_ops.models.met2net.published_names import own_name
from met2net_ops.visible import visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torch import Tensor

# None of these is a part of the published network's own names.
_WRAPPERS = frozenset({
    "module", "_orig_mod", "model", "network", "net", "backbone", "method",
    "_fsdp_wrapped_module", "_checkpoint_wrapped_module", "_forward_module",
})  # fmt: skip
_AVERAGED = re.compile(r"(^|[^a-z])(ema|ewma|swa|avg|average|averaged|shadow|teacher)([^a-z]|$)")
_DEPTH = 6  # dictionaries within each other; a pickle can also hold itself
_SHOWN = 8


@dataclass
class _Candidate:
    """Tensors that share place and prefix, under their published names."""

    place: tuple[str, ...]
    prefix: str
    tensors: dict[str, Tensor] = field(default_factory=dict)

    @property
    def label(self) -> str:
        parts = [*self.place, *([f"{self.prefix}.*"] if self.prefix else [])]
        return _short("/".join(parts)) or "the file itself"

    @property
    def averaged(self) -> bool:
        return _AVERAGED.search(self.label.lower()) is not None

    @property
    def whole(self) -> bool:
        """Whether it has encoders and translator: what the network's size is read from."""
        return any(name.startswith("enc_q") for name in self.tensors) and any(
            name.startswith("hid_q") for name in self.tensors
        )


@dataclass(frozen=True)
class PublishedTensors:
    """A published network's tensors.

    Attributes:
        tensors: by published name, without wrappers, such as `enc_q_list.0.enc.0.conv.conv.weight`.
        place: keys of the dictionaries they were found in, and a prefix that is not removed, for
            messages; "" for the file itself.
        others: places of further whole sets that were not taken.
    """

    tensors: dict[str, Tensor]
    place: str
    others: tuple[str, ...]


def find_tensors(content: Mapping[Any, Any], origin: str) -> PublishedTensors:
    """The published network's tensors in a checkpoint, at any depth and behind any wrapper.

    Where there are several sets, the trained weights are taken, as the published code does when it
    loads a checkpoint, and an averaged copy (`ema`, `state_dict_ema`, …) only where there is no
    other; of several trained sets, the one with the shortest prefix, then the first.

    Args:
        content: of the file.
        origin: the file, for messages.

    Raises:
        ModelError: none is found, or two tensors claim the same name; keys are named.
    """
    candidates: dict[tuple[tuple[str, ...], str], _Candidate] = {}
    for place, key, value in _tensors(content, (), _DEPTH):
        parts = key.split(".")
        start = next((i for i, part in enumerate(parts) if _begins(part)), None)
        if start is None:
            continue
        name = ".".join(part for part in parts[start:] if part not in _WRAPPERS)
        if own_name(name) is None:
            continue
        prefix = ".".join(part for part in parts[:start] if part not in _WRAPPERS)
        found = candidates.setdefault((place, prefix), _Candidate(place, prefix))
        if name in found.tensors and not torch.equal(found.tensors[name], value):
            raise ModelError(
                f"{origin} holds two different tensors for {name}, the second as {_short(key)}: it "
                "is not known which to take. Save one network's state dict alone and import that"
            )
        found.tensors[name] = value
    whole = [candidate for candidate in candidates.values() if candidate.whole]
    if not whole:
        raise ModelError(_not_found(content, origin))
    whole.sort(key=lambda candidate: (candidate.averaged, candidate.prefix.count("."),
                                      candidate.prefix != ""))  # fmt: skip
    chosen, *others = whole
    return PublishedTensors(
        chosen.tensors, chosen.label, tuple(candidate.label for candidate in others)
    )


def _begins(part: str) -> bool:
    return re.fullmatch(r"(enc|dec|hid)_[qk](_list)?", part) is not None


def _tensors(
    content: Mapping[Any, Any], place: tuple[str, ...], depth: int
) -> Iterator[tuple[tuple[str, ...], str, Tensor]]:
    """Every tensor with the dictionary it is in and its name there."""
    for key, value in content.items():
        if isinstance(value, torch.Tensor):
            yield place, str(key), value
        elif isinstance(value, dict) and depth:
            yield from _tensors(value, (*place, str(key)), depth - 1)


def _not_found(content: Mapping[Any, Any], origin: str) -> str:
    return (
        f"{origin} is no published Met2Net checkpoint: no tensors named enc_q_list.0 and hid_q are "
        f"in it, at any depth. It has {_keys(content)}"
    )


def _keys(content: Mapping[Any, Any]) -> str:
    """What a dictionary holds, with the first keys of dictionaries in it."""
    shown = []
    for key, value in list(content.items())[:_SHOWN]:
        text = _short(str(key))
        if isinstance(value, dict) and value:
            inside = ", ".join(_short(str(name)) for name in list(value)[:3])
            text += f" ({inside}{', …' if len(value) > 3 else ''})"
        shown.append(text)
    more = [f"{len(content) - _SHOWN} more"] if len(content) > _SHOWN else []
    return ", ".join([*shown, *more]) or "no key at all"


def _short(key: str) -> str:
    """A key of the file, for a message."""
    text = visible(key)
    return text if len(text) <= 80 else f"{text[:79]}…"
