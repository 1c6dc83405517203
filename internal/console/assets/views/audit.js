// @ts-check

import { html } from "../ui.js";

/** @param {{id: string, params: URLSearchParams}} props */
export function Audit({ id }) {
  return html`<h1>Audit</h1><p class="mono">${id}</p>`;
}
