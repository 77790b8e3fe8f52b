// The handles that drag the selected camera, what it looks at, or its roll.

import * as THREE from "three";
import { TransformControls } from "three/TransformControls";
import { openGLMatrix } from "editor/cameras.js";
import { aimedAt, moved, rolled } from "editor/edit.js";
import { targetOf } from "editor/keys.js";
import { c2wOf, viewPose } from "editor/rig.js";
import { rollOf } from "editor/rotation.js";

/** {objects, place, size, dragging, isHovered}: handles in the view of `camera`, with the mouse over `element`. */
export function createGizmo(store, camera, element, orbit, redraw) {
  const controls = new TransformControls(camera, element);
  const handle = new THREE.Object3D();
  const turned = new THREE.Quaternion();
  let start = null;
  controls.setSize(0.85);
  controls.setColors("#ff6b6b", "#6fd98a", "#6aa8ff", "#ffe066");

  /** Puts the handles where the selected camera is, as the tool wants them. */
  const place = () => {
    const { view, ui } = store;
    if (start !== null) return;
    const pose = viewPose(view, ui.frame);
    if (ui.through !== null) return controls.detach();
    openGLMatrix(c2wOf(pose)).decompose(handle.position, handle.quaternion, handle.scale);
    if (ui.tool === "aim") handle.position.set(...targetOf(pose));
    const rolls = ui.tool === "roll";
    controls.setMode(rolls ? "rotate" : "translate");
    controls.setSpace(rolls ? "local" : "world");
    controls.showX = controls.showY = !rolls;
    if (controls.object !== handle) controls.attach(handle);
  };

  controls.addEventListener("dragging-changed", ({ value: dragging }) => {
    orbit.enabled = !dragging;
    if (dragging) {
      const { view, ui } = store;
      start = { rig: store.rig, roll: rollOf(viewPose(view, ui.frame).rotation), quaternion: handle.quaternion.clone() };
    } else {
      start = null;
      store.commit();
      place();
    }
  });
  controls.addEventListener("objectChange", () => {
    if (start === null) return;
    const { ui } = store;
    const drag = { move: moved, aim: aimedAt }[ui.tool];
    if (drag) {
      store.preview(drag(start.rig, ui.selected, ui.frame, handle.position.toArray(), ui));
      return;
    }
    turned.copy(start.quaternion).invert().multiply(handle.quaternion); // about OpenGL's z axis, which looks backward
    const roll = start.roll - 2 * Math.atan2(turned.z, turned.w);
    store.preview(rolled(start.rig, ui.selected, ui.frame, Math.atan2(Math.sin(roll), Math.cos(roll)), ui));
  });
  controls.addEventListener("change", redraw);

  return {
    objects: [handle, controls.getHelper()],
    place,
    /** The radius of the handles, metres: a ring or an arrow is half as large. */
    size: () => controls.getHelper().children[0].gizmo.translate.children[0].scale.x,
    get dragging() {
      return start !== null;
    },
    get isHovered() {
      return controls.axis !== null;
    },
  };
}
