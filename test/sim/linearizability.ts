/**
 * Is there an order of all operations, each between its call and its return, that explains every answer? The search
 * of Wing and Gong with Lowe's memory of visited states (G. Lowe, "Testing for linearizability", 2017), as Porcupine
 * does it, one table at a time: tables are independent, so a history is linearizable when each table's part is.
 *
 * An operation whose outcome is unknown may take effect at any time after its call, or never.
 */

import { runModel, type TableState } from "./model.ts";

export interface Operation {
  readonly client: string;
  readonly callMs: number;
  /** Infinity while the outcome is unknown. */
  readonly returnMs: number;
  readonly program: readonly string[];
  /** The rows each statement gave; null when the outcome is unknown. */
  readonly answers: readonly string[] | null;
}

export type Verdict =
  | { readonly kind: "linearizable"; readonly visited: number }
  | { readonly kind: "undecided"; readonly visited: number }
  | {
      readonly kind: "violation";
      readonly visited: number;
      /** The longest explained beginning, and the operation that nothing could explain next. */
      readonly explained: readonly Operation[];
      readonly stuckAt: Operation | null;
    };

interface Node {
  readonly operation: Operation;
  readonly id: number;
  readonly isReturn: boolean;
  /** A call's return. */
  match: Node | null;
  previous: Node | null;
  next: Node | null;
}

export const VISITED_COUNT_MAX = 400_000;

/** Checks the operations of one table, any order. */
export function checkLinearizable(
  operations: readonly Operation[],
  visitedCountMax: number = VISITED_COUNT_MAX,
): Verdict {
  return new Search(dropUnseen(operations)).run(visitedCountMax);
}

/**
 * Leaves out operations of unknown outcome whose value nobody ever saw: answers tell the value they leave, so an
 * effect that no answer shows and no comparison names can as well never have been.
 */
function dropUnseen(operations: readonly Operation[]): Operation[] {
  const seen = new Set<string>();
  const see = (value: string) => {
    for (const token of value.split(",")) seen.add(token);
  };
  for (const { answers, program } of operations) {
    for (const answer of answers ?? []) see(answer);
    for (const sql of program) if (sql.startsWith("cas ")) see(sql.split(" ")[2] ?? "");
  }
  return operations.filter((operation) => {
    if (operation.answers !== null) return true;
    const tokens = operation.program.map(uniqueTokenOf);
    return tokens.some((token) => token === null || seen.has(token));
  });
}

/** The value that only this statement writes; null when its effect has no name. */
function uniqueTokenOf(sql: string): string | null {
  const [verb, , ...args] = sql.split(" ");
  if (verb === "set" || verb === "append") return args[0] ?? null;
  return null;
}

class Search {
  readonly #head: Node;
  readonly #requiredCount: number;
  readonly #marks: readonly [number, number][];
  readonly #visited = new Set<string>();
  readonly #taken: { node: Node; before: TableState }[] = [];
  #hashA = 0;
  #hashB = 0;
  #explained: Operation[] = [];
  #stuckAt: Operation | null = null;

  constructor(operations: readonly Operation[]) {
    this.#head = linkedEvents(operations);
    this.#requiredCount = operations.filter(({ answers }) => answers !== null).length;
    this.#marks = operations.map((_, id) => [scramble(id * 2 + 1), scramble(id * 2 + 2)]);
  }

  run(visitedCountMax: number): Verdict {
    let state: TableState = new Map();
    let requiredTaken = 0;
    let node = this.#head.next;
    while (requiredTaken < this.#requiredCount) {
      if (this.#visited.size > visitedCountMax) {
        return { kind: "undecided", visited: this.#visited.size };
      }
      if (node !== null && !node.isReturn) {
        const after = this.#try(node, state);
        if (after === null) {
          node = node.next;
          continue;
        }
        this.#taken.push({ node, before: state });
        state = after;
        if (node.operation.answers !== null) requiredTaken++;
        lift(node);
        node = this.#head.next;
        continue;
      }
      this.#noteDeepest(node);
      const last = this.#taken.pop();
      if (last === undefined) return this.#violation();
      this.#flip(last.node.id);
      state = last.before;
      if (last.node.operation.answers !== null) requiredTaken--;
      unlift(last.node);
      node = last.node.next;
    }
    return { kind: "linearizable", visited: this.#visited.size };
  }

  /** The state after the operation, if it explains its answers and leads somewhere new. */
  #try(node: Node, state: TableState): TableState | null {
    const { answers, program } = node.operation;
    const outcome = runModel(state, program);
    if (answers !== null && !sameAnswers(answers, outcome.answers)) return null;
    this.#flip(node.id);
    const key = `${this.#hashA}:${this.#hashB}:${outcome.key}`;
    if (this.#visited.has(key)) {
      this.#flip(node.id);
      return null;
    }
    this.#visited.add(key);
    return outcome.state;
  }

  #flip(id: number): void {
    const [a, b] = this.#marks[id] ?? [0, 0];
    this.#hashA ^= a;
    this.#hashB ^= b;
  }

  #noteDeepest(node: Node | null): void {
    if (this.#taken.length < this.#explained.length) return;
    this.#explained = this.#taken.map((step) => step.node.operation);
    this.#stuckAt = node?.operation ?? null;
  }

  #violation(): Verdict {
    return {
      kind: "violation",
      visited: this.#visited.size,
      explained: this.#explained,
      stuckAt: this.#stuckAt,
    };
  }
}

function linkedEvents(operations: readonly Operation[]): Node {
  const events: { atMs: number; rank: number; node: Node }[] = [];
  operations.forEach((operation, id) => {
    const back = makeNode(operation, id, true);
    const call = makeNode(operation, id, false);
    call.match = back;
    events.push({ atMs: operation.callMs, rank: 0, node: call });
    events.push({ atMs: operation.returnMs, rank: 1, node: back });
  });
  // Calls go before returns of the same moment: nothing says which was first, so both orders are allowed.
  events.sort((a, b) => compare(a.atMs, b.atMs) || a.rank - b.rank || a.node.id - b.node.id);
  const head = makeNode(operations[0] ?? NOTHING, -1, false);
  let last = head;
  for (const { node } of events) {
    last.next = node;
    node.previous = last;
    last = node;
  }
  return head;
}

const NOTHING: Operation = { client: "", callMs: 0, returnMs: 0, program: [], answers: [] };

function makeNode(operation: Operation, id: number, isReturn: boolean): Node {
  return { operation, id, isReturn, match: null, previous: null, next: null };
}

function compare(a: number, b: number): number {
  return a === b ? 0 : a < b ? -1 : 1;
}

function lift(call: Node): void {
  unlink(call);
  if (call.match !== null) unlink(call.match);
}

function unlift(call: Node): void {
  if (call.match !== null) relink(call.match);
  relink(call);
}

function unlink(node: Node): void {
  if (node.previous !== null) node.previous.next = node.next;
  if (node.next !== null) node.next.previous = node.previous;
}

function relink(node: Node): void {
  if (node.previous !== null) node.previous.next = node;
  if (node.next !== null) node.next.previous = node;
}

function sameAnswers(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((answer, i) => answer === b[i]);
}

function scramble(value: number): number {
  let mix = Math.imul(value, 0x9e3779b1);
  mix = Math.imul(mix ^ (mix >>> 16), 0x21f0aaad);
  mix = Math.imul(mix ^ (mix >>> 15), 0x735a2d97);
  return mix ^ (mix >>> 15);
}
