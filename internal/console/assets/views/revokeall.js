// @ts-check
// This dialog revokes all keys of a user.

import { call } from "../api.js";
import { Confirm, Loading, Problem, html, number, useLoad, useRef, useState } from "../ui.js";
import { Reason } from "./actions.js";

/**
 * @param {{userId: string, own: boolean, onClose: () => void, onDone: (text: string) => void}} props
 *   own: whether the user is the caller's own; onDone gets a sentence that says what was done
 */
export function RevokeAll({ userId, own, onClose, onDone }) {
  const { data: user, error, reload } = useLoad(async (signal) => {
    const { data } = await call("GET", "api/v1/users", { query: { search: userId, limit: 1 }, signal });
    return data.data.find((/** @type {any} */ u) => u.userId === userId) || { keys: 0, active: 0 };
  }, [userId]);
  const progress = useRef({ revoked: 0, cursor: "" });
  const [revoked, count] = useState(0);
  const [reason, setReason] = useState("");
  const revoke = async () => {
    const at = progress.current;
    do {
      const { data } = await call("POST", `api/v1/users/${encodeURIComponent(userId)}/revoke-keys`,
        { query: { cursor: at.cursor }, body: { reason } });
      at.revoked += data.revoked;
      at.cursor = data.nextCursor || "";
      count(at.revoked);
    } while (at.cursor);
    onDone(`Revoked ${number(at.revoked)} of the keys of ${userId}. Requests with them are refused from now on.`);
  };
  return html`<${Confirm} title="Revoke all keys of a user" word=${userId} verb="Revoke all keys" onYes=${revoke} onClose=${onClose}>
    ${error && html`<${Problem} error=${error} onRetry=${reload} />`}
    ${!user && !error && html`<${Loading} what="the number of keys" />`}
    ${user && html`<p>Active keys of <bdi>${userId}</bdi>: <strong>${number(user.active)}</strong> of ${number(user.keys)}. All will be revoked. <strong>This cannot be undone.</strong></p>`}
    <${Reason} onInput=${setReason} />
    ${own && html`<p class="problem">This user is your own: you will be signed out.</p>`}
    ${revoked > 0 && html`<p role="status">${number(revoked)} revoked so far.</p>`}
  <//>`;
}
