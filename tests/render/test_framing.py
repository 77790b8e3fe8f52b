"""Cameras keep clear of everything and show the subject: told from boxes, checked against meshes and pictures."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from render.examples import animal, arrays, rig, scene
from syncam.errors import InputError
from syncam.render.clip import ATTEMPTS, compose
from syncam.render.config import RenderConfig, scene_seed
from syncam.render.framing import CLEAR_M, Framing, cast_of, faults_of_cast, faults_of_props
from syncam.render.generate import generate_scene, sample_cameras
from syncam.render.labels import joints_in_pictures
from syncam.render.rasterizer import Renderer
from syncam.render.rules import RULES
from syncam.render.scene import Prop, Scene
from syncam.render.stage import room_scale
from syncam.render.world import build_world

HW = (32, 48)
OPEN = frozenset({"sea", "rain", "snowflakes", "ground"})
"""Solids that are no bodies."""
LOOSE = Framing(joints=0.0, frames=0.0)


def config(cameras: str = "hemisphere", **change: Any) -> RenderConfig:
    values: dict[str, Any] = {"num_frames": 3, "fps": 1.0, "hw": HW, "num_views": None}
    return RenderConfig(out=Path("out"), cameras=cameras, **(values | change))


def times(one: RenderConfig) -> list[float]:
    return [frame / one.fps for frame in range(one.num_frames)]


def distances(points: np.ndarray, position: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Metres from each point [P, 3] to the nearest of the triangles."""
    corners = position[triangles]  # [T, 3, 3]
    a, edge, other = corners[:, 0], corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    normal = np.cross(edge, other)
    double = np.linalg.norm(normal, axis=-1)
    away = points[:, None] - a
    above = np.einsum("ptj,tj->pt", away, normal) / np.maximum(double, 1e-12)
    v = np.einsum("ptj,tj->pt", np.cross(away, other), normal) / np.maximum(double, 1e-12) ** 2
    w = np.einsum("ptj,tj->pt", np.cross(edge, away), normal) / np.maximum(double, 1e-12) ** 2
    over = (v >= 0) & (w >= 0) & (v + w <= 1) & (double > 1e-10)
    nearest = np.where(over, np.abs(above), np.inf)
    for k in range(3):
        start, line = corners[:, k], corners[:, (k + 1) % 3] - corners[:, k]
        off = points[:, None] - start
        share = np.clip(np.einsum("ptj,tj->pt", off, line) / np.maximum((line**2).sum(-1), 1e-12), 0, 1)
        nearest = np.minimum(nearest, np.linalg.norm(off - share[..., None] * line, axis=-1))
    return nearest.min(1)


def turns(point: np.ndarray, position: np.ndarray, triangles: np.ndarray) -> float:
    """How often the surfaces go around a point: 0 outside of all of them, 1 or more within one."""
    a, b, c = (position[triangles[:, k]] - point for k in range(3))
    la, lb, lc = (np.linalg.norm(side, axis=-1) for side in (a, b, c))
    dot = [np.einsum("ti,ti->t", *pair) for pair in ((a, b), (b, c), (c, a))]
    volume = np.einsum("ti,ti->t", a, np.cross(b, c))
    return float(2 * np.arctan2(volume, la * lb * lc + dot[0] * lc + dot[1] * la + dot[2] * lb).sum() / (4 * np.pi))


def check_clear(made: Scene, eyes: np.ndarray, times_s: list[float]) -> int:
    """Asserts that eyes [V, F, 3] are out of, and away from, every triangle of the scene; how many were near any."""
    near = 0
    for solid in build_world(made, times_s).solids:
        if solid.name.rstrip("0123456789") in OPEN:
            continue
        for frame in range(len(times_s)):
            position = solid.at(frame)
            low, high = position.min(0) - 1.0, position.max(0) + 1.0
            close = eyes[:, frame][((eyes[:, frame] > low) & (eyes[:, frame] < high)).all(-1)]
            near += len(close)
            if not len(close):
                continue
            assert distances(close, position, solid.triangles).min() > CLEAR_M - 0.03, solid.name
            if not solid.name.startswith("room"):
                assert max(turns(eye, position, solid.triangles) for eye in close) < 0.5, solid.name
    return near


@pytest.mark.parametrize("cameras", [*RULES, "film"])
def test_no_camera_is_in_anything(cameras: str) -> None:
    """By the distance from every triangle, and by how often surfaces go around the camera."""
    one, near = config(cameras), 0
    for index in range(4):
        take = compose(one, index)
        eyes = take.cameras.positions.numpy()
        assert eyes[..., 2].min() > CLEAR_M - 1e-6
        near += check_clear(take.scene, eyes, times(one))
    assert near > 0, "nothing was near enough to be looked at"


@pytest.mark.parametrize("content", ["full", "basic"])
def test_the_subject_is_in_the_pictures(content: str) -> None:
    """By the projection that labels have."""
    for cameras in ("syncamvideo", "basic", "hemi36", "multicamvideo", "takes", "orbit:views=3,radius=4"):
        one = config(cameras, content=content)
        for index in range(2):
            take = compose(one, index)
            framing = one.rule.framing
            joints = joints_in_pictures(take.scene, *arrays(take.cameras), np.array(times(one)))["joints"]
            there = ~np.isnan(joints[..., 0])
            inside = (joints[..., :2] >= 0).all(-1) & (joints[..., :2] < [HW[1], HW[0]]).all(-1) & (joints[..., 2] > 0)
            share = (inside & there).sum((2, 3)) / there.sum((2, 3))  # [V, F]
            assert ((share >= framing.joints - 1e-6).mean(1) >= framing.frames - 1e-6).all(), (cameras, index)
            cast = cast_of(take.scene, times(one))
            assert faults_of_cast(cast, *arrays(take.cameras), HW, framing) == {}


def test_pictures_show_the_subject(renderer: Renderer) -> None:
    """What is drawn: somebody in every picture of cameras all around."""
    one = config("hemi36", hw=(64, 64), num_frames=1)
    take = compose(one, 1)
    some = take.cameras.view(list(range(0, 36, 4)))
    assert renderer.render(take.scene, *arrays(some), [0.0]).mask.any((2, 3)).all()


def test_accepted_scenes_are_those_of_the_first_draw() -> None:
    """Of the full content on a hemisphere: cameras and scene as they are without any check."""
    one = config(num_frames=3, fps=2.0)
    for index in range(4):
        take = compose(one, index)
        assert take.made_by == {"cameras": {"rule": "hemisphere", "attempts": 1, "rejected": []}}
        seed = scene_seed(one, index)
        cameras = sample_cameras(seed, 4, 3, HW)
        assert take.cameras.c2w.equal(cameras.c2w)
        assert take.scene == generate_scene(seed, duration_s=1.0, camera_positions=cameras.positions.numpy())


def test_basic_content_on_a_hemisphere_is_never_looked_at() -> None:
    one = config(content="basic", num_frames=9, fps=0.5)
    cameras = sample_cameras(scene_seed(one, 0), 4, 9, HW)
    take = compose(one, 0)
    assert take.made_by == {} and take.cameras.c2w.equal(cameras.c2w)
    assert compose(config("syncamvideo", content="basic"), 0).made_by != {}


def test_only_bad_cameras_are_drawn_again() -> None:
    one, seen = config(num_frames=6, fps=1.0, moving=0.5), 0
    for index in range(12):
        take, first = compose(one, index), sample_cameras(scene_seed(one, index), 4, 6, HW, moving=0.5)
        told = take.made_by["cameras"]
        assert len(told["rejected"]) == told["attempts"] - 1
        bad = {name for rejected in told["rejected"] for name in rejected}
        seen += len(bad)
        for view in range(4):
            same = take.cameras.c2w[view].equal(first.c2w[view])
            assert same == (f"cam{view + 1:02d}" not in bad)
        assert take.cameras.is_static == first.is_static
        again = compose(one, index)
        assert again.scene == take.scene and again.cameras.c2w.equal(take.cameras.c2w)
    assert 0 < seen < 24


def test_other_scenes_are_drawn_for_rigs_that_are_fixed() -> None:
    one, attempts = config("still:radius=2.5", num_frames=4, fps=1.0), []
    for index in range(8):
        take = compose(one, index)
        attempts.append(take.made_by["cameras"]["attempts"])
        assert (take.scene.seed == scene_seed(one, index)) == (attempts[-1] == 1)
    assert max(attempts) > 1


def test_attempts_of_a_scene_differ() -> None:
    one = config("syncamvideo")
    assert compose(one, 0, 1).scene.seed != compose(one, 0).scene.seed


def test_rigs_that_never_fit_are_one_line() -> None:
    with pytest.raises(InputError) as caught:
        compose(config("linear:views=2,spacing=60"), 6)
    text = str(caught.value)
    assert text.startswith(f"scene7 of train: {ATTEMPTS} attempts found no cameras that can film it; cameras were rej")
    assert " times)" in text and text.endswith("(0, 0, 0.8), or aim them at it") and "\n" not in text
    with pytest.raises(InputError, match="raise --radius, lower --frames, raise --fps, or choose another --seed$"):
        compose(config(radius=(1.0, 1.0), num_frames=2, fps=0.05), 0)


def faults(made: Scene, *points: tuple[float, float, float], framing: Framing = LOOSE) -> dict[int, str]:
    """Of still cameras at these places that look at the origin's animal from its left."""
    cameras = rig(len(points), 1)
    c2w, K = arrays(cameras)
    c2w = c2w.copy()
    c2w[:, 0, :3, 3] = points
    return faults_of_cast(cast_of(made, [0.0]), c2w, K, cameras.hw, framing) | faults_of_props(
        made, [0.0], c2w[..., :3, 3]
    )


def test_characters_and_the_ground() -> None:
    horse = scene(animal("horse", gait="stand"))
    width = 0.5 * float(np.ptp(build_world(horse, [0.0]).solids[0].at(0)[:, 1]))
    inside, beside, away, low = (0.0, 0.0, 1.0), (0.0, width + 0.1, 1.0), (0.0, width + 0.4, 1.0), (0.0, 4.0, 0.1)
    found = faults(horse, inside, beside, away, low)
    assert found == {0: "within 0.25 m of the horse", 1: "within 0.25 m of the horse", 3: "within 0.25 m of the ground"}
    assert set(faults(horse, inside, beside, away, framing=Framing(0.0, 0.0, clear_m=0.5))) == {0, 1, 2}
    assert faults(horse, (0.0, 0.0, 3.0), (0.0, 0.0, 0.3)) == {}, "above it and between its legs there is room"


def test_characters_at_all_times() -> None:
    """A camera that stands in the way is only in the way of those who come along."""
    passing = scene(animal("horse", gait="walk", speed=1.0))
    eyes = rig(1, 5)
    c2w, K = arrays(eyes)
    c2w = c2w.copy()
    c2w[..., :3, 3] = (2.0, 0.0, 1.0)
    assert faults_of_cast(cast_of(passing, [-2.0, -1.0, 0.0, 1.0, 2.0]), c2w, K, eyes.hw, LOOSE) != {}
    assert faults_of_cast(cast_of(passing, [-2.0, -1.0, -0.5, -0.2, 0.0]), c2w, K, eyes.hw, LOOSE) == {}


def test_the_subject_out_of_the_picture() -> None:
    horse, camera = scene(animal("horse", gait="stand")), rig(2, 4, span_deg=90.0)
    c2w, K = arrays(camera)
    cast = cast_of(horse, [0.0] * 4)
    assert faults_of_cast(cast, c2w, K, camera.hw, Framing(0.9, 1.0)) == {}
    turned = c2w.copy()
    turned[1, 2:, :3, :3] = turned[1, 2:, :3, :3] @ np.diag([-1.0, 1.0, -1.0])  # looks away for half of the time
    for share, bad in ((0.5, False), (0.6, True)):
        found = faults_of_cast(cast, turned, K, camera.hw, Framing(0.5, share))
        assert found == ({1: "the subject is out of the picture"} if bad else {})
    close = K.copy()
    close[..., :2, :2] *= 6  # sees the middle and few joints
    assert set(faults_of_cast(cast, c2w, close, camera.hw, Framing(0.5, 1.0))) == {0, 1}
    assert faults_of_cast(cast, c2w, close, camera.hw, Framing(0.0, 1.0)) == {}


@pytest.mark.parametrize(
    ("prop", "bad", "good"),
    [
        (Prop("tree", 5.0, 0.0, 30.0, 1.0), (5.0, 0.0, 2.0), (5.0, 2.5, 2.0)),
        (Prop("white house", 9.0, 0.0, 180.0, 1.0), (11.0, 0.0, 3.0), (8.0, 0.0, 3.0)),
        (Prop("room", 0.0, 0.0, 90.0, 5.0), (4.8, 0.0, 1.0), (4.5, -4.5, 2.5)),
        (Prop("room", 0.0, 0.0, 0.0, 5.0), (0.0, 0.0, 3.0), (0.0, 0.0, 2.7)),
        (Prop("grey mountains", 0.0, 0.0, 0.0, 1.0), (0.0, 40.0, 3.0), (0.0, -20.0, 3.0)),
        (Prop("windmill", -6.0, 0.0, 0.0, 1.0), (-6.0, 0.0, 2.0), (-6.0, 4.0, 2.0)),
        (Prop("cloud", 0.0, 30.0, 0.0, 1.0), (0.0, 30.0, 21.0), (0.0, 30.0, 12.0)),
    ],
)
def test_props(prop: Prop, bad: tuple[float, float, float], good: tuple[float, float, float]) -> None:
    made = scene(animal(), props=(prop,))
    assert faults(made, bad, good) == {0: f"within 0.25 m of a {prop.kind}"}


@pytest.mark.parametrize("metres", [3.0, 12.0, 60.0])
def test_rooms_leave_room(metres: float) -> None:
    """Also for cameras that are far away, and between what hangs on its walls."""
    corner = (metres, -metres, 0.5 * metres)
    room = Prop("room", 0.0, 0.0, 0.0, room_scale(np.array([corner])))
    assert faults(scene(animal(), props=(room,)), corner, (-metres, metres, 0.5 * metres)) == {}


def test_rain_and_sea_hinder_no_camera() -> None:
    falling = tuple(Prop(kind, 0.0, 0.0, 0.0, 1.0) for kind in ("rain", "snowflakes", "sea"))
    assert faults(scene(animal(), props=falling), (3.0, 3.0, 1.5), (12.0, 0.0, 1.0)) == {}


def test_balls_roll() -> None:
    made = scene(animal(), props=(Prop("ball", 4.0, 0.0, 0.0, 1.0),))
    eyes = np.tile(np.array([5.1, 0.0, 0.4]), (1, 3, 1))
    assert faults_of_props(made, [-0.5, 0.0, 0.5], eyes) == {}
    assert faults_of_props(made, [0.0, 1.0, 2.0], eyes) == {0: "within 0.25 m of a ball"}
