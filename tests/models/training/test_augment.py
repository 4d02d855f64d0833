"""Random shifts of a window's level: same increments, same for everyone who asks again."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from met2net_ops.models.training.augment import shift_level, stretch
from met2net_ops.models.training.samples import Batch

STARTS = np.array([3, 40, 7, 12])


def batch() -> Batch:
    random = torch.Generator().manual_seed(0)
    frames = torch.randn((4, 5, 2, 3, 6), generator=random)
    targets = torch.randn((4, 5, 2, 3, 6), generator=random)
    return Batch(frames, targets, torch.zeros((4, 5, 0, 3, 6)), targets + 1)


def test_levels_move_and_increments_stay() -> None:
    before, after = batch(), shift_level(batch(), STARTS, 2.0, seed=1, step=5)
    shift = after.frames - before.frames
    constant = shift[:, :1, :, :1, :1]
    torch.testing.assert_close(shift, constant.expand_as(shift), rtol=0, atol=1e-6)
    torch.testing.assert_close(
        after.targets - after.frames, before.targets - before.frames, rtol=0, atol=2e-6
    )
    assert len(constant.flatten().round(decimals=4).unique()) == 8  # each window and variable
    torch.testing.assert_close(after.linear - after.targets, torch.ones_like(after.targets))


def test_the_spread_is_what_was_asked_for() -> None:
    shifts = [
        (shift_level(batch(), STARTS, 1.5, 0, step).frames - batch().frames)[:, 0, :, 0, 0]
        for step in range(200)
    ]
    assert float(torch.stack(shifts).std()) == pytest.approx(1.5, rel=0.06)
    assert float(torch.stack(shifts).mean()) == pytest.approx(0.0, abs=0.12)


def test_a_share_of_the_batch_moves_as_the_whole_does() -> None:
    whole = shift_level(batch(), STARTS, 1.0, seed=3, step=9)
    part = batch()
    share = Batch(part.frames[1::2], part.targets[1::2], part.forcings[1::2], part.linear[1::2])
    shared = shift_level(share, STARTS[1::2], 1.0, seed=3, step=9)
    assert torch.equal(shared.frames, whole.frames[1::2])
    assert not torch.equal(shift_level(batch(), STARTS, 1.0, 3, 10).frames, whole.frames)


def test_stretching_scales_departures_from_the_mean_of_the_input() -> None:
    before, after = batch(), stretch(batch(), STARTS, 0.5, seed=1, step=5)
    old = torch.cat([before.frames, before.targets], dim=1)
    new = torch.cat([after.frames, after.targets], dim=1)
    mean = before.frames.mean(dim=1, keepdim=True)
    torch.testing.assert_close(after.frames.mean(dim=1, keepdim=True), mean, rtol=0, atol=1e-5)
    factor = ((new - mean) / (old - mean)).flatten(1).median(dim=1).values
    assert len(factor.round(decimals=4).unique()) == 4
    torch.testing.assert_close(
        after.linear - after.targets, factor[:, None, None, None, None].expand_as(after.targets),
        rtol=1e-4, atol=1e-4,
    )  # fmt: skip
    scaled = factor[:, None, None, None, None] * (old - mean)
    torch.testing.assert_close(new - mean, scaled, rtol=1e-4, atol=1e-4)
    share = Batch(before.frames[2:], before.targets[2:], before.forcings[2:], before.linear[2:])
    assert torch.equal(stretch(share, STARTS[2:], 0.5, 1, 5).frames, after.frames[2:])


def test_no_target_shows_in_a_stretched_input() -> None:
    before = batch()
    milder = Batch(before.frames, before.targets + 100.0, before.forcings, before.linear)
    after = stretch(milder, STARTS, 0.5, seed=1, step=5)
    assert torch.equal(after.frames, stretch(before, STARTS, 0.5, seed=1, step=5).frames)
