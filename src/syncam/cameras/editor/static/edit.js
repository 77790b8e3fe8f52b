// Changes to a rig: each function returns a new one.

import { curvedKeysOf, keyAt, keysOf, poseAt, targetOf, withKey } from "editor/keys.js";
import { add, aimed, forwardOf, length, rollOf, subtract } from "editor/rotation.js";
import { defaultName, newId, posesOf } from "editor/rig.js";

const CLOSEST = 1e-3;
/** How far the thinned path may lie from the old one. */
const THIN = { metres: 0.01, radians: 0.005, focal: 0.005, pixels: 0.5 };

const withView = (rig, id, change) => ({
  ...rig,
  views: rig.views.map((view) => (view.id === id ? { ...view, ...change(view) } : view)),
});

/** The rig with other keys for one view. */
export const withKeys = (rig, id, change) => withView(rig, id, (view) => ({ keys: change(view.keys) }));

/** The rig with one view renamed. */
export const renamed = (rig, id, name) => withView(rig, id, () => ({ name }));

/**
 * The rig with one view's pose changed at a frame. Of a view with one key, that key changes, and the camera stays still;
 * of others, the key at the frame, which is made if it is not there. With `whole`, all keys change.
 */
function withPose(rig, id, frame, whole, change) {
  return withKeys(rig, id, (keys) => {
    if (whole || keys.length === 1) return keys.map((key) => ({ ...key, ...change(key) }));
    const before = keys.findLast((key) => key.frame <= frame) ?? keys[0];
    const pose = poseAt(keys, frame);
    return withKey(keys, keyAt(frame, { ...pose, ...change(pose) }, before));
  });
}

const viewOf = (rig, id) => rig.views.find((view) => view.id === id);

/** A pose at another place: it goes on looking at its target (`keepAim`), or into the same direction. */
function placed(pose, position, keepAim) {
  if (!keepAim) return { position };
  return { position, ...lookingAt(position, targetOf(pose), pose.rotation) };
}

function lookingAt(position, target, rotation) {
  const forward = subtract(target, position);
  const aim = length(forward);
  return aim < CLOSEST ? {} : { aim, rotation: aimed(forward, rollOf(rotation)) };
}

/** The rig with a camera moved; with `whole`, its whole path is shifted. */
export function moved(rig, id, frame, position, { keepAim, whole }) {
  const shift = subtract(position, poseAt(viewOf(rig, id).keys, frame).position);
  return withPose(rig, id, frame, whole, (pose) =>
    placed(pose, whole ? add(pose.position, shift) : position, keepAim),
  );
}

/** The rig with a camera that looks at `target`; its roll stays. */
export function aimedAt(rig, id, frame, target, { whole }) {
  return withPose(rig, id, frame, whole, (pose) => lookingAt(pose.position, target, pose.rotation));
}

/** The rig with a camera turned to `roll` about its optical axis, radians clockwise. */
export function rolled(rig, id, frame, roll, { whole }) {
  return withPose(rig, id, frame, whole, (pose) => ({ rotation: aimed(forwardOf(pose.rotation), roll) }));
}

/** The rig with a lens that sees `fov` radians across the width of the picture; pixels keep their shape. */
export function zoomed(rig, id, frame, fov, { whole }) {
  const fx = rig.width / 2 / Math.tan(fov / 2);
  return withPose(rig, id, frame, whole, (pose) => ({ fx, fy: (pose.fy / pose.fx) * fx }));
}

/** The rig with another principal point, pixels. */
export function centred(rig, id, frame, { cx, cy }, { whole }) {
  return withPose(rig, id, frame, whole, () => ({ cx, cy }));
}

/** {azimuth, elevation, distance} of a pose as seen from its target. */
export function placeOf(pose) {
  const offset = subtract(pose.position, targetOf(pose));
  const distance = length(offset);
  return { azimuth: Math.atan2(offset[1], offset[0]), elevation: Math.asin(offset[2] / distance), distance };
}

/** The rig with a camera at another place about its target. */
export function orbited(rig, id, frame, { azimuth, elevation, distance }, options) {
  const level = distance * Math.cos(elevation);
  const offset = [level * Math.cos(azimuth), level * Math.sin(azimuth), distance * Math.sin(elevation)];
  const target = targetOf(poseAt(viewOf(rig, id).keys, frame));
  return moved(rig, id, frame, add(target, offset), { ...options, keepAim: true });
}

/** The rig with one more view; a name that is taken, or none, becomes cam01, cam02, ... */
export const withNewView = (rig, keys, name) => ({
  ...rig,
  views: [...rig.views, { id: newId(), name: freeName(rig.views, name), keys }],
});

function freeName(views, wanted) {
  const taken = new Set(views.map(({ name }) => name));
  if (wanted !== undefined && !taken.has(wanted)) return wanted;
  let index = views.length;
  while (taken.has(defaultName(index))) index += 1;
  return defaultName(index);
}

export const withoutView = (rig, id) => ({ ...rig, views: rig.views.filter((view) => view.id !== id) });

/** The rig with the views of another one behind its own; frames and picture size must be equal. */
export function joined(rig, other) {
  return other.views.reduce((sum, view) => withNewView(sum, view.keys, view.name), rig);
}

/** The rig for pictures of another size: K is scaled along each axis. */
export function resized(rig, height, width) {
  const [x, y] = [width / rig.width, height / rig.height];
  const scaled = (key) => ({
    ...key,
    fx: key.fx * x,
    fy: key.fy * y,
    cx: key.cx * x,
    cy: key.cy * y,
    skew: key.skew * x,
  });
  return { ...rig, height, width, views: rig.views.map((view) => ({ ...view, keys: view.keys.map(scaled) })) };
}

/** The rig with another number of frames: the first and the last stay so, and keys go to the nearest frame. */
export function stretched(rig, numFrames) {
  const factor = rig.numFrames > 1 ? (numFrames - 1) / (rig.numFrames - 1) : 0;
  const stretch = (keys) =>
    keys.reduce((sum, key) => withKey(sum, { ...key, frame: Math.round(key.frame * factor) }), []);
  return { ...rig, numFrames, views: rig.views.map((view) => ({ ...view, keys: stretch(view.keys) })) };
}

/**
 * The rig with fewer keys for one view, whose path stays within a centimetre, 0.3 degrees and half a per cent of zoom: on
 * a curve if that is how it begins, else with straight ways.
 */
export function thinned(rig, id) {
  const poses = posesOf(rig, viewOf(rig, id));
  return withKeys(rig, id, ([first]) => (first.path === "curve" ? curvedKeysOf : keysOf)(poses, THIN));
}

/** The rig with another easing or path ({easing} or {path}) from the key at a frame on; with `whole`, from all keys. */
export function goingOn(rig, id, frame, change, { whole }) {
  return withKeys(rig, id, (keys) => {
    const from = keys.findLast((key) => key.frame <= frame) ?? keys[0];
    return keys.map((key) => (whole || key === from ? { ...key, ...change } : key));
  });
}
