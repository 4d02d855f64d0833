from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from met2net_ops.errors import ModelError
from met2net_ops.models.met2net.config import NetworkConfig
from met2net_ops.models.met2net.inference import FastMet2Net
from met2net_ops.models.met2net.layers import Conv2d, DropPath
from met2net_ops.models.met2net.network import Met2Net
from met2net_ops.models.met2net.published_names import own_name

MakeNetwork = Callable[..., Met2Net]


@given(
    frames=st.integers(1, 3),
    variables=st.integers(1, 3),
    forcings=st.integers(0, 2),
    height=st.integers(3, 13),
    width=st.integers(3, 13),
    n_s=st.sampled_from([2, 4]),
    batch=st.integers(1, 2),
    seed=st.integers(0, 99),
)
@settings(max_examples=12, deadline=None)
def test_any_shape_and_the_inference_form_equal_the_reference(
    frames: int,
    variables: int,
    forcings: int,
    height: int,
    width: int,
    n_s: int,
    batch: int,
    seed: int,
) -> None:
    torch.manual_seed(seed)
    config = NetworkConfig(
        frames, variables, height, width, hid_s=4, hid_t=8, n_t=2, n_s=n_s, forcings=forcings
    )
    network = Met2Net(config).double().eval()
    x = torch.randn(batch, frames, config.tokens, height, width, dtype=torch.float64)
    with torch.no_grad():
        expected = network(x)
        assert expected.shape == (batch, frames, variables, height, width)
        torch.testing.assert_close(FastMet2Net(network)(x), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("width", [18, 20, 26])
def test_the_inference_form_wraps_like_the_reference(make_network: MakeNetwork, width: int) -> None:
    network = make_network(width=width, periodic_longitude=True).double()
    x = torch.randn(2, 3, 2, 8, width, dtype=torch.float64)
    torch.testing.assert_close(FastMet2Net(network)(x), network(x), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("form", [lambda network: network, FastMet2Net])
def test_periodic_longitude_knows_no_edge(
    make_network: MakeNetwork, form: Callable[[Met2Net], torch.nn.Module]
) -> None:
    x = torch.randn(1, 3, 2, 8, 24, dtype=torch.float64)
    wrapping = form(make_network(width=24, periodic_longitude=True).double())
    bounded = form(make_network(width=24).double())
    # Turning the earth by whole strides turns the forecast, and nothing else.
    turned = wrapping(x.roll(6, -1)).roll(-6, -1)
    torch.testing.assert_close(turned, wrapping(x), rtol=1e-9, atol=1e-9)
    assert not torch.allclose(bounded(x.roll(6, -1)).roll(-6, -1), bounded(x), rtol=1e-3)


def test_forcings_are_attended_to_but_not_forecast(make_network: MakeNetwork) -> None:
    network = make_network(forcings=1)
    x = torch.randn(1, 3, 3, 8, 18)
    other = x.clone()
    other[:, :, 2] += 1.0
    assert network(x).shape == (1, 3, 2, 8, 18)
    assert not torch.allclose(network(x), network(other), rtol=1e-3)
    assert network.encode(x[:, :, :2]).shape[1] == 2  # targets have no forcings


def test_variables_have_their_own_encoder_and_decoder(make_network: MakeNetwork) -> None:
    network = make_network()
    latent = network.encode(torch.zeros(1, 3, 2, 8, 18))
    assert not torch.allclose(latent[:, 0], latent[:, 1])
    swapped = network.decode(latent.flip(1))
    assert not torch.allclose(swapped, network.decode(latent).flip(2))


def test_encode_translate_decode_is_forward(make_network: MakeNetwork) -> None:
    network = make_network()
    x = torch.randn(2, 3, 2, 8, 18)
    parts = network.decode(network.translate(network.encode(x)))
    assert torch.equal(parts, network(x))


def test_cycles_of_a_batch_do_not_see_each_other(make_network: MakeNetwork) -> None:
    network = make_network().double()
    x = torch.randn(3, 3, 2, 8, 18, dtype=torch.float64)
    one_by_one = torch.cat([network(x[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(network(x), one_by_one, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(FastMet2Net(network)(x), one_by_one, rtol=1e-9, atol=1e-9)


def test_the_inference_form_leaves_the_network_alone(make_network: MakeNetwork) -> None:
    network = make_network()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    x = torch.randn(1, 3, 2, 8, 18)
    kept = x.clone()
    FastMet2Net(network)(x)
    assert torch.equal(x, kept)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_drop_path_keeps_the_mean_and_whole_maps() -> None:
    torch.manual_seed(0)
    dropped = DropPath(0.25).train()(torch.ones(20_000, 2, 1, 1))
    assert dropped.mean().item() == pytest.approx(1.0, abs=0.02)
    assert sorted(dropped.unique().tolist()) == pytest.approx([0.0, 4 / 3])
    assert torch.equal(dropped[:, 0], dropped[:, 1])
    assert torch.equal(DropPath(0.25).eval()(torch.ones(9, 1, 1, 1)), torch.ones(9, 1, 1, 1))


def test_wrapping_convolution_is_the_zero_padded_one_of_three_worlds() -> None:
    x = torch.randn(1, 2, 6, 12, dtype=torch.float64)
    plain = Conv2d(2, 2, 7, dilation=1, groups=2).double()
    wrapping = Conv2d(2, 2, 7, dilation=1, groups=2, periodic=True).double()
    wrapping.load_state_dict(plain.state_dict())
    worlds = plain(torch.cat([x, x, x], dim=-1))
    torch.testing.assert_close(wrapping(x), worlds[..., 12:24])


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"hid_t": 20}, "multiple of 8"),
        ({"hid_s": 5}, "even"),
        ({"n_s": 3}, "n_s must be even"),
        ({"variables": 0}, "at least 1"),
        ({"drop_path": 1.0}, "drop_path"),
        ({"periodic_longitude": True, "width": 17}, "multiple of 2"),
        ({"periodic_longitude": True, "width": 16}, "at least 18"),
    ],
)
def test_impossible_networks_are_refused(change: dict[str, int], problem: str) -> None:
    shape = {"input_frames": 3, "variables": 2, "height": 8, "width": 18, "hid_s": 4, "hid_t": 16}
    with pytest.raises(ModelError, match=problem):
        NetworkConfig(**{**shape, **change})  # type: ignore[arg-type]


def test_every_own_parameter_has_a_published_name(make_network: MakeNetwork) -> None:
    published = [
        "model.enc_q_list.1.enc.1.conv.norm.bias",
        "model.dec_q_list.1.dec.0.conv.conv.0.weight",
        "model.dec_q_list.1.dec.1.conv.conv.weight",
        "model.dec_q_list.0.readout.bias",
        "model.hid_q.conv2.weight",
        "model.hid_q.layers.1.attn_1.v_post_f.1.weight",
        "model.hid_q.layers.1.ff.ff1.attn.spatial_gating_unit.conv_spatial.weight",
        "model.hid_q.layers.0.ff.ff1.layer_scale_2",
        "model.hid_q.layers.0.ff.ff1.norm2.running_var",
    ]
    names = {own_name(name) for name in published}
    assert names <= {("q", name) for name in make_network().state_dict()}
    assert own_name("model.hid_q.layers.0.ff.ff1.attn.spatial_gating_unit.fc.0.weight") is None
    assert own_name("optimizer.lr") is None
