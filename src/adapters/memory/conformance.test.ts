/** The cases every adapter of a port must pass, on the ones in memory. */

import { logStoreConformance } from "../../../test/conformance/log-store.ts";
import { transportConformance } from "../../../test/conformance/transport.ts";
import { asNodeId, EMPTY_BYTES } from "../../base/index.ts";
import type { LogStore } from "../../ports/index.ts";
import { MemoryHost } from "./host.ts";
import { MemoryLogDisk, MemoryLogStore } from "./log-store.ts";
import { MemoryNetwork } from "./network.ts";
import { Scheduler } from "./scheduler.ts";
import { MemoryTransport } from "./transport.ts";

/** A store whose promises settle by themselves: each call runs virtual time until its answer is there. */
function selfDriven(store: LogStore, scheduler: Scheduler): LogStore {
  return new Proxy(store, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name);
      if (typeof member !== "function") return member;
      return (...args: unknown[]) => {
        const result: unknown = member.apply(target, args);
        return result instanceof Promise ? scheduler.settle(result) : result;
      };
    },
  });
}

logStoreConformance("MemoryLogStore", async () => {
  const scheduler = new Scheduler(1);
  const disk = new MemoryLogDisk();
  const open = () => {
    const host = new MemoryHost("a", scheduler);
    host.start();
    return selfDriven(new MemoryLogStore(disk, host, { syncMs: () => 1 }), scheduler);
  };
  const store = open();
  return {
    store,
    reopen: async () => {
      await store.close();
      return open();
    },
    dispose: async () => undefined,
  };
});

transportConformance("MemoryTransport", async (count) => {
  const scheduler = new Scheduler(1);
  const network = new MemoryNetwork(scheduler);
  const nodes = Array.from({ length: count }, (_, i) => {
    const node = asNodeId(`node-${i}`);
    const host = new MemoryHost(node, scheduler);
    host.start();
    const hello = {
      node,
      instance: node,
      protocolVersion: "1.0",
      minProtocolVersion: "1.0",
      features: [],
      grant: EMPTY_BYTES,
      wallMs: host.wallMs(),
      addresses: [],
    };
    const transport = new MemoryTransport({ network, host, hello });
    return { node, transport, address: () => `memory:${node}` };
  });
  return {
    nodes,
    until: async (condition) => {
      const limitMs = scheduler.nowMs + 60_000;
      while (!condition()) {
        if (!scheduler.step(limitMs)) throw new Error("the condition did not come to hold");
      }
    },
    settle: (promise) => scheduler.settle(promise),
    close: async () => undefined,
  };
});
