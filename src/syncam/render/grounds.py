"""The patterns of grounds, in numpy."""

from functools import lru_cache

import numpy as np

from syncam.render.light import linear
from syncam.render.scene import GROUNDS

GROUND_METRES = 400.0
"""Half the side of the square of ground."""
PATTERN_METRES = 24.0
"""Side of a ground's pattern, which repeats."""
_PATTERN_SIZE = 256
_TEXTURE_SIZE = 512


def ground_pattern() -> np.ndarray:
    """A calm, seamless noise picture (wavelengths of about one to six metres), uint8 [256, 256]: 255 is ground_light.

    Row 0, column 0 is at (x, y) = -ground_shift; columns go along +x, rows along +y.
    """
    noise = np.random.Generator(np.random.PCG64(20)).standard_normal((_PATTERN_SIZE, _PATTERN_SIZE))
    cycles = np.fft.fftfreq(_PATTERN_SIZE, 1 / _PATTERN_SIZE) / PATTERN_METRES  # per metre
    frequency = np.hypot(cycles[:, None], cycles[None])
    smooth = np.fft.ifft2(np.fft.fft2(noise) * np.exp(-((frequency / 0.42) ** 2)) * (frequency > 0.1)).real
    return np.clip(128 + 58 * smooth / smooth.std(), 0, 255).astype(np.uint8)


@lru_cache(maxsize=32)
def ground_texture(name: str) -> np.ndarray:
    """Linear colour [512, 512, 3], float32, of 24 x 24 metres of a ground of the full content, seamless.

    Row 0, column 0 is at (x, y) = -ground_shift; columns go along +x, rows along +y.
    """
    ground = GROUNDS[name]
    metres = (np.arange(_TEXTURE_SIZE) + 0.5) * (PATTERN_METRES / _TEXTURE_SIZE)
    x, y = np.meshgrid(metres, metres)
    light, third = PATTERNS[ground.pattern](x, y)
    colours = np.array([ground.dark, ground.light, ground.third])
    mixed = colours[0] + (colours[1] - colours[0]) * light[..., None]
    mixed = mixed + (colours[2] - mixed) * third[..., None]
    grain = 1 + 0.05 * _noise(9, 2.0, 12.0)[..., None]
    return linear(np.clip(mixed * grain, 0, 1)).astype(np.float32)


def _noise(seed: int, low: float, high: float) -> np.ndarray:
    """Seamless noise of unit variance, with low to high cycles per metre at most."""
    cycles = np.fft.fftfreq(_TEXTURE_SIZE, 1 / _TEXTURE_SIZE) / PATTERN_METRES
    frequency = np.hypot(cycles[:, None], cycles[None])
    white = np.random.Generator(np.random.PCG64(seed)).standard_normal(frequency.shape)
    band = np.exp(-((frequency / high) ** 2)) * (1 - np.exp(-((frequency / low) ** 2)))
    found = np.fft.ifft2(np.fft.fft2(white) * band).real
    return found / found.std()


def _mottled(x: np.ndarray, y: np.ndarray):
    return np.clip(0.5 + 0.22 * _noise(1, 0.08, 0.5) + 0.12 * _noise(2, 0.5, 3.0), 0, 1), np.zeros_like(x)


def _flowers(x: np.ndarray, y: np.ndarray):
    """Mottled, strewn with small things of the third colour."""
    light, _ = _mottled(x, y)
    return light, _smooth(_noise(3, 1.2, 3.2), 1.75, 2.1)


def _stripes(x: np.ndarray, y: np.ndarray):
    """Mown: broad bands."""
    bands = _smooth(np.sin(2 * np.pi * x / 3.0), -0.25, 0.25)
    return np.clip(0.85 * bands + 0.10 * _noise(2, 0.5, 4.0) + 0.08, 0, 1), np.zeros_like(x)


def _ripples(x: np.ndarray, y: np.ndarray):
    """What wind leaves."""
    wave = np.sin(2 * np.pi * (x + 0.5 * y) * (32 / PATTERN_METRES) + 1.5 * _noise(1, 0.05, 0.35))
    return np.clip(0.5 + 0.22 * wave + 0.16 * _noise(2, 0.08, 0.6), 0, 1), np.zeros_like(x)


def _road(x: np.ndarray, y: np.ndarray):
    """Asphalt along x with a broken line in its middle, kerbs and pavement; the middle of the road is at y = 0."""
    across = np.minimum(y, PATTERN_METRES - y)
    pavement = _smooth(across, 4.2, 4.25)
    slab_joints = ((np.abs((x % 1.0) - 0.5) > 0.46) | (np.abs((y % 1.0) - 0.5) > 0.46)) & (pavement > 0.5)
    line = (across < 0.09) & (x % 3.0 < 1.6)
    kerb = (across > 4.2) & (across < 4.45)
    light = pavement * (0.85 - 0.28 * slab_joints) + 0.05 * _noise(4, 0.5, 6.0)
    return np.clip(light, 0, 1), np.maximum(line, 0.55 * kerb).astype(float)


def _tiles(x: np.ndarray, y: np.ndarray, *, side: float = 1.2, joint: float = 0.06, shift: float = 0.0):
    """Slabs, each of its own shade, with dark joints."""
    row = np.floor(y / side)
    along = x + shift * side * (row % 2)
    shades = np.random.Generator(np.random.PCG64(5)).random((64, 64))
    shade = shades[row.astype(int) % 64, np.floor((along % PATTERN_METRES) / side).astype(int) % 64]
    edge = np.minimum(side / 2 - np.abs(along % side - side / 2), side / 2 - np.abs(y % side - side / 2))
    return np.clip(shade + 0.08 * _noise(2, 0.5, 4.0), 0, 1), 0.8 * (edge < joint / 2)


def _cobbles(x: np.ndarray, y: np.ndarray):
    return _tiles(x, y, side=0.5, joint=0.09, shift=0.5)


def _chequered(x: np.ndarray, y: np.ndarray):
    checks = (np.floor(x / 1.0) + np.floor(y / 1.0)) % 2
    return np.clip(0.04 + 0.92 * checks + 0.03 * _noise(2, 0.1, 2.0), 0, 1), np.zeros_like(x)


def _planks(x: np.ndarray, y: np.ndarray):
    """Boards along x."""
    wide, long = 0.4, 4.0
    row = np.floor(y / wide).astype(int)
    shades = np.random.Generator(np.random.PCG64(6)).random((64, 8))
    along = (x + long * shades[row % 64, 0]) % PATTERN_METRES
    shade = shades[row % 64, 1 + np.floor(along / long).astype(int) % 7]
    joint = (np.abs(y % wide - wide / 2) > 0.47 * wide) | (along % long < 0.06)
    return np.clip(shade + 0.1 * np.sin(2 * np.pi * y * 9 + 2 * _noise(7, 0.1, 0.6)), 0, 1), 0.8 * joint


def _carpet(x: np.ndarray, y: np.ndarray):
    """Diamonds."""
    u, v = (x + y) % 2.0 - 1.0, (x - y) % 2.0 - 1.0
    lines = (np.abs(u) < 0.06) | (np.abs(v) < 0.06)
    dots = u**2 + v**2 > 1.75
    return np.clip(0.5 + 0.2 * _noise(2, 0.5, 5.0), 0, 1), 0.75 * (lines | dots)


def _furrows(x: np.ndarray, y: np.ndarray):
    """Ploughed rows along x, green between some of them."""
    ridge = 0.5 + 0.5 * np.sin(2 * np.pi * y / 0.8 + 0.3 * _noise(1, 0.1, 0.8))
    green = _smooth(ridge, 0.86, 0.97) * _smooth(_noise(3, 0.3, 2.5), -0.4, 0.4)
    return np.clip(ridge + 0.14 * _noise(2, 0.5, 4.0), 0, 1), green


def _smooth(value: np.ndarray, low: float, high: float) -> np.ndarray:
    """0 below low, 1 above high, smooth between."""
    s = np.clip((value - low) / (high - low), 0.0, 1.0)
    return s * s * (3 - 2 * s)


PATTERNS = {
    "mottled": _mottled,
    "flowers": _flowers,
    "stripes": _stripes,
    "ripples": _ripples,
    "road": _road,
    "tiles": _tiles,
    "cobbles": _cobbles,
    "chequered": _chequered,
    "planks": _planks,
    "carpet": _carpet,
    "furrows": _furrows,
}
"""Pattern -> function of x, y [H, W] in metres to the shares of the light and of the third colour."""
