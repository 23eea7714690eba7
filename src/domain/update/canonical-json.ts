/**
 * Canonical JSON as TUF signs it (OLPC): keys in order of their code points, no white space, integers only, and of
 * all characters only `"` and `\` escaped. The same value has one form, so it can be signed and hashed.
 */

import { assert, utf8 } from "../../base/index.ts";

export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: Json;
}

export function canonicalJson(value: Json): Uint8Array {
  return utf8(canonicalText(value));
}

/** Throws `InvariantError` on a number that is no safe integer: check what comes from outside first. */
function canonicalText(value: Json): string {
  if (value === null || typeof value === "boolean") return String(value);
  if (typeof value === "string") return quote(value);
  if (typeof value === "number") {
    assert(Number.isSafeInteger(value), `canonical JSON holds integers only, not ${value}`);
    return String(value);
  }
  if (isList(value)) return `[${value.map(canonicalText).join(",")}]`;
  const members = Object.keys(value)
    .sort(compareCodePoints)
    .map((key) => `${quote(key)}:${canonicalText(value[key] ?? null)}`);
  return `{${members.join(",")}}`;
}

function isList(value: readonly Json[] | JsonObject): value is readonly Json[] {
  return Array.isArray(value);
}

function quote(text: string): string {
  return `"${text.replace(/["\\]/g, "\\$&")}"`;
}

/** UTF-16 units sort surrogates before U+E000 to U+FFFF; their UTF-8 forms are in the order of code points. */
function compareCodePoints(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
