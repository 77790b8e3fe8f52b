"""Pictures: the right pixels, depths, shadows, masks and colours, at the right instant, every time the same."""

import dataclasses

import numpy as np
import pytest
import torch

from render.examples import animal, arrays, rasterised, rig, scene, skinned, unprojected, widened
from syncam.errors import InputError
from syncam.render.props import RADII, prop_mesh
from syncam.render.rasterizer import Renderer
from syncam.render.rendering import Rendering
from syncam.render.scene import BASIC_COLOURS, BASIC_GROUNDS, BASIC_SKIES, COLOURS, GROUNDS, SKIES, Prop, Scene, Sun
from syncam.render.species import BASIC_SPECIES, species


def shot(renderer: Renderer, made: Scene, cameras, time_s: float = 0.0, *, labels: tuple[str, ...] = ()) -> Rendering:
    """One moment through every camera."""
    return renderer.render(made, *arrays(cameras), [time_s], labels=labels)


def linear(srgb: np.ndarray) -> np.ndarray:
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def cielab(light: np.ndarray) -> np.ndarray:
    """CIELAB (D65) of linear RGB."""
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = light @ to_xyz.T / np.array([0.9505, 1.0, 1.089])
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], -1)


def nearest(pixels: np.ndarray, sky: str, facing: float, table: dict[str, tuple[float, ...]]) -> str:
    """The colour of the table that the pixels (uint8 [N, 3]) have under that sky's light."""
    light = linear(np.array(SKIES[sky].ambient)) * SKIES[sky].ambient_strength
    light = light + facing * linear(np.array(SKIES[sky].sunlight)) * SKIES[sky].sun_strength
    seen = cielab(np.median(linear(pixels / 255), axis=0) / light)
    names = list(table)
    distance = [np.linalg.norm(cielab(linear(np.array(table[name]))) - seen) for name in names]
    return names[int(np.argmin(distance))]


@pytest.mark.parametrize("view", range(3))
def test_known_points_land_where_cameras_project_them(renderer: Renderer, view: int) -> None:
    """The outline of a crate is the outline of its projected corners to half a pixel."""
    cameras = rig(3, radius=5.0, azimuth_deg=20.0, elevation_deg=25.0).view(view)
    crate = scene(props=(Prop("crate", 0.3, -0.2, 25.0, 1.2),))
    with_crate, without = (shot(renderer, made, cameras, labels=("depth",)).depth for made in (crate, scene()))
    assert with_crate is not None and without is not None
    rows, columns = np.nonzero(with_crate[0, 0] < without[0, 0] - 1e-3)
    turn = np.deg2rad(25.0)
    rotation = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
    corners = 1.2 * prop_mesh("crate").position @ rotation.T + [0.3, -0.2, 0]
    uv = cameras.project(torch.from_numpy(corners[corners[:, 2] > 0]))[0][0, 0].numpy()
    assert columns.min() == pytest.approx(uv[:, 0].min(), abs=0.5)
    assert columns.max() + 1 == pytest.approx(uv[:, 0].max(), abs=0.5)
    assert rows.min() == pytest.approx(uv[:, 1].min(), abs=1.0)  # its top is a point, which may miss a pixel's centre


@pytest.mark.parametrize("kind", ["horse", "elephant", "ostrich"])
def test_silhouettes_and_depths_agree_with_an_independent_rasteriser(renderer: Renderer, kind: str) -> None:
    """Two synchronised cameras see the animal exactly where its skinned triangles are at that instant."""
    one, cameras, time = animal(kind, gait="trot"), rig(2), 0.37
    rendering = shot(renderer, scene(one), cameras, time, labels=("depth",))
    empty = shot(renderer, scene(), cameras, time, labels=("depth",))
    assert rendering.depth is not None and empty.depth is not None
    vertices, triangles = skinned(one, [time])[0], species(kind).mesh.triangles
    for view in range(2):
        expected = rasterised(cameras.view(view), vertices, triangles)
        expected[expected > empty.depth[view, 0]] = np.inf  # soles are a little below the ground
        inside = np.isfinite(expected)
        sharp = rendering.depth[view, 0] < empty.depth[view, 0]
        assert inside.sum() > 100
        assert (inside != sharp).sum() <= 0.02 * inside.sum()
        both = inside & sharp
        error = np.abs(rendering.depth[view, 0][both] - expected[both])
        assert np.median(error) < 1e-3 and (error < 1e-2).mean() > 0.98
        mask = rendering.mask[view, 0]
        border = widened(inside) & widened(~inside)
        assert not ((mask != inside) & ~border).any()
        assert (mask != inside).sum() < 0.3 * border.sum()
        late = np.isfinite(rasterised(cameras.view(view), skinned(one, [time + 0.25])[0], triangles))
        assert (mask != late).sum() > 2 * (mask != inside).sum()


def test_depth_of_ground_and_sky(renderer: Renderer) -> None:
    cameras = rig(2, elevation_deg=20.0)
    depth = shot(renderer, scene(), cameras, labels=("depth",)).depth
    assert depth is not None and depth.dtype == np.float32
    for view in range(2):
        points = unprojected(cameras.view(view), depth[view, 0])
        near = depth[view, 0] < 30
        assert near.mean() > 0.4
        assert np.abs(points[near][:, 2]).max() < 1e-3
        sky = np.isinf(depth[view, 0])
        assert sky[0].all() and not sky[-1].any()


def test_depth_only_when_asked_for_and_without_effect(renderer: Renderer) -> None:
    plain, deep = (shot(renderer, scene(animal()), rig(), labels=labels) for labels in ((), ("depth",)))
    assert plain.depth is None and np.array_equal(plain.rgb, deep.rgb) and np.array_equal(plain.mask, deep.mask)


@pytest.mark.parametrize("azimuth_deg", [0.0, 100.0, 200.0, 280.0])
def test_shadows_lie_away_from_the_sun(renderer: Renderer, azimuth_deg: float) -> None:
    """Seen from high above: the ground is darker beyond the animal, as far as the sun's height says."""
    cameras = rig(1, radius=9.0, elevation_deg=75.0)
    sun = Sun(azimuth_deg, 45.0)
    one = animal("elephant")
    lit = shot(renderer, scene(sun=sun), cameras, labels=("depth",))
    cast = shot(renderer, scene(one, sun=sun), cameras)
    assert lit.depth is not None
    change = cast.rgb[0, 0].astype(int).sum(-1) - lit.rgb[0, 0].astype(int).sum(-1)
    dark = (change < -40) & ~widened(cast.mask[0, 0])
    assert dark.sum() > 10
    away = -np.array([np.cos(np.deg2rad(azimuth_deg)), np.sin(np.deg2rad(azimuth_deg))])
    ground = unprojected(cameras, lit.depth[0, 0])[dark][:, :2]
    vertices = skinned(one, [0.0])[0]
    tips = vertices[:, :2] + away * vertices[:, 2:]  # of a sun 45 degrees high
    assert ground.mean(axis=0) @ away > 0.3
    assert (ground @ away).max() == pytest.approx((tips @ away).max(), abs=0.3)
    across = np.array([-away[1], away[0]])
    assert (tips @ across).min() - 0.3 < (ground @ across).min() < (ground @ across).max() < (tips @ across).max() + 0.3


def test_shadows_move_with_the_sun(renderer: Renderer) -> None:
    cameras, one = rig(1, radius=7.0, elevation_deg=60.0), animal()
    pictures = [shot(renderer, scene(one, sun=Sun(azimuth, 40.0)), cameras) for azimuth in (80.0, 260.0)]
    lit = [shot(renderer, scene(sun=Sun(azimuth, 40.0)), cameras) for azimuth in (80.0, 260.0)]
    darker = [a.rgb.astype(int).sum(-1) < b.rgb.astype(int).sum(-1) - 40 for a, b in zip(pictures, lit, strict=True)]
    outside = ~widened(pictures[0].mask)
    first, second = (dark & outside for dark in darker)
    assert first.sum() > 20 and second.sum() > 20
    assert (first & second).sum() < 0.3 * min(first.sum(), second.sum())


@pytest.mark.parametrize("kind", ["horse", "pig"])
def test_masks_agree_with_a_picture_without_the_animal(renderer: Renderer, kind: str) -> None:
    cameras = rig(2)
    props = (Prop("bush", -4.0, 0.5, 0.0, 1.0), Prop("bush", 0.0, -4.5, 0.0, 1.0))
    there, gone = (shot(renderer, scene(*animals, props=props), cameras) for animals in ([animal(kind)], []))
    assert not gone.mask.any()
    changed = (there.rgb != gone.rgb).any(-1)
    assert changed[there.mask].mean() > 0.99
    shadow = changed & ~widened(there.mask)
    assert shadow.any()
    assert (there.rgb[shadow] <= gone.rgb[shadow]).all()


def test_masks_hide_what_is_behind_props_and_show_both_animals(renderer: Renderer) -> None:
    cameras = rig(1)
    left, right = animal("pig", y=0.8), animal("deer", "blue", y=-0.8)
    alone = [shot(renderer, scene(one), cameras).mask for one in (left, right)]
    both = shot(renderer, scene(left, right), cameras).mask
    assert (both != (alone[0] | alone[1])).sum() <= 12
    hidden = shot(renderer, scene(left, props=(Prop("crate", 0.0, 2.0, 0.0, 1.0),)), cameras).mask
    assert not (hidden & ~alone[0]).any() and hidden.sum() < 0.8 * alone[0].sum()


def test_the_same_picture_every_time(renderer: Renderer) -> None:
    cameras = rig(2, 3, azimuth_deg=30.0)
    times = [-0.2, 0.0, 0.3]
    made = scene(animal(), animal("pig", "blue", y=1.5), props=(Prop("tree", -4.0, 1.0, 10.0, 1.0),))
    first = renderer.render(made, *arrays(cameras), times)
    renderer.render(
        scene(animal("camel"), ground="snow", props=(Prop("rock", 3.0, 2.0, 0.0, 1.0),)), *arrays(rig()), [0]
    )
    again = renderer.render(made, *arrays(cameras), times)
    assert np.array_equal(first.rgb, again.rgb) and np.array_equal(first.mask, again.mask)
    assert (first.rgb[:, 0] != first.rgb[:, 2]).any()


def test_pictures_do_not_depend_on_what_is_drawn_with_them(renderer: Renderer) -> None:
    """Alone or in another order, but for the rounding of some pixels on an edge."""
    cameras = rig(3, 3, azimuth_deg=30.0)
    times = [-0.2, 0.0, 0.3]
    made = scene(animal("deer"), props=(Prop("fence", -4.0, 1.0, 10.0, 1.0),))
    whole = renderer.render(made, *arrays(cameras), times)
    order = [2, 0, 1]
    shuffled = renderer.render(made, *arrays(cameras.view(order)), times)
    assert (shuffled.rgb != whole.rgb[order]).any(-1).mean() < 1e-3
    for frame in range(3):
        alone = shot(renderer, made, cameras.frames(frame), times[frame])
        assert (alone.rgb[:, 0] != whole.rgb[:, frame]).any(-1).mean() < 1e-3
        assert (alone.mask[:, 0] != whole.mask[:, frame]).mean() < 1e-3


def test_more_pictures_than_fit_on_one_canvas() -> None:
    """Wide pictures fill the canvas several times over within one call."""
    renderer = Renderer((16, 2000))
    cameras = rig(1, 1).resized((16, 2000))
    count = 2 * renderer._columns * renderer._rows + 1
    many = renderer.render(scene(animal()), *arrays(cameras.repeat_frames(count)), [0.0] * count)
    one = renderer.render(scene(animal()), *arrays(cameras), [0.0])
    differing = (many.rgb != one.rgb).any(-1).mean(axis=(2, 3))
    assert differing.max() < 5e-3


def test_renderers_work_side_by_side(renderer: Renderer) -> None:
    """In turns, each in its own OpenGL context."""
    small, cameras = Renderer((16, 24)), rig(1)
    made = scene(animal("pig"), props=(Prop("rock", -4.0, 1.0, 0.0, 1.0),))
    first = shot(renderer, made, cameras)
    narrow = shot(small, made, cameras.resized((16, 24)))
    again, narrow_again = shot(renderer, made, cameras), shot(small, made, cameras.resized((16, 24)))
    assert np.array_equal(first.rgb, again.rgb) and np.array_equal(narrow.rgb, narrow_again.rgb)
    assert narrow.rgb.shape == (1, 1, 16, 24, 3) and narrow.mask.any()


@pytest.mark.parametrize("kind", BASIC_SPECIES)
def test_animals_have_the_colour_of_their_name(renderer: Renderer, kind: str) -> None:
    """The light of the sky divided out, the middle of the animal is nearest to its own colour of all the palette's."""
    cameras = rig(1, radius=3.0, elevation_deg=25.0)
    skies = BASIC_SKIES
    table = {name: COLOURS[name] for name in BASIC_COLOURS}
    for index, colour in enumerate(table):
        sky = skies[(index + BASIC_SPECIES.index(kind)) % len(skies)]
        one = scene(animal(kind, colour), sky=sky, sun=Sun(90.0, 45.0), ground=BASIC_GROUNDS[index % 5])
        rendering = shot(renderer, one, cameras)
        mask = rendering.mask[0, 0]
        assert 0.03 < mask.mean() < 0.5
        inner = ~widened(~mask)
        pixels = rendering.rgb[0, 0][inner]
        assert nearest(pixels, sky, 0.6, table) == colour, (colour, sky)


@pytest.mark.parametrize("sky", BASIC_SKIES)
def test_grounds_have_the_colour_of_their_name(renderer: Renderer, sky: str) -> None:
    table = {name: tuple(np.mean([ground.light, ground.dark], axis=0)) for name, ground in GROUNDS.items()}
    table = {name: table[name] for name in BASIC_GROUNDS}
    for ground in table:
        picture = shot(renderer, scene(ground=ground, sky=sky, sun=Sun(90.0, 45.0)), rig(1, elevation_deg=40.0))
        pixels = picture.rgb[0, 0, 32:].reshape(-1, 3)
        assert nearest(pixels, sky, np.sin(np.deg2rad(45)), table) == ground
        assert not picture.mask.any()


def test_skies_differ_and_do_not_depend_on_the_ground(renderer: Renderer) -> None:
    cameras = rig(1, elevation_deg=0.0)
    tops = {}
    for sky in BASIC_SKIES:
        grass, snow = (
            shot(renderer, scene(sky=sky, ground=ground), cameras).rgb[0, 0, :20] for ground in ("grass", "snow")
        )
        assert np.array_equal(grass, snow)
        tops[sky] = grass.mean(axis=(0, 1))
    apart = [np.abs(tops[a] - tops[b]).max() for a in tops for b in tops if a < b]
    assert min(apart) > 15


@pytest.mark.parametrize("kind", sorted(RADII))
def test_every_prop_is_drawn_with_a_shadow_and_is_no_subject(renderer: Renderer, kind: str) -> None:
    cameras = rig(1, radius=8.0, elevation_deg=35.0)
    there, gone = (shot(renderer, scene(props=props), cameras) for props in ((Prop(kind, 0, 0, 0, 1.0),), ()))
    changed = (there.rgb != gone.rgb).any(-1)
    assert changed.sum() > 30 and not there.mask.any()
    assert (there.rgb.astype(int).sum(-1) < gone.rgb.astype(int).sum(-1) - 30).any()


def test_the_phase_of_the_ground_pattern(renderer: Renderer) -> None:
    """Shifting the pattern moves the ground and nothing else."""
    cameras, one = rig(1), animal()
    here, there = (shot(renderer, scene(one, ground_shift=shift), cameras) for shift in ((0.0, 0.0), (5.0, 3.0)))
    assert np.array_equal(here.mask, there.mask)
    assert (here.rgb != there.rgb).any()
    inner = ~widened(~here.mask)
    assert (here.rgb[inner] == there.rgb[inner]).mean() > 0.98  # ground shows between the legs


def test_bad_input_is_refused(renderer: Renderer) -> None:
    c2w, K = arrays(rig(2))
    with pytest.raises(InputError, match=r"expected \[V, F, 4, 4\], \[V, F, 3, 3\] and F times"):
        renderer.render(scene(), c2w, K, [0.0, 1.0])
    with pytest.raises(InputError, match=r"expected \[V, F, 4, 4\]"):
        renderer.render(scene(), c2w, K[:1], [0.0])
    with pytest.raises(InputError, match=r"expected \[V, F, 4, 4\]"):
        renderer.render(scene(), c2w[0], K[0], [0.0])
    with pytest.raises(InputError, match=r"expected \[V, F, 4, 4\]"):
        renderer.render(scene(), c2w[..., :3, :], K, [0.0])
    with pytest.raises(InputError, match="the scene has 65 props; at most 64 can be drawn"):
        renderer.render(scene(props=(Prop("rock", 5.0, 0.0, 0.0, 1.0),) * 65), c2w, K, [0.0])
    with pytest.raises(InputError, match="species is 'unicorn'"):
        renderer.render(scene(dataclasses.replace(animal(), species="unicorn")), c2w, K, [0.0])


@pytest.mark.parametrize("hw", [(0, 64), (64, -2)])
def test_pictures_have_a_size(hw: tuple[int, int]) -> None:
    with pytest.raises(InputError, match="height and width must be at least 1 pixel"):
        Renderer(hw)
