// @ts-check
// The users who have keys.

import { call } from "../api.js";
import { Field, Loading, Problem, Time, announce, html, number, useLoad, useState } from "../ui.js";
import { useTyped } from "./filters.js";
import { User } from "./user.js";

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
    ${data && (cursors.length > 1 || data.nextCursor) && html`<nav class="pages" aria-label="Pages">
      <button type="button" disabled=${cursors.length === 1 || busy} onClick=${() => turn(cursors.slice(0, -1))}>Previous</button>
      <span class="figure">Page ${cursors.length}</span>
      <button type="button" disabled=${!data.nextCursor || busy} onClick=${() => turn([...cursors, data.nextCursor])}>Next</button></nav>`}`;
}
