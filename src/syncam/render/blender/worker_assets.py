"""Users' models inside Blender: imported, checked, put in their place, their clips repeated. Loaded by worker.py."""

import math
import os
import re

import bpy  # pyright: ignore[reportMissingImports]


def bring_in(told):
    """The meshes of a model, linked to the scene at hand and placed at every frame.

    told: file, clip (an animation's name, None: it stands still), scale, up, turn_deg, instance, max_triangles,
    usd_fps (of USD files) and places, [x, y, heading in radians] by frame. ValueError if the file lacks something.
    """
    name = os.path.basename(told["file"])
    before = {kind: set(getattr(bpy.data, kind)) for kind in ("objects", "actions", "images")}
    render = bpy.context.scene.render
    rate, base = render.fps, render.fps_base
    pace = (rate / base) / _import(told["file"], told["usd_fps"])
    render.fps, render.fps_base = rate, base  # FBX brings its own
    added = {kind: [one for one in getattr(bpy.data, kind) if one not in old] for kind, old in before.items()}
    objects = _without_helpers(added["objects"])
    meshes = [item for item in objects if item.type == "MESH"]
    triangles = sum(len(polygon.vertices) - 2 for item in meshes for polygon in item.data.polygons)
    if not meshes:
        raise ValueError(f"{name} has no mesh")
    if triangles > told["max_triangles"]:
        raise ValueError(f"{name} has {triangles} triangles; at most {told['max_triangles']} are taken")
    if missing := [image for image in added["images"] if _is_missing(image)]:
        raise ValueError(f"{name} lacks the texture {missing[0].filepath or missing[0].name}")
    _play(objects, added["actions"], told["clip"], pace, name)
    root = bpy.data.objects.new(name, None)
    bpy.context.scene.collection.objects.link(root)
    _place(root, [item for item in objects if item.parent is None], told)
    for item in meshes:
        item.pass_index = told["instance"]
    return meshes


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
        rate = here.scenes[0].render.fps / here.scenes[0].render.fps_base if here.scenes else 24.0
        for scene in here.scenes:
            bpy.data.scenes.remove(scene)
        for item in here.objects:
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


def _play(objects, actions, clip, pace, name):
    """Everything follows the animation of that name, again and again, from the first frame on.

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
        return
    if not actions:
        raise ValueError(f"{name} has no animation; a character needs one")
    # Blender numbers names that are taken already; FBX puts the owner's before the animation's
    named = {re.sub(r"\.\d{3}$", "", action.name).rpartition("|")[2]: action for action in actions}
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
    start = chosen.frame_range[0]
    for curve in chosen.fcurves:
        for key in curve.keyframe_points:
            for point in (key.co, key.handle_left, key.handle_right):
                point.x = 1 + (point.x - start) * pace
        curve.modifiers.new("CYCLES")


def _place(root, tops, told):
    """The root goes along the places; below it the model, turned and scaled."""
    turn = bpy.data.objects.new(root.name + " turned", None)
    bpy.context.scene.collection.objects.link(turn)
    turn.parent = root
    turn.rotation_euler = (math.pi / 2 if told["up"] == "y" else 0.0, 0.0, math.radians(told["turn_deg"]))
    turn.scale = (told["scale"],) * 3
    for item in tops:
        item.parent = turn
    for index, (x, y, heading) in enumerate(told["places"]):
        root.location, root.rotation_euler = (x, y, 0.0), (0.0, 0.0, heading)
        root.keyframe_insert("location", frame=index + 1)
        root.keyframe_insert("rotation_euler", frame=index + 1)
