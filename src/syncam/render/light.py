"""Sun, sky and haze of a scene, in linear colour: what every engine lights it with."""

from dataclasses import dataclass, replace

import numpy as np

from syncam.render.scene import GROUNDS, SKIES, Rgb, Scene

FOG_METRES = 60.0
_CLEAR_METRES = 150.0
_LAMPLIT = frozenset({"dusk", "night"})
"""Skies under which lamp posts give light."""
LAMP_COLOUR = np.array([1.0, 0.60, 0.24])
"""Linear colour of what lamps give."""
LAMP_RADIANCE = 150.0
"""How bright a lamp's glass is to what it lights; a white surface that the sun lights fully has 1."""
LAMP_SEEN = np.array([1.30, 0.98, 0.58])
"""Linear colour of the glass itself on pictures."""
LAMP_GLASS = (3.2, 0.30)
"""Height of its middle above the ground and radius around it, metres, at scale 1."""
_LAMP_AREA = 0.14
"""Square metres of a glass that one sees, from about anywhere below."""
_LUMINANCE = np.array([0.2126, 0.7152, 0.0722])
_WEATHER = {
    # weather: how far one sees, metres; how much direct light is left; how grey sky and light become; brightness
    "clear": (_CLEAR_METRES, 1.0, 0.0, 1.0),
    "overcast": (110.0, 0.35, 0.75, 1.0),
    "fog": (13.0, 0.30, 0.80, 1.08),
    "rain": (48.0, 0.28, 0.80, 0.85),
    "snowfall": (34.0, 0.35, 0.80, 1.05),
}


@dataclass(frozen=True)
class Light:
    """Sun and sky, linear RGB [3] each: a white surface that faces the sun reflects sunlight, plus the ambient light
    between ambient_up (facing the sky) and ambient_down (facing the ground). to_sun: unit vector. horizon and zenith
    are what cameras see of the sky. Things at distance d keep exp(-(d / fog_metres)^2) of their colour; the rest is
    the horizon's."""

    to_sun: np.ndarray
    sunlight: np.ndarray
    ambient_up: np.ndarray
    ambient_down: np.ndarray
    horizon: np.ndarray
    zenith: np.ndarray
    fog_metres: float


def light_of(scene: Scene) -> Light:
    """The scene's sun, sky and weather."""
    sky, ground = SKIES[scene.sky], GROUNDS[scene.ground]
    azimuth, elevation = np.deg2rad(scene.sun.azimuth_deg), np.deg2rad(scene.sun.elevation_deg)
    bounce = 0.35 * linear(ground.light) + 0.15
    light = Light(
        np.array([np.cos(azimuth) * np.cos(elevation), np.sin(azimuth) * np.cos(elevation), np.sin(elevation)]),
        linear(sky.sunlight) * sky.sun_strength,
        linear(sky.ambient) * sky.ambient_strength,
        linear(sky.ambient) * sky.ambient_strength * bounce * 1.3,
        linear(sky.horizon),
        linear(sky.zenith),
        FOG_METRES,
    )
    return _weathered(light, scene.weather) if scene.environment else light


def lamps(scene: Scene) -> np.ndarray:
    """Lamps that give light, [L, 4]: x, y, z of the middle of the glass, metres, and scale; the nearest to the origin
    first. None by day, and in the basic content."""
    height = LAMP_GLASS[0]
    lit = scene.environment and scene.sky in _LAMPLIT
    found = [(p.x, p.y, height * p.scale, p.scale) for p in scene.props if lit and p.kind == "lamp post"]
    return np.array(sorted(found, key=lambda lamp: np.hypot(*lamp[:2]))).reshape(-1, 4)


def lamp_strength() -> np.ndarray:
    """Linear RGB that a white surface reflects which faces a lamp of scale 1 at one metre."""
    return LAMP_COLOUR * LAMP_RADIANCE * _LAMP_AREA / np.pi


def _weathered(light: Light, weather: str) -> Light:
    """What direct light the weather takes away, the sky gives back in part, from all sides."""
    metres, direct, grey, brightness = _WEATHER[weather]

    def dulled(colour: np.ndarray) -> np.ndarray:
        return (colour + (colour @ _LUMINANCE - colour) * grey) * brightness

    spread = 0.42 * (1 - direct) * (light.sunlight @ _LUMINANCE)
    middle = 0.5 * (light.horizon + light.zenith)
    return replace(
        light,
        sunlight=dulled(light.sunlight) * direct,
        ambient_up=dulled(light.ambient_up) + spread,
        ambient_down=dulled(light.ambient_down) + 0.4 * spread,
        horizon=dulled(light.horizon + (middle - light.horizon) * 0.4 * grey),
        zenith=dulled(light.zenith + (middle - light.zenith) * 0.7 * grey),
        fog_metres=metres,
    )


def linear(srgb: Rgb | np.ndarray) -> np.ndarray:
    """Linear light of sRGB colours."""
    colour = np.asarray(srgb, dtype=np.float64)
    return np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)
