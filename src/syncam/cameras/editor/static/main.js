// The page: what it edits comes from the element #start, which the server or write_page fills.

import { byId, say } from "editor/element.js";
import { createFiles } from "editor/files.js";
import { createStore } from "editor/history.js";
import { listenToKeys } from "editor/keyboard.js";
import { createPanel } from "editor/panel.js";
import { createPictures } from "editor/pictures.js";
import { contentOf, rigOf } from "editor/rig.js";
import { start } from "editor/server.js";
import { createTimeline } from "editor/timeline.js";
import { createViewport } from "editor/viewport.js";
import { createWords } from "editor/words.js";

const TOOLS = ["move", "aim", "roll"];

const { rig, lostKeys } = rigOf(start.rig);
const ui = {
  selected: rig.views[0].id,
  frame: 0,
  through: null, // the view that is looked through
  tool: "move",
  keepAim: true,
  whole: false,
  loop: true,
  playing: false,
};
const store = createStore(rig, ui);

const files = createFiles(store);
createPanel(store, createWords(store));
const timeline = createTimeline(store);
let viewport = null;
const pictures = createPictures(store, () => viewport.eye(), () => viewport.redraw());
viewport = createViewport(store, byId("canvas"), byId("main"), pictures.elements);

for (const tool of TOOLS) byId(`tool-${tool}`).onclick = () => store.select({ tool });
byId("keep-aim").onchange = ({ target }) => store.select({ keepAim: target.checked });
byId("whole").onchange = ({ target }) => store.select({ whole: target.checked });
byId("fit").onclick = viewport.fit;
byId("free").onclick = () => store.select({ through: null });
byId("undo").onclick = store.undo;
byId("redo").onclick = store.redo;
listenToKeys(store, { ...timeline, fit: viewport.fit, save: files.save });
addEventListener("beforeunload", (event) => {
  if (!store.isSaved && start.server) event.preventDefault();
});

const update = () => {
  for (const tool of TOOLS) byId(`tool-${tool}`).setAttribute("aria-pressed", ui.tool === tool);
  byId("keep-aim").checked = ui.keepAim;
  byId("whole").checked = ui.whole;
  byId("undo").disabled = !store.canUndo;
  byId("redo").disabled = !store.canRedo;
  const through = store.rig.views.find(({ id }) => id === ui.through);
  byId("free").hidden = !through;
  byId("shown").textContent = through ? `Through ${through.name}` : "";
  byId("file").classList.toggle("unsaved", !store.isSaved);
};
store.subscribe(update);
update();
if (lostKeys) say("The keyframes in the file do not say what its matrices say; the matrices were taken.");

// For tests: what would be exported, and what was drawn.
window.syncam = {
  rig: () => contentOf(store.rig),
  keys: (index) => store.rig.views[index].keys,
  drawn: viewport.drawn,
  handleSize: viewport.handleSize,
  screen: viewport.screen,
};
