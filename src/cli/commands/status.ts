/** `mycelium status`: the network as this node sees it. */

import { MyceliumError, parseDurationMs } from "../../base/index.ts";
import type { Status } from "../../domain/api/index.ts";
import { command, STATE_ARG } from "../command.ts";
import { EXIT } from "../exit-code.ts";
import { clientOf } from "../state-directory.ts";
import { statusView } from "../status/status-view.ts";
import { paint, type Terminal } from "../terminal.ts";

const WATCH_INTERVAL_MIN_MS = 100;
const CLEAR_SCREEN = "\x1b[H\x1b[2J\x1b[3J";

export const statusCommand = command({
  name: "status",
  summary: "Show the network, this node, its store, and what is wrong",
  examples: [
    "mycelium status",
    "mycelium status --watch",
    "mycelium status --json | jq .raft.leader",
    "mycelium status --check || echo 'look at it'",
  ],
  args: {
    watch: { type: "boolean", alias: "w", description: "show it again and again until Ctrl-C" },
    interval: {
      type: "string",
      valueHint: "1s",
      description: "time between two looks with --watch",
    },
    check: { type: "boolean", description: "fail when the node is not healthy" },
    ...STATE_ARG,
  },
  run: async (args, { terminal }) => {
    const client = clientOf(args.state, terminal);
    const ink = paint(terminal.colour && terminal.isTerminal);
    const print = (status: Status) =>
      args.json ? [JSON.stringify(status)] : statusView(status, ink);
    if (args.watch) {
      const intervalMs = intervalOf(args.interval);
      const redraws = terminal.isTerminal && !args.json;
      return watch(async () => print(await client.status()), intervalMs, redraws, terminal);
    }
    const status = await client.status();
    for (const line of print(status)) terminal.out(line);
    return args.check && !status.healthy ? EXIT.failed : EXIT.ok;
  },
});

/** Redraws on a person's screen, where an agent that is away is said and may come back; else adds lines. */
async function watch(
  look: () => Promise<string[]>,
  intervalMs: number,
  redraws: boolean,
  terminal: Terminal,
): Promise<number> {
  for (;;) {
    let lines: string[];
    try {
      lines = await look();
    } catch (error) {
      if (!(error instanceof MyceliumError) || !redraws) throw error;
      lines = [error.message];
    }
    terminal.out((redraws ? CLEAR_SCREEN : "") + lines.join("\n"));
    await Bun.sleep(intervalMs);
  }
}

function intervalOf(text: string | undefined): number {
  const intervalMs = parseDurationMs(text ?? "1s");
  if (intervalMs !== null && intervalMs >= WATCH_INTERVAL_MIN_MS) return intervalMs;
  throw new MyceliumError(
    "BAD_ARGUMENT",
    `Cannot watch: found --interval "${text}", needed at least ${WATCH_INTERVAL_MIN_MS} ms, as 1s or 500ms`,
  );
}
