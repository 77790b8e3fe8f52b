// The page: which scene is open, and what belongs together.

import { byId, element, say } from "editor/element.js";
import { ask, start } from "editor/server.js";
import { showFacts } from "viewer/facts.js";
import { createFrames } from "viewer/frames.js";
import { listenToKeys } from "viewer/keyboard.js";
import { createPlayer } from "viewer/player.js";
import { createScenes } from "viewer/scenes.js";
import { createSpace } from "viewer/space.js";
import { createStore } from "viewer/store.js";
import { createViews } from "viewer/views.js";

const store = createStore({
  index: null, // of the open scene
  scene: null, // its facts
  frame: -1, // that is shown; -1: none yet
  playing: false,
  loop: true,
  speed: 1,
  chosen: 0, // the view
  through: null, // the view that is looked through
  label: null, // the kind of labels over the pictures or in their place
  onCameras: true, // whether pictures stand in front of their cameras
  large: false, // whether the rig has the larger place
});
const { state } = store;
let frames = null;
let opening = 0;

const views = createViews(store);
const player = createPlayer(store, views.draw);
const space = createSpace(store, views.canvases);
const scenes = createScenes(store, openScene);

async function openScene(index) {
  opening += 1;
  const mine = opening;
  openList(false);
  store.set({ playing: false, index });
  try {
    const scene = await ask("/api/scene", { scene: index });
    if (mine !== opening) return;
    say("");
    show(scene);
  } catch (error) {
    if (mine === opening) say(error.message, { bad: true });
  }
}

function show(scene) {
  frames?.close();
  frames = createFrames(scene, player.arrived);
  const label = scene.labels.includes(state.label) ? state.label : null;
  const kept = state.chosen < scene.views.length ? state.chosen : 0;
  store.set({ scene, label, chosen: kept, through: null });
  frames.show(label);
  views.open(scene);
  byId("no-rig").textContent = scene.no_rig ?? "";
  byId("rig").classList.toggle("empty", !scene.rig);
  space.open(scene);
  showFacts(scene);
  showLabels();
  player.open(frames);
  document.title = `${scene.name} - syncam`;
  history.replaceState(null, "", `#${scene.index + 1}`);
}

const labelButton = (kind) =>
  element("button", {
    textContent: kind.replace("_", " "),
    title: `Show ${kind.replace("_", " ")} (M)`,
    "aria-pressed": String(state.label === kind),
    onclick: () => setLabel(state.label === kind ? null : kind),
  });

/** The kinds of labels to choose from, and what the colours of the chosen one say. */
function showLabels() {
  const { labels, legends } = state.scene;
  byId("labels").replaceChildren(...labels.map(labelButton));
  const { colours = [], note = "" } = legends[state.label] ?? {};
  const chips = colours.map(([words, background]) => element("span", {}, element("i", { style: { background } }), words));
  byId("legend").replaceChildren(...(note ? [element("span", { textContent: note })] : []), ...chips);
}

function setLabel(label) {
  store.set({ label });
  showLabels();
  frames.show(label);
  player.refresh();
}

/** The next kind of labels, or none after the last. */
function nextLabel() {
  const kinds = state.scene?.labels ?? [];
  if (kinds.length > 0) setLabel(kinds[kinds.indexOf(state.label) + 1] ?? null);
}

byId("set").textContent = start.name;
byId("set").title = start.path;
byId("about").textContent = `${start.total.toLocaleString("en")} scene${start.total === 1 ? "" : "s"} · ${start.kind}`;
byId("fit").onclick = space.fit;
byId("free").onclick = () => store.set({ through: null });
byId("on-cameras").onclick = () => store.set({ onCameras: !state.onCameras });
byId("larger").onclick = () => store.set({ large: !state.large });
const openList = (open) => {
  document.body.classList.toggle("list-open", open);
  byId("scenes-button").setAttribute("aria-expanded", open);
};
addEventListener("click", ({ target }) => {
  if (target.id === "scenes-button") openList(!document.body.classList.contains("list-open"));
  else if (!target.closest("#scenes")) openList(false);
});
listenToKeys(store, { ...player, neighbour: scenes.neighbour, fit: space.fit, nextLabel });

const update = () => {
  const { scene, through, onCameras, large } = state;
  byId("free").hidden = through === null;
  byId("fit").hidden = through !== null;
  byId("on-cameras").hidden = through !== null;
  byId("on-cameras").setAttribute("aria-pressed", onCameras);
  byId("larger").textContent = large ? "Smaller" : "Larger";
  byId("shown").textContent = through === null ? "" : `Through ${scene.views[through].name}`;
  document.body.classList.toggle("large-rig", large);
};
store.on(["scene", "through", "onCameras", "large"], update);
update();

const hash = Number(location.hash.slice(1));
const first = Number.isInteger(hash) && hash >= 1 && hash <= start.total ? hash - 1 : start.first;
scenes.reveal(first);
openScene(first);

// For tests: what is shown, and where the camera that is looked through stands.
window.syncam = { state: () => ({ ...state, scene: undefined }), drawn: space.drawn };
