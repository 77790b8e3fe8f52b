"""What re-shooting costs per denoising call: the stock transformer, our adapter and a naive formulation, in turns.

python benchmarks/reshoot_cost.py                 a small transformer, on the CPU, about a minute
python benchmarks/reshoot_cost.py --full-size     Wan2.1 1.3B with random weights, 81 frames at 480x832, on a GPU
python benchmarks/reshoot_cost.py --repeats 20 --json

target   the stock transformer with the target's latents alone
syncam   FrameConcatAdapter attached: [target | source], cameras encoded before the first call and broadcast over tokens
naive    the same function as a first implementation has it: every call and block encodes a camera per token and adds
         that tensor, and turns queries and keys as complex numbers in double precision

Both of the latter give the same output, which is checked first. `seconds` are the fastest of the repeats, with what the
machine did besides; `counted` are operations and the peak of activations in bytes, as torch's meta device has them;
`peak_bytes` is what a GPU's allocator saw, beyond the weights. Both embed the source's patches in every call:
`source_embedding` is the time of that, and all that keeping them could save.
"""

import argparse
import json
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

import diffusers
import torch
import torch.nn.functional as F
from adapter_overhead import FULL, FULL_LATENTS, SMALL, SMALL_LATENTS, cpu_name
from diffusers import WanTransformer3DModel
from torch import Tensor

from syncam.adapters import FrameConcatAdapter
from syncam.adapters.estimate import meter

Inputs = tuple[Tensor, Tensor, Tensor]
"""Latents, timesteps and text of a call."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full-size", action="store_true", help="Wan2.1 1.3B in bfloat16 on the GPU")
    parser.add_argument("--takes", type=int, default=1, help="camera paths of the source, made together")
    parser.add_argument("--repeats", type=int, default=5, help="measured calls of each kind, after one to warm up")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    arguments = parser.parse_args()
    if arguments.full_size and not torch.cuda.is_available():
        parser.error("--full-size needs a CUDA device")
    report = measure(arguments.full_size, arguments.takes, arguments.repeats)
    print(json.dumps(report) if arguments.json else json.dumps(report, indent=2))


@torch.no_grad()
def measure(full_size: bool, takes: int, repeats: int) -> dict[str, Any]:
    """Seconds, bytes and operations of a call of each kind."""
    device, dtype = (torch.device("cuda"), torch.bfloat16) if full_size else (torch.device("cpu"), torch.float32)
    settings, shape = (FULL, FULL_LATENTS) if full_size else (SMALL, SMALL_LATENTS)
    torch.manual_seed(0)
    source, encodings = torch.randn(1, *shape, dtype=dtype), torch.randn(takes, shape[1], 12)
    transformer, adapter, inputs = build(settings, shape, takes, dtype, device)
    on_meta = build(settings, shape, takes, dtype, torch.device("meta"))
    embedding = transformer.patch_embedding
    report: dict[str, Any] = {}
    with called(transformer, adapter, inputs, source.to(device), encodings) as calls:
        exact, ours, naive = (call().float() for call in calls.values())
        difference = float((ours - naive).abs().max() / ours.std())
        if difference > (0.2 if full_size else 1e-3):
            raise SystemExit(f"the two formulations differ by {difference:.2g} standard deviations of the output")
        if float((ours - exact).abs().max()) == 0:
            raise SystemExit("the adapter changes nothing, so that its cost means nothing")
        seconds: dict[str, list[float]] = {name: [] for name in calls}
        peaks = dict.fromkeys(calls, 0)
        for _ in range(repeats):
            for name, call in calls.items():
                taken, peak = timed(call, device)
                seconds[name].append(taken)
                peaks[name] = max(peaks[name], peak)
        alone = min(timed(lambda: embedding(source.to(device)), device)[0] for _ in range(repeats))
    with called(*on_meta, source, encodings) as calls:
        calls["syncam"]()  # which encodes the cameras: once per generation
        counted = {name: meter(call) for name, call in calls.items()}
    for name in seconds:
        report[name] = {
            "seconds": round(min(seconds[name]), 4),
            "times_target": round(min(seconds[name]) / min(seconds["target"]), 3),
            "peak_bytes": peaks[name] if device.type == "cuda" else None,
            "counted": {"bytes": counted[name][0], "teraflops": round(counted[name][1] / 1e12, 4)},
        }
    dim = settings["num_attention_heads"] * settings["attention_head_dim"]
    return {
        "date": date.today().isoformat(),
        "device": torch.cuda.get_device_name() if full_size else cpu_name(),
        "threads": torch.get_num_threads(),
        "versions": f"torch {torch.__version__}, diffusers {diffusers.__version__}, python {platform.python_version()}",
        "model": f"{settings['num_layers']} layers of width {dim}",
        "dtype": str(dtype),
        "takes": takes,
        "latents": list(shape),
        "repeats": repeats,
        **report,
        "naive_times_syncam": round(min(seconds["naive"]) / min(seconds["syncam"]), 3),
        "difference": difference,
        "source_embedding": {"seconds": round(alone, 6), "share_of_syncam": alone / min(seconds["syncam"])},
    }


def build(
    settings: dict[str, int], shape: tuple[int, ...], takes: int, dtype: torch.dtype, device: torch.device
) -> tuple[WanTransformer3DModel, FrameConcatAdapter, Inputs]:
    """A transformer and an adapter with random weights, and inputs."""
    with device:
        transformer = WanTransformer3DModel(**settings).eval()
        if settings is FULL:
            transformer.to(dtype)
        adapter = FrameConcatAdapter.from_transformer(transformer)
        for block in adapter.blocks:
            torch.nn.init.normal_(block.cam_encoder.weight, std=0.2)
            torch.nn.init.normal_(block.projector.weight, std=0.02)
        latents = torch.randn(takes, *shape, dtype=dtype)
        text = torch.randn(takes, 512 if settings is FULL else 32, transformer.config.text_dim, dtype=dtype)
        return transformer, adapter, (latents, torch.full((takes,), 500.0), text)


@contextmanager
def called(
    transformer: WanTransformer3DModel, adapter: FrameConcatAdapter, inputs: Inputs, source: Tensor, encodings: Tensor
) -> Iterator[dict[str, Callable[[], Tensor]]]:
    """One call of each kind; the adapter stays attached, with its cameras, as during a generation."""
    latents, timestep, text = inputs
    stock = [block.attn1.processor for block in transformer.blocks]
    by_token = [NaiveProcessor(block, encodings.to(latents), latents.shape[2]) for block in adapter.blocks]
    handle = adapter.attach(transformer)
    ours = [block.attn1.processor for block in transformer.blocks]

    def run(given: Tensor, processors: list[Any]) -> Tensor:
        for block, processor in zip(transformer.blocks, processors, strict=True):
            block.attn1.processor = processor
        return transformer(given, timestep, text, return_dict=False)[0]

    def target() -> Tensor:
        with adapter.disabled():
            return run(latents, stock)

    def naive() -> Tensor:
        beside = source.to(latents).repeat(len(latents), 1, 1, 1, 1)
        with adapter.disabled():
            return run(torch.cat((latents, beside), dim=2), by_token)[:, :, : latents.shape[2]]

    try:
        with adapter.camera_encodings(encodings, source=source):
            yield {"target": target, "syncam": lambda: run(latents, ours), "naive": naive}
    finally:
        run_without = zip(transformer.blocks, ours, strict=True)
        for block, processor in run_without:
            block.attn1.processor = processor
        handle.remove()


class NaiveProcessor:
    """Self-attention of re-shooting with nothing kept and nothing broadcast."""

    _attention_backend = None
    _parallel_config = None

    def __init__(self, block: Any, encodings: Tensor, num_frames: int):
        self.block, self.encodings, self.num_frames = block, encodings, num_frames

    def __call__(
        self, attention: Any, hidden_states: Tensor, text: Any = None, mask: Any = None, rotary: Any = None
    ) -> Tensor:
        ours = self.block.attn
        tokens_of_frame = hidden_states.shape[1] // (2 * self.num_frames)
        of_tokens = self.encodings.repeat(1, 2, 1).repeat_interleave(tokens_of_frame, dim=1)  # [b, N, 12]
        y = hidden_states + self.block.cam_encoder(of_tokens.to(hidden_states))
        heads = (ours.num_heads, -1)
        cos, sin = rotary[0][0, ..., 0::2].double(), rotary[1][0, ..., 1::2].double()
        angles = torch.complex(cos, sin)
        q = turn(ours.norm_q(ours.q(y)).unflatten(-1, heads), angles)
        k = turn(ours.norm_k(ours.k(y)).unflatten(-1, heads), angles)
        v = ours.v(y).unflatten(-1, heads)
        attended = F.scaled_dot_product_attention(*(part.transpose(1, 2) for part in (q, k, v)))
        return self.block.projector(ours.o(attended.transpose(1, 2).flatten(2)))


def turn(x: Tensor, angles: Tensor) -> Tensor:
    """Pairs of features as complex numbers, turned."""
    turned = torch.view_as_complex(x.double().unflatten(-1, (-1, 2))) * angles
    return torch.view_as_real(turned).flatten(-2).to(x.dtype)


def timed(call: Callable[[], Tensor], device: torch.device) -> tuple[float, int]:
    """Seconds of a call, and on a GPU the bytes that it had allocated beyond those before, at most."""
    before = 0
    if device.type == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
    start = time.perf_counter()
    call().flatten()[0].item()  # waits for the device
    seconds = time.perf_counter() - start
    return seconds, torch.cuda.max_memory_allocated() - before if device.type == "cuda" else 0


if __name__ == "__main__":
    main()
