"""Characters of a user's own in a scene: who plays what, and where they go; they never touch, nor come near cameras."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from syncam.errors import InputError
from syncam.render.assets import Character, Placed
from syncam.render.interactions import arranged, bounding_discs, clearance, disc_places, way_of
from syncam.render.measures import Clip, Measure, discs_of, speed_of
from syncam.render.path import on_path

__all__ = ["Actor", "plan_cast"]

_MOST_METRES = 4.0
"""The longest straight way in a video; who would go farther goes in a circle."""
_MOST_M_PER_S = 3.0
"""In a circle; faster clips are played slower."""
_MOST_TURN_DEG_PER_S = 75.0
_CAMERA_METRES = 0.4
"""Between cameras and characters."""
_ATTEMPTS = 40


@dataclass(frozen=True, kw_only=True)
class Actor:
    """A character on its path, with the words of scene.Animal; x, y and heading are those at mid-clip."""

    asset: Character
    measure: Measure
    word: str
    """Which of its clips it plays."""
    x: float = 0.0
    y: float = 0.0
    heading_deg: float = 0.0
    speed: float = 0.0
    turn_deg_per_s: float = 0.0

    @property
    def clip(self) -> Clip:
        """The measures of what it plays."""
        assert self.asset.clips is not None
        return self.measure.clips[self.asset.clips[self.word]]

    @property
    def natural(self) -> float:
        """Metres per second as the file plays it; 0 on the spot."""
        return speed_of(self.asset, self.measure, self.word)

    def placed(self, duration_s: float) -> Placed:
        """The same as the engine takes it, from the first time of the video on."""
        place, heading = way_of(self, np.zeros(1), 0.5 * duration_s)
        return Placed(
            asset=self.asset,
            clip=self.word,
            x=float(place[0, 0]),
            y=float(place[0, 1]),
            heading_deg=float(np.rad2deg(heading[0]) % 360),
            speed=self.speed,
            z=self.asset.above - self.clip.low[2],
            turn_deg_per_s=self.turn_deg_per_s,
            rate=self.speed / self.natural if self.speed else 1.0,
            travel=self.clip.travel,
        )


@bounding_discs.register
def _(actor: Actor) -> tuple[tuple[float, float], ...]:
    return discs_of(actor.measure, actor.clip)


@way_of.register
def _(actor: Actor, times_s: np.ndarray, middle_s: float) -> tuple[np.ndarray, np.ndarray]:
    seconds = np.asarray(times_s, dtype=np.float64) - middle_s
    place, heading = on_path(actor.x, actor.y, actor.heading_deg, actor.speed, actor.turn_deg_per_s, seconds)
    return place, np.broadcast_to(heading, seconds.shape)


def plan_cast(
    rng: np.random.Generator,
    known: Sequence[tuple[Character, Measure]],
    *,
    more: float,
    duration_s: float,
    eyes: np.ndarray,
) -> tuple[tuple[Actor, ...], str]:
    """One to three of the characters, and what they do together: side, follow, past, circle, or nothing ("").

    more: probability of several. eyes: camera positions [V, F, 3] at F even times; nobody comes near them. InputError
    if there is no room among them for anybody.
    """
    for attempt in range(_ATTEMPTS):
        count = 1 if rng.random() >= more or attempt > _ATTEMPTS // 2 else int(rng.choice([2, 2, 3]))
        chosen = rng.permutation(len(known))[: min(count, len(known))]
        cast = [known[index] for index in chosen]
        try:
            actors, kind = _alone(rng, cast[0], duration_s) if len(cast) == 1 else _together(rng, cast, duration_s)
        except InputError:  # too large for that together
            continue
        if _clear_of_cameras(actors, eyes, duration_s):
            return actors, kind
    for asset, measure in known:  # somebody small who stays where they are
        for word in _words(asset, measure, going=False):
            actors = (Actor(asset=asset, measure=measure, word=word, heading_deg=float(rng.uniform(0, 360))),)
            if _clear_of_cameras(actors, eyes, duration_s):
                return actors, ""
    nearest = np.linalg.norm(eyes - [0.0, 0.0, 0.8], axis=-1).min()
    raise InputError(
        f"there is no room for {', '.join(asset.name for asset, _ in known)} among cameras {nearest:.2g} m from the "
        "middle; give a larger radius, or characters that are smaller, slower or have a clip on the spot"
    )


def _alone(rng: np.random.Generator, known: tuple[Character, Measure], duration_s: float):
    asset, measure = known
    words = _words(asset, measure)
    weights = np.array([2.0 if speed_of(asset, measure, word) else 1.0 for word in words])
    word = str(rng.choice(words, p=weights / weights.sum()))
    one = Actor(asset=asset, measure=measure, word=word, heading_deg=float(rng.uniform(0, 360)))
    speed = one.natural * float(rng.uniform(0.9, 1.1))
    if speed * duration_s > _MOST_METRES:
        return _ring(rng, (one,), speed, duration_s), "circle"
    return (replace(one, speed=speed),), ""


def _together(rng: np.random.Generator, cast: list[tuple[Character, Measure]], duration_s: float):
    going = [set(_words(*one, going=True)) for one in cast]
    still = [_words(*one, going=False) for one in cast]
    common = sorted(set.intersection(*going))
    kinds = ["side", "follow", "circle", *(["past"] if len(cast) == 2 else [])] if common else []
    kinds += ["apart", "apart"] if all(still) else []
    kind = str(rng.choice(kinds or ["lanes"]))
    if kind == "apart":
        words = [str(rng.choice(words)) for words in still]
    elif kind == "lanes":
        words = [str(rng.choice(_words(*one))) for one in cast]
    else:
        words = [str(rng.choice(common))] * len(cast)
    pairs = zip(cast, words, strict=True)
    actors = tuple(Actor(asset=asset, measure=measure, word=word) for (asset, measure), word in pairs)
    pace = float(rng.uniform(0.9, 1.1))
    if kind in ("side", "follow", "circle"):  # all as fast as the slowest
        speed = pace * min(one.natural for one in actors)
        if kind == "circle" or speed * duration_s > _MOST_METRES:
            return _ring(rng, actors, speed, duration_s), "circle"
        actors = tuple(replace(one, speed=speed) for one in actors)
    elif kind in ("past", "lanes"):
        most = _MOST_METRES / max(duration_s, 1e-6)
        actors = tuple(replace(one, speed=min(pace * one.natural, most)) for one in actors)
    made = arranged(rng, "side" if kind == "lanes" else kind, actors, duration_s)
    return made, "" if kind in ("apart", "lanes") else kind


def _words(asset: Character, measure: Measure, going: bool | None = None) -> list[str]:
    """Its clips; those that lead somewhere, or those on the spot."""
    words = sorted(asset.clips or {})
    return [word for word in words if going is None or (speed_of(asset, measure, word) > 0) == going]


def _ring(rng: np.random.Generator, actors: tuple[Actor, ...], speed: float, duration_s: float) -> tuple[Actor, ...]:
    """All on a circle about the middle, as small as they can go on."""
    start, sign = float(rng.uniform(0, 360)), float(rng.choice([-1.0, 1.0]))
    speed = min(speed, _MOST_M_PER_S)
    for radius in np.arange(1.2, 12.0, 0.1):
        turn = float(np.rad2deg(speed / radius))
        made = []
        for index, actor in enumerate(actors):
            angle = start + 360.0 * index / len(actors)
            x, y = radius * np.cos(np.deg2rad(angle)), radius * np.sin(np.deg2rad(angle))
            heading = float((angle + 90 * sign) % 360)
            made.append(
                replace(actor, x=float(x), y=float(y), heading_deg=heading, speed=speed, turn_deg_per_s=sign * turn)
            )
        if turn <= _MOST_TURN_DEG_PER_S and clearance(made, duration_s) > 0.05:
            return tuple(made)
    raise InputError(f"{', '.join(one.asset.name for one in actors)} find no room on a circle; make them smaller")


def _clear_of_cameras(actors: tuple[Actor, ...], eyes: np.ndarray, duration_s: float) -> bool:
    times = np.linspace(0.0, duration_s, eyes.shape[1])
    for actor in actors:
        centres, radii = disc_places(actor, times, 0.5 * duration_s)  # [F, discs, 2]
        apart = np.linalg.norm(eyes[:, :, None, :2] - centres, axis=-1) - radii - _CAMERA_METRES  # [V, F, discs]
        top = actor.asset.above + actor.clip.high[2] - actor.clip.low[2]
        if ((apart < 0).any(axis=-1) & (eyes[..., 2] < top + _CAMERA_METRES)).any():
            return False
    return True
