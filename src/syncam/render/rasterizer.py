"""Pictures of a scene through OpenGL (EGL: no window; a GPU's driver or Mesa's software one)."""

import weakref
from collections.abc import Iterator, Sequence
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
from syncam.render.rendering import Picture, Rendering, gathered
from syncam.render.scene import GROUNDS, Scene
from syncam.render.shaders import MAX_LAMPS, programs
from syncam.render.skeleton import NUM_BONES
from syncam.render.species import species
from syncam.render.world import checked_cameras

_SAMPLES = 4
_SHADOW_SIZE = 768
_SHADOW_BLUR_METRES = 0.022
_ATLAS_PIXELS = 1 << 21
_AHEAD_PIXELS = 1 << 21
"""Of pictures that are drawn before their turn, so that several views share the shadows of a frame."""
_MAX_PROPS = 64
_BONE_BLOCK = -(-NUM_BONES * 48 // 256) * 256
"""Bytes of one body's bones at one time, padded to the usual alignment of uniform blocks."""


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
        self._drawn_on = set[int]()
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
        found = gathered(self.pictures(scene, c2w, K, times_s, labels=labels), c2w.shape[:2], labels)
        if "joints" in labels:
            found |= joints_in_pictures(scene, c2w, K, np.asarray(times_s, dtype=np.float64))
        return Rendering(**found)

    def pictures(
        self, scene: Scene, c2w: np.ndarray, K: np.ndarray, times_s: Sequence[float], *, labels: Sequence[str] = ()
    ) -> Iterator[Picture]:
        """The same without joints, drawn as they are asked for: all frames of the first view, of the second, and so on.

        Memory is that of a few pictures, however many there are. One scene at a time: InputError for a picture of a
        scene after which another was begun.
        """
        c2w, K = checked_cameras(c2w, K, times_s)
        check_labels(labels)
        return self._pictures(scene, c2w, K, np.asarray(times_s, dtype=np.float64), tuple(labels))

    def _pictures(
        self, scene: Scene, c2w: np.ndarray, K: np.ndarray, times_s: np.ndarray, labels: tuple[str, ...]
    ) -> Iterator[Picture]:
        num_views, num_frames = c2w.shape[:2]
        self._cameras = (c2w, *clip_matrices(c2w, K, self.hw))
        self._scene = turn = object()
        with self._ctx:  # the renderer that was made last has the current context
            for name, program in self._labels.start(self.hw, labels).items():
                self._programs[name] = program
                _bind(program)
            self._set_up(scene, times_s)
            self._clear()
        together = max(1, _AHEAD_PIXELS // (num_frames * self.hw[0] * self.hw[1]))
        for first in range(0, num_views, together):
            views = range(first, min(first + together, num_views))
            drawn = (self._picture(turn, view, frame) for frame in range(num_frames) for view in views)
            yield from drawn if len(views) == 1 else sorted(drawn, key=lambda picture: picture.view)

    def _picture(self, turn: object, view: int, frame: int) -> Picture:
        """Draws a picture with its labels."""
        if self._scene is not turn:
            raise InputError("the renderer has begun another scene; take all pictures of one before the next")
        c2w, world_to_clip, clip_to_ray = self._cameras
        num_views, num_frames = c2w.shape[:2]
        # the place on the canvas decides about the last bits of a picture: it stays where it has always been
        place = (frame * num_views + view) % (self._columns * self._rows)
        with self._ctx:
            if frame != self._shadows_of:
                self._draw_shadows(frame)
            if place in self._drawn_on:
                self._clear()
            self._drawn_on.add(place)
            tile = self._tile(place)
            eye = c2w[view, frame, :3, 3]
            self._draw_picture(frame, (world_to_clip[view, frame], clip_to_ray[view, frame], eye), tile)
            self._draw_labels(frame, world_to_clip[view], clip_to_ray[view, frame], tile)
            labels = self._labels.read(tile, first=frame == 0, last=frame == num_frames - 1)
            return Picture(view, frame, self._read(tile), **labels)

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
        self._bodies, self._shadows_of = _bodies(scene, times_s), None
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

    def _clear(self) -> None:
        """Empties the canvases."""
        for canvas in (self._canvas, self._labels.canvas):
            canvas.use()
            canvas.viewport = (0, 0, *canvas.size)
            canvas.clear(0.0, 0.0, 0.0, 0.0, depth=1.0)
        self._drawn_on.clear()

    def _draw_shadows(self, frame: int) -> None:
        self._shadow_canvas.use()
        self._shadow_canvas.clear(depth=1.0)
        self._ctx.enable_only(self._ctx.DEPTH_TEST)
        self._draw_solids(frame, columns_first(self._world_to_light), "_shadow")
        self._shadows_of = frame

    def _draw_picture(self, frame: int, camera, tile: tuple[int, int, int, int]) -> None:
        world_to_clip, clip_to_ray, eye = camera
        matrix = columns_first(world_to_clip)
        position = tuple(float(x) for x in eye)
        ground, sky = "ground" + self._style, "sky" + self._style
        for name in ("animal", "prop", ground):
            self._programs[name]["eye"].value = position
        self._programs[ground]["world_to_clip"].write(matrix)
        self._programs[sky]["clip_to_ray"].write(columns_first(clip_to_ray))
        self._canvas.use()
        self._canvas.viewport = tile
        self._draw_all(frame, matrix, "", ground, sky)

    def _draw_labels(
        self, frame: int, world_to_clip: np.ndarray, clip_to_ray: np.ndarray, tile: tuple[int, int, int, int]
    ) -> None:
        neighbours = (max(frame - 1, 0), min(frame + 1, len(world_to_clip) - 1)) if self._labels.flow else ()
        matrices = [columns_first(world_to_clip[index]) for index in (frame, *neighbours)]
        self._labels.canvas.use()
        self._labels.canvas.viewport = tile
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

    def _tile(self, place: int) -> tuple[int, int, int, int]:
        height, width = self.hw
        row, column = divmod(place, self._columns)
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

    def _read(self, tile: tuple[int, int, int, int]) -> np.ndarray:
        """The picture uint8 [H, W, 3] in a place of the canvas."""
        self._resolved.scissor = tile  # of the whole canvas it would take as long as drawing a small picture
        self._resolved.use()
        self._ctx.copy_framebuffer(self._resolved, self._canvas)
        picture = np.empty((*self.hw, 3), dtype=np.uint8)
        self._resolved.read_into(picture, tile, components=3, alignment=1)
        return picture


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
