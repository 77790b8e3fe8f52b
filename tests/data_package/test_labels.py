"""Labels on disk: read back within the stated precision, frame by frame, and never wrong without an error."""

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from syncam.cameras import hemisphere
from syncam.data.clip import MultiViewClip
from syncam.data.dataset import SceneFolder, write_clip
from syncam.data.decoding import check_gray, read_gray, read_header
from syncam.data.labels import KINDS, label_kinds, label_problems, read_labels, write_labels
from syncam.data.sources import open_dataset
from syncam.data.video import write_gray
from syncam.errors import InputError

VIEWS, FRAMES, HW, PEOPLE = 2, 4, (16, 22), 3
NAMES = ["cam01", "cam02"]


def made(seed: int = 0) -> dict[str, np.ndarray]:
    """Every kind of labels, with what is special in each: the sky, nobody, no next picture, missing bones."""
    rng = np.random.default_rng(seed)
    shape = (VIEWS, FRAMES, *HW)
    sky = rng.random(shape) < 0.2
    depth = np.exp(rng.uniform(np.log(0.01), np.log(11_000), shape))
    normals = rng.normal(size=(*shape, 3))
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    forward, backward = (rng.uniform(-500, 500, (*shape, 2)) for _ in range(2))
    forward[:, -1], backward[:, 0] = np.nan, np.nan
    forward[0, 0, 0, 0] = np.nan
    joints = rng.normal(size=(VIEWS, FRAMES, PEOPLE, 24, 3))
    joints[..., 1, 5:, :] = np.nan
    share = rng.random((FRAMES, PEOPLE, VIEWS, VIEWS))
    share[0, 2] = np.nan
    real = {
        "depth": np.where(sky, np.inf, depth),
        "normals": np.where(sky[..., None], 0.0, normals),
        "flow_forward": forward,
        "flow_backward": backward,
        "joints": joints,
        "joints_world": joints[0],
        "visibility": share,
    }
    ids = rng.integers(0, PEOPLE + 1, shape).astype(np.uint8)
    return {"instances": ids, **{kind: values.astype(np.float32) for kind, values in real.items()}}


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    cameras = hemisphere(views=VIEWS, radius=4, num_frames=FRAMES, hw=HW)
    folder = tmp_path / "data" / "train" / "f24_aperture5" / "scene1"
    write_clip(folder, MultiViewClip(torch.rand(VIEWS, FRAMES, 3, *HW), cameras, "noise", 8.0))
    write_labels(folder, NAMES, made(), 8.0)
    return folder


def test_read_back_within_the_stated_precision(scene: Path) -> None:
    stored = made()
    assert set(label_kinds(scene)) == set(KINDS) == set(stored)
    for view in range(VIEWS):
        read = {kind: read_labels(scene, view, kind).numpy() for kind in KINDS}
        depth = stored["depth"][view]
        assert np.array_equal(np.isinf(read["depth"]), np.isinf(depth))
        seen = np.isfinite(depth)
        assert np.abs(read["depth"][seen] / depth[seen] - 1).max() < 1.1e-4
        normals = stored["normals"][view]
        sky = ~normals.any(-1)
        assert not read["normals"][sky].any()
        np.testing.assert_allclose(np.linalg.norm(read["normals"][~sky], axis=-1), 1.0, atol=1e-6)
        sine = np.linalg.norm(np.cross(read["normals"][~sky].astype(float), normals[~sky]), axis=-1)
        assert np.rad2deg(sine.max()) < 0.03
        assert np.array_equal(read["instances"], stored["instances"][view])
        for kind in ("flow_forward", "flow_backward"):
            flow = stored[kind][view]
            assert np.array_equal(np.isnan(read[kind]), np.isnan(flow))
            assert np.nanmax(np.abs(read[kind] - flow)) <= 1 / 128
        assert np.array_equal(read["joints"], stored["joints"][view], equal_nan=True)
        assert np.array_equal(read["joints_world"], stored["joints_world"], equal_nan=True)
        assert np.array_equal(read["visibility"], stored["visibility"][:, :, view], equal_nan=True)
        assert {read[kind].dtype.name for kind in KINDS} == {"float32", "uint8"}
    for kind in ("joints", "joints_world", "visibility"):
        assert np.array_equal(read_labels(scene, None, kind).numpy(), stored[kind], equal_nan=True)


@pytest.mark.parametrize("frames", [[0], [3, 1], [2, 2, 0]])
def test_chosen_frames(scene: Path, frames: list[int]) -> None:
    handle = SceneFolder(scene)
    assert handle.labels == label_kinds(scene)
    for kind in KINDS:
        part, whole = handle.read_label(kind, 1, frames), handle.read_label(kind, 1)
        assert torch.equal(part.nan_to_num(-1), whole[frames].nan_to_num(-1))


def test_flow_that_is_known_nowhere_or_leads_too_far(scene: Path) -> None:
    flow = np.zeros((VIEWS, FRAMES, *HW, 2), dtype=np.float32)
    flow[0, 0, 0, :3, 0] = 511.9, 512.1, -1e9
    write_labels(scene, NAMES, {"flow_forward": flow}, 8.0)
    read = read_labels(scene, 0, "flow_forward")[0, 0]
    assert torch.equal(torch.isnan(read[:4]).all(-1), torch.tensor([False, True, True, False]))
    assert abs(float(read[0, 0]) - 511.9) <= 1 / 128 and not read[3].any()


@pytest.mark.parametrize("metres", [0.001, 12_000.0, 0.0, -1.0, float("nan")])
def test_depth_that_cannot_be_stored_is_refused(scene: Path, metres: float) -> None:
    depth = made()["depth"]
    depth[1, 2, 3, 4] = metres
    with pytest.raises(InputError, match=r"^depth must lie between 0\.008 and 11000 metres"), np.errstate(all="ignore"):
        write_labels(scene, NAMES, {"depth": depth}, 8.0)


def test_the_same_labels_are_the_same_bytes(scene: Path) -> None:
    before = {path: path.read_bytes() for path in (scene / "labels").rglob("*.*")}
    shutil.rmtree(scene / "labels")
    write_labels(scene, NAMES, made(), 8.0)
    assert before == {path: path.read_bytes() for path in (scene / "labels").rglob("*.*")}
    assert len(before) == 5 * VIEWS + 2


def test_other_readers_see_the_scene_as_before(scene: Path) -> None:
    dataset = open_dataset(scene.parents[2])
    assert dataset.kind == "syncamvideo" and dataset[0].num_views == VIEWS and len(dataset) == 1
    clip = dataset[0].read()
    shutil.rmtree(scene / "labels")
    assert torch.equal(open_dataset(scene.parents[2])[0].read().video, clip.video)
    assert SceneFolder(scene).labels == ()


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("shape", [(1, 2, 2), (3, 16, 16), (4, 33, 51)])
def test_grey_videos_hold_the_very_numbers(tmp_path: Path, dtype: str, shape: tuple[int, int, int]) -> None:
    most = int(np.iinfo(dtype).max)
    numbers = np.random.default_rng(0).integers(0, most + 1, shape).astype(dtype)
    numbers.flat[:2] = 0, most
    path = tmp_path / "a.mkv"
    write_gray(path, numbers, 30000 / 1001, "noise")
    assert np.array_equal(read_gray(path), numbers) and read_gray(path).dtype == numbers.dtype
    assert check_gray(path) == (shape[0], shape[1:])
    assert read_header(path).fps == pytest.approx(30000 / 1001, rel=1e-6)


def test_no_damage_goes_unseen(tmp_path: Path) -> None:
    """Whatever byte is changed, and wherever the file ends, the numbers are right or there is an error."""
    numbers = np.random.default_rng(0).integers(0, 65536, (3, 4, 6)).astype(np.uint16)
    path, damaged = tmp_path / "a.mkv", tmp_path / "b.mkv"
    write_gray(path, numbers, 8, "noise")
    content = path.read_bytes()
    dice = random.Random(0)
    changes = [(at, bit) for at in range(0, len(content), 3) for bit in (dice.choice([1, 16, 128, 255]),)]
    errors = 0
    for at, bit in changes:
        damaged.write_bytes(content[:at] + bytes([content[at] ^ bit]) + content[at + 1 :])
        try:
            assert np.array_equal(read_gray(damaged), numbers)
        except InputError as err:
            assert "b.mkv" in str(err) and "\n" not in str(err)
            errors += 1
    assert errors > len(changes) / 2
    for length in (0, 10, len(content) // 2, len(content) - 100):
        damaged.write_bytes(content[:length])
        with pytest.raises(InputError, match=r"b\.mkv"):
            read_gray(damaged)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s: read_labels(s, 0, "flow"), "no labels 'flow'; .*; flow is stored as flow_forward and"),
        (lambda s: read_labels(s, 0, "albedo"), "there are no labels 'albedo'; expected one of depth, normals"),
        (lambda s: read_labels(s, None, "depth"), r"stored for each view; views of .* must lie in 0\.\.1, got None"),
        (lambda s: read_labels(s, 2, "depth"), r"must lie in 0\.\.1, got 2"),
        (lambda s: read_labels(s, -1, "joints"), r"views of .*scene1 must lie in 0\.\.1, got -1"),
        (lambda s: read_labels(s, 0, "depth", [4]), "cam01.mkv has 4 frames but frame 4 was asked for"),
        (lambda s: read_labels(s, 0, "depth", [-1]), "non-empty list of indices from 0 up"),
        (lambda s: read_labels(s, 0, "joints", [4]), r"joints.npz must lie in 0\.\.3, got \[4\]"),
        (lambda s: read_labels(s, 0, "visibility", []), r"visibility.npz must lie in 0\.\.3, got \[\]"),
        (lambda s: write_labels(s, NAMES, {"flow": made()["flow_forward"]}, 8), "there are no labels 'flow'"),
    ],
)
def test_wrong_questions(scene: Path, call: Callable[[Path], object], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        call(scene)
    assert "\n" not in str(caught.value)


DAMAGE: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "missing": (
        lambda s: (s / "labels/depth/cam02.mkv").unlink(),
        "depth",
        "cam02.mkv is missing; the scene has depth",
    ),
    "missing folder": (
        lambda s: shutil.rmtree(s / "labels"),
        "depth",
        "the scene has no labels; syncam render --labels",
    ),
    "missing npz": (
        lambda s: (s / "labels/joints.npz").unlink(),
        "joints",
        "joints.npz is missing; the scene has depth",
    ),
    "empty": (lambda s: (s / "labels/depth/cam02.mkv").write_bytes(b""), "depth", "cam02.mkv is empty"),
    "foreign": (
        lambda s: shutil.copy(s / "videos/cam01.mp4", s / "labels/depth/cam02.mkv"),
        "depth",
        "cam02.mkv was not written by syncam",
    ),
    "cut npz": (
        lambda s: (s / "labels/visibility.npz").write_bytes((s / "labels/visibility.npz").read_bytes()[:200]),
        "visibility",
        "visibility.npz cannot be read",
    ),
    "no npz": (lambda s: (s / "labels/joints.npz").write_bytes(b"no"), "joints_world", "joints.npz cannot be read"),
    "other kind": (
        lambda s: shutil.copy(s / "labels/depth/cam02.mkv", s / "labels/normals/cam02.mkv"),
        "normals",
        "cam02.mkv has 16 rows of numbers, expected a multiple of 3 for normals",
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_labels_are_named(scene: Path, damage: str) -> None:
    change, kind, message = DAMAGE[damage]
    assert list(label_problems(scene, FRAMES, HW)) == []
    change(scene)
    with pytest.raises(InputError, match=message) as caught:
        read_labels(scene, 1, kind)
    assert "\n" not in str(caught.value)
    found = list(label_problems(scene, FRAMES, HW))
    if not damage.startswith("missing n") and damage != "missing folder":  # a kind that is not there is no damage
        assert found and all(file.name in text for file, text in found)


def test_labels_of_another_length_or_size(scene: Path) -> None:
    problems = [text for _, text in label_problems(scene, FRAMES + 1, HW)]
    assert len(problems) == 5 * VIEWS + 3 and "has frames and size (4, (16, 22)), expected (5, (16, 22))" in problems[0]
    assert "holds joints of shape (2, 4, 3, 24, 3) for 2 views of 5 frames" in problems[-3]
    assert len(list(label_problems(scene, FRAMES, (16, 24)))) == 5 * VIEWS
