/** `mycelium token create`: a join token, or with --sql a token for SQL clients. Alone on standard output. */

import { formatDurationMs, MyceliumError, parseDurationMs } from "../../base/index.ts";
import type { LocalClient } from "../../client/index.ts";
import type { SqlTokenRequest, TokenRequest } from "../../domain/api/index.ts";
import { command, commandGroup, STATE_ARG } from "../command.ts";
import { EXIT } from "../exit-code.ts";
import { clientOf } from "../state-directory.ts";
import type { Terminal } from "../terminal.ts";

const USES_MAX = 1_000;

const createCommand = command({
  name: "create",
  summary: "Print a token that lets a machine join, or with --sql a client use the database",
  examples: [
    "mycelium token create",
    "mycelium token create --role miner --ttl 24h --uses 5",
    "mycelium token create --sql rw",
  ],
  args: {
    role: {
      type: "enum",
      options: ["validator", "miner"],
      description: "role of who joins",
      valueHint: "ROLE",
    },
    class: {
      type: "enum",
      options: ["sclerotium", "rhizomorph", "hypha"],
      description: "class of who joins",
      valueHint: "CLASS",
    },
    ttl: { type: "string", valueHint: "1h", description: "how long it can be used" },
    uses: { type: "string", valueHint: "1", description: "how many machines can use it" },
    sql: {
      type: "enum",
      options: ["rw", "ro"],
      description: "for SQL clients: rw or ro",
      valueHint: "MODE",
    },
    ...STATE_ARG,
  },
  run: async (args, { terminal }) => {
    const client = clientOf(args.state, terminal);
    const ttlMs = args.ttl === undefined ? undefined : ttlOf(args.ttl);
    const limits = ttlMs === undefined ? {} : { ttlMs };
    if (args.sql !== undefined) {
      if (args.role ?? args.class ?? args.uses) {
        throw new MyceliumError(
          "BAD_ARGUMENT",
          "Cannot create a token: --sql is for clients of the database; --role, --class and --uses are for joining",
        );
      }
      const request = { ...limits, mode: args.sql === "rw" ? "rw" : "ro" } as const;
      return createSqlToken(client, request, args.json === true, terminal);
    }
    const request: TokenRequest = {
      ...limits,
      ...(args.role === undefined ? {} : { role: choice(args.role, ["validator", "miner"]) }),
      ...(args.class === undefined
        ? {}
        : { class: choice(args.class, ["sclerotium", "rhizomorph", "hypha"]) }),
      ...(args.uses === undefined ? {} : { uses: usesOf(args.uses) }),
    };
    return createJoinToken(client, request, args.json === true, terminal);
  },
});

export const tokenCommand = commandGroup("token", "Create tokens to join or to use the database", [
  createCommand,
]);

async function createJoinToken(
  client: LocalClient,
  request: TokenRequest,
  json: boolean,
  terminal: Terminal,
): Promise<number> {
  const answer = await client.createToken(request);
  if (json) {
    terminal.out(JSON.stringify(answer));
    return EXIT.ok;
  }
  terminal.out(answer.token);
  const machines = answer.uses === 1 ? "one machine" : `${answer.uses} machines`;
  terminal.error(`Lets ${machines} join as ${answer.role} until ${timeOf(answer.expiresAtMs)}.`);
  terminal.error(`There: mycelium join TOKEN`);
  return EXIT.ok;
}

async function createSqlToken(
  client: LocalClient,
  request: SqlTokenRequest,
  json: boolean,
  terminal: Terminal,
): Promise<number> {
  const answer = await client.createSqlToken(request);
  if (json) {
    terminal.out(JSON.stringify(answer));
    return EXIT.ok;
  }
  terminal.out(answer.token);
  const rights = answer.mode === "rw" ? "read and write" : "read";
  const end = answer.expiresAtMs === null ? "" : ` until ${timeOf(answer.expiresAtMs)}`;
  terminal.error(`Lets a libSQL client ${rights} at ${answer.url}${end}.`);
  terminal.error(`In it: createClient({ url: "${answer.url}", authToken: TOKEN })`);
  return EXIT.ok;
}

function choice<const T extends string>(value: string, allowed: readonly T[]): T {
  const found = allowed.find((one) => one === value);
  if (found !== undefined) return found;
  throw new MyceliumError(
    "BAD_ARGUMENT",
    `Cannot create a token: found "${value}", needed one of ${allowed.join(", ")}`,
  );
}

function ttlOf(text: string): number {
  const ttlMs = parseDurationMs(text);
  if (ttlMs !== null && ttlMs >= 1_000) return ttlMs;
  throw new MyceliumError(
    "BAD_ARGUMENT",
    `Cannot create a token: found --ttl "${text}", needed at least ${formatDurationMs(1_000)}, as 30m, 24h or 7d`,
  );
}

function usesOf(text: string): number {
  const uses = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  if (uses >= 1 && uses <= USES_MAX) return uses;
  throw new MyceliumError(
    "BAD_ARGUMENT",
    `Cannot create a token: found --uses "${text}", needed 1 to ${USES_MAX}`,
  );
}

/** "2026-11-20 11:15 UTC" */
function timeOf(unixMs: number): string {
  return `${new Date(unixMs).toISOString().slice(0, 16).replace("T", " ")} UTC`;
}
