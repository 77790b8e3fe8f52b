"""The 12 numbers per camera: parity with the reference, a second implementation in numpy, and laws."""

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from cameras.examples import DATA as FOLDER
from cameras.examples import random_cameras
from golden import golden
from syncam.cameras import hemisphere, latent_frame_indices, read_extrinsics_json, relative_pose_12d
from syncam.errors import InputError

DATA = FOLDER / "camera_extrinsics.json"
BATCHES = [(), (2,), (2, 3)]
VIEWS = [1, 2, 3]
EVERY_FOURTH = list(range(0, 81, 4))


def need(name: str) -> Path:
    path = golden(name)
    if path is None:
        pytest.skip(f"no golden file {name}: set SYNCAM_GOLDEN to the folder that has it")
    return path


@pytest.mark.parametrize(("name", "views"), [("az", (1, 3)), ("el", (3, 7)), ("dis", (9, 10))])
def test_parity_with_syncammaster(name: str, views: tuple[int, int]) -> None:
    expected = load_file(need("reference_pose_embeddings.safetensors"))[f"syncam.{name}"]
    names = [f"cam{view:02d}" for view in views]
    cameras = read_extrinsics_json(need("syncammaster_example_cameras.json"), cameras=names, frames=EVERY_FOURTH)
    found = relative_pose_12d(cameras, translation_scale=2.0)
    assert torch.equal(found.bfloat16().float(), expected)


@pytest.mark.parametrize("number", range(1, 11))
def test_parity_with_recammaster(number: int) -> None:
    expected = load_file(need("reference_pose_embeddings.safetensors"))[f"recam.{number}"]
    path = need("recammaster_example_cameras.json")
    cameras = read_extrinsics_json(path, cameras=[f"cam{number:02d}"], frames=EVERY_FOURTH)
    found = relative_pose_12d(cameras, translation_scale=1.0, frame=0)[0]
    assert torch.equal(found.bfloat16().float(), expected)


def naive_embedding(path: Path, names: list[str], centimetres: float, *, first_frame: bool) -> np.ndarray:
    """The published recipe, step by step, from the text of the file: [V, F, 12]."""
    frames = json.loads(path.read_text())
    tracks = []
    for name in names:
        poses = []
        for frame in range(len(frames)):
            rows = re.findall(r"\[(.*?)\]", frames[f"frame{frame}"][name])
            matrix = np.array([[float(number) for number in row.split()] for row in rows]).T
            matrix = matrix[:, [1, 2, 0, 3]]
            matrix[:3, 1] *= -1
            matrix[:3, 3] /= centimetres
            poses.append(matrix)
        tracks.append(poses)
    found = []
    for poses in tracks:
        for frame, pose in enumerate(poses):
            reference = tracks[0][0 if first_frame else frame]
            found.append((np.linalg.inv(reference) @ pose)[:3].flatten())
    return np.array(found).reshape(len(names), len(frames), 12)


@pytest.mark.parametrize("names", [["cam01"], ["cam03", "cam01"], ["cam01", "cam02", "cam03"]])
@pytest.mark.parametrize(("scale", "frame"), [(2.0, None), (1.0, 0)])
def test_parity_with_the_naive_recipe(names: list[str], scale: float, frame: int | None) -> None:
    cameras = read_extrinsics_json(DATA, cameras=names)
    found = relative_pose_12d(cameras, translation_scale=scale, frame=frame)
    expected = naive_embedding(DATA, names, 100 * scale, first_frame=frame is not None)
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("batch", BATCHES, ids=str)
@pytest.mark.parametrize("num_views", VIEWS)
@pytest.mark.parametrize("frame", [None, 0, 4])
def test_by_camera_and_frame(batch: tuple[int, ...], num_views: int, frame: int | None) -> None:
    cameras = random_cameras(num_views, batch=batch)
    for view in {0, num_views - 1, -1}:
        found = relative_pose_12d(cameras, translation_scale=3.0, view=view, frame=frame)
        assert found.shape == (*batch, num_views, 5, 12)
        assert torch.equal(found, relative_pose_12d(cameras.c2w, translation_scale=3.0, view=view, frame=frame))
        at = tuple(size - 1 for size in batch)
        for v in range(num_views):
            for f in range(5):
                reference = cameras.c2w[(*at, view, f if frame is None else frame)]
                relative = torch.linalg.inv(reference) @ cameras.c2w[(*at, v, f)]
                relative[:3, 3] /= 3.0
                torch.testing.assert_close(found[(*at, v, f)], relative[:3].flatten())


@pytest.mark.parametrize("num_views", VIEWS)
@pytest.mark.parametrize("frame", [None, 2])
def test_moving_the_whole_rig_changes_nothing(num_views: int, frame: int | None) -> None:
    cameras = random_cameras(num_views, batch=(2,))
    move = random_cameras(1, 1, batch=(2,), seed=7).c2w
    moved = dataclasses.replace(cameras, c2w=move @ cameras.c2w)
    before, after = (relative_pose_12d(c, translation_scale=2.0, frame=frame) for c in (cameras, moved))
    torch.testing.assert_close(before, after)


def test_each_frame_may_move_by_itself_when_encoded_frame_by_frame() -> None:
    cameras = random_cameras(3)
    move = random_cameras(1, 5, seed=7).c2w
    moved = dataclasses.replace(cameras, c2w=move @ cameras.c2w)
    before, after = (relative_pose_12d(c, translation_scale=2.0) for c in (cameras, moved))
    torch.testing.assert_close(before, after)


def test_permuting_views_permutes_encodings() -> None:
    cameras = random_cameras(3, batch=(2,))
    order = [2, 0, 1]
    found = relative_pose_12d(cameras.view(order), translation_scale=2.0, view=1)  # view 0 stands second now
    torch.testing.assert_close(found, relative_pose_12d(cameras, translation_scale=2.0)[:, order])


@pytest.mark.parametrize("views", VIEWS)
def test_the_first_view_is_the_identity(views: int) -> None:
    found = relative_pose_12d(hemisphere(views=views, radius=5.0, num_frames=3), translation_scale=2.0)
    identity = torch.eye(4, dtype=torch.float64)[:3].flatten().expand(3, 12)
    torch.testing.assert_close(found[0], identity)


def test_views_side_by_side_by_hand() -> None:
    """Two cameras 4 m from the target, 90 degrees apart: the second stands 4 m ahead of and 4 m beside the first."""
    cameras = hemisphere(views=2, radius=4.0, elevation_deg=0.0, span_deg=90.0, azimuth_deg=45.0)
    found = relative_pose_12d(cameras, translation_scale=2.0)[1, 0].view(3, 4)
    expected = torch.tensor([[0.0, 0, -1, 2], [0, 1, 0, 0], [1, 0, 0, 2]], dtype=torch.float64)
    torch.testing.assert_close(found, expected)


def test_low_precision_poses_are_encoded_in_double() -> None:
    cameras = random_cameras(2)
    found = relative_pose_12d(cameras.to(torch.float32), translation_scale=2.0)
    assert found.dtype == torch.float32
    exact = relative_pose_12d(dataclasses.replace(cameras, c2w=cameras.c2w.float().double()), translation_scale=2.0)
    assert torch.equal(found, exact.float())


@pytest.mark.parametrize("scale", [0.0, -2.0, float("nan")])
def test_scales_are_positive(scale: float) -> None:
    with pytest.raises(InputError, match="translation_scale is metres per unit and must be positive, got"):
        relative_pose_12d(random_cameras(2), translation_scale=scale)


@pytest.mark.parametrize(("num_frames", "stride"), [(1, 4), (5, 4), (17, 4), (81, 4), (9, 8), (3, 1)])
def test_latent_frames(num_frames: int, stride: int) -> None:
    found = latent_frame_indices(num_frames, stride)
    assert found == [frame for frame in range(num_frames) if frame % stride == 0]
    assert found[-1] == num_frames - 1


@pytest.mark.parametrize(("num_frames", "nearest"), [(0, 1), (2, 1), (16, 17), (80, 81), (83, 81)])
def test_other_numbers_of_frames_are_refused(num_frames: int, nearest: int) -> None:
    message = f"the number of frames must be 1 more than a multiple of 4, got {num_frames}; {nearest} is the nearest"
    with pytest.raises(InputError, match=message):
        latent_frame_indices(num_frames, 4)
