// One renderer for the free view and all pictures: it draws into the rectangles of elements that lie over its canvas.

import * as THREE from "three";
import { OrbitControls } from "three/OrbitControls";
import { createCamera, pointCamera, projected } from "editor/cameras.js";
import { createFrusta } from "editor/frusta.js";
import { createGizmo } from "editor/gizmo.js";
import { viewPose } from "editor/rig.js";
import { createScene } from "editor/scene.js";

const CLICK = 4; // pixels: a longer way is a drag
const OVERVIEW = [0.75, -1, 0.62];

/** {redraw, fit, eye, drawn, handleSize, screen}: draws the store's rig on `canvas`; `pictures()` maps ids of views to elements. */
export function createViewport(store, canvas, main, pictures) {
  const renderer = new THREE.WebGLRenderer({ canvas, antialias: true });
  renderer.setScissorTest(true);
  const scene = createScene();
  const frusta = createFrusta();
  const free = new THREE.PerspectiveCamera(45, 1, 0.02, 4000);
  free.up.set(0, 0, 1);
  const orbit = new OrbitControls(free, main);
  const shot = createCamera();
  let drawn = [];
  let asked = false;

  const redraw = () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(draw);
  };
  const gizmo = createGizmo(store, free, main, orbit, redraw);
  const helpers = new THREE.Group().add(frusta.group, ...gizmo.objects);
  scene.add(helpers);
  gizmo.place();

  function draw() {
    asked = false;
    const { clientWidth, clientHeight } = canvas;
    const size = renderer.getSize(new THREE.Vector2());
    renderer.setPixelRatio(Math.min(2, devicePixelRatio));
    if (size.x !== clientWidth || size.y !== clientHeight) renderer.setSize(clientWidth, clientHeight, false);
    const { rig, ui } = store;
    drawn = [];
    const through = rig.views.find(({ id }) => id === ui.through);
    helpers.visible = true;
    if (through) {
      drawShot(through, fitted(main.getBoundingClientRect(), rig.width / rig.height), "main");
    } else {
      frusta.show(rig, ui);
      drawFree(main.getBoundingClientRect());
    }
    helpers.visible = false;
    for (const [id, element] of pictures()) {
      const view = rig.views.find((candidate) => candidate.id === id);
      if (view) drawShot(view, element.getBoundingClientRect(), "picture", element.parentElement.parentElement);
    }
  }

  function drawFree(rect) {
    free.aspect = rect.width / rect.height;
    free.updateProjectionMatrix();
    into(rect);
    renderer.render(scene, free);
  }

  function drawShot(view, rect, where, clip) {
    pointCamera(shot, viewPose(view, store.ui.frame), store.rig);
    helpers.visible = false;
    into(rect, clip?.getBoundingClientRect());
    renderer.render(scene, shot);
    const { width, height } = store.rig;
    drawn.push({ id: view.id, where, camera: shot.clone(), rect, width, height });
  }

  function into(rect, clip = rect) {
    const { left, top, height } = canvas.getBoundingClientRect();
    const box = ({ left: x, bottom, width: w, height: h }) => [x - left, height - (bottom - top), w, h];
    renderer.setViewport(...box(rect));
    const [x, right] = [Math.max(rect.left, clip.left), Math.min(rect.right, clip.right)];
    const [y, bottom] = [Math.max(rect.top, clip.top), Math.min(rect.bottom, clip.bottom)];
    renderer.setScissor(...box({ left: x, bottom, width: Math.max(0, right - x), height: Math.max(0, bottom - y) }));
  }

  /** Shows the whole rig and what it looks at. */
  const fit = () => {
    const { rig, ui } = store;
    const reach = Math.max(3, ...rig.views.map((view) => new THREE.Vector3(...viewPose(view, ui.frame).position).length()));
    orbit.target.set(0, 0, 0.6);
    free.position.set(...OVERVIEW).setLength(reach * 2.1).add(orbit.target);
    orbit.update();
    redraw();
  };

  const ray = new THREE.Raycaster();
  let pressed = null;
  main.addEventListener("pointerdown", (event) => {
    pressed = gizmo.isHovered ? null : [event.clientX, event.clientY];
  });
  main.addEventListener("pointerup", (event) => {
    if (!pressed || store.ui.through !== null) return;
    if (Math.hypot(event.clientX - pressed[0], event.clientY - pressed[1]) > CLICK) return;
    const { left, top, width, height } = main.getBoundingClientRect();
    const x = ((event.clientX - left) / width) * 2 - 1;
    ray.setFromCamera(new THREE.Vector2(x, 1 - ((event.clientY - top) / height) * 2), free);
    const selected = frusta.pick(ray);
    if (selected !== undefined) store.select({ selected });
  });
  orbit.addEventListener("change", redraw);
  new ResizeObserver(redraw).observe(canvas);
  store.subscribe(() => {
    orbit.enabled = store.ui.through === null && !gizmo.dragging;
    gizmo.place();
    redraw();
  });
  fit();

  return {
    redraw,
    fit,
    /** Where the free view looks from and to. */
    eye: () => ({ position: free.position.toArray(), target: orbit.target.toArray() }),
    /** The three.js cameras of the last frame that was drawn, and where a point of the world lies in their pictures. */
    drawn: () => drawn.map((item) => ({ ...item, project: (point) => projected(item.camera, point, item) })),
    handleSize: gizmo.size,
    /** Where a point of the world lies in the window, in the free view. */
    screen: (point) => {
      const { left, top, width, height } = main.getBoundingClientRect();
      const [u, v] = projected(free, point, { width, height });
      return [left + u, top + v];
    },
  };
}

/** The largest rectangle of an aspect (width / height) in the middle of another. */
export function fitted({ left, top, width, height }, aspect) {
  const w = Math.min(width, height * aspect);
  const h = w / aspect;
  return new DOMRect(left + (width - w) / 2, top + (height - h) / 2, w, h);
}
