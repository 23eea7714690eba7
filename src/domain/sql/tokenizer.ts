/**
 * SQLite's tokens, as far as telling statements apart needs them (SQLite's tokenize.c): words, quoted texts,
 * parameters, numbers, single signs. White space and comments are left out.
 */

export type TokenKind = "word" | "quoted" | "string" | "parameter" | "number" | "sign";

export interface Token {
  readonly kind: TokenKind;
  readonly start: number;
  readonly end: number;
}

const SPACE = /[ \t\n\f\r]/y;
const WORD_START = /[A-Za-z_\u0080-\uffff]/;
const WORD = /[A-Za-z0-9_$\u0080-\uffff]+/y;
const NUMBER = /[0-9.][A-Za-z0-9_.]*(?:(?<=[eE])[+-][0-9]+)?/y;
const PARAMETER =
  /\?[0-9]*|[:@#][A-Za-z0-9_$\u0080-\uffff]+|\$[A-Za-z0-9_$\u0080-\uffff]+(?:::[A-Za-z0-9_$\u0080-\uffff]*)*(?:\([^\s)]*\))?/y;

/** The first token at or behind `from`; null at the end. An unclosed quote or comment reaches to the end. */
export function nextToken(sql: string, from: number): Token | null {
  const start = skipBlanks(sql, from);
  const first = sql[start];
  if (first === undefined) return null;
  if (WORD_START.test(first)) return wordOrBlob(sql, start);
  if (first === "'") return { kind: "string", start, end: quoteEnd(sql, start, "'") };
  if (first === '"' || first === "`") {
    return { kind: "quoted", start, end: quoteEnd(sql, start, first) };
  }
  if (first === "[") {
    const close = sql.indexOf("]", start);
    return { kind: "quoted", start, end: close < 0 ? sql.length : close + 1 };
  }
  if (/[0-9]/.test(first) || (first === "." && /[0-9]/.test(sql[start + 1] ?? ""))) {
    return { kind: "number", start, end: matchEnd(NUMBER, sql, start) };
  }
  const parameterEnd = matchEnd(PARAMETER, sql, start);
  if (parameterEnd > start) return { kind: "parameter", start, end: parameterEnd };
  return { kind: "sign", start, end: start + 1 };
}

/** All tokens, in order. */
export function* tokens(sql: string): Generator<Token> {
  for (let token = nextToken(sql, 0); token !== null; token = nextToken(sql, token.end)) {
    yield token;
  }
}

export function tokenText(sql: string, token: Token): string {
  return sql.slice(token.start, token.end);
}

/** A name without its quotes. */
export function tokenName(sql: string, token: Token): string {
  const text = tokenText(sql, token);
  if (token.kind !== "quoted" && token.kind !== "string") return text;
  const quote = text[0] ?? "";
  if (quote === "[") return text.slice(1, -1);
  return text.slice(1, -1).replaceAll(quote + quote, quote);
}

function wordOrBlob(sql: string, start: number): Token {
  const isBlob = (sql[start] === "x" || sql[start] === "X") && sql[start + 1] === "'";
  if (isBlob) return { kind: "string", start, end: quoteEnd(sql, start + 1, "'") };
  return { kind: "word", start, end: matchEnd(WORD, sql, start) };
}

function skipBlanks(sql: string, from: number): number {
  let at = from;
  for (;;) {
    SPACE.lastIndex = at;
    if (SPACE.test(sql)) at++;
    else if (sql.startsWith("--", at)) {
      const lineEnd = sql.indexOf("\n", at);
      at = lineEnd < 0 ? sql.length : lineEnd + 1;
    } else if (sql.startsWith("/*", at)) {
      const close = sql.indexOf("*/", at + 2);
      at = close < 0 ? sql.length : close + 2;
    } else if (at === 0 && sql[0] === "\ufeff") at++;
    else return at;
  }
}

/** Behind the closing quote; a doubled quote is part of the text. */
function quoteEnd(sql: string, start: number, quote: string): number {
  let at = start + 1;
  for (;;) {
    const close = sql.indexOf(quote, at);
    if (close < 0) return sql.length;
    if (sql[close + 1] !== quote) return close + 1;
    at = close + 2;
  }
}

function matchEnd(pattern: RegExp, sql: string, start: number): number {
  pattern.lastIndex = start;
  return pattern.test(sql) ? pattern.lastIndex : start;
}
