"""What a model's file says without Blender: the files beside it that it needs, and how many triangles it has."""

import hashlib
import json
import re
import struct
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from syncam.errors import InputError

__all__ = ["check_model", "content_key", "side_files"]

_PICTURES = (".png", ".jpg", ".jpeg", ".tga", ".tif", ".tiff", ".bmp", ".dds", ".webp", ".psd", ".exr", ".hdr", ".ktx2")
_LAYERS = {".usd": (".usd", ".usda", ".usdc", ".usdz"), ".fbx": (), ".blend": (".blend",)}
"""Kind of model -> models that one of its kind may be made of."""
_NAMED = re.compile(rb"[\w.()+@/\\ -]{1,200}?\.(?:png|jpe?g|tga|tiff?|bmp|dds|webp|psd|exr|hdr)", re.IGNORECASE)


def check_model(file: Path, max_triangles: int) -> None:
    """InputError if a model lacks a file that it names, or says that it has more triangles, as far as that can be known
    before it is imported: of .glb and .gltf."""
    if (content := _gltf(file)) is None:
        return
    for path in _named_in_gltf(file, content):
        if not path.is_file():
            raise InputError(f"{file.name} needs {path.name}, which is not there: there is no {path}")
    try:
        triangles = _triangles(content)
    except (KeyError, IndexError, TypeError, AttributeError) as err:
        raise InputError(f"{file} is no glTF file that can be read: its meshes or nodes are wrong ({err!r})") from err
    check_triangles(file.name, triangles, max_triangles)


def check_triangles(name: str, triangles: int, most: int) -> None:
    """InputError for a model with more than that."""
    if triangles > most:
        raise InputError(
            f"{name} has {triangles} triangles, more than {most}; make it simpler, or raise its max_triangles"
        )


def side_files(file: Path) -> list[Path]:
    """The files besides itself that a model may be made of, as far as they are there.

    Of .glb and .gltf these are the ones it names. Others do not say it in a way that is easily read: all pictures, and
    models of its kind, in its folder and below, and pictures elsewhere whose paths occur in it; rather too many than
    too few.
    """
    content = _gltf(file)
    if content is not None:
        return sorted({path for path in _named_in_gltf(file, content) if path.is_file()})
    kind = ".usd" if file.suffix.lower().startswith(".usd") else file.suffix.lower()
    suffixes = (*_PICTURES, *_LAYERS.get(kind, ()))
    if kind not in _LAYERS or file.suffix.lower() == ".usdz":
        return []
    below = {path for path in file.parent.rglob("*") if path.suffix.lower() in suffixes and path.is_file()}
    return sorted((below | set(_pictures_named_in(file))) - {file})


def content_key(file: Path) -> str:
    """A name for what a file and those that it is made of hold; the SHA-256 of the file if there are no others."""
    others = side_files(file)
    if not others:
        return file_key(file)
    digest = hashlib.sha256(file_key(file).encode())
    for path in others:
        digest.update(f"{path.name} {file_key(path)}".encode())
    return digest.hexdigest()


def file_key(file: Path) -> str:
    """The SHA-256 of a file."""
    told = file.stat()
    return _file_key(file, told.st_mtime_ns, told.st_size)


@lru_cache(maxsize=4096)
def _file_key(file: Path, changed_ns: int, size: int) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _pictures_named_in(file: Path) -> Iterator[Path]:
    for found in set(_NAMED.findall(file.read_bytes())):
        path = file.parent / found.decode("latin-1").strip().replace("\\", "/")
        if path.is_file():
            yield path.resolve()


def _gltf(file: Path) -> dict[str, Any] | None:
    """The JSON of a .glb or .gltf file; None for other kinds."""
    if file.suffix.lower() not in (".glb", ".gltf"):
        return None
    try:
        if file.suffix.lower() == ".gltf":
            text = file.read_bytes()
        else:
            with file.open("rb") as opened:
                magic, _, _, length, kind = struct.unpack("<4sIII4s", opened.read(20))
                if magic != b"glTF" or kind != b"JSON":
                    raise ValueError("it does not begin as a .glb file does")
                text = opened.read(length)
        content = json.loads(text)
    except (ValueError, struct.error) as err:
        raise InputError(f"{file} is no glTF file that can be read ({err}); export it again") from err
    if not isinstance(content, dict):
        raise InputError(f"{file} is no glTF file that can be read (it holds no object); export it again")
    return content


def _named_in_gltf(file: Path, content: dict[str, Any]) -> list[Path]:
    rows = [row for kind in ("buffers", "images") for row in content.get(kind, []) if isinstance(row, dict)]
    names = [row["uri"] for row in rows if isinstance(row.get("uri"), str) and not row["uri"].startswith("data:")]
    return [(file.parent / unquote(name)).resolve() for name in names]


def _triangles(content: dict[str, Any]) -> int:
    """Of all meshes, as often as nodes show them."""
    counts = [accessor["count"] for accessor in content.get("accessors", [])]
    meshes = []
    for mesh in content.get("meshes", []):
        total = 0
        for part in mesh["primitives"]:
            corners = counts[part["indices"] if "indices" in part else part["attributes"]["POSITION"]]
            mode = part.get("mode", 4)
            total += corners // 3 if mode == 4 else max(corners - 2, 0) if mode in (5, 6) else 0
        meshes.append(total)
    total = 0
    for node in content.get("nodes", []):
        if "mesh" in node:
            several = node.get("extensions", {}).get("EXT_mesh_gpu_instancing", {}).get("attributes", {})
            times = max([counts[index] for index in several.values()], default=1)
            total += meshes[node["mesh"]] * times
    return total
