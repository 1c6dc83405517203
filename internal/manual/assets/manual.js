// @ts-check
// This script adds two things to a page that works without it: a search over the headings of all pages,
// and a button that copies a block of code.

const MOST = 12; // results that are shown

/** @typedef {{title: string, page: string, to: string}} Place */

/**
 * element makes an element with a text and attributes.
 * @param {string} name
 * @param {string} text
 * @param {Record<string, string>} [attributes]
 */
function element(name, text, attributes = {}) {
  const e = document.createElement(name);
  e.textContent = text;
  for (const [key, value] of Object.entries(attributes)) e.setAttribute(key, value);
  return e;
}

/**
 * find returns the places whose title and page have all words. Titles of pages come first, then titles
 * that begin with the query.
 * @param {Place[]} places
 * @param {string} query
 */
function find(places, query) {
  const wanted = query.toLowerCase().trim();
  const words = wanted.split(/\s+/).filter(Boolean);
  if (words.length === 0) return [];
  const rank = (/** @type {Place} */ p) => (p.page ? 2 : 0) + (p.title.toLowerCase().startsWith(wanted) ? 0 : 1);
  return places
    .filter((p) => words.every((w) => `${p.title} ${p.page}`.toLowerCase().includes(w)))
    .sort((a, b) => rank(a) - rank(b));
}

function search() {
  const box = document.getElementById("search");
  const query = /** @type {HTMLInputElement | null} */ (document.getElementById("query"));
  const list = document.getElementById("found");
  const count = document.getElementById("count");
  if (!box || !query || !list || !count) return;
  box.hidden = false;
  /** @type {Promise<Place[]> | null} */
  let places = null;
  const load = () => {
    places ??= fetch("search.json").then((answer) => {
      if (!answer.ok) throw new Error(String(answer.status));
      return answer.json();
    }).catch(() => { places = null; return []; });
    return places;
  };
  const show = async () => {
    const asked = query.value;
    const all = find(await load(), asked);
    if (asked !== query.value) return;
    list.replaceChildren(...all.slice(0, MOST).map((p) => {
      const link = element("a", p.title, { href: p.to });
      if (p.page) link.append(element("span", p.page));
      const row = element("li", "");
      row.append(link);
      return row;
    }));
    const none = all.length === 0 && asked.trim() !== "";
    if (none) list.append(element("li", "No heading has these words", { class: "none" }));
    list.hidden = all.length === 0 && !none;
    count.textContent = asked.trim() === "" ? "" : `${all.length} found`;
  };
  const close = () => {
    list.hidden = true;
    count.textContent = "";
  };
  query.addEventListener("focus", load);
  query.addEventListener("input", show);
  query.addEventListener("keydown", (e) => {
    if (e.key === "Enter") list.querySelector("a")?.click();
  });
  box.addEventListener("keydown", (e) => {
    if (e.key === "Escape") {
      query.value = "";
      close();
      query.focus();
    }
    const step = { ArrowDown: 1, ArrowUp: -1 }[e.key];
    const stops = [query, ...list.querySelectorAll("a")];
    const at = stops.indexOf(/** @type {any} */ (document.activeElement));
    if (step && at >= 0 && stops[at + step]) {
      e.preventDefault();
      stops[at + step].focus();
    }
  });
  list.addEventListener("click", close);
  document.addEventListener("click", (e) => {
    if (!box.contains(/** @type {Node} */ (e.target))) close();
  });
  document.addEventListener("keydown", (e) => {
    const typing = /** @type {HTMLElement} */ (e.target).closest("input, textarea, select, [contenteditable]");
    if (e.key === "/" && !typing && !e.ctrlKey && !e.metaKey && !e.altKey) {
      e.preventDefault();
      query.focus();
    }
  });
}

function copies() {
  if (!navigator.clipboard) return;
  const said = element("p", "", { class: "unseen", role: "status" });
  document.getElementById("text")?.append(said);
  for (const block of document.querySelectorAll("pre[data-language]")) {
    const button = element("button", "Copy", { type: "button", class: "copy" });
    button.addEventListener("click", async () => {
      const done = await navigator.clipboard.writeText(block.textContent || "").then(() => "Copied", () => "Not copied");
      button.textContent = said.textContent = done;
      setTimeout(() => { button.textContent = "Copy"; said.textContent = ""; }, 2000);
    });
    const frame = element("div", "", { class: "code" });
    block.replaceWith(frame);
    frame.append(block, button);
  }
}

search();
copies();
