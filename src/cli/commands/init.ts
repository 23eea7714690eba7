/** `mycelium init`: makes a network and its first node. */

import { MyceliumError } from "../../base/index.ts";
import { command } from "../command.ts";
import { EXIT } from "../exit-code.ts";
import { runAsOwner } from "../self.ts";
import { configOf, givenSettings, SETTING_ARGS } from "../settings.ts";
import { keepSettings } from "../settings-file.ts";
import { paint } from "../terminal.ts";

export const initCommand = command({
  name: "init",
  summary: "Make a network, with this node as its first",
  examples: [
    "mycelium init --network home",
    "mycelium init --network lab --state ./a --port 8081 --p2p-port 9091",
  ],
  args: {
    network: { type: "string", valueHint: "NAME", description: "name of the network, for people" },
    ...SETTING_ARGS,
  },
  run: async (args, { terminal, rawArgs }) => {
    const given = givenSettings(args);
    if (args.network !== undefined) {
      if (given["network-name"] !== undefined) {
        throw new MyceliumError(
          "BAD_ARGUMENT",
          "Cannot make a network: found both --network and --network-name, needed one",
        );
      }
      given["network-name"] = args.network;
    }
    const config = configOf(given, terminal);
    const status = await runAsOwner(config.state, ["init", ...rawArgs], terminal.environment);
    if (status !== null) return status;
    const { initNetwork } = await import("../../agent/index.ts");
    const made = await initNetwork(config, { name: config.networkName });
    keepSettings(config.state, given);
    if (args.json) {
      terminal.out(JSON.stringify({ ...made, networkName: config.networkName }));
      return EXIT.ok;
    }
    const ink = paint(terminal.colour && terminal.isTerminal);
    terminal.out(`Made the network ${ink.bold(config.networkName)} (${made.networkId})`);
    terminal.out(`This node is ${made.nodeId}, its state is in ${config.state}`);
    terminal.error("Next: `mycelium run` starts the node, `mycelium token create` invites others.");
    return EXIT.ok;
  },
});
