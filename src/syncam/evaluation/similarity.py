"""Likeness of embeddings: of frames to the text, of neighbouring frames, and of views at the same moment; x 100."""

import itertools

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from syncam.errors import InputError

__all__ = ["clip_f", "clip_t", "clip_v", "consistency"]


def clip_t(frames: Float[Tensor, "V F D"], text: Float[Tensor, "D"]) -> Float[Tensor, "V F"]:
    """100 times the cosine of every frame's embedding and the prompt's."""
    return 100 * F.cosine_similarity(frames, text.expand_as(frames), dim=-1)


def clip_f(frames: Float[Tensor, "V F D"]) -> Float[Tensor, "V F-1"]:
    """100 times the cosine of every frame's embedding and the next frame's."""
    if frames.shape[1] < 2:
        raise InputError("CLIP-F compares neighbouring frames and needs two or more, got 1")
    return 100 * F.cosine_similarity(frames[:, 1:], frames[:, :-1], dim=-1)


def consistency(frames: Float[Tensor, "V F D"]) -> Float[Tensor, "V F-1"]:
    """VBench's consistency of every frame but the first: half the cosine with the frame before, half that with the
    first one, neither below 0.
    """
    if frames.shape[1] < 2:
        raise InputError("the consistency of a video needs two frames or more, got 1")
    before = F.cosine_similarity(frames[:, 1:], frames[:, :-1], dim=-1)
    first = F.cosine_similarity(frames[:, 1:], frames[:, :1], dim=-1)
    return (before.clamp(min=0) + first.clamp(min=0)) / 2


def clip_v(frames: Float[Tensor, "V F D"]) -> Float[Tensor, "P F"]:
    """100 times the cosine of the embeddings of two views at the same frame, for every pair of views.

    CVD calls this CLIP-F, and prints it without the 100.
    """
    pairs = list(itertools.combinations(range(len(frames)), 2))
    if not pairs:
        raise InputError("CLIP-V compares views and needs two or more, got 1")
    return torch.stack([100 * F.cosine_similarity(frames[i], frames[j], dim=-1) for i, j in pairs])
