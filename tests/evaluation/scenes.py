"""Rendered scenes with known cameras that the tests of this folder measure, and how they are spoilt."""

import dataclasses
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from syncam.cameras import Cameras, hemisphere, save_rig
from syncam.cameras.posed import posed
from syncam.cameras.rotations import rotation_exp
from syncam.data.clip import MultiViewClip
from syncam.data.video import write_video
from syncam.evaluation.cache import Cache
from syncam.evaluation.clips import RunClip
from syncam.evaluation.material import Material
from syncam.files import write_json
from syncam.render.generate import generate_scene
from syncam.render.rasterizer import Renderer

FPS = 8.0
HW = (288, 384)


def rendered(seed: int, cameras: Cameras, *, actors: bool = True) -> MultiViewClip:
    """The scene of that seed through some cameras; without actors nothing moves."""
    positions = np.unique(cameras.positions.double().numpy().reshape(-1, 3), axis=0)
    duration = cameras.num_frames / FPS
    scene = generate_scene(seed, content="full", duration_s=duration, camera_positions=positions)
    if not actors:
        scene = dataclasses.replace(scene, animals=())
    times = [frame / FPS for frame in range(cameras.num_frames)]
    rgb = Renderer(cameras.hw).render(scene, cameras.c2w.double().numpy(), cameras.K.double().numpy(), times).rgb
    video = torch.from_numpy(rgb).permute(0, 1, 4, 2, 3).float() / 255
    return MultiViewClip(video, cameras, scene.caption, FPS)


def rig(frames: int, span_deg: float = 15.0, hw: tuple[int, int] = HW) -> Cameras:
    """Two still cameras, that many degrees apart."""
    return hemisphere(views=2, radius=5.0, elevation_deg=15.0, span_deg=span_deg, num_frames=frames, hw=hw)


def turned(cameras: Cameras, degrees: float) -> Cameras:
    """The rig with its second camera turned up: about its right axis, across the epipolar lines."""
    turn = rotation_exp(torch.tensor([np.deg2rad(degrees), 0.0, 0.0], dtype=torch.float64))
    rotation = cameras.c2w[..., :3, :3].clone()
    rotation[1] = rotation[1] @ turn
    return posed(cameras, rotation=rotation)


def late(video: Float[Tensor, "2 F C H W"], frames: int) -> Float[Tensor, "2 f C H W"]:
    """Both views cut to the same length, the second one late by that many frames."""
    length = video.shape[1] - frames
    return torch.stack([video[0, frames:], video[1, :length]])


def material(folder: Path, clip: MultiViewClip, cache: Path | None = None, **settings) -> Material:
    """The clip written as `syncam generate` does, almost without loss, and opened for measuring."""
    write_clip(folder, clip)
    return Material(RunClip(folder), Cache(cache), **settings)


def write_clip(folder: Path, clip: MultiViewClip) -> None:
    """The layout of `syncam generate`."""
    folder.mkdir(parents=True)
    for view, video in enumerate(clip.video, start=1):
        write_video(folder / f"view{view:02d}.mp4", video, clip.fps, crf=4)
    if clip.cameras is not None:
        save_rig(folder / "cameras.json", clip.cameras, fps=clip.fps)
    write_json(folder / "run.json", {"settings": {"prompt": clip.caption}})
