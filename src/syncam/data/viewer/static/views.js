// The pictures of all views side by side, as large as the place allows.

import { byId, element } from "editor/element.js";
import { COLORS } from "editor/frusta.js";

const GAP = 8;
const CAPTION = 24; // pixels below a picture
const LEAST_WIDTH = 150; // of a picture, before the place scrolls

export const colorAt = (view) => COLORS[view % COLORS.length];

/** {open, draw, canvases}: fills the place of the views. */
export function createViews(store) {
  const place = byId("views");
  const { state } = store;
  let cards = [];

  const open = (scene) => {
    cards = scene.error ? [] : scene.views.map((view, index) => card(scene, view, index));
    const complaint = element("p", { className: "complaint", textContent: scene.error ?? "" });
    place.replaceChildren(...(scene.error ? [complaint] : cards.map(({ box }) => box)));
    place.scrollTop = 0;
    arrange();
    mark();
  };

  const card = (scene, { name, error }, index) => {
    const [height, width] = scene.shown ?? [9, 16];
    const canvas = element("canvas", { width, height });
    const complaint = element("p", { className: "complaint", textContent: error ?? "", hidden: !error });
    const hint = index < 9 ? ` (${index + 1})` : "";
    const picture = element("button", {
      className: "picture",
      title: `Choose ${name}; twice: look through it${hint}`,
      "aria-label": `Choose ${name}`,
      onclick: () => store.set({ chosen: index }),
      ondblclick: () => store.set({ chosen: index, through: scene.rig ? index : null }),
    });
    picture.append(canvas);
    const number = element("span", { className: "number", textContent: index + 1, style: { background: colorAt(index) } });
    const called = element("span", { className: "name", textContent: name, title: name });
    const caption = element("div", { className: "caption" }, number, called);
    return { box: element("div", { className: "card" }, picture, complaint, caption), canvas, complaint };
  };

  /** Draws the pictures of one frame into all views; where there is none, says why. */
  const draw = (frame, pictures) => {
    for (const [index, { picture, tint, error }] of pictures.entries()) {
      const { canvas, complaint } = cards[index];
      const context = canvas.getContext("2d");
      if (picture) context.drawImage(picture, 0, 0, canvas.width, canvas.height);
      else context.clearRect(0, 0, canvas.width, canvas.height);
      if (tint) context.drawImage(tint, 0, 0, canvas.width, canvas.height);
      canvas.dataset.frame = picture ? frame : "";
      complaint.textContent = error ?? "";
      complaint.hidden = !error;
      complaint.classList.toggle("small", Boolean(picture));
    }
  };

  const arrange = () => {
    const [height, width] = state.scene?.shown ?? [9, 16];
    const style = getComputedStyle(place);
    const inner = place.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
    const room = style.overflowY === "auto" ? place.clientHeight - 2 * GAP : Infinity;
    const size = largest(cards.length || 1, inner, room, width / height);
    place.style.setProperty("--width", `${size.width}px`);
    place.style.setProperty("--columns", size.columns);
  };

  const mark = () => {
    for (const [index, { box }] of cards.entries()) {
      box.classList.toggle("chosen", index === state.chosen);
      box.classList.toggle("through", index === state.through);
    }
  };

  new ResizeObserver(arrange).observe(place);
  store.on(["chosen", "through"], mark);
  return { open, draw, canvases: () => cards.map(({ canvas }) => canvas) };
}

/** {columns, width}: how many pictures side by side make all of them largest, in a place of that width and height. */
function largest(count, width, height, aspect) {
  let best = { columns: 1, width: 0 };
  for (let columns = 1; columns <= count; columns += 1) {
    const across = (width - GAP * (columns - 1)) / columns;
    const rows = Math.ceil(count / columns);
    const down = ((height - GAP * (rows - 1)) / rows - CAPTION) * aspect;
    const size = Math.floor(Math.min(across, down));
    if (size > best.width) best = { columns, width: size };
  }
  if (best.width >= LEAST_WIDTH && height < Infinity) return best;
  const columns = Math.max(1, Math.min(count, Math.floor((width + GAP) / (1.4 * LEAST_WIDTH + GAP))));
  return { columns, width: Math.floor((width - GAP * (columns - 1)) / columns) };
}
