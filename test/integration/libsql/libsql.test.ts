import { startGatewayNode } from "./gateway-node.ts";
import { libsqlSuite } from "./suite.ts";

libsqlSuite("a gateway over one SQLite file", () => startGatewayNode());
