// @ts-check
// Groups of inputs, and lists of them that grow and shrink by keyboard.
import { html, useId, useLayoutEffect, useRef } from "../ui.js";

/**
 * Several inputs under one legend. An error is read with them.
 * @param {{legend: string, error?: string, hint?: string, children?: any}} props
 */
export function Group({ legend, error, hint, children }) {
  const id = useId();
  const described = [error && id + "-error", hint && id + "-hint"].filter(Boolean).join(" ");
  return html`<fieldset class="group" aria-describedby=${described || undefined} data-invalid=${error ? "true" : undefined}>
    <legend>${legend}</legend>
    ${children}
    ${hint && html`<p class="hint" id=${id + "-hint"}>${hint}</p>`}
    ${error && html`<p class="error" id=${id + "-error"} role="alert">${error}</p>`}
  </fieldset>`;
}

/**
 * Radio buttons, of which one is chosen.
 * @param {{name: string, value: string, options: [string, any, boolean?][], onValue: (value: string) => void, autofocus?: boolean}} props
 */
export function Choices({ name, value, options, onValue, autofocus }) {
  const id = useId();
  return html`<div class="choices">
    ${options.map(([key, text, disabled]) => html`<label key=${key}>
      <input type="radio" name=${id + name} value=${key} checked=${key === value} disabled=${disabled} autofocus=${autofocus && key === value}
        onChange=${() => onValue(key)} /> ${text}</label>`)}
  </div>`;
}

/**
 * A list of rows. Enter in a row adds one below it, and the focus follows what was added or removed.
 * @param {{
 *   legend: string, item: string, rows: any[], blank: any, max: number, error?: string, hint?: string,
 *   onRows: (rows: any[]) => void, render: (row: any, change: (row: any) => void, name: string, at: number) => any,
 * }} props
 */
export function Rows({ legend, item, rows, blank, max, error, hint, onRows, render }) {
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  const wanted = useRef(-1);
  useLayoutEffect(() => {
    if (wanted.current < 0 || !box.current) return;
    const inputs = box.current.querySelectorAll(".row");
    const row = inputs[Math.min(wanted.current, inputs.length - 1)];
    const to = row?.querySelector("input") ?? box.current.querySelector("button.add");
    wanted.current = -1;
    if (to instanceof HTMLElement) to.focus();
  });
  const add = (at) => {
    if (rows.length >= max) return;
    wanted.current = at;
    onRows([...rows.slice(0, at), blank, ...rows.slice(at)]);
  };
  const remove = (at) => {
    wanted.current = Math.max(0, at - 1);
    onRows(rows.filter((_, i) => i !== at));
  };
  const change = (at) => (row) => onRows(rows.map((r, i) => (i === at ? row : r)));
  return html`<${Group} legend=${legend} error=${error} hint=${hint}>
    <div class="rows" ref=${box}>
      ${rows.map((row, i) => html`<div class="row" key=${i} onKeyDown=${(e) => {
        if (e.key !== "Enter" || e.isComposing || !(e.target instanceof HTMLInputElement)) return;
        e.preventDefault();
        add(i + 1);
      }}>
        ${render(row, change(i), `${item[0].toUpperCase()}${item.slice(1)} ${i + 1}`, i)}
        <button type="button" aria-label=${`Remove ${item} ${i + 1}`} onClick=${() => remove(i)}>Remove</button>
      </div>`)}
      ${rows.length < max && html`<button type="button" class="add" onClick=${() => add(rows.length)}>Add ${article(item)}</button>`}
    </div>
  <//>`;
}

/** @param {string} word */
const article = (word) => (/^[aeiou]/.test(word) ? "an " : "a ") + word;
