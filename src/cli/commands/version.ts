/** `mycelium version` */

import { VERSION } from "../../domain/api/index.ts";
import { command } from "../command.ts";
import { EXIT } from "../exit-code.ts";

export const versionCommand = command({
  name: "version",
  summary: "Show the version of this program",
  examples: ["mycelium version", "mycelium version --json"],
  args: {},
  run: async (args, { terminal }) => {
    const platform = `linux-${process.arch}`;
    if (args.json) {
      terminal.out(JSON.stringify({ version: VERSION, bun: Bun.version, platform }));
    } else terminal.out(`mycelium ${VERSION} (Bun ${Bun.version}, ${platform})`);
    return EXIT.ok;
  },
});
