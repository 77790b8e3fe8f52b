"""What the viewer's page asks for, as functions of plain values: the server turns them into HTTP."""

from collections import OrderedDict
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Any

from syncam.cameras.editor.bodies import value, whole
from syncam.data.scene import Scene
from syncam.data.sources import Dataset
from syncam.data.viewer.catalogue import PAGE, Catalogue
from syncam.data.viewer.facts import scene_facts
from syncam.data.viewer.inside import Fence
from syncam.data.viewer.pictures import MOST_FRAMES, frame_pictures, joined, label_files
from syncam.errors import InputError

__all__ = ["REQUESTS", "Session"]

LONGEST_SEARCH = 200
KEPT = 4
"""Scenes that stay open."""


@dataclass
class Session:
    """One run of the viewer. Scenes are named by their number in the data set, and never by a path."""

    dataset: Dataset
    fence: Fence
    first: int = 0
    """The scene that is shown when the page is opened."""
    catalogue: Catalogue = field(init=False)

    def __post_init__(self) -> None:
        self.catalogue = Catalogue(self.dataset, self.fence)
        self._opened: OrderedDict[int, tuple[Scene, tuple[int, int]]] = OrderedDict()
        self._opening = Lock()

    def start(self) -> dict[str, Any]:
        """What a page needs to know when it is opened."""
        root = self.dataset.root.resolve()
        known = {"name": root.name or str(root), "path": str(root), "kind": self.dataset.kind}
        return known | {"first": self.first, "total": len(self.dataset), "page_size": PAGE, "most_frames": MOST_FRAMES}

    def open(self, index: int) -> dict[str, Any]:
        """The facts of a scene, read anew; its handle is kept for the pictures that are asked for next."""
        scene: Scene = replace(self.dataset[index])  # pyright: ignore[reportArgumentType]  # without what it has read
        facts = scene_facts(scene, self.dataset.kind, self.fence)
        with self._opening:
            if facts["error"] is None and facts["shown"] is not None:
                self._opened[index] = scene, facts["shown"]
                self._opened.move_to_end(index)
            while len(self._opened) > KEPT:
                self._opened.popitem(last=False)
        return facts | {"index": index, "name": self.catalogue.names[index]}

    def opened(self, index: int) -> tuple[Scene, tuple[int, int]]:
        """The handle of a scene, and the size of its pictures on the page."""
        if index not in self._opened:  # other pages have opened others since
            self.open(index)
        with self._opening:
            if index not in self._opened:
                raise InputError(f"nothing of {self.catalogue.names[index]} can be shown")
            return self._opened[index]


def scenes(session: Session, body: dict[str, Any]) -> dict[str, Any]:
    """{search, page} -> the page of the list of scenes that match."""
    search = value(body, "search", str)
    if len(search) > LONGEST_SEARCH:
        raise InputError(f"search must have at most {LONGEST_SEARCH} letters, got {len(search)}")
    return session.catalogue.page(search, whole(body, "page", len(session.dataset), 0))


def scene(session: Session, body: dict[str, Any]) -> dict[str, Any]:
    """{scene} -> its facts."""
    return session.open(_scene(session, body))


def frames(session: Session, body: dict[str, Any]) -> bytes:
    """{scene, view, first, count, label} -> frames of a view, or of its labels where `label` is not null.

    The answer is a line of JSON with the length of every picture, and the pictures.
    """
    opened, hw = session.opened(_scene(session, body))
    view = whole(body, "view", opened.num_views - 1, 0)
    first = whole(body, "first", 10**9, 0)
    chosen = range(first, first + whole(body, "count", MOST_FRAMES))
    if body.get("label") is None:
        return joined(frame_pictures(opened, view, chosen, hw, session.fence))
    return joined(label_files(opened, view, chosen, value(body, "label", str), hw, session.fence))


REQUESTS = {"/api/scenes": scenes, "/api/scene": scene, "/api/frames": frames}
"""Path -> what answers it: an object for JSON, or bytes."""


def _scene(session: Session, body: dict[str, Any]) -> int:
    return whole(body, "scene", len(session.dataset) - 1, 0)
