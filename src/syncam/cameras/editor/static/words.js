// Rigs in words, such as arc:views=2,move=30: the server reads them, so that they mean what they mean everywhere else.

import { joined } from "editor/edit.js";
import { element, say } from "editor/element.js";
import { rigOf } from "editor/rig.js";
import { ask, start } from "editor/server.js";

/** The fields for rigs in words. */
export function createWords(store) {
  const text = element("input", { type: "text", id: "words", spellcheck: false, placeholder: "arc:views=2,move=30" });
  text.setAttribute("aria-label", "Rig in words");
  const button = (id, label, title, replace) =>
    element("button", { id, textContent: label, title, onclick: () => apply(replace) });
  const preset = element("select", { id: "preset", "aria-label": "Preset" });
  preset.append(element("option", { value: "", textContent: "presets\u2026" }));
  preset.append(...start.words.map(({ spec, about }) => element("option", { value: spec, textContent: spec, title: about })));
  preset.onchange = () => {
    if (preset.value) text.value = preset.value;
    preset.value = "";
  };
  text.onkeydown = (event) => {
    if (event.key === "Enter") apply(true);
  };

  const apply = async (replace) => {
    const { numFrames, height, width, fps } = store.rig;
    try {
      const content = await ask("/api/rig", { spec: text.value, num_frames: numFrames, height, width });
      const { rig } = rigOf({ ...content, fps });
      store.change(replace ? rig : joined(store.rig, rig));
      say(`${rig.views.length} camera${rig.views.length > 1 ? "s" : ""} from ${text.value}.`);
    } catch (error) {
      say(error.message, { bad: true });
    }
  };

  const box = element("fieldset", { className: "words" }, element("legend", { textContent: "Rig in words" }));
  box.append(text, preset, button("words-replace", "Replace rig", "Replace all cameras by these", true));
  box.append(button("words-add", "Add views", "Add these cameras to the rig", false));
  if (!start.server) {
    const hint = "This page was saved as a file, and only Python reads rigs in words. Run syncam rig edit to use them.";
    box.disabled = true;
    box.append(element("p", { className: "hint", textContent: hint }));
  }
  return box;
}
