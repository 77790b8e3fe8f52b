// Import, export, save and done. Our own JSON is read and written here; every other format by the server.

import { joined } from "editor/edit.js";
import { byId, element, say } from "editor/element.js";
import { SCHEMA, contentOf, rigOf } from "editor/rig.js";
import { ask, start } from "editor/server.js";

const OWN = "syncam";

/** Wires the buttons and dialogs; returns {save}. */
export function createFiles(store) {
  const formats = [{ name: OWN, about: "our own JSON: everything, with keyframes" }, ...start.formats];
  byId("export-format").append(...formats.map(option));
  byId("import-format").append(...formats.map(option));
  byId("file").textContent = start.out ?? start.source ?? "";
  byId("save").hidden = start.out === null;
  byId("done").hidden = !start.server;
  byId("import-hint").textContent = start.server
    ? "A format of several files needs all of them. Files that name no picture size get that of this rig."
    : "This page was saved as a file and reads syncam's own JSON only; syncam rig edit reads the other formats too.";
  const about = () => (byId("export-hint").textContent = formats[byId("export-format").selectedIndex].about);
  byId("export-format").onchange = about;
  about();

  /** A task that says what went wrong. */
  const trying = (task) => async () => {
    try {
      await task();
    } catch (error) {
      say(error.message, { bad: true });
    }
  };

  const write = async () => {
    await ask("/api/save", { rig: contentOf(store.rig) });
    store.markSaved();
    say(`Saved ${start.out}.`);
  };
  const save = trying(async () => {
    if (start.out === null) await exportAs(OWN);
    else await write();
  });
  const exportAs = async (format) => {
    const content = contentOf(store.rig);
    if (format === OWN) {
      download(new Blob([`${JSON.stringify(content)}\n`], { type: "application/json" }), "rig.json");
      store.markSaved();
      return say("Exported rig.json.");
    }
    const file = await ask("/api/export", { format, rig: content });
    download(file, file.name);
    say(`Exported ${file.name}.`);
  };

  const importFiles = async (replace) => {
    const files = [...byId("import-files").files];
    if (files.length === 0) throw new Error("Choose a file to import.");
    const content = await readFiles(files, store.rig);
    const { rig, lostKeys } = rigOf({ ...content, fps: content?.fps ?? store.rig.fps });
    if (!replace) {
      for (const name of ["numFrames", "height", "width"]) {
        const [own, theirs] = [store.rig[name], rig[name]];
        if (own !== theirs) throw new Error(`To add views, ${name} must be equal: this rig has ${own}, the file ${theirs}.`);
      }
    }
    store.change(replace ? rig : joined(store.rig, rig));
    const note = lostKeys ? " Its keyframes do not say what its matrices say; the matrices were taken." : "";
    say(`${rig.views.length} camera${rig.views.length > 1 ? "s" : ""} from ${files[0].name}.${note}`);
  };

  byId("import").onclick = () => byId("import-dialog").showModal();
  byId("import-dialog").onclose = ({ target }) => {
    if (target.returnValue !== "cancel" && target.returnValue) trying(() => importFiles(target.returnValue === "replace"))();
    target.returnValue = "";
  };
  byId("export").onclick = () => byId("export-dialog").showModal();
  byId("export-dialog").onclose = ({ target }) => {
    if (target.returnValue === "export") trying(() => exportAs(byId("export-format").value))();
    target.returnValue = "";
  };
  byId("save").onclick = save;
  let warned = null;
  byId("done").onclick = trying(async () => {
    if (start.out === null && !store.isSaved && warned !== store.rig) {
      warned = store.rig;
      throw new Error("Nothing of this is in a file yet: export it first, or press Done once more to drop it.");
    }
    if (start.out !== null) await write();
    await ask("/api/done", {});
    store.markSaved();
    const closed = element("dialog", { oncancel: (event) => event.preventDefault() }, element("h2", { textContent: ended() }));
    document.body.append(closed);
    closed.showModal();
  });
  const ended = () => (start.out === null ? "" : `Saved ${start.out}. `) + "syncam rig edit has ended; close this page.";
  if (start.error) say(start.error, { bad: true });
  return { save };
}

const option = ({ name, about }) => element("option", { value: name, textContent: name, title: about });

/** The rig JSON that files hold, read here if they are ours and otherwise by the server. */
async function readFiles(files, { height, width }) {
  const format = byId("import-format").value;
  if (files.length === 1 && (format === OWN || format === "")) {
    const content = await parsed(files[0]);
    if (content?.schema === SCHEMA || format === OWN || !start.server) return content;
  }
  if (!start.server) throw new Error("Without syncam rig edit, one file of syncam's own JSON can be read at a time.");
  const sent = await Promise.all(files.map(async (file) => ({ name: file.name, base64: await base64(file) })));
  const focal = byId("import-focal").value;
  const lens = { height, width, focal_mm: focal ? Number(focal) : null };
  return ask("/api/import", { files: sent, format: format || null, ...lens });
}

async function parsed(file) {
  try {
    return JSON.parse(await file.text());
  } catch {
    if (start.server) return undefined;
    throw new Error(`${file.name} is not JSON.`);
  }
}

function base64(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(",") + 1));
    reader.onerror = () => reject(new Error(`${file.name} cannot be read.`));
    reader.readAsDataURL(file);
  });
}

function download(blob, name) {
  const link = element("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
