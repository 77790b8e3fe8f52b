// What keys do. In fields of text they write; on buttons, space and Enter press.

import { byId, element } from "editor/element.js";

const TABLE = [
  ["space", "play, stop"],
  ["← →", "the frame before, after; with Shift ten frames"],
  ["Home End", "the first, the last frame"],
  ["- +", "slower, faster"],
  ["L", "loop"],
  ["↑ ↓", "the scene before, after in the list"],
  ["/", "search"],
  ["1 to 9", "look through a camera"],
  ["0 Escape", "back to the free view"],
  ["F", "show the whole rig"],
  ["P", "pictures in front of their cameras"],
  ["X", "the rig in the larger place"],
  ["M", "masks and labels over the pictures or in their place: the next kind, or none"],
  ["?", "this list"],
];

/** Calls the actions of keys that are pressed anywhere on the page. */
export function listenToKeys(store, actions) {
  const { state } = store;
  const dialog = byId("keys-dialog");
  const showKeys = () => dialog.showModal();
  byId("keys-list").append(
    ...TABLE.flatMap(([keys, about]) => [
      element("dt", {}, ...keys.split(" ").map((key) => (key === "to" ? " to " : element("kbd", { textContent: key })))),
      element("dd", { textContent: about }),
    ]),
  );
  byId("keys-button").onclick = showKeys;
  const plain = {
    " ": actions.toggle,
    arrowleft: ({ shiftKey }) => actions.step(shiftKey ? -10 : -1),
    arrowright: ({ shiftKey }) => actions.step(shiftKey ? 10 : 1),
    home: () => actions.go(0),
    end: () => actions.go(actions.last()),
    "-": () => actions.faster(-1),
    "+": () => actions.faster(1),
    "=": () => actions.faster(1),
    l: () => store.set({ loop: !state.loop }),
    arrowup: () => actions.neighbour(-1),
    arrowdown: () => actions.neighbour(1),
    "/": () => byId("search").focus(),
    0: () => store.set({ through: null }),
    escape: () => store.set({ through: null }),
    f: actions.fit,
    p: () => store.set({ onCameras: !state.onCameras }),
    x: () => store.set({ large: !state.large }),
    m: actions.nextLabel,
    "?": showKeys,
  };

  // A button that was clicked with the mouse gives the keyboard back, so that space plays.
  addEventListener("click", ({ target, detail }) => {
    const button = target.closest?.("button, input[type=checkbox]");
    if (detail > 0 && button && !button.closest("dialog")) button.blur();
  });
  addEventListener("keydown", (event) => {
    const { target, ctrlKey, metaKey, altKey } = event;
    if (dialog.open || ctrlKey || metaKey || altKey) return;
    const key = event.key.toLowerCase();
    if (target.matches("input[type=search], select")) {
      if (key === "escape") target.blur();
      return;
    }
    if (key === " " && target.matches("button, input[type=checkbox]") && target.id !== "play") return;
    const view = /^[1-9]$/.test(key) && state.scene?.rig ? Number(key) - 1 : undefined;
    if (state.scene?.views[view]) store.set({ chosen: view, through: view });
    else if (!plain[key]) return;
    else plain[key](event);
    event.preventDefault();
  });
}
