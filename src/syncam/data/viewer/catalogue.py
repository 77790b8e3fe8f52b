"""The list of scenes, by pages, and the search in their names and captions."""

from dataclasses import replace
from threading import Event, Thread
from typing import Any

from syncam.data.scene import Scene
from syncam.data.sources import Dataset
from syncam.data.viewer.inside import Fence, caption_files
from syncam.errors import InputError

__all__ = ["PAGE", "Catalogue"]

PAGE = 100
"""Scenes of one page of the list."""


class Catalogue:
    """The names of all scenes. Captions are read by a thread, from the first search on, and not before."""

    def __init__(self, dataset: Dataset, fence: Fence) -> None:
        self.dataset, self.fence = dataset, fence
        self.names = [dataset.name(scene) for scene in dataset]
        self._texts = [name.casefold() for name in self.names]
        self._captions_read = 0
        self._reader: Thread | None = None
        self._closed = Event()

    def page(self, search: str, number: int) -> dict[str, Any]:
        """The scenes in whose names or captions all words of the search stand; pages are counted from 0.

        `unread` is the number of captions that have not been read yet, and may hold more.
        """
        words = search.casefold().split()
        if words and self._reader is None:
            self._reader = Thread(target=self._read_captions, daemon=True)
            self._reader.start()
        unread = len(self.names) - self._captions_read if words else 0
        found = [index for index, text in enumerate(self._texts) if all(word in text for word in words)]
        shown = found[number * PAGE : (number + 1) * PAGE]
        return {
            "total": len(self.names),
            "found": len(found),
            "page": number,
            "pages": max(1, -(-len(found) // PAGE)),
            "unread": unread,
            "scenes": [{"index": index, "name": self.names[index]} for index in shown],
        }

    def close(self) -> None:
        """Ends the reading of captions."""
        self._closed.set()
        if self._reader is not None:
            self._reader.join()

    def _read_captions(self) -> None:
        for index, scene in enumerate(self.dataset):
            if self._closed.is_set():
                return
            self._texts[index] += f"\n{self._caption(scene)}".casefold()
            self._captions_read += 1

    def _caption(self, scene: Scene) -> str:
        """A caption that cannot be read is no reason not to find others; the page of its scene says what is wrong."""
        try:
            self.fence.check(caption_files(scene))
            return replace(scene).caption  # pyright: ignore[reportArgumentType]  # a fresh handle: nothing is kept
        except (InputError, OSError):
            return ""
