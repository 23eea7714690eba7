/**
 * SQL values as Hrana's JSON has them: integers as strings, blobs as base64. Source: Hrana 3, "Values".
 *
 * A REAL beyond JSON's range (9e999) is written `1e999`, which parsers of 64-bit floats read as infinity. Base64 is
 * written without padding, as libSQL's server does and its Go client requires, and is read with or without.
 */

import { unreachable } from "../../base/index.ts";
import type { SqlValue } from "../sql/index.ts";
import { malformed } from "../wire/index.ts";

const INTEGER_TEXT = /^-?\d{1,19}$/;
const BASE64_TEXT = /^[A-Za-z0-9+/]*={0,2}$/;

/** Throws MALFORMED that names `path`. */
export function decodeValue(value: unknown, path: string): SqlValue {
  if (typeof value !== "object" || value === null) throw malformed(path, "a value", value);
  const {
    type,
    value: content,
    base64,
  } = value as { type?: unknown; value?: unknown; base64?: unknown };
  if (type === "text" && typeof content === "string") return content;
  if (type === "integer") return decodeInteger(content, path);
  if (type === "null") return null;
  if (type === "float" && typeof content === "number") return content;
  if (type === "blob") return decodeBlob(base64, path);
  throw malformed(path, "a value of type null, integer, float, text or blob", content);
}

function decodeInteger(content: unknown, path: string): bigint {
  if (typeof content === "string" && INTEGER_TEXT.test(content)) {
    const integer = BigInt(content);
    if (BigInt.asIntN(64, integer) === integer) return integer;
  }
  if (typeof content === "number" && Number.isSafeInteger(content)) return BigInt(content);
  throw malformed(`${path}.value`, "a 64-bit integer as a string", content);
}

function decodeBlob(base64: unknown, path: string): Uint8Array {
  if (typeof base64 === "string" && BASE64_TEXT.test(base64)) {
    const digits = base64.length - (base64.endsWith("==") ? 2 : base64.endsWith("=") ? 1 : 0);
    if (digits % 4 !== 1) return new Uint8Array(Buffer.from(base64, "base64"));
  }
  throw malformed(`${path}.base64`, "base64", base64);
}

/** The JSON text of a value. */
export function encodeValue(value: SqlValue): string {
  if (value === null) return '{"type":"null"}';
  switch (typeof value) {
    case "bigint":
      return `{"type":"integer","value":"${value}"}`;
    case "string":
      return `{"type":"text","value":${JSON.stringify(value)}}`;
    case "number":
      return `{"type":"float","value":${encodeFloat(value)}}`;
    case "object":
      return `{"type":"blob","base64":"${encodeBase64(value)}"}`;
    default:
      return unreachable(value);
  }
}

function encodeFloat(value: number): string {
  if (Number.isFinite(value)) return Object.is(value, -0) ? "-0.0" : String(value);
  return value > 0 ? "1e999" : "-1e999";
}

function encodeBase64(bytes: Uint8Array): string {
  const padded = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("base64");
  if (padded.endsWith("==")) return padded.slice(0, -2);
  return padded.endsWith("=") ? padded.slice(0, -1) : padded;
}
