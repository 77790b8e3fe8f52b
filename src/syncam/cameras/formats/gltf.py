"""gltf: glTF 2.0 scenes as JSON with embedded buffers, as Blender, three.js and game engines take them.

One node with a perspective camera per view, animated in translation and rotation. Camera axes are OpenGL's; glTF's
world has y up, so that our x, y, z are its x, -z, y; metres. Keys hold single precision, as glTF has no other. A lens
is `yfov` and `aspectRatio`: it is centred and does not zoom. The size of the pictures stands in `extras`, which is
ours; files of other programs need `hw`. Every time at which a camera or a parent of it has a key is a frame.
"""

import base64
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from syncam.cameras.conventions import opencv_to_opengl, opengl_to_opencv
from syncam.cameras.formats.gltf_nodes import camera_nodes, key_times, world_matrices
from syncam.cameras.formats.json_values import number, whole
from syncam.cameras.formats.named import NamedCameras, named_cameras, picture_size, pinhole_K, pinhole_numbers
from syncam.cameras.formats.source import check_poses, read_json
from syncam.cameras.quaternions import quaternion_from_rotation
from syncam.errors import InputError
from syncam.files import write_json

__all__ = ["read_gltf", "write_gltf"]

_Y_UP = torch.tensor([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]], dtype=torch.float64)
"""glTF's coordinates of ours."""
FLOAT = 5126
TOLERANCE = 1e-9


def read_gltf(path: Path, *, hw: tuple[int, int] | None = None, focal_mm: float | None = None) -> NamedCameras:
    """All camera nodes of one file."""
    content: Any = read_json(path)
    asset = content.get("asset") if isinstance(content, dict) else None
    version = asset.get("version") if isinstance(asset, dict) else None
    if version != "2.0":
        raise InputError(f"{path} is not glTF 2.0 (asset.version is {version!r}); export it as glTF Embedded")
    nodes = camera_nodes(path, content)
    times = key_times(path, content, nodes)
    check_poses(path, len(nodes) * max(1, len(times)))
    matrices = torch.stack([world_matrices(path, content, node, times) for node in nodes])  # [V, F, 4, 4]
    matrices[..., :3, :] = _Y_UP.mT.to(matrices) @ matrices[..., :3, :]
    sizes = {_size(path, content["cameras"][node.camera], node.camera) for node in nodes}
    if len(sizes) > 1:
        raise InputError(f"{path} has cameras for pictures of different sizes (h, w): {sorted(map(str, sizes))}")
    [stated] = sizes
    size = picture_size(path, stated, hw)
    lens = torch.tensor(
        [_lens(content["cameras"][node.camera], f"{path}, cameras[{node.camera}]", size) for node in nodes],
        dtype=torch.float64,
    )
    return named_cameras(
        path,
        [node.name for node in nodes],
        opengl_to_opencv(matrices),
        pinhole_K(lens)[:, None].expand(*matrices.shape[:2], 3, 3).contiguous(),
        stated,
        hw=hw,
        focal_mm=focal_mm,
        place=lambda view, frame: f"nodes[{nodes[view].index}] at key {frame}",
        times=times or None,
    )


def _size(path: Path, camera: dict[str, Any], index: int) -> tuple[int, int] | None:
    extras = camera.get("extras")
    if not isinstance(extras, dict) or "width" not in extras or "height" not in extras:
        return None
    place = f"{path}, cameras[{index}].extras"
    return whole(extras["height"], f"{place}.height", 1), whole(extras["width"], f"{place}.width", 1)


def _lens(camera: dict[str, Any], place: str, size: tuple[int, int]) -> tuple[float, float, float, float]:
    """fx, fy, cx, cy; without an aspect ratio pixels are square."""
    height, width = size
    perspective = camera.get("perspective")
    if not isinstance(perspective, dict):
        raise InputError(f"{place}: is a camera of type {camera.get('type')!r}, expected perspective")
    yfov = number(perspective.get("yfov"), f"{place}.perspective.yfov")
    aspect = number(perspective.get("aspectRatio", width / height), f"{place}.perspective.aspectRatio")
    if not 0 < yfov < math.pi or aspect <= 0:
        raise InputError(f"{place}.perspective: yfov {yfov} and aspectRatio {aspect}; expected 0 < yfov < pi, positive")
    fy = height / 2 / math.tan(yfov / 2)
    return fy * (width / height) / aspect, fy, width / 2, height / 2


def write_gltf(path: Path, named: NamedCameras) -> None:
    """Writes all views; without times, frames are a second apart. InputError for zooms and off-centre lenses."""
    cameras, names = named.cameras, named.names
    height, width = cameras.hw
    lens = pinhole_numbers(cameras, "gltf")
    zooms = (lens != lens[:, :1]).any(-1)
    off = ((lens[..., 2:] - torch.tensor([width / 2, height / 2], dtype=torch.float64)).abs() > TOLERANCE).any(-1)
    for bad, about in ((zooms, "whose lens does not zoom"), (off, "whose lens is centred")):
        for view, frame in bad.nonzero()[:1].tolist():
            raise InputError(f"gltf holds cameras {about}; that of view {view}, frame {frame} is another")
    c2w = opencv_to_opengl(cameras.c2w.detach().cpu().double())
    translations = c2w[..., :3, 3] @ _Y_UP.mT  # [V, F, 3]
    rotations = quaternion_from_rotation(_Y_UP @ c2w[..., :3, :3])
    content: dict[str, Any] = {
        "asset": {"version": "2.0", "generator": "syncam"},
        "scene": 0,
        "scenes": [{"nodes": list(range(cameras.num_views))}],
        "nodes": [
            {"name": name, "camera": view, "translation": translations[view, 0].tolist(), "rotation": turn.tolist()}
            for view, (name, turn) in enumerate(zip(names, rotations[:, 0], strict=True))
        ],
        "cameras": [
            {
                "name": name,
                "type": "perspective",
                "perspective": {
                    "yfov": 2 * math.atan(height / 2 / fy),
                    "aspectRatio": width / fx * fy / height,
                    "znear": 0.01,
                },
                "extras": {"width": width, "height": height},
            }
            for name, (fx, fy, _, _) in zip(names, lens[:, 0].tolist(), strict=True)
        ],
    }
    if cameras.num_frames > 1:
        content |= _animation(translations, rotations, named.seconds)
    write_json(path, content)


def _animation(translations: Float[Tensor, "V F 3"], rotations: Float[Tensor, "V F 4"], times: list[float]) -> dict:
    """The animation of all nodes, one key per frame, and the buffer with its numbers."""
    arrays: list[Tensor] = [torch.tensor(times, dtype=torch.float64)]
    samplers, channels = [], []
    for view, pair in enumerate(zip(translations, rotations, strict=True)):
        for target, array in zip(("translation", "rotation"), pair, strict=True):
            channels.append({"sampler": len(samplers), "target": {"node": view, "path": target}})
            samplers.append({"input": 0, "output": len(arrays), "interpolation": "LINEAR"})
            arrays.append(array)
    data, views, accessors = b"", [], []
    for index, array in enumerate(arrays):
        part = array.numpy().astype("<f4").tobytes()
        kind = "SCALAR" if array.ndim == 1 else f"VEC{array.shape[-1]}"
        accessors.append({"bufferView": index, "componentType": FLOAT, "count": len(array), "type": kind})
        views.append({"buffer": 0, "byteOffset": len(data), "byteLength": len(part)})
        data += part
    seconds = np.asarray(times, dtype="<f4")
    accessors[0] |= {"min": [float(seconds.min())], "max": [float(seconds.max())]}
    uri = "data:application/octet-stream;base64," + base64.b64encode(data).decode()
    return {
        "animations": [{"name": "cameras", "samplers": samplers, "channels": channels}],
        "accessors": accessors,
        "bufferViews": views,
        "buffers": [{"byteLength": len(data), "uri": uri}],
    }
