"""Pictures of a scene through OpenGL (EGL: no window; a GPU's driver or Mesa's software one)."""

import weakref
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from syncam.errors import InputError
from syncam.render.coats import character_mesh, vertex_colours
from syncam.render.gait import bone_matrices
from syncam.render.grounds import GROUND_METRES, PATTERN_METRES, ground_pattern, ground_texture
from syncam.render.labels import LabelCanvas, check_labels, joints_in_pictures
from syncam.render.light import LAMP_GLASS, LAMP_SEEN, lamp_strength, lamps, light_of, linear
from syncam.render.meshes import Mesh
from syncam.render.opengl import SHADOW_METRES, clip_matrices, columns_first, context, light_matrix
from syncam.render.prop_motion import MOVING, prop_bones
from syncam.render.props import SHADOWLESS, prop_colours, prop_mesh
from syncam.render.scene import GROUNDS, Scene
from syncam.render.shaders import MAX_LAMPS, programs
from syncam.render.skeleton import NUM_BONES
from syncam.render.species import species
from syncam.render.world import checked_cameras

_SAMPLES = 4
_SHADOW_SIZE = 768
_SHADOW_BLUR_METRES = 0.022
_ATLAS_PIXELS = 1 << 21
_MAX_PROPS = 64
_BONE_BLOCK = -(-NUM_BONES * 48 // 256) * 256
"""Bytes of one body's bones at one time, padded to the usual alignment of uniform blocks."""


@dataclass(frozen=True)
class Rendering:
    """rgb: uint8 [V, F, H, W, 3]; mask: bool [V, F, H, W], the characters. The rest is None unless asked for; every
    pixel of it, and of the mask, is that of the thing at the pixel's centre.

    depth: float32 [V, F, H, W] metres along the camera's z axis, inf in the sky.
    normals: float32 [V, F, H, W, 3], unit length in world axes, 0 in the sky.
    instances: uint8 [V, F, H, W], 0 where no character is, else 1 + its number in the scene.
    flow_forward, flow_backward: float32 [V, F, H, W, 2], pixels (right, down) to where the same point of the world is
    on the same view's next or previous picture; NaN where there is no such picture and where the point is behind it.
    joints: float32 [V, F, characters, bones, 3], the bones' origins as column, row (pixels) and depth (metres);
    joints_world: float32 [F, characters, bones, 3] metres; NaN for bones that a character does not have.
    """

    rgb: np.ndarray
    mask: np.ndarray
    depth: np.ndarray | None = None
    normals: np.ndarray | None = None
    instances: np.ndarray | None = None
    flow_forward: np.ndarray | None = None
    flow_backward: np.ndarray | None = None
    joints: np.ndarray | None = None
    joints_world: np.ndarray | None = None


@dataclass(frozen=True)
class _Body:
    """Something with bones: a character, or a prop with a moving part. instance is 0 for props."""

    name: str
    mesh: Mesh
    shadow: Mesh | None
    colours: np.ndarray
    bones: np.ndarray
    instance: int


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
        self._ctx = context()
        ctx = self._ctx
        # OpenGL's memory is not Python's: without this, every renderer that was ever made keeps its own
        weakref.finalize(self, ctx.release).atexit = False
        self._programs = {
            name: ctx.program(vertex_shader=vertex, fragment_shader=fragment)
            for name, (vertex, fragment) in programs(
                _SHADOW_BLUR_METRES / SHADOW_METRES, PATTERN_METRES, LAMP_GLASS[1]
            ).items()
        }
        height, width = hw
        self._columns = max(1, min(4096 // width, int(np.sqrt(_ATLAS_PIXELS / (height * width)) * 1.5)))
        self._rows = max(1, min(4096 // height, _ATLAS_PIXELS // (height * width * self._columns)))
        size = (self._columns * width, self._rows * height)
        self._canvas = ctx.framebuffer(
            ctx.renderbuffer(size, 4, samples=_SAMPLES), ctx.depth_renderbuffer(size, samples=_SAMPLES)
        )
        self._resolved = ctx.framebuffer(ctx.renderbuffer(size, 4))
        self._labels = LabelCanvas(ctx, size)
        self._shadow = ctx.depth_texture((_SHADOW_SIZE, _SHADOW_SIZE))
        self._shadow.compare_func = "<="
        self._shadow.filter = (ctx.LINEAR, ctx.LINEAR)
        self._shadow_canvas = ctx.framebuffer(depth_attachment=self._shadow)
        pattern = ground_pattern()
        self._pattern = ctx.texture(pattern.shape, 1, pattern.tobytes())
        self._pattern.build_mipmaps()
        self._pattern.filter = (ctx.LINEAR_MIPMAP_LINEAR, ctx.LINEAR)
        self._textures = {}
        self._bones = ctx.buffer(reserve=_BONE_BLOCK * 64, dynamic=True)
        self._places = {}
        self._vertices = {}
        self._colours = {}
        self._arrays = {}
        self._corners = ctx.buffer(np.array([[-1, -1], [1, -1], [-1, 1], [1, 1]], dtype=np.float32))
        for program in self._programs.values():
            _bind(program)
        self._shadow.use(0)

    def render(
        self, scene: Scene, c2w: np.ndarray, K: np.ndarray, times_s: Sequence[float], *, labels: Sequence[str] = ()
    ) -> Rendering:
        """The scene through V cameras at F times: c2w [V, F, 4, 4] (OpenCV axes), K [V, F, 3, 3] pixels, F seconds.

        labels: what to return besides pictures and masks: any of depth, normals, instances, flow, joints.
        """
        c2w, K = checked_cameras(c2w, K, times_s)
        check_labels(labels)
        with self._ctx:  # the renderer that was made last has the current context
            return self._render(scene, c2w, K, np.asarray(times_s, dtype=np.float64), tuple(labels))

    def _render(
        self, scene: Scene, c2w: np.ndarray, K: np.ndarray, times_s: np.ndarray, labels: tuple[str, ...]
    ) -> Rendering:
        num_views, num_frames = c2w.shape[:2]
        height, width = self.hw
        world_to_clip, clip_to_ray = clip_matrices(c2w, K, self.hw)
        for name, program in self._labels.start(num_views * num_frames, self.hw, self._columns, labels).items():
            self._programs[name] = program
            _bind(program)
        self._set_up(scene, times_s)
        pictures = np.empty((num_views * num_frames, height, width, 3), dtype=np.uint8)
        tiles: list[int] = []
        for frame in range(num_frames):
            self._draw_shadows(frame)
            for view in range(num_views):
                if not tiles:
                    self._begin()
                camera = (world_to_clip[view, frame], clip_to_ray[view, frame], c2w[view, frame, :3, 3])
                self._draw_picture(scene, frame, camera, len(tiles))
                self._draw_labels(frame, world_to_clip[view], clip_to_ray[view, frame], len(tiles))
                tiles.append(view * num_frames + frame)
                if len(tiles) == self._columns * self._rows:
                    self._collect(tiles, pictures)
                    tiles = []
        if tiles:
            self._collect(tiles, pictures)
        instances, found = self._labels.finished(num_views, num_frames, labels)
        if "joints" in labels:
            found |= joints_in_pictures(scene, c2w, K, times_s)
        return Rendering(pictures.reshape(num_views, num_frames, height, width, 3), instances > 0, **found)

    def _set_up(self, scene: Scene, times_s: np.ndarray) -> None:
        """Everything that stays the same from picture to picture of a scene."""
        light, ground = light_of(scene), GROUNDS[scene.ground]
        self._world_to_light = light_matrix(light.to_sun)
        values = {
            **{field.name: getattr(light, field.name) for field in fields(light)},
            "ground_light": linear(ground.light),
            "ground_dark": linear(ground.dark),
            "shift": np.array(scene.ground_shift),
            "lamp_strength": lamp_strength(),
            "lamp_seen": LAMP_SEEN,
        }
        shining = lamps(scene)[:MAX_LAMPS]
        places = np.zeros((MAX_LAMPS, 4), dtype=np.float32)
        places[: len(shining)] = shining
        to_texture = np.diag([0.5, 0.5, 0.5, 1.0])
        to_texture[:3, 3] = 0.5
        for program in self._programs.values():
            for name, value in values.items():
                if name in program:
                    program[name].value = float(value) if np.ndim(value) == 0 else tuple(float(x) for x in value)
            if "num_lamps" in program:
                program["num_lamps"].value = len(shining)
                program["lamps"].write(places)
            if "world_to_shadow" in program:
                program["world_to_shadow"].write(columns_first(to_texture @ self._world_to_light))
        self._style = "_full" if scene.environment else ""
        if scene.environment:
            self._texture(scene.ground).use(1)
        else:
            self._pattern.use(1)
        self._bodies = _bodies(scene, times_s)
        blocks = np.zeros((len(times_s), len(self._bodies), _BONE_BLOCK // 4), dtype=np.float32)
        for index, body in enumerate(self._bodies):
            rows = body.bones[:, :, :3].reshape(len(times_s), -1)
            blocks[:, index, : rows.shape[1]] = rows
            self._write_colours(body.name, body.colours)
        if blocks.nbytes > self._bones.size:
            self._bones.orphan(blocks.nbytes)
        if blocks.nbytes:
            self._bones.write(blocks)
        if len(scene.props) > _MAX_PROPS:
            raise InputError(f"the scene has {len(scene.props)} props; at most {_MAX_PROPS} can be drawn")
        self._groups = []
        for kind in sorted({prop.kind for prop in scene.props} - MOVING.keys()):
            places = [(p.x, p.y, np.deg2rad(p.yaw_deg), p.scale) for p in scene.props if p.kind == kind]
            if kind not in self._places:
                self._places[kind] = self._ctx.buffer(reserve=16 * _MAX_PROPS, dynamic=True)
                self._write_colours(kind, prop_colours(kind))
            self._places[kind].write(np.array(places, dtype=np.float32))
            self._groups.append((kind, len(places)))

    def _texture(self, ground: str):
        if ground not in self._textures:
            picture = ground_texture(ground).astype(np.float16)
            texture = self._ctx.texture(picture.shape[1::-1], 3, np.ascontiguousarray(picture), dtype="f2", alignment=1)
            texture.build_mipmaps()
            texture.filter = (self._ctx.LINEAR_MIPMAP_LINEAR, self._ctx.LINEAR)
            self._textures[ground] = texture
        return self._textures[ground]

    def _write_colours(self, name: str, colours: np.ndarray) -> None:
        if name not in self._colours:
            self._colours[name] = self._ctx.buffer(reserve=colours.nbytes, dynamic=True)
        self._colours[name].write(np.ascontiguousarray(colours, dtype=np.float32))

    def _begin(self) -> None:
        """Empties the canvas."""
        self._canvas.use()
        self._canvas.viewport = (0, 0, *self._canvas.size)
        self._canvas.clear(0.0, 0.0, 0.0, 0.0, depth=1.0)

    def _draw_shadows(self, frame: int) -> None:
        self._shadow_canvas.use()
        self._shadow_canvas.clear(depth=1.0)
        self._ctx.enable_only(self._ctx.DEPTH_TEST)
        self._draw_solids(frame, columns_first(self._world_to_light), "_shadow")

    def _draw_picture(self, scene: Scene, frame: int, camera, tile: int) -> None:
        world_to_clip, clip_to_ray, eye = camera
        matrix = columns_first(world_to_clip)
        position = tuple(float(x) for x in eye)
        ground, sky = "ground" + self._style, "sky" + self._style
        for name in ("animal", "prop", ground):
            self._programs[name]["eye"].value = position
        self._programs[ground]["world_to_clip"].write(matrix)
        self._programs[sky]["clip_to_ray"].write(columns_first(clip_to_ray))
        self._canvas.use()
        self._canvas.viewport = self._tile(tile)
        self._draw_all(frame, matrix, "", ground, sky)

    def _draw_labels(self, frame: int, world_to_clip: np.ndarray, clip_to_ray: np.ndarray, tile: int) -> None:
        neighbours = (max(frame - 1, 0), min(frame + 1, len(world_to_clip) - 1)) if self._labels.flow else ()
        matrices = [columns_first(world_to_clip[index]) for index in (frame, *neighbours)]
        self._labels.begin(self._tile(tile), clear=tile == 0)
        suffix = self._labels.suffix
        for name in ("animal", "prop", "ground", "sky"):
            program = self._programs.get(name + suffix)
            for field, matrix in zip(("now_to_clip", "before_to_clip", "after_to_clip"), matrices, strict=False):
                if program is not None and field in program:
                    program[field].write(matrix)
        sky = "sky" + suffix if self._labels.flow else None  # without flow it is what the canvas is cleared to
        if sky is not None:
            self._programs[sky]["clip_to_ray"].write(columns_first(clip_to_ray))
        self._draw_all(frame, matrices[0], suffix, "ground" + suffix, sky, neighbours)

    def _tile(self, tile: int) -> tuple[int, int, int, int]:
        height, width = self.hw
        row, column = divmod(tile, self._columns)
        return (column * width, row * height, width, height)

    def _draw_all(self, frame: int, matrix: bytes, suffix: str, ground: str, sky: str | None, neighbours=()) -> None:
        """Everything, into whatever viewport is in use."""
        ctx = self._ctx
        ctx.enable_only(ctx.DEPTH_TEST)
        ctx.depth_func = "<="
        if self._style:
            ctx.front_face = "cw"  # clip space has its y downwards
            ctx.enable(ctx.CULL_FACE)
        self._draw_solids(frame, matrix, suffix, neighbours)
        ctx.disable(ctx.CULL_FACE)
        for name in (ground, *([sky] if sky else [])):
            if name not in self._arrays:
                self._arrays[name] = ctx.vertex_array(self._programs[name], [(self._corners, "2f", "in_corner")])
            program = self._programs[name]
            if "half_side" in program:
                program["half_side"].value = GROUND_METRES
            self._arrays[name].render(ctx.TRIANGLE_STRIP)

    def _draw_solids(self, frame: int, matrix: bytes, suffix: str, neighbours: tuple[int, ...] = ()) -> None:
        """Characters and props, into whatever canvas is in use."""
        shadow = suffix == "_shadow"
        program = self._programs["animal" + suffix]
        if "world_to_clip" in program:
            program["world_to_clip"].write(matrix)
        for index, body in enumerate(self._bodies):
            mesh = body.shadow if shadow else body.mesh
            if mesh is None:
                continue
            for block, at in enumerate((frame, *neighbours)):
                offset = (at * len(self._bodies) + index) * _BONE_BLOCK
                self._bones.bind_to_uniform_block(block, offset=offset, size=_BONE_BLOCK)
            if "instance" in program:
                program["instance"].value = float(body.instance)
            self._vertex_array("animal", suffix, body.name, mesh).render()
        program = self._programs["prop" + suffix]
        if "world_to_clip" in program:
            program["world_to_clip"].write(matrix)
        if "instance" in program:
            program["instance"].value = 0.0
        for kind, count in self._groups:
            if not shadow or kind not in SHADOWLESS:
                self._vertex_array("prop", suffix, kind, prop_mesh(kind)).render(instances=count)

    def _vertex_array(self, base: str, suffix: str, name: str, mesh: Mesh):
        """The mesh as the program wants it, uploaded at most once."""
        key = (base, suffix, name, id(mesh))
        if key not in self._arrays:
            if id(mesh) not in self._vertices:
                buffers = (self._ctx.buffer(mesh.vertex_array()), self._ctx.buffer(mesh.triangles.astype(np.int32)))
                self._vertices[id(mesh)] = (mesh, *buffers)  # the mesh too: its id is its name as long as it lives
            _, vertices, triangles = self._vertices[id(mesh)]
            wanted = (("in_position", "3f"), ("in_normal", "3f"), ("in_bones", "3f"))
            program = self._programs[base + suffix]
            used = [name for name, _ in wanted if name in program]
            layout = " ".join(part if name in program else "12x" for name, part in wanted)
            content: list[tuple] = [(vertices, layout, *used)]
            if "in_colour" in program:
                content.append((self._colours[name], "3f", "in_colour"))
            if base == "prop":
                content.append((self._places[name], "4f/i", "in_place"))
            self._arrays[key] = self._ctx.vertex_array(program, content, triangles)
        return self._arrays[key]

    def _collect(self, tiles: list[int], pictures: np.ndarray) -> None:
        """Copies the canvas's tiles into the pictures they belong to."""
        height, width = self.hw
        rows = -(-len(tiles) // self._columns)
        self._ctx.copy_framebuffer(self._resolved, self._canvas)
        size = (self._columns * width, rows * height)
        raw = self._resolved.read((0, 0, *size), components=3, alignment=1)
        sheet = np.frombuffer(raw, np.uint8).reshape(rows, height, self._columns, width, 3)
        for tile, target in enumerate(tiles):
            pictures[target] = sheet[tile // self._columns, :, tile % self._columns]
        self._labels.collect(tiles, rows)


def _bind(program) -> None:
    """The units of a program's textures and uniform blocks."""
    for sampler, unit in (("shadow_map", 0), ("pattern", 1)):
        if sampler in program:
            program[sampler].value = unit
    for block, unit in (("Bones", 0), ("BonesBefore", 1), ("BonesAfter", 2)):
        if block in program:
            program[block].binding = unit


def _bodies(scene: Scene, times_s: np.ndarray) -> list[_Body]:
    """The scene's characters, then its props that move."""
    bodies = []
    for index, animal in enumerate(scene.animals):
        mesh = character_mesh(animal)
        name = f"{animal.species} {index} {len(mesh.position)}"
        bones = bone_matrices(animal, times_s, scene.middle_s)
        bodies.append(_Body(name, mesh, species(animal.species).mesh, vertex_colours(animal), bones, index + 1))
    for prop in scene.props:
        if prop.kind in MOVING:
            mesh = prop_mesh(prop.kind)
            shadow = None if prop.kind in SHADOWLESS else mesh
            bones = prop_bones(prop, times_s, scene.middle_s)
            bodies.append(_Body(prop.kind, mesh, shadow, prop_colours(prop.kind), bones, 0))
    return bodies
