// The smooth curve through the positions of keys: the same maths as syncam.cameras.curve, on one segment at a time.

import { add, scale, subtract } from "editor/rotation.js";

/** How the position goes from a key to the next one. */
export const PATHS = ["straight", "curve"];

/**
 * The position on the curve at `way` (0 to 1) from the key at `index` to the next one. The speed at a key is that of the
 * parabola through it and its two neighbours; at the ends of a curve the last parabola goes on. A curve ends where
 * the camera stands still, jumps (hold) or goes straight.
 */
export function onCurve(keys, index, way) {
  const [start, goal] = [keys[index].position, keys[index + 1].position];
  const step = keys[index + 1].frame - keys[index].frame;
  const speed = speedOf(keys, index);
  const inner = (at) => (isCurved(keys, at - 1) && isCurved(keys, at) ? parabolaSpeed(keys, at) : undefined);
  const [before, after] = [inner(index), inner(index + 1)];
  const onwards = (other) => (other === undefined ? speed : subtract(scale(speed, 2), other));
  const begin = scale(before ?? onwards(after), step);
  const end = scale(after ?? onwards(before), step);
  return start.map((number, axis) => {
    const whole = goal[axis] - number;
    const [a, b] = [begin[axis], end[axis]];
    return number + way * (a + way * (3 * whole - 2 * a - b + way * (a + b - 2 * whole)));
  });
}

/** Whether the camera goes along a curve from the key at `index` to the next one. */
export function isCurved(keys, index) {
  const [key, next] = [keys[index], keys[index + 1]];
  if (!key || !next || key.path !== "curve" || key.easing === "hold") return false;
  return key.position.some((number, axis) => number !== next.position[axis]);
}

/** Metres per frame between two keys. */
function speedOf(keys, index) {
  const step = keys[index + 1].frame - keys[index].frame;
  return scale(subtract(keys[index + 1].position, keys[index].position), 1 / step);
}

function parabolaSpeed(keys, at) {
  const [before, after] = [keys[at].frame - keys[at - 1].frame, keys[at + 1].frame - keys[at].frame];
  const sum = add(scale(speedOf(keys, at - 1), after), scale(speedOf(keys, at), before));
  return scale(sum, 1 / (before + after));
}
