"""Ways along the ground: straight lines and circles at an even speed."""

import numpy as np


def on_path(
    x: float, y: float, heading_deg: float, speed: float, turn_deg_per_s: float, seconds: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Place [..., 2] and heading [...] in radians, counter-clockwise from +x, of who is at x, y and goes in the
    direction heading_deg at zero seconds; lengths are of any unit, speed is per second."""
    start, rate = np.deg2rad(heading_deg), np.deg2rad(turn_deg_per_s)
    heading = start + rate * seconds
    if rate == 0:
        east, north = speed * seconds * np.cos(start), speed * seconds * np.sin(start)
    else:
        east = speed / rate * (np.sin(heading) - np.sin(start))
        north = -speed / rate * (np.cos(heading) - np.cos(start))
    return np.stack([east, north], axis=-1) + np.array([x, y]), heading
