"""A data set whose pictures say which view of which scene they show, and which frame, and the page's side of it."""

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from cameras.editor.client import Client, client
from syncam.cameras import hemisphere
from syncam.cameras.editor.local_server import serving
from syncam.data.clip import MultiViewClip
from syncam.data.dataset import write_clip
from syncam.data.sources import Kind, open_dataset
from syncam.data.viewer.inside import Fence
from syncam.data.viewer.session import Session
from syncam.data.viewer.viewing import site

HW = (48, 64)
BITS = 8
FRAMES = 40
"""More than a page asks for at a time."""
TRAIN = "train/f24_aperture5"


def numbered(scene: int, views: int, frames: int = FRAMES) -> torch.Tensor:
    """Pictures [V, F, 3, H, W] of three rows of black and white fields: the bits of scene, view and frame."""
    rows = torch.zeros(views, frames, 3, BITS)
    for view in range(views):
        for frame in range(frames):
            for row, number in enumerate((scene, view, frame)):
                rows[view, frame, row] = torch.tensor([(number >> bit) & 1 for bit in range(BITS)])
    pixels = rows.repeat_interleave(HW[0] // 3, -2).repeat_interleave(HW[1] // BITS, -1)
    return (0.1 + 0.8 * pixels)[:, :, None].expand(-1, -1, 3, -1, -1).contiguous()


def numbers(pixels: np.ndarray) -> list[int]:
    """Scene, view and frame of a picture [H, W, ...] of any size."""
    height, width = pixels.shape[:2]
    grey = pixels.reshape(height, width, -1)[..., 0]
    fields = [
        [grey[int((row + 0.5) * height / 3), int((bit + 0.5) * width / BITS)] for bit in range(BITS)]
        for row in range(3)
    ]
    return [sum(int(value > 128) << bit for bit, value in enumerate(row)) for row in fields]


def make_set(root: Path, scenes: int = 2, views: int = 3, frames: int = FRAMES) -> Path:
    """Scenes of moving cameras with captions and masks; the mask of view v covers the left v + 1 eighths."""
    for scene in range(1, scenes + 1):
        cameras = hemisphere(views=views, radius=4, elevation_deg=20, span_deg=120, num_frames=frames, hw=HW)
        c2w = cameras.c2w.clone()
        c2w[-1, :, 2, 3] += torch.linspace(0, 1, frames, dtype=c2w.dtype)  # the last camera rises
        masks = torch.zeros(views, frames, *HW, dtype=torch.bool)
        for view in range(views):
            masks[view, :, :, : (view + 1) * HW[1] // 8] = True
        caption = f"a {'red' if scene == 1 else 'blue'} horse in scene number {scene}"
        clip = MultiViewClip(numbered(scene, views, frames), type(cameras)(c2w, cameras.K, HW), caption, 10.0, masks)
        write_clip(root / TRAIN / f"scene{scene}", clip)
    return root


def session(root: Path, *, kind: Kind | None = None, links: bool = False) -> Session:
    dataset = open_dataset(root, kind=kind)
    return Session(dataset, Fence(dataset.root, links))


@contextmanager
def asking(session: Session) -> Iterator[Client]:
    with serving(site(session)) as address:
        yield client(address)


def pictures(answer: bytes) -> list[np.ndarray]:
    """The pictures of an answer of /api/frames."""
    lengths, _, files = answer.partition(b"\n")
    found, at = [], 0
    for length in json.loads(lengths):
        found.append(np.asarray(Image.open(io.BytesIO(files[at : at + length]))))
        at += length
    assert at == len(files)
    return found
