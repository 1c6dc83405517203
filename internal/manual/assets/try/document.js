// @ts-check
// This module reads an OpenAPI document.

/**
 * @typedef {{$ref?: string, type?: string | string[], format?: string, description?: string, enum?: any[],
 *   minimum?: number, maximum?: number, minLength?: number, maxLength?: number, minItems?: number,
 *   maxItems?: number, pattern?: string, items?: Schema, properties?: Record<string, Schema>,
 *   required?: string[], additionalProperties?: boolean | Schema, examples?: any[]}} Schema
 * @typedef {{name: string, in: "path" | "query" | "header", description?: string, required?: boolean, schema: Schema}} Parameter
 * @typedef {{schema?: Schema, example?: any}} Content
 * @typedef {{method: string, path: string, operationId: string, summary: string, description?: string, tags: string[],
 *   parameters?: Parameter[], requestBody?: {required?: boolean, content: Record<string, Content>},
 *   responses: Record<string, {description: string, content?: Record<string, Content>}>,
 *   security?: Record<string, string[]>[]}} Route
 * @typedef {{tags: {name: string, description: string}[],
 *   paths: Record<string, Record<string, Route>>, components: {schemas: Record<string, Schema>}}} Document
 */

/** resolve follows the reference of a schema. @param {Document} doc @param {Schema} schema @returns {Schema} */
export function resolve(doc, schema) {
  const name = schema.$ref?.replace("#/components/schemas/", "");
  return name ? doc.components.schemas[name] || {} : schema;
}

const WORDS = /** @type {Record<string, string>} */ ({
  string: "text", integer: "whole number", boolean: "true or false", object: "object", array: "list", null: "null", number: "number",
});

/** @param {number | undefined} least @param {number | undefined} most @param {string} unit */
function between(least, most, unit) {
  if (least !== undefined && most !== undefined) return `, ${least} to ${most}${unit}`;
  if (least !== undefined) return `, at least ${least}${unit}`;
  return most !== undefined ? `, at most ${most}${unit}` : "";
}

/** kind describes a schema in a few words. @param {Document} doc @param {Schema} schema @returns {string} */
export function kind(doc, schema) {
  const s = resolve(doc, schema);
  let text = [s.type || "object"].flat().map((t) => WORDS[t] || t).join(" or ");
  if (s.items) text += " of " + kind(doc, s.items);
  if (s.format === "date-time") text = text.replace("text", "time");
  text += between(s.minimum, s.maximum, "") + between(s.minLength, s.maxLength, " characters") + between(s.minItems, s.maxItems, " entries");
  return s.enum ? `${text}: one of ${s.enum.join(", ")}` : text;
}

/**
 * needsKey says whether a route needs a key: "yes", "no", or "maybe" if it takes one and needs none.
 * @param {Route} route
 */
export function needsKey(route) {
  const all = route.security || [];
  if (all.every((s) => Object.keys(s).length === 0)) return "no";
  return all.some((s) => Object.keys(s).length === 0) ? "maybe" : "yes";
}

/**
 * @typedef {{method: string, url: string, media: string, body: string | undefined, headers: Record<string, string>}} Request
 */

/**
 * build makes a request of what is in a form. Parameters that are empty are left out.
 * @param {string} base
 * @param {Route} route
 * @param {Record<string, string>} given by place and name, such as "query limit"
 * @param {string} media
 * @param {string} body
 * @returns {Request}
 */
export function build(base, route, given, media, body) {
  let path = route.path;
  const query = new URLSearchParams();
  const headers = /** @type {Record<string, string>} */ ({});
  for (const p of route.parameters || []) {
    const value = given[`${p.in} ${p.name}`] || "";
    if (p.in === "path") path = path.replace(`{${p.name}}`, value ? encodeURIComponent(value) : `{${p.name}}`);
    else if (value && p.in === "query") query.set(p.name, value);
    else if (value) headers[p.name] = value;
  }
  const search = query.toString();
  return {
    method: route.method.toUpperCase(), url: base + path + (search && "?" + search), media,
    body: route.requestBody && body !== "" ? body : undefined, headers,
  };
}

/** quoted writes a text for a shell. @param {string} text */
function quoted(text) {
  return "'" + text.replaceAll("'", `'\\''`) + "'";
}

/**
 * curl writes a request as a command. Where the token would be, it has $LATCHKEY_KEY.
 * @param {Request} r
 * @param {string} token
 * @param {boolean} needs whether the request has the token
 */
export function curl(r, token, needs) {
  const hidden = (/** @type {string} */ text) => (token ? quoted(text).replaceAll(token, `'"$LATCHKEY_KEY"'`) : quoted(text));
  const parts = [r.method === "GET" ? "curl -i" : `curl -i -X ${r.method}`, hidden(r.url)];
  if (needs) parts.push('-H "Authorization: Bearer $LATCHKEY_KEY"');
  if (r.body !== undefined) parts.push(`-H ${quoted("Content-Type: " + r.media)}`);
  for (const [name, value] of Object.entries(r.headers)) parts.push(`-H ${hidden(`${name}: ${value}`)}`);
  if (r.body !== undefined) parts.push(`-d ${hidden(r.body)}`);
  return parts.join(" \\\n  ");
}
