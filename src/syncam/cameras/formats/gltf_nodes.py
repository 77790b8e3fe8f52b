"""Where the cameras of a glTF scene stand at every key: nodes, their parents and the animations of both."""

import base64
import binascii
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from syncam.cameras.formats.json_values import number, whole
from syncam.cameras.formats.sequence import refuse_bad_times
from syncam.cameras.quaternions import rotation_from_quaternion, unit_quaternions
from syncam.errors import InputError

__all__ = ["CameraNode", "camera_nodes", "key_times", "world_matrices"]

FLOAT = 5126
WIDTHS = {"SCALAR": 1, "VEC3": 3, "VEC4": 4}
DEFAULTS = {"translation": [0.0, 0.0, 0.0], "rotation": [0.0, 0.0, 0.0, 1.0], "scale": [1.0, 1.0, 1.0]}


@dataclass(frozen=True)
class CameraNode:
    """A node with a camera; `chain` are the numbers of its parents from the root, and its own."""

    index: int
    name: str
    camera: int
    chain: list[int]
    tracks: dict[tuple[int, str], "Track"] = field(default_factory=dict)


@dataclass(frozen=True)
class Track:
    """The keys of one node's translation, rotation or scale."""

    times: Float[Tensor, "T"]
    values: Float[Tensor, "T D"]
    steps: bool


def camera_nodes(path: Path, content: dict[str, Any]) -> list[CameraNode]:
    """The nodes that have a camera, in the order of the file."""
    nodes = _objects(path, content, "nodes")
    cameras = _objects(path, content, "cameras")
    parents: dict[int, int] = {}
    for index, node in enumerate(nodes):
        children = node.get("children", [])
        if not isinstance(children, list):
            raise InputError(f"{path}, nodes[{index}].children: expected a list of numbers, got {children!r:.60}")
        for child in children:
            child = _index(child, len(nodes), f"{path}, nodes[{index}].children")
            if child in parents:
                raise InputError(f"{path}, nodes[{index}].children: node {child} has two parents")
            parents[child] = index
    tracks = _tracks(path, content, len(nodes))
    found = []
    for index, node in enumerate(nodes):
        if "camera" not in node:
            continue
        chain = [index]
        while (parent := parents.get(chain[0])) is not None:
            if parent in chain:
                raise InputError(f"{path}, nodes[{index}]: is its own parent")
            chain.insert(0, parent)
        camera = _index(node["camera"], len(cameras), f"{path}, nodes[{index}].camera")
        name = node.get("name", "")
        if not isinstance(name, str):
            raise InputError(f"{path}, nodes[{index}].name: expected a string, got {name!r:.60}")
        own = {key: track for key, track in tracks.items() if key[0] in chain}
        found.append(CameraNode(index, name or f"cam{len(found) + 1:02d}", camera, chain, own))
    if not found:
        raise InputError(f"{path} has no node with a camera; export the cameras too")
    return found


def key_times(path: Path, content: dict[str, Any], nodes: list[CameraNode]) -> list[float]:
    """All times at which a camera or a parent of one has a key; none for cameras that stand still."""
    return sorted({time for node in nodes for track in node.tracks.values() for time in track.times.tolist()})


def world_matrices(path: Path, content: dict[str, Any], node: CameraNode, times: list[float]) -> Float[Tensor, "F 4 4"]:
    """c2w with OpenGL camera axes in glTF's world, one per key; scale is taken off, as it means nothing to a camera."""
    at = torch.tensor(times or [0.0], dtype=torch.float64)
    matrices = torch.eye(4, dtype=torch.float64).expand(len(at), 4, 4)
    for index in node.chain:
        matrices = matrices @ _local(path, content["nodes"][index], index, node.tracks, at)
    matrices = matrices.clone()
    scale = torch.linalg.det(matrices[:, :3, :3]).clamp(min=1e-30) ** (1 / 3)
    matrices[:, :3, :3] /= scale[:, None, None]
    return matrices


def _local(
    path: Path, node: dict[str, Any], index: int, tracks: dict[tuple[int, str], Track], at: Float[Tensor, "F"]
) -> Float[Tensor, "F 4 4"]:
    place = f"{path}, nodes[{index}]"
    if "matrix" in node:
        columns = torch.tensor(_numbers(node["matrix"], 16, f"{place}.matrix"), dtype=torch.float64)
        return columns.view(4, 4).T.expand(len(at), 4, 4)
    parts = {}
    for key, default in DEFAULTS.items():
        if (track := tracks.get((index, key))) is not None:
            parts[key] = _sampled(track, at, turns=key == "rotation")
        else:
            numbers = _numbers(node.get(key, default), len(default), f"{place}.{key}")
            parts[key] = torch.tensor([numbers], dtype=torch.float64)
    turn = rotation_from_quaternion(unit_quaternions(parts["rotation"], lambda _: f"{place}.rotation"))
    matrix = torch.eye(4, dtype=torch.float64).repeat(len(at), 1, 1)
    matrix[:, :3, :3] = turn * parts["scale"][:, None, :]
    matrix[:, :3, 3] = parts["translation"]
    return matrix


def _sampled(track: Track, at: Float[Tensor, "F"], *, turns: bool) -> Float[Tensor, "F D"]:
    """The values at those times: held before the first and after the last key, between them linear or spherical."""
    after = torch.searchsorted(track.times, at, right=True).clamp(1, max(len(track.times) - 1, 1))
    before = after - 1
    after = after.clamp(max=len(track.times) - 1)
    span = (track.times[after] - track.times[before]).clamp(min=1e-12)
    share = ((at - track.times[before]) / span).clamp(0, 1)[:, None]
    if track.steps:
        share = share.floor()
    start, end = track.values[before], track.values[after]
    if not turns:
        return start + (end - start) * share
    cosine = (start * end).sum(-1, keepdim=True)
    end = torch.where(cosine < 0, -end, end)
    angle = torch.acos(cosine.abs().clamp(max=1.0))
    near = angle < 1e-6
    sine = torch.where(near, torch.ones_like(angle), angle.sin())
    left = torch.where(near, 1 - share, ((1 - share) * angle).sin() / sine)
    right = torch.where(near, share, (share * angle).sin() / sine)
    return left * start + right * end


def _tracks(path: Path, content: dict[str, Any], num_nodes: int) -> dict[tuple[int, str], Track]:
    """The animated translations, rotations and scales by node."""
    tracks: dict[tuple[int, str], Track] = {}
    for number_, animation in enumerate(_objects(path, content, "animations")):
        place = f"{path}, animations[{number_}]"
        samplers = _objects(path, animation, "samplers", f"animations[{number_}].")
        for at, channel in enumerate(_objects(path, animation, "channels", f"animations[{number_}].")):
            target = channel.get("target")
            if not isinstance(target, dict) or target.get("path") not in DEFAULTS or "node" not in target:
                continue  # weights of meshes and extensions move no camera
            key = (_index(target["node"], num_nodes, f"{place}.channels[{at}].target.node"), str(target["path"]))
            if key in tracks:
                raise InputError(f"{place}.channels[{at}]: node {key[0]} has two animations of its {key[1]}; keep one")
            index = _index(channel.get("sampler"), len(samplers), f"{place}.channels[{at}].sampler")
            tracks[key] = _track(path, content, samplers[index], f"animations[{number_}].samplers[{index}]", key[1])
    return tracks


def _track(path: Path, content: dict[str, Any], sampler: dict[str, Any], place: str, target: str) -> Track:
    interpolation = sampler.get("interpolation", "LINEAR")
    if interpolation not in ("LINEAR", "STEP"):
        raise InputError(
            f"{path}, {place}: interpolation {interpolation!r} is not read; export with sampled animations"
        )
    times = _accessor(path, content, sampler.get("input"), f"{place}.input")[:, 0]
    values = _accessor(path, content, sampler.get("output"), f"{place}.output")
    if len(values) != len(times) or values.shape[1] != len(DEFAULTS[target]) or not len(times):
        raise InputError(
            f"{path}, {place}: has {len(times)} times and {target} of shape {tuple(values.shape)}; expected one each"
        )
    refuse_bad_times(path, times, lambda index: f"{place}.input, key {index}")
    for index in (~torch.isfinite(values).all(-1)).nonzero()[:1, 0].tolist():
        raise InputError(f"{path}, {place}.output, key {index}: the {target} has NaN or infinite numbers")
    if target == "rotation":
        values = unit_quaternions(values, lambda index: f"{path}, {place}.output, key {index}")
    return Track(times, values, interpolation == "STEP")


def _accessor(path: Path, content: dict[str, Any], index: Any, place: str) -> Float[Tensor, "N D"]:
    accessors = _objects(path, content, "accessors")
    accessor = accessors[_index(index, len(accessors), f"{path}, {place}")]
    place = f"{path}, accessors[{index}]"
    width = WIDTHS.get(str(accessor.get("type")))
    if accessor.get("componentType") != FLOAT or width is None or "sparse" in accessor or "bufferView" not in accessor:
        raise InputError(f"{place}: expected floats (componentType {FLOAT}) as SCALAR, VEC3 or VEC4 in a bufferView")
    views = _objects(path, content, "bufferViews")
    view = views[_index(accessor["bufferView"], len(views), f"{place}.bufferView")]
    if "byteStride" in view:
        raise InputError(f"{place}: keys with a byteStride are not glTF")
    data = _buffer(path, content, view.get("buffer"))
    start, inner = whole(view.get("byteOffset", 0), f"{place}, byteOffset"), accessor.get("byteOffset", 0)
    start += whole(inner, f"{place}.byteOffset")
    length = 4 * width * whole(accessor.get("count"), f"{place}.count")
    if start + length > len(data):
        raise InputError(f"{place}: ends at byte {start + length} of a buffer of {len(data)}; the file was cut off")
    numbers = np.frombuffer(data, dtype="<f4", count=length // 4, offset=start)
    return torch.tensor(numbers.astype(np.float64)).view(-1, width)


def _buffer(path: Path, content: dict[str, Any], index: Any) -> bytes:
    buffers = _objects(path, content, "buffers")
    uri = buffers[_index(index, len(buffers), f"{path}, bufferViews.buffer")].get("uri")
    if not isinstance(uri, str) or not uri.startswith("data:") or ";base64," not in uri[:200]:
        raise InputError(f"{path}, buffers[{index}]: is another file ({uri!r:.60}); export as glTF Embedded")
    try:
        return base64.b64decode(uri.partition(",")[2], validate=True)
    except (binascii.Error, ValueError) as err:
        raise InputError(f"{path}, buffers[{index}]: is not base64: {err}") from err


def _objects(path: Path, content: dict[str, Any], key: str, place: str = "") -> list[dict[str, Any]]:
    value = content.get(key, [])
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise InputError(f"{path}, {place}{key}: expected a list of objects")
    return value


def _index(value: Any, count: int, place: str) -> int:
    index = whole(value, place)
    if index >= count:
        raise InputError(f"{place}: is {index}, but there are only {count}")
    return index


def _numbers(value: Any, count: int, place: str) -> list[float]:
    if not isinstance(value, list) or len(value) != count:
        raise InputError(f"{place}: expected {count} numbers, got {value!r:.60}")
    return [number(item, f"{place}[{index}]") for index, item in enumerate(value)]
