"""Renders a job inside Blender: run by engine.py in a process of its own, as

    python worker.py FOLDER                              a Python that has bpy
    blender --background --python worker.py -- FOLDER    a Blender

It needs nothing but Blender and its numpy, reads FOLDER/job.json and the arrays beside it (job.py says what they hold),
and writes FOLDER/frames/vVVV_fFFFF.png and .npz, each whole or not at all; what is there is not rendered again.
What it has to say goes to stdout, a JSON object per line; what Blender prints goes to stderr. It ends with its stdin.
"""

import importlib.machinery
import json
import math
import os
import struct
import sys
import threading
import traceback

import bpy  # pyright: ignore[reportMissingImports]
import numpy as np
from mathutils import Matrix, Vector  # pyright: ignore[reportMissingImports]

OLDEST, TOO_NEW = (4, 2, 0), (5, 0, 0)
NEAR, FAR = 0.15, 1000.0
SUN_DIAMETER_DEG = 1.0


def main(folder):
    """Renders every picture of the job that is missing."""
    say = _protocol()
    try:
        if not OLDEST <= bpy.app.version < TOO_NEW:
            raise ValueError(f"this is Blender {bpy.app.version_string}; 4.5 LTS is needed")
        with open(os.path.join(folder, "job.json"), encoding="utf-8") as file:
            job = json.load(file)
        with np.load(os.path.join(folder, "world.npz")) as file:
            arrays = dict(file)
        bpy.ops.wm.read_factory_settings(use_empty=True)
        bpy.context.preferences.filepaths.use_scripts_auto_execute = False
        picture, labels, device = build(job, arrays, folder)
        say(blender=bpy.app.version_string, device=device)
        render_all(job, picture, labels, arrays["K"], os.path.join(folder, "frames"), say)
    except Exception as err:  # the last stop: everything becomes one line for the parent and a traceback in the log
        traceback.print_exc()
        say(error=f"{type(err).__name__}: {' '.join(str(err).split())}")
        code = 1
    else:
        say(finished=True)
        code = 0
    sys.stderr.flush()
    os._exit(code)  # Blender's own clean-up takes long and may print


def _protocol():
    """A function that sends one line to the parent; everything else that is printed goes to stderr from now on."""
    sys.stdout.flush()
    channel = os.dup(1)
    os.dup2(2, 1)

    def end_with_the_parent():
        while os.read(0, 4096):
            pass
        os._exit(3)

    threading.Thread(target=end_with_the_parent, daemon=True).start()
    return lambda **values: os.write(channel, (json.dumps(values) + "\n").encode())


def build(job, arrays, folder):
    """The scene that pictures are made of, the scene that labels are made of, and the device's name."""
    picture, labels = bpy.context.scene, bpy.data.scenes.new("labels")
    device = _set_up_picture(picture, job)
    _set_up_labels(labels, job)
    light = {name.removeprefix("light_"): value for name, value in arrays.items() if name.startswith("light_")}
    if job["environment"]:
        _add_panorama(picture, job["environment"])
    else:
        _add_sky(picture, light, job["full"])
        _add_sun(picture, light)
    fog_metres = 1e6 if job["environment"] else float(light["fog_metres"])
    painted = _surface("painted", light["horizon"], fog_metres, _painted_colour, job["full"])
    ground = _surface("ground", light["horizon"], fog_metres, lambda nodes: _ground_colour(nodes, job, arrays), False)
    for index, solid in enumerate(job["solids"]):
        item = _add_solid(solid, index, arrays, folder)
        item.data.materials.append(ground if solid["kind"] == "ground" else painted)
        for scene in (picture, labels):
            scene.collection.objects.link(item)
    bring_in = _beside("worker_assets").bring_in
    for item in [item for told in job["assets"] for item in bring_in(told)]:
        labels.collection.objects.link(item)
    focus = [arrays.get("aperture"), arrays.get("focus_distance")]
    for view in range(arrays["c2w"].shape[0]):
        for scene, blurred in ((picture, True), (labels, False)):
            lens = [None if values is None or not blurred else values[view] for values in focus]
            _add_camera(scene, view, arrays["c2w"][view], arrays["K"][view], job, *lens)
    return picture, labels, device


def _beside(name):
    """The module in a file beside this one; its folder is not searched for others."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), name + ".py")
    return importlib.machinery.SourceFileLoader(name, path).load_module()


def _set_up_picture(scene, job):
    _set_up(scene, job)
    cycles = scene.cycles
    cycles.samples, cycles.seed, cycles.use_animated_seed = job["samples"], job["seed"], False
    cycles.max_bounces, cycles.caustics_reflective, cycles.caustics_refractive = 4, False, False
    cycles.use_denoising = job["denoise"]
    if job["denoise"]:
        cycles.denoiser, cycles.denoising_quality = "OPENIMAGEDENOISE", "BALANCED"
    scene.view_settings.view_transform, scene.view_settings.look = "Standard", "None"
    scene.render.dither_intensity = 0.0
    scene.render.image_settings.file_format, scene.render.image_settings.color_mode = "PNG", "RGB"
    return _choose_device(scene, job["device"])


def _set_up_labels(scene, job):
    """One ray through the centre of every pixel."""
    _set_up(scene, job)
    cycles = scene.cycles
    cycles.samples, cycles.seed, cycles.max_bounces, cycles.use_denoising = 1, 0, 0, False
    cycles.pixel_filter_type, cycles.filter_width = "BOX", 0.01
    layer = scene.view_layers[0]
    layer.use_pass_z = layer.use_pass_object_index = True
    layer.use_pass_normal, layer.use_pass_vector = "normal" in job["passes"], "flow" in job["passes"]
    settings = scene.render.image_settings
    settings.file_format, settings.color_depth, settings.exr_codec = "OPEN_EXR_MULTILAYER", "32", "NONE"


def _set_up(scene, job):
    render = scene.render
    render.engine, render.use_persistent_data = "CYCLES", True
    render.resolution_y, render.resolution_x = job["hw"]
    render.resolution_percentage, render.use_motion_blur, render.use_compositing = 100, False, False
    render.use_sequencer, render.use_file_extension = False, True
    scene.cycles.use_adaptive_sampling = False
    scene.cycles.transparent_max_bounces = 64  # a ray goes through as many backs of things
    scene.frame_start, scene.frame_end = 1, job["num_frames"]
    render.fps, render.fps_base = max(1, round(job["fps"])), max(1, round(job["fps"])) / job["fps"]
    if job["threads"]:
        render.threads_mode, render.threads = "FIXED", job["threads"]


def _choose_device(scene, wanted):
    """Makes Cycles use an NVIDIA GPU where there is one and it is wanted; the name of what renders."""
    settings = bpy.context.preferences.addons["cycles"].preferences
    for kind in ("OPTIX", "CUDA") if wanted != "cpu" else ():
        try:
            settings.compute_device_type = kind
        except TypeError:  # this Blender was built without it
            continue
        settings.refresh_devices()
        found = [device for device in settings.devices if device.type == kind]
        for device in settings.devices:
            device.use = device in found
        if found:
            scene.cycles.device = "GPU"
            return f"{kind} {', '.join(device.name for device in found)}"
    if wanted == "gpu":
        raise ValueError("no NVIDIA GPU that Blender can use; render on the cpu")
    scene.cycles.device = "CPU"
    return "CPU"


def _rgba(colour):
    return (*map(float, colour), 1.0)


class Nodes:
    """Shorthand for building a node tree: values may be numbers, colours or other nodes' sockets."""

    def __init__(self, tree):
        tree.nodes.clear()
        self.tree = tree

    def add(self, kind, inputs=(), output: int | str = 0, **settings):
        """A node of that kind; inputs: socket name or number -> value; returns its output socket."""
        node = self.tree.nodes.new(kind)
        for name, value in settings.items():
            setattr(node, name, value)
        for name, value in dict(inputs).items():
            if isinstance(value, bpy.types.NodeSocket):
                self.tree.links.new(value, node.inputs[name])
            else:
                node.inputs[name].default_value = value
        return node.outputs[output] if len(node.outputs) else None

    def math(self, operation, *values):
        return self.add("ShaderNodeMath", dict(enumerate(values)), operation=operation)

    def vector(self, operation, *values):
        return self.add("ShaderNodeVectorMath", dict(enumerate(values)), operation=operation, output="Vector")

    def added(self, colour, share, other):
        """The colour plus that share of another."""
        return self.add("ShaderNodeMixRGB", {0: share, 1: colour, 2: _rgba(other)}, blend_type="ADD")

    def smoothstep(self, value, low, high):
        """0 below low, 1 above high, smooth between."""
        limits = {"Value": value, "From Min": low, "From Max": high}
        return self.add("ShaderNodeMapRange", limits, interpolation_type="SMOOTHSTEP")

    def mix(self, *values):
        return self.add("ShaderNodeMixRGB", dict(enumerate(values)))


def _surface(name, horizon, fog_metres, colour, one_sided):
    """A matt material that fades into the horizon; colour: a function of the Nodes that gives its colour; one_sided:
    cameras do not see its back."""
    material = bpy.data.materials.new(name)
    material.use_nodes = True
    nodes = Nodes(material.node_tree)
    matt = nodes.add("ShaderNodeBsdfDiffuse", {"Color": colour(nodes)})
    haze = nodes.add("ShaderNodeEmission", {"Color": _rgba(horizon)})
    distance = nodes.math("DIVIDE", nodes.add("ShaderNodeLightPath", output="Ray Length"), fog_metres)
    kept = nodes.math("EXPONENT", nodes.math("MULTIPLY", nodes.math("MULTIPLY", distance, distance), -1.0))
    seen = nodes.add("ShaderNodeLightPath", output="Is Camera Ray")
    fog = nodes.math("MULTIPLY", seen, nodes.math("SUBTRACT", 1.0, kept))
    shown = nodes.add("ShaderNodeMixShader", {0: fog, 1: matt, 2: haze})
    if one_sided:
        back = nodes.math("MULTIPLY", seen, nodes.add("ShaderNodeNewGeometry", output="Backfacing"))
        shown = nodes.add("ShaderNodeMixShader", {0: back, 1: shown, 2: nodes.add("ShaderNodeBsdfTransparent")})
    nodes.add("ShaderNodeOutputMaterial", {0: shown})
    return material


def _painted_colour(nodes):
    return nodes.add("ShaderNodeAttribute", attribute_name="colour")


def _ground_colour(nodes, job, arrays):
    """The ground's texture, which repeats."""
    texture = arrays["ground_texture"].astype(np.float32)
    image = bpy.data.images.new("texture", texture.shape[1], texture.shape[0], float_buffer=True, is_data=True)
    rgba = np.concatenate([texture, np.ones_like(texture[..., :1])], axis=-1)
    image.pixels.foreach_set(rgba.ravel())  # row 0 is the lowest, as in the job
    side = job["pattern_metres"]
    east, north = (float(metres) / side for metres in arrays["ground_shift"])
    place = nodes.add("ShaderNodeNewGeometry", output="Position")
    uv = nodes.add("ShaderNodeMapping", {"Vector": place, "Location": (east, north, 0), "Scale": (1 / side,) * 3})
    return nodes.add("ShaderNodeTexImage", {"Vector": uv}, image=image, extension="REPEAT")


def _add_sky(scene, light, full):
    """What lights the scene is the ambient light; what cameras see is a sky with a glow about the sun; with full also
    the sun's disc and, at night, stars."""
    world = scene.world = bpy.data.worlds.new("sky")
    world.use_nodes = True
    world.cycles.sampling_method = "NONE"  # it is the same in all directions
    nodes = Nodes(world.node_tree)
    direction = nodes.add("ShaderNodeTexCoord", output="Generated")
    height = nodes.add("ShaderNodeSeparateXYZ", {0: direction}, output=2)
    fall = nodes.math("EXPONENT", nodes.math("MULTIPLY", nodes.math("MAXIMUM", height, 0.0), -4.5))
    sky = nodes.mix(fall, _rgba(light["zenith"]), _rgba(light["horizon"]))
    facing = nodes.add(
        "ShaderNodeVectorMath", {0: direction, 1: tuple(light["to_sun"])}, operation="DOT_PRODUCT", output="Value"
    )
    glow = nodes.math("POWER", nodes.math("MAXIMUM", facing, 0.0), 8.0)
    bright = nodes.added(sky, glow, 0.18 * light["sunlight"])
    clear = min(max((float(light["fog_metres"]) - 115) / 30, 0.0), 1.0)  # not under clouds
    if full and clear:
        disc = nodes.smoothstep(facing, 0.9975, 0.9985)
        bright = nodes.added(bright, disc, clear * (light["sunlight"] + 0.3))
        darkness = min(max(1 - 12 * float(light["zenith"] @ (0.3, 0.5, 0.2)), 0.0), 1.0)
        if darkness:
            shine = nodes.math("MULTIPLY", _stars(nodes, direction), nodes.math("GREATER_THAN", height, 0.02))
            bright = nodes.added(bright, shine, clear * darkness * np.array([0.9, 0.92, 1.0]))
    seen = nodes.add("ShaderNodeLightPath", output="Is Camera Ray")
    shown = nodes.mix(seen, _rgba(light["ambient_up"]), bright)
    nodes.add("ShaderNodeOutputWorld", {0: nodes.add("ShaderNodeBackground", {"Color": shown})})


def _stars(nodes, direction):
    """How bright the stars are in a direction: a few of the cells of a grid hold one, as in the fast engine's sky."""
    spread = nodes.vector("MULTIPLY", direction, (70.0,) * 3)
    mixed = nodes.vector("MULTIPLY", nodes.vector("FLOOR", spread), (0.3183099,) * 3)
    mixed = nodes.vector("FRACTION", nodes.vector("ADD", mixed, (0.71, 0.113, 0.419)))
    mixed = nodes.vector("MULTIPLY", mixed, (17.0,) * 3)
    x, y, z = (nodes.add("ShaderNodeSeparateXYZ", {0: mixed}, output=axis) for axis in range(3))
    product = nodes.math("MULTIPLY", nodes.math("MULTIPLY", x, y), z)
    product = nodes.math("MULTIPLY", product, nodes.math("ADD", nodes.math("ADD", x, y), z))
    lit = nodes.math("GREATER_THAN", nodes.math("FRACT", product), 0.955)
    middle = nodes.vector("SUBTRACT", nodes.vector("FRACTION", spread), (0.5,) * 3)
    apart = nodes.add("ShaderNodeVectorMath", {0: middle}, operation="LENGTH", output="Value")
    return nodes.math("MULTIPLY", lit, nodes.math("SUBTRACT", 1.0, nodes.smoothstep(apart, 0.1, 0.5)))


def _add_panorama(scene, told):
    """A picture of all directions, which lights the scene and is seen behind it."""
    world = scene.world = bpy.data.worlds.new("panorama")
    world.use_nodes = True
    nodes = Nodes(world.node_tree)
    direction = nodes.add("ShaderNodeTexCoord", output="Generated")
    turned = nodes.add("ShaderNodeMapping", {"Vector": direction, "Rotation": (0, 0, math.radians(told["turn_deg"]))})
    picture = nodes.add("ShaderNodeTexEnvironment", {"Vector": turned}, image=bpy.data.images.load(told["file"]))
    nodes.add("ShaderNodeOutputWorld", {0: nodes.add("ShaderNodeBackground", {0: picture, 1: told["strength"]})})


def _add_sun(scene, light):
    sun = bpy.data.lights.new("sun", "SUN")
    strength = max(float(light["sunlight"].max()), 1e-6)
    sun.color, sun.energy = tuple(light["sunlight"] / strength), math.pi * strength  # pi: white shall reflect 1
    sun.angle = math.radians(SUN_DIAMETER_DEG)
    item = bpy.data.objects.new("sun", sun)
    item.rotation_mode = "QUATERNION"
    item.rotation_quaternion = Vector(light["to_sun"]).to_track_quat("Z", "Y")
    scene.collection.objects.link(item)


def _add_solid(solid, index, arrays, folder):
    """The mesh of a solid; one that moves has its places at every frame in a file, so that Blender knows its motion."""
    position, normal, triangles, colour = (
        arrays[f"{name}{index}"] for name in ("position", "normal", "triangles", "colour")
    )
    moving = position.ndim == 3
    first = position[0] if moving else position
    mesh = bpy.data.meshes.new(solid["name"])
    mesh.from_pydata(first.tolist(), [], triangles.tolist(), shade_flat=False)
    attribute = mesh.color_attributes.new("colour", "FLOAT_COLOR", "POINT")
    attribute.data.foreach_set("color", np.concatenate([colour, np.ones_like(colour[:, :1])], 1).ravel())
    mesh.normals_split_custom_set_from_vertices((normal[0] if moving else normal).tolist())
    item = bpy.data.objects.new(solid["name"], mesh)
    item.pass_index = solid["instance"]
    if not solid["casts_shadow"]:
        item.visible_shadow = item.visible_diffuse = False
    if moving:
        path = os.path.join(folder, f"solid{index}.pc2")
        with open(path, "wb") as file:
            file.write(struct.pack("<12siiffi", b"POINTCACHE2\0", 1, position.shape[1], 0.0, 1.0, len(position)))
            file.write(np.ascontiguousarray(position, dtype="<f4").tobytes())
        cache = item.modifiers.new("motion", "MESH_CACHE")
        cache.cache_format, cache.filepath, cache.frame_start = "PC2", path, 1.0
        cache.forward_axis, cache.up_axis, cache.interpolation = "POS_Y", "POS_Z", "NONE"
    return item


def _add_camera(scene, view, c2w, K, job, aperture, focus_distance):
    """A camera with a key at every frame; named after its view."""
    name = f"{scene.name} {view}"
    lens = bpy.data.cameras.new(name)
    item = bpy.data.objects.new(name, lens)
    scene.collection.objects.link(item)
    item.rotation_mode = "QUATERNION"
    lens.sensor_fit, lens.sensor_width = "HORIZONTAL", job["sensor_mm"]
    lens.clip_start, lens.clip_end = NEAR, FAR
    lens.dof.use_dof = aperture is not None
    height, width = job["hw"]
    for index in range(len(c2w)):
        place, turn, _ = (Matrix(c2w[index].tolist()) @ Matrix.Diagonal((1, -1, -1, 1))).decompose()
        item.location, item.rotation_quaternion = place, turn
        (fx, _, cx), (_, fy, cy) = K[index, :2].tolist()
        lens.lens = fx * job["sensor_mm"] / width
        lens.shift_x, lens.shift_y = (0.5 * width - cx) / width, (cy - 0.5 * height) * fx / fy / width
        for name in ("location", "rotation_quaternion"):
            item.keyframe_insert(name, frame=index + 1)
        for name in ("lens", "shift_x", "shift_y"):
            lens.keyframe_insert(name, frame=index + 1)
        if aperture is not None:
            lens.dof.aperture_fstop, lens.dof.focus_distance = float(aperture[index]), float(focus_distance[index])
            lens.keyframe_insert("dof.aperture_fstop", frame=index + 1)
            lens.keyframe_insert("dof.focus_distance", frame=index + 1)


def render_all(job, picture, labels, K, folder, say):
    """Renders what is missing, frame by frame through all views, and says after each how far it is."""
    os.makedirs(folder, exist_ok=True)
    wanted = [
        (scene, os.path.join(folder, f"v{view:03d}_f{frame:04d}{suffix}"), view, frame)
        for frame in range(job["num_frames"])
        for view in range(job["num_views"])
        for scene, suffix in ((picture, ".png"), (labels, ".npz"))
        if scene is labels or "picture" in job["passes"]
    ]
    missing = [row for row in wanted if not os.path.exists(row[1])]
    done, labelled = len(wanted) - len(missing), _beside("worker_labels")
    say(done=done, total=len(wanted))
    for scene, path, view, frame in missing:
        temporary = os.path.join(folder, "unfinished" + (".png" if scene is picture else ".exr"))
        scene.camera = scene.objects[f"{scene.name} {view}"]
        scene.frame_set(frame + 1)
        stretch = float(K[view, frame, 0, 0] / K[view, frame, 1, 1])  # height of a pixel, in widths of a pixel
        scene.render.pixel_aspect_x, scene.render.pixel_aspect_y = max(1.0, 1 / stretch), max(1.0, stretch)
        scene.render.filepath = temporary
        bpy.ops.render.render(write_still=True, scene=scene.name)
        if scene is labels:
            exr, temporary = temporary, os.path.join(folder, "unfinished.npz")
            np.savez(temporary, **labelled.label_arrays(labelled.read_exr(exr)))  # pyright: ignore[reportArgumentType]
            os.remove(exr)
        os.replace(temporary, path)
        done += 1
        say(done=done, total=len(wanted))


if __name__ == "__main__":
    main(sys.argv[-1])
