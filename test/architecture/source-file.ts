/** Source files as the rules see them. */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

export interface SourceFile {
  /** From the repository's root: "src/domain/raft/quorum.ts". */
  readonly path: string;
  readonly text: string;
}

export interface SourceTree {
  readonly files: readonly SourceFile[];
  /** Every folder under src, from the repository's root. */
  readonly folders: readonly string[];
}

/** What is under `src` of the repository at `root`. */
export function readSourceTree(root: string): SourceTree {
  const entries = readdirSync(join(root, "src"), { recursive: true, withFileTypes: true });
  const pathOf = (parent: string, name: string) => join(parent, name).slice(root.length + 1);
  return {
    files: entries
      .filter((entry) => entry.isFile() && entry.name.endsWith(".ts"))
      .map((entry) => {
        const path = pathOf(entry.parentPath, entry.name);
        return { path, text: readFileSync(join(root, path), "utf8") };
      }),
    folders: entries
      .filter((entry) => entry.isDirectory())
      .map((entry) => pathOf(entry.parentPath, entry.name)),
  };
}

export function isTest(path: string): boolean {
  return /\.(test|property\.test)\.ts$/.test(path) || /(^|\/)(fixtures|testing)\//.test(path);
}

/** Code without comments, and with the insides of strings emptied: what the rules on words look at. */
export function bareCode(text: string): string {
  return text.replace(
    /\/\*[\s\S]*?\*\/|\/\/[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`/g,
    (match) => {
      if (match.startsWith("/")) return match.replace(/[^\n]/g, "");
      // A template keeps what it computes.
      const computed = match.startsWith("`") ? [...match.matchAll(/\$\{([^}]*)\}/g)] : [];
      return `""${computed.map(([, code]) => ` + ${code}`).join("")}`;
    },
  );
}

/** The module names a file imports or re-exports, types too, and Workers' modules. */
export function importsOf(text: string): string[] {
  const code = text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/^\s*\/\/[^\n]*$/gm, "");
  const pattern =
    /(?:^|[\s;}])(?:import|export)\b[^"';]*?\bfrom\s*"([^"]+)"|\bimport\s*\(?\s*"([^"]+)"|new Worker\(\s*new URL\(\s*"(\.[^"]+\.ts)"/g;
  return [...code.matchAll(pattern)].map(([, a, b, c]) => a ?? b ?? c ?? "");
}
