"""The plan of a generation agrees with what the models really do."""

from collections.abc import Callable
from functools import cache

import pytest
import torch
from diffusers import AutoencoderKLWan, WanTransformer3DModel
from torch import nn
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from adapters.examples import JOINT, random_adapter, random_inputs, run
from syncam.adapters import FrameConcatAdapter
from syncam.adapters.attention import GIB
from syncam.adapters.calls import predict
from syncam.adapters.estimate import Plan, duration, measure_flops_per_second, plan
from syncam.errors import InputError
from tiny import tiny_joint_pipeline, tiny_transformer, tiny_vae

CPU = torch.device("cpu")


def config_of(model: nn.Module) -> dict:
    return {**model.config, "_class_name": type(model).__name__}


@cache
def tiny_plan(num_views: int = 2, f: int = 2, h: int = 4, w: int = 6, **settings: object) -> Plan:
    size = {"num_views": num_views, "num_frames": 4 * (f - 1) + 1, "height": 4 * h, "width": 4 * w}
    defaults = {"num_inference_steps": 5, "guidance": False, "dtype": torch.float32, "device": CPU, "text_tokens": 5}
    defaults |= {"flops_per_second": 1e9, "free_bytes": GIB}
    return plan(config_of(tiny_transformer()), config_of(tiny_vae()), **(defaults | size | settings))


@pytest.fixture(scope="module")
def published() -> tuple[dict, dict]:
    """The configs of Wan2.1 1.3B."""
    with torch.device("meta"):
        transformer = WanTransformer3DModel(num_attention_heads=12, ffn_dim=8960, num_layers=30)
        return config_of(transformer), config_of(AutoencoderKLWan())


@pytest.mark.slow
def test_the_published_size(published: tuple[dict, dict]) -> None:
    """81 frames at 480x832: 32,760 tokens per view; an 81-frame pair of views fits a 24 GiB card only in turns."""
    costs = plan(
        *published,
        num_views=2,
        num_frames=81,
        height=480,
        width=832,
        num_inference_steps=50,
        guidance=True,
        dtype=torch.bfloat16,
        device=CPU,
        text_encoder_bytes=11 * GIB,
        flops_per_second=400e12,
        free_bytes=16 * GIB,
    )
    assert costs.grid == (21, 30, 52)
    assert costs.tokens_per_view == 32_760
    assert costs.view_attention_tokens == 3_120
    # The usual count: 2 x 2 x N^2 x D for attention, 2 per weight and token elsewhere; two views, two calls.
    tokens, dim, layers = 32_760, 1536, 30
    by_hand = 2 * tokens * ((4 + 2) * dim**2 + 2 * dim * 8960) + 4 * tokens * (tokens + 512) * dim
    by_hand += 2 * tokens * 5 * dim**2 + 4 * tokens * 3_120 * dim  # the adapter
    assert costs.step_flops == pytest.approx(4 * layers * by_hand, rel=0.01)
    assert costs.transformer_bytes == pytest.approx(2 * 1.77e9, rel=0.02)
    assert costs.peak_bytes > 16 * GIB > costs.offloaded_peak_bytes
    assert costs.suggestions[0].startswith("keep only the model in use on the device: 11.0 GiB")
    text = str(costs)
    assert "2 views of 32,760 tokens (21 x 30 x 52); view attention over 3,120 tokens per latent frame" in text
    assert "to make it fit: keep only the model in use" in text


@pytest.mark.parametrize(("num_views", "f", "h", "w"), [(1, 2, 8, 12), (2, 3, 16, 24), (3, 2, 8, 40)])
def test_operations_are_those_of_a_real_call(num_views: int, f: int, h: int, w: int) -> None:
    transformer = tiny_transformer()
    adapter, inputs = random_adapter(transformer), random_inputs(num_views, f, h, w)
    with (
        torch.no_grad(),
        adapter.attach(transformer),
        adapter.camera_encodings(torch.randn(num_views, f, 12)),
        FlopCounterMode(display=False) as counter,
    ):
        run(transformer, inputs)
    costs = tiny_plan(num_views, f, h, w)
    attention = 4 * num_views * f * h * w * 48 // 4 * (f * h * w // 4 + num_views * h * w // 4 + 5) * 2
    counted = counter.get_total_flops()
    # torch's counter knows no fused attention of the CPU, so what it misses is added by hand.
    assert costs.step_flops in (counted, counted + attention)


@pytest.mark.parametrize("rotary", [False, True])
def test_operations_where_text_attends_are_those_of_a_real_call(rotary: bool) -> None:
    pipeline = tiny_joint_pipeline(rotary=rotary)
    transformer, num_views, (f, h, w), words = pipeline.transformer, 2, (3, 4, 6), 5
    adapter = JOINT.random(transformer, view_rotary=False)
    latents, times = torch.randn(num_views, 16, f, h, w), torch.full((num_views,), 700.0)
    with (
        torch.no_grad(),
        adapter.attach(transformer),
        adapter.camera_encodings(torch.randn(num_views, f, 12)),
        FlopCounterMode(display=False) as counter,
    ):
        predict(transformer, latents, times, torch.randn(num_views, words, 16))
    costs = plan(
        config_of(transformer),
        config_of(pipeline.vae),
        num_views=num_views,
        num_frames=9,
        height=16,
        width=24,
        num_inference_steps=1,
        guidance=False,
        dtype=torch.float32,
        device=CPU,
        text_tokens=words,
        flops_per_second=1e9,
        free_bytes=GIB,
    )
    tokens = h * w // 4
    attention = num_views * (f * tokens + words) ** 2 + f * (num_views * (tokens + words)) ** 2
    counted = counter.get_total_flops()
    assert costs.step_flops in (counted, counted + 4 * 48 * attention * 2)  # of both layers
    assert costs.view_attention_tokens == num_views * (tokens + words)


@pytest.mark.parametrize("rank", [None, 3])
def test_a_source_beside_the_take_counts(rank: int | None) -> None:
    f, h, w = 3, 8, 12
    transformer, inputs = tiny_transformer(), random_inputs(1, f, h, w)
    adapter = FrameConcatAdapter.from_transformer(transformer, rank=rank)
    with (
        torch.no_grad(),
        adapter.attach(transformer),
        adapter.camera_encodings(torch.randn(1, f, 12), source=torch.randn(1, 16, f, h, w)),
        FlopCounterMode(display=False) as counter,
    ):
        run(transformer, inputs)
    costs = tiny_plan(1, f, h, w, source=True, rank=rank)
    tokens = 2 * f * h * w // 4
    attention = 4 * tokens * 48 * (tokens + 5) * 2  # which torch's counter may miss
    counted = counter.get_total_flops()
    assert costs.step_flops in (counted, counted + attention)
    parameters = [p for model in (transformer, adapter) for p in model.parameters()]
    assert costs.transformer_bytes == 4 * sum(p.numel() for p in parameters)
    assert costs.tokens_per_view == tokens // 2 and "beside as many of the source" in str(costs)
    assert costs.denoise_bytes > 1.4 * tiny_plan(1, f, h, w).denoise_bytes


def measured_bytes(call: Callable[[], object]) -> int:
    """The peak of what torch's own profiler sees allocated."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler, torch.no_grad():
        call()
    events = [event for event in profiler.profiler.kineto_results.events() if event.name() == "[memory]"]
    now = peak = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        now += event.nbytes()
        peak = max(peak, now)
    return peak


@pytest.mark.parametrize(("num_views", "f", "h", "w"), [(2, 3, 16, 24), (3, 2, 8, 40)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_memory_of_a_denoising_step_is_that_of_a_real_call(
    num_views: int, f: int, h: int, w: int, dtype: torch.dtype
) -> None:
    transformer = tiny_transformer().to(dtype)
    adapter = random_adapter(transformer)

    def call() -> None:
        run(transformer, {name: value.to(dtype) for name, value in random_inputs(num_views, f, h, w).items()})

    with adapter.attach(transformer), adapter.camera_encodings(torch.randn(num_views, f, 12)):
        with torch.no_grad():
            call()
        measured = measured_bytes(call)
    assert tiny_plan(num_views, f, h, w, dtype=dtype).denoise_bytes == pytest.approx(measured, rel=0.1)


def test_memory_of_decoding_is_that_of_its_tensors() -> None:
    """Convolutions on the CPU take workspace of a few times that; it is not part of the plan."""
    vae, latents = tiny_vae(), torch.randn(1, 16, 3, 16, 24)
    measured = measured_bytes(lambda: vae.decode(latents))
    estimate = tiny_plan(2, 3, 16, 24).decode_bytes
    assert 0.15 * measured < estimate < measured
    assert tiny_plan(5, 3, 16, 24).decode_bytes == estimate, "views are decoded one after the other"


def test_weights_are_counted() -> None:
    transformer, vae = tiny_transformer(), tiny_vae()
    adapter = random_adapter(transformer)
    costs = tiny_plan()
    parameters = [p for model in (transformer, adapter) for p in model.parameters()]
    assert costs.transformer_bytes == 4 * sum(p.numel() for p in parameters)
    assert costs.autoencoder_bytes == 4 * sum(p.numel() for p in vae.parameters())


def test_guidance_doubles_and_time_follows_speed() -> None:
    plain, guided = tiny_plan(), tiny_plan(guidance=True)
    assert guided.step_flops == 2 * plain.step_flops
    assert tiny_plan(flops_per_second=2e9).seconds == pytest.approx(plain.seconds / 2)
    assert plain.suggestions == ()


def test_score_matrices_count_where_attention_is_not_fused() -> None:
    fused = tiny_plan()
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        assert tiny_plan.__wrapped__().denoise_bytes == fused.denoise_bytes + 2 * 4 * 2 * 2 * 12**2


def test_suggestions_when_memory_is_short() -> None:
    costs = tiny_plan(6, 3, 16, 24)
    short = costs.transformer_bytes + costs.denoise_bytes // 2
    suggestions = tiny_plan(6, 3, 16, 24, free_bytes=short).suggestions
    assert suggestions[0] == "use bfloat16: about half of it"
    assert suggestions[1] == "at most 3 views at a time, with only the model in use on the device"
    assert suggestions[-1] == "a smaller size or fewer frames"
    assert tiny_plan(6, 3, 16, 24, free_bytes=1).suggestions == ("use bfloat16: about half of it", suggestions[-1])


@pytest.mark.parametrize(
    ("size", "message"),
    [
        ({"num_frames": 6}, "num_frames is 6, expected a multiple of 4 plus one"),
        ({"height": 20}, "height is 20, expected a multiple of 8"),
        ({"width": 0}, "width is 0, expected a multiple of 8"),
    ],
)
def test_sizes_that_do_not_divide(size: dict[str, int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        tiny_plan(**size)


def test_the_speed_of_this_machine() -> None:
    assert measure_flops_per_second(torch.float32, CPU) > 1e8


@pytest.mark.parametrize(("seconds", "text"), [(3.21, "3.2 seconds"), (90, "1.5 minutes"), (9000, "2.5 hours")])
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text
