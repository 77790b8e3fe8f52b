"""Videos as pictures with cameras, as nerfstudio trains on them."""

from dataclasses import replace
from pathlib import Path

from jaxtyping import Float
from PIL import Image
from torch import Tensor

from syncam.cameras.cameras import Cameras
from syncam.cameras.formats import write_cameras
from syncam.data.video import to_uint8

__all__ = ["write_pictures"]

FILE = "transforms.json"


def write_pictures(folder: Path, videos: Float[Tensor, "V F 3 H W"], cameras: Cameras) -> None:
    """Writes every frame of every view as a picture, view after view, and the cameras in a transforms.json beside them.

    To nerfstudio they are pictures of one scene that stands still: what moves will be blurred.
    """
    cameras = cameras.repeat_frames(videos.shape[1])
    c2w, K = (tensor.flatten(0, 1)[None] for tensor in (cameras.c2w, cameras.K))
    pictures = folder / "images" / Path(FILE).stem  # where the format expects those of a camera file of this name
    pictures.mkdir(parents=True)
    write_cameras(
        folder / FILE, replace(cameras, c2w=c2w, K=K, aperture=None, focus_distance=None), format="nerfstudio"
    )
    for number, picture in enumerate(to_uint8(videos.flatten(0, 1)).permute(0, 2, 3, 1).numpy(), start=1):
        Image.fromarray(picture).save(pictures / f"frame_{number:05d}.png")
