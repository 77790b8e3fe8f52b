"""Views in pairs: who attends to whom, and that nothing else depends on how the pairs are computed."""

from typing import Any

import pytest
import torch
from torch import Tensor

from adapters.motion_examples import fresh, inputs, rig, run, take, trained, with_norms_per_frame
from syncam.adapters import EpipolarSyncAdapter, PlueckerAdapter
from syncam.adapters.epipolar_bias import EpipolarBias
from syncam.adapters.epipolar_sync import EpipolarSyncBlock
from syncam.cameras import Cameras
from syncam.errors import InputError
from tiny import tiny_motion_unet


def sync_for(unet: Any, **settings: Any) -> EpipolarSyncAdapter:
    return trained(EpipolarSyncAdapter, unet, **settings)


def test_a_block_equals_loops_over_frames_and_heads() -> None:
    block = EpipolarSyncBlock(8, 2, 4)
    for parameter in block.parameters():
        torch.nn.init.normal_(parameter, mean=float(parameter.ndim == 1), std=0.2)
    x, partners, bias = torch.randn(3, 8, 2, 3), [1, 2, 0], -torch.rand(3, 6, 6)
    weights = dict(block.named_parameters())

    def linear(name: str, t: Tensor) -> Tensor:
        return torch.nn.functional.linear(t, weights[f"{name}.weight"], weights.get(f"{name}.bias"))

    def norm(name: str, t: Tensor) -> Tensor:
        return torch.nn.functional.layer_norm(t, (8,), weights[f"{name}.weight"], weights[f"{name}.bias"])

    def one_frame(frame: Tensor) -> Tensor:
        grouped = frame.view(4, 2 * 6)
        grouped = (grouped - grouped.mean(1, keepdim=True)) / (
            grouped.var(1, keepdim=True, unbiased=False) + 1e-6
        ).sqrt()
        frame = grouped.view(8, 6) * weights["norm.weight"][:, None] + weights["norm.bias"][:, None]
        return linear("proj_in", frame.T)

    t = [one_frame(frame) for frame in x]
    for k in ("1", "2"):
        normed = [norm(f"block.norm{k}", one) for one in t]
        for row, partner in enumerate(partners):
            q = linear(f"block.attn{k}.to_q", normed[row])
            key, value = (linear(f"block.attn{k}.{name}", normed[partner]) for name in ("to_k", "to_v"))
            heads = [
                (q[:, part] @ key[:, part].T / 2.0 + bias[row]).softmax(-1) @ value[:, part]
                for part in (slice(0, 4), slice(4, 8))
            ]
            t[row] = t[row] + linear(f"block.attn{k}.to_out.0", torch.cat(heads, dim=-1))
    expected = []
    for one in t:
        up, gate = linear("block.ff.net.0.proj", norm("block.norm3", one)).chunk(2, dim=-1)
        one = one + linear("block.ff.net.2", up * torch.nn.functional.gelu(gate))
        expected.append(linear("proj_out", one).T.reshape(8, 2, 3))
    got = block(x, torch.tensor(partners), bias)
    torch.testing.assert_close(got, torch.stack(expected), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("num_views", [3, 4])
def test_permuting_views_permutes_outputs(num_views: int) -> None:
    unet, kwargs, cameras = tiny_motion_unet(), inputs(2 * num_views), rig(num_views)
    sync = sync_for(unet, slopes="horizontal")
    partners = [(view + 1) % num_views for view in range(num_views)]
    order = torch.randperm(num_views).tolist()
    moved = [order.index(partners[view]) for view in order]  # the partner of what now is view v
    items = [branch * num_views + view for branch in range(2) for view in order]
    with torch.no_grad(), sync.attach(unet):
        with sync.cameras(cameras), sync.matching(partners):
            before = run(unet, kwargs)
        with sync.cameras(cameras.view(order)), sync.matching(moved):
            after = run(unet, take(kwargs, items))
    torch.testing.assert_close(after, before[items], rtol=1e-5, atol=1e-5)


def test_pair_by_pair_equals_all_together() -> None:
    """Random slopes and all: they are drawn when the matching is entered."""
    unet, kwargs, cameras = tiny_motion_unet(), inputs(8), rig(4)
    control, sync = trained(PlueckerAdapter, unet), sync_for(unet)
    with (
        torch.no_grad(),
        control.attach(unet),
        sync.attach(unet),
        control.cameras(cameras),
        sync.cameras(cameras),
        sync.matching([2, 3, 0, 1]),
    ):
        together = run(unet, kwargs)
        for pair in ([2, 0], [1, 3]):
            items = [4 * branch + view for branch in range(2) for view in pair]
            with control.views(pair), sync.views(pair):
                torch.testing.assert_close(run(unet, take(kwargs, items)), together[items], rtol=1e-5, atol=1e-5)
        with (
            control.views([1, 2]),
            sync.views([1, 2]),
            pytest.raises(InputError, match=r"view 1 has the partner 3, which is not among the views \[1, 2\]"),
        ):
            run(unet, take(kwargs, [1, 2, 5, 6]))
        assert torch.equal(run(unet, kwargs), together)


def test_a_view_without_a_partner_is_left_as_it_is() -> None:
    unet, kwargs, cameras = tiny_motion_unet(), inputs(3), rig(3)
    sync = sync_for(unet, slopes="horizontal")
    with torch.no_grad(), sync.attach(unet), sync.cameras(cameras):
        with sync.matching([2, None, 0]):
            got = run(unet, kwargs)
        with sync.matching([2, None, 0]), sync.views([0, 2]):
            pair = run(unet, take(kwargs, [0, 2]))
        with sync.matching([None, None, None]):
            nobody = run(unet, kwargs)
    alone = with_norms_per_frame(unet, kwargs)
    torch.testing.assert_close(got[1], alone[1], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(got[[0, 2]], pair, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(nobody, alone, rtol=1e-5, atol=1e-5)
    assert (got[0] - alone[0]).abs().max() > 1e-2


def test_a_one_way_map_lets_the_noise_of_one_view_reach_another() -> None:
    unet, cameras = tiny_motion_unet(), rig(3)
    sync = sync_for(unet, slopes="horizontal")
    kwargs, other = inputs(3), inputs(3)
    other["sample"][2] += 1.0
    with torch.no_grad(), sync.attach(unet), sync.cameras(cameras), sync.matching([1, 0, 0]):
        changed = (run(unet, other) - run(unet, kwargs)).abs().amax(dim=(1, 2, 3, 4))
    assert changed[2] > 1e-2 and changed[:2].max() == 0


def test_slopes_are_drawn_from_the_generator() -> None:
    unet, kwargs, cameras = tiny_motion_unet(), inputs(2), rig(2)
    sync = sync_for(unet)

    def drawn(seed: int) -> list[Tensor]:
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad(), sync.attach(unet), sync.cameras(cameras, generator=generator):
            outputs = [run(unet, kwargs), run(unet, kwargs)]
            with sync.matching([1, 0]):
                return [*outputs, run(unet, kwargs), run(unet, kwargs)]

    first, again, other = drawn(1), drawn(1), drawn(2)
    assert all(torch.equal(*pair) for pair in zip(first, again, strict=True))
    assert not torch.equal(first[0], other[0])
    assert not torch.equal(first[0], first[1]), "outside a matching, every call draws"
    assert torch.equal(first[2], first[3]), "inside, the matching has drawn"


def test_views_that_are_warps_of_a_video_are_seen_as_through_other_lenses() -> None:
    unet, kwargs = tiny_motion_unet(), inputs(2)
    sync = sync_for(unet)
    lenses = torch.eye(3, dtype=torch.float64).repeat(2, rig(2).num_frames, 1, 1)
    lenses[1, :, 0, 2], lenses[1, :, 1, 1] = 5.0, 1.2  # what keeps lines parallel is a lens, too
    nowhere = torch.eye(4, dtype=torch.float64).expand(*lenses.shape[:2], 4, 4)
    hw = rig(2).hw
    with torch.no_grad(), sync.attach(unet):
        with sync.cameras(Cameras(nowhere, lenses, hw), generator=torch.Generator().manual_seed(0)):
            by_lens = run(unet, kwargs)
        with sync.warped(lenses, hw, generator=torch.Generator().manual_seed(0)):
            by_warp = run(unet, kwargs)
        turned = lenses.clone()
        turned[1, :, 2, 0] = 0.01
        with sync.warped(turned, hw, generator=torch.Generator().manual_seed(0)):
            by_other = run(unet, kwargs)
    torch.testing.assert_close(by_warp, by_lens, rtol=1e-5, atol=1e-5)
    assert not torch.allclose(by_other, by_warp, atol=1e-4)


def test_what_is_no_matching() -> None:
    unet = tiny_motion_unet()
    sync = sync_for(unet)
    with torch.no_grad(), sync.attach(unet), sync.cameras(rig(3)):
        with pytest.raises(InputError, match=r"has 3 views, which attend in pairs: .*`with adapter.matching"):
            run(unet, inputs(3))
        for partners, message in (
            ([1, 0], "partners has 2 entries, expected one for each of 3 views"),
            ([1, 0, 2], r"view 2 has the partner 2, expected another view of 0\.\.2, or None"),
            ([1, 0, 3], r"view 2 has the partner 3, expected another view of 0\.\.2, or None"),
            ([2, 0, None], "view 0 attends to view 2, which has no partner: give it one"),
        ):
            with pytest.raises(InputError, match=message), sync.matching(partners):
                pass


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"slopes": "steep"}, "slopes must be random or horizontal, got 'steep'"),
        ({"trained_size": 1}, "must be at least 2, got 1"),
        ({"norm_groups": 3}, r"multiples of num_heads=2 and of norm_groups=3, got \[8, 16\]"),
    ],
)
def test_settings_that_contradict_each_other(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        fresh(EpipolarSyncAdapter, tiny_motion_unet(), **settings)


def test_gradients_do_not_depend_on_checkpointing() -> None:
    unet = tiny_motion_unet().requires_grad_(False)
    control, sync = trained(PlueckerAdapter, unet).requires_grad_(False), sync_for(unet, slopes="horizontal")
    gradients = []
    with control.attach(unet), sync.attach(unet):
        for switch in (sync.disable_gradient_checkpointing, sync.enable_gradient_checkpointing):
            switch()
            sync.zero_grad()
            loss = torch.zeros(())
            for seed in (1, 2):
                cameras = rig(2, seed=seed)
                with control.cameras(cameras), sync.cameras(cameras):
                    loss = loss + run(unet, inputs(2, seed=seed)).square().mean()
            loss.backward()
            gradients.append([parameter.grad for parameter in sync.parameters()])
    assert all(parameter.grad is None for parameter in (*unet.parameters(), *control.parameters()))
    for plain, checkpointed in zip(*gradients, strict=True):
        torch.testing.assert_close(plain, checkpointed, rtol=0, atol=0)


def test_biases_are_computed_once_per_matching_and_level(monkeypatch: pytest.MonkeyPatch) -> None:
    unet, kwargs, cameras = tiny_motion_unet(), inputs(4), rig(4)
    sync = sync_for(unet)
    calls = []
    original = EpipolarBias.dense
    monkeypatch.setattr(
        EpipolarBias, "dense", lambda self, dtype: calls.append(len(self.lines)) or original(self, dtype)
    )
    with torch.no_grad(), sync.attach(unet), sync.cameras(cameras):
        for partners in ([1, 0, 3, 2], [2, 3, 0, 1]):
            with sync.matching(partners):
                run(unet, kwargs)
                run(unet, kwargs)
    assert calls == [12] * 4, "two matchings of 4 views with 3 frames, at two levels; shared by all blocks and calls"


def test_flex_attention_where_matrices_are_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    unet, kwargs, cameras = tiny_motion_unet(), inputs(4), rig(2)
    sync = sync_for(unet, slopes="horizontal")
    attended = []

    def attend(self: EpipolarBias, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        attended.append(q.shape)
        mask = self.dense(q.dtype)[:, None]
        return torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)

    monkeypatch.setattr(EpipolarBias, "attend", attend)
    with torch.no_grad(), sync.attach(unet):
        with sync.cameras(cameras):
            dense = run(unet, kwargs)
        assert not attended
        with sync.cameras(cameras, dense_gib=0.0):
            assert torch.equal(run(unet, kwargs), dense)
    assert len(attended) == 2 * len(sync.blocks)
    attended.clear()
    with sync.attach(unet), sync.cameras(cameras, dense_gib=0.0):
        run(unet, kwargs).square().mean().backward()
    assert not attended, "no kernel has gradients on a CPU"


def test_half_precision_stays_close() -> None:
    unet, kwargs, cameras = tiny_motion_unet(), inputs(2), rig(2)
    sync = sync_for(unet, slopes="horizontal")
    with torch.no_grad(), sync.attach(unet), sync.cameras(cameras):
        exact = run(unet, kwargs)
        unet.to(torch.bfloat16)
        low = {name: value.bfloat16() if value.ndim else value for name, value in kwargs.items()}
        for dtype in (torch.float32, torch.bfloat16):
            torch.nn.Module.to(sync, dtype)
            output = run(unet, low)
            assert output.dtype == torch.bfloat16
            assert (output.float() - exact).abs().mean() < 0.1 * exact.abs().mean()
