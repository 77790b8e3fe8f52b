"""Camera errors: ideal values, laws, every convention against a plain formula of its own."""

import math

import numpy as np
import pycolmap
import pytest
import torch

from syncam.cameras import arc, compose_rigid
from syncam.cameras.rigid import rigid_exp
from syncam.evaluation.camera_errors import (
    TRAJECTORY_CONVENTIONS,
    direction_error_deg,
    pose_auc,
    rotation_error_deg,
    similarity_aligned,
    unit_translation_error,
)

FRAMES = 7


def path() -> torch.Tensor:
    return arc(views=1, radius=4.0, elevation_deg=10.0, move_deg=30.0, num_frames=FRAMES, hw=(48, 64)).c2w[0].double()


def disturbed(c2w: torch.Tensor, size: float) -> torch.Tensor:
    return compose_rigid(c2w, rigid_exp(size * torch.randn(len(c2w), 6, dtype=torch.float64)))


def similar(c2w: torch.Tensor, scale: float = 2.5) -> torch.Tensor:
    """The same path in another world of another scale."""
    moved = c2w.clone()
    moved[:, :3, 3] *= scale
    return compose_rigid(rigid_exp(torch.tensor([0.3, -0.7, 1.1, 2.0, -1.0, 0.5], dtype=torch.float64)), moved)


@pytest.mark.parametrize("degrees", [0.0, 0.01, 1.0, 90.0, 180.0])
def test_rotation_error_is_the_angle(degrees: float) -> None:
    turn = rigid_exp(torch.tensor([0.0, math.radians(degrees), 0.0, 0, 0, 0], dtype=torch.float64))[:3, :3]
    start = path()[0, :3, :3]
    assert float(rotation_error_deg(start @ turn, start)) == pytest.approx(degrees, abs=1e-6)


def test_directions_know_no_length() -> None:
    one, other = torch.tensor([[2.0, 0, 0], [0, 0, 0]]), torch.tensor([[0, 0.1, 0], [0, 1.0, 0]])
    angle, distance = direction_error_deg(one, other), unit_translation_error(one, other)
    assert float(angle[0]) == pytest.approx(90.0) and float(distance[0]) == pytest.approx(math.sqrt(2))
    assert bool(angle[1].isnan() & distance[1].isnan())


@pytest.mark.parametrize("name", TRAJECTORY_CONVENTIONS)
def test_the_same_path_in_another_world_and_scale_has_no_error(name: str) -> None:
    assert TRAJECTORY_CONVENTIONS[name].measure(similar(path()), path()) == pytest.approx((0.0, 0.0), abs=1e-5)


@pytest.mark.parametrize("name", TRAJECTORY_CONVENTIONS)
def test_errors_grow_with_the_disturbance(name: str) -> None:
    errors = []
    for size in (0.005, 0.02, 0.08):
        torch.manual_seed(1)
        errors.append(TRAJECTORY_CONVENTIONS[name].measure(disturbed(path(), size), path()))
    for part in zip(*errors, strict=True):
        assert part[0] < part[1] < part[2]


def angle(one: np.ndarray, other: np.ndarray) -> float:
    """The printed formula."""
    return math.acos(min(1.0, max(-1.0, (np.trace(one @ other.T) - 1) / 2)))


def test_conventions_are_the_printed_formulas() -> None:
    found, asked = disturbed(path(), 0.05), path()
    one, other = ([np.linalg.inv(p[0]) @ q for q in p] for p in (found.numpy(), asked.numpy()))
    angles = [angle(p[:3, :3], q[:3, :3]) for p, q in zip(one, other, strict=True)]
    p, q = (np.array([pose[:3, 3] for pose in poses]) for poses in (one, other))
    gap = np.linalg.norm(q[1] - q[0]) / np.linalg.norm(p[1] - p[0])
    expected = {"cameractrl": (sum(angles), sum(np.linalg.norm(q - gap * p, axis=1)))}
    longest = [np.linalg.norm(t, axis=1).max() for t in (p, q)]
    distances = np.linalg.norm(p / longest[0] - q / longest[1], axis=1)
    expected["cami2v"] = (sum(angles), distances.sum())
    expected["mean"] = (math.degrees(sum(angles) / (FRAMES - 1)), distances.sum() / (FRAMES - 1))
    scale = np.linalg.lstsq(p.reshape(-1, 1), q.reshape(-1), rcond=None)[0][0]
    expected["plenoptic"] = (sum(angles), (np.linalg.norm(q - scale * p, axis=1) ** 2).sum())
    between = [math.acos(a @ b / np.linalg.norm(a) / np.linalg.norm(b)) for a, b in zip(p[1:], q[1:], strict=True)]
    expected["das"] = (math.degrees(sum(angles) / (FRAMES - 1)), math.degrees(np.mean(between)))
    turns = [
        angle(one[i][:3, :3].T @ one[j][:3, :3], other[i][:3, :3].T @ other[j][:3, :3])
        for i in range(FRAMES)
        for j in range(FRAMES)
        if i != j
    ]
    mapping = pycolmap.estimate_sim3d(found[:, :3, 3].numpy(), asked[:, :3, 3].numpy())
    moved = np.array([mapping * point for point in found[:, :3, 3].numpy()])
    goal = asked[:, :3, 3].numpy()
    extent = max(np.linalg.norm(a - b) for a in goal for b in goal)
    expected["redirector"] = (math.degrees(np.mean(turns)), np.linalg.norm(moved - goal, axis=1).mean() / extent)
    assert expected.keys() == TRAJECTORY_CONVENTIONS.keys()
    for name, numbers in expected.items():
        assert TRAJECTORY_CONVENTIONS[name].measure(found, asked) == pytest.approx(numbers, rel=1e-5), name


@pytest.mark.parametrize("name", TRAJECTORY_CONVENTIONS)
def test_a_camera_that_stands_still_has_no_translation_error(name: str) -> None:
    still = path()[:1].expand(FRAMES, 4, 4)
    rotation, translation = TRAJECTORY_CONVENTIONS[name].measure(path(), still)
    assert rotation > 0 and math.isnan(translation)


def test_alignment_of_points_on_a_line_and_on_one_place() -> None:
    line = torch.linspace(0, 1, 5, dtype=torch.float64)[:, None] * torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    assert torch.allclose(similarity_aligned(line.flip(1) * 7 + 3, line), line, atol=1e-9)
    assert torch.allclose(similarity_aligned(torch.ones(4, 3), torch.zeros(4, 3)), torch.zeros(4, 3).double())


def test_auc_by_the_area_under_the_curve_of_recall() -> None:
    errors = [1.0, 4.0, 8.0, math.inf]
    x = np.linspace(0, 10, 200_001)
    recall = np.interp(x, [0, 1, 4, 8, 10], [0, 0.25, 0.5, 0.75, 0.75])
    assert pose_auc(errors, [10.0])[0] == pytest.approx(np.trapezoid(recall, x) / 10, abs=1e-4)
    assert pose_auc([0.0, 0.0]) == pytest.approx([1.0, 1.0, 1.0])
    assert pose_auc([math.inf] * 3) == [0.0, 0.0, 0.0]
    assert all(math.isnan(area) for area in pose_auc([]))
