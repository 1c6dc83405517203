// @ts-check
// The keys that are nearest their limits now. The list is read again every few seconds.

import { call } from "../api.js";
import { Loading, Problem, Time, html, number, useEffect, useState } from "../ui.js";
import { bound } from "../chart.js";
import { useSession } from "../session.js";
import { boundsOf, pace, usePoll } from "./live.js";

const MOST = 25;

/** tightest returns the limit or quota of which the largest share is used. @param {any} record */
function tightest(record) {
  const share = (/** @type {any} */ b) => (b.amount > 0 ? b.used / b.amount : 1);
  return boundsOf(record).sort((a, b) => share(b) - share(a))[0];
}

export function Limits() {
  const { who } = useSession();
  const [keys, show] = useState(/** @type {any[] | null} */ (null));
  const [error, fail] = useState(/** @type {any} */ (null));
  const seconds = pace(who);
  const read = async () => {
    try {
      const { data } = await call("GET", "api/v1/api-keys", { query: { userId: "*", sort: "spent", status: "active", limit: MOST } });
      show(data.data);
      fail(null);
    } catch (/** @type {any} */ problem) {
      fail(problem);
      if ([401, 403, 400].includes(problem.status)) return 0;
      return Math.max(2 * seconds, problem.retryAfter || 0);
    }
    return seconds;
  };
  useEffect(() => { read(); }, []);
  usePoll(read, seconds, keys !== null);
  const rows = (keys || []).map((k) => ({ k, b: tightest(k) })).filter(({ b }) => b);
  return html`<div class="head"><h1>Limits</h1></div>
    <p class="quietly">The active keys that have used most of a limit or a quota, now. Read again every ${seconds} seconds.</p>
    ${error && html`<${Problem} error=${error} onRetry=${read} />`}
    ${!keys && !error && html`<${Loading} what="limits" />`}
    ${keys && rows.length === 0 && !error && html`<div class="empty"><p>No active key has a limit.</p></div>`}
    ${rows.length > 0 && html`<table class="keys near" role="table"><caption class="unseen">Keys nearest their limits</caption>
      <thead role="rowgroup"><tr role="row">${["Name", "Owner", "Tightest limit", "Used", "Left", "Full again", "Last used"].map((t) => html`<th role="columnheader" scope="col">${t}</th>`)}</tr></thead>
      <tbody role="rowgroup">${rows.map(({ k, b }) => html`<${Row} key=${k.id} k=${k} b=${b} />`)}</tbody></table>`}`;
}

/** @param {{k: any, b: any}} props */
function Row({ k, b }) {
  const share = b.amount > 0 ? Math.min(1, b.used / b.amount) : 1;
  const style = share >= 1 ? " spent" : share >= 0.8 ? " near" : "";
  /** @param {string} label @param {any} content @param {string} [cell] */
  const cell = (label, content, cell = "") => html`<td role="cell" class=${cell} data-label=${label}>${content}</td>`;
  return html`<tr role="row">
    <th role="rowheader" scope="row" class="name"><a href=${"#/keys/" + encodeURIComponent(k.id)}><bdi>${k.name || "(no name)"}</bdi></a></th>
    ${cell("Owner", html`<bdi title=${k.userId}>${k.userId}</bdi>`, "owner")}
    ${cell("Tightest limit", html`${bound(b)}${b.of === "user" ? ", of all keys of the user" : ""}`)}
    ${cell("Used", html`<span class="figure">${Math.floor(share * 100)} %</span>
      <svg class=${"limit" + style} viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true"><rect class="all" width="100" height="4" /><rect width=${share * 100} height="4" /></svg>`, "share")}
    ${cell("Left", number(b.remaining), "figure")}
    ${cell("Full again", b.used > 0 && b.reset ? html`<${Time} at=${new Date(b.reset * 1000).toISOString()} />` : html`<span class="none">–</span>`, "time")}
    ${cell("Last used", html`<${Time} at=${k.lastUsedAt} />`, "time")}
  </tr>`;
}
