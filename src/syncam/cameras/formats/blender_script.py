"""Cameras out of a Blender scene into a file that syncam reads, and back. Runs inside Blender 4.2 and newer.

    blender --background scene.blend --python blender_script.py -- export cameras.json
    blender scene.blend --python blender_script.py -- import cameras.json

Or open it in Blender's text editor, run it, and call export_cameras or import_cameras from the Python console. It
needs nothing but Blender: copy it to where Blender is. Export takes every camera of the view layer at every frame from
the start to the end of the scene. Import adds a keyed camera per view, in a collection of its own.
"""

import json
import sys

import bpy  # pyright: ignore[reportMissingImports]
from mathutils import Matrix  # pyright: ignore[reportMissingImports]

SCHEMA = "syncam-blender"
VERSION = 1
LENS = ("sensor_fit", "lens", "sensor_width", "sensor_height", "shift_x", "shift_y")


def export_cameras(path):
    """Writes all perspective cameras of the scene; lengths become metres by the scene's unit scale."""
    scene = bpy.context.scene
    render = scene.render
    if render.pixel_aspect_x != render.pixel_aspect_y:
        raise ValueError("the pixels of this scene are not square; set the aspect of its output to 1:1")
    depsgraph = bpy.context.evaluated_depsgraph_get()  # also brings the list of objects up to date
    cameras = [item for item in bpy.context.view_layer.objects if item.type == "CAMERA"]
    if not cameras:
        raise ValueError("the view layer has no cameras")
    if other := [item.name for item in cameras if item.data.type != "PERSP"]:
        raise ValueError(f"cameras that are not perspective: {other}")
    if still := [item.name for item in cameras if not item.evaluated_get(depsgraph).is_evaluated]:
        raise ValueError(f"Blender does not move cameras that are disabled in viewports; enable or delete {still}")
    frames = {item.name: [] for item in cameras}
    kept = scene.frame_current
    for number in range(scene.frame_start, scene.frame_end + 1):
        scene.frame_set(number)
        for item in cameras:
            frames[item.name].append(_frame(item, number, scene.unit_settings.scale_length))
    scene.frame_set(kept)
    content = {
        "schema": SCHEMA,
        "version": VERSION,
        "width": render.resolution_x * render.resolution_percentage // 100,
        "height": render.resolution_y * render.resolution_percentage // 100,
        "fps": render.fps / render.fps_base,
        "cameras": [{"name": name, "frames": rows} for name, rows in frames.items()],
    }
    with open(path, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=2)


def _frame(item, number, metres):
    x, y, z = (axis.normalized() for axis in item.matrix_world.to_3x3().col)  # Blender's cameras ignore scale
    if x.cross(y).dot(z) < 1 - 1e-5:
        raise ValueError(f"{item.name} is mirrored or sheared by the scale of it or its parents (frame {number})")
    place, turn, _ = item.matrix_world.decompose()
    return {
        "frame": number,
        "matrix_world": [list(row) for row in Matrix.LocRotScale(place * metres, turn, None)],
        **{name: getattr(item.data, name) for name in LENS},
    }


def import_cameras(path):
    """Adds the cameras of a file to the scene, with a key at every frame, and sets the scene's size and frames."""
    with open(path, encoding="utf-8") as file:
        content = json.load(file)
    if content.get("schema") != SCHEMA or content.get("version") != VERSION:
        raise ValueError(f"{path} is not a camera file of version {VERSION}; write it with syncam, format blender")
    _refuse_what_blender_changes(content, path)
    scene = bpy.context.scene
    scene.render.resolution_x, scene.render.resolution_y = content["width"], content["height"]
    scene.render.resolution_percentage = 100
    scene.render.pixel_aspect_x = scene.render.pixel_aspect_y = 1.0
    if "fps" in content:
        scene.render.fps = max(1, round(content["fps"]))
        scene.render.fps_base = scene.render.fps / content["fps"]
    numbers = [frame["frame"] for camera in content["cameras"] for frame in camera["frames"]]
    scene.frame_start, scene.frame_end = min(numbers), max(numbers)
    collection = bpy.data.collections.new("syncam")
    scene.collection.children.link(collection)
    for camera in content["cameras"]:
        lens = bpy.data.cameras.new(camera["name"])
        item = bpy.data.objects.new(camera["name"], lens)
        if item.name != camera["name"]:
            print(f"{camera['name']} is called {item.name} here: names are unique and of up to 63 bytes")
        item.rotation_mode = "QUATERNION"
        collection.objects.link(item)
        for frame in camera["frames"]:
            _key(item, lens, frame, scene.unit_settings.scale_length)
        scene.camera = scene.camera or item
    scene.frame_set(scene.frame_start)


def _refuse_what_blender_changes(content, path):
    """Numbers beyond Blender's limits: it would take the limit instead without a word."""
    render = bpy.types.RenderSettings
    given = [(render, "resolution_x", content["width"]), (render, "resolution_y", content["height"])]
    for camera in content["cameras"]:
        for frame in camera["frames"]:
            given.append((bpy.types.Scene, "frame_end", frame["frame"]))
            given.extend((bpy.types.Camera, name, frame[name]) for name in LENS[1:])
    for kind, name, value in given:
        limits = kind.bl_rna.properties[name]
        if not limits.hard_min <= value <= limits.hard_max:
            raise ValueError(
                f"{path}: {name} is {value:g}, but Blender takes {limits.hard_min:g} to {limits.hard_max:g}"
            )


def _key(item, lens, frame, metres):
    place, turn, _ = Matrix(frame["matrix_world"]).decompose()
    if item.rotation_quaternion.dot(turn) < 0:  # the same rotation, without a turn the long way round between keys
        turn.negate()
    item.location, item.rotation_quaternion = place / metres, turn
    for name in ("location", "rotation_quaternion"):
        item.keyframe_insert(name, frame=frame["frame"])
    for name in LENS:
        setattr(lens, name, frame[name])
        lens.keyframe_insert(name, frame=frame["frame"])


if __name__ == "__main__" and "--" in sys.argv:
    verb, target = sys.argv[sys.argv.index("--") + 1 :]
    {"export": export_cameras, "import": import_cameras}[verb](target)
