/** The executable. The only file that reads the environment. */

import { runCli, systemTerminal } from "./cli/index.ts";

process.exit(await runCli(process.argv.slice(2), systemTerminal(process.env)));
