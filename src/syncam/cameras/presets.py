"""The ten basic camera moves of ReCamMaster, by number and by name.

The published files (MultiCamVideo's val/10basic_trajectories) hold, for frame i of 81, the share i / 80.5 of

| 1, 2 | pan right, left | 20 degrees |
| 3, 4 | tilt up, down | 10 degrees |
| 5, 6 | zoom in, out | 2 metres along the optical axis; the lens stays |
| 7, 8 | translate up, down | 1 metre, turning to keep a subject 4 metres ahead in its place: 14 degrees |
| 9, 10 | arc left, right | 30 degrees about that subject, which stays in its place, but straight along the chord |

Half a frame is thus missing in the end: pan right reaches 19.88 degrees. All start at the same level camera.
"""

import math

from syncam.cameras.cameras import Cameras
from syncam.cameras.moves.head import pan, tilt
from syncam.cameras.moves.subject import ahead, crane, keep_aim
from syncam.cameras.moves.timing import CONSTANT, Timing
from syncam.cameras.moves.travel import dolly, truck
from syncam.errors import InputError
from syncam.rig_words import PRESETS, meant

__all__ = ["PRESETS", "preset"]

PAN_DEG, TILT_DEG, ZOOM_M, RISE_M, ARC_DEG = 20.0, 10.0, 2.0, 1.0, 30.0


def preset(cameras: Cameras, which: int | str, *, distance: float = 4.0, timing: Timing = CONSTANT) -> Cameras:
    """The cameras on one of the ten basic trajectories: 1 to 10, or its name in `PRESETS`.

    distance: metres to the subject that the last four keep in its place; the published files have 4. Over other numbers
    of frames F than 81, frame i holds the share i / (F - 1/2).
    """
    known = {str(number + 1): name for number, name in enumerate(PRESETS)} | {name: name for name in PRESETS}
    if str(which) not in known:
        raise InputError(
            f"unknown preset {which!r}{meant(str(which), PRESETS)}; "
            f"expected 1..{len(PRESETS)} or one of {', '.join(PRESETS)}"
        )
    kind, side = known[str(which)].split("_")
    share = (cameras.num_frames - 1) / (cameras.num_frames - 0.5)
    share = share if side in ("right", "up", "in") else -share
    if kind == "pan":
        return pan(cameras, PAN_DEG * share, timing=timing)
    if kind == "tilt":
        return tilt(cameras, TILT_DEG * share, timing=timing)
    if kind == "zoom":
        return dolly(cameras, ZOOM_M * share, timing=timing)
    subject = ahead(cameras, distance)
    if kind == "translate":
        return crane(cameras, RISE_M * share, target=subject, timing=timing)
    angle = math.radians(ARC_DEG)
    moved = truck(cameras, distance * math.sin(angle) * share, timing=timing)
    moved = dolly(moved, distance * (1 - math.cos(angle)) * abs(share), timing=timing)
    return keep_aim(cameras, moved, subject, subject)
