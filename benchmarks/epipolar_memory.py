"""Peak memory of attention with CVD's epipolar bias: the form of its first implementation and ours, side by side.

python benchmarks/epipolar_memory.py                    two views, small, on the CPU
python benchmarks/epipolar_memory.py --full-size        Stable Diffusion's finest level, 16 frames at 256x256, on a GPU
python benchmarks/epipolar_memory.py --full-size --views 4 --size 512 512 --json

repeated  the bias of all pairs as a matrix, repeated for both branches of guidance and all heads, in every attention
dense     one matrix for both branches and all heads, made once and shared by all attentions
flex      three numbers per query, turned into a bias inside FlexAttention's kernel

Each form runs in a process of its own. `peak_bytes` is what a call of two attentions needs beyond its inputs: of a
GPU's allocator, or by how much the process grows on a CPU (Linux; with torch's own workspaces, without memory that an
earlier call has left). `bias_bytes` is what the bias itself takes. `largest_difference` compares the three outputs.
"""

import argparse
import json
import platform
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from adapter_overhead import cpu_name
from einops import repeat
from torch import Tensor

from syncam.adapters.epipolar_bias import EpipolarBias, epipolar_bias
from syncam.cameras.epipolar import epipolar_geometry

HEADS, BRANCHES = 8, 2
FORMS = ("repeated", "dense", "flex")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full-size", action="store_true", help="16 frames and heads of 40 features, on the GPU")
    parser.add_argument("--views", type=int, default=2, help="views, each attending to the next")
    parser.add_argument("--size", type=int, nargs=2, default=(256, 256), help="height and width of the pictures")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    parser.add_argument("--form", choices=FORMS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.full_size and not torch.cuda.is_available():
        parser.error("--full-size needs a CUDA device")
    if arguments.form:  # one of the processes
        print(json.dumps(measure(arguments.form, arguments.full_size, arguments.views, tuple(arguments.size))))
        return
    forms = {}
    for form in FORMS:
        result = subprocess.run(
            [sys.executable, *sys.argv, "--form", form], capture_output=True, text=True, check=False
        )
        if result.returncode:
            sys.exit(result.stderr)
        forms[form] = json.loads(result.stdout.splitlines()[-1])
    outputs = [torch.tensor(forms[form].pop("sample")) for form in FORMS]
    report = {
        "date": date.today().isoformat(),
        "hardware": torch.cuda.get_device_name() if arguments.full_size else cpu_name(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "views": arguments.views,
        "size": list(arguments.size),
        "largest_difference": max((output - outputs[0]).abs().max().item() for output in outputs),
        "forms": forms,
    }
    print(json.dumps(report) if arguments.json else json.dumps(report, indent=2))


@torch.no_grad()
def measure(form: str, full_size: bool, views: int, size: tuple[int, int]) -> dict[str, Any]:
    """Bytes of one form, and a few numbers of its output to compare."""
    device, dtype = (torch.device("cuda"), torch.float16) if full_size else (torch.device("cpu"), torch.float32)
    num_frames, head_dim = (16, 40) if full_size else (4, 16)
    torch.manual_seed(0)
    h, w = size[0] // 8, size[1] // 8
    bias = bias_of_rig(views, num_frames, size, (h, w), device)
    shape = (BRANCHES * len(bias.lines), HEADS, h * w, head_dim)
    q, k, v = (torch.randn(shape).to(device, dtype) for _ in range(3))

    def attend() -> Tensor:
        if form == "repeated":
            y = q
            for _ in range(2):
                mask = repeat(bias.dense(torch.float32).to(dtype), "m i j -> (r m) heads i j", r=BRANCHES, heads=HEADS)
                y = F.scaled_dot_product_attention(y, k, v, attn_mask=mask)
            return y
        wide = [x.unflatten(0, (BRANCHES, -1)).transpose(0, 1).flatten(1, 2) for x in (q, k, v)]  # [m, (r heads), N, d]
        y = wide[0]
        mask = bias.dense(dtype)[:, None] if form == "dense" else None
        for _ in range(2):
            if mask is None:
                y = bias.attend(y, wide[1], wide[2])
            else:
                y = F.scaled_dot_product_attention(y, wide[1], wide[2], attn_mask=mask)
        return y.unflatten(1, (BRANCHES, -1)).transpose(0, 1).flatten(0, 1)

    if form == "flex":
        attend()  # compiles
    elif not full_size:
        F.scaled_dot_product_attention(q[:1], k[:1], v[:1])  # loads what the first call loads
    if full_size:
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        y = attend()
        peak = torch.cuda.max_memory_allocated() - before
    else:
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts again from what is in use now
        before = process_bytes("VmRSS")
        y = attend()
        peak = process_bytes("VmHWM") - before
    pairs = len(bias.lines) * (h * w) ** 2
    bias_bytes = {
        "repeated": pairs * BRANCHES * HEADS * dtype.itemsize,
        "dense": pairs * dtype.itemsize,
        "flex": bias.lines.numel() * bias.lines.itemsize,
    }
    return {
        "peak_bytes": peak,
        "bias_bytes": bias_bytes[form],
        "sample": y[..., ::97, :2].float().flatten()[:512].tolist(),
    }


def process_bytes(name: str) -> int:
    """A line of Linux's account of this process's memory."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith(name)).split()[1])


def bias_of_rig(
    views: int, num_frames: int, size: tuple[int, int], grid: tuple[int, int], device: torch.device
) -> EpipolarBias:
    """The bias of views on a line, each attending to the next, [(v F), N, N]."""
    c2w = torch.eye(4, dtype=torch.float64).repeat(views, num_frames, 1, 1)
    c2w[..., 0, 3] = 0.1 * torch.arange(views)[:, None] * torch.arange(num_frames)
    c2w[..., 2, 3] = 0.05 * torch.arange(num_frames)
    K = torch.tensor([[size[0], 0, size[1] / 2], [0, size[0], size[0] / 2], [0, 0, 1.0]], dtype=torch.float64)
    K = K.expand(views, num_frames, 3, 3)
    pairs = [x.flatten(0, 1).to(device) for x in (c2w, K, c2w.roll(-1, 0), K)]
    slopes = torch.zeros(views * num_frames, device=device)
    return epipolar_bias(epipolar_geometry(*pairs), slopes, hw=size, grid=grid, trained_size=256)


if __name__ == "__main__":
    main()
