"""Draws the pictures of conventions.md into docs/images: python docs/draw_conventions.py

A camera of the library takes every picture in space, and the library converts all that is drawn in foreign axes.
"""

import io
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image
from torch import Tensor

from syncam.cameras import (
    Cameras,
    describe,
    epipolar_lines,
    from_spherical,
    hemisphere,
    look_at,
    pairwise_epipolar_geometry,
    pixel_centres,
    still,
    write_cameras,
)
from syncam.cameras.conventions import (
    intrinsics,
    opencv_to_opengl,
    opencv_to_pytorch3d,
    opencv_to_unreal,
    unreal_to_opencv,
)
from syncam.cameras.plot import EDGES, frusta
from syncam.cameras.quaternions import rotation_from_quaternion
from syncam.cameras.subject import Subject, seen
from syncam.cameras.trajectories import TARGET

AXIS_COLOURS = ("#d62728", "#2ca02c", "#1f4fd6")
INK, FAINT, ORANGE, VIOLET = "0.15", "0.72", "#e07b00", "#7b3fb0"
CENTRE = torch.tensor(TARGET, dtype=torch.float64)
UNITS = torch.eye(3, dtype=torch.float64)


class Space:
    """A drawing in space: points go through the camera `eye`, and metres become places on paper."""

    def __init__(self, axes: Any, eye: Cameras) -> None:
        self.axes, self.eye = axes, eye
        axes.set(xlim=(0, eye.hw[1]), ylim=(eye.hw[0], 0), aspect="equal")
        axes.set_axis_off()

    def at(self, points: Tensor) -> Tensor:
        return self.eye.project(points.reshape(-1, 3))[0][0, 0]

    def line(self, points: Tensor, **style: Any) -> None:
        self.axes.plot(*self.at(points).T, **{"color": INK, "linewidth": 1.2, "solid_capstyle": "round"} | style)

    def fill(self, points: Tensor, **style: Any) -> None:
        self.axes.fill(*self.at(points).T, **style)

    def dot(self, point: Tensor, **style: Any) -> None:
        self.axes.plot(*self.at(point).T, **{"color": INK, "marker": "o", "markersize": 5} | style)

    def text(self, point: Tensor, words: str, shift: tuple[float, float] = (0, 0), **style: Any) -> None:
        where = self.at(point)[0].tolist()
        style = {"color": INK, "ha": "center", "va": "center", "fontsize": 11} | style
        self.axes.annotate(words, where, shift, textcoords="offset points", **style)

    def arrow(self, start: Tensor, end: Tensor, colour: str, words: str = "", width: float = 2.2) -> None:
        tail, tip = self.at(torch.stack([start, end]))
        arrow_on(self.axes, tail, tip, colour, width)
        if words:
            along = (tip - tail) / (tip - tail).norm() * 11
            self.text(end, words, (float(along[0]), -float(along[1])), color=colour, fontweight="bold")

    def triad(self, origin: Tensor, axes: Tensor, width: float = 2.2) -> None:
        """The columns of `axes` as arrows x, y, z; those that point away from the eye are drawn first."""
        far_first = ((origin - self.eye.positions[0, 0]) @ axes).argsort(descending=True)
        for axis in far_first.tolist():
            self.arrow(origin, origin + axes[:, axis], AXIS_COLOURS[axis], "xyz"[axis], width)

    def frustum(self, cameras: Cameras, depth: float, **style: Any) -> None:
        for corners in frusta(cameras, depth)[:, 0]:
            self.fill(corners[1:5], color=style.get("color", INK), alpha=0.08, linewidth=0)
            for edge in EDGES:
                self.line(corners[list(edge)], **style)

    def ground(self, half: float, step: float = 1.0) -> None:
        for at in torch.arange(-half, half + step / 2, step).tolist():
            for ends in ([[at, -half, 0.0], [at, half, 0.0]], [[-half, at, 0.0], [half, at, 0.0]]):
                self.line(torch.tensor(ends), color="0.87", linewidth=0.8, zorder=0)

    def subject(self) -> None:
        for curve in Subject().outline().split(65):
            self.line(curve, color="0.55", linewidth=0.8)


def arrow_on(axes: Any, tail: Tensor, tip: Tensor, colour: str, width: float = 2.0, style: str = "-|>") -> None:
    shape = {"arrowstyle": style, "color": colour, "linewidth": width, "shrinkA": 0, "shrinkB": 0, "mutation_scale": 14}
    axes.annotate("", tip.tolist(), tail.tolist(), arrowprops=shape)


def viewer(azimuth_deg: float, elevation_deg: float, distance: float, centre: Tensor, hw: tuple[int, int]) -> Cameras:
    """The camera that takes a drawing."""
    azimuth, elevation, away = torch.tensor([azimuth_deg, elevation_deg, distance]).double()
    return Cameras(from_spherical(azimuth, elevation, away, centre)[None, None], intrinsics(50.0, hw)[None, None], hw)


def about_target(azimuth_deg: Any, elevation_deg: Any, radius: float) -> Tensor:
    """Places at those angles and that distance about the target, as the library's rigs have them."""
    azimuth, elevation = torch.broadcast_tensors(*(torch.as_tensor(x).double() for x in (azimuth_deg, elevation_deg)))
    return from_spherical(azimuth, elevation, torch.full_like(azimuth, radius), CENTRE)[..., :3, 3]


def draw_world() -> Figure:
    """Left: azimuth, elevation and radius of one camera. Right: the cameras of a hemisphere."""
    figure = Figure(figsize=(10.4, 4.2))
    turn = torch.linspace(0, 360, 181)
    azimuth, elevation, radius = 60.0, 35.0, 2.8
    camera = still(radius=radius, azimuth_deg=azimuth, elevation_deg=elevation, hw=(96, 128))
    place = camera.positions[0, 0]
    panel = figure.add_axes((0.0, 0.0, 0.48, 0.93), title="where a camera stands")
    space = Space(panel, viewer(20, 25, 13, torch.tensor([0.2, 0.2, 0.95]).double(), (400, 520)))
    space.ground(2)
    space.text(torch.tensor([2.0, 0.9, 0.0]).double(), "ground, z = 0", (12, -10), color="0.5")
    space.line(about_target(turn, 0, radius), color=FAINT, linewidth=1)
    space.line(torch.stack([place, on_ground(place)]), color=FAINT, linestyle=":")
    space.line(torch.stack([CENTRE, on_ground(CENTRE)]), color=FAINT, linestyle=":")
    space.triad(on_ground(CENTRE), UNITS * 0.4)
    for level in (0.0, azimuth):
        space.line(torch.stack([CENTRE, about_target(level, 0, radius)]), color=ORANGE, linestyle="--")
    space.line(torch.stack([CENTRE, place]))
    space.line(about_target(torch.linspace(0, azimuth, 40), 0, 2.0), color=ORANGE, linewidth=2)
    space.line(about_target(azimuth, torch.linspace(0, elevation, 40), 2.2), color=VIOLET, linewidth=2)
    space.frustum(camera, 0.7, color=INK)
    space.dot(CENTRE)
    space.dot(on_ground(place), markersize=3, color=FAINT)
    space.text(CENTRE, "target\n(0, 0, 0.8)", (-36, 14))
    space.text(about_target(azimuth / 2, 0, 2.0), "azimuth", (-2, -12), color=ORANGE)
    space.text(about_target(azimuth, elevation / 2, 2.2), "elevation", (34, 0), color=VIOLET)
    space.text(about_target(azimuth, elevation, 1.2), "radius", (-12, 13))
    space.text(about_target(0, 0, radius), "azimuth 0", (0, -12), color=ORANGE)
    space.text(about_target(225, 0, radius), "level with the target", (-30, 12), color="0.5")

    panel = figure.add_axes((0.5, 0.0, 0.5, 0.93), title="hemisphere: views=5, elevation=30, span=180")
    space = Space(panel, viewer(20, 38, 18.5, torch.tensor([0.4, 0.0, 0.65]).double(), (400, 540)))
    space.ground(3)
    space.triad(on_ground(CENTRE), torch.diag(torch.tensor([1.3, 1.3, 2.0]).double()))
    space.subject()
    rig = hemisphere(views=5, radius=3.4, elevation_deg=30.0, span_deg=180.0, hw=(96, 128))
    space.line(about_target(turn, 30, 3.4), color=FAINT, linewidth=1)
    sides = ((-22, 28), (-46, 20), (-44, -22), (42, -24), (20, 28))
    for view, (row, shift) in enumerate(zip(describe(rig), sides, strict=True)):
        place, style = rig.positions[view, 0], {"color": f"C{view}"}
        space.line(torch.stack([place, CENTRE]), linewidth=0.7, linestyle=":", **style)
        space.line(torch.stack([place, on_ground(place)]), color=FAINT, linestyle=":")
        space.frustum(rig.view(view), 0.8, **style)
        name = f"view {view + 1}\nazimuth {row['azimuth_deg']:.0f}".replace("-", "\N{MINUS SIGN}")
        space.text(place, name, shift, fontsize=10, **style)
    return figure


def on_ground(point: Tensor) -> Tensor:
    return point * torch.tensor([1.0, 1.0, 0.0])


def drawn_axes(convert: Callable[[Tensor], Tensor]) -> Callable[[Cameras], tuple[Tensor, Tensor]]:
    """Of a convention that keeps the world: its world's and its camera's axes as columns, in our world."""
    return lambda camera: (UNITS, convert(camera.c2w[0, 0])[:3, :3])


def unreal_axes(camera: Cameras) -> tuple[Tensor, Tensor]:
    """Unreal's axes, as where its places one metre along them lie in our world."""
    rows = opencv_to_unreal(camera.c2w[0, 0])

    def ours(place: Tensor) -> Tensor:
        there = torch.cat([rows[:3], torch.cat([place, torch.ones(1)])[None]])
        return unreal_to_opencv(there)[:3, 3]

    world = torch.stack([ours(100.0 * unit) for unit in UNITS], -1)
    tips = [ours(rows[3, :3] + 100.0 * rows[axis, :3]) - camera.positions[0, 0] for axis in range(3)]
    return world, torch.stack(tips, -1)


def gltf_axes(camera: Cameras) -> tuple[Tensor, Tensor]:
    """glTF's axes, by a file with cameras that stand where our world's axes end."""
    c2w = camera.c2w.repeat(4, 1, 1, 1)
    c2w[1:, 0, :3, 3] = UNITS
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "axes.gltf"
        write_cameras(path, Cameras(c2w, camera.K.repeat(4, 1, 1, 1), camera.hw))
        nodes = json.loads(path.read_text())["nodes"]
    ours_to_theirs = torch.tensor([node["translation"] for node in nodes[1:]]).double().T
    rotation = rotation_from_quaternion(torch.tensor(nodes[0]["rotation"]).double())
    return ours_to_theirs.T, ours_to_theirs.T @ rotation


CONVENTIONS: tuple[tuple[str, Callable[[Cameras], tuple[Tensor, Tensor]], str], ...] = (
    ("OpenCV, COLMAP, syncam", drawn_axes(lambda c2w: c2w), "x right, y down, z forward"),
    ("OpenGL, Blender, NeRF", drawn_axes(opencv_to_opengl), "x right, y up, z backward"),
    ("glTF", gltf_axes, "x right, y up, z backward"),
    ("PyTorch3D", drawn_axes(opencv_to_pytorch3d), "x left, y up, z forward"),
    ("Unreal", unreal_axes, "x forward, y right, z up"),
)


def draw_camera_axes() -> Figure:
    """One camera, its axes and the world's in five conventions."""
    figure = Figure(figsize=(10.4, 6.8))
    place, aim = torch.tensor([0.0, 0.0, 1.3]).double(), torch.tensor([3.0, 0.0, 1.1]).double()
    camera = Cameras(look_at(place, aim)[None, None], intrinsics(24.0, (96, 128))[None, None], (96, 128))
    eye = viewer(232, 24, 8.6, torch.tensor([0.2, 0.0, 0.73]).double(), (290, 340))
    for number, (name, axes_of, words) in enumerate(CONVENTIONS):
        row, column = divmod(number, 3)
        panel = figure.add_axes((column / 3, 0.57 - 0.5 * row, 1 / 3, 0.38))
        panel.set_title(name, fontsize=12, fontweight="bold", pad=4)
        space = Space(panel, eye)
        space.ground(1.25, 0.5)
        world, axes = axes_of(camera)
        space.line(torch.stack([place, on_ground(place)]), color=FAINT, linestyle=":")
        space.frustum(camera, 1.1, color="0.5", linewidth=1)
        space.triad(place, axes * 0.75)
        space.triad(torch.tensor([0.75, -1.0, 0.0]).double(), world * 0.5, 1.4)
        hand = "right" if torch.linalg.det(world) > 0 else "left"
        panel.text(0.5, -0.12, f"{words}\nworld {hand}-handed", transform=panel.transAxes, ha="center", fontsize=11)
    legend = (
        "always the same camera\nand the same ground\n\nthick arrows: the camera's axes\nthin arrows: the world's axes"
    )
    figure.text(5 / 6, 0.25, legend, ha="center", va="center", fontsize=11, color=INK)
    return figure


def draw_pictures() -> Figure:
    """Where pixels lie, what a lens does, and what a crop and a resize do to it."""
    figure = Figure(figsize=(10.4, 7.0))
    draw_pixels(figure.add_axes((0.01, 0.5, 0.47, 0.44), title="a picture of hw = (4, 6): pixels and their centres"))
    draw_lens(figure.add_axes((0.52, 0.5, 0.47, 0.44), title="a lens, seen from above"))
    whole = still(radius=4.0, elevation_deg=15.0, azimuth_deg=25.0, hw=(96, 128))
    top, left, hw = 24, 8, (60, 96)
    crop = whole.crop(top, left, hw)
    small = crop.resized((30, 48))
    start = 40.0
    for cameras, about in ((whole, "the picture"), (crop, f"crop({top}, {left}, {hw})"), (small, "resized((30, 48))")):
        height, width = (3.0 * size for size in cameras.hw)
        panel = figure.add_axes((start / 1040, (310 - height) / 700, width / 1040, height / 700))
        space = filmed(panel, cameras)
        if cameras is whole:
            corner = {"facecolor": "none", "edgecolor": ORANGE, "linewidth": 1.6, "linestyle": "--"}
            panel.add_patch(Rectangle((left, top), hw[1], hw[0], **corner))
        K = cameras.K[0, 0]
        space.axes.plot(*K[:2, 2], color=AXIS_COLOURS[0], marker="+", markersize=11, markeredgewidth=1.8)
        fx, fy, cx, cy = (float(number) for number in (K[0, 0], K[1, 1], K[0, 2], K[1, 2]))
        size = "x".join(map(str, cameras.hw))
        panel.set_title(f"{about}: {size}\nfx {fx:.1f}  fy {fy:.1f}  cx {cx:g}  cy {cy:g}", fontsize=10, loc="left")
        start += width + 46
    return figure


def draw_pixels(axes: Any) -> None:
    """A tiny picture with every pixel's centre."""
    height, width = 4, 6
    axes.set(xlim=(-0.9, 7.9), ylim=(4.7, -0.9), aspect="equal")
    axes.set_axis_off()
    for x in range(width + 1):
        axes.plot([x, x], [0, height], color=FAINT, linewidth=1)
    for y in range(height + 1):
        axes.plot([0, width], [y, y], color=FAINT, linewidth=1)
    axes.add_patch(Rectangle((0, 0), width, height, fill=False, edgecolor=INK, linewidth=1.6))
    centres = pixel_centres((height, width), like=CENTRE).flatten(0, 1)
    axes.plot(*centres.T, color=VIOLET, marker="o", markersize=5, linestyle="")
    K = intrinsics(24.0, (height, width))
    axes.plot(*K[:2, 2], color=AXIS_COLOURS[0], marker="+", markersize=14, markeredgewidth=2)
    words = {"fontsize": 11, "va": "center"}
    for (x, y), shift in ((centres[0].tolist(), 0.28), (centres[-1].tolist(), 0.28)):
        axes.text(x, y + shift, f"({x:g}, {y:g})", color=VIOLET, ha="center", **words | {"fontsize": 8})
    axes.plot([3, 6.2], [2, 2], color=AXIS_COLOURS[0], linestyle=":")
    axes.text(6.25, 2, "(W / 2, H / 2)\n= (3, 2)", color=AXIS_COLOURS[0], ha="left", **words)
    axes.text(-0.1, -0.25, "(0, 0)", ha="right", **words)
    axes.text(6.1, 4.25, "(W, H) = (6, 4)", ha="center", **words)
    arrow_on(axes, torch.tensor([0.0, -0.3]), torch.tensor([2.0, -0.3]), INK, 1.5)
    arrow_on(axes, torch.tensor([-0.3, 0.0]), torch.tensor([-0.3, 2.0]), INK, 1.5)
    axes.text(2.1, -0.3, "u, to the right", ha="left", **words)
    axes.text(-0.3, 2.1, "v, down", ha="center", rotation=90, **words | {"va": "top"})


def draw_lens(axes: Any) -> None:
    """A camera at the origin of the world, in its x and z; pixels and metres at one scale."""
    hw = (96, 128)
    camera = Cameras(torch.eye(4).double()[None, None], intrinsics(24.0, hw)[None, None], hw)
    K = camera.K[0, 0]
    point = torch.tensor([40.0, 0.0, 185.0]).double()
    u = float(camera.project(point[None])[0][0, 0, 0, 0])
    edges = torch.tensor([[0.0, 0.0], [hw[1], 0.0]]).double()
    focal, centre = float(K[0, 0]), float(K[0, 2])
    far = camera.unproject(edges[None, None], torch.full((1, 1, 2), 215.0).double())[0, 0]
    axes.set(xlim=(-150, 190), ylim=(-18, 222), aspect="equal")
    axes.set_axis_off()
    axes.fill([0, *far[:, 0].tolist()], [0, *far[:, 2].tolist()], color="0.95", linewidth=0)
    for x, _, z in far.tolist():
        axes.plot([0, x], [0, z], color=FAINT, linewidth=1)
    axes.plot([-centre, hw[1] - centre], [focal, focal], color=INK, linewidth=3, solid_capstyle="butt")
    axes.plot([0, point[0]], [0, point[2]], color=VIOLET, linewidth=1.6)
    axes.plot([point[0], 0], [point[2], point[2]], color=VIOLET, linewidth=1, linestyle=":")
    axes.plot(point[0], point[2], color=VIOLET, marker="o")
    arrow_on(axes, torch.tensor([0.0, 0.0]), torch.tensor([0.0, 218.0]), AXIS_COLOURS[2], 1.6)
    arrow_on(axes, torch.tensor([0.0, 0.0]), torch.tensor([60.0, 0.0]), AXIS_COLOURS[0], 1.6)
    arrow_on(axes, torch.tensor([-90.0, 0.0]), torch.tensor([-90.0, focal]), INK, 1.2, "<|-|>")
    axes.plot([-96, 0], [0, 0], color=FAINT, linewidth=0.8, linestyle=":")
    axes.plot([-96, -64], [focal, focal], color=FAINT, linewidth=0.8, linestyle=":")
    for at in (0.0, centre, u, float(hw[1])):
        axes.plot(at - centre, focal, color=INK, marker="|", markersize=10)
    words = {"fontsize": 11, "va": "center", "ha": "center"}
    axes.text(-centre, focal + 13, "0", **words)
    axes.text(9, focal + 13, "cx", **words)
    axes.text(u - centre + 9, focal - 14, "u", color=VIOLET, **words)
    axes.text(hw[1] - centre, focal + 13, "W", **words)
    axes.text(-97, focal / 2, "fx", **words | {"ha": "right"})
    axes.text(70, 0, "x", color=AXIS_COLOURS[0], fontweight="bold", **words)
    axes.text(-10, 212, "z", color=AXIS_COLOURS[2], fontweight="bold", **words)
    axes.text(point[0] + 8, point[2], "(x, z)", color=VIOLET, **words | {"ha": "left"})
    axes.text(98, 60, "u = fx x / z + cx", color=VIOLET, **words | {"ha": "left"})


def filmed(axes: Any, cameras: Cameras) -> Space:
    """What a camera films: the subject and the ground in metres; the frame is the picture's edge."""
    space = Space(axes, cameras)
    axes.set_axis_on()
    axes.set(xticks=[], yticks=[])
    space.ground(3)
    space.subject()
    return space


def draw_epipolar() -> Figure:
    """Pixels of view 1, the rays through them, and the lines of view 2 on which they must lie."""
    figure = Figure(figsize=(10.4, 3.2))
    rig = hemisphere(views=2, radius=3.0, elevation_deg=25.0, span_deg=60.0, azimuth_deg=20.0, hw=(120, 150))
    surface = Subject().surface()[0]
    both = surface[seen(rig, Subject()).all(0)[0]]
    points = both[torch.linspace(8, len(both) - 8, 4).long()]  # from top to bottom
    pixels, depth = rig.project(points)
    lines = epipolar_lines(pairwise_epipolar_geometry(rig).fundamental[0, 1, 0], pixels[0, 0])
    ends = rig.unproject(pixels, depth * 1.4)[0, 0]
    panel = figure.add_axes((0.0, 0.0, 0.35, 0.9), title="view 1 looks along four rays")
    space = Space(panel, viewer(110, 42, 14, torch.tensor([0.7, 0.4, 0.7]).double(), (288, 364)))
    pictures = [
        filmed(figure.add_axes((left, 0.04, 0.3, 0.845), title=title), rig.view(view))
        for view, (left, title) in enumerate(((0.36, "view 1: four pixels"), (0.68, "view 2: their lines")))
    ]
    space.ground(2)
    space.subject()
    for view, shift in enumerate(((-32, 0), (-8, -28))):
        space.frustum(rig.view(view), 0.7, linewidth=1)
        space.text(rig.positions[view, 0], f"view {view + 1}", shift)
    for number, (point, end, (a, b, c)) in enumerate(zip(points, ends, lines.tolist(), strict=True)):
        style = {"color": f"C{number}"}
        space.line(torch.stack([rig.positions[0, 0], end]), **style)
        pictures[1].axes.plot([0, rig.hw[1]], [-c / b, -(a * rig.hw[1] + c) / b], linewidth=1.2, **style)
        for drawing in (space, *pictures):
            drawing.dot(point, **style)
    return figure


PICTURES = {"world": draw_world, "camera-axes": draw_camera_axes, "pixels": draw_pictures, "epipolar": draw_epipolar}

if __name__ == "__main__":
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "images"
    for name, draw in PICTURES.items():
        drawn = io.BytesIO()
        draw().savefig(drawn, dpi=100, format="png", metadata={"Software": None})
        Image.open(drawn).convert("RGB").quantize(128).save(out / f"{name}.png", optimize=True)
