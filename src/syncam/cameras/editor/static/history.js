// What is edited (the rig, with undo) and what is looked at (the selection), and who wants to know of changes.

/**
 * {rig, ui, change, preview, commit, undo, redo, select, subscribe}. `preview` shows a rig while a drag goes on and
 * `commit` makes it one step of undo; `change` does both. Listeners are called with what changed: {rig, ui}.
 */
export function createStore(rig, ui) {
  const listeners = [];
  let current = rig;
  let committed = rig;
  let saved = rig;
  const past = [];
  const future = [];

  const tell = (changed) => listeners.forEach((listener) => listener(changed));

  const show = (next) => {
    current = next;
    if (!next.views.some(({ id }) => id === ui.selected)) ui.selected = next.views[0].id;
    if (!next.views.some(({ id }) => id === ui.through)) ui.through = null;
    ui.frame = Math.min(ui.frame, next.numFrames - 1);
    tell({ rig: true, ui: true });
  };

  const step = (from, to) => {
    if (from.length === 0) return;
    to.push(committed);
    committed = from.pop();
    show(committed);
  };

  const store = {
    get rig() {
      return current;
    },
    get ui() {
      return ui;
    },
    get canUndo() {
      return past.length > 0;
    },
    get canRedo() {
      return future.length > 0;
    },
    get isSaved() {
      return committed === saved;
    },
    get view() {
      return current.views.find(({ id }) => id === ui.selected);
    },
    preview: show,
    commit() {
      if (current === committed) return;
      past.push(committed);
      committed = current;
      future.length = 0;
      tell({ rig: true, ui: true });
    },
    change(next) {
      show(next);
      store.commit();
    },
    undo: () => step(past, future),
    redo: () => step(future, past),
    markSaved() {
      saved = committed;
      tell({ rig: false, ui: true });
    },
    select(change) {
      Object.assign(ui, change);
      tell({ rig: false, ui: true });
    },
    subscribe: (listener) => listeners.push(listener),
  };
  return store;
}
