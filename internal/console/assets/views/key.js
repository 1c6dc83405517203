// @ts-check

import { html } from "../ui.js";

/** @param {{id: string, params: URLSearchParams}} props */
export function Key({ id }) {
  return html`<h1>Key</h1><p class="mono">${id}</p>`;
}
