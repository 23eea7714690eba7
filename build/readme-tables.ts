/**
 * The README's generated tables. `bun build/readme-tables.ts` writes them; the gate compares them. Each stands
 * between `<!-- NAME: generated -->` and `<!-- end -->`.
 */

import { readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { settingsTable } from "../src/domain/config/index.ts";

const TABLES: Readonly<Record<string, () => string>> = { settings: settingsTable };

/** Null when the tables are up to date. */
export function readmeProblem(root: string): string | null {
  const text = readFileSync(`${root}/README.md`, "utf8");
  return withTables(text) === text
    ? null
    : "README.md: a table is out of date; run `bun build/readme-tables.ts`";
}

function withTables(text: string): string {
  return text.replace(
    /(<!-- (\w+): generated -->\n)[\s\S]*?(<!-- end -->)/g,
    (whole, head: string, name: string, tail: string) => {
      const table = TABLES[name];
      return table === undefined ? whole : `${head}${table()}\n${tail}`;
    },
  );
}

if (import.meta.main) {
  const path = resolve(import.meta.dir, "../README.md");
  writeFileSync(path, withTables(readFileSync(path, "utf8")));
}
