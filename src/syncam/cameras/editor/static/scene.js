// The world that all cameras film: ground, grid and an animal of boxes, 1.6 m long, that stands at the origin.

import * as THREE from "three";

export const SKY = 0x2b3744;
const FUR = 0xd9904f;
const DARK_FUR = 0x9c5a2c;
const LIGHT_FUR = 0xf0c79a;
const GROUND_SIZE = 60;
const GRID = [0x66766e, 0x505f57];

/** [length x, width y, height z], [centre], colour; the head is on the +x side, the feet on z = 0. */
const BOXES = [
  [[0.98, 0.42, 0.44], [-0.06, 0, 0.84], FUR],
  [[0.3, 0.24, 0.42], [0.47, 0, 1.14], FUR],
  [[0.4, 0.28, 0.26], [0.6, 0, 1.38], FUR],
  [[0.16, 0.2, 0.16], [0.84, 0, 1.33], LIGHT_FUR],
  [[0.05, 0.08, 0.06], [0.93, 0, 1.37], 0x30211a],
  [[0.06, 0.05, 0.05], [0.74, 0.145, 1.44], 0x1a1412],
  [[0.06, 0.05, 0.05], [0.74, -0.145, 1.44], 0x1a1412],
  [[0.07, 0.08, 0.16], [0.47, 0.1, 1.57], DARK_FUR],
  [[0.07, 0.08, 0.16], [0.47, -0.1, 1.57], DARK_FUR],
  [[0.16, 0.14, 0.66], [0.32, 0.14, 0.33], FUR],
  [[0.16, 0.14, 0.66], [0.32, -0.14, 0.33], FUR],
  [[0.16, 0.14, 0.66], [-0.44, 0.14, 0.33], FUR],
  [[0.16, 0.14, 0.66], [-0.44, -0.14, 0.33], FUR],
  [[0.3, 0.1, 0.1], [-0.65, 0, 1.0], DARK_FUR],
];

/** A three.js scene with z up. */
export function createScene() {
  const scene = new THREE.Scene();
  scene.background = new THREE.Color(SKY);
  const sun = new THREE.DirectionalLight(0xffffff, 1.9);
  sun.position.set(3, -4, 6);
  scene.add(new THREE.HemisphereLight(0xdfeaf5, 0x40464d, 1.5), sun, ground(), grid(GRID), ...axes(), animal());
  return scene;
}

function animal() {
  const group = new THREE.Group();
  for (const [size, centre, color] of BOXES) {
    const box = new THREE.Mesh(new THREE.BoxGeometry(...size), new THREE.MeshLambertMaterial({ color }));
    box.position.set(...centre);
    group.add(box);
  }
  const shade = new THREE.MeshBasicMaterial({ color: 0x000000, transparent: true, opacity: 0.28, depthWrite: false });
  const shadow = new THREE.Mesh(new THREE.CircleGeometry(0.5, 40), shade);
  shadow.scale.set(1.75, 0.85, 1);
  shadow.position.z = 0.004;
  group.add(shadow);
  return group;
}

function ground() {
  const material = new THREE.MeshBasicMaterial({ color: 0x39463f, polygonOffset: true, polygonOffsetFactor: 2 });
  const plane = new THREE.Mesh(new THREE.CircleGeometry(GROUND_SIZE, 64), material);
  plane.position.z = -0.002;
  return plane;
}

/** Lines one metre apart, as far as 10 m from the origin, in a colour for the two in the middle and one for the others. */
export function grid(colors) {
  const lines = new THREE.GridHelper(20, 20, ...colors);
  lines.rotation.x = Math.PI / 2;
  return lines;
}

/** The first two metres of the x axis (red) and the y axis (green). */
export function axes() {
  return [[[2, 0, 0], 0xe05656], [[0, 2, 0], 0x6cc04a]].map(([end, color]) => {
    const points = [new THREE.Vector3(0, 0, 0.003), new THREE.Vector3(...end).setZ(0.003)];
    return new THREE.Line(new THREE.BufferGeometry().setFromPoints(points), new THREE.LineBasicMaterial({ color }));
  });
}
