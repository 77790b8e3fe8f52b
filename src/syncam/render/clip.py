"""One scene of a data set, drawn by all of its cameras."""

from typing import Any

import torch

from syncam.data.clip import MultiViewClip
from syncam.render.config import RenderConfig, scene_seed
from syncam.render.generate import generate_scene, sample_cameras
from syncam.render.own_scenes import own_scene

__all__ = ["render_clip"]


def render_clip(config: RenderConfig, index: int, renderer: Any) -> tuple[MultiViewClip, dict[str, Any]]:
    """The clip of scene number `index` and a description of how it was made."""
    seed = scene_seed(config, index)
    cameras = sample_cameras(
        seed,
        config.num_views,
        config.num_frames,
        config.hw,
        radius_m=config.radius,
        elevation_deg=config.elevation_deg,
        moving=config.moving,
        focal_mm=config.focal_mm,
    )
    c2w, K = cameras.c2w.numpy(), cameras.K.numpy()
    duration_s = (config.num_frames - 1) / config.fps
    scene = generate_scene(
        seed,
        content=config.content,
        duration_s=duration_s,
        two_animals=config.two_animals,
        camera_positions=c2w[..., :3, 3],
    )
    made = own_scene(config, seed, scene, c2w[..., :3, 3])
    times_s = [frame / config.fps for frame in range(config.num_frames)]
    rendering = renderer.render(made.scene, c2w, K, times_s, **made.added)
    video = torch.from_numpy(rendering.rgb).permute(0, 1, 4, 2, 3).float() / 255
    masks = torch.from_numpy(rendering.mask) if config.masks else None
    return MultiViewClip(video, cameras, made.scene.caption, config.fps, masks), made.to_json()
