// The numbers of the chosen camera at the shown frame, and those of the clip.

import { aimedAt, centred, moved, orbited, placeOf, renamed, resized, rolled, stretched, zoomed } from "editor/edit.js";
import { byId, element, say } from "editor/element.js";
import { targetOf } from "editor/keys.js";
import { viewPose } from "editor/rig.js";
import { rollOf } from "editor/rotation.js";

const DEGREE = Math.PI / 180;
const MOST_FRAMES = 10000;
const MOST_PIXELS = 8192;
const AXES = ["x", "y", "z"];

const withNumber = (numbers, index, number) => numbers.map((old, place) => (place === index ? number : old));

/** Every number of a pose: read(pose, rig) is what the field shows, write(...) the rig with another number. */
const CAMERA = {
  "Position, m": AXES.map((axis, index) => ({
    id: `position-${axis}`,
    label: axis,
    step: 0.1,
    read: (pose) => pose.position[index],
    write: (rig, id, frame, number, pose, ui) => moved(rig, id, frame, withNumber(pose.position, index, number), ui),
  })),
  "Aim, m": AXES.map((axis, index) => ({
    id: `aim-${axis}`,
    label: axis,
    step: 0.1,
    read: (pose) => targetOf(pose)[index],
    write: (rig, id, frame, number, pose, ui) => aimedAt(rig, id, frame, withNumber(targetOf(pose), index, number), ui),
  })),
  "Position about the aim": [
    ["azimuth", "azimuth °", 5, -1e9, 1e9, DEGREE],
    ["elevation", "elevation °", 1, -89.9, 89.9, DEGREE],
    ["distance", "distance m", 0.1, 0.01, 1e9, 1],
  ].map(([name, label, step, lowest, highest, unit]) => ({
    id: name,
    label,
    step,
    lowest,
    highest,
    read: (pose) => placeOf(pose)[name] / unit,
    write: (rig, id, frame, number, pose, ui) =>
      orbited(rig, id, frame, { ...placeOf(pose), [name]: number * unit }, ui),
  })),
  "Roll, field of view, principal point": [
    {
      id: "roll",
      label: "roll °",
      step: 1,
      read: (pose) => rollOf(pose.rotation) / DEGREE,
      write: (rig, id, frame, number, pose, ui) => rolled(rig, id, frame, number * DEGREE, ui),
    },
    {
      id: "fov",
      label: "FOV °",
      step: 1,
      lowest: 0.1,
      highest: 175,
      read: (pose, rig) => (2 * Math.atan(rig.width / 2 / pose.fx)) / DEGREE,
      write: (rig, id, frame, number, pose, ui) => zoomed(rig, id, frame, number * DEGREE, ui),
    },
    ...["cx", "cy"].map((name) => ({
      id: name,
      label: `centre ${name[1]}`,
      step: 1,
      read: (pose) => pose[name],
      write: (rig, id, frame, number, pose, ui) => centred(rig, id, frame, { cx: pose.cx, cy: pose.cy, [name]: number }, ui),
    })),
  ],
};

const CLIP = [
  { id: "frames", label: "frames", whole: true, highest: MOST_FRAMES, read: (rig) => rig.numFrames, write: stretched },
  {
    id: "fps",
    label: "per s",
    lowest: 0.1,
    highest: 1000,
    read: (rig) => rig.fps,
    write: (rig, fps) => ({ ...rig, fps }),
  },
  {
    id: "height",
    label: "height",
    whole: true,
    highest: MOST_PIXELS,
    read: (rig) => rig.height,
    write: (rig, height) => resized(rig, height, rig.width),
  },
  {
    id: "width",
    label: "width",
    whole: true,
    highest: MOST_PIXELS,
    read: (rig) => rig.width,
    write: (rig, width) => resized(rig, rig.height, width),
  },
];

/** Fills the panel above `more` and keeps it up to date. */
export function createPanel(store, more) {
  const fields = [];
  const pose = () => viewPose(store.view, store.ui.frame);

  const group = (legend, numbers, read, write) => {
    const made = numbers.map((number) => {
      const input = element("input", { type: "number", id: number.id, step: "any" });
      const field = { number, input, read: () => read(number) };
      fields.push(field);
      input.onchange = () => {
        const problem = complaint(number, input.value);
        if (problem) say(problem, { bad: true });
        else store.change(write(number, Number(input.value)));
        input.value = shown(field.read());
      };
      input.onkeydown = (event) => {
        const way = { ArrowUp: 1, ArrowDown: -1 }[event.key];
        if (!way) return;
        event.preventDefault();
        input.value = shown(Number(input.value) + way * (number.step ?? 1));
        input.onchange();
      };
      return element("label", {}, element("span", { textContent: number.label }), input);
    });
    return element("fieldset", { className: made.length === 4 ? "two" : "" }, element("legend", { textContent: legend }), ...made);
  };

  const name = element("input", { id: "name", type: "text", maxLength: 60 });
  name.onchange = () => {
    const text = name.value.trim();
    const taken = store.rig.views.some((view) => view.id !== store.ui.selected && view.name === text);
    if (text && !taken) return store.change(renamed(store.rig, store.ui.selected, text));
    say(text ? `Another camera is named ${text}.` : "A camera needs a name.", { bad: true });
    name.value = store.view.name;
  };
  const key = element("p", { className: "hint", id: "key-state" });
  const camera = Object.entries(CAMERA).map(([legend, numbers]) =>
    group(
      legend,
      numbers,
      (number) => number.read(pose(), store.rig),
      (number, value) => number.write(store.rig, store.ui.selected, store.ui.frame, value, pose(), store.ui),
    ),
  );
  const clip = group(
    "Clip and pictures",
    CLIP,
    (number) => number.read(store.rig),
    (number, value) => number.write(store.rig, value),
  );
  byId("panel").append(element("label", { className: "wide" }, element("span", { textContent: "Camera" }), name), key);
  byId("panel").append(...camera, clip, more);

  const update = () => {
    for (const { input, read } of fields) if (document.activeElement !== input) input.value = shown(read());
    if (document.activeElement !== name) name.value = store.view.name;
    key.textContent = keyState(store);
  };
  store.subscribe(update);
  update();
}

/** What an edit at this frame will change. */
function keyState({ view, ui }) {
  if (view.keys.length === 1) return "Stands still. To make it move, add a key at another frame.";
  if (ui.whole) return `Edits change all ${view.keys.length} keys.`;
  const here = view.keys.some((key) => key.frame === ui.frame);
  return here ? `Key at frame ${ui.frame}.` : `Between keys: an edit adds a key at frame ${ui.frame}.`;
}

function complaint({ label, whole, lowest = whole ? 1 : -1e9, highest = 1e9 }, text) {
  const number = Number(text);
  const kind = whole ? "a whole number" : "a number";
  if (text.trim() && number >= lowest && number <= highest && (!whole || Number.isInteger(number))) return "";
  const range = Math.abs(lowest) < 1e9 || highest < 1e9 ? ` from ${lowest} to ${highest}` : "";
  return `${label} must be ${kind}${range}, got ${text || "nothing"}.`;
}

const shown = (number) => String(Number(number.toFixed(3)) + 0);
