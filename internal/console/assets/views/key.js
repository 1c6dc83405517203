// @ts-check
// One key: what remains, usage, tokens, settings and trail, and all that may be done to it.
import { html, useCallback, useEffect, useState, Badge, Copy, Loading, Problem, Time } from "../ui.js";
import { call } from "../api.js";
import { useSession } from "../session.js";
import { go } from "../route.js";
import { describe } from "./words.js";
import { FIELDS, valuesOf } from "./form.js";
import { Delete, Enable, EndGrace, Revoke, pathOf } from "./actions.js";
import { Edit } from "./edit.js";
import { Rotate } from "./rotate.js";
import { Live, pace, usePoll } from "./live.js";
import { Trail } from "./trail.js";
import { Usage } from "./usage.js";

/** @param {{id: string, params: URLSearchParams}} props */
export function Key({ id }) {
  const session = useSession();
  const { shown, error, stale, show, reload } = useKey(id, session);
  const [dialog, open] = useState("");
  const close = () => open("");
  if (!shown) {
    return html`<${Back} /><h1>Key</h1>
      ${error ? html`<${Problem} error=${error} onRetry=${error.status === 404 ? undefined : reload} />` : html`<${Loading} what="the key" />`}`;
  }
  const { record, etag } = shown;
  const done = (answer, tag) => {
    close();
    show(tag === undefined ? answer.data : answer, tag === undefined ? answer.etag : tag);
  };
  const mine = record.id === session.who.keyId;
  const ended = (why) => (mine ? session.signOut(why) : undefined);
  const props = { session, record, etag, onClose: close, onDone: done };
  return html`<${Back} />
    <${Title} record=${record} />
    ${error && html`<${Problem} error=${error} onRetry=${error.status === 404 ? undefined : reload} />`}
    ${session.write && !(error?.status === 404) && html`<${Toolbar} record=${record} onOpen=${open} onDone=${(a) => { done(a); if (!a.data.enabled) ended("You have disabled the key that you were signed in with."); }} />`}
    <div class="columns">
      <div><${Live} record=${record} stale=${stale} /><${Usage} id=${id} unlimited=${record.unlimited} /></div>
      <div><${Tokens} record=${record} write=${session.write} onDone=${done} /><${Settings} record=${record} /></div>
    </div>
    <${Trail} id=${id} round=${etag} />
    ${dialog === "edit" && html`<${Edit} ...${props} />`}
    ${dialog === "rotate" && html`<${Rotate} ...${props} onShow=${show} onStale=${() => { close(); reload(); }} />`}
    ${dialog === "revoke" && html`<${Revoke} ...${props} onDone=${(a) => { done(a); ended("You have revoked the key that you were signed in with."); }} />`}
    ${dialog === "delete" && html`<${Delete} ...${props} onDone=${() => (mine ? ended("You have deleted the key that you were signed in with.") : go("keys"))} />`}`;
}

/**
 * Reads a key, and reads it again while the page is visible.
 * @param {string} id @param {any} session
 */
function useKey(id, session) {
  const [shown, setShown] = useState(/** @type {{record: any, etag: string} | null} */ (null));
  const [error, setError] = useState(/** @type {any} */ (null));
  const [stale, setStale] = useState(/** @type {any} */ (null));
  const seconds = pace(session.who);
  const read = async (asked) => {
    try {
      const { data, etag } = await call("GET", pathOf({ id }));
      setShown({ record: data, etag });
      setError(null);
      setStale(null);
    } catch (/** @type {any} */ e) {
      setStale(e);
      if (asked || ![0, 429, 503].includes(e.status)) setError(e);
      if (e.status === 404 || e.status === 403 || e.status === 401) return 0;
      return Math.max(2 * seconds, e.retryAfter ?? 0);
    }
    return seconds;
  };
  useEffect(() => { read(true); }, [id]);
  usePoll(() => read(false), seconds, shown !== null);
  // The answers that issue a token omit the window status and the last use: the next read has them.
  const show = useCallback((record, etag) => {
    setShown((was) => ({ record: { ...(was && { bounds: was.record.bounds, lastUsedAt: was.record.lastUsedAt }), ...record }, etag }));
    read(false);
  }, [id]);
  return { shown, error, stale, show, reload: () => read(true) };
}

function Back() {
  return html`<p class="back"><a href="#/keys">← All keys</a></p>`;
}

/** @param {{record: any}} props */
function Title({ record }) {
  return html`<div class="title">
    <h1><bdi>${record.name || "Key without a name"}</bdi> <${Badge} status=${record.status} /></h1>
    <p class="facts">
      <span>${record.keyPrefix && html`<code>${record.keyPrefix}…</code>`}</span>
      <span>id <code>${record.id}</code> <${Copy} text=${record.id} label="Copy id" /></span>
      <span>owner <bdi>${record.userId}</bdi></span>
      <span>${record.environment}</span>
      <span>last used <${Time} at=${record.lastUsedAt} /></span>
      <span>expires <${Time} at=${record.expiresAt} /></span>
      <a href=${"#/explain?key=" + encodeURIComponent(record.id)}>Explain a refusal</a>
    </p>
    ${record.description && html`<p><bdi>${record.description}</bdi></p>`}
  </div>`;
}

/** @param {{record: any, onOpen: (dialog: string) => void, onDone: (answer: any) => void}} props */
function Toolbar({ record, onOpen, onDone }) {
  const over = record.status === "revoked" || record.status === "expired";
  return html`<div class="toolbar" role="group" aria-label="Actions">
    ${record.status !== "revoked" && html`<button type="button" onClick=${() => onOpen("edit")}>Edit</button>`}
    ${!over && html`<button type="button" onClick=${() => onOpen("rotate")}>Rotate</button>`}
    ${!over && html`<${Enable} record=${record} onDone=${onDone} />`}
    ${record.status !== "revoked" && html`<button type="button" class="danger apart" onClick=${() => onOpen("revoke")}>Revoke</button>`}
    <button type="button" class=${record.status === "revoked" ? "danger apart" : "danger"} onClick=${() => onOpen("delete")}>Delete</button>
  </div>`;
}

/** @param {{record: any, write: boolean, onDone: (answer: any) => void}} props */
function Tokens({ record, write, onDone }) {
  const until = record.previousKeyValidUntil;
  const why = record.revocationReason ? ": " + record.revocationReason : "";
  const end = record.revokedAt ? html`ended <${Time} at=${record.revokedAt} /><bdi>${why}</bdi>` : record.expiresAt ? html`until <${Time} at=${record.expiresAt} exact />` : "no end";
  return html`<section aria-labelledby="tokens-title">
    <header class="head"><h2 id="tokens-title">Tokens</h2></header>
    <ul class="tokens">
      <li><span>Present <code>${record.keyPrefix ? record.keyPrefix + "…" : "imported"}</code></span><span>${end}</span></li>
      ${until && html`<li><span>Older</span>
        <span>until <${Time} at=${until} exact /><${OlderUse} at=${record.previousKeyLastUsedAt} /></span>
        ${write && html`<${EndGrace} record=${record} onDone=${onDone} />`}</li>`}
    </ul>
    <p class="facts"><span>Public key <code>${record.publicKey}</code></span> <${Copy} text=${record.publicKey} label="Copy public key" /></p>
  </section>`;
}

/** @param {{at?: string | null}} props at: null if the older token was not used; undefined if that is unknown */
function OlderUse({ at }) {
  if (at === undefined) return null;
  return at ? html`, last used <${Time} at=${at} />` : ", not used since the rotation";
}

/** What is set for the key. Fields that are empty are left out. @param {{record: any}} props */
function Settings({ record }) {
  const values = valuesOf(record);
  const rows = FIELDS.filter(([name]) => !["name", "description", "userId", "expiresAt"].includes(name))
    .map(([name, label]) => [name, label, describe(name, values[name])]).filter(([name, , text]) => text !== "none" || name === "scopes");
  return html`<section aria-labelledby="settings-title">
    <header class="head"><h2 id="settings-title">Settings</h2></header>
    <dl class="settings">
      ${rows.map(([name, label, text]) => html`<div key=${name}><dt>${label}</dt><dd><bdi>${text}</bdi></dd></div>`)}
      <div><dt>Created</dt><dd><${Time} at=${record.createdAt} exact /></dd></div>
    </dl>
  </section>`;
}
