// @ts-check
// The audit trail of a key: who changed what, when and from where.
import { html, useEffect, useState, Loading, Problem, Time } from "../ui.js";
import { call } from "../api.js";
import { describe } from "./words.js";

/** What each action did, in words. @type {Record<string, string>} */
export const ACTIONS = {
  create: "created the key", import: "imported the key", update: "changed the key", rotate: "rotated the key",
  "end-grace": "ended the grace period", revoke: "revoked the key", "revoke-token": "revoked a token that was found",
  delete: "deleted the key", add_credits: "added credits", transfer: "moved the key to another user",
  set_user: "set the user", suspend: "suspended the user", resume: "resumed the user", set_plan: "set the plan",
};

/** The fields of an entry in words. @type {Record<string, string>} */
const LABELS = {
  name: "Name", userId: "Owner", description: "Description", scopes: "Scopes", plan: "Plan", rateLimit: "Rate limit",
  limits: "Further limits", quota: "Quota", unlimited: "Unlimited", allowedCidrs: "Allowed networks", metadata: "Metadata",
  enabled: "Enabled", notBefore: "Works from", expiresAt: "Expires", revokedAt: "Revoked", revocationReason: "Reason", revocationSource: "Found at", environment: "Environment",
  previousKeyValidUntil: "Older token works until", tokens: "Tokens that work", endedTokens: "Tokens ended", shared: "Shared limits",
  sharesDefault: "Shares the default limit", publicKeys: "Public keys",
};

/** @param {{id: string, round: unknown}} props round: the entries are read anew when it changes */
export function Trail({ id, round }) {
  const [entries, setEntries] = useState(/** @type {any[] | null} */ (null));
  const [cursor, setCursor] = useState("");
  const [error, setError] = useState(/** @type {any} */ (null));
  const [again, setAgain] = useState(0);
  const load = async (from, signal) => {
    setError(null);
    try {
      const { data } = await call("GET", `api/v1/api-keys/${encodeURIComponent(id)}/audit`, { query: { limit: 20, cursor: from }, signal });
      if (signal?.aborted) return;
      setEntries((all) => [...(from && all ? all : []), ...data.data]);
      setCursor(data.nextCursor ?? "");
    } catch (e) {
      if (!signal?.aborted) setError(e);
    }
  };
  useEffect(() => {
    const stop = new AbortController();
    load("", stop.signal);
    return () => stop.abort();
  }, [id, round, again]);
  return html`<section aria-labelledby="trail-title">
    <header class="head"><h2 id="trail-title">Audit trail</h2></header>
    ${!entries && !error && html`<${Loading} what="the audit trail" />`}
    ${entries && html`<ol class="trail">${entries.map((e, i) => html`<${Entry} key=${e.at + i} entry=${e} />`)}</ol>`}
    ${error && html`<${Problem} error=${error} onRetry=${() => setAgain(again + 1)} />`}
    ${cursor && html`<button type="button" onClick=${() => load(cursor, new AbortController().signal)}>Older entries</button>`}
  </section>`;
}

/**
 * Entry shows one audit entry.
 * @param {{entry: any, named?: boolean}} props named: whether it names the key, user or plan that was changed
 */
export function Entry({ entry, named }) {
  const changes = Object.entries(entry.changes ?? {});
  const created = entry.action === "create" || entry.action === "import";
  return html`<li>
    <p><strong><${Actor} actor=${entry.actor} /></strong> ${ACTIONS[entry.action] ?? entry.action}${named && html` <${Subject} id=${entry.keyId} />`}
      <span class="quietly"> · <${Time} at=${entry.at} exact />${entry.sourceIp && html` · from <code>${entry.sourceIp}</code>`}</span></p>
    ${entry.flaw && html`<p class="error">This entry does not fit the trail: ${entry.flaw}</p>`}
    ${changes.length > 0 && html`<${created ? Folded : "div"}><dl class="changes">
      ${changes.map(([name, c]) => html`<div key=${name}><dt>${LABELS[name] ?? name}</dt>
        <dd>${created ? html`<bdi>${describe(name, c.after)}</bdi>` : html`<del><bdi>${describe(name, c.before)}</bdi></del> <span class="unseen">became</span><span aria-hidden="true">→</span> <ins><bdi>${describe(name, c.after)}</bdi></ins>`}</dd></div>`)}
    </dl><//>`}
  </li>`;
}

/** @param {{children?: any}} props */
function Folded({ children }) {
  return html`<details><summary>With these fields</summary>${children}</details>`;
}

/** @param {{actor: {type: string, id: string, name?: string}}} props */
function Actor({ actor }) {
  if (actor.type === "scanner") return html`The leak scanner of ${actor.id}`;
  if (actor.type === "token") return html`Someone with a token of the key`;
  if (actor.type === "cli") return html`The command line (<code>${actor.id}</code>)`;
  if (actor.type === "key") return actor.name ? html`<bdi title=${actor.id}>${actor.name}</bdi>` : html`Key <code>${actor.id}</code>`;
  return html`<bdi>${actor.name || actor.id}</bdi>`;
}

/** The subject of an entry: a key, or the record of a user or of a plan. @param {{id: string}} props */
function Subject({ id }) {
  if (id.startsWith("user#")) return html`<a href=${"#/users/" + encodeURIComponent(id.slice(5))}><bdi>${id.slice(5)}</bdi></a>`;
  if (id.startsWith("plan#")) return html`<code>${id.slice(5)}</code>`;
  return html`<a href=${"#/keys/" + encodeURIComponent(id)}><code>${id}</code></a>`;
}
