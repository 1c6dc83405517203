// @ts-check

import { Dialog, html } from "../ui.js";

/**
 * Create asks for a new key, and shows its token once.
 * @param {{onClose: (created: boolean) => void, userId?: string}} props userId: the owner to begin with
 */
export function Create({ onClose }) {
  return html`<${Dialog} title="Create a key" onClose=${() => onClose(false)}><p>…</p><//>`;
}
