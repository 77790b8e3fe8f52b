// The strip of pictures, one per camera, which is also the list of cameras.

import { orbited, placeOf, withNewView, withoutView } from "editor/edit.js";
import { byId, element, say } from "editor/element.js";
import { colorOf } from "editor/frusta.js";
import { keyAt } from "editor/keys.js";
import { viewPose } from "editor/rig.js";
import { aimed, length, subtract } from "editor/rotation.js";

const STEP_ASIDE = 15 * (Math.PI / 180);
const DEFAULT_FOCAL = 24 / 23.76; // of the picture's width

/** {elements}: fills the strip and keeps it up to date; `elements()` maps ids of views to the places of their pictures. */
export function createPictures(store, eye, redraw) {
  const strip = byId("pictures");
  let places = new Map();
  let shown = "";

  const update = () => {
    const { rig, ui } = store;
    const needed = JSON.stringify([rig.views.map(({ id, name }) => [id, name]), rig.width / rig.height]);
    if (needed !== shown) {
      shown = needed;
      places = new Map();
      strip.replaceChildren(...rig.views.map((view, index) => card(view, index)), addButton());
    }
    for (const [id, picture] of places) {
      picture.parentElement.classList.toggle("selected", id === ui.selected);
      picture.parentElement.classList.toggle("through", id === ui.through);
    }
  };

  const card = (view, index) => {
    const { id, name } = view;
    const picture = element("button", {
      className: "picture",
      style: { "aspect-ratio": `${store.rig.width} / ${store.rig.height}` },
      title: `Choose ${name}; twice: look through it${index < 9 ? ` (${index + 1})` : ""}`,
      "aria-label": `Choose ${name}`,
      onclick: () => store.select({ selected: id }),
      ondblclick: () => store.select({ selected: id, through: id }),
    });
    places.set(id, picture);
    const small = (text, label, onclick) =>
      element("button", { textContent: text, title: label, "aria-label": label, className: "small", onclick });
    const caption = element(
      "div",
      { className: "caption" },
      element("span", { className: "number", textContent: index + 1, style: { background: colorOf(view) } }),
      element("span", { className: "name", textContent: name, title: name }),
    );
    const actions = element(
      "div",
      { className: "actions" },
      small("look", `Look through ${name}`, () => store.select({ selected: id, through: id })),
      small("+", `Copy ${name}`, () => copy(id)),
      small("×", `Delete ${name}`, () => remove(id)),
    );
    return element("div", { className: "card" }, picture, caption, actions);
  };

  const addButton = () =>
    element("button", {
      className: "add",
      textContent: "+ camera",
      title: "A new camera where the free view looks from",
      onclick: add,
    });

  const choose = (rig) => {
    store.change(rig);
    store.select({ selected: rig.views.at(-1).id });
  };

  const add = () => {
    const { width, height } = store.rig;
    const { position, target } = eye();
    const forward = subtract(target, position);
    const focal = DEFAULT_FOCAL * width;
    const lens = { fx: focal, fy: focal, cx: width / 2, cy: height / 2, skew: 0 };
    const pose = { position, rotation: aimed(forward, 0), aim: length(forward), ...lens };
    choose(withNewView(store.rig, [keyAt(0, pose)]));
  };

  /** A copy stands 15 degrees beside the original, so that both can be seen. */
  const copy = (id) => {
    const { rig, ui } = store;
    const view = rig.views.find((candidate) => candidate.id === id);
    const next = withNewView(rig, view.keys);
    const place = placeOf(viewPose(view, ui.frame));
    const beside = { ...place, azimuth: place.azimuth + STEP_ASIDE };
    choose(orbited(next, next.views.at(-1).id, ui.frame, beside, { whole: view.keys.length > 1 }));
  };

  const remove = (id) => {
    if (store.rig.views.length === 1) say("A rig needs at least one camera.", { bad: true });
    else store.change(withoutView(store.rig, id));
  };

  strip.addEventListener("scroll", redraw);
  store.subscribe(update);
  update();
  return { elements: () => places };
}
