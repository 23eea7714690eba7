/**
 * Which delegation a target belongs to. Patterns of delegated paths: `*` stands for any characters but `/`, `?` for one. Source: TUF 1.0.34, 4.5
 * (PATHPATTERN). PERF: length of path times length of pattern at worst.
 */

import { createHash } from "node:crypto";
import type { Delegation } from "./tuf-document.ts";

/** Whether the delegation is asked about this target, by patterns or by the first digits of the path's SHA-256. */
export function matchesDelegation(
  { paths, path_hash_prefixes: prefixes }: Pick<Delegation, "paths" | "path_hash_prefixes">,
  target: string,
): boolean {
  if (paths !== undefined) return paths.some((pattern) => matchesPath(pattern, target));
  const hash = createHash("sha256").update(target).digest("hex");
  return prefixes?.some((prefix) => hash.startsWith(prefix)) ?? false;
}

export function matchesPath(pattern: string, path: string): boolean {
  let at = 0;
  let from = 0;
  // Where to go on when what follows the last `*` does not fit: it then takes one character more.
  let starAt = -1;
  let starFrom = 0;
  while (at < path.length) {
    const wanted = pattern[from];
    if (wanted === "*") {
      starAt = at;
      starFrom = ++from;
    } else if (wanted === path[at] || (wanted === "?" && path[at] !== "/")) {
      at++;
      from++;
    } else if (starAt >= 0 && path[starAt] !== "/") {
      at = ++starAt;
      from = starFrom;
    } else {
      return false;
    }
  }
  while (pattern[from] === "*") from++;
  return from === pattern.length;
}
