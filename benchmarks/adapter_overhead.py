"""What an attached adapter costs: one denoising call of the stock transformer and of the adapted one, in turns.

python benchmarks/adapter_overhead.py                 a small transformer, on the CPU, about a minute
python benchmarks/adapter_overhead.py --full-size     Wan2.1 1.3B with random weights, 81 frames at 480x832, on a GPU
"""

import argparse
import json
import platform
import time
from datetime import date
from pathlib import Path

import diffusers
import torch
from diffusers import WanTransformer3DModel

from syncam.adapters import ViewSyncAdapter
from syncam.adapters.estimate import EFFICIENCY, build, denoise, measure_flops_per_second, meter

SMALL = {"num_attention_heads": 4, "attention_head_dim": 64, "ffn_dim": 1024, "num_layers": 8, "text_dim": 128}
SMALL_LATENTS = (16, 5, 32, 32)
FULL = {"num_attention_heads": 12, "attention_head_dim": 128, "ffn_dim": 8960, "num_layers": 30}
FULL_LATENTS = (16, 21, 60, 104)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full-size", action="store_true", help="Wan2.1 1.3B in bfloat16 on the GPU")
    parser.add_argument("--views", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5, help="measured calls of each kind, after one to warm up")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    arguments = parser.parse_args()
    if arguments.full_size and not torch.cuda.is_available():
        parser.error("--full-size needs a CUDA device")
    report = measure(arguments.full_size, arguments.views, arguments.repeats)
    print(json.dumps(report) if arguments.json else "\n".join(f"{name:>22}  {value}" for name, value in report.items()))


@torch.no_grad()
def measure(full_size: bool, num_views: int, repeats: int) -> dict[str, object]:
    """The fastest of `repeats` calls of each kind, in turns: whatever else the machine does can only add to them."""
    device, dtype = (torch.device("cuda"), torch.bfloat16) if full_size else (torch.device("cpu"), torch.float32)
    settings, shape = (FULL, FULL_LATENTS) if full_size else (SMALL, SMALL_LATENTS)
    torch.manual_seed(0)
    with device:
        transformer = WanTransformer3DModel(**settings).eval()
        if full_size:
            transformer.to(dtype)
        adapter = ViewSyncAdapter.from_transformer(transformer)
        for block in adapter.blocks:
            torch.nn.init.normal_(block.projector.weight, std=0.02)
        latents = torch.randn(num_views, *shape, dtype=dtype)
        text = torch.randn(num_views, 512 if full_size else 32, transformer.config.text_dim, dtype=dtype)
        timestep = torch.full((num_views,), 500.0)

    def seconds() -> float:
        start = time.perf_counter()
        output = transformer(latents, timestep, text, return_dict=False)[0]
        output[0, 0, 0, 0, 0].item()  # waits for the device
        return time.perf_counter() - start

    stock, adapted = [], []
    with adapter.attach(transformer), adapter.camera_encodings(torch.randn(num_views, shape[1], 12)):
        for _ in range(repeats + 1):
            with adapter.disabled():
                stock.append(seconds())
            seconds()  # encodes the cameras again after disabled(), which is once per generation
            adapted.append(seconds())
    stock_seconds, adapted_seconds = min(stock[1:]), min(adapted[1:])
    on_meta = build({**transformer.config, "_class_name": type(transformer).__name__}, dtype)
    inputs = [tensor.to("meta") for tensor in (latents, timestep, text)]
    stock_flops = meter(lambda: on_meta(*inputs))[1]
    flops = meter(lambda: denoise(on_meta, inputs[0], text.shape[1]))[1]
    speed = measure_flops_per_second(dtype, device)
    parameters = [sum(p.numel() for p in model.parameters()) for model in (transformer, adapter)]
    dim = settings["num_attention_heads"] * settings["attention_head_dim"]
    return {
        "date": date.today().isoformat(),
        "device": torch.cuda.get_device_name() if full_size else cpu_name(),
        "threads": torch.get_num_threads(),
        "versions": f"torch {torch.__version__}, diffusers {diffusers.__version__}, python {platform.python_version()}",
        "model": f"{settings['num_layers']} layers of width {dim}",
        "dtype": str(dtype),
        "views": num_views,
        "latents": list(latents.shape),
        "stock_seconds": round(stock_seconds, 4),
        "adapted_seconds": round(adapted_seconds, 4),
        "overhead": round(adapted_seconds / stock_seconds - 1, 4),
        "overhead_in_operations": round(flops / stock_flops - 1, 4),
        "adapter_parameters": round(parameters[1] / parameters[0], 4),
        "teraflops": round(flops / 1e12, 4),
        "share_of_matmul_speed": round(flops / adapted_seconds / speed, 3),
        "assumed_share": EFFICIENCY,
    }


def cpu_name() -> str:
    """The processor, as precisely as the system says it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


if __name__ == "__main__":
    main()
