// @ts-check
// This module has dialogs. They are the browser's own: focus goes in, stays in, and returns.

import { html, Field, Problem, useEffect, useId, useLayoutEffect, useRef, useState } from "./ui.js";

/** @type {Set<() => void>} */
const guards = new Set();

/**
 * guarded reports whether an open dialog must not be left without a question. It makes that dialog
 * ask the question.
 */
export function guarded() {
  for (const ask of guards) ask();
  return guards.size > 0;
}

/** @param {Event} e */
function keepPage(e) {
  e.preventDefault();
}

/**
 * Dialog is a modal dialog. It is open while it is rendered.
 * @param {{title: any, onClose: () => void, children: any, guard?: string, class?: string}} props
 *   guard: a question. If it is given, closing the dialog, going to another view and leaving the page
 *   ask it first.
 */
export function Dialog({ title, onClose, children, guard, class: style = "" }) {
  const dialog = useRef(/** @type {any} */ (null));
  const stay = useRef(/** @type {any} */ (null));
  const [asked, ask] = useState(false);
  const id = useId();
  useLayoutEffect(() => {
    const before = /** @type {any} */ (document.activeElement);
    const opened = dialog.current;
    opened.showModal();
    return () => {
      opened.close();
      if (before?.isConnected) before.focus();
    };
  }, []);
  useLayoutEffect(() => { // at once: what closes the dialog may go to another view in the same breath
    if (!guard) return;
    const question = () => ask(true);
    guards.add(question);
    addEventListener("beforeunload", keepPage);
    return () => {
      guards.delete(question);
      removeEventListener("beforeunload", keepPage);
    };
  }, [guard]);
  useEffect(() => { if (asked) stay.current?.focus(); }, [asked]);
  const leave = () => (guard ? ask(true) : onClose());
  /** @param {KeyboardEvent} e */
  const keys = (e) => {
    if (e.key !== "Escape" || e.defaultPrevented) return;
    e.preventDefault(); // a browser closes a dialog at the second Escape whatever cancel says
    e.stopPropagation();
    leave();
  };
  /** @param {Event} e */
  const cancel = (e) => {
    if (e.target !== dialog.current) return;
    e.preventDefault();
    leave();
  };
  return html`<dialog ref=${dialog} class=${style} aria-labelledby=${id} onKeyDown=${keys} onCancel=${cancel}>
    <header><h2 id=${id}>${title}</h2>
      <button type="button" class="plain close" aria-label="Close" onClick=${leave}>×</button></header>
    ${asked && guard && html`<div class="problem" role="alert"><p>${guard}</p><div class="actions">
      <button type="button" ref=${stay} onClick=${() => ask(false)}>Stay here</button>
      <button type="button" class="danger" onClick=${onClose}>Close anyway</button></div></div>`}
    ${children}
  </dialog>`;
}

/**
 * Confirm asks for a word before something that cannot be undone.
 * @param {{title: any, word: string, verb: string, onYes: () => Promise<any> | any, onClose: () => void,
 *   children?: any}} props word: what must be typed; verb: the text of the button; onYes may throw an
 *   error of the API, which is shown, and closes nothing itself. After it, onClose is called.
 */
export function Confirm({ title, word, verb, onYes, onClose, children }) {
  const [typed, type] = useState("");
  const [busy, work] = useState(false);
  const [error, fail] = useState(/** @type {any} */ (null));
  /** @param {Event} e */
  const submit = async (e) => {
    e.preventDefault();
    if (typed !== word || busy) return;
    work(true);
    fail(null);
    try {
      await onYes();
    } catch (problem) {
      fail(problem);
      work(false);
      return;
    }
    onClose();
  };
  return html`<${Dialog} title=${title} onClose=${onClose}><form onSubmit=${submit}>
    ${children}
    <${Field} label=${html`Type <strong class="mono">${word}</strong> to confirm`} name="word">
      <input autocomplete="off" autofocus spellcheck=${false} value=${typed} onInput=${(/** @type {any} */ e) => type(e.target.value)} /><//>
    <${Problem} error=${error} />
    <div class="actions"><button type="button" onClick=${onClose}>Cancel</button>
      <button class="danger" disabled=${typed !== word || busy}>${busy ? "Working…" : verb}</button></div>
  </form><//>`;
}
