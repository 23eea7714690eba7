/**
 * What one table must do, written apart from the engine that is tested: a naive reading of the statement language.
 * Answers are compared as text; "-" is an absent value, "!" an error.
 */

export type TableState = ReadonlyMap<string, string>;

export interface ModelOutcome {
  readonly state: TableState;
  readonly answers: readonly string[];
  /** The state as text, equal for equal states. */
  readonly key: string;
}

export function runModel(state: TableState, program: readonly string[]): ModelOutcome {
  let current = state;
  const answers = program.map((sql) => {
    const [verb = "", key = "", ...args] = sql.split(" ");
    if (verb === "fail") return "!";
    const before = current.get(key);
    const after = valueAfter(verb, before, args);
    if (after !== before) {
      const changed = new Map(current);
      if (after === undefined) changed.delete(key);
      else changed.set(key, after);
      current = changed;
    }
    return after ?? "-";
  });
  return { state: current, answers, key: keyOf(current) };
}

function valueAfter(
  verb: string,
  before: string | undefined,
  args: readonly string[],
): string | undefined {
  const [first = "", second = ""] = args;
  if (verb === "get") return before;
  if (verb === "set") return first;
  if (verb === "del") return undefined;
  if (verb === "incr") return String(Number(before ?? 0) + 1);
  if (verb === "append") return before === undefined ? first : `${before},${first}`;
  if (verb === "cas") return (before ?? "-") === first ? second : before;
  throw new Error(`the model knows no ${verb}`);
}

function keyOf(state: TableState): string {
  if (state.size === 0) return "";
  if (state.size === 1) {
    for (const [key, value] of state) return `${key}=${value}`;
  }
  return [...state]
    .map(([key, value]) => `${key}=${value}`)
    .sort()
    .join(";");
}
