"""Labels of a scene on disk: what every pixel shows, where the joints are, who is seen from where.

<scene>/labels/depth/cam01.mkv ...      one file per view: numbers without loss (FFV1), every frame a keyframe
               normals/, instances/, flow_forward/, flow_backward/
               joints.npz               one file per scene
               visibility.npz
"""

import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Shaped
from torch import Tensor

from syncam.cameras.formats.sequence import natural
from syncam.data.decoding import check_gray, read_gray
from syncam.data.tar_member import TarMember
from syncam.data.video import gray_writer
from syncam.errors import InputError

__all__ = [
    "FOLDER",
    "KINDS",
    "PIXELS",
    "LabelFiles",
    "label_kinds",
    "label_problems",
    "label_writer",
    "labels_in",
    "read_labels",
    "write_arrays",
    "write_labels",
]

FOLDER = "labels"
OCTAVE, NEAREST = 3200, 7
"""Depth in steps of 1/3200 octave from 2 ** -7 m on."""
FLOW_STEPS, FLOW_ZERO = 64, 32768
NORMAL_STEPS = 2047


@dataclass(frozen=True)
class Stored:
    """How a label of pixels is stored: one grey picture per frame, its channels below each other."""

    channels: int
    meaning: str
    """What the numbers v mean; it stands in the file too."""
    encode: Callable[[np.ndarray], np.ndarray]
    """Values to numbers v, uint8 or uint16, of the same shape: [..., H, W], or [..., H, W, C] for C > 1 channels."""
    decode: Callable[[np.ndarray], np.ndarray]


def _encode_depth(depth: np.ndarray) -> np.ndarray:
    seen = ~np.isinf(depth)
    code = np.rint((np.log2(np.where(seen, depth, 1.0)) + NEAREST) * OCTAVE)
    if not ((code >= 1) & (code <= 65535)).all():
        wrong = depth[seen & ~((code >= 1) & (code <= 65535))][0]
        raise InputError(f"depth must lie between 0.008 and 11000 metres, or be infinite, got {wrong:g}")
    return np.where(seen, code, 0).astype(np.uint16)


def _decode_depth(code: np.ndarray) -> np.ndarray:
    metres = np.exp2(code.astype(np.float32) / OCTAVE - NEAREST)
    return np.where(code == 0, np.float32(np.inf), metres)


def _encode_normals(normals: np.ndarray) -> np.ndarray:
    return np.rint((np.clip(normals, -1.0, 1.0) + 1.0) * NORMAL_STEPS).astype(np.uint16)


def _decode_normals(code: np.ndarray) -> np.ndarray:
    normals = code.astype(np.float32) / NORMAL_STEPS - 1.0
    length = np.linalg.norm(normals, axis=-1, keepdims=True)
    return np.divide(normals, length, out=np.zeros_like(normals), where=length > 0.5)


def _encode_flow(flow: np.ndarray) -> np.ndarray:
    code = flow * FLOW_STEPS
    np.rint(code, out=code)
    code += FLOW_ZERO
    inside = (code >= 1) & (code <= 65535)  # NaN is not
    code[~(inside[..., 0] & inside[..., 1])] = 0
    return code.astype(np.uint16)


def _decode_flow(code: np.ndarray) -> np.ndarray:
    pixels = (code.astype(np.float32) - FLOW_ZERO) / FLOW_STEPS
    return np.where(code == 0, np.float32(np.nan), pixels)


_FLOW = "above: pixels to the right, below: pixels down; each (v - 32768) / 64; 0: not known"
PIXELS: dict[str, Stored] = {
    "depth": Stored(1, "metres along the camera's z axis: 2 ** (v / 3200 - 7); 0: sky", _encode_depth, _decode_depth),
    "normals": Stored(
        3, "x, y and z in world axes, below each other: v / 2047 - 1; sky: all 0", _encode_normals, _decode_normals
    ),
    "instances": Stored(1, "0: nobody, v: character number v of the scene", lambda ids: ids, lambda ids: ids),
    "flow_forward": Stored(2, f"to the next frame; {_FLOW}", _encode_flow, _decode_flow),
    "flow_backward": Stored(2, f"to the previous frame; {_FLOW}", _encode_flow, _decode_flow),
}
"""Kind -> how it is stored, one file per view."""
WHOLE = {"joints": "joints", "joints_world": "joints", "visibility": "visibility"}
"""Kind -> the npz file of the scene in which it is an array."""
KINDS = (*PIXELS, *WHOLE)


def write_labels(folder: str | Path, names: Sequence[str], labels: Mapping[str, np.ndarray], fps: float) -> None:
    """Writes the labels of the views `names` into a scene folder.

    labels: kind -> array as `Renderer.render` returns it ([V, F, H, W] and so on), and visibility [F, P, V, V].
    InputError for a kind that there is not.
    """
    if unknown := [kind for kind in labels if kind not in KINDS]:
        raise InputError(f"there are no labels {unknown[0]!r}; expected some of {', '.join(KINDS)}")
    for kind in [kind for kind in labels if kind in PIXELS]:
        for name, values in zip(names, labels[kind], strict=True):
            with label_writer(folder, name, kind, fps) as write:
                for picture in values:
                    write(picture)
    write_arrays(folder, labels)


@contextmanager
def label_writer(
    folder: str | Path, name: str, kind: str, fps: float
) -> Iterator[Callable[[Shaped[np.ndarray, "H W *C"]], None]]:
    """Writes labels of pixels of one view into a scene folder, picture by picture: yields what takes the next one."""
    path, stored = Path(folder) / FOLDER / kind / f"{name}.mkv", PIXELS[kind]
    path.parent.mkdir(parents=True, exist_ok=True)
    with gray_writer(path, fps, f"{kind}: {stored.meaning}") as write:

        def encoded(picture: np.ndarray) -> None:
            height, width = picture.shape[:2]
            rows = np.moveaxis(stored.encode(picture).reshape(height, width, -1), -1, 0)
            write(rows.reshape(-1, width))  # [C * H, W]

        yield encoded


def write_arrays(folder: str | Path, labels: Mapping[str, np.ndarray]) -> None:
    """Writes those of the labels that are arrays of the whole scene: joints and joints_world, visibility."""
    base = Path(folder) / FOLDER
    for file in dict.fromkeys(WHOLE.values()):
        if arrays := {kind: labels[kind] for kind in labels if WHOLE.get(kind) == file}:
            base.mkdir(parents=True, exist_ok=True)
            np.savez_compressed(base / f"{file}.npz", allow_pickle=False, **arrays)


@dataclass(frozen=True)
class LabelFiles:
    """The labels of one scene, wherever they lie."""

    scene: Path
    """Stands for the scene in complaints."""
    names: Callable[[], Sequence[str]]
    """The views, in their order."""
    files: Mapping[str, Path | TarMember]
    """What there is, by its name in the folder of labels, such as depth/cam01.mkv."""

    def path(self, name: str) -> Path:
        """What complaints call a file."""
        return self.scene / FOLDER / name

    def find(self, name: str) -> Path | TarMember:
        """InputError, with what there is instead, if that file is missing."""
        if name not in self.files:
            kinds = label_kinds(self)
            there = f"has {', '.join(kinds)}" if kinds else "has no labels; syncam render --labels writes them"
            raise InputError(f"{self.path(name)} is missing; the scene {there}")
        return self.files[name]


def labels_in(folder: str | Path) -> LabelFiles:
    """The labels in a scene folder."""
    folder = Path(folder)
    found = [*(folder / FOLDER).glob("*.npz"), *(folder / FOLDER).glob("*/*.mkv")]
    files = {path.relative_to(folder / FOLDER).as_posix(): path for path in found}
    return LabelFiles(folder, lambda: _names(folder), files)


def label_kinds(folder: str | Path | LabelFiles) -> tuple[str, ...]:
    """The kinds of labels that a scene has; joints and joints_world come together."""
    labels = folder if isinstance(folder, LabelFiles) else labels_in(folder)
    there = {name.partition("/")[0] for name in labels.files}
    return tuple(kind for kind in KINDS if kind in there or (kind in WHOLE and f"{WHOLE[kind]}.npz" in there))


def read_labels(
    folder: str | Path | LabelFiles, view: int | None, kind: str, frames: Sequence[int] | None = None
) -> Shaped[Tensor, "*shape"]:
    """One kind of labels of one view of a scene, by its folder or its files, of the chosen frames or of all.

    depth: float32 [F, H, W], metres along the camera's z axis to within 1.1e-4 of the value, inf in the sky.
    normals: float32 [F, H, W, 3], unit vectors in world axes to within 0.03 degrees; 0 in the sky.
    instances: uint8 [F, H, W], 0 nobody, 1 the first character of the scene.
    flow_forward, flow_backward: float32 [F, H, W, 2], pixels right and down to within 1/128; NaN where there is none,
    and for more than 511 pixels.
    joints: float32 [F, P, 24, 3] of P characters: column, row (pixels) and depth (metres); view None: of all views
    [V, F, P, 24, 3].
    joints_world: float32 [F, P, 24, 3] metres, the same for every view and for None.
    visibility: float32 [F, P, V], the share of a character's pixels in this view that every view sees; view None:
    from all views [F, P, V, V].

    InputError with the file's name where it is missing or damaged.
    """
    if kind not in KINDS:
        also = "; flow is stored as flow_forward and flow_backward" if kind == "flow" else ""
        raise InputError(f"there are no labels {kind!r}; expected one of {', '.join(KINDS)}{also}")
    labels = folder if isinstance(folder, LabelFiles) else labels_in(folder)
    if kind in WHOLE:
        return torch.from_numpy(_of_scene(labels, view, kind, frames))
    names = labels.names()
    if view is None or not 0 <= view < len(names):
        raise InputError(
            f"{kind} is stored for each view; views of {labels.scene} must lie in 0..{len(names) - 1}, got {view}"
        )
    path, stored = labels.find(f"{kind}/{names[view]}.mkv"), PIXELS[kind]
    rows = read_gray(path, frames)
    count, height, width = rows.shape
    if height % stored.channels:
        raise InputError(f"{path} has {height} rows of numbers, expected a multiple of {stored.channels} for {kind}")
    code = np.moveaxis(rows.reshape(count, stored.channels, -1, width), 1, -1)
    return torch.from_numpy(np.ascontiguousarray(stored.decode(code if stored.channels > 1 else code[..., 0])))


def label_problems(folder: str | Path | LabelFiles, num_frames: int, hw: tuple[int, int]) -> Iterator[tuple[Path, str]]:
    """File and complaint for every label that is missing, damaged or of another size; everything is decoded."""
    labels = folder if isinstance(folder, LabelFiles) else labels_in(folder)
    names = labels.names()
    for kind in label_kinds(labels):
        for name in names if kind in PIXELS else ():
            path = labels.path(f"{kind}/{name}.mkv")
            expected = (num_frames, (PIXELS[kind].channels * hw[0], hw[1]))
            try:
                found = check_gray(labels.find(f"{kind}/{name}.mkv"))
            except (InputError, OSError) as err:
                yield path, str(err)
            else:
                if found != expected:
                    yield path, f"{path} has frames and size {found}, expected {expected}"
        if kind in WHOLE:
            path = labels.path(f"{WHOLE[kind]}.npz")
            try:
                shape = _array(labels.find(f"{WHOLE[kind]}.npz"), kind).shape
            except (InputError, OSError) as err:
                yield path, str(err)
            else:
                views = {"joints": shape[:1], "visibility": shape[2:]}.get(kind, ())
                if shape[1 if kind == "joints" else 0] != num_frames or set(views) - {len(names)}:
                    yield path, f"{path} holds {kind} of shape {shape} for {len(names)} views of {num_frames} frames"


def _of_scene(labels: LabelFiles, view: int | None, kind: str, frames: Sequence[int] | None) -> np.ndarray:
    path = labels.find(f"{WHOLE[kind]}.npz")
    values = _array(path, kind)
    time = 1 if kind == "joints" else 0
    if frames is not None:
        if not frames or not 0 <= min(frames) <= max(frames) < values.shape[time]:
            raise InputError(f"frames of {path} must lie in 0..{values.shape[time] - 1}, got {list(frames)}")
        values = values.take(list(frames), axis=time)
    views = {"joints": values.shape[0], "visibility": values.shape[-1]}.get(kind)
    if view is None or views is None:
        return values
    if not 0 <= view < views:
        raise InputError(f"views of {labels.scene} must lie in 0..{views - 1}, got {view}")
    return values[view] if kind == "joints" else values[:, :, view]


def _array(path: Path | TarMember, kind: str) -> np.ndarray:
    try:
        with (
            path.open("rb") if isinstance(path, Path) else path.open() as raw,
            np.load(raw, allow_pickle=False) as file,
        ):
            values = file[kind]
    except (ValueError, KeyError, EOFError, OSError, zipfile.BadZipFile, zlib.error) as err:
        raise InputError(f"{path} cannot be read ({err}); expected an npz file with {kind}") from err
    dims = {"joints": 5, "joints_world": 4, "visibility": 4}[kind]
    if values.ndim != dims:
        raise InputError(f"{path} holds {kind} of shape {values.shape}; expected {dims} axes")
    return values


def _names(folder: Path) -> list[str]:
    """The views: the names of the videos in their order."""
    names = sorted((path.stem for path in (folder / "videos").glob("[!.]*.mp4")), key=natural)
    if not names:
        raise InputError(f"{folder / 'videos'} holds no mp4 files, which name the views that labels are of")
    return names
