"""Data sets in tar files, in the format of webdataset: read where they lie, in any order, without unpacking.

<root>/train-000000.tar      scenes of one split, one after the other; a scene's files share a name up to the first dot:
                             train/f24_aperture5/scene1.cam01.mp4, ...scene1.cameras.json, ...scene1.caption.txt
<root>/train-000000.json     where each of them begins, how long it is, and the checksum of the tar file
<root>/index.json            all tar files with their checksums
"""

import tarfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from jaxtyping import Bool
from torch import Tensor

from syncam.cameras.cameras import Cameras
from syncam.cameras.formats.sequence import natural
from syncam.cameras.formats.source import read_json
from syncam.data.dataset import read_mask
from syncam.data.footage import Footage, VideoFile
from syncam.data.labels import FOLDER, LabelFiles
from syncam.data.scene import read_caption
from syncam.data.syncamvideo import PublishedScene
from syncam.data.tar_member import TarMember
from syncam.errors import InputError
from syncam.files import atomic_dir

__all__ = ["SCHEMA", "Layout", "ShardScene", "file_in_scene", "find_shard_scenes", "holds_shards", "name_in_shard"]

SCHEMA = "syncam-shard"
VERSION = 1
CAMERAS = PurePosixPath("cameras/rig.json")
CAPTION = PurePosixPath("caption.txt")

Layout = dict[str, dict[str, tuple[int, int]]]
"""Scene -> file -> where its bytes begin in the tar file, and how many they are."""


def name_in_shard(file: PurePosixPath) -> str:
    """What a file of a scene folder is called behind the scene's name; InputError if that would not be unique.

    videos/cam01.mp4 is cam01.mp4, cameras/rig.json is cameras.json, and masks/cam01.npz is masks.cam01.npz.
    """
    in_place = file.parts[0] == "videos" and len(file.parts) == 2 and file.suffix == ".mp4"
    name = file.name if in_place else "cameras.json" if file == CAMERAS else ".".join(file.parts)
    if file_in_scene(name) != file:
        raise InputError(f"{file} has no name in a tar shard, where dots stand for folders; rename it, or move it away")
    return name


def file_in_scene(name: str) -> PurePosixPath:
    """The file of a scene folder that has this name in a shard."""
    *folders, stem, suffix = name.split(".") if "." in name else ["", name]
    if not folders and suffix == "mp4":
        return PurePosixPath("videos", name)
    if name == "cameras.json":
        return CAMERAS
    return PurePosixPath(*folders, f"{stem}.{suffix}" if stem else suffix)


@dataclass(frozen=True, kw_only=True)
class ShardScene(PublishedScene):
    """A scene in a tar file. `path` is where it would lie in a folder of that name; nothing is there."""

    shard: Path
    key: str

    @cached_property
    def files(self) -> dict[PurePosixPath, TarMember]:
        """What the scene has, by the names that the files have in a scene folder."""
        return {
            file_in_scene(name): TarMember(self.shard, f"{self.key}.{name}", *stretch)
            for name, stretch in read_layout(self.shard)[self.key].items()
        }

    @cached_property
    def video_paths(self) -> list[Path]:
        """The names of the videos, in the order of the cameras."""
        names = [file.name for file in self.files if file.parent == PurePosixPath("videos")]
        if not names:
            raise InputError(f"{self.shard} holds no mp4 files of {self.key}; expected {self.key}.cam01.mp4, ...")
        return [self.path / "videos" / name for name in sorted(names, key=natural)]

    @cached_property
    def footage(self) -> list[Footage]:
        """The video of every view."""
        return [VideoFile(path, self.files[PurePosixPath("videos", path.name)]) for path in self.video_paths]

    @cached_property
    def caption(self) -> str:
        """The text of the caption; "" where there is none."""
        with self._unpacked(lambda file: file == CAPTION) as folder:
            return read_caption(folder / CAPTION)

    @cached_property
    def cameras(self) -> Cameras:
        """The cameras of all views in the order of `names`, with K in pixels of the stored videos."""
        with self._unpacked(lambda file: file.parts[0] == "cameras") as folder:
            return _Unpacked(path=folder, scene=self).cameras

    def read_masks(self, view: int, frames: Sequence[int] | None = None) -> Bool[Tensor, "F H W"] | None:
        """Where the subject is in one view, in the chosen frames; None where the scene has no masks."""
        if not any(file.parts[0] == "masks" for file in self.files):
            return None
        mask = PurePosixPath("masks", f"{self.names[view]}.npz")
        with self._unpacked(lambda file: file == mask) as folder:
            return read_mask(folder / mask, frames)

    @property
    def label_files(self) -> LabelFiles:
        """The labels, where they lie in the tar file."""
        inside = {file.relative_to(FOLDER).as_posix(): m for file, m in self.files.items() if file.parts[0] == FOLDER}
        return LabelFiles(self.path, lambda: self.names, inside)

    def sources(self) -> Iterator[tuple[str, Path | TarMember]]:
        """Name and place of every file that clips are read from, but for the caption; as in a scene folder."""
        kinds = {"cameras": ".json", "masks": ".npz"}
        others = sorted(file for file in self.files if kinds.get(file.parts[0]) == file.suffix)
        videos = [PurePosixPath("videos", path.name) for path in self.video_paths]
        yield from ((file.name, self.files[file]) for file in [*videos, *others])

    def unpack(self, folder: str | Path) -> None:
        """Writes the scene as a folder, as it was before it came into the tar file, whole or not at all."""
        if Path(folder).exists():
            raise InputError(f"{folder} exists; choose another scene folder or remove it first")
        with atomic_dir(folder) as temporary:
            self._write(temporary, lambda file: True)

    def _write(self, folder: Path, wanted: Callable[[PurePosixPath], bool]) -> None:
        for file, member in self.files.items():
            if wanted(file):
                (folder / file).parent.mkdir(parents=True, exist_ok=True)
                (folder / file).write_bytes(member.read())

    @contextmanager
    def _unpacked(self, wanted: Callable[[PurePosixPath], bool]) -> Iterator[Path]:
        """Some files of the scene, small ones, in a folder that is gone afterwards; complaints name the shard."""
        with TemporaryDirectory(prefix="syncam-shard-") as root:
            folder = Path(root, self.key)  # with the name of the lens
            self._write(folder, wanted)
            try:
                yield folder
            except InputError as err:
                raise InputError(str(err).replace(root, str(self.shard))) from err


@dataclass(frozen=True, kw_only=True)
class _Unpacked(PublishedScene):
    """The cameras of a scene, whose videos are elsewhere."""

    scene: ShardScene

    @property
    def names(self) -> list[str]:
        return self.scene.names

    @property
    def num_views(self) -> int:
        return self.scene.num_views

    @property
    def hw(self) -> tuple[int, int]:
        return self.scene.hw


def holds_shards(root: Path) -> bool:
    """Whether a folder has tar files with an index beside them."""
    return any(path.with_suffix(".json").is_file() for path in root.glob("*.tar"))


def find_shard_scenes(root: Path, split: str | None = None) -> Iterator[ShardScene]:
    """The scenes in all tar files of a folder, or those of one split; tar files without an index are searched."""
    for shard in sorted(root.glob("[!.]*.tar")):
        for key in read_layout(shard):
            if split is None or key.startswith(f"{split}/"):
                yield ShardScene(path=root / key, shard=shard, key=key)


def read_layout(shard: Path) -> Layout:
    """What lies where in a tar file, by the index beside it, or else by its own headers.

    InputError for a damaged index, for names that lead out of a folder, and where the tar file is not as long as the
    index says.
    """
    index = shard.with_suffix(".json")
    changed = tuple(path.stat().st_mtime_ns for path in (shard, index) if path.is_file())
    return _read_layout(shard, changed)


@lru_cache(maxsize=64)
def _read_layout(shard: Path, changed: tuple[int, ...]) -> Layout:
    layout = _listed(shard) if shard.with_suffix(".json").is_file() else _search(shard)
    for key, files in layout.items():
        if PurePosixPath(key).is_absolute() or ".." in PurePosixPath(key).parts or "\\" in key:
            raise InputError(f"{shard} has a scene called {key}, which leads out of a folder; it is not read")
        if strange := [name for name in files if "/" in name or "\\" in name]:
            raise InputError(f"{shard} has a file called {strange[0]} in {key}, which leads elsewhere; it is not read")
    return layout


def _listed(shard: Path) -> Layout:
    index = shard.with_suffix(".json")
    content = read_json(index)
    try:
        if (content["schema"], content["version"]) != (SCHEMA, VERSION):
            raise ValueError(f"schema {content['schema']} {content['version']}, expected {SCHEMA} {VERSION}")
        layout = {
            key: {name: (int(offset), int(size)) for name, (offset, size) in files.items()}
            for key, files in content["scenes"].items()
        }
        length = int(content["bytes"])
        if any(min(stretch) < 0 for files in layout.values() for stretch in files.values()):
            raise ValueError("negative lengths")
    except (KeyError, TypeError, ValueError, AttributeError) as err:
        raise InputError(f"{index} is damaged ({err!r}); without it, {shard.name} is searched") from err
    if shard.stat().st_size != length:
        raise InputError(f"{shard} is {shard.stat().st_size} bytes long, {index.name} says {length}; fetch it again")
    return layout


def _search(shard: Path) -> Layout:
    layout: Layout = {}
    try:
        with tarfile.open(shard, "r:") as archive:
            for member in archive:
                folder, _, name = member.name.rpartition("/")
                stem, dot, rest = name.partition(".")
                if member.isfile() and dot and stem:
                    key = f"{folder}/{stem}" if folder else stem
                    layout.setdefault(key, {})[rest] = (member.offset_data, member.size)
    except tarfile.TarError as err:
        raise InputError(f"{shard} cannot be read as an uncompressed tar file ({err})") from err
    return layout
