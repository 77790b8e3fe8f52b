"""The weights that come with the package do what they are for, on clips that they have not seen."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch

from syncam.data.dataset import ClipStore
from syncam.pipelines.reshoot import ReshootPipeline
from syncam.render.config import RenderConfig
from syncam.render.dataset import render_dataset


@pytest.mark.slow
def test_what_is_re_shot_follows_the_path(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"cameras": "takes", "content": "basic", "radius": (3.5, 6.5), "focal_mm": 35.0}
    render_dataset(RenderConfig(out=tmp_path, num_scenes=6, num_views=4, seed=3, num_workers=1, **settings))
    pipeline = ReshootPipeline.from_pretrained(device="cpu")
    errors: dict[str, list[float]] = {"along the path": [], "from where the source begins": []}
    for scene in ClipStore(tmp_path, "train").scenes:
        clip = scene.read()
        start, path = clip.cameras.c2w[0, 0], clip.cameras.view([3])
        stays = dataclasses.replace(path, c2w=start.expand_as(path.c2w).contiguous())
        for name, cameras in zip(errors, (path, stays), strict=True):
            made = pipeline(clip.video[0], cameras, prompt=clip.caption, reference=start, num_inference_steps=8)
            errors[name].append(float((made.videos[0] - clip.video[3]).square().mean()))
    along, where = (torch.tensor(values) for values in errors.values())
    assert along.mean() < 0.9 * where.mean(), errors
