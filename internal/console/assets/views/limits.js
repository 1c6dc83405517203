// @ts-check

import { html } from "../ui.js";

/** @param {{id: string, params: URLSearchParams}} props */
export function Limits({ id }) {
  return html`<h1>Limits</h1><p class="mono">${id}</p>`;
}
