"""gltf: its y-up world and lens by hand, parents and animations by hand, and damaged scenes."""

import base64
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cameras.examples import random_cameras
from cameras.formats.examples import HW, close, rig, written
from syncam.cameras import Cameras, orbit, read_cameras, read_named_cameras
from syncam.errors import InputError

QUARTER = [0.0, math.sqrt(0.5), 0.0, math.sqrt(0.5)]
"""A quarter turn about glTF's y axis, counter-clockwise seen from above."""


def scene(
    folder: Path, node_list: list[dict[str, Any]], animations: list[dict[str, Any]] | None = None, **rest: Any
) -> Path:
    """A file with one 90 degree lens for 48 x 80 pictures; an animation is node, path, times and values."""
    camera = {"type": "perspective", "perspective": {"yfov": math.pi / 2, "aspectRatio": 80 / 48, "znear": 0.1}}
    content: dict[str, Any] = {"asset": {"version": "2.0"}, "nodes": node_list, "cameras": [camera]}
    if animations:
        data, views, accessors, samplers, channels = b"", [], [], [], []
        for index, track in enumerate(animations):
            for array in (np.array(track["times"], "<f4"), np.array(track["values"], "<f4")):
                views.append({"buffer": 0, "byteOffset": len(data), "byteLength": array.nbytes})
                kind = "SCALAR" if array.ndim == 1 else f"VEC{array.shape[1]}"
                accessors.append(
                    {"bufferView": len(views) - 1, "componentType": 5126, "count": len(array), "type": kind}
                )
                data += array.tobytes()
            sampler = {"input": 2 * index, "output": 2 * index + 1}
            samplers.append(sampler | ({"interpolation": track["how"]} if "how" in track else {}))
            channels.append({"sampler": index, "target": {"node": track["node"], "path": track["path"]}})
        uri = "data:application/octet-stream;base64," + base64.b64encode(data).decode()
        content |= {
            "animations": [{"samplers": samplers, "channels": channels}],
            "accessors": accessors,
            "bufferViews": views,
            "buffers": [{"byteLength": len(data), "uri": uri}],
        }
    path = folder / "rig.gltf"
    path.write_text(json.dumps(content | rest))
    return path


def test_a_new_camera_looks_along_our_y(tmp_path: Path) -> None:
    """glTF: y up, a camera looks along -z. Ours: z up, so that its -z is our y."""
    cameras = read_cameras(scene(tmp_path, [{"camera": 0, "translation": [1, 2, 3]}]), hw=HW)
    assert cameras.positions.flatten().tolist() == [1, -3, 2]
    assert cameras.c2w[0, 0, :3, 2].tolist() == [0, 1, 0] and cameras.c2w[0, 0, :3, 1].tolist() == [0, 0, -1]
    close(cameras.K[0, 0], torch.tensor([[24.0, 0, 40], [0, 24, 24], [0, 0, 1]]).double())


def test_written_scenes_are_y_up(tmp_path: Path) -> None:
    cameras = orbit(views=2, radius=4.0, elevation_deg=30.0, num_frames=1, hw=HW, target=(0.0, 0.0, 0.8))
    content = json.loads(written(tmp_path, cameras, "gltf").read_text())
    x, y, z = cameras.positions[1, 0].tolist()
    assert content["nodes"][1]["translation"] == pytest.approx([x, z, -y])
    assert "animations" not in content
    perspective = content["cameras"][0]["perspective"]
    assert perspective["aspectRatio"] == pytest.approx(80 / 48)
    assert perspective["yfov"] == pytest.approx(2 * math.atan(24 / float(cameras.K[0, 0, 1, 1])))


def test_a_camera_may_have_parents_and_a_scale(tmp_path: Path) -> None:
    """A parent turned by a quarter and scaled by ten carries the camera's place along, and its axes turned."""
    for parent in (
        {"rotation": QUARTER, "scale": [10, 10, 10], "translation": [0, 1, 0]},
        {"matrix": [0, 0, -10, 0, 0, 10, 0, 0, 10, 0, 0, 0, 0, 1, 0, 1]},
    ):
        path = scene(tmp_path, [{"camera": 0, "translation": [0, 0, 0.5]}, {"children": [0], **parent}])
        cameras = read_cameras(path, hw=HW)
        close(cameras.positions.flatten(), torch.tensor([5.0, 0, 1]).double())
        close(cameras.c2w[0, 0, :3, 2], torch.tensor([-1.0, 0, 0]).double())


def test_keys_of_all_nodes_are_frames(tmp_path: Path) -> None:
    """One camera moves linearly with keys at 0 and 2, another jumps at 1: frames at 0, 1 and 2 of both."""
    nodes = [{"camera": 0, "name": "slides"}, {"camera": 0, "name": "jumps"}, {"camera": 0, "name": "stands"}]
    slide = {"node": 0, "path": "translation", "times": [0, 2], "values": [[0, 0, 0], [4, 0, 0]]}
    jump = {"node": 1, "path": "translation", "times": [0, 1], "values": [[0, 0, 0], [6, 0, 0]], "how": "STEP"}
    named = read_named_cameras(scene(tmp_path, nodes, [slide, jump]), hw=HW)
    assert named.names == ("slides", "jumps", "stands") and named.times == (0.0, 1.0, 2.0)
    assert named.cameras.positions[..., 0].tolist() == [[0, 2, 4], [0, 6, 6], [0, 0, 0]]


@pytest.mark.parametrize("sign", [1, -1])
def test_rotations_between_keys_turn_evenly_the_short_way(sign: int, tmp_path: Path) -> None:
    turn = {"node": 0, "path": "rotation", "times": [0, 3], "values": [[0, 0, 0, 1], [sign * x for x in QUARTER]]}
    nod = {"node": 1, "path": "translation", "times": [0, 1, 3], "values": [[0, 0, 0]] * 3}
    cameras = read_cameras(scene(tmp_path, [{"camera": 0}, {"children": [0]}], [turn, nod]), hw=HW)
    forward = cameras.c2w[0, 1, :3, 2]
    angle = math.radians(30)  # a third of the way, from our y towards -x
    close(forward, torch.tensor([-math.sin(angle), math.cos(angle), 0]).double())


def test_zooms_and_shifted_lenses_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match="gltf holds cameras whose lens does not zoom; that of view 0, frame 1 is another"
    ):
        written(tmp_path, random_cameras(1, 2), "gltf")
    K = rig().K.clone()
    K[1, :, 0, 2] += 3
    with pytest.raises(
        InputError, match="gltf holds cameras whose lens is centred; that of view 1, frame 0 is another"
    ):
        written(tmp_path, Cameras(rig().c2w, K, HW), "gltf")


MOVE = {"node": 0, "path": "translation", "times": [0, 1], "values": [[0, 0, 0], [1, 0, 0]]}


@pytest.mark.parametrize(
    ("nodes", "tracks", "message"),
    [
        ([{"name": "light"}], [], "has no node with a camera; export the cameras too"),
        ([{"camera": 3}], [], r"nodes\[0\]\.camera: is 3, but there are only 1"),
        ([{"camera": 0, "children": [0]}], [], r"nodes\[0\]: is its own parent"),
        ([{"camera": 0}, {"children": [0]}, {"children": [0]}], [], r"nodes\[2\]\.children: node 0 has two parents"),
        ([{"camera": 0, "translation": [1, 2]}], [], r"nodes\[0\]\.translation: expected 3 numbers, got \[1, 2\]"),
        ([{"camera": 0, "rotation": [0, 0, 0, 2]}], [], r"nodes\[0\]\.rotation: the rotation is not a unit quaternion"),
        ([{"camera": 0, "scale": [1, 2, 3]}], [], r"nodes\[0\] at key 0: the rotation of c2w is not orthonormal"),
        ([{"camera": 0, "scale": [1, 1, -1]}], [], r"nodes\[0\] at key 0: .*left-handed|not orthonormal"),
        ([{"camera": 0, "name": 7}], [], r"nodes\[0\]\.name: expected a string, got 7"),
        ([{"camera": 0}], [MOVE, MOVE], r"channels\[1\]: node 0 has two animations of its translation; keep one"),
        ([{"camera": 0}], [MOVE | {"how": "CUBICSPLINE"}], r"samplers\[0\]: interpolation 'CUBICSPLINE' is not read"),
        ([{"camera": 0}], [MOVE | {"times": [1, 1]}], r"samplers\[0\]\.input, key 1: the time 1.0 stands there twice"),
        ([{"camera": 0}], [MOVE | {"times": [0, math.nan]}], r"samplers\[0\]\.input, key 1: the time is nan"),
        ([{"camera": 0}], [MOVE | {"times": [0]}], r"samplers\[0\]: has 1 times and translation of shape \(2, 3\)"),
        ([{"camera": 0}], [MOVE | {"path": "rotation"}], r"has 2 times and rotation of shape \(2, 3\)"),
        (
            [{"camera": 0}],
            [MOVE | {"values": [[0, 0, 0], [math.nan, 0, 0]]}],
            r"samplers\[0\]\.output, key 1: the translation has NaN or infinite",
        ),
    ],
)
def test_bad_scenes(nodes: list, tracks: list, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=rf"rig\.gltf.*({message})"):
        read_cameras(scene(tmp_path, nodes, tracks), hw=HW)


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        ({"asset": {"version": "1.0"}}, r"is not glTF 2.0 \(asset.version is '1.0'\); export it as glTF Embedded"),
        ({"asset": 7}, "is not glTF 2.0"),
        ({"nodes": 7}, "nodes: expected a list of objects"),
        (
            {"cameras": [{"type": "orthographic"}]},
            r"cameras\[0\]: is a camera of type 'orthographic', expected perspective",
        ),
        ({"cameras": [{"perspective": {"yfov": -1}}]}, r"cameras\[0\]\.perspective: yfov -1.0 and aspectRatio"),
        ({"cameras": [{"perspective": {}}]}, r"cameras\[0\]\.perspective\.yfov: expected a number, got None"),
        ({"buffers": [{"uri": "rig.bin"}]}, r"buffers\[0\]: is another file \('rig.bin'\); export as glTF Embedded"),
        ({"buffers": [{"uri": "data:x;base64,%%%"}]}, r"buffers\[0\]: is not base64"),
        (
            {"buffers": [{"uri": "data:x;base64,AAAA"}]},
            r"accessors\[0\]: ends at byte 8 of a buffer of 3; the file was cut",
        ),
    ],
)
def test_damaged_files(rest: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        read_cameras(scene(tmp_path, [{"camera": 0}], [MOVE], **rest), hw=HW, format="gltf")


def test_sizes_of_other_programs_must_be_given(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not say how large the pictures are"):
        read_cameras(scene(tmp_path, [{"camera": 0}]))


def test_cut_off(tmp_path: Path) -> None:
    path = written(tmp_path, rig(), "gltf")
    path.write_text(path.read_text()[:-40])
    with pytest.raises(InputError, match=r"rig\.gltf is not JSON"):
        read_cameras(path)
