// Keyframes of one camera, and the one function that says where the camera is between them.
//
// A key is a pose with a frame and how it goes on from there: {frame, easing, path, position, rotation, aim, fx, fy, cx,
// cy, skew}. `aim` is the distance along the optical axis to the point that is looked at; it moves nothing and is there
// to be edited.

import { isCurved, onCurve } from "editor/curve.js";
import { add, angleBetween, forwardOf, length, mix, scale, slerp, subtract } from "editor/rotation.js";

/** What becomes of the way between a key (0) and the next one (1). */
export const EASINGS = {
  linear: (t) => t,
  ease: (t) => t * t * (3 - 2 * t),
  hold: () => 0,
};

const EXACT = { metres: 1e-9, radians: 1e-9, focal: 1e-9, pixels: 1e-9 };

/**
 * The pose at a frame: the rotation turns at constant speed (slerp), the position moves straight or on a smooth curve,
 * the focal lengths change by equal factors (their logarithm is linear), the principal point and the skew change
 * linearly; all of it along the easing and path of the key before. Before the first key and after the last one, the
 * camera stands still.
 */
export function poseAt(keys, frame) {
  const next = keys.findIndex((key) => key.frame > frame);
  if (next === 0) return keys[0];
  const before = keys.at(next < 0 ? -1 : next - 1);
  if (next < 0 || before.frame === frame) return before;
  const after = keys[next];
  const way = EASINGS[before.easing]((frame - before.frame) / (after.frame - before.frame));
  const pose = blend(before, after, way);
  return isCurved(keys, next - 1) ? { ...pose, position: onCurve(keys, next - 1, way) } : pose;
}

function blend(a, b, way) {
  return {
    position: a.position.map((number, axis) => mix(number, b.position[axis], way)),
    rotation: slerp(a.rotation, b.rotation, way),
    aim: mix(a.aim, b.aim, way),
    fx: a.fx * Math.pow(b.fx / a.fx, way),
    fy: a.fy * Math.pow(b.fy / a.fy, way),
    cx: mix(a.cx, b.cx, way),
    cy: mix(a.cy, b.cy, way),
    skew: mix(a.skew, b.skew, way),
  };
}

/** The point that a pose looks at. */
export const targetOf = (pose) => add(pose.position, scale(forwardOf(pose.rotation), pose.aim));

/** A pose as a key that goes on like another one. */
export function keyAt(frame, pose, { easing, path } = { easing: "linear", path: "straight" }) {
  const { position, rotation, aim, fx, fy, cx, cy, skew } = pose;
  return { frame, easing, path, position, rotation, aim, fx, fy, cx, cy, skew };
}

/** The keys with one more, or with one in place of that at the same frame; sorted by frame. */
export function withKey(keys, key) {
  return [...keys.filter(({ frame }) => frame !== key.frame), key].sort((a, b) => a.frame - b.frame);
}

/** The keys with one moved to another frame, where it takes the place of what was there. */
export function withMovedKey(keys, from, to) {
  const moved = keys.find(({ frame }) => frame === from);
  return from === to ? keys : withKey(withoutKey(keys, from), { ...moved, frame: to });
}

export const withoutKey = (keys, frame) => keys.filter((key) => key.frame !== frame);

/**
 * Few keys, with straight ways between them, that pass through all poses (one per frame) within `tolerance`, which by
 * default allows for rounding only. Every stretch between two keys is as long as it can be.
 */
export function keysOf(poses, tolerance = EXACT) {
  if (poses.every((pose) => !differs(pose, poses[0], tolerance))) return [keyAt(0, poses[0])];
  const keys = [keyAt(0, poses[0])];
  for (let start = 0; start < poses.length - 1; start = keys.at(-1).frame) {
    let end = start + 1;
    while (end + 1 < poses.length && passesThrough(poses, start, end + 1, tolerance)) end += 1;
    keys.push(keyAt(end, poses[end]));
  }
  return keys;
}

function passesThrough(poses, start, end, tolerance) {
  for (let frame = start + 1; frame < end; frame += 1) {
    const way = (frame - start) / (end - start);
    if (differs(blend(poses[start], poses[end], way), poses[frame], tolerance)) return false;
  }
  return true;
}

/** Few keys on one smooth curve through all poses within `tolerance`: more of them wherever it is too far off. */
export function curvedKeysOf(poses, tolerance) {
  const made = (frame) => keyAt(frame, poses[frame], { easing: "linear", path: "curve" });
  if (poses.every((pose) => !differs(pose, poses[0], tolerance))) return [made(0)];
  let keys = [made(0), made(poses.length - 1)];
  for (;;) {
    const off = poses.map((pose, frame) => difference(poseAt(keys, frame), pose, tolerance));
    const worst = keys.slice(1).map(({ frame }, index) => {
      const first = keys[index].frame;
      const between = off.slice(first, frame);
      return first + between.indexOf(Math.max(...between));
    });
    const missing = worst.filter((frame) => off[frame] > 1);
    if (missing.length === 0) return keys;
    keys = [...keys, ...missing.map(made)].sort((a, b) => a.frame - b.frame);
  }
}

/** Whether two poses are further apart than `tolerance` = {metres, radians, focal (relative), pixels}. */
export const differs = (a, b, tolerance = EXACT) => difference(a, b, tolerance) > 1;

/** How far two poses are apart, in tolerances. */
function difference(a, b, tolerance) {
  return Math.max(
    length(subtract(a.position, b.position)) / tolerance.metres,
    angleBetween(a.rotation, b.rotation) / tolerance.radians,
    Math.abs(Math.log(a.fx / b.fx)) / tolerance.focal,
    Math.abs(Math.log(a.fy / b.fy)) / tolerance.focal,
    Math.max(Math.abs(a.cx - b.cx), Math.abs(a.cy - b.cy), Math.abs(a.skew - b.skew)) / tolerance.pixels,
  );
}
