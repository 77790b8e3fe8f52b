"""Renders a job inside Blender: run by engine.py in a process of its own, as

    python worker.py FOLDER                              a Python that has bpy
    blender --background --python worker.py -- FOLDER    a Blender

It needs nothing but Blender and its numpy, reads FOLDER/job.json and the arrays beside it (job.py says what they hold),
and writes FOLDER/frames/vVVV_fFFFF.png and .npz, each whole or not at all; what is there is not rendered again.
Where the job says `measure`, it measures models instead (worker_measure.py).
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
    """Renders every picture of the job that is missing, or measures its models."""
    say = _protocol()
    try:
        if not OLDEST <= bpy.app.version < TOO_NEW:
            raise ValueError(f"this is Blender {bpy.app.version_string}; 4.5 LTS is needed")
        with open(os.path.join(folder, "job.json"), encoding="utf-8") as file:
            job = json.load(file)
        if "measure" in job:
            _module("worker_measure").measure_all(job, folder, _module("worker_assets"), say)
        else:
            _render(job, folder, say)
    except Exception as err:  # the last stop: everything becomes one line for the parent and a traceback in the log
        traceback.print_exc()
        say(error=f"{type(err).__name__}: {' '.join(str(err).split())}")
        code = 1
    else:
        say(finished=True)
        code = 0
    sys.stderr.flush()
    os._exit(code)  # Blender's own clean-up takes long and may print


def _render(job, folder, say):
    with np.load(os.path.join(folder, "world.npz")) as file:
        arrays = dict(file)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.context.preferences.filepaths.use_scripts_auto_execute = False
    picture, labels, device = build(job, arrays, folder)
    say(blender=bpy.app.version_string, device=device)
    render_all(job, picture, labels, arrays["K"], os.path.join(folder, "frames"), say)


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
    looks, device = _module("worker_looks"), _set_up_picture(picture, job)
    _set_up_labels(labels, job)
    light = {name.removeprefix("light_"): value for name, value in arrays.items() if name.startswith("light_")}
    if job["environment"]:
        looks.add_panorama(picture, job["environment"])
    else:
        looks.add_sky(picture, light, job["full"])
        _add_sun(picture, light)
    fog_metres = 1e6 if job["environment"] else float(light["fog_metres"])
    painted = looks.surface("painted", light["horizon"], fog_metres, looks.painted_colour, job["full"])
    ground = looks.surface(
        "ground", light["horizon"], fog_metres, lambda nodes: looks.ground_colour(nodes, job, arrays), False
    )
    glowing = looks.surface(
        "glowing", light["horizon"], fog_metres, looks.painted_colour, job["full"], lamp=job["lamp"]
    )
    for index, solid in enumerate(job["solids"]):
        item = _add_solid(solid, index, arrays, folder)
        shown = ground if solid["kind"] == "ground" else glowing if f"glow{index}" in arrays else painted
        item.data.materials.append(shown)
        for scene in (picture, labels):
            scene.collection.objects.link(item)
    bring_in = _module("worker_assets").bring_in
    brought = [item for told in job["assets"] for item in bring_in(told)]
    looks.add_haze(brought, light["horizon"], fog_metres)
    for item in brought:
        labels.collection.objects.link(item)
    focus = [arrays.get("aperture"), arrays.get("focus_distance")]
    for view in range(arrays["c2w"].shape[0]):
        for scene, blurred in ((picture, True), (labels, False)):
            lens = [None if values is None or not blurred else values[view] for values in focus]
            _add_camera(scene, view, arrays["c2w"][view], job, *lens)
    return picture, labels, device


def _module(name):
    """A file beside this one; its folder is not searched for others."""
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
    if f"glow{index}" in arrays:
        mesh.attributes.new("glow", "FLOAT", "POINT").data.foreach_set("value", arrays[f"glow{index}"])
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


def _add_camera(scene, view, c2w, job, aperture, focus_distance):
    """A camera with a key at every frame; named after its view. Its lens is set picture by picture."""
    name = f"{scene.name} {view}"
    lens = bpy.data.cameras.new(name)
    item = bpy.data.objects.new(name, lens)
    scene.collection.objects.link(item)
    item.rotation_mode = "QUATERNION"
    lens.sensor_fit, lens.sensor_width = "HORIZONTAL", job["sensor_mm"]
    lens.clip_start, lens.clip_end = NEAR, FAR
    lens.dof.use_dof = aperture is not None
    for index in range(len(c2w)):
        place, turn, _ = (Matrix(c2w[index].tolist()) @ Matrix.Diagonal((1, -1, -1, 1))).decompose()
        item.location, item.rotation_quaternion = place, turn
        for name in ("location", "rotation_quaternion"):
            item.keyframe_insert(name, frame=index + 1)
        if aperture is not None:
            lens.dof.aperture_fstop, lens.dof.focus_distance = float(aperture[index]), float(focus_distance[index])
            lens.keyframe_insert("dof.aperture_fstop", frame=index + 1)
            lens.keyframe_insert("dof.focus_distance", frame=index + 1)


def _set_lens(scene, K, job):
    """The lens of the scene's camera in the picture at hand. It has no keys: Blender's flow would mix a zoom with them,
    and only in part."""
    height, width = job["hw"]
    (fx, _, cx), (_, fy, cy) = K[:2].tolist()
    lens = scene.camera.data
    lens.lens = fx * job["sensor_mm"] / width
    lens.shift_x, lens.shift_y = (0.5 * width - cx) / width, (cy - 0.5 * height) * fx / fy / width
    stretch = fx / fy  # height of a pixel, in widths of a pixel
    scene.render.pixel_aspect_x, scene.render.pixel_aspect_y = max(1.0, 1 / stretch), max(1.0, stretch)


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
    done = len(wanted) - len(missing)
    say(done=done, total=len(wanted))
    for scene, path, view, frame in missing:
        temporary = os.path.join(folder, "unfinished" + (".png" if scene is picture else ".exr"))
        scene.camera = scene.objects[f"{scene.name} {view}"]
        scene.frame_set(frame + 1)
        _set_lens(scene, K[view, frame], job)
        scene.render.filepath = temporary
        bpy.ops.render.render(write_still=True, scene=scene.name)
        if scene is labels:
            exr, temporary = temporary, os.path.join(folder, "unfinished.npz")
            np.savez(temporary, **label_arrays(read_exr(exr)))  # pyright: ignore[reportArgumentType]
            os.remove(exr)
        os.replace(temporary, path)
        done += 1
        say(done=done, total=len(wanted))


def label_arrays(channels):
    """Depth, instances and, where rendered, normals and flow, from the channels of Blender's passes."""
    depth = channels["Depth.Z"]
    sky = depth > 1e9
    found: dict[str, np.ndarray] = {"depth": np.where(sky, np.inf, depth).astype(np.float32)}
    found["instance"] = np.where(sky, 0, np.rint(channels["IndexOB.X"])).astype(np.uint16)
    if "Normal.X" in channels:
        normal = np.stack([channels[f"Normal.{axis}"] for axis in "XYZ"], -1)
        length = np.linalg.norm(normal, axis=-1, keepdims=True)
        found["normal"] = np.where(length > 0, normal / np.maximum(length, 1e-12), 0).astype(np.float32)
    if "Vector.X" in channels:  # Blender's signs: (x, -y) to the previous frame, (-x, y) to the next
        found["flow_backward"] = np.stack([channels["Vector.X"], -channels["Vector.Y"]], -1)
        found["flow_forward"] = np.stack([-channels["Vector.Z"], channels["Vector.W"]], -1)
    return found


def read_exr(path):
    """Channel -> float32 [H, W] of an uncompressed EXR file, by the last two parts of the channels' names."""
    with open(path, "rb") as file:
        data = file.read()
    if data[:4] != b"\x76\x2f\x31\x01":
        raise ValueError(f"{path} is not an EXR file")
    at, header = 8, {}
    while data[at]:
        end = data.index(b"\0", at)
        kind_end = data.index(b"\0", end + 1)
        size = struct.unpack_from("<i", data, kind_end + 1)[0]
        header[data[at:end].decode()] = data[kind_end + 5 : kind_end + 5 + size]
        at = kind_end + 5 + size
    if header["compression"] != b"\0":
        raise ValueError(f"{path} is compressed")
    left, top, right, bottom = struct.unpack("<4i", header["dataWindow"])
    width, height = right - left + 1, bottom - top + 1
    names, kinds, rest = [], [], header["channels"]
    while rest[0]:
        name, _, rest = rest.partition(b"\0")
        names.append(".".join(name.decode().split(".")[-2:]))
        kinds.append({1: "<f2", 2: "<f4"}[struct.unpack_from("<i", rest)[0]])
        rest = rest[16:]
    row = np.dtype([("y", "<i4"), ("size", "<i4"), *((f"c{i}", kind, width) for i, kind in enumerate(kinds))])
    rows = np.frombuffer(data, row, height, at + 1 + 8 * height)  # one line after the other, in rising order
    if not np.array_equal(rows["y"], np.arange(top, bottom + 1)):
        raise ValueError(f"{path} has its lines in another order")
    return {name: rows[f"c{i}"].astype(np.float32) for i, name in enumerate(names)}


if __name__ == "__main__":
    main(sys.argv[-1])
