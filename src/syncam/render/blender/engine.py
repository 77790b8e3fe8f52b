"""Pictures of a scene through Blender's Cycles, rendered in a process of its own."""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from syncam.errors import InputError
from syncam.render.assets import Environment, Placed
from syncam.render.blender.environment import Blender, find_blender
from syncam.render.blender.job import WORKER, Settings, job_key, make_job, read_frame, write_job
from syncam.render.labels import check_labels, flow_with_lenses, joints_in_pictures
from syncam.render.rendering import Picture, Rendering, gathered
from syncam.render.scene import Scene
from syncam.render.world import GROUND, SUBJECT, build_world, checked_cameras

__all__ = ["BlenderPicture", "BlenderRenderer", "BlenderRendering"]

Progress = Callable[[int, int], None]
_PASSES = {"normals": "normal", "flow": "flow"}
"""Label -> the worker's pass; depth and instances always come."""


@dataclass(frozen=True)
class BlenderPicture(Picture):
    """A Picture, and which solid of the world is at every pixel: uint16 [H, W], 0 in the sky."""

    solids: np.ndarray | None = None


@dataclass(frozen=True)
class BlenderRendering(Rendering):
    """A Rendering, and which solid of the world is at every pixel: uint16 [V, F, H, W], 0 in the sky. Placed assets
    follow the solids; characters among them follow the scene's own in instances."""

    solids: np.ndarray | None = None


class BlenderRenderer:
    """Renders scenes at one picture size.

    work: a folder in which unfinished scenes stay, so that a killed run goes on in the midst of a scene; None: a
    temporary one. progress: called with how many files of a scene are done, and of how many.

    >>> from syncam.render.generate import generate_scene, sample_cameras
    >>> cameras = sample_cameras(0, num_views=2, num_frames=3, hw=(64, 96))
    >>> renderer = BlenderRenderer((64, 96), Settings(samples=4))
    >>> rendering = renderer.render(generate_scene(0), cameras.c2w.numpy(), cameras.K.numpy(), [0.0, 0.125, 0.25])
    >>> rendering.rgb.shape
    (2, 3, 64, 96, 3)
    """

    def __init__(
        self,
        hw: tuple[int, int],
        settings: Settings | None = None,
        *,
        blender: Blender | None = None,
        work: Path | None = None,
        progress: Progress | None = None,
    ) -> None:
        if min(hw) < 4:
            raise InputError(f"height and width must be at least 4 pixels, got {hw}")
        self.hw, self.settings, self.work, self.progress = hw, settings or Settings(), work, progress
        self.blender = blender or find_blender()
        self.version = self.blender.version()

    def render(
        self,
        scene: Scene,
        c2w: np.ndarray,
        K: np.ndarray,
        times_s: Sequence[float],
        *,
        labels: Sequence[str] = (),
        **added: Any,
    ) -> BlenderRendering:
        """The scene through V cameras at F times: c2w [V, F, 4, 4] (OpenCV axes), K [V, F, 3, 3] pixels, F seconds.

        labels: what to return besides, as of `Renderer.render`. added: aperture and so on, as of `pictures`.
        """
        c2w, K = checked_cameras(c2w, K, times_s)
        found = gathered(self.pictures(scene, c2w, K, times_s, labels=labels, **added), c2w.shape[:2], labels)
        if "joints" in labels:
            found |= joints_in_pictures(scene, c2w, K, np.asarray(times_s, dtype=np.float64))
        return BlenderRendering(**found)

    def pictures(
        self,
        scene: Scene,
        c2w: np.ndarray,
        K: np.ndarray,
        times_s: Sequence[float],
        *,
        labels: Sequence[str] = (),
        aperture: np.ndarray | None = None,
        focus_distance: np.ndarray | None = None,
        placed: Sequence[Placed] = (),
        environment: Environment | None = None,
        ground: bool = True,
    ) -> Iterator[BlenderPicture]:
        """The same without joints, one by one: all frames of the first view, of the second, and so on. Blender has
        rendered all of them before the first comes; they lie in files until the last is taken.

        aperture (f-number) and focus_distance (metres), [V, F]: for a depth of field; mask and labels stay sharp.
        placed: assets to add; characters belong to the mask. environment: what lights the scene instead of its sky and
        sun. ground: False leaves the scene's ground out, because something placed has one. InputError, naming the log,
        if Blender fails.
        """
        c2w, K = checked_cameras(c2w, K, times_s)
        check_labels(labels)
        world = build_world(scene, times_s)
        if not ground:
            world = replace(world, solids=tuple(solid for solid in world.solids if solid.kind != GROUND))
        passes = ("picture", *(name for label, name in _PASSES.items() if label in labels))
        job, arrays = make_job(
            world, c2w, K, self.hw, self.settings, passes, aperture, focus_distance, placed, environment
        )
        parent = Path(tempfile.mkdtemp(prefix="syncam-blender-")) if self.work is None else Path(self.work)
        folder = parent / job_key(job, arrays, self.version)
        write_job(folder, job, arrays)
        run_worker(self.blender, folder, self.progress)
        subjects = [solid.instance for solid in world.solids if solid.kind == SUBJECT]
        subjects += [told["instance"] for told in job["assets"] if told["clip"] is not None]
        characters = np.zeros(1 + len(job["solids"]) + len(job["assets"]), dtype=np.uint8)
        characters[subjects] = np.arange(len(subjects)) + 1
        with ExitStack() as leaving:
            if self.work is None:  # nobody comes back for what is left
                leaving.callback(shutil.rmtree, parent)
            for view, frame in np.ndindex(*c2w.shape[:2]):
                rgb, found = read_frame(folder, view, frame)
                solids = found["instance"]
                told = {"depth": found["depth"]} if "depth" in labels else {}
                told |= {"normals": found["normal"]} if "normals" in labels else {}
                for name, there in (("flow_backward", frame - 1), ("flow_forward", frame + 1)):
                    if "flow" in labels and 0 <= there < len(world.times_s):
                        told[name] = flow_with_lenses(found[name], K[view, frame], K[view, there])
                    elif "flow" in labels:
                        told[name] = np.full_like(found[name], np.nan)
                yield BlenderPicture(view, frame, rgb, characters[solids], **told, solids=solids)
        if self.work is not None:
            shutil.rmtree(folder)


def run_worker(
    blender: Blender, folder: Path, progress: Progress | None = None, *, what: str = "render"
) -> dict[str, str]:
    """Does what is missing of a job, and returns what Blender says of itself; it is killed if we leave early.

    what: the verb for it. InputError with the log's path if it fails.
    """
    log = folder / "log.txt"
    about: dict[str, str] = {}
    complaint, finished = "", False
    with log.open("ab") as errors:
        process = subprocess.Popen(
            blender.command(WORKER, folder),
            stdin=subprocess.PIPE,  # its end tells the worker that we are gone
            stdout=subprocess.PIPE,
            stderr=errors,
            env=blender.environment(),
        )
        assert process.stdout is not None
        try:
            for line in process.stdout:
                message = _message(line)
                if message is None:  # what Blender printed before the worker began
                    errors.write(line)
                    continue
                complaint, finished = message.get("error", complaint), message.get("finished", finished)
                if "blender" in message:
                    about = message
                if progress is not None and "total" in message:
                    progress(message["done"], message["total"])
            code = process.wait()
        finally:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()
    if not finished:
        how = complaint or (f"it was killed by signal {-code}" if code < 0 else f"it left with code {code}")
        raise InputError(f"Blender ({blender.path}) did not {what}: {how}; its log is {log}")
    return about


def _message(line: bytes) -> dict | None:
    """The worker's message, None for any other line."""
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
