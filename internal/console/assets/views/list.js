// @ts-check
// This view lists keys. Its filters and its place stay in memory while another view is shown.

import { call } from "../api.js";
import {
  Badge, Loading, Pages, Problem, Spark, Time, announce, html, useEffect, useLayoutEffect, useLoad, useRef, useState,
} from "../ui.js";
import { useSession } from "../session.js";
import { Create } from "./create.js";
import { RevokeAll } from "./revokeall.js";
import { Filters, NO_FILTERS, filtered, query } from "./filters.js";

const PAGE = 50;
const DAY = 86_400_000;

/** What stays while another view is shown: filters, cursors of the pages up to this one, and its keys. */
const kept = { filters: NO_FILTERS, at: 0, cursors: [""], data: /** @type {any} */ (null), scroll: 0, opened: "" };

/** forgetList makes the next list begin anew. It must be called when the caller signs out. */
export function forgetList() {
  Object.assign(kept, { filters: NO_FILTERS, at: 0, cursors: [""], data: null, scroll: 0, opened: "" });
}

/** useKept is useState for a part of what stays. @param {"filters" | "cursors"} name @returns {[any, (value: any) => void]} */
function useKept(name) {
  const [value, set] = useState(/** @type {any} */ (kept[name]));
  return [value, (next) => {
    kept[name] = next;
    set(next);
  }];
}

/** usePlace restores where the page was scrolled to, and which key had the focus. */
function usePlace() {
  useLayoutEffect(() => {
    scrollTo(0, kept.scroll);
    const link = /** @type {any} */ (document.querySelector(`a[data-id="${CSS.escape(kept.opened)}"]`));
    link?.focus({ preventScroll: true });
    kept.opened = "";
    const follow = () => { kept.scroll = scrollY; };
    addEventListener("scroll", follow, { passive: true });
    return () => removeEventListener("scroll", follow);
  }, []);
}

/** @param {{params: URLSearchParams}} props */
export function List({ params }) {
  const session = useSession();
  const [filters, setFilters] = useKept("filters");
  const [cursors, setCursors] = useKept("cursors");
  const [open, show] = useState(/** @type {"" | "create" | "revoke"} */ (""));
  const [done, report] = useState("");
  const top = useRef(/** @type {any} */ (null));
  usePlace();
  /** @param {any} changed */
  const change = (changed) => {
    setFilters({ ...filters, ...changed, since: Date.now() });
    setCursors([""]);
    report("");
  };
  const owner = params.get("owner");
  useEffect(() => { if (owner && session.admin) change({ owner }); }, [owner]);
  const cursor = cursors.at(-1);
  const { data = kept.data, error, busy, reload } = useLoad(async (signal) => {
    const answer = await call("GET", "api/v1/api-keys",
      { query: { ...query(filters, session), limit: PAGE, cursor, include: "usage" }, signal });
    kept.data = answer.data;
    const { length } = answer.data.data;
    announce(`${length === 1 ? "1 key" : length + " keys"}, page ${cursors.length}`);
    return answer.data;
  }, [filters, cursor]);
  /** @param {string[]} to */
  const turn = (to) => {
    setCursors(to);
    top.current?.scrollIntoView();
  };
  const keys = data?.data || [];
  return html`
    <div class="head" ref=${top}><h1>Keys</h1>
      ${session.write && html`<button type="button" class="primary" onClick=${() => show("create")}>Create key</button>`}</div>
    <${Filters} filters=${filters} onChange=${change} session=${session} onReload=${reload} />
    ${session.admin && filters.owner && html`<p class="bulk"><span>Keys of <strong><bdi>${filters.owner}</bdi></strong></span>
      <button type="button" class="danger" onClick=${() => show("revoke")}>Revoke all keys of this user…</button></p>`}
    ${done && html`<p class="notice" role="status">${done}</p>`}
    ${error && html`<${Problem} error=${error} onRetry=${reload} />`}
    ${!data && busy && html`<${Loading} what="keys" />`}
    ${data && keys.length > 0 && html`<${Table} keys=${keys} busy=${busy} owners=${session.admin || session.who.teams?.length > 0} />`}
    ${data && keys.length === 0 && !error && html`<${Empty} filtered=${filtered(filters)} more=${!!data.nextCursor || cursors.length > 1} write=${session.write}
      onClear=${() => change(NO_FILTERS)} onCreate=${() => show("create")} />`}
    <${Pages} cursors=${cursors} next=${data?.nextCursor} busy=${busy} onTurn=${turn} />
    ${open === "create" && html`<${Create} userId=${filters.owner} onClose=${(/** @type {boolean} */ created) => {
      show("");
      if (created) reload();
    }} />`}
    ${open === "revoke" && html`<${RevokeAll} userId=${filters.owner} own=${filters.owner === session.owner}
      onClose=${() => { show(""); reload(); }} onDone=${report} />`}`;
}

/** @param {{filtered: boolean, more: boolean, write: boolean, onClear: () => void, onCreate: () => void}} props */
function Empty({ filtered, more, write, onClear, onCreate }) {
  if (filtered || more) {
    return html`<div class="empty"><p>${more ? "This page has no key that matches." : "No key matches these filters."}</p>
      ${filtered && html`<button type="button" onClick=${onClear}>Clear the filters</button>`}</div>`;
  }
  return html`<div class="empty"><h2>There are no keys yet</h2>
    ${write ? html`<p>Create a key, and give its token to the program that calls your API.
        The program sends it as <code>X-API-Key</code> or as <code>Authorization: Bearer</code>.</p>
      <button type="button" class="primary" onClick=${onCreate}>Create the first key</button>`
      : html`<p>You may read keys, but not create them. Ask an admin for a key with <code>keys:write</code>.</p>`}</div>`;
}

/** @param {{keys: any[], busy: boolean, owners: boolean}} props */
function Table({ keys, busy, owners }) {
  return html`<table class="keys" role="table" aria-busy=${busy ? "true" : undefined}>
    <caption class="unseen">API keys</caption>
    <thead role="rowgroup"><tr role="row">${["Name", "Token", owners && "Owner", "Status", "Scopes", "Created", "Last used", "Expires", "30 days"].map((title) =>
      title && html`<th role="columnheader" scope="col">${title}</th>`)}</tr></thead>
    <tbody role="rowgroup">${keys.map((k) => html`<${Row} key=${k.id} k=${k} owners=${owners} />`)}</tbody>
  </table>`;
}

/** @param {{k: any, owners: boolean}} props */
function Row({ k, owners }) {
  const now = Date.now();
  const soon = k.status === "active" && k.expiresAt && Date.parse(k.expiresAt) - now < 7 * DAY;
  const rotating = k.previousKeyValidUntil && Date.parse(k.previousKeyValidUntil) > now;
  /** @param {string} label @param {string} style @param {any} content */
  const cell = (label, style, content) => html`<td role="cell" class=${style} data-label=${label}>${content}</td>`;
  return html`<tr role="row">
    <th role="rowheader" scope="row" class="name"><a href=${"#/keys/" + encodeURIComponent(k.id)} data-id=${k.id}
      onClick=${() => { kept.opened = k.id; }}><bdi>${k.name || "(no name)"}</bdi></a></th>
    ${cell("Token", "mono token", k.keyPrefix ? k.keyPrefix + "…" : html`<span class="none">imported</span>`)}
    ${owners && cell("Owner", "owner", html`<bdi title=${k.userId}>${k.userId}</bdi>`)}
    ${cell("Status", "status", html`<${Badge} status=${k.status} />${k.environment === "test" && html` <span class="badge">Test</span>`}
      ${soon && html` <${Badge} status="expiring" />`}${rotating && html` <${Badge} status="rotating" />`}`)}
    ${cell("Scopes", "scopes", html`<${Scopes} scopes=${k.scopes} />`)}
    ${cell("Created", "time", html`<${Time} at=${k.createdAt} />`)}
    ${cell("Last used", "time", html`<${Time} at=${k.lastUsedAt} none=${k.lastUsedAt === undefined ? "–" : "never"} />`)}
    ${cell("Expires", "time", html`<${Time} at=${k.expiresAt} />`)}
    ${cell("30 days", "usage", html`<${Spark} data=${k.usage} />`)}
  </tr>`;
}

/** @param {{scopes: string[]}} props */
function Scopes({ scopes }) {
  if (!scopes.length) return html`<span class="none">none</span>`;
  return html`<span title=${scopes.join(", ")}>${scopes.slice(0, 2).map((s) => html`<code>${s}</code> `)}
    ${scopes.length > 2 && html`<span class="none">+${scopes.length - 2}<span class="unseen"> more: ${scopes.slice(2).join(", ")}</span></span>`}</span>`;
}
