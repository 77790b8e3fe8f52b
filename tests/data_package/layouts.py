"""Small data sets on disk, in the layouts of the published ones."""

import json
from pathlib import Path

import torch
from PIL import Image

from syncam.cameras import Cameras, hemisphere, write_cameras
from syncam.cameras.conventions import intrinsics
from syncam.cameras.formats import write_extrinsics_json
from syncam.data.clip import MultiViewClip
from syncam.data.dataset import write_clip
from syncam.data.video import to_uint8, write_video

HW = (16, 32)


def ramp(views: int = 1, frames: int = 5, hw: tuple[int, int] = HW) -> torch.Tensor:
    """Grey frames, brighter with every frame, [V, F, 3, H, W]."""
    levels = torch.linspace(0.1, 0.9, frames)[None, :, None, None, None]
    return levels.expand(views, frames, 3, *hw).contiguous()


def rig(views: int = 2, frames: int = 5, hw: tuple[int, int] = HW) -> Cameras:
    return hemisphere(views=views, radius=4, num_frames=frames, hw=hw)


def make_syncamvideo(root: Path, scenes: int = 2, views: int = 2) -> Path:
    """The second release without captions, and a scene directly in val."""
    for folder in [*(root / "train/f24_aperture5" / f"scene{i + 1}" for i in range(scenes)), root / "val/basic"]:
        video = ramp(views) * (0.6 + 0.1 * int("0" + folder.name[5:].strip("c")))
        write_clip(folder, MultiViewClip(video, rig(views), "", 15))
        (folder / "caption.txt").unlink()
        (folder / "cameras/rig.json").unlink()
    return root


def make_first_release(root: Path) -> Path:
    """Two scenes of two still cameras, named with their lenses in the camera file only."""
    for scene in ("scene1", "scene2"):
        folder = root / "train" / "videos" / scene
        folder.mkdir(parents=True)
        for view in range(2):
            write_video(folder / f"C_{view + 1:02d}.mp4", ramp()[0] * (0.5 + 0.1 * view), 24)
        cameras = root / "train" / "cameras" / scene / f"{scene}.json"
        cameras.parent.mkdir(parents=True)
        write_extrinsics_json(cameras, rig(2, 1))
        frame = json.loads(cameras.read_text())["frame0"]
        cameras.write_text(json.dumps({f"C_{i + 1:02d}_18mm": pose for i, pose in enumerate(frame.values())}))
    return root


def make_realestate(root: Path) -> Path:
    """One clip as a video beside its poses, one as pictures that are named by their times."""
    for name in ("aaa", "bbb"):
        (root / "train").mkdir(parents=True, exist_ok=True)
        write_cameras(root / "train" / f"{name}.txt", rig(1), format="realestate10k", fps=10)
    write_video(root / "train" / "aaa.mp4", ramp()[0], 30)
    write_pictures(root / "frames" / "train" / "bbb", [f"{i * 100000}" for i in range(5)])
    return root


def make_dl3dv(root: Path, distortion: float = 0.0) -> Path:
    """One scene whose pictures are a quarter of the stated size; frame 3 has no pose."""
    folder = root / "1K" / "0a1b"
    full = rig(1, 5, (4 * HW[0], 4 * HW[1]))
    folder.mkdir(parents=True)
    write_cameras(folder / "transforms.json", full, format="nerfstudio")
    content = json.loads((folder / "transforms.json").read_text())
    content["frames"] = [
        frame | {"file_path": f"images/frame_{i + 1:05d}.png"} for i, frame in enumerate(content["frames"]) if i != 2
    ]
    content["k1"] = distortion
    (folder / "transforms.json").write_text(json.dumps(content))
    write_pictures(folder / "images_4", [f"frame_{i + 1:05d}" for i in range(5)])
    return root


def make_videos(root: Path, captions: bool = True) -> Path:
    """Two videos without cameras, one of them in the table."""
    for index, name in enumerate(("a.mp4", "more/b.mp4")):
        write_video(root / name, ramp()[0] * (0.5 + 0.2 * index), 8)
    if captions:
        (root / "metadata.csv").write_text('file_name,text\na.mp4,"a cat, asleep"\nmore/b.mp4,a dog\n')
    return root


def write_pictures(folder: Path, names: list[str]) -> None:
    folder.mkdir(parents=True)
    for name, picture in zip(names, to_uint8(ramp()[0]), strict=True):
        Image.fromarray(picture.permute(1, 2, 0).numpy()).save(folder / f"{name}.png")


def pinhole(hw: tuple[int, int]) -> torch.Tensor:
    return intrinsics(focal_mm=24, hw=hw)


MAKERS = {
    "syncamvideo": make_syncamvideo,
    "syncamvideo-first": make_first_release,
    "realestate10k": make_realestate,
    "dl3dv": make_dl3dv,
    "videos": make_videos,
}
