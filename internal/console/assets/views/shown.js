// @ts-check
// The panel that shows a token once. The token is in the props of this panel alone: when it closes,
// nothing of the page holds it any more.
import { html, useState, Copy, Dialog } from "../ui.js";
import { moment, variable } from "./words.js";

/** @param {{record: any, token: string, rotated?: boolean, onClose: () => void}} props */
export function Shown({ record, token, rotated, onClose }) {
  const [stored, setStored] = useState(false);
  const name = variable(record.name), until = record.previousKeyValidUntil;
  const url = new URL("../api/v1/whoami", new URL(".", document.baseURI)).href;
  const lines = [
    ["Token", token],
    ["Line for a file .env", `${name}=${token}`],
    ["Try it", `curl -H "X-API-Key: $${name}" ${url}`],
  ];
  return html`<${Dialog} title=${rotated ? "The new token" : "The key is ready"} class="shown" onClose=${onClose}
      guard=${stored ? undefined : "This token is shown once. If it is stored nowhere, you can only rotate the key. Close it?"}>
    <p>Store the token of <strong><bdi>${record.name || record.id}</bdi></strong> now. <strong>It is never shown again.</strong></p>
    ${rotated && html`<p>${until && Date.parse(until) > Date.now() ? `The older token works until ${moment(until)}.` : "The older token has ended."}</p>`}
    ${lines.map(([label, text], i) => html`<div class="line" key=${label}>
      <h3>${label}</h3>
      <pre tabindex="0" autofocus=${i === 0} aria-label=${label}><code>${text}</code></pre>
      <${Copy} text=${text} label="Copy" />
    </div>`)}
    <p class="hint">The last line takes the token from the variable, so that it stays out of the history of your shell.</p>
    <label class="stored"><input type="checkbox" checked=${stored} onChange=${(e) => setStored(e.target.checked)} /> I have stored the token</label>
    <div class="actions"><button type="button" class="primary" disabled=${!stored} onClick=${onClose}>Done</button></div>
  <//>`;
}
