"""The rules of cameras: what is drawn is within what is published, the same for a seed, and in the right folder."""

import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from syncam.cameras import Cameras, hemisphere, save_rig
from syncam.cameras.conventions import SENSOR_MM
from syncam.cameras.layouts import hemi36
from syncam.cameras.rig import parse_rig
from syncam.errors import InputError
from syncam.render.clip import compose, render_clip
from syncam.render.config import RenderConfig, scene_folder, scene_seed
from syncam.render.framing import cast_of
from syncam.render.generate import generate_scene, sample_cameras
from syncam.render.rendering import Picture
from syncam.render.rules import HEMI36_RIGS, MULTICAM_LENSES, RULES
from syncam.render.shots import draw_cameras, focused, redrawn

HW = (32, 48)
TARGET = (0.1, -0.2, 0.6)


def config(cameras: str, **change: Any) -> RenderConfig:
    values: dict[str, Any] = {"num_frames": 5, "fps": 2.0, "hw": HW}
    return RenderConfig(out=Path("out"), cameras=cameras, **(values | change))


def drawn(cameras: str, seed: int, **change: Any) -> Cameras:
    folder, scene = change.pop("folder", 0), change.pop("scene", None)
    return draw_cameras(config(cameras, **change), seed, scene=scene, folder=folder, target=TARGET)


def focal_mm(cameras: Cameras) -> set[float]:
    return {round(float(focal) / cameras.hw[1] * SENSOR_MM, 6) for focal in cameras.K[..., 0, 0].flatten()}


def from_target(cameras: Cameras) -> tuple[torch.Tensor, torch.Tensor]:
    """Metres from the target and degrees above its horizon, [V, F]."""
    offset = cameras.positions - torch.tensor(TARGET, dtype=torch.float64)
    metres = offset.norm(dim=-1)
    return metres, torch.rad2deg(torch.asin(offset[..., 2] / metres))


def within(values: torch.Tensor, low: float, high: float) -> bool:
    return bool(((values >= low - 1e-6) & (values <= high + 1e-6)).all())


@pytest.mark.parametrize("rule", RULES)
def test_numbers_of_views(rule: str) -> None:
    views = {"hemisphere": 4, "syncamvideo": 10, "multicamvideo": 10, "takes": 4, "hemi36": 36, "basic": 10}[rule]
    assert config(rule).views == views
    cameras = drawn(rule, 3)
    assert cameras.c2w.shape == (views, 5, 4, 4) and cameras.hw == HW
    assert cameras.c2w.equal(drawn(rule, 3).c2w)
    assert cameras.c2w.equal(drawn(rule, 4).c2w) == (rule in ("hemi36", "basic"))


def test_the_hemisphere_is_what_it_always_was() -> None:
    one = config("hemisphere", num_views=3, radius=(2.0, 6.0), elevation_deg=(5.0, 50.0), moving=0.5, focal_mm=35.0)
    same = sample_cameras(7, 3, 5, HW, radius_m=(2.0, 6.0), elevation_deg=(5.0, 50.0), moving=0.5, focal_mm=35.0)
    assert draw_cameras(one, 7).c2w.equal(same.c2w) and draw_cameras(one, 7).K.equal(same.K)


def test_syncamvideo() -> None:
    cameras = drawn("syncamvideo", 0, num_views=60)
    metres, elevation = from_target(cameras)
    assert cameras.is_static and within(metres, 3.5, 9.0) and within(elevation, 0.0, 45.0)
    assert metres.min() < 4.2 and metres.max() > 8.3 and focal_mm(cameras) == {24.0}


def test_multicamvideo() -> None:
    """Every scene has one radius and one lens; cameras start within them, half of those that move not evenly."""
    radii, even, uneven = Counter[float](), 0, 0
    for seed in range(24):
        cameras = drawn("multicamvideo", seed, num_views=6, folder=seed % 4)
        metres, elevation = from_target(cameras.frames(0))
        assert focal_mm(cameras) == {MULTICAM_LENSES[seed % 4][0]}
        assert within(metres, 0.5, 10.0) and within(elevation, 0.0, 45.0)
        radii[next(radius for radius in (3.0, 5.0, 7.0, 10.0) if metres.max() <= radius + 1e-6)] += 1
        shift = cameras.positions.diff(dim=1).norm(dim=-1)
        for steps in shift[shift.sum(1) > 1e-6]:
            spread = float(steps.max() / steps.min().clamp(min=1e-9))
            even, uneven = even + (spread < 1.6), uneven + (spread >= 1.6)
    assert set(radii) == {3.0, 5.0, 7.0, 10.0}
    other = drawn("multicamvideo", 23, num_views=6, folder=1)
    assert other.c2w.equal(cameras.c2w) and not other.K.equal(cameras.K), "the lens changes nothing but K"
    assert 0.3 < even / (even + uneven) < 0.75


def test_takes_of_a_scene_begin_where_its_seed_says() -> None:
    """Also those that are drawn again, with another seed; options of the hemisphere say where, and with which lens."""
    change = {"radius": (4.0, 5.0), "elevation_deg": (10.0, 20.0), "focal_mm": 35.0}
    together = 0
    for seed in range(10):
        cameras, others = drawn("takes", seed, **change), drawn("takes", seed + 100, scene=seed, **change)
        metres, elevation = from_target(cameras.frames(0))
        assert within(metres, 4.0, 5.0) and within(elevation, 10.0, 20.0) and focal_mm(cameras) == {35.0}
        if cameras.c2w[:, 0].allclose(cameras.c2w[:1, 0]):
            together += 1
            assert others.c2w[:, 0].allclose(cameras.c2w[:1, 0]) and not others.c2w.equal(cameras.c2w)
    assert together >= 5
    with pytest.raises(InputError, match="moving has no effect with cameras takes"):
        config("takes", moving=0.5)
    assert scene_folder(config("takes"), 0) == Path("out/train/f24_aperture5/scene1")


@pytest.mark.parametrize("folder", [0, 6, 15])
def test_hemi36(folder: int) -> None:
    radius, elevation_deg = HEMI36_RIGS[folder]
    cameras = drawn("hemi36", 0, folder=folder)
    metres, elevation = from_target(cameras)
    assert within(metres, radius, radius) and within(elevation, elevation_deg, elevation_deg)
    assert focal_mm(cameras) == {18.0}
    same = hemi36(radius=radius, elevation_deg=elevation_deg, num_frames=5, hw=HW, target=TARGET)
    assert cameras.c2w.equal(same.c2w)


def test_basic_trajectories_begin_at_one_camera() -> None:
    """And end where the published ones do: shares of 4 / 4.5 over five frames."""
    cameras = drawn("basic", 0)
    start, end = cameras.c2w[:, 0], cameras.c2w[:, -1]
    torch.testing.assert_close(start, start[:1].expand(10, 4, 4))
    assert within(from_target(cameras.frames(0))[0], 4.0, 4.0)
    away = (end - start)[:, :3, 3].norm(dim=-1)
    chord = 8 * math.sin(math.radians(15.0))
    torch.testing.assert_close(away[:8], torch.tensor([0, 0, 0, 0, 2, 2, 1, 1]).double() * 4 / 4.5)
    assert within(away[8:], 0.8 * chord, chord) and cameras.positions[..., 2].min() > 0.25


def test_own_rigs(tmp_path: Path) -> None:
    words = "hemisphere:views=3 then arc 30"
    assert drawn(words, 0).c2w.equal(parse_rig(words, num_frames=5, hw=HW).c2w)
    path = tmp_path / "rig.json"
    save_rig(path, hemisphere(views=2, radius=5.0, hw=(64, 96)))
    one = config(str(path))
    assert one.views == 2 and one.folder.name == "f24_aperture5"
    assert draw_cameras(one, 1).K[0, 0, 0, 0] == pytest.approx(24.0 / SENSOR_MM * 48)
    zooming = config("still then zoom 2x")
    assert zooming.folder.name == "rig" and config("stereo:focal=24.123").folder.name == "rig"
    assert config("stereo:focal=35.5").folder.name == "f35.5_aperture5"


def test_scenes_lie_in_the_folders_of_their_lenses() -> None:
    """Evenly, whatever else there is, each with its own number."""
    one = config("multicamvideo")
    folders = [scene_folder(one, index) for index in range(400)]
    assert len({folder.name for folder in folders}) == 400
    counts = Counter(folder.parent.name for folder in folders)
    assert set(counts) == {"f18_aperture10", "f24_aperture5", "f35_aperture2.4", "f50_aperture2.4"}
    assert min(counts.values()) > 70 and {folder.parent.parent for folder in folders} == {Path("out/train")}
    assert one.folder == Path("out/train")
    rigs = {scene_folder(config("hemi36", split="val"), index).parent.name for index in range(200)}
    assert rigs == {f"Hemi36_{metres}m_{up}" for metres in (4, 5, 6, 7) for up in (0, 15, 30, 45)}
    assert scene_folder(config("basic"), 4) == Path("out/train/10basic_trajectories/scene5")
    assert scene_folder(config("hemisphere", focal_mm=35.0), 0) == Path("out/train/f35_aperture5/scene1")


@pytest.mark.parametrize("rule", ["multicamvideo", "hemi36"])
def test_the_folder_says_the_lens_or_the_rig_at_every_attempt(rule: str) -> None:
    one = config(rule)
    for index in range(2):
        name = scene_folder(one, index).parent.name
        for attempt in range(2):
            take = compose(one, index, attempt)
            if rule == "multicamvideo":
                lens = (take.made_by["cameras"]["focal_mm"], take.made_by["cameras"]["aperture"])
                assert name == f"f{lens[0]:g}_aperture{lens[1]:g}" and focal_mm(take.cameras) == {lens[0]}
                continue
            middle = take.cameras.positions[:, 0].mean(0)
            across = (take.cameras.positions[:, 0] - middle).norm(dim=-1)
            radius, up = (float(number.rstrip("m")) for number in name.split("_")[1:])
            torch.testing.assert_close(across, torch.full((36,), radius * math.cos(math.radians(up))).double())


def test_seeds_of_attempts() -> None:
    one = config("hemisphere")
    assert scene_seed(one, 3) == scene_seed(one, 3, 0)
    assert len({scene_seed(one, index, attempt) for index in range(20) for attempt in range(5)}) == 100


def test_bad_views_are_replaced() -> None:
    cameras, others = drawn("syncamvideo", 0, num_views=4), drawn("syncamvideo", 1, num_views=2)
    mixed = redrawn(cameras, [1, 3], others)
    assert mixed.c2w[[0, 2]].equal(cameras.c2w[[0, 2]]) and mixed.c2w[[1, 3]].equal(others.c2w)
    assert cameras.c2w.equal(drawn("syncamvideo", 0, num_views=4).c2w)


def test_focus_lies_on_the_subject() -> None:
    cameras = drawn("syncamvideo", 0, num_views=2)
    centre = np.tile(np.array(TARGET), (5, 1))
    sharp = focused(cameras, 2.4, centre)
    assert sharp.aperture is not None and sharp.focus_distance is not None
    torch.testing.assert_close(sharp.focus_distance, from_target(cameras)[0])
    assert (sharp.aperture == 2.4).all()


class Told:
    """A renderer that keeps what it was told."""

    def pictures(
        self, scene: Any, c2w: np.ndarray, K: np.ndarray, times_s: list[float], labels: Any, **lens: Any
    ) -> Iterator[Picture]:
        self.lens = lens
        for view, frame in np.ndindex(*c2w.shape[:2]):
            yield Picture(view, frame, np.zeros((*HW, 3), np.uint8), np.zeros(HW, np.uint8))


def test_blender_is_told_the_aperture() -> None:
    """The fast engine, whose pictures are sharp everywhere, is not, and its rigs say nothing about it."""
    blender, fast = Told(), Told()
    blurred, _ = render_clip(config("multicamvideo", num_views=2, num_frames=2, engine="blender"), 1, blender)
    sharp, made_by = render_clip(config("multicamvideo", num_views=2, num_frames=2), 1, fast)
    assert fast.lens == {} and blender.lens["focus_distance"].shape == (2, 2)
    assert (blender.lens["aperture"] == made_by["cameras"]["aperture"]).all()
    assert blurred.cameras is not None and sharp.cameras is not None and sharp.cameras.aperture is None
    assert blurred.cameras.c2w.equal(sharp.cameras.c2w) and blurred.cameras.aperture is not None
    _, plain = render_clip(config("syncamvideo", num_views=2, engine="blender"), 1, blender)
    assert blender.lens == {} and plain["cameras"]["rule"] == "syncamvideo"


def test_cameras_stand_about_the_middle_of_the_subject() -> None:
    one = config("syncamvideo", num_views=3)
    for index in range(3):
        take = compose(one, index)
        cast = cast_of(generate_scene(take.scene.seed, duration_s=2.0), np.arange(5) / 2)
        uv, _ = take.cameras.frames(2).project(torch.from_numpy(cast.centre[2:3]))
        torch.testing.assert_close(uv, torch.tensor([24.0, 16.0]).double().expand_as(uv), atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cameras": "multicamvideo", "radius": (3.5, 9.0)}, "^radius has no effect with cameras multicamvideo; leave"),
        ({"cameras": "syncamvideo", "elevation_deg": (0.0, 45.0)}, "^elevation_deg has no effect with cameras syncamv"),
        ({"cameras": "stereo", "focal_mm": 24.0}, "^focal_mm has no effect with cameras stereo; leave it out, or choo"),
        ({"cameras": "basic", "moving": 0.0}, "^moving has no effect with cameras basic"),
        ({"cameras": "hemi36", "num_views": 10}, r"^cameras hemi36 are 36 but num_views is 10; leave num_views \(--v"),
        ({"cameras": "basic", "num_views": 4}, "^cameras basic are 10 but num_views is 4"),
        ({"cameras": "stereo", "num_views": 3}, "^cameras stereo are 2 but num_views is 3"),
        ({"cameras": "basic", "num_frames": 1}, "^cameras basic move: num_frames must be at least 2, got 1"),
        ({"cameras": "multicamvideo", "num_frames": 1}, "^cameras multicamvideo move: num_frames must be at least 2"),
        ({"cameras": "multicamvideo", "num_views": 0}, "^num_views must be at least 1, got 0"),
        (
            {"cameras": "multicam"},
            r"^cameras 'multicam' are no rule \(hemisphere, .* and, as a rig: unknown rig 'multic",
        ),
        ({"cameras": ""}, "^cameras '' are no rule"),
        ({"cameras": "hemi36:radius=x"}, "as a rig: rig hemi36: radius must be a number"),
        ({"cameras": "no.json"}, r"as a rig: camera file no\.json does not exist"),
        (
            {"cameras": "still then pedestal -0.7m"},
            r"cam01 is 0\.10 m above the ground in frame 4; raise it to at least",
        ),
    ],
)
def test_bad_settings(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        config(**change)
    assert "\n" not in str(caught.value)


def test_files_that_contradict(tmp_path: Path) -> None:
    path = tmp_path / "rig.json"
    save_rig(path, parse_rig("arc:views=2", num_frames=7, hw=HW), fps=15.0)
    with pytest.raises(InputError, match=r"rig\.json has 7 frames but the video has 5; ask for 7 frames or give a rig"):
        config(str(path))
    with pytest.raises(InputError, match=r"rig\.json' move at 15 frames per second but fps is 2; make them one"):
        config(str(path), num_frames=7)
    assert config(str(path), num_frames=7, fps=15.0).views == 2
    save_rig(path, parse_rig("hemisphere:views=3", num_frames=7, hw=HW), fps=15.0)
    assert config(str(path), num_frames=7).views == 3, "a file is read again, and cameras that stand have no rate"
