/** `mycelium sql`: a shell on the database, or one statement, or a script from a pipe. */

import { command, STATE_ARG } from "../command.ts";
import { clientOf } from "../state-directory.ts";

export const sqlCommand = command({
  name: "sql",
  summary: "Ask the network's database: a shell, one statement, or a script from a pipe",
  examples: [
    "mycelium sql",
    "mycelium sql 'SELECT * FROM notes' --format csv",
    "mycelium sql < schema.sql",
  ],
  args: {
    statement: {
      type: "positional",
      required: false,
      description: "SQL to run instead of a shell",
    },
    format: {
      type: "enum",
      options: ["table", "csv", "json"],
      valueHint: "FORMAT",
      description: "table, csv or json (default: table; --json is short for json)",
    },
    ...STATE_ARG,
  },
  run: async (args, { terminal }) => {
    const client = clientOf(args.state, terminal);
    const { runSqlShell } = await import("../sql/index.ts");
    return runSqlShell({
      fetch: (path, init) => client.fetch(path, init),
      input: process.stdin,
      output: process.stdout,
      errorOutput: process.stderr,
      isTerminal: process.stdin.isTTY === true && terminal.isTerminal,
      ...(args.statement === undefined ? {} : { statement: args.statement }),
      format: formatOf(args.format, args.json === true),
    });
  },
});

function formatOf(format: string | undefined, json: boolean): "table" | "csv" | "json" {
  if (format === "csv" || format === "json") return format;
  return json ? "json" : "table";
}
