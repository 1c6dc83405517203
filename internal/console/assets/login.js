// @ts-check
// This module signs a caller in: with a key that is pasted, or at an issuer of OpenID Connect.

import { signIn, signOut } from "./api.js";
import { Field, Problem, html, useEffect, useRef, useState } from "./ui.js";
import { authorize } from "./oidc.js";
import { whoami } from "./session.js";

/** @typedef {import("./session.js").Session} Session */

/** wrong says why a text cannot be a key, or returns an empty text. @param {string} text */
function wrong(text) {
  if (!text) return "Paste a key.";
  if (!/^[\x21-\x7e]+$/.test(text)) return "A key has no spaces, line breaks or other special characters. Copy it again.";
  if (text.length > 512) return "A key has at most 512 characters.";
  return "";
}

/**
 * Login asks for a sign-in, checks it with the service, and hands over the session.
 * @param {{config: any, reason?: string, again?: Session, onSignedIn: (s: any) => void}} props
 *   again: the session that goes on if the same caller signs in
 */
export function Login({ config, reason, again, onSignedIn }) {
  const [busy, work] = useState("");
  const [error, fail] = useState(/** @type {any} */ (null));
  const [typo, mistake] = useState("");
  const input = useRef(/** @type {any} */ (null));
  const stop = useRef(/** @type {AbortController | null} */ (null));
  useEffect(() => () => stop.current?.abort(), []);

  /** @param {string} token @param {boolean} pasted */
  const enter = async (token, pasted) => {
    signIn(token);
    try {
      onSignedIn(await whoami(pasted));
    } catch (problem) {
      signOut();
      if (pasted || /** @type {any} */ (problem).status !== 401) throw problem;
      throw new Error("The service does not accept the issuer's token. OIDC_AUDIENCE must name an audience of the access tokens that the console gets.");
    }
  };
  /** @param {string} what @param {() => Promise<void>} job */
  const attempt = async (what, job) => {
    work(what);
    fail(null);
    try {
      await job();
    } catch (problem) {
      if (/** @type {any} */ (problem)?.name !== "AbortError") fail(problem);
    }
    work("");
  };
  /** @param {Event} e */
  const paste = (e) => {
    e.preventDefault();
    const text = input.current.value.trim();
    const problem = wrong(text);
    mistake(problem);
    fail(null);
    if (problem) {
      input.current.focus();
      return;
    }
    attempt("key", () => enter(text, true));
  };
  /** @param {string} issuer */
  const visit = (issuer) => attempt(issuer, async () => {
    stop.current = new AbortController();
    await enter(await authorize(issuer, config, stop.current.signal), false);
  });

  const issuers = config.clientId ? config.issuers || [] : [];
  const waiting = busy && busy !== "key";
  return html`
    ${!again && html`<h1>latchkey console</h1><p class="hint">Create, inspect and revoke API keys.</p>`}
    ${reason && html`<p class="notice" role="status">${reason}</p>`}
    ${issuers.map((/** @type {string} */ issuer) => html`<button type="button" class="primary wide" disabled=${!!busy}
      onClick=${() => visit(issuer)}>Sign in at ${new URL(issuer).host}</button>`)}
    ${waiting && html`<p role="status" class="waiting">Go on in the window that has opened. If none has, your browser has blocked it:
      allow this page to open windows. <button type="button" onClick=${() => stop.current?.abort()}>Cancel</button></p>`}
    ${issuers.length > 0 && html`<p class="or">or</p>`}
    <form class="login" onSubmit=${paste} autocomplete="off">
      <${Field} label="API key" name="key" error=${typo || (error?.status === 401 && busy === "" && "The service does not know this key, or it no longer works.")}
        hint="With keys:read and keys:write. The page forgets it when you sign out, reload or close it.">
        <input ref=${input} type="password" autocomplete="off" spellcheck=${false} autofocus autocapitalize="off" /><//>
      <button class=${"wide" + (issuers.length ? "" : " primary")} disabled=${!!busy}>${busy === "key" ? "Signing in…" : "Sign in with this key"}</button>
    </form>
    ${error && error.status !== 401 && html`<${Problem} error=${error} />`}`;
}
