"""Labels out of the passes that Blender writes. Loaded by worker.py."""

import struct

import numpy as np


def label_arrays(channels):
    """Depth, instances and, where rendered, normals and flow, from the channels of Blender's passes."""
    depth = channels["Depth.Z"]
    sky = depth > 1e9
    found: dict[str, np.ndarray] = {"depth": np.where(sky, np.inf, depth).astype(np.float32)}
    found["instance"] = np.where(sky, 0, np.rint(channels["IndexOB.X"])).astype(np.uint16)
    if "Normal.X" in channels:
        normal = np.stack([channels[f"Normal.{axis}"] for axis in "XYZ"], -1)
        length = np.linalg.norm(normal, axis=-1, keepdims=True)
        found["normal"] = np.where(length > 0, normal / np.maximum(length, 1e-12), 0).astype(np.float32)
    if "Vector.X" in channels:  # Blender's signs: (x, -y) to the previous frame, (-x, y) to the next
        found["flow_backward"] = np.stack([channels["Vector.X"], -channels["Vector.Y"]], -1)
        found["flow_forward"] = np.stack([-channels["Vector.Z"], channels["Vector.W"]], -1)
    return found


def read_exr(path):
    """Channel -> float32 [H, W] of an uncompressed EXR file, by the last two parts of the channels' names."""
    with open(path, "rb") as file:
        data = file.read()
    if data[:4] != b"\x76\x2f\x31\x01":
        raise ValueError(f"{path} is not an EXR file")
    at, header = 8, {}
    while data[at]:
        end = data.index(b"\0", at)
        kind_end = data.index(b"\0", end + 1)
        size = struct.unpack_from("<i", data, kind_end + 1)[0]
        header[data[at:end].decode()] = data[kind_end + 5 : kind_end + 5 + size]
        at = kind_end + 5 + size
    if header["compression"] != b"\0":
        raise ValueError(f"{path} is compressed")
    left, top, right, bottom = struct.unpack("<4i", header["dataWindow"])
    width, height = right - left + 1, bottom - top + 1
    names, kinds, rest = [], [], header["channels"]
    while rest[0]:
        name, _, rest = rest.partition(b"\0")
        names.append(".".join(name.decode().split(".")[-2:]))
        kinds.append({1: "<f2", 2: "<f4"}[struct.unpack_from("<i", rest)[0]])
        rest = rest[16:]
    row = np.dtype([("y", "<i4"), ("size", "<i4"), *((f"c{i}", kind, width) for i, kind in enumerate(kinds))])
    rows = np.frombuffer(data, row, height, at + 1 + 8 * height)  # one line after the other, in rising order
    if not np.array_equal(rows["y"], np.arange(top, bottom + 1)):
        raise ValueError(f"{path} has its lines in another order")
    return {name: rows[f"c{i}"].astype(np.float32) for i, name in enumerate(names)}
