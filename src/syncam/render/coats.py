"""The colours of characters: coats and their patterns, clothes, skin and hair, one linear colour per vertex."""

from functools import lru_cache

import numpy as np

from syncam.errors import InputError
from syncam.render.light import linear
from syncam.render.meshes import Mesh, subdivided
from syncam.render.scene import COLOURS, Animal, Rgb
from syncam.render.skeleton import (
    BODY,
    COAT,
    HEAD,
    LEG,
    NUM_MATERIALS,
    SHADE,
    TAIL,
    TAIL_TIP,
    Species,
    leg_bone,
)
from syncam.render.species import species

TONES: tuple[tuple[Rgb, Rgb], ...] = (
    ((0.94, 0.76, 0.63), (0.30, 0.19, 0.11)),
    ((0.90, 0.70, 0.55), (0.85, 0.65, 0.28)),
    ((0.80, 0.58, 0.42), (0.12, 0.09, 0.08)),
    ((0.62, 0.42, 0.28), (0.10, 0.07, 0.06)),
    ((0.42, 0.27, 0.18), (0.08, 0.06, 0.06)),
    ((0.96, 0.79, 0.68), (0.66, 0.28, 0.12)),
)
"""Skin and hair of people, sRGB."""

_PATTERN_EDGE = 0.042
"""About the longest edge of a mesh that carries a pattern, relative to the length of the species."""


def character_mesh(character: Animal) -> Mesh:
    """The mesh to draw a character with: its species' own, finer where it carries a pattern."""
    mesh = species(character.species).mesh
    if character.pattern == "plain" or species(character.species).family == "person":
        return mesh
    return _fine_mesh(character.species)


@lru_cache(maxsize=64)
def vertex_colours(character: Animal) -> np.ndarray:
    """Linear colours [N, 3], float32, of the N vertices of `character_mesh(character)`."""
    mesh = character_mesh(character)
    colours = linear(palette_of(character)).astype(np.float32)[mesh.material]
    if character.pattern == "plain" or species(character.species).family == "person":
        return colours
    share = pattern_share(character.pattern, species(character.species), mesh)[:, None]
    second = linear(COLOURS[character.second]).astype(np.float32)
    # what is darker than the coat stays darker than its second colour
    second = np.where((mesh.material == SHADE)[:, None], 0.7 * second, second)
    return (colours + (second - colours) * share).astype(np.float32)


def palette_of(character: Animal) -> np.ndarray:
    """sRGB [materials, 3] of a character without its pattern."""
    coat = np.array(COLOURS[character.colour])
    dark = 0.35 * coat if character.colour != "black" else np.array([0.27, 0.27, 0.29])
    shade = 0.80 * coat if character.colour != "black" else np.array([0.18, 0.18, 0.20])
    pale = np.array([0.86, 0.82, 0.72])
    accent = 0.45 * coat + 0.55 * np.array([0.80, 0.66, 0.58])
    eye = np.array([0.03, 0.03, 0.03])
    if character.colour == "black":
        eye = np.array([0.75, 0.72, 0.60])
    if not 0 <= character.tone < len(TONES):
        raise InputError(f"tone is {character.tone}; expected 0 to {len(TONES) - 1}")
    skin, hair = TONES[character.tone]
    if species(character.species).family == "person":
        eye = np.array([0.03, 0.03, 0.03])
        accent = np.array([0.35, 0.90, 0.95])
    elif character.species == "cat":
        accent = np.array([0.72, 0.80, 0.30])
    trousers = COLOURS[character.second] if character.second else (0.25, 0.28, 0.38)
    rows = [coat, dark, pale, eye, shade, accent, skin, hair, coat, trousers]
    rows += [(0.16, 0.13, 0.12), (0.95, 0.95, 0.93), (0.76, 0.22, 0.22), (0.95, 0.62, 0.14)]
    assert len(rows) == NUM_MATERIALS
    return np.array([np.asarray(row, dtype=np.float64) for row in rows])


def pattern_share(pattern: str, kind: Species, mesh: Mesh) -> np.ndarray:
    """How much of the second colour, 0 to 1, lies on each vertex [N] of a mesh of that species."""
    x, y, z = mesh.position.T
    low, high = mesh.position[mesh.bones[:, 0] == BODY].min(axis=0), mesh.position[mesh.bones[:, 0] == BODY].max(axis=0)
    length, height = high[0] - low[0], high[2] - low[2]
    main = np.where(mesh.blend > 0.5, mesh.bones[:, 1], mesh.bones[:, 0])
    limb = (main >= LEG) & (main < LEG + 12)
    if pattern == "stripes":
        along = np.where(limb, 1.3 * z, x + 0.55 * z)
        wave = np.sin(2 * np.pi * along / (0.15 * length) + 1.1 * np.sin(7.0 * z + 3.0 * x))
        share = _step(wave, 0.05, 0.3)
    elif pattern == "spots":
        share = 1 - _step(_nearest_seed(mesh.position, 0.21 * np.sqrt(length)), 0.36, 0.46)
    elif pattern == "patches":
        share = _step(_noise(mesh.position / (0.42 * length)), 0.04, 0.16)
    elif pattern == "socks":
        feet = [leg_bone(leg, segment) for leg in range(2 * len(kind.legs)) for segment in (1, 2)]
        knee = kind.legs[0].knee[2]
        share = np.where(np.isin(main, feet), 1 - _step(z, 0.80 * knee, 0.92 * knee), 0.0)
        share = np.maximum(share, (main == TAIL_TIP).astype(float))
    elif pattern == "belly":
        trunk = ~limb & ~np.isin(main, (TAIL, TAIL_TIP))
        middle = np.where(main == HEAD, z[main == HEAD].mean() - 0.02, low[2] + 0.42 * height)
        share = np.where(trunk, 1 - _step(z, middle - 0.03, middle + 0.03), 0.0)
    elif pattern == "saddle":
        ahead = (x - low[0]) / length
        band = _step(ahead, 0.30, 0.34) * (1 - _step(ahead, 0.68, 0.72))
        share = np.where(main == BODY, band * _step(z, low[2] + 0.34 * height, low[2] + 0.42 * height), 0.0)
    else:
        raise InputError(f"pattern is {pattern!r}")
    return np.where(np.isin(mesh.material, (COAT, SHADE)), share, 0.0).astype(np.float32)


@lru_cache(maxsize=32)
def _fine_mesh(name: str) -> Mesh:
    return subdivided(species(name).mesh, (COAT, SHADE), _PATTERN_EDGE * species(name).size[0])


def _step(value: np.ndarray, low: float | np.ndarray, high: float | np.ndarray) -> np.ndarray:
    """0 below low, 1 above high, smooth between."""
    s = np.clip((value - low) / (high - low), 0.0, 1.0)
    return s * s * (3 - 2 * s)


def _nearest_seed(position: np.ndarray, cell: float) -> np.ndarray:
    """Distance [N], in cells, to the nearest of points that lie one in each cell of a grid, off its middle."""
    grid = position / cell
    corner = np.floor(grid)
    nearest = np.full(len(position), np.inf)
    for dx in (-1, 0, 1):
        for dy in (-1, 0, 1):
            for dz in (-1, 0, 1):
                at = corner + np.array([dx, dy, dz])
                jitter = np.stack([_hash(at, k) for k in range(3)], axis=-1)
                nearest = np.minimum(nearest, np.linalg.norm(at + 0.2 + 0.6 * jitter - grid, axis=-1))
    return nearest


def _noise(point: np.ndarray) -> np.ndarray:
    """A smooth field [N] about zero whose blotches are about one unit wide."""
    corner = np.floor(point)
    s = point - corner
    s = s * s * (3 - 2 * s)
    total = np.zeros(len(point))
    for dx in (0, 1):
        for dy in (0, 1):
            for dz in (0, 1):
                weight = np.prod(np.where(np.array([dx, dy, dz]) == 1, s, 1 - s), axis=-1)
                total += weight * (_hash(corner + np.array([dx, dy, dz]), 5) - 0.5)
    return total


def _hash(at: np.ndarray, salt: int) -> np.ndarray:
    """Numbers [N] in [0, 1) that depend on integer places [N, 3] only."""
    mixed = (at.astype(np.int64) * np.array([73856093, 19349663, 83492791])).sum(-1) + salt * 2654435761
    mixed = (mixed ^ (mixed >> 13)) * 1274126177 & 0x7FFFFFFF
    mixed = (mixed ^ (mixed >> 15)) * 2246822519 & 0x7FFFFFFF
    return mixed / 0x80000000
