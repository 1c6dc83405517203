// @ts-check
// This module starts the console and draws its frame.

import { configure, onSignedOut, signOut } from "./api.js";
import { Badge, Dialog, Problem, announce, html, render, useCallback, useEffect, useLayoutEffect, useRef, useState } from "./ui.js";
import { SessionContext } from "./session.js";
import { useIdle } from "./idle.js";
import { useRoute } from "./route.js";
import { Login } from "./login.js";
import { List, forgetList } from "./views/list.js";
import { Key } from "./views/key.js";
import { Explain } from "./views/explain.js";
import { Audit } from "./views/audit.js";
import { Limits } from "./views/limits.js";
import { Users } from "./views/users.js";

export { useSession } from "./session.js";
export { go } from "./route.js";

/** @typedef {import("./session.js").Session} Session */

/** @type {{name: string, title: string, may: (s: Session) => boolean, view: any}[]} */
const VIEWS = [
  { name: "keys", title: "Keys", may: (s) => s.read, view: List },
  { name: "explain", title: "Explain", may: (s) => s.read, view: Explain },
  { name: "audit", title: "Audit", may: (s) => s.admin, view: Audit },
  { name: "limits", title: "Limits", may: (s) => s.admin, view: Limits },
  { name: "users", title: "Users", may: (s) => s.admin, view: Users },
];

/** @param {{session: Session, view: string, onSignOut: () => void}} props */
function Header({ session, view, onSignOut }) {
  const { who } = session;
  const name = who.name || who.subject || (who.keyId ? "key " + who.keyId : who.userId);
  return html`<header class="top">
    <a class="skip" href="#main" onClick=${skip}>Skip to the content</a>
    <span class="product">latchkey</span>
    <nav aria-label="Views">${VIEWS.filter((v) => v.may(session)).map((v) => html`
      <a href=${"#/" + v.name} aria-current=${v.name === view ? "page" : undefined}>${v.title}</a>`)}</nav>
    <a class="manual" href="../docs/">Manual</a>
    <span class="who"><bdi title=${who.userId}>${name}</bdi>${session.admin && html` <${Badge} status="admin" />`}</span>
    <button type="button" onClick=${onSignOut}>Sign out</button>
  </header>`;
}

/** @param {Event} e */
function skip(e) {
  e.preventDefault(); // the part of the address after # names the view
  document.getElementById("main")?.focus();
}

/** @param {{session: Session}} props */
function NoRights({ session }) {
  const { who } = session;
  return html`<h1>Your key works</h1>
    <p>It belongs to the user <strong><bdi>${who.userId}</bdi></strong> and has the scopes
      ${" "}${who.scopes.length ? who.scopes.map((/** @type {string} */ s) => html`<code>${s}</code> `) : "none"}.</p>
    <p>It may not read keys. To manage keys here, sign in with a key that has <code>keys:read</code> and <code>keys:write</code>.</p>`;
}

/** @param {{session: Session, view: string, id: string, params: URLSearchParams}} props */
function Content({ session, view, id, params }) {
  const found = VIEWS.find((v) => v.name === view);
  if (!session.read) return html`<${NoRights} session=${session} />`;
  if (!found) return html`<h1>There is no such page</h1><p><a href="#/keys">Go to the keys</a></p>`;
  if (!found.may(session)) {
    return html`<h1>${found.title}</h1><p>Only an admin may see this. <a href="#/keys">Go to your keys</a></p>`;
  }
  if (view === "keys" && id) return html`<${Key} key=${id} id=${id} params=${params} />`;
  return html`<${found.view} id=${id} params=${params} />`;
}

/** @param {{session: Session, onSignOut: (reason?: string) => void}} props */
function Frame({ session, onSignOut }) {
  const route = useRoute();
  const main = useRef(/** @type {any} */ (null));
  const first = useRef(true);
  const warning = useIdle(session.admin && session.pasted, () => onSignOut("You were signed out after 15 minutes without input, because your key is an admin's."));
  useLayoutEffect(() => {
    const title = main.current.querySelector("h1")?.textContent || "Keys";
    document.title = `${title} – latchkey console`;
    if (first.current) {
      first.current = false;
      return;
    }
    // The list returns to its place by itself.
    if (main.current.contains(document.activeElement) && document.activeElement !== main.current) return;
    main.current.focus({ preventScroll: true });
    if (route.view !== "keys" || route.id) scrollTo(0, 0);
  }, [route.view, route.id]);
  return html`<${Header} session=${session} view=${route.view} onSignOut=${() => onSignOut()} />
    ${session.admin && session.pasted && html`<p class="notice" role="status">${warning ||
      "You use an admin key: it may change the keys of all users. The page forgets it after 15 minutes without input."}</p>`}
    <main id="main" tabindex="-1" ref=${main}><${Content} session=${session} ...${route} /></main>`;
}

/** @param {{config: any}} props */
function App({ config }) {
  const [session, set] = useState(/** @type {any} */ (null));
  const [reason, because] = useState("");
  const [again, askAgain] = useState(/** @type {null | {done: (ok: boolean) => void}} */ (null));
  const leave = useCallback((/** @type {string} */ why = "") => {
    signOut();
    forgetList();
    announce("");
    again?.done(false);
    askAgain(null);
    set(null);
    because(why);
    history.replaceState(null, "", location.pathname);
    document.title = "latchkey console";
  }, [again]);
  useEffect(() => onSignedOut(() => new Promise((done) => askAgain({ done }))), []);
  if (!session) {
    return html`<main class="narrow"><${Login} config=${config} reason=${reason} onSignedIn=${set} /></main>`;
  }
  /** @param {any} renewed */
  const goOn = (renewed) => {
    const same = renewed.owner === session.owner && renewed.admin === session.admin;
    if (!same) {
      forgetList();
      announce("");
    }
    again?.done(same);
    askAgain(null);
    set({ ...renewed, round: same ? session.round : (session.round || 0) + 1 });
  };
  const value = { ...session, signOut: leave };
  return html`<${SessionContext.Provider} value=${value}>
    <${Frame} key=${session.round} session=${value} onSignOut=${leave} />
    ${again && html`<${Dialog} title="Sign in again" onClose=${() => leave()}
        guard="If you do not sign in again, what you have typed is lost.">
      <${Login} config=${config} again=${session} onSignedIn=${goOn}
        reason="The service no longer accepts your sign-in: it has expired or was revoked. Sign in again to go on; nothing that you typed is lost." /><//>`}
  <//>`;
}

async function start() {
  const root = /** @type {HTMLElement} */ (document.getElementById("app"));
  root.replaceChildren();
  try {
    const response = await fetch("config.json", { credentials: "omit", cache: "no-store" });
    if (!response.ok) throw new Error(`The console's configuration was answered with status ${response.status}.`);
    const config = await response.json();
    configure(config.apiBase);
    render(html`<${App} config=${config} />`, root);
  } catch (error) {
    const gone = error instanceof TypeError ? { status: 0 } : error;
    render(html`<main class="narrow"><h1>latchkey console</h1><${Problem} error=${gone} onRetry=${start} /></main>`, root);
  }
}

start();
