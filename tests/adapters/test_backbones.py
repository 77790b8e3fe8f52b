"""The seams named in the table exist in the classes that diffusers ships."""

import diffusers
import pytest
import torch

from adapters.examples import JOINT, VIEW_SYNC, Kind, run
from syncam.adapters.backbones import BACKBONES, find_backbone, token_grid
from syncam.errors import InputError
from tiny import tiny_joint_transformer, tiny_transformer


@pytest.mark.parametrize("name", BACKBONES)
def test_every_seam_of_a_stock_class(name: str) -> None:
    with torch.device("meta"):
        transformer = getattr(diffusers, name)(num_layers=2)
    backbone = BACKBONES[name]
    size, sites = backbone.dimensions(transformer), backbone.sites(transformer)
    assert len(sites) == size.num_layers == 2
    for site in sites:
        sizes = {projection.weight.shape[0] for projection in site.projections.values()}
        if backbone.form == "cross":
            assert hasattr(site.self_attention.processor, "_attention_backend")
            assert getattr(site.block, backbone.block_modulation or "").shape == (1, 6, size.dim)
            assert sizes == {size.dim}
        else:
            assert backbone.block_modulation is None and site.cross_attention is None
            assert site.residual_norm.linear.weight.shape == (6 * size.dim, backbone.settings(transformer)["time_dim"])
            assert sizes == {size.dim, size.dim // size.num_heads}


def test_the_time_modulation_is_found_by_name_even_where_diffusers_has_wrapped_the_block() -> None:
    transformer = tiny_transformer()
    transformer.enable_cache(diffusers.FirstBlockCacheConfig())
    assert {site.time_index for site in BACKBONES["WanTransformer3DModel"].sites(transformer)} == {2}


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (VIEW_SYNC, ["self_attention", "residual_norm", "cross_attention"]),
        (JOINT, ["residual_norm", "self_attention"]),
    ],
    ids=["view_sync", "joint"],
)
def test_the_hooked_modules_run_in_the_order_that_the_change_needs(kind: Kind, expected: list[str]) -> None:
    """The norm sees the residual stream first, then the module runs whose output carries the change into it."""
    transformer, order = kind.transformer(num_layers=1), []
    for name in expected:
        module = getattr(kind.sites(transformer)[0], name)
        module.register_forward_hook(lambda *_, name=name: order.append(name))
    with torch.no_grad():
        run(transformer, kind.inputs(1))
    assert order == expected


def test_a_subclass_counts_as_its_class() -> None:
    class Mine(diffusers.WanTransformer3DModel):
        pass

    with torch.device("meta"):
        assert find_backbone(Mine(num_layers=1))[0] == "WanTransformer3DModel"
    with pytest.raises(InputError, match="transformer is a Identity, but adapters attach to WanTransformer3DModel"):
        find_backbone(torch.nn.Identity())


def test_the_token_grid() -> None:
    transformer = tiny_transformer()
    assert token_grid(transformer, (2, 16, 21, 60, 104)) == (21, 30, 52)
    assert token_grid(transformer, (3, 16, 1, 6, 4)) == (1, 3, 2)
    assert token_grid(tiny_joint_transformer(), (2, 13, 16, 60, 90)) == (13, 30, 45)
    with pytest.raises(InputError, match=r"latents of 1 x 6 x 5 \(frames, height, width\) are no multiple of"):
        token_grid(transformer, (3, 16, 1, 6, 5))
