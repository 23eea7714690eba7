import { setDefaultTimeout } from "bun:test";
import { startAgentNetwork } from "./agent-network.ts";
import { startGatewayNode } from "./gateway-node.ts";
import { ormSuite } from "./orm-suite.ts";
import { libsqlSuite } from "./suite.ts";

// Three agents start in seconds, or in many on a busy machine.
setDefaultTimeout(60_000);

for (const suite of [libsqlSuite, ormSuite]) {
  suite("a gateway over one SQLite file", () => startGatewayNode());
  suite("a network of one node", () => startAgentNetwork(1));
  suite("a follower in a network of three", () => startAgentNetwork(3));
}
