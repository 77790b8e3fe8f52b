// The rig in space: a pyramid and a path for each camera, with its picture in front of it, or what one camera sees.

import * as THREE from "three";
import { OrbitControls } from "three/OrbitControls";
import { createCamera, pictureCorners, pointCamera } from "editor/cameras.js";
import { byId, element } from "editor/element.js";
import { drawPath, drawPyramid } from "editor/frusta.js";
import { rigOf, viewPose } from "editor/rig.js";
import { axes, grid } from "editor/scene.js";
import { colorAt } from "viewer/views.js";

const CLICK = 4; // pixels: a longer way is a drag
const OVERVIEW = [0.75, -1, 0.62];
const ABOUT_TARGET = 0.2; // the depth of pyramids, of the distance to what they look at
const ABOUT_PATH = 0.12; // the same, of the reach of a path, where they look at nothing in common
const MARGIN = 0.8; // the share of the place that the rig fills
const NOWHERE = 1e-6; // a reach of one camera that stands still
const UP = new THREE.Vector3(0, 0, 1);

/** {open, redraw, fit, drawn}: draws the store's scene at its frame; `canvases()` are the pictures of the views. */
export function createSpace(store, canvases) {
  const { state } = store;
  const canvas = byId("space");
  const renderer = new THREE.WebGLRenderer({ canvas, antialias: true });
  const [still, moving, floor] = [new THREE.Group(), new THREE.Group(), new THREE.Group()];
  const world = new THREE.Group().add(still, moving);
  const scene = new THREE.Scene().add(world, floor);
  const free = new THREE.PerspectiveCamera(45);
  free.up.copy(UP);
  const orbit = new OrbitControls(free, canvas);
  const shot = createCamera();
  const upright = new THREE.Quaternion(); // turns the world so that its up is the page's
  let rig = null;
  let around = null; // where the rig is: see extent
  let textures = [];
  let badges = [];
  let drawn = [];
  let asked = false;
  let stale = false; // whether the pictures have changed

  const redraw = () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(draw);
  };

  /** Another scene: what stays as it is over its frames is made here. */
  const open = (opened) => {
    textures.forEach((texture) => texture.dispose());
    [still, moving, floor].forEach(empty);
    rig = opened.rig ? rigOf(opened.rig.content).rig : null;
    textures = rig ? canvases().map(pictureTexture) : [];
    badges = rig ? rig.views.map((_, view) => badge(view)) : [];
    byId("badges").replaceChildren(...badges);
    if (rig) {
      upright.setFromUnitVectors(new THREE.Vector3(...opened.rig.up), UP);
      around = extent(opened.rig);
      floor.add(...drawFloor());
      for (const [index, view] of rig.views.entries()) {
        if (view.keys.length > 1) still.add(drawPath(rig, view, colorAt(index), 0.8));
      }
      fit();
    }
    redraw();
  };

  /** All places, their middle, how far the rig reaches, its lowest height, the depth of pyramids, and whether on a ground. */
  const extent = ({ target, metric }) => {
    const turned = (point) => new THREE.Vector3(...point).applyQuaternion(upright);
    const places = rig.views.flatMap(({ keys }) => keys.map(({ position }) => turned(position)));
    const all = target ? [...places, turned(target)] : places;
    const centre = new THREE.Box3().setFromPoints(all).getCenter(new THREE.Vector3());
    const distances = places.map((place) => place.distanceTo(target ? all.at(-1) : centre)).sort((a, b) => a - b);
    const reach = distances.at(-1) > NOWHERE ? distances.at(-1) : 1;
    const lowest = Math.min(...places.map(({ z }) => z));
    const size = target ? ABOUT_TARGET * distances[distances.length >> 1] : ABOUT_PATH * reach;
    return { all, centre, reach, lowest, size, onGround: metric && lowest > 0 && lowest < 4 * reach };
  };

  /** The ground in metres, with its axes, where the world has one near the cameras; else a plane below them. */
  const drawFloor = () => {
    const { centre, reach, lowest, onGround } = around;
    const step = onGround ? 1 : 10 ** Math.floor(Math.log10(reach));
    const lines = grid([color("--grid-axis"), color("--grid")]);
    const [x, y] = [centre.x, centre.y].map((number) => step * Math.round(number / step));
    lines.scale.setScalar(step);
    lines.position.set(x, y, onGround ? 0 : lowest - 0.3 * reach);
    return onGround ? [lines, ...axes()] : [lines];
  };

  const fit = () => {
    if (!rig) return;
    const { all, centre, reach, size } = around;
    const back = new THREE.Vector3(...OVERVIEW).normalize();
    const across = new THREE.Vector3().crossVectors(UP, back).normalize();
    const high = new THREE.Vector3().crossVectors(back, across);
    const slope = MARGIN * Math.tan(THREE.MathUtils.degToRad(free.fov / 2));
    const wide = slope * (canvas.clientWidth / canvas.clientHeight || 1);
    const seen = all.map((place) => [across, high, back].map((axis) => place.clone().sub(centre).dot(axis)));
    const [x, y] = [0, 1].map((axis) => middle(seen.map((place) => place[axis])));
    const distances = seen.map(([right, up, near]) => near + Math.max(Math.abs(right - x) / wide, Math.abs(up - y) / slope));
    const target = centre.clone().addScaledVector(across, x).addScaledVector(high, y);
    orbit.target.copy(target);
    [free.near, free.far] = [reach / 500, reach * 500];
    free.position.copy(target).addScaledVector(back, Math.max(6 * size, ...distances) + size / 2);
    orbit.update();
    redraw();
  };

  function draw() {
    asked = false;
    const { clientWidth: width, clientHeight: height } = canvas;
    if (width === 0 || height === 0) return;
    const old = renderer.getSize(new THREE.Vector2());
    renderer.setPixelRatio(Math.min(2, devicePixelRatio));
    if (old.x !== width || old.y !== height) renderer.setSize(width, height, false);
    renderer.setClearColor(color("--space"));
    drawn = [];
    if (!rig) return renderer.clear();
    if (stale) textures.forEach((texture) => (texture.needsUpdate = true));
    stale = false;
    placeCameras();
    if (state.through === null) drawFree(width, height);
    else drawShot(width, height);
  }

  const poseOf = (view) => viewPose(rig.views[view], Math.max(0, state.frame));

  /** Pyramids, and pictures in front of them, where the cameras are at the frame. */
  const placeCameras = () => {
    empty(moving);
    for (const view of rig.views.keys()) {
      if (view === state.through) continue;
      const [pose, chosen, tone] = [poseOf(view), view === state.chosen, colorAt(view)];
      const look = { color: tone, line: chosen ? color("--text") : tone, opacity: chosen ? 0.3 : 0.12 };
      const { faces, edges } = drawPyramid(pose, rig, around.size, look);
      const shown = state.onCameras && state.through === null ? [drawPicture(pose, view)] : [];
      for (const part of [faces, ...shown]) part.userData.view = view;
      moving.add(faces, edges, ...shown);
    }
  };

  const drawPicture = (pose, view) => {
    const corners = pictureCorners(pose, rig, around.size).map((corner) => new THREE.Vector3(...corner));
    const geometry = new THREE.BufferGeometry().setFromPoints(corners).setIndex([0, 2, 1, 0, 3, 2]);
    geometry.setAttribute("uv", new THREE.Float32BufferAttribute([0, 1, 1, 1, 1, 0, 0, 0], 2));
    return new THREE.Mesh(geometry, new THREE.MeshBasicMaterial({ map: textures[view], side: THREE.DoubleSide }));
  };

  const drawFree = (width, height) => {
    orbit.enabled = true;
    scene.background = null;
    floor.visible = true;
    world.quaternion.copy(upright);
    free.aspect = width / height;
    free.updateProjectionMatrix();
    renderer.setViewport(0, 0, width, height);
    renderer.render(scene, free);
    badges.forEach((label, view) => {
      const { x, y, z } = world.localToWorld(new THREE.Vector3(...poseOf(view).position)).project(free);
      label.hidden = z > 1 || Math.abs(x) > 1 || Math.abs(y) > 1;
      label.style.transform = `translate(${((x + 1) / 2) * width}px, ${((1 - y) / 2) * height}px)`;
    });
  };

  /** What one camera sees: its picture, with the ground and the other cameras where they are to be seen in it. */
  const drawShot = (width, height) => {
    const view = state.through;
    const scale = Math.min(width / rig.width, height / rig.height);
    const [w, h] = [rig.width * scale, rig.height * scale];
    orbit.enabled = false;
    scene.background = textures[view];
    floor.visible = around.onGround;
    world.quaternion.identity();
    pointCamera(shot, poseOf(view), rig);
    renderer.setViewport((width - w) / 2, (height - h) / 2, w, h);
    renderer.render(scene, shot);
    badges.forEach((label) => (label.hidden = true));
    drawn = [{ view, c2w: shot.matrixWorld.toArray(), P: shot.projectionMatrix.toArray() }];
  };

  const ray = new THREE.Raycaster();
  let pressed = null;
  const pointed = ({ clientX, clientY }) => {
    const { left, top, width, height } = canvas.getBoundingClientRect();
    const [x, y] = [((clientX - left) / width) * 2 - 1, 1 - ((clientY - top) / height) * 2];
    ray.setFromCamera(new THREE.Vector2(x, y), free);
    const solid = moving.children.filter(({ userData }) => userData.view !== undefined);
    return ray.intersectObjects(solid)[0]?.object.userData.view;
  };
  canvas.addEventListener("pointerdown", ({ clientX, clientY }) => (pressed = [clientX, clientY]));
  canvas.addEventListener("pointerup", (event) => {
    if (!rig || !pressed || state.through !== null) return;
    if (Math.hypot(event.clientX - pressed[0], event.clientY - pressed[1]) > CLICK) return;
    const chosen = pointed(event);
    if (chosen !== undefined) store.set({ chosen });
  });
  canvas.addEventListener("dblclick", (event) => {
    const view = rig && state.through === null ? pointed(event) : undefined;
    if (view !== undefined) store.set({ chosen: view, through: view });
  });
  orbit.addEventListener("change", redraw);
  new ResizeObserver(redraw).observe(canvas);
  matchMedia("(prefers-color-scheme: light)").addEventListener("change", () => {
    if (rig) {
      empty(floor);
      floor.add(...drawFloor());
    }
    redraw();
  });
  store.on(["frame"], () => {
    stale = true;
    redraw();
  });
  store.on(["chosen", "through", "onCameras"], redraw);
  return { open, fit, drawn: () => drawn };
}

const middle = (numbers) => (Math.min(...numbers) + Math.max(...numbers)) / 2;

function pictureTexture(canvas) {
  const texture = new THREE.CanvasTexture(canvas);
  texture.colorSpace = THREE.SRGBColorSpace;
  texture.generateMipmaps = false;
  texture.minFilter = THREE.LinearFilter;
  return texture;
}

const badge = (view) =>
  element("span", { className: "number badge", textContent: view + 1, style: { background: colorAt(view) } });

const color = (name) => new THREE.Color(getComputedStyle(document.documentElement).getPropertyValue(name).trim());

function empty(group) {
  group.traverse((object) => {
    object.geometry?.dispose();
    object.material?.dispose();
  });
  group.clear();
}
