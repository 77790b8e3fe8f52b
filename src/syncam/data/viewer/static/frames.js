// The pictures of a scene's frames: asked for in chunks, kept as files, and decoded shortly before they are shown.
//
// The server decodes videos, so that a frame is known by its number and not by the time that a player has reached.

import { ask, start } from "editor/server.js";

const CHUNK = start.most_frames;
const AT_ONCE = 4; // requests
const AROUND = 6; // chunks that are loaded after the one that is shown, and kept before and after it
const DECODED = 4; // frames that are decoded ahead

/**
 * {get, want, show, loaded, close}: `want` loads what is needed from a frame on, `get` has the pictures of a frame, one
 * {picture, tint, error} for each view, or undefined until all of them are here. `changed` is called when more are.
 */
export function createFrames(scene, changed) {
  const giveUp = new AbortController();
  const chunks = Math.ceil(scene.frames / CHUNK);
  const layers = new Map();
  const decoded = new Map();
  const glances = scene.views.flatMap(({ frames, error }, view) => (frames > 1 && !error ? [{ view, first: 0, count: 1 }] : []));
  let current = 0;
  let label = null;
  let running = 0;
  let closed = false;

  const layerOf = (name) => {
    if (!layers.has(name)) layers.set(name, scene.views.map(() => ({ files: new Map(), asked: new Set(), failed: new Map() })));
    return layers.get(name);
  };
  const active = () => (label === null ? [null] : [null, label]);
  const chunkOf = (frame) => Math.floor(frame / CHUNK);

  /** A file, an error, or undefined while it is not here. */
  const fileOf = (name, view, frame) => {
    const { name: called, frames, error } = scene.views[view];
    if (error) return new Error(error);
    if (frame >= frames) return new Error(`${called} ends after ${frames} frames.`);
    const { files, failed } = layerOf(name)[view];
    return files.get(frame) ?? failed.get(chunkOf(frame));
  };

  const isHere = (frame) =>
    active().every((name) => scene.views.every((_, view) => fileOf(name, view, frame) !== undefined));

  const get = (frame) => {
    if (decoded.has(frame)) return decoded.get(frame).pictures;
    if (!isHere(frame)) return undefined;
    const entry = { pictures: undefined };
    decoded.set(frame, entry);
    Promise.all(scene.views.map((_, view) => decode(view, frame))).then((pictures) => {
      if (decoded.get(frame) !== entry) return release(pictures);
      entry.pictures = pictures;
      changed();
    });
    return undefined;
  };

  const decode = async (view, frame) => {
    const files = active().map((name) => fileOf(name, view, frame));
    const [picture, tint] = await Promise.all(files.map((file) => (file instanceof Blob ? createImageBitmap(file) : null)));
    return { picture, tint: tint ?? null, error: files.find((file) => file instanceof Error)?.message ?? null };
  };

  const release = (pictures) => pictures?.forEach(({ picture, tint }) => [picture, tint].forEach((one) => one?.close()));

  const want = (frame) => {
    current = frame;
    const soon = Array.from({ length: DECODED + 1 }, (_, step) => (frame + step) % scene.frames);
    for (const [other, { pictures }] of decoded) {
      if (soon.includes(other)) continue;
      decoded.delete(other);
      release(pictures);
    }
    soon.forEach(get);
    if (chunks > 2 * AROUND + 1) forget();
    pump();
  };

  /** Of long videos, what is far from the frame that is shown. */
  const forget = () => {
    const isFar = (chunk) => Math.abs(chunk - chunkOf(current)) > AROUND;
    for (const view of [...layers.values()].flat()) {
      for (const frame of view.files.keys()) if (isFar(chunkOf(frame))) view.files.delete(frame);
      for (const chunk of view.asked) if (isFar(chunk)) view.asked.delete(chunk);
    }
  };

  const pump = () => {
    while (running < AT_ONCE && !closed) {
      const job = glances.length > 0 ? { ...glances.shift(), name: null } : nextChunk();
      if (!job) return;
      running += 1;
      load(job).finally(() => {
        running -= 1;
        if (closed) return;
        pump();
        changed();
      });
    }
  };

  const nextChunk = () => {
    for (let step = 0; step <= Math.min(AROUND, chunks - 1); step += 1) {
      const chunk = (chunkOf(current) + step) % chunks;
      for (const name of active()) {
        for (const [view, { asked }] of layerOf(name).entries()) {
          const { frames, error } = scene.views[view];
          const count = Math.min(CHUNK, frames - chunk * CHUNK);
          if (asked.has(chunk) || error || count < 1) continue;
          asked.add(chunk);
          return { name, view, first: chunk * CHUNK, count };
        }
      }
    }
    return undefined;
  };

  const load = async ({ name, view, first, count }) => {
    const { files, failed } = layerOf(name)[view];
    try {
      const body = { scene: scene.index, view, first, count, label: name };
      const answer = await ask("/api/frames", body, giveUp.signal);
      (await split(answer, name === null ? "image/jpeg" : "image/png")).forEach((file, at) => files.set(first + at, file));
    } catch (error) {
      failed.set(chunkOf(first), error);
    }
  };

  return {
    get,
    want,
    /** Has the pictures with labels over them from now on; null: without. */
    show(name) {
      label = name;
      decoded.forEach(({ pictures }) => release(pictures));
      decoded.clear();
    },
    /** For every chunk, whether all that is shown of it is here. */
    loaded: () =>
      Array.from({ length: chunks }, (_, chunk) => isHere(Math.min((chunk + 1) * CHUNK, scene.frames) - 1)),
    close() {
      closed = true;
      giveUp.abort();
      this.show(null);
    },
  };
}

/** The files that stand one after another behind a line with their lengths. */
async function split(blob, type) {
  const head = await blob.slice(0, 16 * CHUNK).text();
  const end = head.indexOf("\n");
  let at = end + 1;
  return JSON.parse(head.slice(0, end)).map((length) => blob.slice(at, (at += length), type));
}
