/** `mycelium config`: every setting, its value, and where it comes from. */

import { type ConfigEntry, explainConfig } from "../../domain/config/index.ts";
import { command } from "../command.ts";
import { EXIT } from "../exit-code.ts";
import { configInput, givenSettings, SETTING_ARGS } from "../settings.ts";
import { clientOf } from "../state-directory.ts";
import { alignRows } from "../status/align-rows.ts";
import { paint } from "../terminal.ts";

export const configCommand = command({
  name: "config",
  summary: "Show every setting, its value, and where it comes from; secrets are masked",
  examples: [
    "mycelium config",
    "mycelium config --live",
    "MYCELIUM_PORT=8081 mycelium config --json | jq '.[] | select(.source != \"default\")'",
  ],
  args: {
    live: { type: "boolean", description: "what the running agent uses, not what a start would" },
    ...SETTING_ARGS,
  },
  run: async (args, { terminal }) => {
    const given = givenSettings(args);
    const entries: readonly Pick<ConfigEntry, "name" | "value" | "source">[] | LiveEntries =
      args.live
        ? (await clientOf(given["state"], terminal).config()).settings
        : explainConfig(configInput(given, terminal));
    if (args.json) {
      terminal.out(JSON.stringify(entries));
      return EXIT.ok;
    }
    const ink = paint(terminal.colour && terminal.isTerminal);
    const rows = entries.map(({ name, value, source }) => [name, value ?? "-", source]);
    const lines = alignRows([["SETTING", "VALUE", "FROM"], ...rows]);
    for (const [i, line] of lines.entries()) {
      const isDefault = i > 0 && rows[i - 1]?.[2] === "default";
      terminal.out(isDefault || i === 0 ? ink.dim(line) : line);
    }
    return EXIT.ok;
  },
});

type LiveEntries = readonly { name: string; value: string | null; source: string }[];
