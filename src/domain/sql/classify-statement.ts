/**
 * What a statement is, judged by its tokens alone: enough to route it and to map transaction control. SQLite's
 * authorizer decides what it may do; a wrong guess here costs a refusal, never safety.
 */

import { nextToken, type Token, tokenName, tokenText } from "./tokenizer.ts";

export type BeginMode = "deferred" | "immediate" | "exclusive" | "readonly";

export type Classification =
  | { readonly kind: "read" | "write" | "schema" | "explain" | "empty" | "other" }
  | { readonly kind: "begin"; readonly mode: BeginMode }
  | { readonly kind: "commit" | "rollback" }
  | { readonly kind: "savepoint" | "release" | "rollback_to"; readonly name: string }
  | {
      readonly kind: "pragma";
      /** Lower case, without its schema. */
      readonly name: string;
      /** What stands behind "=" or in parentheses; null when there is nothing. */
      readonly argument: string | null;
    };

export type StatementKind = Classification["kind"];

const FIRST_WORDS: ReadonlyMap<string, Classification["kind"]> = new Map([
  ["select", "read"],
  ["values", "read"],
  ["insert", "write"],
  ["replace", "write"],
  ["update", "write"],
  ["delete", "write"],
  ["create", "schema"],
  ["drop", "schema"],
  ["alter", "schema"],
  ["analyze", "schema"],
  ["reindex", "schema"],
  ["explain", "explain"],
]);

export function classifyStatement(sql: string): Classification {
  const words = new Words(sql);
  const first = words.next();
  if (first === null) return { kind: "empty" };
  switch (first) {
    case "with":
      return { kind: verbBehindWith(sql) };
    case "begin":
      return classifyBegin(words);
    case "commit":
    case "end":
      return { kind: "commit" };
    case "rollback":
      return classifyRollback(words);
    case "savepoint":
      return { kind: "savepoint", name: words.nextName() };
    case "release":
      return { kind: "release", name: words.nextNameBehind("savepoint") };
    case "pragma":
      return classifyPragma(sql, words.offset);
    default:
      return { kind: FIRST_WORDS.get(first) ?? "other" } as Classification;
  }
}

/** True for statements that change nothing, not even the state of their connection. */
export function isReadOnlyKind(kind: StatementKind): boolean {
  return kind === "read" || kind === "explain" || kind === "empty";
}

/** The words of a statement in lower case; a semicolon before the first one is skipped, as SQLite does. */
class Words {
  readonly #sql: string;
  offset = 0;

  constructor(sql: string) {
    this.#sql = sql;
  }

  next(): string | null {
    const token = this.#nextToken();
    return token === null ? null : tokenText(this.#sql, token).toLowerCase();
  }

  /** SQLite compares names without regard to case. */
  nextName(): string {
    const token = this.#nextToken();
    return token === null ? "" : tokenName(this.#sql, token).toLowerCase();
  }

  nextNameBehind(optional: string): string {
    const before = this.offset;
    if (this.next() !== optional) {
      this.offset = before;
      return this.nextName();
    }
    const name = this.nextName();
    return name === "" || name === ";" ? optional : name;
  }

  #nextToken(): Token | null {
    for (;;) {
      const atStart = this.offset === 0;
      const token = nextToken(this.#sql, this.offset);
      if (token === null) return null;
      this.offset = token.end;
      if (!(atStart && tokenText(this.#sql, token) === ";")) return token;
      const rest = nextToken(this.#sql, token.end);
      if (rest === null) return null;
      this.offset = rest.end;
      return rest;
    }
  }
}

function classifyBegin(words: Words): Classification {
  const modes: Readonly<Record<string, BeginMode>> = {
    deferred: "deferred",
    immediate: "immediate",
    exclusive: "exclusive",
    concurrent: "deferred",
    // libSQL's extension: BEGIN [TRANSACTION] READONLY.
    readonly: "readonly",
  };
  for (let word = words.next(); word !== null; word = words.next()) {
    const mode = modes[word];
    if (mode !== undefined) return { kind: "begin", mode };
    if (word !== "transaction") break;
  }
  return { kind: "begin", mode: "deferred" };
}

function classifyRollback(words: Words): Classification {
  let word = words.next();
  if (word === "transaction") word = words.next();
  if (word !== "to") return { kind: "rollback" };
  return { kind: "rollback_to", name: words.nextNameBehind("savepoint") };
}

function classifyPragma(sql: string, from: number): Classification {
  const first = nextToken(sql, from);
  if (first === null) return { kind: "other" };
  let name = tokenName(sql, first);
  let sign = nextToken(sql, first.end);
  if (sign !== null && tokenText(sql, sign) === ".") {
    const inSchema = nextToken(sql, sign.end);
    if (inSchema === null) return { kind: "other" };
    name = tokenName(sql, inSchema);
    sign = nextToken(sql, inSchema.end);
  }
  const opener = sign === null ? "" : tokenText(sql, sign);
  const argument =
    sign !== null && (opener === "=" || opener === "(") ? pragmaArgument(sql, sign.end) : null;
  return { kind: "pragma", name: name.toLowerCase(), argument };
}

function pragmaArgument(sql: string, from: number): string {
  const token = nextToken(sql, from);
  if (token === null) return "";
  const text = tokenName(sql, token);
  if (text !== "-" && text !== "+") return text;
  const digits = nextToken(sql, token.end);
  return digits === null ? text : text + tokenName(sql, digits);
}

/** Common table expressions stand in parentheses: the first verb outside of them is the statement's. */
function verbBehindWith(sql: string): "read" | "write" | "other" {
  let depth = 0;
  for (let token = nextToken(sql, 0); token !== null; token = nextToken(sql, token.end)) {
    const text = tokenText(sql, token);
    if (text === "(") depth++;
    else if (text === ")") depth--;
    else if (depth === 0 && token.kind === "word") {
      const kind = FIRST_WORDS.get(text.toLowerCase());
      if (kind === "read" || kind === "write") return kind;
    }
  }
  return "other";
}
