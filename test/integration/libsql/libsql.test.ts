import { startAgentNode } from "./agent-node.ts";
import { startGatewayNode } from "./gateway-node.ts";
import { ormSuite } from "./orm-suite.ts";
import { libsqlSuite } from "./suite.ts";

libsqlSuite("a gateway over one SQLite file", () => startGatewayNode());
libsqlSuite("a real node", startAgentNode);
ormSuite("a gateway over one SQLite file", () => startGatewayNode());
ormSuite("a real node", startAgentNode);
