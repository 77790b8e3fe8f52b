"""Camera moves: functions that take cameras, still or moving, and animate them over their frames.

A move leaves frame 0 as it is, and with an amount of 0 it leaves everything as it is. Applied to each other's results,
moves add up frame by frame: `dolly(arc(cameras, 30.0), 1.0)` travels on the circle and at the same time inwards.
"""

from syncam.cameras.moves.head import pan, roll, tilt, zoom
from syncam.cameras.moves.seeded import handheld, wander
from syncam.cameras.moves.subject import ahead, arc, crane, dolly_zoom, elevate, keep_aim, orbit, spiral, track
from syncam.cameras.moves.timing import CONSTANT, Timing
from syncam.cameras.moves.travel import dolly, pedestal, truck

__all__ = [
    "CONSTANT",
    "Timing",
    "ahead",
    "arc",
    "crane",
    "dolly",
    "dolly_zoom",
    "elevate",
    "handheld",
    "keep_aim",
    "orbit",
    "pan",
    "pedestal",
    "roll",
    "spiral",
    "tilt",
    "track",
    "truck",
    "wander",
    "zoom",
]
