"""What the tests of blender_script.py do inside Blender: python inside_blender.py SCRIPT VERB JOB.json RESULT.json.

VERB `rig` runs the script's command line: imports the job's file, projects its points and exports again; `scene`
builds cameras by hand and exports them; `refused` collects what the script says of scenes and files that it refuses.
"""

import json
import math
import runpy
import sys

import bpy  # pyright: ignore[reportMissingImports]
from bpy_extras.object_utils import world_to_camera_view  # pyright: ignore[reportMissingImports]
from mathutils import Vector  # pyright: ignore[reportMissingImports]

SCRIPT, VERB, JOB, RESULT = sys.argv[1:]


def run(verb, path):
    """The script as `blender --python blender_script.py -- VERB PATH` runs it."""
    sys.argv = ["blender", "--python", SCRIPT, "--", verb, path]
    runpy.run_path(SCRIPT, run_name="__main__")


def empty_scene():
    bpy.ops.wm.read_homefile(use_factory_startup=True)
    for item in list(bpy.data.objects):
        bpy.data.objects.remove(item)
    return bpy.context.scene


def camera(name, **numbers):
    item = bpy.data.objects.new(name, bpy.data.cameras.new(name))
    bpy.context.scene.collection.objects.link(item)
    for key, value in numbers.items():
        setattr(item.data, key, value)
    return item


def pixels(points):
    """Per camera and frame, where Blender draws points of the world (in its own units), from the top left; twice.

    Once by what add-ons use, and once by the matrix that it renders with.
    """
    scene = bpy.context.scene
    width, height = (
        side * scene.render.resolution_percentage // 100
        for side in (scene.render.resolution_x, scene.render.resolution_y)
    )
    depsgraph = bpy.context.evaluated_depsgraph_get()
    found = {item.name: ([], []) for item in scene.objects if item.type == "CAMERA"}
    for number in range(scene.frame_start, scene.frame_end + 1):
        scene.frame_set(number)
        for name, (seen, drawn) in found.items():
            item = scene.objects[name]
            ndc = [world_to_camera_view(scene, item, Vector(point)) for point in points]
            seen.append([[x * width, (1 - y) * height, depth] for x, y, depth in ndc])
            onto = item.calc_matrix_camera(depsgraph, x=width, y=height) @ item.matrix_world.normalized().inverted()
            clip = [onto @ Vector((*point, 1)) for point in points]
            drawn.append([[(1 + x / w) / 2 * width, (1 - y / w) / 2 * height] for x, y, _, w in clip])
    return found


def rig(job):
    scene = empty_scene()
    run("import", job["in"])
    bpy.ops.wm.save_as_mainfile(filepath=job["blend"])
    bpy.ops.wm.open_mainfile(filepath=job["blend"])
    scene = bpy.context.scene
    found = pixels(job["points"])
    run("export", job["out"])
    return {"pixels": found, "frames": [scene.frame_start, scene.frame_end], "version": bpy.app.version_string}


def scene(job):
    """Units of a centimetre; a camera on a scaled, turning parent that tracks a target; all sensor fits and shifts."""
    scene = empty_scene()
    scene.unit_settings.scale_length = 0.01
    scene.render.resolution_x, scene.render.resolution_y, scene.render.resolution_percentage = job["size"]
    scene.frame_start, scene.frame_end = 3, 6
    target = bpy.data.objects.new("target", None)
    arm = bpy.data.objects.new("arm", None)
    for item in (target, arm):
        scene.collection.objects.link(item)
    target.location = (10, 5, 80)
    arm.scale = (2, 2, 2)
    for number in (1, 7):
        arm.rotation_euler = (0.1, 0.2, 0.3 * number)
        arm.keyframe_insert("rotation_euler", frame=number)
    hung = camera("hung", lens=35, shift_x=0.1)
    hung.parent, hung.location = arm, (200, 0, 60)
    tracks = hung.constraints.new("TRACK_TO")
    tracks.target, tracks.track_axis, tracks.up_axis = target, "TRACK_NEGATIVE_Z", "UP_Y"
    for name, fit in (("wide", "HORIZONTAL"), ("high", "VERTICAL"), ("auto", "AUTO")):
        item = camera(name, sensor_fit=fit, sensor_width=30, sensor_height=22, shift_x=-0.07, shift_y=0.2)
        item.location, item.rotation_euler = (0, -500, 100), (math.radians(85), 0, 0.05)
        for number, lens in ((1, 30), (7, 45)):
            item.data.lens = lens
            item.data.keyframe_insert("lens", frame=number)
    run("export", job["out"])
    return {"pixels": pixels(job["points"])}


def refused(job):
    """What the script says, by the name of what is wrong."""

    def complaint(verb, path):
        try:
            run(verb, path)
        except ValueError as err:
            return str(err)

    def mirrored():
        item = camera("mirrored")
        item.scale = (-1, 1, 1)

    def sheared():
        arm = bpy.data.objects.new("arm", None)
        bpy.context.scene.collection.objects.link(arm)
        arm.scale = (3, 1, 1)
        item = camera("sheared")
        item.parent, item.rotation_euler = arm, (0.5, 0.5, 0.5)

    def disabled():
        camera("disabled").hide_viewport = True

    def parallel():
        camera("parallel", type="ORTHO")

    said = {}
    for build in (mirrored, sheared, disabled, parallel, lambda: None):
        empty_scene()
        build()
        said[build.__name__] = complaint("export", job["out"])
    empty_scene()
    said["short"] = complaint("import", job["short"])
    said["short leaves"] = len(bpy.data.objects)
    return said


with open(JOB, encoding="utf-8") as file:
    asked = json.load(file)
answer = {"rig": rig, "scene": scene, "refused": refused}[VERB](asked)
with open(RESULT, "w", encoding="utf-8") as file:
    json.dump(answer, file)
