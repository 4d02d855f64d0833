"""Parameter names of the published implementation, in ours and back.

The published state dict holds two copies of everything, `_q` (trained, used in inference) and
`_k` (the momentum translator and the copied encoders and decoders).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

_PARTS = re.compile(r"(?:model\.)?(enc|dec|hid)_([qk])(?:_list)?\.(.+)")
_UNUSED = re.compile(r"spatial_gating_unit\.fc\.")  # in the file, in no published arithmetic

_RENAMES: dict[str, tuple[tuple[str, str], ...]] = {
    "enc": ((r"^(\d+)\.enc\.(\d+)\.conv\.(conv|norm)\.", r"encoders.\1.blocks.\2.\3."),),
    "dec": (
        (r"^(\d+)\.dec\.(\d+)\.conv\.(conv|norm)\.(?:0\.)?", r"decoders.\1.blocks.\2.\3."),
        (r"^(\d+)\.readout\.", r"decoders.\1.readout."),
    ),
    "hid": (
        (r"^conv1\.", "translator.project_in."),
        (r"^conv2\.", "translator.project_out."),
        (r"^layers\.", "translator.blocks."),
        (r"\.attn_1\.q_Conv\.", ".attention.query."),
        (r"\.attn_1\.k_Conv\.", ".attention.key."),
        (r"\.attn_1\.v_Conv\.", ".attention.value."),
        (r"\.attn_1\.v_post_f\.", ".attention.output."),
        (r"(\.attention\.\w+)\.0\.", r"\1.conv."),
        (r"(\.attention\.\w+)\.1\.", r"\1.norm."),
        (r"\.norm_1\.", ".norm_attention."),
        (r"\.norm_2\.", ".norm_tau."),
        (r"\.ff\.ff1\.", ".tau."),
        (r"\.tau\.norm1\.", ".tau.norm_spatial."),
        (r"\.tau\.norm2\.", ".tau.norm_channel."),
        (r"\.tau\.layer_scale_1$", ".tau.scale_spatial"),
        (r"\.tau\.layer_scale_2$", ".tau.scale_channel"),
        (r"\.tau\.attn\.proj_1\.", ".tau.spatial.project_in."),
        (r"\.tau\.attn\.proj_2\.", ".tau.spatial.project_out."),
        (r"\.tau\.attn\.spatial_gating_unit\.conv0\.", ".tau.spatial.near."),
        (r"\.tau\.attn\.spatial_gating_unit\.conv_spatial\.", ".tau.spatial.far."),
        (r"\.tau\.attn\.spatial_gating_unit\.conv1\.", ".tau.spatial.mix."),
        (r"\.tau\.mlp\.fc1\.", ".tau.channel.widen."),
        (r"\.tau\.mlp\.dwconv\.dwconv\.", ".tau.channel.depthwise."),
        (r"\.tau\.mlp\.fc2\.", ".tau.channel.narrow."),
    ),
}


def own_name(published: str) -> tuple[str, str] | None:
    """Which copy (`q` or `k`) a published parameter belongs to, and what `Met2Net` calls it.

    Returns None for parameters that the published code never uses and for other names.

    >>> own_name("model.hid_q.layers.3.attn_1.k_Conv.1.bias")
    ('q', 'translator.blocks.3.attention.key.norm.bias')
    >>> own_name("dec_k_list.0.dec.0.conv.conv.0.weight")
    ('k', 'decoders.0.blocks.0.conv.weight')
    """
    match = _PARTS.fullmatch(published)
    if match is None or _UNUSED.search(published):
        return None
    part, copy, name = match.groups()
    for pattern, replacement in _RENAMES[part]:
        name = re.sub(pattern, replacement, name)
    return copy, name


def own_state(published: Mapping[str, Tensor], copy: str = "q") -> dict[str, Tensor]:
    """The state dict of `Met2Net` that one copy of a published state dict holds."""
    named = ((own_name(key), value) for key, value in published.items())
    return {name[1]: value for name, value in named if name is not None and name[0] == copy}
