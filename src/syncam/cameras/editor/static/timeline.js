// Frames from left to right, a row of keys per camera, and the buttons that play and edit them.

import { PATHS } from "editor/curve.js";
import { goingOn, thinned, withKeys } from "editor/edit.js";
import { byId, element, say } from "editor/element.js";
import { colorOf } from "editor/frusta.js";
import { EASINGS, keyAt, withKey, withMovedKey, withoutKey } from "editor/keys.js";
import { viewPose } from "editor/rig.js";

const MOST_KEYS = 150; // of a row; more are drawn as a bar
const NAMES = { linear: "linear", ease: "ease in and out", hold: "hold" };

/** {addKey, deleteKey, play}: fills the timeline and keeps it up to date. */
export function createTimeline(store) {
  const playing = createPlayback(store);
  const button = (id, text, title, onclick) => element("button", { id, textContent: text, title, onclick });
  const frame = element("input", { type: "number", id: "frame", min: 0, step: 1, "aria-label": "Frame" });
  const last = element("span", { className: "hint" });
  const easing = element("select", { id: "easing", "aria-label": "Easing from this key to the next" });
  easing.append(...Object.keys(EASINGS).map((value) => element("option", { value, textContent: NAMES[value] })));
  const path = element("select", { id: "path", "aria-label": "Path from this key to the next" });
  path.append(...PATHS.map((value) => element("option", { value, textContent: value })));
  const loop = element("input", { type: "checkbox", id: "loop", onchange: () => store.select({ loop: loop.checked }) });

  /** The last key of the chosen view at or before the frame: its easing and its path are those of the segment. */
  const keyBefore = () => store.view.keys.findLast((key) => key.frame <= store.ui.frame) ?? store.view.keys[0];
  const edit = (change) => store.change(withKeys(store.rig, store.ui.selected, change));
  const addKey = () =>
    edit((keys) => withKey(keys, keyAt(store.ui.frame, viewPose(store.view, store.ui.frame), keyBefore())));
  const deleteKey = () => {
    const { keys } = store.view;
    if (!keys.some((key) => key.frame === store.ui.frame)) say("There is no key at this frame.", { bad: true });
    else if (keys.length === 1) say("A camera needs at least one key.", { bad: true });
    else edit((all) => withoutKey(all, store.ui.frame));
  };

  frame.onchange = () => {
    const number = Math.round(Number(frame.value));
    store.select({ frame: Math.min(Math.max(0, number || 0), store.rig.numFrames - 1) });
  };
  const goOn = (change) => store.change(goingOn(store.rig, store.ui.selected, store.ui.frame, change, store.ui));
  easing.onchange = () => goOn({ easing: easing.value });
  path.onchange = () => goOn({ path: path.value });

  const rows = element("div", { className: "rows" });
  const head = element("div", { className: "line", style: { "pointer-events": "none" } });
  byId("timeline").append(
    element(
      "div",
      { className: "bar" },
      button("play", "Play", "Play or stop (space)", playing.toggle),
      element("label", { className: "check" }, loop, "loop"),
      element("label", { className: "inline" }, "frame", frame),
      last,
      button("add-key", "+ key", "Add a key of the chosen camera at this frame (K)", addKey),
      button("delete-key", "- key", "Delete the key at this frame (Delete)", deleteKey),
      element("label", { className: "inline" }, "path", path),
      element("label", { className: "inline" }, "easing", easing),
      button("thin", "Thin keys", "Keep only the keys that the path needs, within 1 cm, 0.3 degrees and 0.5 % zoom", () => {
        const before = store.view.keys.length;
        store.change(thinned(store.rig, store.ui.selected));
        say(`${store.view.name}: ${before} keys, now ${store.view.keys.length}.`);
      }),
    ),
    element("div", { className: "tracks" }, rows, head),
  );

  const percent = (number) => `${store.rig.numFrames > 1 ? (100 * number) / (store.rig.numFrames - 1) : 0}%`;
  const frameAt = (track, clientX) => {
    const { left, width } = track.getBoundingClientRect();
    const share = Math.min(1, Math.max(0, (clientX - left) / width));
    return Math.round(share * (store.rig.numFrames - 1));
  };

  const scrub = (event) => {
    const track = event.currentTarget;
    const go = ({ clientX }) => store.select({ frame: frameAt(track, clientX), playing: false });
    track.setPointerCapture(event.pointerId);
    track.onpointermove = go;
    track.onpointerup = track.onpointercancel = () => (track.onpointermove = null);
    go(event);
  };

  const drawRow = (view) => {
    const color = colorOf(view);
    const track = element("div", { className: "track", style: { "--color": color } });
    track.onpointerdown = (event) => {
      store.select({ selected: view.id });
      scrub(event);
    };
    if (view.keys.length > MOST_KEYS) {
      track.append(element("span", { className: "many", textContent: `${view.keys.length} keys` }));
    } else {
      view.keys.slice(0, -1).forEach((key, index) => track.append(drawSegment(key, view.keys[index + 1])));
      track.append(...view.keys.map((key) => drawKey(view, key, track)));
    }
    const name = element("button", {
      className: "row-name",
      textContent: view.name,
      title: view.name,
      style: { color },
      onclick: () => store.select({ selected: view.id }),
    });
    return element("div", { className: `row${view.id === store.ui.selected ? " selected" : ""}` }, name, track);
  };

  const drawSegment = (key, next) =>
    element("span", {
      className: `segment ${key.easing} ${key.path}`,
      style: { left: percent(key.frame), width: percent(next.frame - key.frame) },
    });

  const drawKey = (view, key, track) => {
    const label = `${view.name}, key at frame ${key.frame}`;
    const made = element("button", { className: "key", title: label, "aria-label": label });
    made.style.left = percent(key.frame);
    const move = (to) => withKeys(store.rig, view.id, (keys) => withMovedKey(keys, key.frame, to));
    made.onpointerdown = (event) => {
      event.stopPropagation();
      store.select({ selected: view.id, frame: key.frame, playing: false });
      dragKey(event, view, key.frame, track);
    };
    made.onkeydown = (event) => {
      const to = key.frame + { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!(to >= 0 && to < store.rig.numFrames)) return;
      event.preventDefault();
      store.change(move(to));
      store.select({ selected: view.id, frame: to });
      rows.querySelector(`[aria-label="${CSS.escape(view.name)}, key at frame ${to}"]`)?.focus();
    };
    return made;
  };

  /** The rows are drawn anew while the key moves, so that the drag listens to the window. */
  const dragKey = (start, view, from, track) => {
    const before = store.rig;
    const go = (event) => {
      const to = frameAt(track.isConnected ? track : rows.querySelector(".track"), event.clientX);
      store.ui.frame = to;
      store.preview(withKeys(before, view.id, (keys) => withMovedKey(keys, from, to)));
    };
    const end = () => {
      removeEventListener("pointermove", go);
      store.commit();
    };
    addEventListener("pointermove", go);
    addEventListener("pointerup", end, { once: true });
  };

  const update = ({ rig: changed }) => {
    const { rig, ui } = store;
    if (changed || rows.dataset.selected !== String(ui.selected)) {
      rows.dataset.selected = ui.selected;
      rows.replaceChildren(drawRuler(), ...rig.views.map(drawRow));
      rows.querySelector(".selected")?.scrollIntoView({ block: "nearest" });
    }
    head.style.setProperty("--share", rig.numFrames > 1 ? ui.frame / (rig.numFrames - 1) : 0);
    if (document.activeElement !== frame) frame.value = ui.frame;
    frame.max = rig.numFrames - 1;
    last.textContent = `of 0 to ${rig.numFrames - 1}`;
    easing.value = keyBefore().easing;
    path.value = keyBefore().path;
    easing.disabled = keyBefore() === store.view.keys.at(-1) && !(ui.whole && store.view.keys.length > 1);
    path.disabled = easing.disabled;
    loop.checked = ui.loop;
    byId("play").textContent = ui.playing ? "Stop" : "Play";
    byId("play").disabled = rig.numFrames === 1;
    byId("delete-key").disabled = store.view.keys.length === 1 || !store.view.keys.some((key) => key.frame === ui.frame);
    byId("thin").disabled = store.view.keys.length < 3;
  };

  const drawRuler = () => {
    const { numFrames } = store.rig;
    const step = [1, 2, 4, 5, 8, 10, 20, 25, 50, 100, 200, 500, 1000].find((size) => numFrames / size <= 24) ?? 5000;
    const marks = Array.from({ length: Math.ceil(numFrames / step) }, (_, index) =>
      element("span", { textContent: index * step, style: { left: percent(index * step) } }),
    );
    const ruler = element("div", { className: "track ruler", onpointerdown: scrub }, ...marks);
    return element("div", { className: "row" }, element("span", { className: "row-name" }), ruler);
  };

  store.subscribe(update);
  update({ rig: true });
  return { addKey, deleteKey, play: playing.toggle };
}

/** Goes through the frames at the rig's frames per second while ui.playing is set. */
function createPlayback(store) {
  let started = 0;
  let first = 0;

  const tick = (now) => {
    const { ui, rig } = store;
    if (!ui.playing) return;
    const next = first + Math.floor(((now - started) / 1000) * rig.fps);
    const frame = ui.loop ? next % rig.numFrames : Math.min(next, rig.numFrames - 1);
    if (!ui.loop && next >= rig.numFrames) return store.select({ playing: false });
    if (frame !== ui.frame) store.select({ frame });
    requestAnimationFrame(tick);
  };

  const toggle = () => {
    const { ui, rig } = store;
    if (rig.numFrames === 1) return;
    first = ui.frame === rig.numFrames - 1 ? 0 : ui.frame;
    started = performance.now();
    store.select({ playing: !ui.playing });
    if (ui.playing) requestAnimationFrame(tick);
  };
  return { toggle };
}
