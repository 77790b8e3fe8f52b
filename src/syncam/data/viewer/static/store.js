// What is shown, and who wants to know when it changes.

/** {state, set, on}: `set` changes some of the state and calls whoever listens to any of its names. */
export function createStore(state) {
  const listeners = [];
  return {
    state,
    set(change) {
      Object.assign(state, change);
      for (const { names, listener } of listeners) {
        if (names.some((name) => name in change)) listener();
      }
    },
    on: (names, listener) => listeners.push({ names, listener }),
  };
}
