"""Pictures of a scene through OpenGL (EGL: no window; a GPU's driver or Mesa's software one)."""

import weakref
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from syncam.errors import InputError
from syncam.optional import require
from syncam.render.gait import bone_matrices
from syncam.render.meshes import Mesh
from syncam.render.props import PALETTES, prop_mesh
from syncam.render.scene import GROUNDS, Scene
from syncam.render.shaders import programs
from syncam.render.skeleton import NUM_BONES
from syncam.render.species import species
from syncam.render.world import (
    FOG_METRES,
    GROUND_METRES,
    PATTERN_METRES,
    animal_palette,
    checked_cameras,
    ground_pattern,
    light_of,
    linear,
    palette,
)

_SAMPLES = 4
_SHADOW_SIZE = 768
_SHADOW_METRES = 15.0
"""The square around the target in which things cast shadows."""
_SHADOW_BLUR_METRES = 0.022
_NEAR, _FAR = 0.15, 600.0
_ATLAS_PIXELS = 1 << 21
_MAX_PROPS = 64
_BONE_BLOCK = -(-NUM_BONES * 48 // 256) * 256
"""Bytes of one animal's bones at one time, padded to the usual alignment of uniform blocks."""


@dataclass(frozen=True)
class Rendering:
    """rgb: uint8 [V, F, H, W, 3]; mask: bool [V, F, H, W], the animals; depth: float32 [V, F, H, W] metres along the
    camera's z axis (inf in the sky), or None."""

    rgb: np.ndarray
    mask: np.ndarray
    depth: np.ndarray | None = None


class Renderer:
    """Renders scenes at one picture size; its OpenGL buffers are reused from scene to scene.

    A renderer belongs to the thread that made it.

    >>> from syncam.render.generate import generate_scene, sample_cameras
    >>> cameras = sample_cameras(0, num_views=2, num_frames=3, hw=(64, 96))
    >>> c2w, K = cameras.c2w.numpy(), cameras.K.numpy()
    >>> rendering = Renderer((64, 96)).render(generate_scene(0), c2w, K, [0.0, 0.125, 0.25])
    >>> rendering.rgb.shape
    (2, 3, 64, 96, 3)
    """

    def __init__(self, hw: tuple[int, int]) -> None:
        if min(hw) < 1:
            raise InputError(f"height and width must be at least 1 pixel, got {hw}")
        self.hw = hw
        self._ctx = _context()
        ctx = self._ctx
        # OpenGL's memory is not Python's: without this, every renderer that was ever made keeps its own
        weakref.finalize(self, ctx.release).atexit = False
        shaders = programs(_SHADOW_BLUR_METRES / _SHADOW_METRES, PATTERN_METRES, FOG_METRES)
        self._programs = {
            name: ctx.program(vertex_shader=vertex, fragment_shader=fragment)
            for name, (vertex, fragment) in shaders.items()
        }
        height, width = hw
        self._columns = max(1, min(4096 // width, int(np.sqrt(_ATLAS_PIXELS / (height * width)) * 1.5)))
        self._rows = max(1, min(4096 // height, _ATLAS_PIXELS // (height * width * self._columns)))
        size = (self._columns * width, self._rows * height)
        self._canvas = ctx.framebuffer(
            ctx.renderbuffer(size, 4, samples=_SAMPLES), ctx.depth_renderbuffer(size, samples=_SAMPLES)
        )
        self._resolved = ctx.framebuffer(ctx.renderbuffer(size, 4))
        self._sharp = None  # single-sample canvas, made when depth is first asked for
        self._shadow = ctx.depth_texture((_SHADOW_SIZE, _SHADOW_SIZE))
        self._shadow.compare_func = "<="
        self._shadow.filter = (ctx.LINEAR, ctx.LINEAR)
        self._shadow_canvas = ctx.framebuffer(depth_attachment=self._shadow)
        pattern = ground_pattern()
        self._pattern = ctx.texture(pattern.shape, 1, pattern.tobytes())
        self._pattern.build_mipmaps()
        self._pattern.filter = (ctx.LINEAR_MIPMAP_LINEAR, ctx.LINEAR)
        self._bones = ctx.buffer(reserve=_BONE_BLOCK * 64, dynamic=True)
        self._places = {kind: ctx.buffer(reserve=16 * _MAX_PROPS, dynamic=True) for kind in PALETTES}
        corners = np.array([[-1, -1], [1, -1], [-1, 1], [1, 1]], dtype=np.float32)
        self._sky = ctx.vertex_array(self._programs["sky"], [(ctx.buffer(corners), "2f", "in_corner")])
        self._ground = ctx.vertex_array(
            self._programs["ground"], [(ctx.buffer(corners * np.float32(GROUND_METRES)), "2f", "in_corner")]
        )
        self._meshes = {}
        for name, program in self._programs.items():
            if "shadow_map" in program:
                program["shadow_map"].value = 0
            if "pattern" in program:
                program["pattern"].value = 1
            if "subject" in program:
                program["subject"].value = float(name == "animal")
        self._shadow.use(0)
        self._pattern.use(1)

    def render(
        self, scene: Scene, c2w: np.ndarray, K: np.ndarray, times_s: Sequence[float], *, depth: bool = False
    ) -> Rendering:
        """The scene through V cameras at F times: c2w [V, F, 4, 4] (OpenCV axes), K [V, F, 3, 3] pixels, F seconds."""
        c2w, K = checked_cameras(c2w, K, times_s)
        with self._ctx:  # the renderer that was made last has the current context
            return self._render(scene, c2w, K, np.asarray(times_s, dtype=np.float64), depth)

    def _render(self, scene: Scene, c2w: np.ndarray, K: np.ndarray, times_s: np.ndarray, depth: bool) -> Rendering:
        num_views, num_frames = c2w.shape[:2]
        height, width = self.hw
        world_to_clip, clip_to_ray = _clip_matrices(c2w, K, self.hw)
        self._set_up(scene, times_s)
        pictures = np.empty((num_views * num_frames, height, width, 4), dtype=np.uint8)
        depths = np.empty((num_views * num_frames, height, width), dtype=np.float32) if depth else None
        tiles: list[int] = []
        for frame in range(num_frames):
            self._draw_shadows(scene, frame)
            for view in range(num_views):
                if not tiles:
                    self._begin(depth)
                camera = (world_to_clip[view, frame], clip_to_ray[view, frame], c2w[view, frame, :3, 3])
                self._draw_picture(scene, frame, camera, len(tiles), depth)
                tiles.append(view * num_frames + frame)
                if len(tiles) == self._columns * self._rows:
                    self._collect(tiles, pictures, depths)
                    tiles = []
        if tiles:
            self._collect(tiles, pictures, depths)
        pictures = pictures.reshape(num_views, num_frames, height, width, 4)
        return Rendering(
            np.ascontiguousarray(pictures[..., :3]),
            pictures[..., 3] >= 128,
            None if depths is None else depths.reshape(num_views, num_frames, height, width),
        )

    def _set_up(self, scene: Scene, times_s: np.ndarray) -> None:
        """Everything that stays the same from picture to picture of a scene."""
        light, ground = light_of(scene), GROUNDS[scene.ground]
        self._world_to_light = _light_matrix(light.to_sun)
        values = {
            **{field.name: getattr(light, field.name) for field in fields(light)},
            "ground_light": linear(ground.light),
            "ground_dark": linear(ground.dark),
            "shift": np.array(scene.ground_shift),
        }
        to_texture = np.diag([0.5, 0.5, 0.5, 1.0])
        to_texture[:3, 3] = 0.5
        for program in self._programs.values():
            for name, value in values.items():
                if name in program:
                    program[name].value = tuple(float(x) for x in value)
            if "world_to_shadow" in program:
                program["world_to_shadow"].write(_columns_first(to_texture @ self._world_to_light))
        bones = [bone_matrices(animal, times_s, scene.middle_s)[:, :, :3] for animal in scene.animals]
        blocks = np.zeros((len(times_s), len(bones), _BONE_BLOCK // 4), dtype=np.float32)
        for index, matrices in enumerate(bones):
            blocks[:, index, : NUM_BONES * 12] = matrices.reshape(len(times_s), -1)
        if blocks.nbytes > self._bones.size:
            self._bones.orphan(blocks.nbytes)
        if blocks.nbytes:
            self._bones.write(blocks)
        self._palettes = [animal_palette(animal).astype(np.float32).tobytes() for animal in scene.animals]
        if len(scene.props) > _MAX_PROPS:
            raise InputError(f"the scene has {len(scene.props)} props; at most {_MAX_PROPS} can be drawn")
        self._groups = []
        for kind in sorted({prop.kind for prop in scene.props}):
            places = [(p.x, p.y, np.deg2rad(p.yaw_deg), p.scale) for p in scene.props if p.kind == kind]
            self._places[kind].write(np.array(places, dtype=np.float32))
            self._groups.append((kind, len(places), palette(PALETTES[kind]).astype(np.float32).tobytes()))

    def _begin(self, depth: bool) -> None:
        """Empties the canvas."""
        self._canvas.use()
        self._canvas.viewport = (0, 0, *self._canvas.size)
        self._canvas.clear(0.0, 0.0, 0.0, 0.0, depth=1.0)
        if depth:
            if self._sharp is None:
                size = self._canvas.size
                self._sharp = self._ctx.framebuffer(self._ctx.renderbuffer(size, 4), self._ctx.depth_texture(size))
            self._sharp.use()
            self._sharp.viewport = (0, 0, *self._sharp.size)
            self._sharp.clear(0.0, 0.0, 0.0, 0.0, depth=1.0)

    def _draw_shadows(self, scene: Scene, frame: int) -> None:
        ctx = self._ctx
        self._shadow_canvas.use()
        self._shadow_canvas.clear(depth=1.0)
        ctx.enable_only(ctx.DEPTH_TEST)
        matrix = _columns_first(self._world_to_light)
        self._draw_solids(scene, frame, matrix, "_shadow")

    def _draw_picture(self, scene: Scene, frame: int, camera, tile: int, depth: bool) -> None:
        ctx = self._ctx
        world_to_clip, clip_to_ray, eye = camera
        height, width = self.hw
        row, column = divmod(tile, self._columns)
        matrix = _columns_first(world_to_clip)
        position = tuple(float(x) for x in eye)
        for name in ("animal", "prop", "ground"):
            self._programs[name]["eye"].value = position
        self._programs["ground"]["world_to_clip"].write(matrix)
        self._programs["sky"]["clip_to_ray"].write(_columns_first(clip_to_ray))
        for canvas in filter(None, (self._canvas, self._sharp if depth else None)):
            canvas.use()
            canvas.viewport = (column * width, row * height, width, height)
            ctx.enable_only(ctx.DEPTH_TEST)
            ctx.depth_func = "<="
            self._draw_solids(scene, frame, matrix, "")
            self._ground.render(ctx.TRIANGLE_STRIP)
            self._sky.render(ctx.TRIANGLE_STRIP)

    def _draw_solids(self, scene: Scene, frame: int, matrix: bytes, suffix: str) -> None:
        """Animals and props, into whatever canvas is in use."""
        program = self._programs["animal" + suffix]
        program["world_to_clip"].write(matrix)
        for index, animal in enumerate(scene.animals):
            offset = (frame * len(scene.animals) + index) * _BONE_BLOCK
            self._bones.bind_to_uniform_block(0, offset=offset, size=_BONE_BLOCK)
            if "palette" in program:
                program["palette"].write(self._palettes[index])
            self._vertex_array("animal" + suffix, animal.species, species(animal.species).mesh).render()
        program = self._programs["prop" + suffix]
        program["world_to_clip"].write(matrix)
        for kind, count, colours in self._groups:
            if "palette" in program:
                program["palette"].write(colours)
            self._vertex_array("prop" + suffix, kind, prop_mesh(kind)).render(instances=count)

    def _vertex_array(self, program: str, name: str, mesh: Mesh):
        """The mesh as the program wants it, uploaded at most once."""
        key = (program, name)
        if key not in self._meshes:
            base = program.removesuffix("_shadow")
            buffers = self._meshes.get((base, name, "buffers"))
            if buffers is None:
                buffers = (
                    self._ctx.buffer(mesh.vertex_array()),
                    self._ctx.buffer(mesh.triangles.astype(np.int32)),
                )
                self._meshes[(base, name, "buffers")] = buffers
            shadow = program != base
            layout = (
                (buffers[0], "3f 12x 4f", "in_position", "in_bones")
                if shadow and base == "animal"
                else (buffers[0], "3f 28x", "in_position")
                if shadow
                else (buffers[0], "3f 3f 4f", "in_position", "in_normal", "in_bones")
            )
            content: list[tuple] = [layout]
            if base == "prop":
                content.append((self._places[name], "4f/i", "in_place"))
            self._meshes[key] = self._ctx.vertex_array(self._programs[program], content, buffers[1])
        return self._meshes[key]

    def _collect(self, tiles: list[int], pictures: np.ndarray, depths: np.ndarray | None) -> None:
        """Copies the canvas's tiles into the pictures they belong to."""
        height, width = self.hw
        rows = -(-len(tiles) // self._columns)
        self._ctx.copy_framebuffer(self._resolved, self._canvas)
        size = (self._columns * width, rows * height)
        raw = self._resolved.read((0, 0, *size), components=4, alignment=1)
        sheet = np.frombuffer(raw, np.uint8).reshape(rows, height, self._columns, width, 4)
        for tile, target in enumerate(tiles):
            pictures[target] = sheet[tile // self._columns, :, tile % self._columns]
        if depths is not None and self._sharp is not None:
            raw = self._sharp.read((0, 0, *size), components=1, attachment=-1, dtype="f4", alignment=1)
            buffer = np.frombuffer(raw, np.float32).reshape(rows, height, self._columns, width).astype(np.float64)
            with np.errstate(divide="ignore"):
                metres = np.where(buffer >= 1.0, np.inf, _FAR * _NEAR / (_FAR - buffer * (_FAR - _NEAR)))
            for tile, target in enumerate(tiles):
                depths[target] = metres[tile // self._columns, :, tile % self._columns]


def _context():
    """An OpenGL context without a window."""
    moderngl = require("moderngl", extra="render")
    try:
        return moderngl.create_standalone_context(backend="egl")
    except (ImportError, OSError, RuntimeError, ValueError, TypeError) as err:
        raise InputError(
            f"no OpenGL through EGL on this machine ({err}); on Debian or Ubuntu: apt-get install libegl1 libgl1"
        ) from err


def _columns_first(matrix: np.ndarray) -> bytes:
    """The bytes OpenGL wants for a matrix."""
    return np.ascontiguousarray(matrix.T, dtype=np.float32).tobytes()


def _clip_matrices(c2w: np.ndarray, K: np.ndarray, hw: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """World -> clip space and clip space -> world ray, [V, F, 4, 4].

    Clip y grows downwards in the picture, so that the first row OpenGL hands back is the picture's top row.
    """
    height, width = hw
    projection = np.zeros((*K.shape[:2], 4, 4))
    projection[..., 0, :3] = 2 * K[..., 0, :] / width
    projection[..., 1, :3] = 2 * K[..., 1, :] / height
    projection[..., 0, 2] -= 1.0
    projection[..., 1, 2] -= 1.0
    projection[..., 2, 2] = (_FAR + _NEAR) / (_FAR - _NEAR)
    projection[..., 2, 3] = -2 * _FAR * _NEAR / (_FAR - _NEAR)
    projection[..., 3, 2] = 1.0
    world_to_clip = projection @ np.linalg.inv(c2w)
    to_clip_2d = np.stack([projection[..., 0, :3], projection[..., 1, :3], projection[..., 3, :3]], axis=-2)
    rays = c2w[..., :3, :3] @ np.linalg.inv(to_clip_2d)  # of (x, y, 1)
    clip_to_ray = np.zeros_like(c2w)
    clip_to_ray[..., :3, :3] = rays
    return world_to_clip, clip_to_ray


def _light_matrix(to_sun: np.ndarray) -> np.ndarray:
    """World -> clip space of the sun's parallel light over the shadowed square."""
    forward = -to_sun
    right = np.cross(forward, np.array([0.0, 0.0, 1.0]))
    right /= np.linalg.norm(right)
    rotation = np.stack([right, np.cross(right, forward), forward])
    half = 0.5 * _SHADOW_METRES
    view = np.eye(4)
    view[:3, :3] = rotation / np.array([half, half, 20.0])[:, None]
    return view
