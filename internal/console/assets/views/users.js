// @ts-check

import { html } from "../ui.js";

/** @param {{id: string, params: URLSearchParams}} props */
export function Users({ id }) {
  return html`<h1>Users</h1><p class="mono">${id}</p>`;
}
