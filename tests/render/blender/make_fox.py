"""Runs inside Blender: a fox of boxes that walks, runs and rests, looking along -y as glTF's characters do; a hut; a
hall; a .blend with a script, a driver that writes a file, and a pyramid that is shown three times.

The paws go back by 0.3 m while they are down, in half of a clip's time: 0.6 m/s at a walk of 1 s, 1.2 m/s at a run.
"""

import math
import os
import sys

import bpy  # pyright: ignore[reportMissingImports]

folder = sys.argv[-1]
RATE = 24


def start():
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.context.scene.render.fps = RATE


def box(name, low, high, colour=(0.8, 0.3, 0.1)):
    corners = [(x, y, z) for x in (low[0], high[0]) for y in (low[1], high[1]) for z in (low[2], high[2])]
    faces = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata(corners, [], faces)
    material = bpy.data.materials.new(name)
    material.use_nodes = True
    material.node_tree.nodes["Principled BSDF"].inputs["Base Color"].default_value = (*colour, 1.0)
    mesh.materials.append(material)
    item = bpy.data.objects.new(name, mesh)
    bpy.context.scene.collection.objects.link(item)
    return item


def save(name):
    bpy.ops.export_scene.gltf(filepath=os.path.join(folder, name), export_animation_mode="ACTIONS")


def fox():
    start()
    parts = {"body": box("body", (-0.12, -0.3, 0.3), (0.12, 0.3, 0.55))}
    parts["head"] = box("head", (-0.1, -0.52, 0.45), (0.1, -0.3, 0.66), (0.9, 0.5, 0.2))
    parts["nose"] = box("nose", (-0.04, -0.64, 0.48), (0.04, -0.52, 0.55), (0.05, 0.05, 0.05))
    parts["tail"] = box("tail", (-0.05, 0.3, 0.42), (0.05, 0.7, 0.52), (0.95, 0.9, 0.85))
    paws = {"fl": (0.09, -0.22), "fr": (-0.09, -0.22), "hl": (0.09, 0.22), "hr": (-0.09, 0.22)}
    for name, (x, y) in paws.items():
        parts[name] = box(name, (x - 0.04, y - 0.04, 0.0), (x + 0.04, y + 0.04, 0.36), (0.3, 0.12, 0.05))
    bones = bpy.data.armatures.new("bones")
    rig = bpy.data.objects.new("rig", bones)
    bpy.context.scene.collection.objects.link(rig)
    bpy.context.view_layer.objects.active = rig
    bpy.ops.object.mode_set(mode="EDIT")
    for name in ("root", *paws):
        bone = bones.edit_bones.new(name)
        x, y = paws.get(name, (0.0, 0.0))
        bone.head, bone.tail = (x, y, 0.0), (x, y, 0.3)
        if name != "root":
            bone.parent = bones.edit_bones["root"]
    bpy.ops.object.mode_set(mode="OBJECT")
    for name, item in parts.items():
        group = item.vertex_groups.new(name=name if name in paws else "root")
        group.add(range(len(item.data.vertices)), 1.0, "REPLACE")
        item.parent = rig
        item.modifiers.new("rig", "ARMATURE").object = rig
    for name, seconds in (("Fox_Walk", 1.0), ("Fox_Run", 0.5)):
        steps(rig, paws, name, seconds)
    rest(rig)
    save("fox.glb")
    rig.animation_data.action = bpy.data.actions["Fox_Walk"]
    root = rig.pose.bones["root"]
    for frame, metres in ((0, 0.0), (RATE, 0.6)):  # now it goes by itself
        root.location = (0.0, 0.0, metres)
        root.keyframe_insert("location", frame=frame)
    straight(bpy.data.actions["Fox_Walk"])
    save("goes.glb")


def straight(action):
    for curve in action.fcurves:
        for key in curve.keyframe_points:
            key.interpolation = "LINEAR"


def steps(rig, paws, name, seconds):
    """Bones stand upright: their own z is the world's -y, their own y its z."""
    action = bpy.data.actions.new(name)
    rig.animation_data_create().action = action
    frames = round(seconds * RATE)
    for index, paw in enumerate(paws):
        bone = rig.pose.bones[paw]
        for frame in range(frames + 1):
            share = (frame / frames + (0.5 if index in (1, 2) else 0.0)) % 1.0
            along = 0.15 - 0.6 * share if share < 0.5 else -0.15 + 0.6 * (share - 0.5)
            up = 0.0 if share < 0.5 else 0.1 * math.sin(2 * math.pi * (share - 0.5))
            bone.location = (0.0, up, along)
            bone.keyframe_insert("location", frame=frame)
    straight(action)
    action.use_fake_user = True


def rest(rig):
    action = bpy.data.actions.new("Fox_Idle")
    rig.animation_data.action = action
    for bone in rig.pose.bones:
        bone.location = (0.0, 0.0, 0.0)
    root = rig.pose.bones["root"]
    for frame, up in ((0, 0.0), (RATE, 0.02), (2 * RATE, 0.0)):
        root.location = (0.0, up, 0.0)
        root.keyframe_insert("location", frame=frame)
    action.use_fake_user = True


def hut():
    start()
    box("hut", (1.0, 0.0, -1.0), (3.0, 1.5, 1.0), (0.5, 0.4, 0.3))  # its origin is neither below nor in its middle
    save("hut.glb")
    start()
    box("floor", (-15, -15, -0.2), (15, 15, 0.0), (0.6, 0.6, 0.7))
    for x, y in ((-15, 0), (15, 0), (0, -15), (0, 15)):
        wide = (0.2, 15.0) if x else (15.0, 0.2)
        box("wall", (x - wide[0], y - wide[1], 0.0), (x + wide[0], y + wide[1], 12.0), (0.7, 0.65, 0.5))
    save("hall.glb")


def bare():
    start()
    item = box("bare", (-0.2, -0.2, 0.0), (0.2, 0.2, 0.4))
    image = bpy.data.images.new("fur", 4, 4)
    image.source, image.filepath = "FILE", "//fur.png"
    tree = item.data.materials[0].node_tree
    node = tree.nodes.new("ShaderNodeTexImage")
    node.image = image
    tree.links.new(node.outputs["Color"], tree.nodes["Principled BSDF"].inputs["Base Color"])
    bpy.ops.wm.save_as_mainfile(filepath=os.path.join(folder, "bare.blend"))


def blend():
    start()
    text = bpy.data.texts.new("boot.py")
    text.use_module = True
    text.write(f"open({os.path.join(folder, 'text-ran')!r}, 'w').close()\n")
    cube = box("cube", (-0.2, -0.2, 0.0), (0.2, 0.2, 0.4))
    driver = cube.driver_add("location", 2).driver
    driver.expression = f"(open({os.path.join(folder, 'driver-ran')!r}, 'w').close() or 0) + 0.0"
    shown = bpy.data.collections.new("shown")
    pyramid = box("pyramid", (-0.2, -0.2, 0.0), (0.2, 0.2, 0.4), (0.1, 0.2, 0.9))
    bpy.context.scene.collection.objects.unlink(pyramid)
    shown.objects.link(pyramid)
    for index in range(3):
        item = bpy.data.objects.new(f"shown {index}", None)
        item.instance_type, item.instance_collection = "COLLECTION", shown
        item.location = (0.0, 1.0 + index, 0.0)
        bpy.context.scene.collection.objects.link(item)
    bpy.ops.wm.save_as_mainfile(filepath=os.path.join(folder, "scripted.blend"))
    for name in ("text-ran", "driver-ran"):  # the driver runs here, where it is made
        if os.path.exists(os.path.join(folder, name)):
            os.remove(os.path.join(folder, name))


fox()
hut()
bare()
blend()
sys.stdout.flush()
os._exit(0)  # Blender does not come to an end after drivers were made
