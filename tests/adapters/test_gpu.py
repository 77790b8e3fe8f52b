"""What can only be seen with an accelerator: weights that move, streams, the choice of CUDA's kernels."""

import pytest
import torch
from diffusers.models.attention_dispatch import AttentionBackendName
from torch.nn.attention import SDPBackend, sdpa_kernel

from adapters.examples import Kind, every_kind, random_c2w, random_inputs, run
from syncam.adapters.attention import free_memory, holds_scores
from tiny import tiny_transformer, tiny_wan_pipeline

pytestmark = pytest.mark.gpu
CUDA = torch.device("cuda")
PROMPT = {
    "prompt": "a red horse runs on grass",
    "height": 16,
    "width": 32,
    "num_frames": 5,
    "num_inference_steps": 2,
    "num_videos_per_prompt": 2,
    "max_sequence_length": 32,
    "output_type": "latent",
}


def expected_output(kind: Kind) -> torch.Tensor:
    transformer = tiny_transformer()
    adapter = kind.random(transformer)
    with torch.no_grad(), adapter.attach(transformer), kind.cameras(adapter, random_c2w(2, 2)):
        return run(transformer, random_inputs(2))


@every_kind
def test_the_gpu_computes_the_same(kind: Kind) -> None:
    transformer = tiny_transformer()
    adapter = kind.random(transformer)
    inputs = {name: value.to(CUDA) for name, value in random_inputs(2).items()}
    transformer.to(CUDA)
    with torch.no_grad(), adapter.attach(transformer):
        with kind.cameras(adapter, random_c2w(2, 2)):
            output = run(transformer, inputs)
            assert adapter.device.type == "cuda", "it follows the inputs"
        assert adapter.device.type == "cpu", "and goes back"
    torch.testing.assert_close(output.cpu(), expected_output(kind), rtol=1e-3, atol=1e-3)


@every_kind
def test_whole_model_offloading_moves_the_adapter_too(kind: Kind) -> None:
    pipeline = tiny_wan_pipeline()
    pipeline.enable_model_cpu_offload(device=CUDA)
    adapter = kind.random(pipeline.transformer)
    with adapter.attach(pipeline.transformer), kind.cameras(adapter, random_c2w(2, 5), (4, 8), temporal_stride=4):
        latents = pipeline(**PROMPT, generator=torch.Generator().manual_seed(0)).frames
        assert adapter.device.type == "cuda"
    assert adapter.device.type == "cpu"
    assert latents.isfinite().all()


@every_kind
@pytest.mark.parametrize("use_stream", [False, True])
def test_group_offloading_brings_every_block_of_the_adapter_in_time(kind: Kind, use_stream: bool) -> None:
    transformer = tiny_transformer()
    adapter = kind.random(transformer)
    for model in (transformer, adapter):
        model.enable_group_offload(
            onload_device=CUDA, offload_type="block_level", num_blocks_per_group=1, use_stream=use_stream
        )
    inputs = {name: value.to(CUDA) for name, value in random_inputs(2).items()}
    with torch.no_grad(), adapter.attach(transformer), kind.cameras(adapter, random_c2w(2, 2)):
        for _ in range(2):
            torch.testing.assert_close(run(transformer, inputs).cpu(), expected_output(kind), rtol=1e-3, atol=1e-3)
    assert adapter.blocks[0].projector.weight.device.type == "cpu"


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_cuda_has_a_fused_kernel_for_the_published_size(dtype: torch.dtype) -> None:
    assert not holds_scores(AttentionBackendName.NATIVE, 128, dtype, CUDA)
    with sdpa_kernel(SDPBackend.MATH):
        assert holds_scores(AttentionBackendName.NATIVE, 128, dtype, CUDA)


def test_free_memory_counts_what_the_allocator_keeps() -> None:
    free = free_memory(CUDA)
    block = torch.empty(2**28, dtype=torch.uint8, device=CUDA)
    assert free is not None and free_memory(CUDA) < free
    del block
    assert abs(free_memory(CUDA) - free) < 2**26
