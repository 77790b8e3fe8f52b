"""Score matrices: how large, whether they are made, and what is said when they do not fit."""

from collections.abc import Iterator

import pytest
import torch
from diffusers.models.attention_dispatch import AttentionBackendName, attention_backend
from torch.nn.attention import SDPBackend, sdpa_kernel

from syncam.adapters.attention import (
    AttentionCall,
    active_backend,
    attention_calls,
    check_attention_backend,
    free_memory,
    holds_scores,
)
from syncam.errors import InputError
from tiny import tiny_transformer

CPU = torch.device("cpu")
GIB = 2**30


@pytest.fixture(autouse=True)
def active_backend_put_back() -> Iterator[None]:
    """transformer.set_attention_backend also changes the backend that every other model uses."""
    with attention_backend("native"):
        yield


def test_the_size_of_a_score_matrix() -> None:
    call = AttentionCall(name="self-attention", batch=1, heads=12, tokens=65_520, head_dim=128)
    assert call.score_bytes / GIB == pytest.approx(191.9, abs=0.05)


def test_the_two_attentions_of_a_published_size() -> None:
    own, view = attention_calls(num_views=4, num_scenes=1, grid=(21, 30, 52), heads=12, head_dim=128)
    assert (own.batch, own.tokens) == (4, 32_760)
    assert (view.batch, view.tokens) == (21, 6_240)


def test_the_cpu_has_a_fused_kernel_unless_it_is_switched_off() -> None:
    for dtype in (torch.float32, torch.bfloat16):
        assert not holds_scores(AttentionBackendName.NATIVE, 128, dtype, CPU)
    with sdpa_kernel(SDPBackend.MATH):
        assert holds_scores(AttentionBackendName.NATIVE, 128, torch.float32, CPU)


@pytest.mark.parametrize(("backend", "expected"), [("_native_math", True), ("flex", True), ("flash", False)])
def test_backends_that_always_or_never_hold_scores(backend: str, expected: bool) -> None:
    assert holds_scores(AttentionBackendName(backend), 128, torch.float32, CPU) is expected


def test_the_backend_in_use_is_the_models_own_or_the_active_one() -> None:
    transformer = tiny_transformer()
    assert active_backend(transformer) == AttentionBackendName.NATIVE
    with attention_backend("_native_math"):
        assert active_backend(transformer) == AttentionBackendName._NATIVE_MATH
    transformer.set_attention_backend("flex")
    assert active_backend(transformer) == AttentionBackendName.FLEX


def test_a_score_matrix_that_does_not_fit_is_refused() -> None:
    transformer = tiny_transformer()
    shape, where = (2, 16, 21, 60, 104), {"dtype": torch.float32, "device": CPU}
    check_attention_backend(transformer, shape, 2, free_bytes=1, **where)
    transformer.set_attention_backend("_native_math")
    with pytest.raises(
        InputError, match=r"self-attention with backend '_native_math' .* head size 24 on cpu.*"
    ) as error:
        check_attention_backend(transformer, shape, 2, free_bytes=8 * GIB, **where)
    assert "2 x 2 heads x 32,760^2 x 4 B = 16.0 GiB is needed twice where 8.0 GiB are free" in str(error.value)
    assert "\n" not in str(error.value)
    check_attention_backend(transformer, shape, 2, free_bytes=33 * GIB, **where)
    check_attention_backend(transformer, (2, 16, 2, 4, 6), 2, **where)


def test_view_attention_is_named_where_it_is_the_larger_one() -> None:
    transformer = tiny_transformer()
    transformer.set_attention_backend("_native_math")
    with pytest.raises(InputError, match="view attention with backend"):
        check_attention_backend(transformer, (6, 16, 1, 60, 104), 6, dtype=torch.float32, device=CPU, free_bytes=1)


def test_free_memory_of_the_cpu() -> None:
    free = free_memory(CPU)
    assert free is None or free > 2**20
    assert free_memory(torch.device("meta")) is None
