// Our cameras as three.js cameras: the one place where OpenCV axes and pixels become OpenGL's.

import * as THREE from "three";
import { c2wOf } from "editor/rig.js";

const NEAR = 0.02;
const FAR = 2000;

/** A camera that draws exactly what a pose sees; `pointCamera` aims it. */
export function createCamera() {
  const camera = new THREE.Camera();
  camera.matrixAutoUpdate = false;
  return camera;
}

/** Gives a three.js camera the pose and the lens of one of ours, for pictures of height x width pixels. */
export function pointCamera(camera, pose, { height, width }) {
  camera.matrix.copy(openGLMatrix(c2wOf(pose)));
  camera.updateMatrixWorld(true);
  // NDC x = 2 u / width - 1 and y = 1 - 2 v / height, with u = (fx x + skew y) / z + cx and v = fy y / z + cy, for the
  // OpenCV point (x, y, z) = (X, -Y, -Z). Pixel centres lie at +0.5, so that u runs from 0 to width.
  camera.projectionMatrix.set(
    (2 * pose.fx) / width, (-2 * pose.skew) / width, 1 - (2 * pose.cx) / width, 0,
    0, (2 * pose.fy) / height, (2 * pose.cy) / height - 1, 0,
    0, 0, -(FAR + NEAR) / (FAR - NEAR), (-2 * FAR * NEAR) / (FAR - NEAR),
    0, 0, -1, 0,
  );
  camera.projectionMatrixInverse.copy(camera.projectionMatrix).invert();
}

/** The matrix of OpenCV's c2w with OpenGL's camera axes: y and z are turned round. */
export function openGLMatrix([a, b, c, d]) {
  const row = ([x, y, z, t]) => [x, -y, -z, t];
  return new THREE.Matrix4().set(...row(a), ...row(b), ...row(c), ...d);
}

/** Pixels (u, v) where a three.js camera draws a point of the world. */
export function projected(camera, point, { height, width }) {
  const ndc = new THREE.Vector3(...point).applyMatrix4(camera.matrixWorldInverse).applyMatrix4(camera.projectionMatrix);
  return [((ndc.x + 1) / 2) * width, ((1 - ndc.y) / 2) * height];
}

/** The four corners of the picture (clockwise from top left) at a depth, in the world. */
export function pictureCorners(pose, { height, width }, depth) {
  const c2w = c2wOf(pose);
  return [[0, 0], [width, 0], [width, height], [0, height]].map(([u, v]) => {
    const y = (v - pose.cy) / pose.fy;
    const local = [((u - pose.cx - pose.skew * y) / pose.fx) * depth, y * depth, depth, 1];
    return [0, 1, 2].map((axis) => c2w[axis].reduce((sum, number, index) => sum + number * local[index], 0));
  });
}
