"""The seams named in the table exist in the classes that diffusers ships."""

import diffusers
import pytest
import torch

from syncam.adapters.backbones import BACKBONES, find_backbone, token_grid
from syncam.errors import InputError
from tiny import tiny_transformer


@pytest.mark.parametrize("name", BACKBONES)
def test_every_seam_of_a_stock_class(name: str) -> None:
    with torch.device("meta"):
        transformer = getattr(diffusers, name)(num_layers=2)
    backbone = BACKBONES[name]
    size, sites = backbone.dimensions(transformer), backbone.sites(transformer)
    assert len(sites) == size.num_layers == 2
    for site in sites:
        assert hasattr(site.self_attention.processor, "_attention_backend")
        assert getattr(site.block, backbone.block_modulation).shape == (1, 6, size.dim)
        for _, projection in backbone.projections:
            assert size.dim in site.self_attention.get_submodule(projection).weight.shape


def test_the_time_modulation_is_found_by_name_even_where_diffusers_has_wrapped_the_block() -> None:
    transformer = tiny_transformer()
    transformer.enable_cache(diffusers.FirstBlockCacheConfig())
    assert {site.time_index for site in BACKBONES["WanTransformer3DModel"].sites(transformer)} == {2}


def test_the_hooked_modules_run_in_the_order_that_the_change_needs() -> None:
    """Self-attention, then the norm that sees the residual stream, then cross-attention."""
    transformer = tiny_transformer(num_layers=1)
    site, order = BACKBONES["WanTransformer3DModel"].sites(transformer)[0], []
    for name in ("self_attention", "residual_norm", "cross_attention"):
        getattr(site, name).register_forward_hook(lambda *_, name=name: order.append(name))
    with torch.no_grad():
        transformer(torch.randn(1, 16, 1, 4, 4), torch.tensor([500.0]), torch.randn(1, 5, 16))
    assert order == ["self_attention", "residual_norm", "cross_attention"]


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
