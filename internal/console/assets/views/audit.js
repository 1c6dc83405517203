// @ts-check
// What was done to all keys, users and plans, by whom and from where.

import { call } from "../api.js";
import { Field, Loading, Problem, announce, html, useEffect, useState } from "../ui.js";
import { ACTIONS, Entry } from "./trail.js";
import { useTyped } from "./filters.js";

const PAGE = 50;

/** @param {{params: URLSearchParams}} props */
export function Audit({ params }) {
  const [user, filterUser] = useState(params.get("user") || "");
  const [action, filterAction] = useState("");
  const [typed, type] = useTyped(user, (text) => filterUser(text.trim()));
  const [shown, show] = useState(/** @type {{entries: any[], cursor: string} | null} */ (null));
  const [error, fail] = useState(/** @type {any} */ (null));
  const [round, again] = useState(0);
  const [busy, work] = useState(false);
  /** @param {string} cursor @param {AbortSignal} [signal] */
  const load = async (cursor, signal) => {
    work(true);
    fail(null);
    try {
      const { data } = await call("GET", "api/v1/audit", { query: { userId: user || "*", action, limit: PAGE, cursor }, signal });
      if (signal?.aborted) return;
      show((was) => ({ entries: [...(cursor && was ? was.entries : []), ...data.data], cursor: data.nextCursor || "" }));
      announce(`${data.data.length} audit entries`);
    } catch (problem) {
      if (!signal?.aborted) fail(problem);
    }
    if (!signal?.aborted) work(false);
  };
  useEffect(() => {
    const stop = new AbortController();
    load("", stop.signal);
    return () => stop.abort();
  }, [user, action, round]);
  const filtered = user !== "" || action !== "";
  return html`<div class="head"><h1>Audit</h1></div>
    <form class="filters two" role="search" onSubmit=${(/** @type {Event} */ e) => e.preventDefault()}>
      <${Field} label="User" name="user"><input type="search" placeholder="All users" autocomplete="off" spellcheck=${false} maxlength="128"
        value=${typed} onInput=${(/** @type {any} */ e) => type(e.target.value)} /><//>
      <${Field} label="Action" name="action"><select value=${action} onChange=${(/** @type {any} */ e) => filterAction(e.target.value)}>
        <option value="">All actions</option>${Object.entries(ACTIONS).map(([name, text]) => html`<option value=${name}>${text}</option>`)}</select><//>
      <button type="button" onClick=${() => again(round + 1)}>Refresh</button>
    </form>
    ${error && html`<${Problem} error=${error} onRetry=${() => again(round + 1)} />`}
    ${!shown && busy && html`<${Loading} what="the audit trail" />`}
    ${shown && shown.entries.length > 0 && html`<ol class="trail" aria-busy=${busy ? "true" : undefined}>
      ${shown.entries.map((e) => html`<${Entry} key=${e.at + e.keyId + e.action} entry=${e} named />`)}</ol>`}
    ${shown && !shown.entries.length && !error && html`<div class="empty"><p>${
      shown.cursor ? "These pages have no entry that matches." : filtered ? "No entry matches these filters." : "Nothing was changed yet."}</p></div>`}
    ${shown?.cursor && html`<p class="pages"><button type="button" aria-disabled=${busy ? "true" : undefined} onClick=${() => busy || load(shown.cursor)}>Older entries</button></p>`}`;
}
