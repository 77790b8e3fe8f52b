"""LoRAs of a UNet's attention within pictures, without peft: AnimateDiff's domain adapter, CameraCtrl's estates."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from syncam.adapters.checkpoint_files import read_tensors
from syncam.errors import InputError

LORA_FILE = "pytorch_lora_weights.safetensors"


@torch.no_grad()
def fuse_lora(unet: nn.Module, folder: str | Path, scale: float = 1.0) -> int:
    """Adds `scale` times a LoRA, as `syncam convert` writes it, to the weights of a UNet; how many it has changed.

    W + scale * B A for every attention within pictures, of a UNet2DConditionModel or a UNetMotionModel. The sum is
    computed in float32; a second call with the negative scale takes it away again, but for rounding. InputError, with
    the UNet left as it was, where the two do not fit.
    """
    weights = read_tensors(Path(folder) / LORA_FILE)
    layers: dict[str, Any] = dict(unet.named_modules())
    sums = {}
    for name, down in weights.items():
        path = name.removeprefix("unet.").removesuffix(".lora_A.weight")
        if not name.endswith(".lora_A.weight"):
            continue
        up, layer = weights.get(f"unet.{path}.lora_B.weight"), layers.get(path)
        if up is None or layer is None or not isinstance(layer, nn.Linear):
            raise InputError(f"{folder} has a LoRA of {path}, which is no linear layer of this {type(unet).__name__}")
        if layer.weight.shape != (len(up), down.shape[1]):
            raise InputError(
                f"{folder}: the LoRA of {path} is of {len(up)} x {down.shape[1]}, the layer of "
                f"{' x '.join(map(str, layer.weight.shape))}"
            )
        change = up.float().to(layer.weight.device) @ down.float().to(layer.weight.device)
        sums[path] = (layer.weight.float() + scale * change).to(layer.weight.dtype)
    for path, weight in sums.items():
        layers[path].weight.copy_(weight)
    return len(sums)
