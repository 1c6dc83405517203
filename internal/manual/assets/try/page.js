// @ts-check
// This page shows the routes of the OpenAPI document, and sends requests to them. The key that it sends
// is in a variable of this page and nowhere else: not in storage, not in a URL, not in a cookie.

import { h, render } from "../vendor/preact.js";
import { useEffect, useState } from "../vendor/hooks.js";
import htm from "../vendor/htm.js";
import { Operation } from "./operation.js";

/** @typedef {import("./document.js").Document} Document */

const html = htm.bind(h);
const METHODS = ["get", "post", "put", "patch", "delete"];
const DOCUMENT = new URL("../openapi.json", document.baseURI);

/** operations lists the operations of a tag. @param {Document} doc @param {string} tag */
function operations(doc, tag) {
  return Object.entries(doc.paths).flatMap(([path, item]) => METHODS
    .filter((method) => item[method]?.tags.includes(tag))
    .map((method) => ({ ...item[method], method, path })));
}

/**
 * values are what earlier answers have shown, by the name of a path parameter. The next request is
 * about the same key, user or plan.
 * @param {string} path of the request
 * @param {any} answer
 * @returns {Record<string, string>}
 */
function values(path, answer) {
  const all = /** @type {Record<string, string>} */ ({});
  if (typeof answer?.id === "string" && path.includes("/api-keys")) all.id = answer.id;
  if (typeof answer?.userId === "string") all.userId = answer.userId;
  if (typeof answer?.name === "string" && path.includes("/plans/")) all.name = answer.name;
  return all;
}

/** @param {{doc: Document, base: string}} props base: the URL of the API, without a slash at its end */
function Routes({ doc, base }) {
  const [key, setKey] = useState("");
  const [filter, setFilter] = useState("");
  const [known, setKnown] = useState(/** @type {Record<string, string>} */ ({}));
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  const groups = doc.tags
    .map((tag) => ({
      ...tag,
      all: operations(doc, tag.name).filter((o) => words.every((w) => `${o.method} ${o.path} ${o.summary}`.toLowerCase().includes(w))),
    }))
    .filter((tag) => tag.all.length > 0);
  return html`
    <form class="credentials" autocomplete="off" onSubmit=${(/** @type {Event} */ e) => e.preventDefault()}>
      <div class="field">
        <label for="key">API key</label>
        <input id="key" type="password" autocomplete="off" spellcheck=${false} aria-describedby="key-hint"
          value=${key} onInput=${(/** @type {any} */ e) => setKey(e.target.value.trim())} />
        <p class="hint" id="key-hint">A key, or a user's JSON Web Token. It stays in the memory of this page and is sent to
          <code>${base}</code> alone. Requests are real: they change keys, and they count.</p>
      </div>
      <div class="field">
        <label for="filter">Show routes with</label>
        <input id="filter" type="search" autocomplete="off" value=${filter} onInput=${(/** @type {any} */ e) => setFilter(e.target.value)} />
      </div>
    </form>
    ${groups.length === 0 && html`<p role="status">No route has these words.</p>`}
    ${groups.map((tag) => html`<section key=${tag.name} aria-labelledby=${"tag-" + tag.name}>
      <h2 id=${"tag-" + tag.name}>${tag.name}</h2>
      <p>${tag.description}</p>
      ${tag.all.map((o) => html`<${Operation} key=${o.operationId} doc=${doc} base=${base} operation=${o} token=${key} known=${known}
        onAnswer=${(/** @type {any} */ answer) => setKnown((was) => ({ ...was, ...values(o.path, answer) }))} />`)}
    </section>`)}
    <p class="hint">Made from <a href=${DOCUMENT.href}>openapi.json</a>, which also works in other tools. <a href="http-api">HTTP API</a>
      has the same as text.</p>`;
}

/** @param {{base: string}} props */
function App({ base }) {
  const [doc, setDoc] = useState(/** @type {Document | null} */ (null));
  const [error, setError] = useState("");
  const load = () => {
    setError("");
    fetch(DOCUMENT, { credentials: "omit" })
      .then((answer) => (answer.ok ? answer.json() : Promise.reject(new Error(`the status is ${answer.status}`))))
      .then(setDoc, (e) => setError(String(e.message || e)));
  };
  useEffect(load, []);
  if (error) {
    return html`<div class="problem" role="alert"><p><strong>The OpenAPI document cannot be read.</strong> ${DOCUMENT.pathname}: ${error}</p>
      <button type="button" onClick=${load}>Try again</button></div>`;
  }
  return doc ? html`<${Routes} doc=${doc} base=${base} />` : html`<p role="status">Loading…</p>`;
}

const place = document.getElementById("try");
if (place) {
  place.replaceChildren();
  render(html`<${App} base=${new URL(place.dataset.base || "../", document.baseURI).href.replace(/\/$/, "")} />`, place);
}
