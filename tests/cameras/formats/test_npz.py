"""npz: the arrays that users of ViPE, MegaSaM and GEN3C have, and archives that are none."""

import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cameras.examples import random_cameras
from cameras.formats.examples import FOCAL_MM, HW, close, rig
from syncam.cameras import read_cameras, read_named_cameras, write_cameras
from syncam.errors import InputError

RIG = random_cameras(1, 3)
C2W, K = RIG.c2w[0].numpy(), RIG.K[0].numpy()
PINHOLES = np.stack([K[:, 0, 0], K[:, 1, 1], K[:, 0, 2], K[:, 1, 2]], -1)


def saved(path: Path, **arrays: Any) -> Path:
    path.parent.mkdir(exist_ok=True)
    np.savez(path, **arrays)
    return path


@pytest.mark.parametrize("poses", [{"c2w": C2W}, {"cam_c2w": C2W}, {"w2c": np.linalg.inv(C2W)}, {"c2w": C2W[:, :3]}])
@pytest.mark.parametrize("lenses", [{"K": K}, {"intrinsics": K}, {"intrinsics": PINHOLES}, {"intrinsic": K}])
def test_names_and_shapes(poses: dict, lenses: dict, tmp_path: Path) -> None:
    path = saved(tmp_path / "clip.npz", **poses, **lenses, depths=np.zeros((3, 4, 5), np.float32))
    named = read_named_cameras(path, hw=HW)
    close(named.cameras.c2w[0], torch.from_numpy(C2W))
    close(named.cameras.K[0], torch.from_numpy(K))
    assert named.names == ("clip",)


@pytest.mark.parametrize("lens", [K[0], PINHOLES[0]])
def test_one_lens_for_all_frames(lens: np.ndarray, tmp_path: Path) -> None:
    path = saved(tmp_path / "clip.npz", c2w=C2W.astype(np.float32), K=lens)
    close(read_cameras(path, hw=HW).K, torch.from_numpy(K[:1]).expand(1, 3, 3, 3))


def test_several_views_in_one_archive(tmp_path: Path) -> None:
    cameras = random_cameras(2, 3)
    path = tmp_path / "rig.npz"
    write_cameras(path, cameras, fps=12.5)
    named = read_named_cameras(path)
    assert torch.equal(named.cameras.c2w, cameras.c2w) and torch.equal(named.cameras.K, cameras.K)
    assert (named.names, named.fps, named.cameras.hw) == (("cam01", "cam02"), 12.5, HW)
    with np.load(path, allow_pickle=False) as archive:
        assert set(archive.files) == {"c2w", "K", "hw", "names", "fps"}
    batched = saved(tmp_path / "users.npz", c2w=cameras.c2w.numpy(), K=cameras.K.numpy())
    assert read_named_cameras(batched, hw=HW).names == ("cam01", "cam02")


def test_vipe_keeps_lenses_beside_poses(tmp_path: Path) -> None:
    path = saved(tmp_path / "pose" / "clip.npz", data=C2W, inds=np.arange(3))
    with pytest.raises(InputError, match="does not say which lens its cameras have"):
        read_cameras(path, hw=HW)
    assert read_cameras(path, hw=HW, focal_mm=FOCAL_MM).num_frames == 3
    lenses = saved(tmp_path / "intrinsics" / "clip.npz", data=PINHOLES, inds=np.arange(3))
    cameras = read_cameras(path, hw=HW)
    close(cameras.K[0], torch.from_numpy(K))
    close(cameras.c2w[0], torch.from_numpy(C2W))
    saved(lenses, data=PINHOLES[:2], inds=np.arange(2))
    with pytest.raises(InputError, match=r"intrinsics/clip\.npz: has lenses of 2 frames, out of step with the 3 poses"):
        read_cameras(path, hw=HW)


def test_frames_go_by_inds(tmp_path: Path) -> None:
    path = saved(tmp_path / "clip.npz", data=C2W, inds=np.array([8, 0, 4]), K=K)
    close(read_cameras(path, hw=HW).c2w[0], torch.from_numpy(C2W[[1, 2, 0]]))
    close(read_cameras(path, hw=HW).K[0], torch.from_numpy(K[[1, 2, 0]]))


def test_extrinsics_without_a_direction_are_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "clip.npz", extrinsics=C2W, intrinsics=K)
    with pytest.raises(InputError, match="extrinsics may be c2w or w2c, which the file does not say; rename it"):
        read_cameras(path, hw=HW)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"K": K}, r"clip\.npz has none of c2w, cam_c2w, data, w2c; expected one array of poses"),
        ({"c2w": C2W, "w2c": C2W}, r"clip\.npz has c2w and w2c; expected one array of poses"),
        ({"c2w": C2W, "K": K, "intrinsics": K}, "has K and intrinsics; expected one array of lenses"),
        ({"c2w": C2W[0]}, r"c2w: expected \[F, 4, 4\] or \[V, F, 4, 4\], got shape \(4, 4\)"),
        ({"c2w": C2W[..., :3]}, r"c2w: expected .* got shape \(3, 4, 3\)"),
        ({"c2w": C2W.astype(str)}, "c2w: expected an array of numbers, got <U"),
        ({"c2w": C2W * np.nan}, r"clip\.npz, c2w\[0, 0\]: c2w has NaN or infinite numbers"),
        ({"c2w": C2W * 2}, r"clip\.npz, c2w\[0, 0\]: the last row of c2w is not 0 0 0 1"),
        ({"c2w": C2W * np.array([1, 1, -1, 1])}, r"clip\.npz, c2w\[0, 0\]: c2w is left-handed"),
        ({"c2w": C2W[:0], "K": K[0]}, "a rig needs at least one view and one frame"),
        ({"K": K[:2]}, r"K: has shape \(2, 3, 3\), out of step with 1 views of 3 frames"),
        ({"K": K[:, :2]}, r"K: expected 3x3 or fx, fy, cx, cy per frame, got shape \(3, 2, 3\)"),
        ({"K": -K}, r"c2w\[0, 0\]: K has a focal length that is not positive"),
        ({"inds": np.array([0, 1, 1])}, r"inds\[2\]: frame 1 stands there twice"),
        ({"inds": np.array([0, 1, 3])}, r"inds\[2\]: frame 2 is missing between 1 and 3"),
        ({"inds": np.array([0, 1])}, r"inds: expected 3 whole numbers, got int64 of shape \(2,\)"),
        ({"hw": np.array([48])}, r"hw: expected height and width in whole pixels, got \[48\]"),
        ({"names": np.array([1])}, "names: expected 1 strings, got int64"),
        ({"fps": np.array([1.0, 2.0])}, r"fps: expected one number, got shape \(2,\)"),
    ],
)
def test_bad_arrays(arrays: dict[str, np.ndarray], message: str, tmp_path: Path) -> None:
    whole = {} if message.endswith("poses") else {"c2w": C2W, "K": K}
    if "has K and" in message:
        whole = {}
    path = saved(tmp_path / "clip.npz", **(whole | arrays))
    with pytest.raises(InputError, match=message):
        read_cameras(path, hw=HW)


class Loaded:
    """Something that would run code if it were unpickled."""

    def __reduce__(self) -> tuple:
        return exec, ("raise SystemExit('a pickle was loaded')",)


def test_pickles_are_never_loaded(tmp_path: Path) -> None:
    path = saved(tmp_path / "clip.npz", c2w=np.array([Loaded()], dtype=object))
    with pytest.raises(InputError, match=r"clip\.npz has arrays that cannot be read: .*allow_pickle=False"):
        read_cameras(path, hw=HW)
    path.write_bytes(pickle.dumps(1))
    with pytest.raises(InputError, match=r"clip\.npz is not an npz archive, or is damaged: File is not a zip file"):
        read_cameras(path, hw=HW, format="npz")


@pytest.mark.parametrize("share", [0.3, 0.7, 0.99])
def test_cut_off(share: float, tmp_path: Path) -> None:
    path = tmp_path / "rig.npz"
    write_cameras(path, rig())
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(InputError, match=r"rig\.npz is not an npz archive, or is damaged"):
        read_cameras(path, format="npz")


def test_damaged_inside(tmp_path: Path) -> None:
    path = tmp_path / "rig.npz"
    write_cameras(path, rig())
    data = bytearray(path.read_bytes())
    data[400] ^= 0xFF
    path.write_bytes(bytes(data))
    with pytest.raises(InputError, match=r"rig\.npz is not an npz archive, or is damaged: Bad CRC-32"):
        read_cameras(path)


def test_archives_that_unpack_to_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("syncam.cameras.formats.npz.MAX_BYTES", 1000)
    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("c2w.npy", b"\0" * 100_000)
    with pytest.raises(InputError, match=r"bomb\.npz, c2w: is 100000 bytes long; up to 1000 are read"):
        read_cameras(path, format="npz", hw=HW)


def test_a_folder_of_archives(tmp_path: Path) -> None:
    for view in range(2):
        write_cameras(tmp_path / f"cam0{view + 1}.npz", rig().view(view))
    close(read_cameras(tmp_path).c2w, rig().c2w)
    write_cameras(tmp_path / "cam03.npz", rig(2))
    with pytest.raises(InputError, match=r"cam03\.npz has 2 views; in a folder every file holds one"):
        read_cameras(tmp_path)
