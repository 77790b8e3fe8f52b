// A rig as it is edited, and the rig JSON that syncam reads and writes (docs/rig.md).
//
// A rig is {height, width, fps, numFrames, views: [{id, name, keys}]}; it is never changed in place. Files hold c2w and K
// of every frame, which is what counts, and under "editor" the keyframes, so that they can be edited again.

import { PATHS } from "editor/curve.js";
import { EASINGS, keysOf, poseAt } from "editor/keys.js";
import { cross, dot, length, matrixOf, quaternionOf, subtract } from "editor/rotation.js";

export const SCHEMA = "syncam-rig";
const VERSION = 1;
const CONVENTION = "c2w per frame; OpenCV camera axes; right-handed world, z up; metres; K in pixels";
const SUBJECT = [0, 0, 0.8];
const ROTATION_TOLERANCE = 1e-3;
const SAME = 1e-6;
const EDITOR_VERSION = 1;

let lastId = 0;
export const newId = () => (lastId += 1);

/** c2w (four rows) of a pose. */
export function c2wOf(pose) {
  return [...matrixOf(pose.rotation).map((row, axis) => [...row, pose.position[axis]]), [0, 0, 0, 1]];
}

/** K (three rows) of a pose. */
export const KOf = (pose) => [[pose.fx, pose.skew, pose.cx], [0, pose.fy, pose.cy], [0, 0, 1]];

/** The pose of a view at a frame. */
export const viewPose = (view, frame) => poseAt(view.keys, frame);

/** All poses of a view, one per frame. */
export const posesOf = (rig, view) => Array.from({ length: rig.numFrames }, (_, frame) => viewPose(view, frame));

/** The rig as the content of a file. */
export function contentOf(rig) {
  const views = rig.views.map((view) => {
    const poses = posesOf(rig, view);
    return { name: view.name, c2w: poses.map(c2wOf), K: poses.map(KOf) };
  });
  const { height, width, numFrames, fps } = rig;
  const header = { schema: SCHEMA, version: VERSION, convention: CONVENTION, height, width, num_frames: numFrames, fps };
  return { ...header, views, editor: { version: EDITOR_VERSION, views: rig.views.map(({ keys }) => ({ keys })) } };
}

/** {rig, lostKeys}: the rig of a file's content; its keyframes are used only if they say what its c2w and K say. */
export function rigOf(content) {
  check(content?.schema === SCHEMA, `it is not a rig file: expected a JSON object with "schema": "${SCHEMA}"`);
  check(content.version === VERSION, `it has rig version ${content.version}; this page reads version ${VERSION}`);
  const { height, width, num_frames: numFrames, fps = 8, views } = content;
  for (const [name, number] of Object.entries({ height, width, num_frames: numFrames })) {
    check(Number.isInteger(number) && number > 0, `${name} must be a whole number above 0, got ${number}`);
  }
  check(Number.isFinite(fps) && fps > 0, `fps must be a number above 0, got ${fps}`);
  check(Array.isArray(views) && views.length > 0, "it has no views");
  const poses = views.map((view, index) => readView(view, index, numFrames));
  const saved = content.editor?.version === EDITOR_VERSION ? content.editor.views : undefined;
  const kept = views.map((_, index) => keptKeys(saved?.[index]?.keys, poses[index]));
  const rig = {
    height,
    width,
    fps,
    numFrames,
    views: views.map(({ name }, index) => ({
      id: newId(),
      name: typeof name === "string" && name ? name : defaultName(index),
      keys: kept[index] ?? keysOf(poses[index]),
    })),
  };
  return { rig, lostKeys: content.editor !== undefined && kept.includes(undefined) };
}

export const defaultName = (index) => `cam${String(index + 1).padStart(2, "0")}`;

function check(holds, complaint) {
  if (!holds) throw new Error(complaint);
}

function readView(view, index, numFrames) {
  for (const name of ["c2w", "K"]) {
    const frames = view?.[name];
    check(Array.isArray(frames) && frames.length === numFrames, `view ${index} needs ${name} for ${numFrames} frames`);
  }
  return view.c2w.map((c2w, frame) => readPose(c2w, view.K[frame], `view ${index}, frame ${frame}`));
}

function readPose(c2w, K, place) {
  check(isMatrix(c2w, 4), `${place}: c2w must be 4 rows of 4 numbers`);
  check(isMatrix(K, 3), `${place}: K must be 3 rows of 3 numbers`);
  const rotation = c2w.slice(0, 3).map((row) => row.slice(0, 3));
  const [x, y, z] = [0, 1, 2].map((column) => rotation.map((row) => row[column]));
  const skewed = [dot(x, y), dot(y, z), dot(z, x), length(x) - 1, length(y) - 1, length(z) - 1];
  check(Math.max(...skewed.map(Math.abs)) < ROTATION_TOLERANCE, `${place}: the rotation of c2w is not orthonormal`);
  check(dot(cross(x, y), z) > 0, `${place}: c2w is left-handed (determinant -1); expected +1`);
  check(String(c2w[3]) === "0,0,0,1", `${place}: the last row of c2w is not 0 0 0 1`);
  check(K[0][0] > 0 && K[1][1] > 0, `${place}: K has a focal length that is not positive`);
  check(String([K[1][0], ...K[2]]) === "0,0,0,1", `${place}: K is not upper triangular with a last row of 0 0 1`);
  const position = c2w.slice(0, 3).map((row) => row[3]);
  return {
    position,
    rotation: quaternionOf(rotation),
    aim: aimOf(position, z),
    fx: K[0][0],
    fy: K[1][1],
    cx: K[0][2],
    cy: K[1][2],
    skew: K[0][1],
  };
}

/** Where along the optical axis the camera looks: beside the subject, or one metre ahead if that lies behind it. */
function aimOf(position, forward) {
  const along = dot(subtract(SUBJECT, position), forward);
  return along > 0.1 ? along : 1;
}

function isMatrix(rows, size) {
  const full = (row) => Array.isArray(row) && row.length === size && row.every(Number.isFinite);
  return Array.isArray(rows) && rows.length === size && rows.every(full);
}

/** The keys of a file if they are well formed and pass through the poses of the file, else undefined. */
function keptKeys(keys, poses) {
  if (!Array.isArray(keys) || keys.length === 0) return undefined;
  keys = keys.map((key) => ({ path: "straight", ...key })); // of older files
  if (!keys.every((key) => isKey(key, poses.length))) return undefined;
  if (keys.some((key, index) => index > 0 && key.frame <= keys[index - 1].frame)) return undefined;
  const same = poses.every((pose, frame) => {
    const meant = numbersOf(pose);
    return numbersOf(poseAt(keys, frame)).every((number, index) => close(number, meant[index]));
  });
  return same ? keys : undefined;
}

const numbersOf = (pose) => [...c2wOf(pose).flat(), ...KOf(pose).flat()];
const close = (a, b) => Math.abs(a - b) <= SAME * Math.max(1, Math.abs(b));

function isKey(key, numFrames) {
  const numbers = ["aim", "fx", "fy", "cx", "cy", "skew"].map((name) => key?.[name]);
  return (
    Number.isInteger(key?.frame) &&
    key.frame >= 0 &&
    key.frame < numFrames &&
    Object.hasOwn(EASINGS, key.easing) &&
    PATHS.includes(key.path) &&
    [key.position?.length, key.rotation?.length].join() === "3,4" &&
    [...numbers, ...key.position, ...key.rotation].every(Number.isFinite) &&
    Math.min(key.aim, key.fx, key.fy) > 0 &&
    Math.abs(Math.hypot(...key.rotation) - 1) < SAME
  );
}
