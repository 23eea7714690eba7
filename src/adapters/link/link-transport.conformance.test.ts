import { transportConformance } from "../../../test/conformance/transport.ts";
import { makeTestNode, until } from "./testbed.ts";

transportConformance("LinkTransport", async (count) => {
  const made = Array.from({ length: count }, () => makeTestNode());
  return {
    nodes: made.map(({ key, transport }) => ({
      node: key.nodeId,
      transport,
      address: (port) => `127.0.0.1:${port}`,
    })),
    until,
    settle: (promise) => promise,
    close: async () => {
      await Promise.all(made.map(({ transport }) => transport.close()));
    },
  };
});
