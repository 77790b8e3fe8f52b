"""Wan2.1 with SynCamMaster's or ReCamMaster's modules, written once more from the papers: slow, in the published names.

And what SynCamMaster adds to a block where text and video attend together.

It shares no code with syncam or diffusers, so that agreement of the two means something.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

Weights = dict[str, Tensor]


def linear(weights: Weights, name: str, x: Tensor) -> Tensor:
    return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def layer_norm(x: Tensor, eps: float) -> Tensor:
    centred = x - x.mean(-1, keepdim=True)
    return centred / (centred.square().mean(-1, keepdim=True) + eps).sqrt()


def rms_norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    return x / (x.square().mean(-1, keepdim=True) + eps).sqrt() * weight


def wan_axes(size: int) -> tuple[int, int, int]:
    """How many features of a head turn with each of three coordinates."""
    spatial = 2 * (size // 6)
    return size - 2 * spatial, spatial, spatial


def joint_axes(size: int) -> tuple[int, int, int]:
    return size // 4, size * 3 // 8, size * 3 // 8


def turn(x: Tensor, positions: Tensor, axes: Callable[[int], tuple[int, int, int]] = wan_axes) -> Tensor:
    """Features [N, d] of one head as complex numbers, each turned in proportion to one of three coordinates [N, 3]."""
    angles = []
    for axis, length in enumerate(axes(x.shape[-1])):
        speed = torch.tensor([10000.0 ** (-2 * i / length) for i in range(length // 2)], dtype=torch.float64)
        angles.append(positions[:, axis, None].double() * speed)
    angle = torch.cat(angles, dim=1)
    turned = torch.view_as_complex(x.double().reshape(len(x), -1, 2)) * torch.polar(torch.ones_like(angle), angle)
    return torch.view_as_real(turned).flatten(1).to(x.dtype)


def attention(
    weights: Weights, name: str, x: Tensor, context: Tensor, heads: int, eps: float, positions: Tensor | None = None
) -> Tensor:
    """One sequence [N, D] looking at another, head by head."""
    q = rms_norm(linear(weights, f"{name}.q", x), weights[f"{name}.norm_q.weight"], eps)
    k = rms_norm(linear(weights, f"{name}.k", context), weights[f"{name}.norm_k.weight"], eps)
    v = linear(weights, f"{name}.v", context)
    out = []
    for q_head, k_head, v_head in zip(q.chunk(heads, 1), k.chunk(heads, 1), v.chunk(heads, 1), strict=True):
        if positions is not None:
            q_head, k_head = turn(q_head, positions), turn(k_head, positions)
        out.append((q_head @ k_head.T / q_head.shape[1] ** 0.5).softmax(dim=1) @ v_head)
    return linear(weights, f"{name}.o", torch.cat(out, dim=1))


def grid_positions(a: int, b: int, c: int) -> Tensor:
    return torch.tensor([(i, j, k) for i in range(a) for j in range(b) for k in range(c)])


def view_sync_change(
    weights: Weights,
    x: Tensor,
    time: Tensor,
    camera: Tensor,
    num_views: int,
    grid: tuple[int, int, int],
    heads: int,
    eps: float,
) -> Tensor:
    """What SynCamMaster adds to the residual stream x [(b v), (f h w), D], one scene and one frame at a time.

    `time` is the first three rows [(b v) or 1, 3, D] of the block's time modulation, `camera` is [(b v), f, 12].
    """
    f, h, w = grid
    shift, scale, gate = (weights["modulation_mvs"] + time).unbind(1)
    y = layer_norm(x, eps) * (1 + scale[:, None]) + shift[:, None]
    change = torch.zeros_like(x)
    for first in range(0, len(x), num_views):
        for frame in range(f):
            tokens = slice(frame * h * w, (frame + 1) * h * w)
            views = range(first, first + num_views)
            seen = torch.cat([y[v, tokens] + linear(weights, "cam_encoder", camera[v, frame]) for v in views])
            out = attention(weights, "mvs_attn", seen, seen, heads, eps, grid_positions(num_views, h, w))
            for v, part in zip(views, linear(weights, "projector", out).chunk(num_views), strict=True):
                change[v, tokens] = gate[v if len(gate) > 1 else 0] * part
    return change


def joint_view_sync_change(
    weights: Weights,
    x: Tensor,
    text: Tensor,
    time: Tensor,
    camera: Tensor,
    num_views: int,
    grid: tuple[int, int, int],
    heads: int,
    *,
    texts: int,
    rotary: bool,
) -> Tensor:
    """What SynCamMaster's port to CogVideoX adds to the video's residual stream x [(b v), (f h w), D].

    `weights` are in the names of the adapter; `texts` says of how many views the text [(b v), n, D] takes part.
    """
    f, h, w = grid
    rows = linear(weights, "norm.linear", F.silu(time)).chunk(6, dim=1)

    def modulated(tokens: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
        tokens = layer_norm(tokens, 1e-5) * weights["norm.norm.weight"] + weights["norm.norm.bias"]
        return tokens * (1 + scale[:, None]) + shift[:, None]

    y, words = modulated(x, rows[0], rows[1]), modulated(text, rows[3], rows[4])
    positions = grid_positions(num_views, h, w)
    change = torch.zeros_like(x)
    for first in range(0, len(x), num_views):
        for frame in range(f):
            tokens = slice(frame * h * w, (frame + 1) * h * w)
            views = range(first, first + num_views)
            said = [words[v] for v in views[:texts]]
            seen = [y[v, tokens] + linear(weights, "cam_encoder", camera[v, frame]) for v in views]
            start = sum(len(one) for one in said)
            out = []
            parts = [linear(weights, f"attn.to_{x}", torch.cat(said + seen)).chunk(heads, dim=1) for x in "qkv"]
            for q, k, v_head in zip(*parts, strict=True):
                turned = []
                for name, part in (("q", q), ("k", k)):
                    norm = f"attn.norm_{name}"
                    part = layer_norm(part, 1e-6) * weights[f"{norm}.weight"] + weights[f"{norm}.bias"]
                    video = turn(part[start:], positions, joint_axes) if rotary else part[start:]
                    turned.append(torch.cat((part[:start], video)))
                scores = turned[0] @ turned[1].T / q.shape[1] ** 0.5
                out.append(scores.softmax(dim=1) @ v_head)
            attended = linear(weights, "attn.to_out.0", torch.cat(out, dim=1))[start:]
            for v, part in zip(views, linear(weights, "projector", attended).chunk(num_views), strict=True):
                change[v, tokens] = rows[2][v] * part
    return change


def block_weights(weights: Weights, index: int) -> Weights:
    prefix = f"blocks.{index}."
    return {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}


def wan(
    weights: Weights,
    x: Tensor,
    timestep: Tensor,
    context: Tensor,
    camera: Tensor,
    *,
    num_views: int,
    heads: int,
    eps: float = 1e-6,
) -> Tensor:
    """The velocity [(b v), C, F, H, W] of latents x, all views of a scene synchronised.

    With weights of ReCamMaster: of latents [target | source], with as many cameras as half of the frames.
    """
    kernel = weights["patch_embedding.weight"]
    x = F.conv3d(x, kernel, weights["patch_embedding.bias"], stride=kernel.shape[2:])
    grid, x = tuple(x.shape[2:]), x.flatten(2).transpose(1, 2)

    half = weights["time_embedding.0.weight"].shape[1] // 2
    angle = timestep[:, None].float() * torch.tensor([10000.0 ** (-i / half) for i in range(half)])
    time = torch.cat((angle.cos(), angle.sin()), dim=1)
    time = linear(weights, "time_embedding.2", F.silu(linear(weights, "time_embedding.0", time)))
    modulation = linear(weights, "time_projection.1", F.silu(time)).unflatten(1, (6, -1))
    text = F.gelu(linear(weights, "text_embedding.0", context), approximate="tanh")
    text = linear(weights, "text_embedding.2", text)

    for index in range(sum(name.endswith("cam_encoder.bias") for name in weights)):
        block = block_weights(weights, index)
        rows = (block["modulation"] + modulation)[:, :, None].unbind(1)
        y = layer_norm(x, eps) * (1 + rows[1]) + rows[0]
        positions = grid_positions(*grid)
        reshoots = "mvs_attn.q.bias" not in block
        if reshoots:
            y = y + linear(block, "cam_encoder", camera).repeat(1, 2, 1).repeat_interleave(grid[1] * grid[2], dim=1)
        attended = torch.stack([attention(block, "self_attn", one, one, heads, eps, positions) for one in y])
        if reshoots:
            x = x + rows[2] * linear(block, "projector", attended)
        else:
            x = x + rows[2] * attended
            x = x + view_sync_change(block, x, modulation[:, :3], camera, num_views, grid, heads, eps)
        y = layer_norm(x, eps) * block["norm3.weight"] + block["norm3.bias"]
        x = x + torch.stack([attention(block, "cross_attn", *pair, heads, eps) for pair in zip(y, text, strict=True)])
        y = layer_norm(x, eps) * (1 + rows[4]) + rows[3]
        x = x + rows[5] * linear(block, "ffn.2", F.gelu(linear(block, "ffn.0", y), approximate="tanh"))

    shift, scale = (weights["head.modulation"] + time[:, None])[:, :, None].unbind(1)
    x = linear(weights, "head.head", layer_norm(x, eps) * (1 + scale) + shift)
    pf, ph, pw = kernel.shape[2:]
    f, h, w = grid
    x = x.reshape(len(x), f, h, w, pf, ph, pw, -1).permute(0, 7, 1, 4, 2, 5, 3, 6)
    return x.reshape(len(x), x.shape[1], f * pf, h * ph, w * pw)
