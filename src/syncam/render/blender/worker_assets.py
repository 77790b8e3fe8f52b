"""Users' models inside Blender: imported, checked, put in their place, their clips repeated. Loaded by worker.py."""

import math
import os
import re

import bpy  # pyright: ignore[reportMissingImports]


def bring_in(told):
    """The meshes of a model, linked to the scene at hand and placed at every frame.

    told: file, clip (an animation's name, None: it stands still), scale, up, turn_deg, z, instance, max_triangles,
    usd_fps (of USD files), rate and travel of the clip, and places, [x, y, heading in radians] by frame. ValueError if
    the file lacks something.
    """
    name = os.path.basename(told["file"])
    objects, actions, pace = load(told)
    turns = play(objects, actions, told["clip"], pace / told["rate"], name)
    root = put_under_a_root(objects, told, name)
    _place(root, told, turns)
    meshes = [item for item in objects if item.type == "MESH"]
    for item in meshes:
        item.pass_index = told["instance"]
    return meshes


def load(told):
    """The objects and the animations of a model, checked, and frames of the scene per frame of its animations."""
    name = os.path.basename(told["file"])
    before = {kind: set(getattr(bpy.data, kind)) for kind in ("objects", "actions", "images")}
    render = bpy.context.scene.render
    rate, base = render.fps, render.fps_base
    pace = (rate / base) / _import(told["file"], told["usd_fps"])
    render.fps, render.fps_base = rate, base  # FBX brings its own
    _make_instances_real([one for one in bpy.data.objects if one not in before["objects"]], told, name)
    added = {kind: [one for one in getattr(bpy.data, kind) if one not in old] for kind, old in before.items()}
    objects = _without_helpers([item for item in added["objects"] if item.name in bpy.context.scene.objects])
    if not any(item.type == "MESH" for item in objects):
        raise ValueError(f"{name} has no mesh")
    _check_triangles(sum(_triangles(item) for item in objects), told, name)
    if missing := [image for image in added["images"] if _is_missing(image)]:
        raise ValueError(f"{name} lacks the texture {missing[0].filepath or missing[0].name}")
    return objects, added["actions"], pace


def _check_triangles(triangles, told, name):
    if triangles > told["max_triangles"]:
        most = told["max_triangles"]
        raise ValueError(
            f"{name} has {triangles} triangles, more than {most}; make it simpler, or raise its max_triangles"
        )


def _triangles(item):
    """Of an object when it is rendered, as far as that is known without doing it."""
    if item.type != "MESH":
        return 0
    triangles = sum(len(polygon.vertices) - 2 for polygon in item.data.polygons)
    for modifier in item.modifiers:
        if modifier.type in ("SUBSURF", "MULTIRES"):
            triangles *= 4**modifier.render_levels
        elif modifier.type == "ARRAY" and modifier.fit_type == "FIXED_COUNT":
            triangles *= modifier.count
        elif modifier.type == "MIRROR":
            triangles *= 2 ** sum(modifier.use_axis)
    return triangles


def _make_instances_real(objects, told, name):
    """Objects in the place of what only shows a collection again, which is no object that labels know."""
    showing = [item for item in objects if item.instance_type == "COLLECTION" and item.instance_collection]
    if not showing:
        return
    counts = {}
    for item in showing:
        counts.setdefault(item.instance_collection, []).append(item)
    shown = sum(len(items) * _triangles_shown(collection) for collection, items in counts.items())
    _check_triangles(shown, told, name)
    for item in bpy.context.selected_objects:
        item.select_set(False)
    for item in showing:
        item.select_set(True)
    bpy.ops.object.duplicates_make_real(use_base_parent=True, use_hierarchy=True)


def _triangles_shown(collection):
    """Of a collection, with the collections that its objects show."""
    total = 0
    for item in collection.all_objects:
        total += _triangles(item)
        if item.instance_type == "COLLECTION" and item.instance_collection:
            total += _triangles_shown(item.instance_collection)
    return total


def _import(path, usd_fps):
    """Imports it and returns the frames per second that its animations are in now."""
    render = bpy.context.scene.render
    kind = os.path.splitext(path)[1].lower()
    if kind in (".glb", ".gltf"):
        bpy.ops.import_scene.gltf(filepath=path)
    elif kind == ".fbx":
        bpy.ops.import_scene.fbx(filepath=path)
    elif kind.startswith(".usd"):
        bpy.ops.wm.usd_import(filepath=path, set_frame_range=False)
        return usd_fps  # Blender does not say what the file says
    else:  # objects and animations only: no scripts come along, and none are run
        with bpy.data.libraries.load(path, link=False) as (there, here):
            here.objects, here.actions, here.scenes = there.objects, there.actions, there.scenes[:1]
        shown, rate = list(here.objects), 24.0
        for scene in here.scenes:
            shown, rate = list(scene.collection.all_objects), scene.render.fps / scene.render.fps_base
            bpy.data.scenes.remove(scene)
        for item in shown:  # what is in no scene is there only to be shown by others
            bpy.context.scene.collection.objects.link(item)
        return rate
    return render.fps / render.fps_base


def _without_helpers(objects):
    """The objects without lights, cameras and the shapes that importers draw bones with (an Icosphere for glTF)."""
    shapes = {bone.custom_shape for item in objects if item.type == "ARMATURE" for bone in item.pose.bones}
    unwanted = [item for item in objects if item in shapes or item.type in ("LIGHT", "CAMERA")]
    kept = [item for item in objects if item not in unwanted]
    for item in unwanted:
        bpy.data.objects.remove(item)
    return kept


def _is_missing(image):
    """True for a picture whose file is not there and that is not inside the model either."""
    if image.source != "FILE" or image.packed_file is not None:
        return False
    return not os.path.isfile(bpy.path.abspath(image.filepath, library=image.library))


def named_clips(actions):
    """Name of an animation -> the animation. Blender numbers names that are taken already; FBX puts the owner's before
    the animation's."""
    return {re.sub(r"\.\d{3}$", "", action.name).rpartition("|")[2]: action for action in actions}


def play(objects, actions, clip, pace, name):
    """Everything follows the animation of that name, again and again, from the first frame on; returns how many frames
    of the scene one time takes, None without a clip.

    pace: frames of the scene per frame of the animation.
    """
    owners = [item for item in objects if item.animation_data]
    owners += [keys for item in objects if (keys := getattr(item.data, "shape_keys", None)) and keys.animation_data]
    for owner in owners:
        for track in list(owner.animation_data.nla_tracks):
            owner.animation_data.nla_tracks.remove(track)
    if clip is None:
        for owner in owners:
            owner.animation_data_clear()
        return None
    if not actions:
        raise ValueError(f"{name} has no animation; a character needs one")
    named = named_clips(actions)
    if clip not in named:
        raise ValueError(f"{name} has no animation {clip!r}; it has {', '.join(named)}")
    chosen = named[clip]
    for owner in owners:
        slot = owner.animation_data.action_slot
        owner.animation_data.action = chosen
        if owner.animation_data.action_slot is None:
            fitting = owner.animation_data.action_suitable_slots
            same = [one for one in fitting if slot is not None and one.identifier == slot.identifier]
            if same or len(fitting):
                owner.animation_data.action_slot = (same or fitting)[0]
    start, end = chosen.frame_range
    for curve in chosen.fcurves:
        keys = curve.keyframe_points
        for frame in (start, end):  # all curves repeat together
            if not any(abs(key.co.x - frame) < 1e-3 for key in keys):
                keys.insert(frame, curve.evaluate(frame))
        for key in keys:
            for point in (key.co, key.handle_left, key.handle_right):
                point.x = 1 + (point.x - start) * pace
        curve.modifiers.new("CYCLES")
    return (end - start) * pace


def put_under_a_root(objects, told, name):
    """An object that the whole model follows: turned and scaled below it."""
    root, turn = bpy.data.objects.new(name, None), bpy.data.objects.new(name + " turned", None)
    for item in (root, turn):
        bpy.context.scene.collection.objects.link(item)
    turn.parent = root
    turn.rotation_euler = (math.pi / 2 if told["up"] == "y" else 0.0, 0.0, math.radians(told["turn_deg"]))
    turn.scale = (told["scale"],) * 3
    for item in objects:
        if item.parent is None:
            item.parent = turn
    return root


def _place(root, told, turns):
    """The root goes along the places. What the clip itself goes is taken off, evenly in each of its turns."""
    (turned,) = root.children
    if turns and any(told["travel"]):
        for frame, share in ((1.0, 0.0), (1.0 + turns, -1.0)):
            turned.location = (share * told["travel"][0], share * told["travel"][1], 0.0)
            turned.keyframe_insert("location", frame=frame)
        for curve in turned.animation_data.action.fcurves:
            for key in curve.keyframe_points:
                key.interpolation = "LINEAR"
            curve.modifiers.new("CYCLES")  # jumps back when the clip does
    for index, (x, y, heading) in enumerate(told["places"]):
        root.location, root.rotation_euler = (x, y, told["z"]), (0.0, 0.0, heading)
        root.keyframe_insert("location", frame=index + 1)
        root.keyframe_insert("rotation_euler", frame=index + 1)
