// What the free view shows of the cameras: a coloured pyramid and a path for each, and the line to what one looks at.

import * as THREE from "three";
import { pictureCorners } from "editor/cameras.js";
import { targetOf } from "editor/keys.js";
import { posesOf, viewPose } from "editor/rig.js";

export const COLORS = ["#5aa9ff", "#ff9f45", "#5fd38d", "#ff6f91", "#b79cff", "#f2d544", "#4fd6d6", "#ff8ad8", "#c0d860"];
const FACES = [0, 1, 2, 0, 2, 3, 0, 3, 4, 0, 4, 1];
const EDGES = [0, 1, 0, 2, 0, 3, 0, 4, 1, 2, 2, 3, 3, 4, 4, 1, 5, 6, 6, 7, 7, 5];
const DOT = new THREE.SphereGeometry(1, 12, 8);

export const colorOf = (view) => COLORS[(view.id - 1) % COLORS.length];

/** {group, show(rig, ui), pick(raycaster) -> id of a view or undefined}. */
export function createFrusta() {
  const group = new THREE.Group();
  let drawn = [];

  const show = (rig, ui) => {
    group.traverse((object) => object.geometry !== DOT && object.geometry?.dispose());
    group.clear();
    const size = sizeOf(rig, ui.frame);
    drawn = rig.views.map((view) => {
      const selected = view.id === ui.selected;
      const [pose, color] = [viewPose(view, ui.frame), colorOf(view)];
      const look = { color, line: selected ? "#ffffff" : color, opacity: selected ? 0.3 : 0.1 };
      const pyramid = drawPyramid(pose, rig, size, look);
      group.add(pyramid.faces, pyramid.edges);
      if (view.keys.length > 1) {
        group.add(drawPath(rig, view, color, selected ? 1 : 0.6));
        group.add(...view.keys.map((key) => dot(key.position, 0.06 * size, color)));
      }
      if (selected) group.add(...drawAim(pose, size));
      return { id: view.id, faces: pyramid.faces };
    });
  };

  const pick = (raycaster) => {
    const [hit] = raycaster.intersectObjects(drawn.map(({ faces }) => faces));
    return drawn.find(({ faces }) => faces === hit?.object)?.id;
  };

  return { group, show, pick };
}

/** The depth of the pyramids, metres: a tenth of how far cameras are from what they look at. */
function sizeOf(rig, frame) {
  const aims = rig.views.map((view) => viewPose(view, frame).aim).sort((a, b) => a - b);
  return Math.min(100, Math.max(0.1, 0.11 * aims[aims.length >> 1]));
}

/** {faces, edges}: the pyramid of a pose with a picture of that depth, filled with one colour and lined with another. */
export function drawPyramid(pose, hw, depth, { color, line, opacity }) {
  const corners = pictureCorners(pose, hw, depth);
  const [left, right, , low] = corners;
  const up = left.map((number, axis) => number - low[axis]);
  const along = (t, height) => left.map((number, axis) => number + (right[axis] - number) * t + up[axis] * height);
  const points = [pose.position, ...corners, along(0.35, 0.06), along(0.65, 0.06), along(0.5, 0.3)];
  const geometry = new THREE.BufferGeometry().setFromPoints(points.map((point) => new THREE.Vector3(...point)));
  const faces = geometry.clone().setIndex(FACES);
  const edges = geometry.setIndex(EDGES);
  const fill = { color, transparent: true, opacity, side: THREE.DoubleSide, depthWrite: false };
  return {
    faces: new THREE.Mesh(faces, new THREE.MeshBasicMaterial(fill)),
    edges: new THREE.LineSegments(edges, new THREE.LineBasicMaterial({ color: line })),
  };
}

/** The line along which a view moves. */
export function drawPath(rig, view, color, opacity) {
  const points = posesOf(rig, view).map((pose) => new THREE.Vector3(...pose.position));
  const line = new THREE.LineBasicMaterial({ color, transparent: true, opacity });
  return new THREE.Line(new THREE.BufferGeometry().setFromPoints(points), line);
}

function drawAim(pose, size) {
  const target = targetOf(pose);
  const points = [pose.position, target].map((point) => new THREE.Vector3(...point));
  const dashes = { color: 0xffffff, dashSize: 0.2 * size, gapSize: 0.2 * size, transparent: true, opacity: 0.7 };
  const line = new THREE.Line(new THREE.BufferGeometry().setFromPoints(points), new THREE.LineDashedMaterial(dashes));
  line.computeLineDistances();
  return [line, dot(target, 0.09 * size, "#ffffff")];
}

function dot(position, radius, color) {
  const mesh = new THREE.Mesh(DOT, new THREE.MeshBasicMaterial({ color }));
  mesh.position.set(...position);
  mesh.scale.setScalar(radius);
  return mesh;
}
