"""npz: NumPy archives of c2w and K, as ViPE, MegaSaM, GEN3C and their users have them.

Poses: `c2w`, `cam_c2w` or `data` (ViPE: c2w), or `w2c`; [F, 4, 4], [F, 3, 4] or with a leading axis of views; OpenCV
camera axes in the world as it is. Lenses in pixels: `K`, `intrinsics` or `intrinsic`, as 3x3 or as fx, fy, cx, cy,
for all, for every frame, or for every view and frame. ViPE keeps them in a file of the same name in the folder
intrinsics beside pose, where they are looked up. `inds` are numbers of frames. An array named `extrinsics` is
refused: some programs call c2w so and some w2c. Ours are written as `c2w`, `K`, `hw`, `names` and `fps`. Pickled
objects are never loaded.
"""

import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from syncam.cameras.cameras import invert_rigid
from syncam.cameras.formats.named import NamedCameras, named_cameras, pinhole_K
from syncam.cameras.formats.sequence import frame_order
from syncam.cameras.formats.source import MAX_BYTES, check_poses, existing
from syncam.errors import InputError
from syncam.files import atomic_path

__all__ = ["C2W", "W2C", "read_npz", "write_npz"]

C2W = ("c2w", "cam_c2w", "data")
W2C = ("w2c",)
LENS = ("K", "intrinsics", "intrinsic")
OTHERS = ("inds", "hw", "names", "fps")


def read_npz(path: Path, *, hw: tuple[int, int] | None = None, focal_mm: float | None = None) -> NamedCameras:
    """All views of one archive; without `names` they are called cam01, ..., and a single one by the file's name."""
    arrays = _arrays(path, (*C2W, *W2C, *LENS, *OTHERS))
    key = _only(path, arrays, (*C2W, *W2C), "poses")
    poses = _numbers(path, key, arrays[key])
    if poses.ndim not in (3, 4) or poses.shape[-2:] not in ((4, 4), (3, 4)):
        raise InputError(f"{path}, {key}: expected [F, 4, 4] or [V, F, 4, 4], got shape {tuple(poses.shape)}")
    poses = poses if poses.ndim == 4 else poses[None]
    views, frames = poses.shape[:2]
    check_poses(f"{path}, {key}:", views * frames)
    matrices = torch.eye(4, dtype=torch.float64).repeat(views, frames, 1, 1)
    matrices[..., : poses.shape[-2], :] = poses
    K = _lens(path, arrays, (views, frames))
    kept = _kept(path, arrays.get("inds"), frames)
    names = [path.stem] if views == 1 else [f"cam{view + 1:02d}" for view in range(views)]
    if (given := arrays.get("names")) is not None:
        if given.shape != (views,) or given.dtype.kind != "U":
            raise InputError(f"{path}, names: expected {views} strings, got {given.dtype} of shape {given.shape}")
        names = given.tolist()
    return named_cameras(
        path,
        names,
        (invert_rigid(matrices) if key in W2C else matrices)[:, kept],
        None if K is None else K[:, kept],
        _size(path, arrays.get("hw")),
        hw=hw,
        focal_mm=focal_mm,
        place=lambda view, frame: f"{key}[{view}, {kept[frame]}]",
        fps=_fps(path, arrays.get("fps")),
    )


def _arrays(path: Path, wanted: tuple[str, ...]) -> Mapping[str, np.ndarray]:
    """The arrays of an archive that have one of these names; others (depth, pictures) are not loaded."""
    try:
        with zipfile.ZipFile(existing(path)) as archive:
            members = {info.filename.removesuffix(".npy"): info.file_size for info in archive.infolist()}
        if {"extrinsics", "extrinsic"} & set(members) and not {*C2W, *W2C} & set(members):
            raise InputError(
                f"{path}: extrinsics may be c2w or w2c, which the file does not say; rename it to c2w or w2c"
            )
        for name in wanted:
            if members.get(name, 0) > MAX_BYTES:
                raise InputError(f"{path}, {name}: is {members[name]} bytes long; up to {MAX_BYTES} are read")
        with np.load(path, allow_pickle=False) as archive:
            return {name: np.asarray(archive[name]) for name in wanted if name in members}
    except (zipfile.BadZipFile, EOFError, KeyError, NotImplementedError, OSError, RuntimeError) as err:
        raise InputError(f"{path} is not an npz archive, or is damaged: {err}") from err
    except InputError:
        raise
    except ValueError as err:
        raise InputError(f"{path} has arrays that cannot be read: {err}") from err


def _only(path: Path, arrays: Mapping[str, np.ndarray], keys: tuple[str, ...], about: str) -> str:
    present = [key for key in keys if key in arrays]
    if len(present) != 1:
        found = f"has {' and '.join(present)}" if present else f"has none of {', '.join(keys)}"
        raise InputError(f"{path} {found}; expected one array of {about}")
    return present[0]


def _numbers(path: Path, key: str, array: np.ndarray) -> Float[Tensor, "..."]:
    if array.dtype.kind not in "fiu":
        raise InputError(f"{path}, {key}: expected an array of numbers, got {array.dtype}")
    return torch.tensor(array.astype(np.float64))


def _lens(path: Path, arrays: Mapping[str, np.ndarray], shape: tuple[int, int]) -> Float[Tensor, "V F 3 3"] | None:
    if not any(key in arrays for key in LENS):
        beside = path.parent.parent / "intrinsics" / path.name
        if path.parent.name != "pose" or not beside.is_file():
            return None
        arrays = _arrays(beside, ("data", "inds"))
        if "data" not in arrays:
            raise InputError(f"{beside} has no array data; expected the lenses of {path}")
        key, path = "data", beside
        kept = _kept(path, arrays.get("inds"), len(arrays[key]) if arrays[key].ndim else 0)
        if len(kept) != shape[1] or kept != list(range(shape[1])):
            raise InputError(f"{path}: has lenses of {len(kept)} frames, out of step with the {shape[1]} poses")
    else:
        key = _only(path, arrays, LENS, "lenses")
    lens = _numbers(path, key, arrays[key])
    if lens.shape[-1:] == (4,):
        lens = pinhole_K(lens)
    if lens.shape[-2:] != (3, 3) or not 2 <= lens.ndim <= 4:
        raise InputError(
            f"{path}, {key}: expected 3x3 or fx, fy, cx, cy per frame, got shape {tuple(arrays[key].shape)}"
        )
    try:
        return lens.expand(*shape, 3, 3).contiguous()
    except RuntimeError as err:
        raise InputError(
            f"{path}, {key}: has shape {tuple(arrays[key].shape)}, "
            f"out of step with {shape[0]} views of {shape[1]} frames"
        ) from err


def _kept(path: Path, inds: np.ndarray | None, frames: int) -> list[int]:
    if inds is None:
        return list(range(frames))
    if inds.shape != (frames,) or inds.dtype.kind not in "iu":
        raise InputError(f"{path}, inds: expected {frames} whole numbers, got {inds.dtype} of shape {inds.shape}")
    return frame_order(path, inds.tolist(), lambda index: f"inds[{index}]")


def _size(path: Path, hw: np.ndarray | None) -> tuple[int, int] | None:
    if hw is None:
        return None
    if hw.shape != (2,) or hw.dtype.kind not in "iu" or (hw < 1).any():
        raise InputError(f"{path}, hw: expected height and width in whole pixels, got {hw.tolist()}")
    return int(hw[0]), int(hw[1])


def _fps(path: Path, fps: np.ndarray | None) -> float | None:
    if fps is None:
        return None
    if fps.size != 1:
        raise InputError(f"{path}, fps: expected one number, got shape {fps.shape}")
    return float(_numbers(path, "fps", fps))


def write_npz(path: Path, named: NamedCameras) -> None:
    """Writes all views into one archive."""
    cameras = named.cameras
    arrays = {
        "c2w": cameras.c2w.detach().cpu().double().numpy(),
        "K": cameras.K.detach().cpu().double().numpy(),
        "hw": np.array(cameras.hw),
        "names": np.array(named.names),
    }
    if named.rate is not None:
        arrays["fps"] = np.array(named.rate)
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)  # pyright: ignore[reportArgumentType]  (no array is called allow_pickle)
