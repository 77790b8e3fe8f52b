"""What models say without Blender: files beside them, their triangles; broken ones are one line, at once."""

import json
import os
import struct
from pathlib import Path
from typing import Any

import pytest

from syncam.errors import InputError
from syncam.render.asset_files import check_model, content_key, file_key, side_files

LARGE = {
    "asset": {"version": "2.0"},
    "accessors": [{"count": 30_000_000}, {"count": 8, "componentType": 5126}, {"count": 4000}],
    "meshes": [
        {"primitives": [{"attributes": {"POSITION": 1}, "indices": 0}]},
        {"primitives": [{"attributes": {"POSITION": 1}, "mode": 5}, {"attributes": {"POSITION": 1}, "mode": 1}]},
    ],
    "nodes": [{"mesh": 0}, {"mesh": 1}, {"mesh": 1, "extensions": {}}],
}


def glb(path: Path, content: dict[str, Any]) -> Path:
    text = json.dumps(content).encode()
    text += b" " * (-len(text) % 4)
    path.write_bytes(struct.pack("<4sIII4s", b"glTF", 2, 20 + len(text), len(text), b"JSON") + text)
    return path


def test_too_many_triangles_are_refused_before_the_import(tmp_path: Path) -> None:
    """The file is a few hundred bytes long and says that it has ten million."""
    large = glb(tmp_path / "large.glb", LARGE)
    message = r"^large\.glb has 10000012 triangles, more than 1000000; make it simpler, or raise its max_triangles$"
    with pytest.raises(InputError, match=message):
        check_model(large, 1_000_000)
    check_model(large, 10_000_012)
    several = {"EXT_mesh_gpu_instancing": {"attributes": {"TRANSLATION": 2}}}
    trees = LARGE | {"nodes": [{"mesh": 1, "extensions": several}]}
    with pytest.raises(InputError, match="trees.gltf has 24000 triangles, more than 23999"):
        (tmp_path / "trees.gltf").write_text(json.dumps(trees))
        check_model(tmp_path / "trees.gltf", 23_999)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is no glTF file that can be read"),
        (b"glTF" + bytes(40), "it does not begin as a .glb file does"),
        (struct.pack("<4sIII4s", b"glTF", 2, 24, 4, b"JSON") + b"[1] ", "it holds no object"),
        (struct.pack("<4sIII4s", b"glTF", 2, 40, 20, b"JSON") + b'{"nodes":[{"mesh":3}', "Expecting"),
    ],
)
def test_broken_files_are_one_line(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "broken.glb").write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        check_model(tmp_path / "broken.glb", 10)
    assert "\n" not in str(caught.value)


def test_a_mesh_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="its meshes or nodes are wrong"):
        check_model(glb(tmp_path / "odd.glb", {"nodes": [{"mesh": 3}]}), 10)


def gltf(folder: Path) -> Path:
    """A file with its buffer and a texture beside it, another one inside."""
    (folder / "tex").mkdir()
    (folder / "fox.bin").write_bytes(b"1234")
    (folder / "tex" / "red fur.png").write_bytes(b"picture")
    images = [{"uri": "tex/red%20fur.png"}, {"uri": "data:image/png;base64,AA=="}, {"bufferView": 0}]
    (folder / "fox.gltf").write_text(json.dumps({"buffers": [{"uri": "fox.bin"}], "images": images}))
    return folder / "fox.gltf"


@pytest.mark.parametrize("name", ["fox.bin", "tex/red fur.png"])
def test_side_files_of_gltf(tmp_path: Path, name: str) -> None:
    """They are part of the content; one that is missing is named."""
    fox = gltf(tmp_path)
    (tmp_path / "other.png").write_bytes(b"of somebody else")
    assert side_files(fox) == [tmp_path / "fox.bin", tmp_path / "tex" / "red fur.png"]
    before = content_key(fox)
    check_model(fox, 10)
    (tmp_path / name).write_bytes(b"changed")
    os.utime(tmp_path / name, ns=(1, 1))
    assert content_key(fox) != before != file_key(fox)
    (tmp_path / name).unlink()
    with pytest.raises(InputError, match=rf"fox\.gltf needs {Path(name).name}, which is not there: there is no /.*"):
        check_model(fox, 10)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("fox.fbx", {"fur.png", "deep/eye.TGA", "../wood.jpg"}),
        ("fox.usdc", {"fur.png", "deep/eye.TGA", "part.usda", "../wood.jpg"}),
        ("fox.usdz", set()),
        ("fox.blend", {"fur.png", "deep/eye.TGA", "linked.blend", "../wood.jpg"}),
    ],
)
def test_side_files_of_other_kinds(tmp_path: Path, name: str, expected: set[str]) -> None:
    folder = tmp_path / "in"
    (folder / "deep").mkdir(parents=True)
    for other in ("fur.png", "deep/eye.TGA", "part.usda", "linked.blend", "notes.txt", "../wood.jpg", "../cat.jpg"):
        (folder / other).write_bytes(b"x")
    (folder / name).write_bytes(b"\x00\x05RelativeFilename\x00S\x0b\x00\x00\x00..\\wood.jpg\x00\x01")
    assert set(side_files(folder / name)) == {(folder / other).resolve() for other in expected}
