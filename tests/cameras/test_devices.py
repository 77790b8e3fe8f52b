"""What is computed stays on the device of what it is computed from, and never meets a tensor of another one."""

import dataclasses
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import syncam.cameras as package
from cameras.elsewhere import CPU, ELSEWHERE, Elsewhere, MixedDevices, PretendedDevice, elsewhere
from cameras.examples import random_cameras
from syncam.cameras import conventions, moves, quaternions, rigid, rotations
from syncam.cameras.cameras import Cameras
from syncam.cameras.check import TrainedRange, check_rig
from syncam.cameras.difference import difference
from syncam.cameras.moves.perform import perform
from syncam.cameras.plot import frusta
from syncam.cameras.spec import read_spec
from syncam.cameras.subject import Subject, seen, shared_surface

HW = (12, 20)


def moved(value: Any) -> Any:
    """The same with all tensors on the pretended device."""
    if isinstance(value, Tensor):
        return elsewhere(value)
    if isinstance(value, Cameras):
        return value._map(elsewhere)
    return value


def leaves(value: Any) -> list[Any]:
    """The tensors and numbers of a result."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [leaf for field in dataclasses.fields(value) for leaf in leaves(getattr(value, field.name))]
    if isinstance(value, dict):
        return [leaf for item in value.values() for leaf in leaves(item)]
    if isinstance(value, list | tuple):
        return [leaf for item in value for leaf in leaves(item)]
    return [value]


def rig(frames: int = 5) -> Cameras:
    """Three cameras on arcs, with everything that a camera can have."""
    cameras = moves.arc(package.hemisphere(views=3, radius=4.0, num_frames=frames, hw=HW), 20.0)
    ones = torch.ones(3, frames, dtype=torch.float64)
    return dataclasses.replace(cameras, aperture=2.8 * ones, focus_distance=4.0 * ones)


POINTS = torch.linspace(-1, 1, 12, dtype=torch.float64).sin().reshape(4, 3)
FUNDAMENTAL = package.pairwise_epipolar_geometry(rig()).fundamental[0, 1, 0]
UV, DEPTH = rig().project(POINTS)
ANY = random_cameras(2, 3, (2,), HW)
ROTATION = ANY.c2w[..., :3, :3]
TARGET = torch.tensor([0.1, 0.2, 0.8], dtype=torch.float64)
ANGLES = torch.tensor([10.0, 50.0], dtype=torch.float64)
PATH = torch.linspace(0, 1, 5, dtype=torch.float64)[:, None] * TARGET
EASE = moves.Timing(speed="ease", start=0.2)

# Name, function and arguments; tensors and cameras among the arguments are what lies elsewhere.
METHODS: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "positions": (lambda c: c.positions, (ANY,)),
    "w2c": (lambda c: c.w2c, (ANY,)),
    "is_static": (lambda c: c.is_static, (ANY,)),
    "view": (lambda c: c.view([1, 0]), (rig(),)),
    "frames": (lambda c: c.frames(slice(1, None, 2)), (rig(),)),
    "repeat_frames": (lambda c: c.repeat_frames(4), (rig(1),)),
    "relative_to": (lambda c: c.relative_to(1, 0), (ANY,)),
    "relative": (lambda c: c.relative(None, 0), (rig(),)),
    "transformed": (lambda c, world: c.transformed(world, 2.0), (rig(), ANY.c2w[0, 0, 0])),
    "transformed by scenes": (lambda c, scale: c.transformed(ANY.c2w[:, 0, 0].to(scale), scale), (ANY, ANGLES)),
    "project": (lambda c, points: c.project(points), (ANY, POINTS)),
    "unproject": (lambda c, uv, z: c.unproject(uv, z), (rig(), UV, DEPTH)),
    "resized": (lambda c: c.resized((6, 10)), (rig(),)),
    "crop": (lambda c: c.crop(1, 2, (6, 10)), (rig(),)),
    "center_crop": (lambda c: c.center_crop((6, 10)), (rig(),)),
    "to": (lambda c: c.to(torch.float32), (rig(),)),
}
PUBLIC: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "at_times": (package.at_times, (rig(), [0.0, 1.5, 4.0])),
    "camera_rays": (package.camera_rays, (ANY, (3, 5))),
    "common_target": (package.common_target, (rig().c2w[:, 0],)),
    "compose_rigid": (package.compose_rigid, (ANY.c2w, ANY.c2w)),
    "describe": (package.describe, (rig(),)),
    "epipolar_geometry": (package.epipolar_geometry, (ANY.c2w[0], ANY.K[0], ANY.c2w[1], ANY.K[1])),
    "epipolar_lines": (package.epipolar_lines, (FUNDAMENTAL, UV[0, 0])),
    "from_spherical": (package.from_spherical, (ANGLES, ANGLES, ANGLES, TARGET)),
    "interpolate_c2w": (
        package.interpolate_c2w,
        (ANY.c2w[0], ANY.c2w[1], torch.linspace(0, 1, 6).double().reshape(2, 3)),
    ),
    "invert_rigid": (package.invert_rigid, (ANY.c2w,)),
    "line_distance": (package.line_distance, (POINTS, UV[0, 0])),
    "look_at": (package.look_at, (POINTS, TARGET)),
    "normalise_scale": (lambda c: package.normalise_scale(c, "scene radius"), (rig(),)),
    "pairwise_epipolar_geometry": (package.pairwise_epipolar_geometry, (ANY,)),
    "pixel_centres": (lambda like: package.pixel_centres(HW, like), (POINTS,)),
    "pluecker": (package.pluecker, (ANY, (3, 5))),
    "preset": (lambda c: package.preset(c, "arc_left"), (rig(),)),
    "relative_pose_12d": (lambda c: package.relative_pose_12d(c, translation_scale=2.0), (ANY,)),
    "resample": (lambda c: package.resample(c, 9, "geodesic"), (rig(),)),
    "sampson_distance": (package.sampson_distance, (FUNDAMENTAL, UV[0, 0], UV[1, 0])),
    "symmetric_epipolar_distance": (package.symmetric_epipolar_distance, (FUNDAMENTAL, UV[0, 0], UV[1, 0])),
    "to_spherical": (package.to_spherical, (ANY.c2w, TARGET)),
}
FOREIGN: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    **{
        name: (getattr(conventions, name), (ANY.c2w,))
        for name in conventions.__all__
        if name.startswith("opencv_to") or name.endswith("to_opencv")
    },
    "focal_from_fov": (conventions.focal_from_fov, (ANGLES, 20.0)),
    "focal_mm_of": (conventions.focal_mm_of, (ANY.K, 20)),
    "focal_px": (conventions.focal_px, (ANGLES, 20)),
    "fov_deg": (conventions.fov_deg, (ANGLES, 20.0)),
    "intrinsics": (conventions.intrinsics, (ANGLES, HW)),
}
MOVES: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "ahead": (lambda c: moves.ahead(c, 2.0), (rig(),)),
    "arc": (lambda c, target: moves.arc(c, 20.0, target=target, timing=EASE), (rig(), TARGET)),
    "crane": (lambda c: moves.crane(c, 0.5), (rig(),)),
    "dolly": (lambda c: moves.dolly(c, 0.5, timing=moves.Timing(a=2.0)), (rig(),)),
    "dolly_zoom": (lambda c: moves.dolly_zoom(c, 0.5), (rig(),)),
    "elevate": (lambda c: moves.elevate(c, 20.0), (rig(),)),
    "handheld": (lambda c: moves.handheld(c, 1.0, seed=0, shift=0.1), (rig(),)),
    "keep_aim": (lambda c, target: moves.keep_aim(c, moves.truck(c, 1.0), target, target), (rig(), TARGET)),
    "orbit": (lambda c: moves.orbit(c, 0.5), (rig(),)),
    "pan": (lambda c: moves.pan(c, 20.0), (rig(),)),
    "pedestal": (lambda c: moves.pedestal(c, 0.5), (rig(),)),
    "roll": (lambda c: moves.roll(c, 20.0), (rig(),)),
    "spiral": (lambda c: moves.spiral(c, 90.0, closer=1.0, rise=0.5), (rig(),)),
    "tilt": (lambda c: moves.tilt(c, 20.0), (rig(),)),
    "track": (lambda c, path: moves.track(c, path), (rig(), PATH)),
    "truck": (lambda c: moves.truck(c, 0.5), (rig(),)),
    "wander": (lambda c: moves.wander(c, 1.0, seed=0, points=3), (rig(),)),
    "zoom": (lambda c: moves.zoom(c, 2.0), (rig(),)),
}


def performed(words: str) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    [step] = read_spec(f"still then {words}").steps
    return lambda cameras: perform(step, cameras), (rig(),)


INNER: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "angle_deg": (rotations.angle_deg, (ROTATION,)),
    "rotation_about": (rotations.rotation_about, (POINTS[:2], ANGLES)),
    "rotation_exp and log": (lambda r: rotations.rotation_exp(rotations.rotation_log(r)), (ROTATION,)),
    "rigid_exp and log": (lambda c2w: rigid.rigid_exp(rigid.rigid_log(c2w)), (ANY.c2w,)),
    "quaternions": (
        lambda r: quaternions.rotation_from_quaternion(quaternions.quaternion_from_rotation(r)),
        (ROTATION,),
    ),
    "check_rig": (lambda c: check_rig(c, None, TrainedRange(distance_m=(1.0, 2.0), travel_m=0.0)), (rig(),)),
    "difference": (lambda one, other: difference(one, other, relative=True), (rig(), moves.pan(rig(), 5.0))),
    "depth_inside": (Subject().depth_inside, (POINTS,)),
    "seen": (lambda c: seen(c, Subject()), (rig(),)),
    "shared_surface": (lambda c: shared_surface(c, Subject()), (rig(),)),
    "perform": performed("arc 30"),
    "perform on some views": performed("dolly 1m view=2"),
    "perform track": performed("track to=1,0,0.8"),
    "perform ahead": performed("crane 1m distance=3"),
}
ALL = {**METHODS, **PUBLIC, **FOREIGN, **{f"moves.{name}": case for name, case in MOVES.items()}, **INNER}
FROM_NUMBERS = {
    *("arc", "film", "hemi36", "hemisphere", "linear", "orbit", "still", "stereo"),
    *("spread_out", "sample_multicam", "sample_syncam", "sample_takes", "parse_rig", "latent_frame_indices"),
    *("detect_format", "load_rig", "read_camera_file", "read_cameras", "read_extrinsics_json", "read_named_cameras"),
}
"""What makes cameras from numbers, words or files: there are no tensors yet whose device could be kept."""
WRITERS = {"save_rig", "write_cameras", "write_extrinsics_json", "write_named_cameras"}


def test_the_pretended_device_notices_what_a_gpu_would() -> None:
    here = torch.eye(3)
    there = elsewhere(here)
    with PretendedDevice():
        assert (here.device, there.device, (there @ there.mT).device) == (CPU, ELSEWHERE, ELSEWHERE)
        assert torch.zeros(2, device=there.device).device == there.to("cpu").to(there).device == ELSEWHERE
        assert there.cpu().device == there.to("cpu").device == torch.tensor([1.0]).device == CPU
        for mix in (lambda: there @ here, lambda: torch.where(here > 0, there, 0.0), lambda: torch.cat([there, here])):
            with pytest.raises(MixedDevices):
                mix()
        with pytest.raises(MixedDevices):
            there.numpy()


@pytest.mark.parametrize("name", ALL)
def test_results_lie_where_the_arguments_lie(name: str) -> None:
    function, arguments = ALL[name]
    expected = leaves(function(*arguments))
    with PretendedDevice():
        found = leaves(function(*map(moved, arguments)))
    for one, other in zip(found, expected, strict=True):
        assert isinstance(one, Elsewhere) == isinstance(other, Tensor), name
        if isinstance(other, Tensor):
            assert torch.equal(one.as_subclass(Tensor).nan_to_num(), other.nan_to_num())
        else:
            assert one == other


@pytest.mark.parametrize("name", ALL)
def test_a_default_device_changes_nothing(name: str) -> None:
    """A tensor that is made without a device would be on the default one and could not meet those of the arguments."""
    function, arguments = ALL[name]
    expected = leaves(function(*arguments))
    with torch.device("meta"):
        found = leaves(function(*arguments))
    for one, other in zip(found, expected, strict=True):
        assert torch.equal(one.nan_to_num(), other.nan_to_num()) if isinstance(other, Tensor) else one == other


@pytest.mark.gpu
def test_results_on_a_gpu() -> None:
    for name, (function, arguments) in ALL.items():
        expected = leaves(function(*arguments))
        found = leaves(function(*(x.to("cuda") if isinstance(x, Tensor | Cameras) else x for x in arguments)))
        for one, other in zip(found, expected, strict=True):
            if isinstance(other, Tensor):
                assert one.device.type == "cuda", name
                torch.testing.assert_close(
                    one.cpu(), other, equal_nan=True, msg=lambda text, name=name: f"{name}: {text}"
                )
            elif isinstance(other, float):
                assert one == pytest.approx(other, abs=2e-3), name


def test_pictures_of_cameras_from_elsewhere() -> None:
    with PretendedDevice():
        assert torch.equal(frusta(moved(rig()), 1.0), frusta(rig(), 1.0))


@pytest.mark.parametrize("format", package.FORMATS)
def test_files_of_cameras_from_elsewhere(format: str, tmp_path: Path) -> None:
    cameras = package.still(num_frames=3, hw=(20, 20))
    cameras = moves.arc(cameras, 30.0) if format == "spherical" else moves.dolly(cameras, 1.0)
    written = []
    for place, given in (("here", cameras), ("elsewhere", moved(cameras))):
        (tmp_path / place).mkdir()
        with PretendedDevice():
            package.write_cameras(tmp_path / place / "rig.json", given, format=format)
        files = sorted(path for path in (tmp_path / place).rglob("*") if path.is_file())
        written.append([path.read_bytes() for path in files])
    assert written[0] == written[1] != []


@pytest.mark.parametrize("words", [*package.RIG_WORDS, "still then preset arc_left", "still then wander 1m seed=0"])
def test_rigs_in_words_follow_the_default_device(words: str) -> None:
    expected = package.parse_rig(words, num_frames=5, hw=HW)
    with PretendedDevice(), ELSEWHERE:
        found = package.parse_rig(words, num_frames=5, hw=HW)
        assert (found.c2w.device, found.K.device) == (ELSEWHERE, ELSEWHERE)
    assert torch.equal(found.c2w.as_subclass(Tensor), expected.c2w)


@pytest.mark.parametrize("sample", [package.sample_syncam, package.sample_multicam, package.sample_takes])
def test_random_rigs_are_the_same_on_every_default_device(sample: Callable[..., Cameras]) -> None:
    expected = sample(0, views=6, num_frames=5)
    with PretendedDevice(), ELSEWHERE:
        found = sample(0, views=6, num_frames=5)
        assert found.c2w.device == ELSEWHERE
    assert torch.equal(found.c2w.as_subclass(Tensor), expected.c2w)


@pytest.mark.parametrize("format", package.FORMATS)
def test_files_follow_the_default_device(format: str, tmp_path: Path) -> None:
    package.write_cameras(tmp_path / "rig", package.still(num_frames=3, hw=(20, 20)), format=format)
    focal_mm = None if "lens" in package.FORMATS[format].keeps else 24.0
    arguments: dict[str, Any] = {"format": format, "hw": (20, 20), "focal_mm": focal_mm}
    expected = package.read_cameras(tmp_path / "rig", **arguments)
    with PretendedDevice(), ELSEWHERE:
        found = package.read_cameras(tmp_path / "rig", **arguments)
        assert (found.c2w.device, found.K.device) == (ELSEWHERE, ELSEWHERE)
    assert torch.equal(found.c2w.as_subclass(Tensor), expected.c2w)


def test_no_public_function_is_forgotten() -> None:
    functions = {name for name in package.__all__ if inspect.isfunction(getattr(package, name))}
    assert functions == set(PUBLIC) | FROM_NUMBERS | WRITERS
    assert {name for name in conventions.__all__ if inspect.isfunction(getattr(conventions, name))} == set(FOREIGN)
    assert {name for name in moves.__all__ if inspect.isfunction(getattr(moves, name))} == set(MOVES)
    methods = {name for name in vars(Cameras) if not name.startswith("_")} - {"c2w", "K", "hw"}
    known = {name.split()[0] for name in METHODS} | {"batch_shape", "num_views", "num_frames"}
    assert methods - {"aperture", "focus_distance"} == known
