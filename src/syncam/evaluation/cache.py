"""What has been computed of a video before, found again by the content of its file and by what was computed."""

import functools
import hashlib
import json
import os
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from syncam.data.footage import Footage, VideoFile
from syncam.files import atomic_path, write_json
from syncam.versions import versions

__all__ = ["PACKAGES", "Cache", "content_hash", "default_folder"]

PACKAGES = (
    "torch",
    "transformers",
    "av",
    "opencv-python-headless",
    "opencv-python",
    "pycolmap",
    "torchmetrics",
)
"""What numbers depend on: another version of one may decode, match or round in another way."""


def default_folder() -> Path:
    """Where features are kept between runs: $SYNCAM_CACHE, else syncam in the user's cache folder."""
    own, xdg = os.environ.get("SYNCAM_CACHE"), os.environ.get("XDG_CACHE_HOME")
    return Path(own) if own else Path(xdg or Path.home() / ".cache") / "syncam"


@functools.cache
def _versions() -> dict[str, str]:
    return versions(*PACKAGES)


def content_hash(footage: Footage) -> str:
    """SHA-256 of a video file; of pictures and of members of tar files, of their pixels."""
    if isinstance(footage, VideoFile) and footage.member is None:
        return hashlib.sha256(footage.path.read_bytes()).hexdigest()
    return hashlib.sha256(footage.read(None, None).numpy().tobytes()).hexdigest()


class Cache:
    """Tensors and JSON values in a folder; None keeps nothing.

    What other versions of syncam, or of the packages that it computes with, have stored does not count.

    Example:
        >>> cache = Cache(Path("cache"))
        >>> cache.store({"content": digest, "network": "clip"}, {"features": features})
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder

    def _path(self, key: dict[str, Any], suffix: str) -> Path | None:
        if self.folder is None:
            return None
        digest = hashlib.sha256(json.dumps(key | {"versions": _versions()}, sort_keys=True).encode()).hexdigest()
        return self.folder / digest[:2] / f"{digest}{suffix}"

    def tensors(self, key: dict[str, Any]) -> dict[str, Tensor] | None:
        """What was stored under the key; None where there is nothing, or a damaged file."""
        path = self._path(key, ".safetensors")
        if path is None or not path.is_file():
            return None
        try:
            return load_file(path)
        except SafetensorError:
            return None

    def store(self, key: dict[str, Any], tensors: dict[str, Tensor]) -> None:
        """Keeps tensors under the key."""
        path = self._path(key, ".safetensors")
        if path is not None:
            with atomic_path(path) as temporary:
                save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, temporary)

    def value(self, key: dict[str, Any]) -> Any:
        """The JSON value stored under the key; None where there is nothing, or a damaged file."""
        path = self._path(key, ".json")
        if path is None or not path.is_file():
            return None
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except (json.JSONDecodeError, UnicodeDecodeError):
            return None

    def store_value(self, key: dict[str, Any], value: Any) -> None:
        """Keeps a JSON value under the key."""
        path = self._path(key, ".json")
        if path is not None:
            write_json(path, value)
