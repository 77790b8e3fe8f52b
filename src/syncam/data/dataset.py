"""Clips on disk in the layout of SynCamVideo, and which views of them to train on.

<root>/train/f24_aperture5/scene1/videos/cam01.mp4 ...      one video per camera, all of one length
                                  cameras/camera_extrinsics.json   c2w per frame and camera, as SynCamVideo has it
                                  cameras/rig.json          the same cameras exactly, with K (only in our own data)
                                  caption.txt               UTF-8
                                  masks/cam01.npz           the subject's mask, packed bits (optional)
                                  labels/depth/cam01.mkv    what else pixels show: syncam.data.labels (optional)
                                  scene.json                whatever made the scene (optional)
<root>/val/basic/videos/cam01.mp4 ...                       a scene may also lie directly in a split's folder
"""

import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from syncam.cameras.cameras import Cameras
from syncam.cameras.formats import load_rig, read_extrinsics_json, save_rig, write_extrinsics_json
from syncam.cameras.formats.json_values import number
from syncam.cameras.formats.source import read_json
from syncam.cameras.spherical import common_target, to_spherical
from syncam.data.clip import MultiViewClip
from syncam.data.footage import Footage, VideoFile
from syncam.data.labels import LabelFiles, labels_in
from syncam.data.scene import Scene, read_caption
from syncam.data.tar_member import TarMember
from syncam.data.video import write_video
from syncam.errors import InputError
from syncam.files import atomic_dir, write_json, write_text

__all__ = ["ClipStore", "SceneFolder", "pick_views", "read_mask", "scene_in_making", "write_clip", "write_mask"]

TRAINING_CRF = 10  # nearly lossless: compression artefacts would be learnt


class ClipStore:
    """The scenes of one split of a data set to train on, of any kind that `open_dataset` tells, in natural order.

    Only names are read here; each scene is opened when its handle is used. Scene folders insist on a caption and
    cameras; of other kinds, `caption` may be "" and `cameras` None.

    Example:
        >>> store = ClipStore("data/quadrupeds", split="train")
        >>> clip = store[0].read(views=[0, 2])
    """

    def __init__(self, root: str | Path, split: str = "train") -> None:
        from syncam.data.sources import open_dataset  # which opens the scenes of this file, among others

        self.root = Path(root)
        dataset = open_dataset(self.root, split)
        strict = dataset.kind == "syncamvideo"
        self.scenes: Sequence[Scene] = [SceneFolder(one.path) for one in dataset] if strict else dataset.scenes

    def __len__(self) -> int:
        return len(self.scenes)

    def __getitem__(self, index: int) -> Scene:
        return self.scenes[index]


@dataclass(frozen=True)
class SceneFolder(Scene):
    """One scene in the layout of SynCamVideo, to train on: it has cameras and a caption, or says what is missing."""

    path: Path

    @cached_property
    def video_paths(self) -> list[Path]:
        """The video of every view, in the order of the camera names."""
        paths = sorted((Path(self.path) / "videos").glob("[!.]*.mp4"), key=_natural)
        if not paths:
            raise InputError(f"{Path(self.path) / 'videos'} holds no mp4 files; expected cam01.mp4, cam02.mp4, ...")
        return paths

    @property
    def names(self) -> list[str]:
        """Camera names such as cam01, one per view."""
        return [path.stem for path in self.video_paths]

    @cached_property
    def footage(self) -> list[Footage]:
        """The video of every view."""
        return [VideoFile(path) for path in self.video_paths]

    @cached_property
    def caption(self) -> str:
        """The text that describes the scene."""
        path = Path(self.path) / "caption.txt"
        if not path.is_file():
            raise InputError(f"{path} is missing; expected a text file with the scene's caption")
        text = read_caption(path)
        if not text:
            raise InputError(f"{path} is empty; expected the scene's caption")
        return text

    @cached_property
    def cameras(self) -> Cameras:
        """The cameras of all views in the order of `names`, with K in pixels of the stored videos."""
        folder = Path(self.path) / "cameras"
        exact, published = folder / "rig.json", folder / "camera_extrinsics.json"
        if exact.is_file():
            cameras, source = load_rig(exact), exact
        elif published.is_file():
            focal_mm = _focal_mm(folder / "lens.json")
            cameras = read_extrinsics_json(published, cameras=self.names, hw=self.hw, focal_mm=focal_mm)
            source = published
        else:
            raise InputError(f"{published} is missing; expected the cameras of {', '.join(self.names)}")
        if cameras.num_views != self.num_views:
            raise InputError(
                f"{source} has {cameras.num_views} cameras but {Path(self.path) / 'videos'} has {self.num_views} videos"
            )
        return cameras

    def read_masks(self, view: int, frames: Sequence[int] | None = None) -> Bool[Tensor, "F H W"] | None:
        """Where the subject is in one view, in the chosen frames; None where the scene has no folder of masks."""
        folder = Path(self.path) / "masks"
        return read_mask(folder / f"{self.names[view]}.npz", frames) if folder.is_dir() else None

    @property
    def label_files(self) -> LabelFiles:
        """The labels in the scene's folder."""
        return labels_in(self.path)

    def sources(self) -> Iterator[tuple[str, Path | TarMember]]:
        """Name and place of every file that clips are read from, but for the caption."""
        others = [*(self.path / "cameras").glob("*.json"), *(self.path / "masks").glob("*.npz")]
        yield from ((path.name, path) for path in [*self.video_paths, *sorted(others)])


def write_clip(
    folder: str | Path, clip: MultiViewClip, *, scene: Mapping[str, Any] | None = None, crf: int = TRAINING_CRF
) -> None:
    """Writes one scene folder, whole or not at all; `scene` is kept as scene.json beside the clip.

    The videos are nearly lossless (crf 10). Raises InputError if the folder exists, and for a clip without cameras.
    """
    with scene_in_making(folder, clip.cameras, clip.caption, clip.fps, scene=scene) as temporary:
        for view in range(clip.num_views):
            write_video(temporary / "videos" / f"cam{view + 1:02d}.mp4", clip.video[view], clip.fps, crf=crf)
            if clip.masks is not None:
                (temporary / "masks").mkdir(exist_ok=True)
                write_mask(temporary / "masks" / f"cam{view + 1:02d}.npz", clip.masks[view])


@contextmanager
def scene_in_making(
    folder: str | Path, cameras: Cameras | None, caption: str, fps: float, *, scene: Mapping[str, Any] | None = None
) -> Iterator[Path]:
    """Writes a scene as write_clip does, but for videos and masks: yields its temporary folder, in which they and
    further files are put before it appears."""
    folder = Path(folder)
    if cameras is None:
        raise InputError(f"clip has no cameras, which {folder} would have to hold; give the clip its cameras")
    if folder.exists():
        raise InputError(f"{folder} exists; choose another scene folder or remove it first")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with atomic_dir(folder) as temporary:
        temporary = Path(temporary)
        for name in ("videos", "cameras"):
            (temporary / name).mkdir()
        write_extrinsics_json(temporary / "cameras" / "camera_extrinsics.json", cameras)
        save_rig(temporary / "cameras" / "rig.json", cameras, fps=fps)
        write_text(temporary / "caption.txt", caption + "\n")
        if scene is not None:
            write_json(temporary / "scene.json", scene)
        yield temporary


def write_mask(path: str | Path, mask: Bool[Tensor, "F H W"]) -> None:
    """Stores a mask as packed bits (keys `mask` and `shape`), an eighth of a byte per pixel before compression."""
    bits = mask.cpu().numpy()
    np.savez_compressed(path, mask=np.packbits(bits), shape=np.array(bits.shape))


def read_mask(path: str | Path, frames: Sequence[int] | None = None) -> Bool[Tensor, "F H W"]:
    """The mask that write_mask stored, in the chosen frames; InputError naming the file if it is missing, damaged or
    too short."""
    if not Path(path).is_file():
        raise InputError(f"mask {path} is missing; every view of the scene needs one, or none has")
    try:
        with np.load(path, allow_pickle=False) as data:
            count, height, width = (int(n) for n in data["shape"])
            packed = data["mask"]
        if packed.shape != (-(-count * height * width // 8),):
            raise ValueError(f"{packed.size} bytes for {count} frames of {height}x{width}")
    except (ValueError, KeyError, EOFError, OSError, zipfile.BadZipFile, zlib.error) as err:
        raise InputError(f"mask {path} cannot be read ({err}); expected packed bits with keys mask and shape") from err
    chosen = range(count) if frames is None else frames
    if not chosen or not 0 <= min(chosen) <= max(chosen) < count:
        raise InputError(f"frames of mask {path} must lie in 0..{count - 1}, got {list(chosen)}")
    mask, size = np.empty((len(chosen), height, width), dtype=bool), height * width
    for picture, frame in zip(mask, chosen, strict=True):  # few of them, and bits take eight times less
        first = frame * size  # maybe in the midst of a byte
        bits = np.unpackbits(packed[first // 8 : -(-(first + size) // 8)])
        picture[:] = bits[first % 8 :][:size].reshape(height, width)
    return torch.from_numpy(mask)


def pick_views(
    cameras: Cameras,
    num_views: int,
    *,
    max_azimuth_deg: float | None = None,
    max_elevation_deg: float | None = None,
    max_distance: float | None = None,
    generator: torch.Generator,
) -> list[int]:
    """Indices of `num_views` different views to train on together; the first is drawn at random and becomes view 0.

    The others are drawn from the views whose azimuth, elevation and distance, measured in the first frame about the
    point that all cameras look at, differ from view 0's by at most the bounds (None: no bound; `max_distance` in
    metres). Where fewer qualify, the nearest of the rest fill up, so that a narrow first stage never runs dry.
    """
    total = cameras.num_views
    if not 1 <= num_views <= total:
        raise InputError(f"num_views must lie in 1..{total}, the number of cameras of the scene, got {num_views}")
    first = int(torch.randint(total, (1,), generator=generator))
    c2w = cameras.c2w[:, 0].double()  # [V, 4, 4]
    target, _ = common_target(c2w)
    azimuth_deg, elevation_deg, distance = to_spherical(c2w, target)
    away_azimuth = ((azimuth_deg - azimuth_deg[first] + 180) % 360 - 180).abs()
    away_elevation = (elevation_deg - elevation_deg[first]).abs()
    away_distance = (distance - distance[first]).abs()
    # Excess over the bounds in units of a bound: zero where a view qualifies, and an order for the ones that do not.
    excess = torch.zeros(total, dtype=torch.float64)
    pairs = ((away_azimuth, max_azimuth_deg), (away_elevation, max_elevation_deg), (away_distance, max_distance))
    for away, bound in pairs:
        if bound is not None:
            excess = excess + (away - bound - 1e-6).clamp(min=0) / max(bound, 1e-6)
    shuffled = torch.randperm(total, generator=generator).tolist()
    others = sorted((view for view in shuffled if view != first), key=lambda view: float(excess[view]))
    return [first, *others[: num_views - 1]]


def _focal_mm(path: Path) -> float | None:
    """The lens that `syncam data unpack` has kept beside cameras that name none; None where there is no such file."""
    if not path.is_file():
        return None
    content = read_json(path)
    return number(content.get("focal_mm") if isinstance(content, dict) else None, f"{path}.focal_mm")


def _natural(path: Path) -> list[int | str]:
    """Sort key that counts digits as numbers: scene2 before scene10."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", str(path))]
