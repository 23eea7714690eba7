/** `mycelium doctor`: what on this machine would keep a node from working, and how to mend it. */

import { MyceliumError } from "../../base/index.ts";
import type { Status } from "../../domain/api/index.ts";
import { command } from "../command.ts";
import { machineFindings } from "../doctor/machine.ts";
import { portFindings } from "../doctor/ports.ts";
import { reachFindings } from "../doctor/reach.ts";
import { EXIT } from "../exit-code.ts";
import { configOf, givenSettings, SETTING_ARGS } from "../settings.ts";
import { clientOf } from "../state-directory.ts";
import { paint } from "../terminal.ts";

export const doctorCommand = command({
  name: "doctor",
  summary: "Check clock, ports, disk, memory and reachability, and say how to mend what is wrong",
  examples: ["mycelium doctor", "mycelium doctor --state ./a --port 8081"],
  args: SETTING_ARGS,
  run: async (args, { terminal }) => {
    const config = configOf(args, terminal);
    const status = await statusIfRunning(
      clientOf(givenSettings(args)["state"] ?? config.state, terminal).status(),
    );
    const findings = [
      ...machineFindings(config),
      ...(await portFindings(config, status)),
      ...reachFindings(status),
    ];
    const failed = findings.some(({ level }) => level === "fail");
    if (args.json) terminal.out(JSON.stringify({ healthy: !failed, findings }));
    else {
      const ink = paint(terminal.colour && terminal.isTerminal);
      const marks = { ok: ink.green("✓"), warn: ink.yellow("!"), fail: ink.red("✗") };
      for (const { level, what, found, todo } of findings) {
        terminal.out(`${marks[level]} ${what.padEnd(10)} ${found}`);
        if (todo !== null) terminal.out(`  ${"".padEnd(10)} do: ${todo}`);
      }
    }
    return failed ? EXIT.failed : EXIT.ok;
  },
});

async function statusIfRunning(asked: Promise<Status>): Promise<Status | null> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof MyceliumError) return null;
    throw error;
  }
}
