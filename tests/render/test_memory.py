"""Scenes are drawn and written picture by picture: the same files as always, in the memory of one view."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch

from peaks import apart
from render.examples import arrays, rig
from syncam.cameras import hemisphere
from syncam.data.clip import MultiViewClip
from syncam.data.dataset import write_clip
from syncam.data.labels import KINDS, write_labels
from syncam.errors import InputError
from syncam.optional import require
from syncam.render.clip import compose, drawn_for, filmed
from syncam.render.config import LABEL_CHOICES, RenderConfig, scene_folder
from syncam.render.generate import generate_scene
from syncam.render.labels import LABELS, pair_visibility
from syncam.render.rasterizer import Renderer
from syncam.render.scene_files import write_scene

SUMS = Path(__file__).parent / "scene_sums.json"
TIMES = [0.0, 0.125, 0.25]


def config(out: Path, **change: Any) -> RenderConfig:
    values: dict[str, Any] = {"out": out, "num_scenes": 1, "moving": 1.0, "labels": LABEL_CHOICES}
    return RenderConfig(**(values | change))


def write(one: RenderConfig, renderer: Renderer) -> Path:
    take = compose(one, 0)
    write_scene(one, 0, take, filmed(one, take, renderer))
    return scene_folder(one, 0)


def files(folder: Path) -> dict[str, bytes]:
    """All but those that name the version of syncam."""
    found = (path for path in folder.rglob("*") if path.is_file() and path.name not in ("scene.json", "record.json"))
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def test_the_files_never_change(tmp_path: Path) -> None:
    """Those of a scene that was held in memory whole; it has more pictures than there are places on the canvas."""
    stored = json.loads(SUMS.read_text())
    info = require("moderngl", extra="render").create_standalone_context(backend="egl").info
    here = {"opengl": f"{info['GL_RENDERER']}, {info['GL_VERSION']}", "pyav": av.__version__}
    if stored["made_with"] != here:
        pytest.skip(f"sums are of {stored['made_with']}, here is {here}: other versions give other bytes")
    one = config(tmp_path, num_views=2, num_frames=14, hw=(240, 320))
    found = files(write(one, Renderer(one.hw)))
    assert {name: hashlib.sha256(content).hexdigest() for name, content in found.items()} == stored["files"]


def test_the_files_are_those_of_whole_arrays(tmp_path: Path, renderer: Renderer) -> None:
    one = config(tmp_path / "data", num_views=3, num_frames=4, hw=renderer.hw, two_animals=1.0)
    streamed = write(one, renderer)
    take = compose(one, 0)
    c2w, K = arrays(take.cameras)
    whole = renderer.render(take.scene, c2w, K, one.times_s, labels=(*drawn_for(one.labels), "joints"))
    video = torch.from_numpy(whole.rgb).permute(0, 1, 4, 2, 3).float() / 255
    clip = MultiViewClip(video, take.cameras, take.scene.caption, one.fps, torch.from_numpy(whole.mask))
    write_clip(tmp_path / "whole", clip, crf=one.crf)
    assert whole.depth is not None and whole.instances is not None
    labels = {kind: getattr(whole, kind) for kind in KINDS[:-1]}
    labels["visibility"] = pair_visibility(whole.depth, whole.instances, c2w, K).astype(np.float32)
    write_labels(tmp_path / "whole", ["cam01", "cam02", "cam03"], labels, one.fps)
    first, second = files(streamed), files(tmp_path / "whole")
    del first["2view_az30_el15_available_list.npy"]
    assert first == second and not list(streamed.glob(".*"))


MEASURE = """
import resource, sys
from pathlib import Path
from render.test_memory import config, write
from syncam.render.rasterizer import Renderer

renderer, peaks = Renderer((240, 320)), []
for views in (1, 3):
    write(config(Path(sys.argv[1]) / str(len(peaks)), num_views=views, num_frames=14, hw=renderer.hw), renderer)
    peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
print(*peaks)
"""


def test_further_views_need_no_memory(tmp_path: Path) -> None:
    """Pictures and labels of two further views are 130 MB, and the pictures of a clip in [0, 1] 50 more."""
    command = apart(sys.executable, "-c", MEASURE, str(tmp_path))
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1])
    one, three = map(int, done.stdout.split())
    assert three - one < 30, done.stdout


def test_pictures_come_view_by_view_and_belong_to_who_takes_them(renderer: Renderer) -> None:
    cameras, made = rig(2, 3), generate_scene(0)
    whole = renderer.render(made, *arrays(cameras), TIMES, labels=LABELS)
    pictures = list(renderer.pictures(made, *arrays(cameras), TIMES, labels=LABELS))
    assert [(one.view, one.frame) for one in pictures] == [(v, f) for v in range(2) for f in range(3)]
    for one in pictures:
        for name in ("rgb", "depth", "normals", "instances", "flow_forward", "flow_backward"):
            np.testing.assert_array_equal(getattr(one, name), getattr(whole, name)[one.view, one.frame])


def test_other_renderers_may_draw_between_pictures_but_the_same_one_no_other_scene(renderer: Renderer) -> None:
    large, made, times = Renderer((480, 640)), generate_scene(0), [frame / 8 for frame in range(8)]
    seen = arrays(hemisphere(views=1, radius=4, hw=large.hw).repeat_frames(8))  # too much to be drawn ahead
    expected = large.render(made, *seen, times)
    begun = large.pictures(made, *seen, times)
    for frame in range(2):
        np.testing.assert_array_equal(next(begun).rgb, expected.rgb[0, frame])
        renderer.render(made, *arrays(rig()), [0.0])
    next(large.pictures(made, *seen, times))
    with pytest.raises(InputError, match="the renderer has begun another scene; take all pictures of one before"):
        next(begun)
