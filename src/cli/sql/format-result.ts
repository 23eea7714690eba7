/** Results as text: an aligned table, CSV (RFC 4180), or JSON. */

import { toHex, unreachable } from "../../base/index.ts";
import type { SqlValue } from "../../domain/sql/index.ts";
import type { QueryResult } from "./session.ts";

export type ResultFormat = "table" | "csv" | "json";

export const RESULT_FORMATS: readonly ResultFormat[] = ["table", "csv", "json"];

/** Empty for a statement that yields no columns. */
export function formatResult(result: QueryResult, format: ResultFormat): string {
  if (result.columns.length === 0) return "";
  switch (format) {
    case "table":
      return formatTable(result);
    case "csv":
      return formatCsv(result);
    case "json":
      return formatJson(result);
    default:
      return unreachable(format);
  }
}

/** Widths are those a terminal shows, so that letters of two cells and emoji stay aligned. */
function formatTable({ columns, rows }: QueryResult): string {
  const header = columns.map(visible);
  const cells = rows.map((row) => row.map(cellText));
  const widths = header.map((name, i) =>
    cells.reduce(
      (width, row) => Math.max(width, Bun.stringWidth(row[i] ?? "")),
      Bun.stringWidth(name),
    ),
  );
  const lines = [
    header
      .map((name, i) => pad(name, widths[i] ?? 0, false))
      .join("  ")
      .trimEnd(),
  ];
  lines.push(widths.map((width) => "-".repeat(width)).join("  "));
  for (const [r, row] of cells.entries()) {
    const values = rows[r] ?? [];
    const padded = row.map((text, i) => pad(text, widths[i] ?? 0, isNumber(values[i] ?? null)));
    lines.push(padded.join("  ").trimEnd());
  }
  return `${lines.join("\n")}\n`;
}

function pad(text: string, width: number, right: boolean): string {
  const blanks = " ".repeat(Math.max(0, width - Bun.stringWidth(text)));
  return right ? blanks + text : text + blanks;
}

function isNumber(value: SqlValue): boolean {
  return typeof value === "number" || typeof value === "bigint";
}

function cellText(value: SqlValue): string {
  return value === null ? "NULL" : visible(plainText(value));
}

/** Control characters are shown, never sent to the terminal. */
function visible(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029]/gu, (control) => {
    const known: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };
    return known[control] ?? `\\u${control.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}

/** A value without quotes; blobs as X'..', REALs always with a point or an exponent, as SQLite shows them. */
function plainText(value: Exclude<SqlValue, null>): string {
  if (typeof value === "string") return value;
  if (typeof value === "bigint") return String(value);
  if (typeof value === "number") return realText(value);
  return `X'${toHex(value).toUpperCase()}'`;
}

function realText(value: number): string {
  if (!Number.isFinite(value)) return value > 0 ? "Inf" : "-Inf";
  return Number.isInteger(value) && Math.abs(value) < 1e21 ? value.toFixed(1) : String(value);
}

/** NULL is an empty field, an empty text a quoted one. */
function formatCsv({ columns, rows }: QueryResult): string {
  const lines = [columns.map(csvField), ...rows.map((row) => row.map(csvValue))];
  return lines.map((fields) => `${fields.join(",")}\r\n`).join("");
}

function csvValue(value: SqlValue): string {
  return value === null ? "" : csvField(plainText(value));
}

function csvField(text: string): string {
  const plain = text !== "" && !/[",\r\n]/.test(text) && text.trim() === text;
  return plain ? text : `"${text.replaceAll('"', '""')}"`;
}

/** A list of objects, one a line. Integers keep all their digits. */
function formatJson({ columns, rows }: QueryResult): string {
  const keys = columns.map((name) => JSON.stringify(name));
  const objects = rows.map((row) => {
    const members = row.map((value, i) => `${keys[i]}:${jsonValue(value)}`);
    return `{${members.join(",")}}`;
  });
  return `[${objects.join(",\n")}]\n`;
}

function jsonValue(value: SqlValue): string {
  if (typeof value === "bigint") return String(value);
  if (typeof value === "number" && !Number.isFinite(value)) return value > 0 ? "1e999" : "-1e999";
  return JSON.stringify(value instanceof Uint8Array ? plainText(value) : value);
}
