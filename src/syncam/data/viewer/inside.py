"""What a page may show: files in the data set's folder, and not what links lead to outside of it."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from syncam.data.footage import Footage, Pictures
from syncam.data.scene import Scene
from syncam.data.syncamvideo import FirstReleaseScene
from syncam.errors import InputError

__all__ = ["Fence", "camera_files", "caption_files", "files_of_labels", "picture_files"]


class Fence:
    """Refuses paths that lead out of a folder; with `links`, nothing, because that was asked for."""

    def __init__(self, root: Path, links: bool) -> None:
        self.root, self.links = root.resolve(), links

    def check(self, paths: Iterable[Path]) -> None:
        """InputError that names the first path outside."""
        for path in () if self.links else paths:
            if not path.resolve().is_relative_to(self.root):
                raise InputError(f"{path} leads out of the data set by a link; start with --links to follow it")


def picture_files(footage: Footage) -> Iterator[Path]:
    """The video, or the pictures, of a view."""
    yield footage.path
    if isinstance(footage, Pictures):
        yield from footage.paths


def caption_files(scene: Scene) -> Iterator[Path]:
    """Where the caption may stand."""
    yield scene.path / "caption.txt"
    yield scene.path.with_suffix(".caption.txt")


def camera_files(scene: Scene) -> Iterator[Path]:
    """Whatever the cameras may be read from."""
    yield scene.path
    folder = scene.path / "cameras"
    if isinstance(scene, FirstReleaseScene):
        folder = scene.path.parent.parent / "cameras" / scene.path.name
    yield folder
    yield from folder.glob("*")
    yield from (scene.path / name for name in ("transforms.json", "nerfstudio/transforms.json"))


def files_of_labels(scene: Scene) -> Iterator[Path]:
    """The masks and labels of all views."""
    for folder in ("masks", "labels"):
        yield scene.path / folder
        yield from (scene.path / folder).rglob("*")
