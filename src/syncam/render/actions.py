"""What characters do: how their feet go, and how the rest of the body moves with it."""

from dataclasses import dataclass

from syncam.render.skeleton import CHEST, HEAD, NECK, Species, arm_bone


@dataclass(frozen=True)
class Stride:
    """The rhythm of the feet.

    offsets: where each leg (front left, front right, hind left, hind right) is in its cycle when the stride begins;
    duty: share of the stride that a foot is on the ground; period_s: seconds of a stride for a leg of one metre;
    bob: metres that the body rises and sinks; lift: how high feet rise, relative to the species' own.
    """

    offsets: tuple[float, float, float, float]
    duty: float
    period_s: float
    bob: float
    lift: float


@dataclass(frozen=True)
class Swing:
    """A bone's turn about its joint: rest_deg + swing_deg sin(2 pi (cycles t - phase)), t in strides, or in seconds if
    by_time; axis: y nods (positive: forward and down; an arm: backward), z turns left, x lifts the left side."""

    bone: int
    axis: str
    rest_deg: float = 0.0
    swing_deg: float = 0.0
    cycles: float = 1.0
    phase: float = 0.0
    by_time: bool = False


@dataclass(frozen=True)
class Action:
    """What one character does.

    still: the feet stay where they are; sits: on a seat as high as its shins are long; swings: applied in this order
    after the species' own rhythm.
    """

    stride: Stride
    still: bool = False
    sits: bool = False
    swings: tuple[Swing, ...] = ()


WALK = Stride((0.75, 0.25, 0.0, 0.5), 0.62, 1.15, 0.012, 1.0)  # hind left, front left, hind right, front right
TROT = Stride((0.0, 0.5, 0.5, 0.0), 0.52, 0.85, 0.03, 1.5)  # diagonal pairs
RUN = Stride((0.0, 0.5, 0.5, 0.0), 0.38, 0.74, 0.035, 2.4)
MARCH = Stride((0.0, 0.5, 0.5, 0.0), 0.60, 0.95, 0.03, 1.2)

BIPED_OFFSETS = (0.0, 0.5)
"""Where the two legs of a biped are in their cycle when the stride begins, in every stride."""

LEFT, RIGHT = 0, 1


def _arms(rest: tuple[float, float], swing_deg: float, elbow_deg: float) -> tuple[Swing, ...]:
    """Arms that swing against the legs: rest is (outward, backward) degrees."""
    swings = []
    for arm, sign, phase in ((LEFT, 1, -0.25), (RIGHT, -1, 0.25)):
        swings += [
            Swing(arm_bone(arm, 0), "x", sign * rest[0]),
            Swing(arm_bone(arm, 0), "y", rest[1], swing_deg, 1.0, phase),
            Swing(arm_bone(arm, 1), "y", elbow_deg, 0.3 * swing_deg, 1.0, phase),
        ]
    return tuple(swings)


_LOOK = (Swing(HEAD, "z", 0.0, 16.0, 0.28, by_time=True),)
_STAND = (*_arms((6.0, 0.0), 0.0, -12.0), Swing(CHEST, "x", 0.0, 1.5, 0.3, by_time=True), *_LOOK)
_WAVE = (
    Swing(arm_bone(RIGHT, 0), "x", -128.0, 7.0, 1.3, by_time=True),
    Swing(arm_bone(RIGHT, 1), "x", -28.0, 30.0, 1.3, 0.1, by_time=True),
    Swing(arm_bone(LEFT, 0), "x", 8.0),
    Swing(arm_bone(LEFT, 1), "y", -12.0),
    Swing(CHEST, "x", 3.0, 2.0, 1.3, by_time=True),
    Swing(HEAD, "x", 6.0, 3.0, 0.65, by_time=True),
)
_DANCE = (
    Swing(CHEST, "z", 0.0, 14.0, 1.0),
    Swing(CHEST, "x", 0.0, 9.0, 1.0, 0.2),
    Swing(arm_bone(LEFT, 0), "x", 105.0, 36.0, 1.0),
    Swing(arm_bone(LEFT, 1), "x", 35.0, 22.0, 2.0),
    Swing(arm_bone(RIGHT, 0), "x", -105.0, 36.0, 1.0),
    Swing(arm_bone(RIGHT, 1), "x", -35.0, 22.0, 2.0, 0.5),
    Swing(HEAD, "x", 0.0, 9.0, 1.0, 0.1),
)
_SIT = (
    *(Swing(arm_bone(arm, 0), "y", -28.0) for arm in (LEFT, RIGHT)),
    *(Swing(arm_bone(arm, 1), "y", -48.0) for arm in (LEFT, RIGHT)),
    Swing(CHEST, "y", 5.0, 1.5, 0.3, by_time=True),
    *_LOOK,
)

_PERSON: dict[str, Action] = {
    "walk": Action(WALK, swings=(*_arms((5.0, 0.0), 24.0, -16.0), Swing(CHEST, "z", 0.0, 5.0, 1.0, -0.25))),
    "turn": Action(WALK, swings=(*_arms((5.0, 0.0), 22.0, -16.0),)),
    "run": Action(RUN, swings=(Swing(CHEST, "y", 10.0), *_arms((8.0, 4.0), 46.0, -82.0))),
    "stand": Action(WALK, still=True, swings=_STAND),
    "wave": Action(WALK, still=True, swings=_WAVE),
    "dance": Action(MARCH, swings=_DANCE),
    "sit": Action(WALK, still=True, sits=True, swings=_SIT),
}

_ANIMAL: dict[str, Action] = {
    "walk": Action(WALK),
    "turn": Action(WALK),
    "trot": Action(TROT),
    "stand": Action(WALK, still=True, swings=(Swing(NECK, "z", 0.0, 13.0, 0.3, by_time=True),)),
}

_HEAD_DOWN = {
    "horse": (62.0, 18.0),
    "deer": (62.0, 20.0),
    "bull": (34.0, 14.0),
    "camel": (40.0, 30.0),
    "giraffe": (72.0, 20.0),
    "ostrich": (74.0, 20.0),
    "dog": (50.0, 22.0),
    "sheep": (52.0, 14.0),
    "bear": (36.0, 22.0),
    "chicken": (66.0, 30.0),
    "duck": (58.0, 30.0),
    "flamingo": (66.0, 30.0),
}
"""Who can eat from the ground: degrees that neck and head bend for it."""


def actions(kind: Species) -> dict[str, Action]:
    """What a species can do, by the words of `scene.GAITS`."""
    if kind.family == "person":
        return _PERSON
    if kind.name not in _HEAD_DOWN:
        return _ANIMAL
    neck, head = _HEAD_DOWN[kind.name]
    quick = 1.6 if kind.family == "bird" else 0.9
    eat = (
        Swing(NECK, "y", neck, 5.0, 0.5 * quick, by_time=True),
        Swing(HEAD, "y", head, 7.0, quick, by_time=True),
    )
    return _ANIMAL | {"eat": Action(WALK, still=True, swings=eat)}
