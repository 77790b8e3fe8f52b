"""Small pieces of OpenGL: a context without a window, and matrices as it wants them."""

import numpy as np

from syncam.errors import InputError
from syncam.optional import require

NEAR, FAR = 0.15, 600.0
SHADOW_METRES = 15.0
"""The square around the target in which things cast shadows."""


def context():
    """An OpenGL context without a window."""
    moderngl = require("moderngl", extra="render")
    try:
        return moderngl.create_standalone_context(backend="egl")
    except (ImportError, OSError, RuntimeError, ValueError, TypeError) as err:
        raise InputError(
            f"no OpenGL through EGL on this machine ({err}); on Debian or Ubuntu: apt-get install libegl1 libgl1"
        ) from err


def columns_first(matrix: np.ndarray) -> bytes:
    """The bytes OpenGL wants for a matrix."""
    return np.ascontiguousarray(matrix.T, dtype=np.float32).tobytes()


def clip_matrices(c2w: np.ndarray, K: np.ndarray, hw: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """World -> clip space and clip space -> world ray, [V, F, 4, 4].

    Clip y grows downwards in the picture, so that the first row OpenGL hands back is the picture's top row.
    """
    height, width = hw
    projection = np.zeros((*K.shape[:2], 4, 4))
    projection[..., 0, :3] = 2 * K[..., 0, :] / width
    projection[..., 1, :3] = 2 * K[..., 1, :] / height
    projection[..., 0, 2] -= 1.0
    projection[..., 1, 2] -= 1.0
    projection[..., 2, 2] = (FAR + NEAR) / (FAR - NEAR)
    projection[..., 2, 3] = -2 * FAR * NEAR / (FAR - NEAR)
    projection[..., 3, 2] = 1.0
    world_to_clip = projection @ np.linalg.inv(c2w)
    to_clip_2d = np.stack([projection[..., 0, :3], projection[..., 1, :3], projection[..., 3, :3]], axis=-2)
    rays = c2w[..., :3, :3] @ np.linalg.inv(to_clip_2d)  # of (x, y, 1)
    clip_to_ray = np.zeros_like(c2w)
    clip_to_ray[..., :3, :3] = rays
    return world_to_clip, clip_to_ray


def light_matrix(to_sun: np.ndarray) -> np.ndarray:
    """World -> clip space of the sun's parallel light over the shadowed square."""
    forward = -to_sun
    right = np.cross(forward, np.array([0.0, 0.0, 1.0]))
    right /= np.linalg.norm(right)
    rotation = np.stack([right, np.cross(right, forward), forward])
    half = 0.5 * SHADOW_METRES
    view = np.eye(4)
    view[:3, :3] = rotation / np.array([half, half, 20.0])[:, None]
    return view
