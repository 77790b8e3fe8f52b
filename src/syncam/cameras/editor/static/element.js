// Elements of the page in one line each.

/** A new element with properties, attributes (aria-..., role, for) and children. */
export function element(tag, { style = {}, ...properties } = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in made) made[name] = value;
    else made.setAttribute(name, value);
  }
  for (const [name, value] of Object.entries(style)) made.style.setProperty(name, value);
  made.append(...children);
  return made;
}

/** The element of index.html with that id. */
export const byId = (id) => document.getElementById(id);

/** Says something to the user, in the header and to screen readers. */
export function say(text, { bad = false } = {}) {
  byId("status").textContent = text;
  byId("status").classList.toggle("bad", bad);
}
