"""Scenes with content of a user's own: what of a folder of assets plays in each, and how it is written down."""

import hashlib
import json
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from syncam.errors import InputError
from syncam.render.asset_files import content_key, file_key
from syncam.render.assets import MANIFEST, Assets, Character, Environment, Placed, Scenery, read_assets
from syncam.render.cast import Actor, plan_cast
from syncam.render.config import RenderConfig
from syncam.render.environments import ENVIRONMENTS
from syncam.render.framing import Box
from syncam.render.interactions import reach
from syncam.render.measures import Measure, check_measure, with_clips
from syncam.render.own_captions import own_caption
from syncam.render.own_surroundings import free_metres, standing
from syncam.render.props import RADII
from syncam.render.scene import Scene
from syncam.render.stage import scattered

__all__ = ["Credit", "OwnScene", "asset_credits", "assets_key", "own_scene", "prepare_assets"]

_USUAL = {"more": 0.5, "props": 0.85}
"""Probabilities of several characters, and of props."""


class Credit(NamedTuple):
    """Whose work a data set may show: an asset and the licence that its folder states."""

    name: str
    words: str
    licence: str
    file: str


@dataclass(frozen=True, kw_only=True)
class OwnScene:
    """A scene and what is added to it; without assets, only the scene."""

    scene: Scene
    placed: tuple[Placed, ...] = ()
    environment: Environment | None = None
    ground: bool = True
    """Whether the scene's own ground is drawn."""
    boxes: tuple[Box | None, ...] = field(default=(), compare=False)
    """Around each of what is placed, as framing.cast_of_placed takes them; only where a scene is planned."""

    @property
    def added(self) -> dict[str, Any]:
        """What `BlenderRenderer.render` takes besides the scene; empty if there is nothing."""
        if not self.placed and self.environment is None:
            return {}
        return {"placed": self.placed, "environment": self.environment, "ground": self.ground}

    @property
    def num_characters(self) -> int:
        """Of the scene and of those added."""
        return len(self.scene.animals) + sum(isinstance(one.asset, Character) for one in self.placed)

    def to_json(self) -> dict[str, Any]:
        """JSON-ready: `scene` and, with assets, `assets`; from_json is the inverse."""
        told: dict[str, Any] = {"scene": self.scene.to_json()}
        if self.added:
            lights = None if self.environment is None else _told(self.environment)
            placed = [_told_placed(one) for one in self.placed]
            told["assets"] = {"placed": placed, "environment": lights, "ground": self.ground}
        return told

    @classmethod
    def from_json(cls, data: dict[str, Any], assets: Assets | None = None) -> "OwnScene":
        """What the content of a scene.json describes, with the assets it was made from.

        InputError if an asset is not there any more, or its files hold something else now.
        """
        try:
            scene, told = Scene.from_json(data["scene"]), data.get("assets")
            if told is None:
                return cls(scene=scene)
            if assets is None:
                raise InputError("this scene shows assets; give the folder that it was rendered with")
            lights = told["environment"]
            environment = None if lights is None else _same(assets.environments, lights)
            placed = tuple(_placed(assets, one) for one in told["placed"])
            return cls(scene=scene, placed=placed, environment=environment, ground=told["ground"])
        except (KeyError, TypeError) as err:
            raise InputError(f"this is not a scene as OwnScene.to_json writes it: {err!r}; render it again") from err


@dataclass(frozen=True)
class _Folder:
    """A folder of assets that was measured."""

    characters: tuple[tuple[Character, Measure], ...]
    scenery: tuple[tuple[Scenery, Measure], ...]
    stages: tuple[tuple[Scenery, Measure], ...]
    environments: tuple[Environment, ...]


def prepare_assets(config: RenderConfig) -> str | None:
    """Reads, checks and measures the folder of the config; a name for all that it holds, None without a folder.

    InputError if something is wrong with the folder, or cannot be used with the config's cameras.
    """
    if config.assets is None:
        return None
    folder = _opened(config.assets)
    nearest = 0.0 if config.radius is None else config.radius[0]
    for stage, measure in folder.stages:
        if (found := free_metres(measure)) < nearest:
            raise InputError(
                f"{stage.name}: one sees at most {found:.2g} m from its middle, but the nearest camera is "
                f"{nearest:g} m away; give a smaller radius, or check its scale"
            )
    return assets_key(config.assets)


def assets_key(folder: Path) -> str:
    """A name for what a folder of assets says and holds."""
    assets = read_assets(folder)
    told = [
        [kind, {name: value for name, value in asdict(one).items() if name != "file"}, content_key(one.file)]
        for kind in ("characters", "scenery", "environments")
        for one in getattr(assets, kind).values()
    ]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def asset_credits(config: RenderConfig) -> list[Credit]:
    """Every asset that the config's scenes may show, with its licence; empty without a folder."""
    if config.assets is None:
        return []
    assets, folder = read_assets(config.assets), Path(config.assets).resolve()
    found = [*assets.characters.values(), *assets.scenery.values(), *assets.environments.values()]
    return [Credit(one.name, one.words, one.licence, one.file.relative_to(folder).as_posix()) for one in found]


def own_scene(config: RenderConfig, seed: int, scene: Scene, eyes: np.ndarray) -> OwnScene:
    """The scene with the content of the config's folder, if it has one: characters, scenery and light that are there
    take the place of the scene's own. eyes: camera positions [V, F, 3]. The same seed gives the same scene."""
    chance, cast_rng, stage_rng = (np.random.Generator(np.random.PCG64([seed, 3, part])) for part in range(3))
    share = 1.0 if config.assets_share is None else config.assets_share
    if config.assets is None or chance.random() >= share:
        return OwnScene(scene=scene)
    folder = _opened(config.assets)
    duration_s = (config.num_frames - 1) / config.fps
    actors: tuple[Actor, ...] = ()
    together = ""
    if folder.characters:
        more = _USUAL["more"] if config.two_animals is None else config.two_animals
        actors, together = plan_cast(cast_rng, folder.characters, more=more, duration_s=duration_s, eyes=eyes)
        far = tuple(prop for prop in scene.props if prop.kind not in RADII)
        around = ()
        if stage_rng.random() < _USUAL["props"]:
            metres = max(2.6, reach(actors, duration_s))
            around = scattered(stage_rng, ENVIRONMENTS[scene.environment], metres, eyes)
        scene = replace(scene, animals=(), interaction="", props=(*around, *far))
    movers = actors or scene.animals
    metres = max(2.6, reach(movers, duration_s)) if movers else 2.6
    environment = None
    if folder.environments:
        environment = folder.environments[int(stage_rng.integers(len(folder.environments)))]
        near = tuple(prop for prop in scene.props if prop.kind in RADII)
        scene = replace(scene, props=near, weather="clear", sky="blue")  # the panorama shows what is far
    stage, pieces = None, ()
    fitting = [one for one, measure in folder.stages if free_metres(measure, eyes) >= metres]
    if fitting and stage_rng.integers(len(fitting) + bool(folder.scenery)) < len(fitting):
        stage = fitting[int(stage_rng.integers(len(fitting)))]
        seats = scene.props[: sum(animal.gait == "sit" for animal in scene.animals)]
        scene = replace(scene, props=seats, weather="clear")
        pieces = (Placed(asset=stage),)
    elif folder.scenery:
        seats = scene.props[: sum(animal.gait == "sit" for animal in scene.animals)]
        far = tuple(prop for prop in scene.props if prop.kind not in RADII)
        scene = replace(scene, props=(*seats, *far))
        pieces = standing(stage_rng, folder.scenery, scene, metres, eyes)
    scene = replace(scene, caption=own_caption(scene, actors, together, pieces, stage, environment))
    placed = (*(actor.placed(duration_s) for actor in actors), *pieces)
    sizes = {one.name: (measure.low, measure.high) for one, measure in folder.scenery}  # one is in the midst of a stage
    boxes = (*((actor.clip.low, actor.clip.high) for actor in actors), *(sizes.get(one.asset.name) for one in pieces))
    ground = stage is None or bool(stage.ground)
    return OwnScene(scene=scene, placed=placed, environment=environment, ground=ground, boxes=boxes)


def _opened(folder: Path) -> _Folder:
    path = Path(folder).resolve()
    manifest = path / MANIFEST
    return _measured(path, manifest.stat().st_mtime_ns if manifest.is_file() else 0)


@lru_cache(maxsize=4)
def _measured(path: Path, changed_ns: int) -> _Folder:
    from syncam.render.blender.measure import measure_models

    assets = read_assets(path)
    models = [*assets.characters.values(), *assets.scenery.values()]
    if not models and not assets.environments:
        raise InputError(f"{path / MANIFEST} lists no assets; docs/render.md shows what it says")
    known = list(zip(models, measure_models(models), strict=True)) if models else []
    characters = [(with_clips(one, found), found) for one, found in known if isinstance(one, Character)]
    for one, found in characters:
        check_measure(one, found)
    scenery = [(one, found) for one, found in known if isinstance(one, Scenery)]
    return _Folder(
        tuple(characters),
        tuple(pair for pair in scenery if not pair[0].stage),
        tuple(pair for pair in scenery if pair[0].stage),
        tuple(assets.environments.values()),
    )


_SHOWN = ("scale", "up", "turn_deg", "fps", "strength")
"""What of the manifest changes pictures, of those assets that have it."""


def _told(asset: Any) -> dict[str, Any]:
    shown = {name: getattr(asset, name) for name in _SHOWN if hasattr(asset, name)}
    return shown | {
        "name": asset.name,
        "file": asset.file.name,
        "sha256": file_key(asset.file),
        "content": content_key(asset.file),
        "words": asset.words,
        "licence": asset.licence,
    }


_WAY = ("x", "y", "z", "heading_deg", "speed", "turn_deg_per_s", "rate", "travel")


def _told_placed(one: Placed) -> dict[str, Any]:
    told = {"kind": "scenery", **_told(one.asset)}
    if isinstance(one.asset, Character) and one.clip is not None:
        told |= {"kind": "character", "clip": one.clip, "animation": (one.asset.clips or {})[one.clip]}
    return told | {name: getattr(one, name) for name in _WAY}


def _placed(assets: Assets, told: dict[str, Any]) -> Placed:
    way: dict[str, Any] = {name: tuple(told[name]) if name == "travel" else told[name] for name in _WAY}
    if told["kind"] == "scenery":
        return Placed(asset=_same(assets.scenery, told), **way)
    asset = replace(_same(assets.characters, told), clips={told["clip"]: told["animation"]}, speeds={})
    return Placed(asset=asset, clip=told["clip"], **way)


def _same(known: dict[str, Any], told: dict[str, Any]) -> Any:
    """The asset of that name as it was shown, if its files still are what they were."""
    if told["name"] not in known:
        raise InputError(f"the scene shows {told['name']}, which the folder does not list; it lists {', '.join(known)}")
    found = known[told["name"]]
    if content_key(found.file) != told["content"]:
        raise InputError(f"{found.file} is not the file that the scene was rendered with; put that one there again")
    return replace(found, **{name: told[name] for name in _SHOWN if hasattr(found, name)})
