"""What a model will make less of: cameras outside those it was trained with, and lenses it is not told of."""

import logging

from syncam.cameras.cameras import Cameras
from syncam.cameras.check import outside_training
from syncam.cameras.trained_range import TrainedRange

__all__ = ["warn_about_rig"]

logger = logging.getLogger(__name__)

SHOWN = 3


def warn_about_rig(cameras: Cameras, trained: TrainedRange | None) -> list[str]:
    """Logs where the rig leaves the trained range, and whether its lenses differ; returns the messages."""
    messages = [finding.message for finding in outside_training(cameras, trained)] if trained is not None else []
    focal = cameras.K[..., 0, 0]
    if (trained is None or trained.focal_mm is None) and bool((focal / focal.min() > 1 + 1e-4).any()):
        messages.append("the rig has several focal lengths, but a view adapter is told poses only: expect one lens")
    for message in messages[:SHOWN]:
        logger.warning("%s", message)
    if len(messages) > SHOWN:
        logger.warning("and %d more; syncam rig check --adapter FOLDER lists them all", len(messages) - SHOWN)
    return messages
