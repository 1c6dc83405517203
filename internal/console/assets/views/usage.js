// @ts-check
// The requests of a key on each day, and those that were refused.
import { html, useState, Bars, Loading, Problem, number, useLoad } from "../ui.js";
import { call } from "../api.js";

/** The codes of refusals in words. @type {Record<string, string>} */
const REFUSALS = {
  rate_limited: "rate limit", quota_exceeded: "quota", insufficient_scope: "scope", address_not_allowed: "address",
  expired_key: "expired", disabled_key: "disabled", revoked_key: "revoked", inactive_key: "not yet active",
  idle_key: "idle", wrong_environment: "environment", user_suspended: "user suspended", cost_above_limit: "cost above limit",
};

/** @param {number} days @returns {{from: string, to: string}} the last days, in UTC */
function lastDays(days) {
  const day = (back) => new Date(Date.now() - back * 86400e3).toISOString().slice(0, 10);
  return { from: day(days - 1), to: day(0) };
}

/** @param {{data: any[]}} answer @returns {[string, number][]} the refused requests by code, the most first */
function refusals({ data }) {
  /** @type {Record<string, number>} */
  const all = {};
  for (const day of data) for (const [code, n] of Object.entries(day.refused ?? {})) all[code] = (all[code] ?? 0) + n;
  return Object.entries(all).sort((a, b) => b[1] - a[1]);
}

/** @param {{id: string, unlimited?: boolean}} props */
export function Usage({ id, unlimited }) {
  const [days, setDays] = useState(30);
  const { data: answer, error, reload } = useLoad(
    (signal) => call("GET", `api/v1/api-keys/${encodeURIComponent(id)}/usage`, { query: lastDays(days), signal }), [id, days]);
  const refused = answer ? refusals(answer.data) : [];
  return html`<section aria-labelledby="usage-title">
    <header class="head"><h2 id="usage-title">Usage</h2>
      <div class="switch" role="group" aria-label="Days">${[30, 90].map((n) => html`<button type="button" key=${n} aria-pressed=${n === days ? "true" : "false"} onClick=${() => setDays(n)}>${n} days</button>`)}
      </div></header>
    ${error && html`<${Problem} error=${error} onRetry=${reload} />`}
    ${!answer && !error && html`<${Loading} what="usage" />`}
    ${answer && html`
      <${Bars} data=${answer.data.data} label=${`Requests on each of the last ${days} days`} />
      <p class="hint">${refused.length > 0 && html`<span class="swatch"></span>Refused, at least: ${refused.map(([code, n]) => `${number(n)} ${REFUSALS[code] ?? code}`).join(", ")}. `}Days end at midnight UTC.
        ${unlimited && " Requests of an unlimited key are counted only while its plan or its user bounds it."}</p>`}
  </section>`;
}
