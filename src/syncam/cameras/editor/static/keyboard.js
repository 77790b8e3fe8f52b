// What keys do. In fields of text and numbers they write; on buttons, space and Enter press.

/** Calls the actions of keys that are pressed anywhere on the page. */
export function listenToKeys(store, actions) {
  const plain = {
    k: actions.addKey,
    delete: actions.deleteKey,
    backspace: actions.deleteKey,
    f: actions.fit,
    w: () => store.select({ tool: "move" }),
    e: () => store.select({ tool: "aim" }),
    r: () => store.select({ tool: "roll" }),
    0: () => store.select({ through: null }),
    escape: () => store.select({ through: null }),
  };
  const held = {
    z: (event) => (event.shiftKey ? store.redo() : store.undo()),
    y: () => store.redo(),
    s: actions.save,
  };

  // A button that was clicked with the mouse gives the keyboard back, so that space plays.
  addEventListener("click", ({ target, detail }) => {
    const button = target.closest?.("button:not(.key)");
    if (detail > 0 && button && !button.closest("dialog")) button.blur();
  });
  addEventListener("keydown", (event) => {
    const { target } = event;
    if (document.querySelector("dialog[open]")) return;
    const key = event.key.toLowerCase();
    const writes = target.matches("select, input:not([type=checkbox])");
    const control = event.ctrlKey || event.metaKey;
    const action = control ? held[key] : writes ? undefined : plain[key];
    if (control && writes && key !== "s") return; // a field has an undo of its own
    if (action) {
      event.preventDefault();
      action(event);
    } else if (!control && !writes && key === " ") {
      if (target.matches("button:not(.key), input") && target.id !== "play") return;
      event.preventDefault();
      actions.play();
    } else if (!control && !writes && /^[1-9]$/.test(key)) {
      const view = store.rig.views[Number(key) - 1];
      if (view) store.select({ selected: view.id, through: view.id });
    }
  });
}
