/** The parameters of a statement as SQLite numbers them. Source: Hrana 3, "Parameters"; sqlite.org/lang_expr.html. */

import { MyceliumError } from "../../base/index.ts";
import { PROGRAM_LIMITS, tokens, tokenText } from "../sql/index.ts";

/**
 * The name of each parameter with its prefix, the first being ?1; null for those of the form `?` and for numbers
 * that are left out. Throws MALFORMED on a number SQLite would not take.
 */
export function parameterNames(sql: string): (string | null)[] {
  const names: (string | null)[] = [];
  for (const token of tokens(sql)) {
    if (token.kind !== "parameter") continue;
    const text = tokenText(sql, token);
    if (text === "?") names.push(null);
    else if (text.startsWith("?")) setNumbered(names, text);
    else if (!names.includes(text)) names.push(text);
  }
  return names;
}

function setNumbered(names: (string | null)[], text: string): void {
  const number = Number(text.slice(1));
  const { argCountMax } = PROGRAM_LIMITS;
  if (number < 1 || number > argCountMax) {
    throw new MyceliumError(
      "MALFORMED",
      `Cannot describe the statement: found the parameter ${text}, needed ?1 to ?${argCountMax}`,
    );
  }
  while (names.length < number) names.push(null);
  names[number - 1] = text;
}
