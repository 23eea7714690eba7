/**
 * Cuts a script into statements at the semicolons that end one (as sqlite3_complete does): not those in texts,
 * comments or the body of a trigger.
 */

import { nextToken, tokenText } from "./tokenizer.ts";

/** The statements in order, without their semicolon; empty ones are left out. */
export function splitStatements(script: string): string[] {
  const statements: string[] = [];
  let start = 0;
  let words: string[] = [];
  let trigger = new TriggerBody();
  for (let token = nextToken(script, 0); token !== null; token = nextToken(script, token.end)) {
    const text = tokenText(script, token);
    if (text === ";" && !trigger.isOpen) {
      if (words.length > 0) statements.push(script.slice(start, token.start).trim());
      start = token.end;
      words = [];
      trigger = new TriggerBody();
      continue;
    }
    if (words.length < 1) words.push(text);
    trigger.take(token.kind === "word" ? text.toLowerCase() : text);
  }
  if (words.length > 0) statements.push(script.slice(start).trim());
  return statements;
}

/** Follows CREATE [TEMP] TRIGGER ... BEGIN ... ; END, where CASE ... END may stand inside. */
class TriggerBody {
  #state: "start" | "create" | "trigger" | "body" | "other" = "start";
  #caseDepth = 0;
  #afterSemicolon = false;

  get isOpen(): boolean {
    return this.#state === "body";
  }

  take(word: string): void {
    switch (this.#state) {
      case "start":
        if (word !== "explain") this.#state = word === "create" ? "create" : "other";
        break;
      case "create":
        if (word === "trigger") this.#state = "trigger";
        else if (word !== "temp" && word !== "temporary") this.#state = "other";
        break;
      case "trigger":
        if (word === "begin") this.#state = "body";
        break;
      case "body":
        this.#inBody(word);
        break;
      case "other":
        break;
    }
  }

  #inBody(word: string): void {
    if (word === "end" && this.#afterSemicolon && this.#caseDepth === 0) this.#state = "other";
    else if (word === "case") this.#caseDepth++;
    else if (word === "end" && this.#caseDepth > 0) this.#caseDepth--;
    this.#afterSemicolon = word === ";";
  }
}
