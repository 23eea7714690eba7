/**
 * One message or file as it is written and read. `write` is deterministic: what a release wrote is kept beside what it
 * meant, and every later release must read the same from it.
 */

import { MyceliumError, toHex } from "../../src/base/index.ts";
import { type CborValue, decodeCbor, encodeCbor } from "../../src/domain/wire/index.ts";

/** How the bytes are laid out: in `cbor` and `json`, a later writer may add fields to any map. */
export type Form = "cbor" | "json" | "other";

export interface Sample {
  /** What fixtures call it: never changed, never used again for another thing. */
  readonly name: string;
  readonly form: Form;
  /** "path function" below src of all writers that have a part in it. */
  readonly writers: readonly string[];
  readonly write: () => Uint8Array | Promise<Uint8Array>;
  /** What the bytes mean to a reader. */
  readonly read: (bytes: Uint8Array) => unknown | Promise<unknown>;
}

/** A value as JSON, with what JSON has no form for under a key that begins with "$". */
export function asJson(value: unknown): unknown {
  if (value instanceof Uint8Array) return { $bytes: toHex(value) };
  if (typeof value === "bigint") return { $integer: String(value) };
  if (value instanceof MyceliumError) {
    return { $error: value.code, message: value.message, details: asJson(value.details) };
  }
  if (Array.isArray(value)) return value.map(asJson);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, content]) => content !== undefined)
      .map(([key, content]) => [key, asJson(content)]),
  );
}

/** The bytes as a later release could write them: with a field in every map that nobody knows. */
export function withLaterFields(bytes: Uint8Array, form: "cbor" | "json"): Uint8Array {
  if (form === "cbor") return encodeCbor(extended(decodeCbor(bytes)) as CborValue);
  const text = new TextDecoder().decode(bytes);
  return new TextEncoder().encode(JSON.stringify(extended(JSON.parse(text))));
}

function extended(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(extended);
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return value;
  const fields = Object.entries(value).map(([key, content]) => [key, extended(content)]);
  return { ...Object.fromEntries(fields), laterField: "of a later release" };
}
