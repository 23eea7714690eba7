/** The kinds of value a setting can have: how its text is read, what is allowed, how it is shown again. */

import {
  formatDurationMs,
  formatSizeBytes,
  parseDurationMs,
  parseSizeBytes,
} from "../../base/index.ts";

export interface ValueType<T> {
  /** For the settings table: "port", "duration". */
  readonly kind: string;
  /** For people: "0 to 65535". */
  readonly allowed: string;
  /** True for a list: it also takes a file's array, and separates items with commas elsewhere. */
  readonly isList: boolean;
  /** The value of one text, or of a list's items; undefined when it is not allowed. */
  parse(text: string): T | undefined;
  format(value: T): string;
}

/** Longer values are refused before they are looked at. */
export const VALUE_LENGTH_MAX = 4_096;
const LIST_COUNT_MAX = 64;
const FLAG_VALUES: Readonly<Record<string, boolean>> = {
  on: true,
  true: true,
  yes: true,
  "1": true,
  off: false,
  false: false,
  no: false,
  "0": false,
};

/** One line of text that fits `pattern`. */
export function textType(kind: string, allowed: string, pattern: RegExp): ValueType<string> {
  return {
    kind,
    allowed,
    isList: false,
    parse: (text) => (pattern.test(text) ? text : undefined),
    format: (value) => value,
  };
}

export function choiceType<const T extends string>(...choices: readonly T[]): ValueType<T> {
  return {
    kind: "choice",
    allowed: choices.join(", "),
    isList: false,
    parse: (text) => choices.find((choice) => choice === text.toLowerCase()),
    format: (value) => value,
  };
}

export const flagType: ValueType<boolean> = {
  kind: "switch",
  allowed: "on, off",
  isList: false,
  parse: (text) => FLAG_VALUES[text.toLowerCase()],
  format: (value) => (value ? "on" : "off"),
};

export function integerType(min: number, max: number, kind = "integer"): ValueType<number> {
  return {
    ...numberType(min, max, kind),
    parse: (text) => within(/^\d{1,15}$/.test(text) ? Number(text) : null, min, max),
  };
}

export function numberType(min: number, max: number, kind = "number"): ValueType<number> {
  return {
    kind,
    allowed: `${min} to ${max}`,
    isList: false,
    parse: (text) => within(/^\d{1,15}(\.\d{1,9})?$/.test(text) ? Number(text) : null, min, max),
    format: String,
  };
}

/** Milliseconds; a bare number is seconds. */
export function durationType(minMs: number, maxMs: number): ValueType<number> {
  return {
    kind: "duration",
    allowed: `${formatDurationMs(minMs)} to ${formatDurationMs(maxMs)}, as 30, 30s, 5m, 250ms`,
    isList: false,
    parse: (text) => within(parseDurationMs(text), minMs, maxMs),
    format: formatDurationMs,
  };
}

/** Bytes; a bare number is bytes. */
export function sizeType(minBytes: number, maxBytes: number): ValueType<number> {
  return {
    kind: "size",
    allowed: `${formatSizeBytes(minBytes)} to ${formatSizeBytes(maxBytes)}, as 1048576, 64 MiB, 1G`,
    isList: false,
    parse: (text) => within(parseSizeBytes(text), minBytes, maxBytes),
    format: formatSizeBytes,
  };
}

/** Items of `item`, none twice, separated by commas. */
export function listType(item: ValueType<string>): ValueType<readonly string[]> {
  return {
    kind: `list of ${item.kind}`,
    allowed: `up to ${LIST_COUNT_MAX}, separated by commas, each: ${item.allowed}`,
    isList: true,
    parse: (text) => {
      const items = text.split(",").flatMap((part) => (part.trim() === "" ? [] : [part.trim()]));
      const values = items.map((part) => item.parse(part));
      if (items.length > LIST_COUNT_MAX || values.includes(undefined)) return undefined;
      return Object.freeze([...new Set(values.flatMap((value) => value ?? []))]);
    },
    format: (values) => values.join(","),
  };
}

function within(value: number | null, min: number, max: number): number | undefined {
  return value !== null && value >= min && value <= max ? value : undefined;
}
