// The one clock of all views. A frame is shown when the pictures of all views are here, in all of them at once.

import { byId, element } from "editor/element.js";

const SPEEDS = [0.1, 0.25, 0.5, 1, 2, 4];
const UNKNOWN = 8; // frames per second of videos that do not state them

/** {open, arrived, refresh, toggle, go, step, faster}: plays a scene's `frames` and hands their pictures to `draw`. */
export function createPlayer(store, draw) {
  const { state } = store;
  let frames = null;
  let goal = 0;
  let stale = false; // whether other pictures of the frame that is shown are wanted
  let drawn = ""; // what the page says to be loaded
  let anchor = { frame: 0, time: 0 };

  const last = () => Math.max(0, (state.scene?.frames ?? 1) - 1);

  const isWaiting = () => stale || goal !== state.frame;

  const show = (frame) => {
    goal = frame;
    frames.want(frame);
    arrived();
  };

  /** Shows the frame that is waited for, if it is here. */
  const arrived = () => {
    if (isWaiting()) {
      const pictures = frames.get(goal);
      if (pictures) {
        draw(goal, pictures);
        stale = false;
        store.set({ frame: goal });
      }
    }
    drawLoaded();
  };

  const open = (opened) => {
    frames = opened;
    store.set({ frame: -1, playing: false });
    if (state.scene.frames > 0) show(0);
    else update();
  };

  /** The same frame anew, with other labels. */
  const refresh = () => {
    if (!frames || state.scene.frames === 0) return;
    stale = true;
    show(goal);
  };

  const go = (frame) => {
    if (!frames || state.scene.frames === 0) return;
    if (state.playing) store.set({ playing: false });
    show(Math.min(Math.max(0, frame), last()));
  };

  const restart = () => (anchor = { frame: Math.max(0, state.frame), time: performance.now() });

  const tick = (now) => {
    if (!state.playing) return;
    requestAnimationFrame(tick);
    if (isWaiting()) return restart(); // pictures are missing: time stands still
    const passed = Math.floor(((now - anchor.time) / 1000) * (state.scene.fps ?? UNKNOWN) * state.speed);
    const next = anchor.frame + passed;
    if (!state.loop && next > last()) return go(last());
    const frame = next % (last() + 1);
    if (passed > 0 && frame !== goal) show(frame);
  };

  const toggle = () => {
    if (!frames || last() === 0) return;
    if (!state.playing && goal === last()) show(0);
    restart();
    store.set({ playing: !state.playing });
    if (state.playing) requestAnimationFrame(tick);
  };

  const faster = (steps) => {
    const at = SPEEDS.indexOf(state.speed) + steps;
    if (SPEEDS[at]) store.set({ speed: SPEEDS[at] });
  };

  const drawLoaded = () => {
    const loaded = frames.loaded();
    if (String(loaded) === drawn) return;
    drawn = String(loaded);
    byId("loaded").replaceChildren(...loaded.map((here) => element("span", { className: here ? "here" : "" })));
  };

  const update = () => {
    const { scene, frame, playing, speed, loop } = state;
    byId("play").textContent = playing ? "Stop" : "Play";
    for (const id of ["play", "back", "on", "scrub"]) byId(id).disabled = last() === 0;
    byId("scrub").max = last();
    byId("scrub").value = Math.max(0, frame);
    byId("speed").value = speed;
    byId("loop").checked = loop;
    const seconds = scene?.fps ? ` · ${(Math.max(0, frame) / scene.fps).toFixed(2)} s` : "";
    byId("time").textContent = scene?.frames ? `frame ${frame < 0 ? "–" : frame} / ${last()}${seconds}` : "no frames";
    document.body.classList.toggle("waiting", Boolean(scene?.frames) && frame < 0);
  };

  byId("speed").append(...SPEEDS.map((value) => element("option", { value, textContent: `${value}×` })));
  byId("speed").onchange = ({ target }) => store.set({ speed: Number(target.value) });
  byId("loop").onchange = ({ target }) => store.set({ loop: target.checked });
  byId("play").onclick = toggle;
  byId("back").onclick = () => go(goal - 1);
  byId("on").onclick = () => go(goal + 1);
  byId("scrub").oninput = ({ target }) => go(Number(target.value));
  store.on(["scene", "frame", "playing", "speed", "loop"], update);
  store.on(["speed"], restart);

  return { open, arrived, refresh, toggle, go, step: (by) => go(goal + by), last, faster };
}
