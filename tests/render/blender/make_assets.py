"""Runs inside Blender: a post that nods in every format, a stone without animation, a green panorama."""

import importlib
import os
import sys

import bpy  # pyright: ignore[reportMissingImports]

bmesh = importlib.import_module("bmesh")  # there only after bpy
folder = sys.argv[-1]
bpy.ops.wm.read_factory_settings(use_empty=True)
bpy.ops.mesh.primitive_ico_sphere_add(radius=0.4, location=(0, 0, 0.4))
bpy.ops.export_scene.gltf(filepath=os.path.join(folder, "stone.glb"))
bpy.ops.object.delete()
bpy.ops.mesh.primitive_cylinder_add(vertices=12, radius=0.2, depth=2, location=(0, 0, 1))
body = bpy.context.object
mesh = bmesh.new()
mesh.from_mesh(body.data)
bmesh.ops.subdivide_edges(mesh, edges=[e for e in mesh.edges if abs(e.verts[0].co.z - e.verts[1].co.z) > 1], cuts=6)
mesh.to_mesh(body.data)
mesh.free()
bones = bpy.data.armatures.new("bones")
rig = bpy.data.objects.new("rig", bones)
bpy.context.scene.collection.objects.link(rig)
bpy.context.view_layer.objects.active = rig
bpy.ops.object.mode_set(mode="EDIT")
low, high = bones.edit_bones.new("low"), bones.edit_bones.new("high")
low.head, low.tail, high.head, high.tail = (0, 0, 0), (0, 0, 1), (0, 0, 1), (0, 0, 2)
high.parent = low
bpy.ops.object.mode_set(mode="OBJECT")
body.select_set(True)
rig.select_set(True)
bpy.context.view_layer.objects.active = rig
bpy.ops.object.parent_set(type="ARMATURE_AUTO")
bone = rig.pose.bones["high"]
bone.rotation_mode = "XYZ"
scene = bpy.context.scene
for frame, angle in ((0, 0.0), (scene.render.fps // 2, 1.2), (scene.render.fps, 0.0)):
    bone.rotation_euler = (0, 0, 0) if not angle else (angle, 0, 0)
    bone.keyframe_insert("rotation_euler", frame=frame)
rig.animation_data.action.name = "nod"
scene.frame_start, scene.frame_end = 0, scene.render.fps
bpy.ops.export_scene.gltf(filepath=os.path.join(folder, "post.glb"))
bpy.ops.export_scene.fbx(filepath=os.path.join(folder, "post.fbx"))
bpy.ops.wm.usd_export(filepath=os.path.join(folder, "post.usdc"), export_animation=True, export_armatures=True)
bpy.ops.wm.save_as_mainfile(filepath=os.path.join(folder, "post.blend"))
with open(os.path.join(folder, "green.hdr"), "wb") as file:  # Radiance: 8 x 4 pixels of (0, 0.5, 0)
    file.write(b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 4 +X 8\n" + bytes([0, 128, 0, 128]) * 32)
