/**
 * `mycelium join`: makes this machine a node of another's network. Where the node runs as a service, the service is
 * stopped for it and started again. The one-node network that install.sh made gives way if nobody has used it, and
 * comes back if the join is refused.
 */

import { MyceliumError } from "../../base/index.ts";
import type { Config } from "../../domain/config/index.ts";
import { decodeJoinToken } from "../../domain/identity/index.ts";
import { command } from "../command.ts";
import { EXIT } from "../exit-code.ts";
import { exitStatus, runAsOwnerOptions, spawnSelf } from "../self.ts";
import { type Service, serviceOf } from "../service.ts";
import { discardAside, restoreAside, setAside } from "../set-aside.ts";
import { configOf, givenSettings, SETTING_ARGS } from "../settings.ts";
import { keepSettings } from "../settings-file.ts";
import { clientOf } from "../state-directory.ts";
import type { Terminal } from "../terminal.ts";
import { assertUnused } from "../unused-network.ts";

const TOKEN_SIZE_MAX = 4_096;

export const joinCommand = command({
  name: "join",
  summary: "Join a network with a token that `mycelium token create` printed on one of its nodes",
  examples: [
    "mycelium join TOKEN",
    "ssh first-node mycelium token create | mycelium join -",
    "mycelium join TOKEN --state ./b --port 8082 --p2p-port 9092",
  ],
  args: {
    token: {
      type: "positional",
      required: true,
      description: "the join token, or - to read it from standard input",
    },
    "enrol-only": { type: "boolean", description: "do not stop or start the installed service" },
    ...SETTING_ARGS,
  },
  run: async (args, { terminal }) => {
    const config = configOf(args, terminal);
    const token = (
      args.token === "-" ? await terminal.readInput(TOKEN_SIZE_MAX) : args.token
    ).trim();
    // Before anything is stopped for it: a token that was mistyped or is too old joins nothing.
    decodeJoinToken(token, Date.now());
    const service =
      args["enrol-only"] === true ? null : serviceOf(config.state, terminal.environment);
    const given = givenSettings(args);
    const json = args.json === true;
    const inChild = () => enrolInChild(config.state, token, given, json, terminal.environment);
    if (service !== null) return joinThroughService(service, config, terminal, inChild);
    if ("uid" in runAsOwnerOptions(config.state)) return inChild();
    return enrol(config, token, given, json, terminal);
  },
});

async function enrol(
  config: Config,
  token: string,
  given: Record<string, string>,
  json: boolean,
  terminal: Terminal,
): Promise<number> {
  const { joinNetwork } = await import("../../agent/index.ts");
  const joined = await joinNetwork(config, { token });
  keepSettings(config.state, given);
  if (json) terminal.out(JSON.stringify(joined));
  else {
    terminal.out(`Joined the network ${joined.networkName} (${joined.networkId})`);
    terminal.out(`This node is ${joined.nodeId}, its state is in ${config.state}`);
  }
  return EXIT.ok;
}

async function joinThroughService(
  service: Service,
  config: Config,
  terminal: Terminal,
  enrolInChild: () => Promise<number>,
): Promise<number> {
  if (service.isRunning) {
    await assertUnused(clientOf(config.state, terminal));
    terminal.error(`Stopping ${service.name}`);
    await service.stop();
  }
  setAside(config.state);
  const status = await enrolInChild();
  if (status !== EXIT.ok) {
    restoreAside(config.state);
    if (service.isRunning) await service.start();
    terminal.error("The join was refused: this node is as it was before.");
    return status;
  }
  discardAside(config.state);
  terminal.error(`Starting ${service.name}`);
  await service.start();
  terminal.error("Next: `mycelium status` shows the network.");
  return EXIT.ok;
}

/** As the state directory's owner; the token goes through a pipe, where others cannot read it. */
async function enrolInChild(
  stateDirectory: string,
  token: string,
  given: Readonly<Record<string, string>>,
  json: boolean,
  environment: Terminal["environment"],
): Promise<number> {
  const settings = { ...given, state: stateDirectory };
  const flags = Object.entries(settings).map(([flag, value]) => `--${flag}=${value}`);
  if (json) flags.push("--json");
  const child = spawnSelf(environment, ["join", ...flags, "--enrol-only", "-"], {
    ...runAsOwnerOptions(stateDirectory),
    stdio: ["pipe", "inherit", "inherit"],
  });
  if (child.stdin === null) throw new MyceliumError("CLOSED", "Cannot hand the token over");
  child.stdin.end(token);
  return exitStatus(child);
}
