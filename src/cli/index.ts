export { runCli } from "./run-cli.ts";
export { systemTerminal } from "./system-terminal.ts";
