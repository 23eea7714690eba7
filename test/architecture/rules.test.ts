/** Each rule is proven by sources that break it, and by sources near them that do not. */

import { describe, expect, test } from "bun:test";
import { RULES } from "./rules.ts";
import type { SourceFile } from "./source-file.ts";

interface Fixture {
  readonly rule: string;
  /** "path: content" */
  readonly breaks: readonly (readonly [path: string, text: string])[];
  readonly keeps: readonly (readonly [path: string, text: string])[];
}

const index = (path: string, from: string) => [path, `import { x } from "${from}";`] as const;

const FIXTURES: readonly Fixture[] = [
  {
    rule: "imports point down the layers",
    breaks: [
      index("src/base/a.ts", "../domain/wire/index.ts"),
      index("src/domain/wire/a.ts", "../../ports/index.ts"),
      index("src/domain/wire/a.ts", "../raft/index.ts"),
      index("src/domain/raft/a.ts", "../api/index.ts"),
      index("src/domain/unheard/a.ts", "../wire/index.ts"),
      index("src/ports/a.ts", "../runtime/store/index.ts"),
      index("src/adapters/link/a.ts", "../memory/index.ts"),
      index("src/adapters/link/a.ts", "../../runtime/store/index.ts"),
      index("src/runtime/store/a.ts", "../consensus/index.ts"),
      index("src/runtime/store/a.ts", "../../adapters/link/index.ts"),
      index("src/agent/a.ts", "../client/index.ts"),
      index("src/client/a.ts", "../agent/index.ts"),
      index("src/cli/a.ts", "../runtime/store/index.ts"),
      index("src/management/a.ts", "../agent/index.ts"),
      ["src/base/a.ts", 'export type { X } from "../ports/index.ts";'],
      ["src/base/a.ts", 'const later = await import("../ports/index.ts");'],
      [
        "src/runtime/store/a.ts",
        'new Worker(new URL("../../adapters/sqlite/w.ts", import.meta.url))',
      ],
    ],
    keeps: [
      index("src/domain/raft/a.ts", "../wire/index.ts"),
      index("src/domain/raft/a.ts", "./b.ts"),
      index("src/domain/api/a.ts", "../replication/index.ts"),
      index("src/runtime/store/a.ts", "../../ports/index.ts"),
      index("src/agent/a.ts", "../adapters/link/index.ts"),
      index("src/cli/commands/a.ts", "../../agent/index.ts"),
      index("src/main.ts", "./cli/index.ts"),
      index("src/adapters/link/a.test.ts", "../memory/index.ts"),
      ["src/base/a.ts", '/** As `import { x } from "../ports/index.ts"` does. */'],
    ],
  },
  {
    rule: "folders talk through index.ts",
    breaks: [
      index("src/domain/raft/a.ts", "../wire/frame.ts"),
      index("src/ports/a.ts", "../base/errors.ts"),
      index("src/cli/commands/a.ts", "../../client/local-client.ts"),
    ],
    keeps: [
      index("src/domain/raft/a.ts", "../wire/index.ts"),
      index("src/cli/commands/a.ts", "../terminal.ts"),
      index("src/domain/raft/deep/a.ts", "../b.ts"),
    ],
  },
  {
    rule: "the domain and the runtime touch nothing outside",
    breaks: [
      ["src/domain/raft/a.ts", "setTimeout(f, 1);"],
      ["src/runtime/store/a.ts", "const now = Date.now();"],
      ["src/runtime/store/a.ts", "const now = new Date();"],
      ["src/domain/raft/a.ts", "const r = Math.random();"],
      ["src/domain/raft/a.ts", "const text = `${Math.random()}`;"],
      ["src/runtime/gateway/a.ts", "await fetch(url);"],
      ["src/domain/wire/a.ts", 'import { readFileSync } from "node:fs";'],
      ["src/runtime/store/a.ts", 'import { Database } from "bun:sqlite";'],
      ["src/runtime/store/a.ts", "console.log(1);"],
      ["src/runtime/store/a.ts", "await Bun.sleep(1);"],
    ],
    keeps: [
      ["src/domain/raft/a.ts", "// Date.now() would not do here"],
      ["src/domain/raft/a.ts", 'const text = "Math.random()";'],
      ["src/runtime/store/a.ts", "clock.after(10, f); const d = new Date(nowMs);"],
      ["src/runtime/store/a.ts", "await source.fetch(request);"],
      ["src/adapters/host/a.ts", "setTimeout(f, Date.now());"],
      ["src/domain/raft/a.test.ts", "Math.random();"],
      ["src/domain/identity/a.ts", 'import { createHash } from "node:crypto";'],
    ],
  },
  {
    rule: "the domain is synchronous",
    breaks: [
      ["src/domain/raft/a.ts", "async function f() {}"],
      ["src/domain/raft/a.ts", "type T = Promise<void>;"],
    ],
    keeps: [
      ["src/domain/raft/a.ts", "/** Not async. */"],
      ["src/runtime/store/a.ts", "async function f() {}"],
    ],
  },
  {
    rule: "only main.ts reads the environment",
    breaks: [
      ["src/cli/a.ts", "const home = process.env.HOME;"],
      ["src/agent/a.ts", 'const home = Bun.env["HOME"];'],
    ],
    keeps: [
      ["src/main.ts", "run(process.env);"],
      ["src/cli/a.ts", "// process.env is read by main.ts"],
    ],
  },
  {
    rule: "no default exports",
    breaks: [["src/base/a.ts", "export default function f() {}"]],
    keeps: [["src/base/a.ts", 'const s = "export default";']],
  },
  {
    rule: "exports are listed one by one",
    breaks: [
      ["src/base/index.ts", 'export * from "./a.ts";'],
      ["src/base/index.ts", 'export * as a from "./a.ts";'],
    ],
    keeps: [["src/base/index.ts", 'export { a } from "./a.ts";']],
  },
  {
    rule: "files over 400 lines say why",
    breaks: [["src/base/a.ts", "x();\n".repeat(401)]],
    keeps: [
      ["src/base/a.ts", "x();\n".repeat(400)],
      ["src/base/a.ts", `/** Over 400 lines: one table. */\n${"x();\n".repeat(500)}`],
    ],
  },
  {
    rule: "names are kebab-case and say what is inside",
    breaks: [
      ["src/base/someThing.ts", ""],
      ["src/base/Some.ts", ""],
      ["src/base/utils.ts", ""],
      ["src/runtime/store/helpers.ts", ""],
      ["src/common/a.ts", ""],
    ],
    keeps: [
      ["src/base/some-thing.ts", ""],
      ["src/base/some-thing.property.test.ts", ""],
      ["src/base/value-type.ts", ""],
    ],
  },
  {
    rule: "no skipped test without a reason",
    breaks: [
      ["src/base/a.test.ts", 'test.skip("x", f);'],
      ["src/base/a.test.ts", 'test.only("x", f);'],
    ],
    keeps: [["src/base/a.test.ts", 'test("x", f);']],
  },
];

const asFile = ([path, text]: readonly [string, string]): SourceFile => ({ path, text });

describe("rules", () => {
  for (const { rule, breaks, keeps } of FIXTURES) {
    const check = RULES[rule];
    for (const one of breaks) {
      test(`"${rule}" catches ${one[0]}: ${one[1].split("\n")[0]!.slice(0, 60)}`, () => {
        expect(check!({ files: [asFile(one)], folders: [] })).not.toEqual([]);
      });
    }
    test(`"${rule}" lets the rest pass`, () => {
      expect(check!({ files: keeps.map(asFile), folders: [] })).toEqual([]);
    });
  }

  test('"no empty folders" catches a folder without source', () => {
    const check = RULES["no empty folders"];
    const files = [asFile(["src/base/a.ts", ""])];
    expect(check!({ files, folders: ["src/base", "src/ports"] })).toHaveLength(1);
    expect(check!({ files, folders: ["src/base"] })).toEqual([]);
  });

  test("every rule has a fixture that breaks it", () => {
    const proven = new Set([...FIXTURES.map(({ rule }) => rule), "no empty folders"]);
    expect(Object.keys(RULES).filter((name) => !proven.has(name))).toEqual([]);
  });
});
