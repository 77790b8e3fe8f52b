"""How large users' models are and how they move, measured inside Blender. Loaded by worker.py."""

import json
import math
import os

import bpy  # pyright: ignore[reportMissingImports]
import numpy as np

FRAMES_PER_S = 24.0
MOST_SAMPLES = 48
CONTACT = 0.04
"""What is nearer to the ground than this share of the height may be a foot on it."""
RAYS, ELEVATIONS_DEG = 36, (-4.0, 8.0, 20.0, 32.0, 44.0, 56.0, 68.0, 80.0)
EYE_METRES = 0.8


def measure_all(job, folder, assets, say):
    """Measures the models of a job, one after the other, and writes what is found of each to NUMBER.json."""
    say(done=0, total=len(job["measure"]))
    for index, told in enumerate(job["measure"]):
        bpy.ops.wm.read_factory_settings(use_empty=True)
        bpy.context.preferences.filepaths.use_scripts_auto_execute = False
        bpy.context.scene.render.fps = round(FRAMES_PER_S)
        found = measure(told, assets)
        path = os.path.join(folder, f"{index}.json")
        with open(path + ".part", "w", encoding="utf-8") as file:
            json.dump(found, file)
        os.replace(path + ".part", path)
        say(done=index + 1, total=len(job["measure"]))


def measure(told, assets):
    """low and high corner [3] of a model in metres, scaled and turned; of a character, by the name of each clip, the
    same of the whole clip, its seconds, and what `_motion` says; of a stage, how far one sees in it.

    told: as of worker_assets.bring_in, and moves (a character) and stage.
    """
    name = os.path.basename(told["file"])
    objects, actions, pace = assets.load(told)
    assets.put_under_a_root(objects, told, name)
    meshes = [item for item in objects if item.type == "MESH"]
    if not told["moves"]:
        low, high = _corners(_points(meshes, 1.0))
        return {"low": low, "high": high, "clips": {}, "sight": _sight() if told["stage"] else []}
    named = assets.named_clips(actions)
    wanted = [clip for clip in told["clips"] if clip] or list(named) or [""]
    found = {}
    for clip in wanted:
        turns = assets.play(objects, actions, clip, pace, name)
        count = min(max(round(turns), 4), MOST_SAMPLES)
        samples = [_points(meshes, 1.0 + turns * index / count) for index in range(count + 1)]
        if len({len(points) for points in samples}) > 1:
            raise ValueError(f"{name} has another number of points from time to time, which is not supported")
        seconds = turns / FRAMES_PER_S
        found[clip] = {"seconds": seconds, **_motion(samples, seconds)}
    low = [min(one["low"][axis] for one in found.values()) for axis in range(3)]
    high = [max(one["high"][axis] for one in found.values()) for axis in range(3)]
    return {"low": low, "high": high, "clips": found, "sight": []}


def _points(meshes, frame):
    """Where all corners of the meshes are, [N, 3] metres."""
    scene = bpy.context.scene
    scene.frame_set(math.floor(frame), subframe=frame - math.floor(frame))
    graph = bpy.context.evaluated_depsgraph_get()
    found = []
    for item in meshes:
        shown = item.evaluated_get(graph)
        mesh = shown.to_mesh()
        points = np.empty(3 * len(mesh.vertices), dtype=np.float32)
        mesh.vertices.foreach_get("co", points)
        matrix = np.array(shown.matrix_world)
        found.append(points.reshape(-1, 3) @ matrix[:3, :3].T + matrix[:3, 3])
        shown.to_mesh_clear()
    return np.concatenate(found)


def _corners(points):
    return points.min(axis=0).tolist(), points.max(axis=0).tolist()


def _motion(samples, seconds):
    """What a clip does, from the points at even times, the first and the last of one turn included.

    travel: metres along x and y that the clip itself goes; low, high: corners of all it covers without that; way:
    metres per second along x and y at which it should go so that its feet stand still on the ground.
    """
    travel = np.median(samples[-1] - samples[0], axis=0)[:2]
    height = float(np.ptp(samples[0][:, 2]))
    if np.linalg.norm(travel) < 0.05 * max(height, 1e-9):
        travel = np.zeros(2)
    share = np.linspace(0.0, 1.0, len(samples))
    kept = [points - np.append(part * travel, 0.0) for points, part in zip(samples, share, strict=True)]
    corners = [_corners(points) for points in kept]
    low = np.min([one for one, _ in corners], axis=0)
    high = np.max([one for _, one in corners], axis=0)
    if travel.any():
        way = travel / seconds
    else:
        steps = []
        for before, after in zip(kept[:-1], kept[1:], strict=True):
            down = np.maximum(before[:, 2], after[:, 2]) < low[2] + CONTACT * height
            if down.any():
                steps.append(np.median((after - before)[down, :2], axis=0))
        way = -np.median(steps, axis=0) * (len(samples) - 1) / seconds if steps else np.zeros(2)
    return {"travel": travel.tolist(), "low": low.tolist(), "high": high.tolist(), "way": way.tolist()}


def _sight():
    """Metres that one sees from where cameras look, by elevation and direction; 1000 where nothing is in the way."""
    scene, graph = bpy.context.scene, bpy.context.evaluated_depsgraph_get()
    rows = []
    for elevation in np.deg2rad(ELEVATIONS_DEG):
        row = []
        for azimuth in np.linspace(0.0, 2 * np.pi, RAYS, endpoint=False):
            across = math.cos(elevation)
            ray = (across * math.cos(azimuth), across * math.sin(azimuth), math.sin(elevation))
            hit, place, *_ = scene.ray_cast(graph, (0.0, 0.0, EYE_METRES), ray)
            row.append(math.dist(place, (0.0, 0.0, EYE_METRES)) if hit else 1000.0)
        rows.append(row)
    return {"elevations_deg": ELEVATIONS_DEG, "metres": rows}
