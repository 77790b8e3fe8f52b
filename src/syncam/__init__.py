"""Synchronised multi-camera video generation: text and a camera rig in, one video per camera out.

>>> import syncam
>>> pipeline = syncam.MultiViewPipeline.from_pretrained()
>>> cameras = syncam.parse_rig("hemisphere:views=4,radius=5,elevation=15,span=90", num_frames=17, hw=(128, 128))
>>> videos = pipeline("a red horse walks on green grass", cameras, seed=0).videos  # [V, F, C, H, W]

The public names below are loaded on first use, so that `import syncam` costs milliseconds and needs no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from syncam.adapters.view_sync import ViewSyncAdapter
    from syncam.cameras.cameras import Cameras
    from syncam.cameras.formats import load_rig, save_rig
    from syncam.cameras.rig import parse_rig
    from syncam.data.clip import MultiViewClip
    from syncam.data.dataset import ClipStore
    from syncam.data.video import read_video, write_video
    from syncam.errors import InputError
    from syncam.pipelines.multiview import MultiViewPipeline
    from syncam.pipelines.reshoot import ReshootPipeline

__version__ = "0.1.0"

__all__ = [
    "Cameras",
    "ClipStore",
    "InputError",
    "MultiViewClip",
    "MultiViewPipeline",
    "ReshootPipeline",
    "ViewSyncAdapter",
    "__version__",
    "load_rig",
    "parse_rig",
    "read_video",
    "save_rig",
    "write_video",
]

_HOMES = {
    "Cameras": "syncam.cameras.cameras",
    "ClipStore": "syncam.data.dataset",
    "InputError": "syncam.errors",
    "MultiViewClip": "syncam.data.clip",
    "MultiViewPipeline": "syncam.pipelines.multiview",
    "ReshootPipeline": "syncam.pipelines.reshoot",
    "ViewSyncAdapter": "syncam.adapters.view_sync",
    "load_rig": "syncam.cameras.formats",
    "parse_rig": "syncam.cameras.rig",
    "read_video": "syncam.data.video",
    "save_rig": "syncam.cameras.formats",
    "write_video": "syncam.data.video",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'syncam' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value  # found directly from now on
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
