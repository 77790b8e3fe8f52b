"""One scene of a data set: its cameras, drawn until they can film it, and what they see."""

import dataclasses
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from syncam.cameras.cameras import Cameras
from syncam.cameras.trajectories import TARGET
from syncam.data.clip import MultiViewClip
from syncam.errors import InputError
from syncam.render.config import RenderConfig, folder_number, scene_seed
from syncam.render.framing import Cast, cast_of, cast_of_placed, faults_of_cast, faults_of_props
from syncam.render.generate import generate_scene
from syncam.render.own_scenes import OwnScene, own_scene
from syncam.render.rendering import Picture
from syncam.render.rules import ATTEMPT, MULTICAM_LENSES, RULES
from syncam.render.scene import Scene
from syncam.render.shots import draw_cameras, focused, redrawn

__all__ = ["Take", "compose", "drawn_for", "filmed", "render_clip"]

ATTEMPTS = 30
"""Rigs, or scenes where the rig is fixed, that are drawn before a scene is given up."""


@dataclass(frozen=True)
class Take:
    """A scene, the cameras that film it, and, for the description of the scene, how they were found."""

    own: OwnScene
    cameras: Cameras
    made_by: dict[str, Any]

    @property
    def scene(self) -> Scene:
        """Without what a user's assets add to it."""
        return self.own.scene

    def described(self) -> dict[str, Any]:
        """How it was made, for scene.json."""
        return {**self.own.to_json(), **self.made_by}


def render_clip(
    config: RenderConfig, index: int, renderer: Any, attempt: int = 0
) -> tuple[MultiViewClip, dict[str, Any]]:
    """The clip of scene number `index` and a description of how it was made; `attempt` is that of `scene_seed`."""
    take = compose(config, index, attempt)
    shape = (take.cameras.num_views, take.cameras.num_frames, *config.hw)
    video, masks = torch.empty(*shape[:2], 3, *config.hw), torch.empty(shape, dtype=torch.bool)
    for picture in filmed(config, take, renderer):
        video[picture.view, picture.frame] = torch.from_numpy(picture.rgb).permute(2, 0, 1).float() / 255
        masks[picture.view, picture.frame] = torch.from_numpy(picture.instances > 0)
    clip = MultiViewClip(video, take.cameras, take.scene.caption, config.fps, masks if config.masks else None)
    return clip, take.described()


def filmed(config: RenderConfig, take: Take, renderer: Any) -> Iterator[Picture]:
    """What the cameras see, with what the labels that the config asks for take, as the renderer's `pictures`."""
    cameras, lens = take.cameras, {}
    if config.engine == "blender" and cameras.aperture is not None and cameras.focus_distance is not None:
        lens = {"aperture": cameras.aperture.numpy(), "focus_distance": cameras.focus_distance.numpy()}
    c2w, K = cameras.c2w.numpy(), cameras.K.numpy()
    added = lens | take.own.added
    return renderer.pictures(take.scene, c2w, K, config.times_s, labels=drawn_for(config.labels), **added)


def drawn_for(labels: Sequence[str]) -> tuple[str, ...]:
    """The labels of pixels that an engine has to draw for these: visibility follows from depth and instances."""
    more = ("depth", "instances") if "visibility" in labels else ()
    return tuple(dict.fromkeys([label for label in (*labels, *more) if label not in ("joints", "visibility")]))


def compose(config: RenderConfig, index: int, attempt: int = 0) -> Take:
    """The scene and the cameras of scene number `index`; nothing is rendered.

    Cameras that are in or too near to something, or do not show the subject, are drawn again, and with them the props
    around; where the rule is fixed, another scene is drawn instead. InputError after ATTEMPTS of them.
    Cameras on a hemisphere about the basic content are taken as they come: the built-in model was trained on these.
    """
    seed, folder = scene_seed(config, index, attempt), folder_number(config, index)
    if config.cameras == "hemisphere" and config.content == "basic":
        cameras = draw_cameras(config, seed)
        return Take(_own(config, seed, _scene(config, seed, cameras), cameras), cameras, {})
    times, framing, fixed = np.array(config.times_s), config.rule.framing, config.rule.fixed
    rejected: list[dict[str, str]] = []
    place, cast, target, cameras, faults = seed, None, TARGET, None, dict[int, str]()
    while len(rejected) < ATTEMPTS:
        fresh = _derived(seed, len(rejected))
        if cast is None or fixed:
            place = fresh
            cast = cast_of(_scene(config, place, None), times)
            x, y, z = cast.centre[len(times) // 2].tolist()
            target = (x, y, z)
        if cameras is None or fixed:
            cameras = draw_cameras(config, fresh, scene=place, folder=folder, target=target)
        else:
            moves = {"moving": float(not cameras.is_static)} if config.cameras == "hemisphere" else {}
            fewer = dataclasses.replace(config, num_views=len(faults), **moves)
            others = draw_cameras(fewer, fresh, scene=place, folder=folder, target=target)
            cameras = redrawn(cameras, sorted(faults), others)
        c2w, K = cameras.c2w.double().numpy(), cameras.K.double().numpy()
        faults = faults_of_cast(cast, c2w, K, config.hw, framing)
        if not faults:
            scene = _scene(config, place, cameras)
            faults = faults_of_props(scene, times, c2w[..., :3, 3])
            if not faults:
                own = _own(config, place, scene, cameras)
                added = cast_of_placed(own.placed, own.boxes, times)
                faults = {} if added is None else faults_of_cast(added, c2w, K, config.hw, framing)
                if not faults:
                    return _taken(config, folder, own, cameras, added or cast, rejected)
        rejected.append({f"cam{view + 1:02d}": faults[view] for view in sorted(faults)})
    reasons = Counter(reason for one in rejected for reason in one.values()).most_common(3)
    found = ", ".join(f"{reason} ({count} times)" for reason, count in reasons)
    raise InputError(
        f"scene{index + 1} of {config.split}: {ATTEMPTS} attempts found no cameras that can film it; "
        f"cameras were rejected as {found}; {_advice(config)}"
    )


def _taken(
    config: RenderConfig, folder: int, own: OwnScene, cameras: Cameras, cast: Cast, rejected: list[dict[str, str]]
) -> Take:
    told: dict[str, Any] = {"rule": config.cameras, "attempts": len(rejected) + 1, "rejected": rejected}
    if config.cameras == "multicamvideo":
        told["focal_mm"], told["aperture"] = MULTICAM_LENSES[folder]
        if config.engine == "blender":
            cameras = focused(cameras, told["aperture"], cast.centre)
    return Take(own, cameras, {"cameras": told})


def _scene(config: RenderConfig, seed: int, cameras: Cameras | None) -> Scene:
    """The scene of that seed; without cameras, its characters, which are the same, and no props."""
    return generate_scene(
        seed,
        content=config.content,
        duration_s=(config.num_frames - 1) / config.fps,
        two_animals=config.two_animals,
        props=0.0 if cameras is None else None,
        camera_positions=None if cameras is None else np.unique(cameras.positions.numpy().reshape(-1, 3), axis=0),
    )


def _own(config: RenderConfig, seed: int, scene: Scene, cameras: Cameras) -> OwnScene:
    """The scene with what plays in it of a user's assets, which keep clear of these cameras."""
    return own_scene(config, seed, scene, cameras.positions.double().numpy())


def _derived(seed: int, number: int) -> int:
    """A seed for each attempt; the first has the scene's own."""
    return int(np.random.SeedSequence([seed, ATTEMPT, number]).generate_state(1, np.uint64)[0] >> 1) if number else seed


def _advice(config: RenderConfig) -> str:
    """What would help."""
    if config.cameras not in RULES:
        return "move the cameras away from the middle of the scene, (0, 0, 0.8), or aim them at it"
    further = "raise --radius, " if config.cameras == "hemisphere" else ""
    return f"{further}lower --frames, raise --fps, or choose another --seed"
