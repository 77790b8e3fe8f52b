// What the page asks of `syncam rig edit`. A page that was saved as a file has no server: `start.server` is false.

export const start = JSON.parse(document.getElementById("start").textContent);

/** The answer to a request: JSON, or a Blob with a `name` for files. Refusals are errors with the server's sentence. */
export async function ask(path, body) {
  let answer;
  try {
    const headers = { "Content-Type": "application/json", "Syncam-Token": start.token };
    answer = await fetch(path, { method: "POST", headers, body: JSON.stringify(body) });
  } catch {
    throw new Error("syncam rig edit does not answer; it may have ended. Export as syncam to keep your work.");
  }
  if (answer.ok && answer.headers.get("Content-Type") !== "application/json") {
    const [, name] = answer.headers.get("Content-Disposition").match(/filename\*=UTF-8''(.+)/);
    return Object.assign(await answer.blob(), { name: decodeURIComponent(name) });
  }
  const content = await answer.json();
  if (!answer.ok) throw new Error(content.error);
  return content;
}
