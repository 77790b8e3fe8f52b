// What a page asks of the server that it comes from. A page that was saved as a file has none.

export const start = JSON.parse(document.getElementById("start").textContent);

/**
 * The answer to a request: JSON, a Blob, or a Blob with a `name` for files. Refusals are errors with the server's
 * sentence; `signal` of an AbortController gives it up.
 */
export async function ask(path, body, signal) {
  let answer;
  try {
    const headers = { "Content-Type": "application/json", "Syncam-Token": start.token };
    answer = await fetch(path, { method: "POST", headers, body: JSON.stringify(body), signal });
  } catch (error) {
    throw error.name === "AbortError" ? error : new Error(start.silent);
  }
  if (answer.ok && answer.headers.get("Content-Type") !== "application/json") {
    const [, name] = answer.headers.get("Content-Disposition")?.match(/filename\*=UTF-8''(.+)/) ?? [];
    const blob = await answer.blob();
    return name === undefined ? blob : Object.assign(blob, { name: decodeURIComponent(name) });
  }
  const content = await answer.json();
  if (!answer.ok) throw new Error(content.error);
  return content;
}
