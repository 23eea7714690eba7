/** Asking something of a simulated process from outside: it may die, pause, or never answer. */

import { errorCodeOf, messageOf } from "../../src/base/index.ts";

/** A process as those who ask it see it. */
export interface Askable {
  /** "n2.3": node and life. */
  readonly process: string;
  /** Resolves when the process dies: what was asked of it will never be answered. */
  readonly death: Promise<void>;
  isAlive(): boolean;
  /** Lets a call reach the process: later while it is paused, never once it is dead. */
  enter(call: () => void): void;
}

export type Outcome<T> =
  | { readonly kind: "ok"; readonly value: T }
  | { readonly kind: "refused" | "unknown"; readonly code: string; readonly reason?: string };

export interface AskOptions {
  readonly sleep: (delayMs: number) => Promise<void>;
  /** Told of an answer that is a bug. */
  readonly violated: (what: string) => void;
  /** Refusals after which nothing was done. */
  readonly certain: ReadonlySet<string>;
}

/** Over the router's own 10 s. */
const PATIENCE_MS = 16_000;

export async function ask<T>(
  askable: Askable,
  call: () => Promise<T>,
  options: AskOptions,
): Promise<Outcome<T>> {
  if (!askable.isAlive()) return { kind: "unknown", code: "died" };
  const entered = new Promise<T>((resolve) => {
    askable.enter(() => resolve(call()));
  });
  const answered = entered.then(
    (value): Outcome<T> => ({ kind: "ok", value }),
    (error): Outcome<T> => {
      const code = errorCodeOf(error);
      if (code === undefined) {
        options.violated(`${askable.process} failed with a bug: ${String(error)}`);
        return { kind: "unknown", code: "BUG" };
      }
      const kind = options.certain.has(code) ? "refused" : "unknown";
      return { kind, code, reason: messageOf(error) };
    },
  );
  const died = askable.death.then((): Outcome<T> => ({ kind: "unknown", code: "died" }));
  const waited = options
    .sleep(PATIENCE_MS)
    .then((): Outcome<T> => ({ kind: "unknown", code: "no answer" }));
  return Promise.race([answered, died, waited]);
}
