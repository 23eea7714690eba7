/**
 * Bun names the files of a bundle by what is in them, and takes the places of modules into that: a package that is a
 * link to somewhere outside the checkout gives other names, so other bytes, than the same package in node_modules.
 */

import { readdirSync, realpathSync } from "node:fs";
import { join, sep } from "node:path";

/** Throws when node_modules of `root`, or a package directly in it, is a link out of it. */
export function requireOwnPackages(root: string): void {
  const modules = join(realpathSync(root), "node_modules");
  for (const path of [modules, ...packages(modules)]) {
    const found = realpathSync(path);
    if (found === modules || found.startsWith(modules + sep)) continue;
    throw new Error(
      `Cannot release: ${path} is a link to ${found}, so the core would differ from that of other checkouts; ` +
        "needed packages of this checkout's own: remove the link and run `bun install --frozen-lockfile`",
    );
  }
}

function packages(modules: string): string[] {
  return readdirSync(modules)
    .filter((name) => !name.startsWith("."))
    .flatMap((name) =>
      name.startsWith("@")
        ? [
            join(modules, name),
            ...readdirSync(join(modules, name)).map((one) => join(modules, name, one)),
          ]
        : [join(modules, name)],
    );
}
