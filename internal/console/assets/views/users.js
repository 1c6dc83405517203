// @ts-check
// The users who have keys, and one user: the plan, the limits that all keys of the user share, and usage.
// An admin may suspend a user and choose the plan.

import { call } from "../api.js";
import { Badge, Bars, Confirm, Field, Limit, Loading, Pages, Problem, Time, announce, html, number, useLoad, useState } from "../ui.js";
import { Act } from "./actions.js";
import { useTyped } from "./filters.js";

const PAGE = 50;

/** @param {{id: string}} props */
export function Users({ id }) {
  return id ? html`<${User} key=${id} id=${id} />` : html`<${All} />`;
}

function All() {
  const [search, find] = useState("");
  const [cursors, turn] = useState([""]);
  const [typed, type] = useTyped(search, (text) => { find(text.trim()); turn([""]); });
  const cursor = cursors.at(-1);
  const { data, error, busy, reload } = useLoad(async (signal) => {
    const answer = await call("GET", "api/v1/users", { query: { search, limit: PAGE, cursor }, signal });
    announce(`${answer.data.data.length} users, page ${cursors.length}`);
    return answer.data;
  }, [search, cursor]);
  const users = data?.data || [];
  return html`<div class="head"><h1>Users</h1></div>
    <form class="filters two" role="search" onSubmit=${(/** @type {Event} */ e) => e.preventDefault()}>
      <${Field} label="Search" name="search"><input type="search" placeholder="User id begins with" autocomplete="off" spellcheck=${false} maxlength="128"
        value=${typed} onInput=${(/** @type {any} */ e) => type(e.target.value)} /><//>
      <button type="button" onClick=${reload}>Refresh</button>
    </form>
    ${error && html`<${Problem} error=${error} onRetry=${reload} />`}
    ${!data && busy && html`<${Loading} what="users" />`}
    ${data && !users.length && !error && html`<div class="empty"><p>${search ? "No user id begins with this." : "No user has a key yet."}</p></div>`}
    ${users.length > 0 && html`<table class="keys" role="table" aria-busy=${busy ? "true" : undefined}><caption class="unseen">Users who have keys</caption>
      <thead role="rowgroup"><tr role="row">${["User", "Keys", "Active", "Last used"].map((t) => html`<th role="columnheader" scope="col">${t}</th>`)}</tr></thead>
      <tbody role="rowgroup">${users.map((/** @type {any} */ u) => html`<tr role="row" key=${u.userId}>
        <th role="rowheader" scope="row" class="name"><a href=${"#/users/" + encodeURIComponent(u.userId)}><bdi>${u.userId}</bdi></a></th>
        <td role="cell" data-label="Keys">${number(u.keys)}</td><td role="cell" data-label="Active">${number(u.active)}</td>
        <td role="cell" data-label="Last used" class="time"><${Time} at=${u.lastUsedAt} /></td></tr>`)}</tbody></table>`}
    <${Pages} cursors=${cursors} next=${data?.nextCursor} busy=${busy} onTurn=${turn} />`;
}

/** @param {string} id */
const pathOf = (id) => `api/v1/users/${encodeURIComponent(id)}`;

/** @param {{id: string}} props */
function User({ id }) {
  const [open, ask] = useState(false);
  const { data: user, error, reload } = useLoad(async (signal) => (await call("GET", pathOf(id), { signal })).data, [id]);
  const { data: usage } = useLoad(async (signal) => (await call("GET", "api/v1/usage", { query: { userId: id }, signal })).data, [id]);
  const title = html`<p class="back"><a href="#/users">← All users</a></p>
    <h1><bdi>${id}</bdi> ${user?.suspended && html`<${Badge} status="suspended" />`}</h1>`;
  if (!user) {
    return html`${title}${error ? html`<${Problem} error=${error} onRetry=${reload} />` : html`<${Loading} what="the user" />`}`;
  }
  return html`${title}
    <p class="facts"><a href=${"#/keys?owner=" + encodeURIComponent(id)}>Keys</a><a href=${"#/audit?user=" + encodeURIComponent(id)}>Audit trail</a></p>
    <div class="toolbar" role="group" aria-label="Actions">${user.suspended
      ? html`<${Act} label="Resume" busyLabel="Resuming…" done="The user's keys work again" onDone=${reload}
          run=${() => call("PATCH", pathOf(id), { body: { suspended: false } })} />`
      : html`<button type="button" class="danger" onClick=${() => ask(true)}>Suspend</button>`}</div>
    <div class="columns"><div>
      <section aria-labelledby="bounds-title"><header class="head"><h2 id="bounds-title">Shared by all keys of the user</h2></header>
        ${user.bounds?.length ? html`<${Limit} bounds=${user.bounds} />` : html`<p>No limit and no quota is shared. Each key keeps to its own.</p>`}</section>
      ${usage && html`<section aria-labelledby="usage-title"><header class="head"><h2 id="usage-title">Usage</h2></header>
        <${Bars} data=${usage.data} label="Requests of all keys on each of the last 30 days" /></section>`}
    </div><div>
      <${Plan} id=${id} user=${user} onDone=${reload} />
      <section aria-labelledby="settings-title"><header class="head"><h2 id="settings-title">Settings</h2></header>
        <dl class="settings">
          <div><dt>Keys at most</dt><dd>${user.maxKeys || "as the deployment has it"}</dd></div>
          <div><dt>May grant</dt><dd>${user.scopes.length ? user.scopes.map((/** @type {string} */ s) => html`<code>${s}</code> `) : "the deployment's scopes"}</dd></div>
          ${Object.entries(user.metadata).map(([name, value]) => html`<div><dt><bdi>${name}</bdi></dt><dd><bdi>${value}</bdi></dd></div>`)}
        </dl></section>
    </div></div>
    ${open && html`<${Confirm} title="Suspend this user?" word=${id.length <= 40 ? id : "suspend"} verb="Suspend user" onClose=${() => ask(false)}
        onYes=${() => call("PATCH", pathOf(id), { body: { suspended: true } }).then(reload)}>
      <p>Every key of <strong><bdi>${id}</bdi></strong> is refused within moments, and new ones too, until the user is resumed. Nothing is lost.</p><//>`}`;
}

/** @param {{id: string, user: any, onDone: () => void}} props */
function Plan({ id, user, onDone }) {
  const { data: plans, error, reload } = useLoad(async (signal) => (await call("GET", "api/v1/plans", { signal })).data.data, []);
  const [chosen, choose] = useState(user.plan || "");
  return html`<section aria-labelledby="plan-title"><header class="head"><h2 id="plan-title">Plan</h2></header>
    ${error && html`<${Problem} error=${error} onRetry=${reload} />`}
    ${plans && html`<${Field} label="Plan of the keys that name no other" name="plan"><select value=${chosen} onChange=${(/** @type {any} */ e) => choose(e.target.value)}>
        <option value="">None</option>${plans.map((/** @type {any} */ p) => html`<option>${p.name}</option>`)}</select><//>`}
    ${plans && chosen !== (user.plan || "") && html`<div class="toolbar"><${Act} label="Change the plan" busyLabel="Changing…" done="The plan is changed" onDone=${onDone}
      run=${() => call("PATCH", pathOf(id), { body: { plan: chosen || null } })} /></div>`}
  </section>`;
}
