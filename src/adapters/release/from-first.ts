/** Asks one origin after the other until one gives what is needed. */

import { assert, errorCodeOf } from "../../base/index.ts";
import type { Origin } from "./origin.ts";

/** Failures that another origin may not have. */
const OF_THE_ORIGIN: ReadonlySet<string | undefined> = new Set([
  "UNREACHABLE",
  "UPDATE_REFUSED",
  "TOO_LARGE",
]);

/** Throws what the last origin failed with, but a refusal before a mere absence: it says more. */
export async function fromFirst<T>(
  origins: readonly Origin[],
  ask: (origin: Origin) => Promise<T>,
): Promise<T> {
  assert(origins.length > 0, "a release source has an origin");
  const failures: unknown[] = [];
  for (const origin of origins) {
    try {
      return await ask(origin);
    } catch (error) {
      if (!OF_THE_ORIGIN.has(errorCodeOf(error))) throw error;
      failures.push(error);
    }
  }
  throw worstOf(failures);
}

/** The failure that says most: a refusal, else the last. */
export function worstOf(failures: readonly unknown[]): unknown {
  return failures.find((error) => errorCodeOf(error) === "UPDATE_REFUSED") ?? failures.at(-1);
}
