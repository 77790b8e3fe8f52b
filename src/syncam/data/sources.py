"""Any data set on disk, told by its layout."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Literal

from syncam.cameras.formats.sequence import natural
from syncam.data.caption_tables import CAPTIONS, fit_names, read_captions
from syncam.data.dl3dv import find_dl3dv
from syncam.data.folder import TABLE, find_videos, videos_below
from syncam.data.realestate10k import find_realestate10k
from syncam.data.scene import Scene
from syncam.data.shards import find_shard_scenes, holds_shards
from syncam.data.syncamvideo import find_first_release, find_scene_folders
from syncam.errors import InputError

__all__ = ["LAYOUTS", "SCENE_FOLDERS", "Dataset", "Kind", "open_dataset"]

Kind = Literal["syncamvideo", "syncamvideo-first", "realestate10k", "dl3dv", "shards", "videos"]
SCENE_FOLDERS: tuple[Kind, ...] = ("syncamvideo", "syncamvideo-first", "dl3dv")
"""Kinds whose scenes have folders of their own, and in them caption.txt; others share captions.csv."""
GLANCE = 8
"""Folders that are looked at in each to tell the kind: the set may have a million."""
LAYOUTS: dict[Kind, str] = {
    "syncamvideo": "<split>/<lens>/<scene>/videos/cam01.mp4",
    "syncamvideo-first": "<split>/videos/<scene>/*.mp4 with <split>/cameras/<scene>/*.json",
    "realestate10k": "<split>/<clip>.txt of 19 columns",
    "dl3dv": "<scene>/transforms.json with images_4",
    "shards": "<split>-000000.tar with <split>-000000.json",
    "videos": "*.mp4 with or without metadata.csv",
}


@dataclass(frozen=True)
class Dataset:
    """The scenes of a data set in natural order (scene2 before scene10), as handles; only names have been read.

    Example:
        >>> dataset = open_dataset("SynCamVideo-Dataset", split="train")
        >>> clip = dataset[0].read(views=[0, 3], frames=range(0, 81, 4), hw=(480, 832))
    """

    root: Path
    kind: Kind
    scenes: Sequence[Scene]

    def __len__(self) -> int:
        return len(self.scenes)

    def __getitem__(self, index: int) -> Scene:
        return self.scenes[index]

    def __iter__(self) -> Iterator[Scene]:
        return iter(self.scenes)

    def name(self, scene: Scene) -> str:
        """Where a scene is below the root, such as train/f24_aperture5/scene1."""
        return scene.path.relative_to(self.root).as_posix()

    def find(self, word: str) -> int:
        """The index of the scene with that name, or the end of a name such as scene1, or that number from 1 on.

        InputError where none or several fit.
        """
        names = [self.name(scene) for scene in self.scenes]
        wanted = f"/{word.strip('/')}"
        fitting = [index for index, name in enumerate(names) if f"/{name}" == wanted]
        fitting = fitting or [index for index, name in enumerate(names) if f"/{name}".endswith(wanted)]
        if not fitting and word.isascii() and word.isdecimal() and 1 <= int(word) <= len(names):
            return int(word) - 1
        if len(fitting) > 1:
            some = ", ".join(names[index] for index in fitting[:3])
            raise InputError(f"{len(fitting)} scenes are called {word!r}, such as {some}; give more of the name")
        if not fitting:
            some = ", ".join(names[:3])
            raise InputError(
                f"no scene is called {word!r}; expected a number from 1 to {len(names)} or a name like {some}"
            )
        return fitting[0]


def open_dataset(
    root: str | Path, split: str | None = None, kind: Kind | None = None, *, captions: str | Path | None = None
) -> Dataset:
    """The data set in a folder, or the part of it in the folder `split`; `kind` None tells it by the layout.

    What the table `captions` says of scenes counts before the captions that lie beside them; without it captions.csv in
    `root` does, of kinds whose scenes have no folders of their own. InputError where no layout fits, or several do, and
    for a table that names none of the scenes.
    """
    root = Path(root)
    if kind == "shards" or (kind is None and holds_shards(root)):
        scenes = sorted(find_shard_scenes(root, split), key=lambda scene: natural(scene.path.as_posix()))
        if not scenes:
            raise InputError(
                f"{root} holds no shards{'' if split is None else f' of {split}'}; expected {LAYOUTS['shards']}"
            )
        return Dataset(root, "shards", scenes)
    base = root if split is None else root / split
    if not base.is_dir():
        raise InputError(
            f"{base} is not a folder; expected a data set{'' if split is None else f' with {split} in it'}"
        )
    if kind is not None and kind not in LAYOUTS:
        raise InputError(f"unknown kind of data set {kind!r}; the kinds are {', '.join(LAYOUTS)}")
    depth = 1 if split is None else 0
    kind = kind or _kind(base, depth)
    scenes = sorted(_find(kind, base, depth), key=lambda scene: natural(scene.path.as_posix()))
    if not scenes:
        raise InputError(f"{base} holds no scenes of {kind}; expected {LAYOUTS[kind]}")
    dataset = Dataset(root, kind, scenes)
    if captions is not None:
        return _captioned(dataset, Path(captions))
    beside = kind not in SCENE_FOLDERS and (root / CAPTIONS).is_file()
    return _captioned(dataset, root / CAPTIONS, any_fit=True) if beside else dataset


def _captioned(dataset: Dataset, table: Path, any_fit: bool = False) -> Dataset:
    texts = read_captions(table)
    names = [dataset.name(scene) for scene in dataset]
    fitting, _ = fit_names(names, texts)  # one table may be for all splits
    if texts and not fitting and not any_fit:
        raise InputError(f"{table} names none of the scenes of {dataset.root}, such as {names[0]}")
    scenes = list(dataset.scenes)
    for entry, number in reversed(fitting.items()):  # of several files of a scene the first counts
        scenes[number] = replace(scenes[number], text=texts[entry])  # pyright: ignore[reportArgumentType]
    return replace(dataset, scenes=scenes)


def _find(kind: Kind, base: Path, depth: int, most: int | None = None) -> Iterator[Scene]:
    """The scenes of one kind; `most` bounds how many folders are looked at in each."""
    if kind == "syncamvideo":
        return find_scene_folders(base, 3 + depth, most)
    if kind == "syncamvideo-first":
        return find_first_release(base, 1 + depth, most)
    if kind == "realestate10k":
        return find_realestate10k(base, depth, most)
    return find_dl3dv(base, 1 + depth, most) if kind == "dl3dv" else find_videos(base)


def _kind(base: Path, depth: int) -> Kind:
    """The kind of which scenes are found at a glance. Videos lie in most layouts: they count where no other fits."""
    marked: list[Kind] = ["syncamvideo", "syncamvideo-first", "realestate10k", "dl3dv"]
    fitting: list[Kind] = [kind for kind in marked if any(islice(_find(kind, base, depth, GLANCE), 1))]
    if len(fitting) > 1:
        raise InputError(f"{base} could be {' or '.join(fitting)}; say which with kind= (--kind)")
    if fitting:
        return fitting[0]
    if (base / TABLE).is_file() or any(islice(videos_below(base), 1)):
        return "videos"
    known = "; ".join(f"{layout} ({kind})" for kind, layout in LAYOUTS.items())
    raise InputError(f"{base} is no data set that is known; expected {known}")
