// What is known of the scene, in words.

import { byId, element } from "editor/element.js";

/** Fills the panel with the facts of a scene. */
export function showFacts(scene) {
  const place = byId("facts");
  const rows = scene.error ? [] : factsOf(scene);
  const cells = rows.flat().map((textContent, at) => element(at % 2 ? "dd" : "dt", { textContent }));
  const caption = scene.error || scene.caption_error ? "" : scene.caption || "No caption.";
  place.replaceChildren(
    element("h2", { textContent: scene.name, title: scene.name }),
    element("p", { className: scene.caption ? "words" : "words none", textContent: caption, hidden: !caption }),
    ...[scene.caption_error, ...(scene.error ? [] : notesOf(scene))]
      .filter(Boolean)
      .map((text) => element("p", { className: "complaint", textContent: text })),
    element("dl", {}, ...cells),
  );
}

function factsOf({ views, frames, fps, rig }) {
  const seen = views.filter(({ error }) => !error);
  const rows = [["views", String(views.length)]];
  if (frames) rows.push(["frames", fps ? `${frames} at ${round(fps)} per s = ${round(frames / fps)} s` : String(frames)]);
  if (seen.length > 0) rows.push(["size", `${seen[0].height} × ${seen[0].width}`]);
  if (rig) rows.push(["lens", rig.lens], ["cameras", movement(rig.content)]);
  return rows;
}

const round = (number) => String(Math.round(number * 100) / 100);

function movement({ views }) {
  const moving = views.filter(({ c2w }) => c2w.some((pose) => String(pose) !== String(c2w[0]))).length;
  if (moving === 0) return "standing still";
  return moving === views.length ? "moving" : `${moving} moving, ${views.length - moving} standing still`;
}

/** What does not fit together, though each can be shown. */
function notesOf({ views, frames, rig }) {
  const notes = [];
  const seen = views.filter(({ error }) => !error);
  const short = seen.filter((view) => view.frames < frames);
  if (short.length > 0) notes.push(`${named(short)} ${ends(short)} before the others, which have ${frames} frames.`);
  const other = seen.filter(({ height, width }) => height !== seen[0].height || width !== seen[0].width);
  if (other.length > 0) notes.push(`${named(other)} ${other.length > 1 ? "have" : "has"} another size than ${seen[0].name}.`);
  const known = rig?.content.num_frames;
  if (known > 1 && frames > 0 && known !== frames) notes.push(`The cameras have ${known} frames, the videos ${frames}.`);
  return notes;
}

const ends = (views) => (views.length > 1 ? "end" : "ends");
const named = (views) => views.map(({ name }) => name).join(", ");
