// @ts-check

import { html } from "../ui.js";

/** @param {{id: string, params: URLSearchParams}} props */
export function Explain({ id }) {
  return html`<h1>Explain</h1><p class="mono">${id}</p>`;
}
