// Vectors, rotation matrices (three rows) and unit quaternions [x, y, z, w], all in double precision.
// A rotation turns OpenCV camera axes (x right, y down, z forward) into the world's (z up).

export const add = (a, b) => [a[0] + b[0], a[1] + b[1], a[2] + b[2]];
export const subtract = (a, b) => [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
export const scale = (a, factor) => [a[0] * factor, a[1] * factor, a[2] * factor];
export const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
export const cross = (a, b) => [
  a[1] * b[2] - a[2] * b[1],
  a[2] * b[0] - a[0] * b[2],
  a[0] * b[1] - a[1] * b[0],
];
export const length = (a) => Math.hypot(...a);
export const mix = (a, b, t) => a + (b - a) * t;

/** The rotation matrix of a quaternion, as three rows. */
export function matrixOf([x, y, z, w]) {
  return [
    [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
    [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
    [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
  ];
}

/** The quaternion of a rotation matrix: the largest of its four numbers is found first, so that none loses digits. */
export function quaternionOf(R) {
  const [[a, b, c], [d, e, f], [g, h, i]] = R;
  const sizes = [1 + a - e - i, 1 - a + e - i, 1 - a - e + i, 1 + a + e + i];
  const rows = [
    [sizes[0], b + d, c + g, h - f],
    [b + d, sizes[1], f + h, c - g],
    [c + g, f + h, sizes[2], d - b],
    [h - f, c - g, d - b, sizes[3]],
  ];
  return unit(rows[sizes.indexOf(Math.max(...sizes))]);
}

function unit(q) {
  const size = Math.hypot(...q);
  return q.map((number) => number / size);
}

/** The shortest turn from one quaternion to another, at constant speed: t = 0 is the first, t = 1 the second. */
export function slerp(a, b, t) {
  const cosine = a[0] * b[0] + a[1] * b[1] + a[2] * b[2] + a[3] * b[3];
  const near = cosine < 0 ? b.map((number) => -number) : b; // q and -q are the same rotation
  const angle = 2 * Math.asin(Math.min(1, distance(a, near) / 2));
  if (angle < 1e-9) return t < 0.5 ? a : near;
  const [from, to] = [Math.sin((1 - t) * angle) / Math.sin(angle), Math.sin(t * angle) / Math.sin(angle)];
  return unit(a.map((number, index) => from * number + to * near[index]));
}

/** The angle between two rotations, exact also where it is tiny. */
export function angleBetween(a, b) {
  const opposite = b.map((number) => -number);
  return 4 * Math.asin(Math.min(1, Math.min(distance(a, b), distance(a, opposite)) / 2));
}

const distance = (a, b) => Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2], a[3] - b[3]);

/** The direction that a rotation's camera looks into. */
export const forwardOf = (q) => matrixOf(q).map((row) => row[2]);

/** The upright axes (right, down, forward) of a camera that looks into `forward`; straight up or down, +x is right. */
function upright(forward) {
  const ahead = scale(forward, 1 / length(forward));
  const sideways = cross(ahead, [0, 0, 1]);
  const right = length(sideways) < 1e-9 ? [1, 0, 0] : scale(sideways, 1 / length(sideways));
  return [right, cross(ahead, right), ahead];
}

/** The rotation of a camera that looks into `forward` and is turned clockwise by `roll` about that axis. */
export function aimed(forward, roll) {
  const [right, down, ahead] = upright(forward);
  const x = add(scale(right, Math.cos(roll)), scale(down, Math.sin(roll)));
  const y = add(scale(down, Math.cos(roll)), scale(right, -Math.sin(roll)));
  return quaternionOf([0, 1, 2].map((row) => [x[row], y[row], ahead[row]]));
}

/** How far a rotation is turned about its own forward axis: the `roll` of `aimed`. */
export function rollOf(q) {
  const [right, down] = upright(forwardOf(q));
  const x = matrixOf(q).map((row) => row[0]);
  return Math.atan2(dot(x, down), dot(x, right));
}
