// The list of scenes: a page of it at a time, and the search.

import { byId, element, say } from "editor/element.js";
import { ask, start } from "editor/server.js";

const PATIENCE = 250; // milliseconds after the last letter
const UNREAD = 700; // milliseconds between looks at captions that are still being read

/** {neighbour, reveal}: fills the list and calls `open` with the number of the scene that is chosen. */
export function createScenes(store, open) {
  const { state } = store;
  let shown = { scenes: [], page: 0, pages: 1, found: 0, total: start.total };
  let asked = 0;
  let later = 0;

  const load = async (page) => {
    clearTimeout(later);
    asked += 1;
    const mine = asked;
    try {
      const answer = await ask("/api/scenes", { search: byId("search").value, page });
      if (mine !== asked) return;
      shown = answer;
      draw();
      if (shown.unread > 0) later = setTimeout(() => load(page), UNREAD);
    } catch (error) {
      say(error.message, { bad: true });
    }
  };

  const draw = () => {
    const { scenes, found, total, page, pages, unread } = shown;
    byId("list").replaceChildren(...scenes.map(item));
    const all = `${total.toLocaleString("en")} scene${total === 1 ? "" : "s"}`;
    const waiting = unread > 0 ? `; ${unread.toLocaleString("en")} captions still to be read` : "";
    byId("found").textContent = byId("search").value.trim() ? `${found.toLocaleString("en")} of ${all}${waiting}` : all;
    byId("pager").hidden = pages === 1;
    byId("page").textContent = `${page + 1} of ${pages}`;
    byId("page-before").disabled = page === 0;
    byId("page-after").disabled = page + 1 >= pages;
    mark();
  };

  const item = ({ index, name }) => {
    const [, folder, last] = name.match(/^(.*\/)?([^/]*)$/);
    const parts = [element("b", { textContent: last }), element("span", { textContent: (folder ?? "").slice(0, -1) })];
    const number = element("i", { textContent: (index + 1).toLocaleString("en") });
    const button = { title: name, onclick: () => open(index) };
    return element("li", {}, element("button", button, number, element("span", {}, ...parts)));
  };

  const mark = () => {
    for (const [at, { index }] of shown.scenes.entries()) {
      const button = byId("list").children[at].firstChild;
      if (index === state.index) button.setAttribute("aria-current", "true");
      else button.removeAttribute("aria-current");
    }
    byId("list").querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
  };

  /** Opens the scene before (-1) or after (1) the open one in the list. */
  const neighbour = async (step) => {
    const at = shown.scenes.findIndex(({ index }) => index === state.index);
    let next = shown.scenes[at < 0 ? 0 : at + step];
    const page = shown.page + step;
    if (!next && page >= 0 && page < shown.pages) {
      await load(page);
      next = shown.scenes.at(step > 0 ? 0 : -1);
    }
    if (next) await open(next.index);
  };

  byId("list").style.setProperty("--digits", start.total.toLocaleString("en").length + 1);
  byId("search").oninput = () => {
    clearTimeout(later);
    later = setTimeout(() => load(0), PATIENCE);
  };
  byId("search").onkeydown = async ({ key }) => {
    if (key !== "Enter") return;
    await load(0);
    if (shown.scenes.length > 0) open(shown.scenes[0].index);
  };
  byId("page-before").onclick = () => load(shown.page - 1);
  byId("page-after").onclick = () => load(shown.page + 1);
  store.on(["index"], mark);
  return { neighbour, reveal: (index) => load(Math.floor(index / start.page_size)) };
}
