// @ts-check
// What to do if someone else has changed a key while it was edited: both versions, field by field.
import { html, useState, Time } from "../ui.js";
import { differences } from "./form.js";
import { describe } from "./words.js";

/**
 * @param {{
 *   base: import("./form.js").Values, mine: import("./form.js").Values, theirs: import("./form.js").Values,
 *   last?: any, busy: boolean, onSave: (values: import("./form.js").Values) => void, onTheirs: () => void,
 *   onBack: () => void,
 * }} props last: the audit entry of the other change
 */
export function Conflict({ base, mine, theirs, last, busy, onSave, onTheirs, onBack }) {
  const rows = differences(base, mine, theirs);
  const [choices, setChoices] = useState(() => /** @type {Record<string, any>} */ (Object.fromEntries(rows.map((r) => [r.name, r.choice]))));
  const open = rows.filter((r) => !choices[r.name]);
  const save = () => {
    const chosen = rows.filter((r) => choices[r.name] === "mine").map((r) => [r.name, mine[r.name]]);
    onSave({ ...theirs, ...Object.fromEntries(chosen) });
  };
  return html`<div class="conflict">
    <p role="alert">Someone else changed this key while you edited it${last && html`: <bdi>${last.actor.name || last.actor.id}</bdi>, <${Time} at=${last.at} />`}. Nothing of yours is saved yet.</p>
    ${rows.length === 0 && html`<p>Both versions are the same by now.</p>`}
    ${rows.length > 0 && html`<div class="scroll"><table>
      <caption class="unseen">Fields in which the versions differ</caption>
      <thead><tr><th scope="col">Field</th><th scope="col">Yours</th><th scope="col">Theirs</th></tr></thead>
      <tbody>${rows.map((r) => html`<tr key=${r.name}>
        <th scope="row">${r.label}</th>
        ${/** @type {["mine" | "theirs", any, string][]} */ ([["mine", mine, "Yours"], ["theirs", theirs, "Theirs"]]).map(([side, values, word]) => html`<td key=${side}><label>
          <input type="radio" name=${"choose-" + r.name} value=${side} aria-label=${`${r.label}: ${word}`} checked=${choices[r.name] === side}
            onChange=${() => setChoices({ ...choices, [r.name]: side })} />
          <bdi>${describe(r.name, /** @type {any} */ (values)[r.name])}</bdi></label></td>`)}
      </tr>`)}</tbody>
    </table></div>`}
    ${open.length > 0 && html`<p class="hint">Choose for ${open.map((r) => r.label).join(", ")}: both of you changed it.</p>`}
    <div class="actions">
      <button type="button" onClick=${onBack}>Back to the form</button>
      <button type="button" onClick=${onTheirs}>Take theirs</button>
      ${rows.length > 0 && html`<button type="button" class="primary" disabled=${busy || open.length > 0} onClick=${save}>${busy ? "Saving…" : "Save these choices"}</button>`}
    </div>
  </div>`;
}
