// @ts-check
// What a caller may do to a key: disable and enable it, end a grace period, revoke it and delete it.
import { html, useState, announce, Confirm, Field, Problem, Time } from "../ui.js";
import { call } from "../api.js";

/** @param {any} record @returns {string} the path of the key in the API */
export const pathOf = (record) => `api/v1/api-keys/${encodeURIComponent(record.id)}`;

/**
 * A button that sends one request. Its error is shown beside it.
 * @param {{label: string, busyLabel: string, done: string, run: () => Promise<any>, onDone: (answer: any) => void}} props
 */
export function Act({ label, busyLabel, done, run, onDone }) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(/** @type {any} */ (null));
  const act = async () => {
    if (busy) return;
    setBusy(true);
    setError(null);
    try {
      const answer = await run();
      announce(done);
      onDone(answer);
    } catch (e) {
      setError(e);
    }
    setBusy(false);
  };
  return html`<button type="button" aria-disabled=${busy ? "true" : undefined} onClick=${act}>${busy ? busyLabel : label}</button>
    ${error && html`<${Problem} error=${error} onRetry=${act} />`}`;
}

/** @param {{record: any, onDone: (answer: any) => void}} props */
export function Enable({ record, onDone }) {
  const [label, busyLabel, done] = record.enabled ? ["Disable", "Disabling…", "Disabled"] : ["Enable", "Enabling…", "Enabled"];
  return html`<${Act} label=${label} busyLabel=${busyLabel} done=${done} onDone=${onDone}
    run=${() => call("PATCH", pathOf(record), { body: { enabled: !record.enabled } })} />`;
}

/** @param {{record: any, onDone: (answer: any) => void}} props */
export function EndGrace({ record, onDone }) {
  return html`<${Act} label="End grace now" busyLabel="Ending…" done="The older token has ended" onDone=${onDone}
    run=${() => call("POST", pathOf(record) + "/end-grace")} />`;
}

/** The word to type: the name of the key, unless it is long. @param {any} record */
const wordOf = (record) => (record.name && record.name.length <= 40 ? record.name : record.id);

/** @param {{session: any, record: any}} props */
function Own({ session, record }) {
  return record.id === session.who?.keyId && html`<p class="notice" role="note">You are signed in with this key. You will be signed out.</p>`;
}

/** The field for the reason of a revocation. @param {{onInput: (text: string) => void}} props */
export function Reason({ onInput }) {
  return html`<${Field} label="Reason" name="reason" hint="Optional. Validate tells it to whoever presents the key.">
    <input autocomplete="off" maxlength="200" onInput=${(/** @type {any} */ e) => onInput(e.target.value)} /><//>`;
}

/** @param {{session: any, record: any, onClose: () => void, onDone: (answer: any) => void}} props */
export function Revoke({ session, record, onClose, onDone }) {
  const [reason, setReason] = useState("");
  return html`<${Confirm} title="Revoke this key?" word=${wordOf(record)} verb="Revoke key" onClose=${onClose}
      onYes=${async () => onDone(await call("POST", pathOf(record) + "/revoke", { body: { reason } }))}>
    <p>Every token of the key is refused for good, within moments. <strong>Revoking cannot be undone.</strong></p>
    <p>The record, its usage and its audit trail stay. ${record.lastUsedAt ? html`It was last used <${Time} at=${record.lastUsedAt} />.` : "It was never used."} To stop a key for a while, disable it.</p>
    <${Reason} onInput=${setReason} />
    <${Own} session=${session} record=${record} />
  <//>`;
}

/** @param {{session: any, record: any, onClose: () => void, onDone: () => void}} props */
export function Delete({ session, record, onClose, onDone }) {
  return html`<${Confirm} title="Delete this key?" word=${wordOf(record)} verb="Delete key" onClose=${onClose}
      onYes=${async () => { await call("DELETE", pathOf(record)); onDone(); }}>
    <p><strong>Deleting cannot be undone.</strong> These end at once:</p>
    <ul><li>every token of the key</li><li>its name, scopes, limits and metadata</li><li>its usage by day</li></ul>
    <p>Its audit trail stays, for admins. ${record.status === "revoked" ? "" : "To end a key and see later what it was, revoke it instead."}</p>
    <${Own} session=${session} record=${record} />
  <//>`;
}
