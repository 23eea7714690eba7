import { afterEach, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { createSocket } from "node:dgram";
import { networkInterfaces } from "node:os";
import { asNetworkId, errorCodeOf, type NodeId, SeededRandom } from "../../base/index.ts";
import { nodeKeyFromSeed } from "../../domain/identity/index.ts";
import type { Clock, GossipHandler, Logger, Metrics } from "../../ports/index.ts";
import { GOSSIP_LINK_COUNT_MAX, type GossipOptions } from "./gossip-options.ts";
import { Libp2pGossip } from "./libp2p-gossip.ts";

const LIMIT_MS = 30_000;
const clock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after: (delayMs, callback) => {
    const timer = setTimeout(callback, delayMs);
    return { cancel: () => clearTimeout(timer) };
  },
};
const logger: Logger = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
  with: () => logger,
};
const metrics: Metrics = { count: () => {}, gauge: () => {}, observeSeconds: () => {} };

async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadlineMs = performance.now() + LIMIT_MS;
  while (!(await condition())) {
    if (performance.now() > deadlineMs) throw new Error(`${what} did not come true in time`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

class Recorder implements GossipHandler {
  readonly messages: { topic: string; from: NodeId; payload: Uint8Array }[] = [];
  readonly found = new Map<NodeId, readonly string[]>();
  accepts = (_payload: Uint8Array): boolean => true;
  message(topic: string, from: NodeId, payload: Uint8Array): boolean {
    if (!this.accepts(payload)) return false;
    this.messages.push({ topic, from, payload });
    return true;
  }
  peerFound(node: NodeId, multiaddrs: readonly string[]): void {
    this.found.set(node, multiaddrs);
  }
}

const running: Libp2pGossip[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((gossip) => gossip.close()));
});

async function start(changes: Partial<GossipOptions> = {}) {
  const key = nodeKeyFromSeed(new Uint8Array(randomBytes(32)));
  const gossip = new Libp2pGossip({
    key,
    networkId: asNetworkId("ab".repeat(32)),
    isolationKey: new Uint8Array(32).fill(1),
    host: "127.0.0.1",
    port: 0,
    mdns: false,
    allows: () => true,
    clock,
    random: new SeededRandom(1),
    logger,
    metrics,
    ...changes,
  });
  running.push(gossip);
  const handler = new Recorder();
  const { port } = await gossip.start(handler, ["spores"]);
  const multiaddr = `/ip4/127.0.0.1/tcp/${port}/p2p/${key.nodeId}`;
  return {
    id: key.nodeId,
    gossip,
    handler,
    port,
    peer: { node: key.nodeId, multiaddrs: [multiaddr] },
  };
}

test(
  "a message reaches all over others, whole, at sizes around every limit of the layers below",
  async () => {
    const nodes = [await start(), await start(), await start(), await start()];
    // A chain: the last hears the first only through the two between.
    for (let i = 1; i < nodes.length; i++) nodes[i]!.gossip.setPeers([nodes[i - 1]!.peer]);
    await until(() => nodes.every(({ gossip }) => gossip.peerCount() > 0), "links");
    for (const size of [1, 1_199, 1_200, 5_000, 70_000, 200_000]) {
      const payload = new Uint8Array(randomBytes(size));
      const has = ({ handler }: (typeof nodes)[number]) =>
        handler.messages.some((message) => Buffer.compare(message.payload, payload) === 0);
      await until(async () => {
        // Published again until the mesh has formed; each time is a message of its own.
        if (!nodes.slice(1).every(has)) await nodes[0]!.gossip.publish("spores", payload);
        await new Promise((resolve) => setTimeout(resolve, 50));
        return nodes.slice(1).every(has);
      }, `a message of ${size} bytes`);
    }
    for (const { handler } of nodes.slice(1)) {
      expect(new Set(handler.messages.map(({ from }) => from))).toEqual(new Set([nodes[0]!.id]));
    }
  },
  2 * LIMIT_MS,
);

test(
  "a node keeps at most 16 links, and those behind one address all hear it",
  async () => {
    const hub = await start();
    const around = await Promise.all(Array.from({ length: 18 }, () => start()));
    for (const { gossip } of around) gossip.setPeers([hub.peer]);
    await until(() => hub.gossip.peerCount() === GOSSIP_LINK_COUNT_MAX, "16 links");
    await until(async () => {
      await hub.gossip.publish("spores", Uint8Array.of(1));
      await new Promise((resolve) => setTimeout(resolve, 50));
      expect(hub.gossip.peerCount()).toBeLessThanOrEqual(GOSSIP_LINK_COUNT_MAX);
      const linked = around.filter(({ gossip }) => gossip.peerCount() > 0);
      return linked.length > 10 && linked.every(({ handler }) => handler.messages.length > 0);
    }, "the message to all that are linked");
  },
  2 * LIMIT_MS,
);

test(
  "what a handler rejects is not passed on",
  async () => {
    const [first, middle, last] = [await start(), await start(), await start()];
    middle.gossip.setPeers([first.peer]);
    last.gossip.setPeers([middle.peer]);
    middle.handler.accepts = (payload) => payload[0] !== 66;
    const send = async (byte: number) => first.gossip.publish("spores", Uint8Array.of(byte));
    await until(async () => {
      await send(66);
      await send(65);
      await new Promise((resolve) => setTimeout(resolve, 50));
      return last.handler.messages.length > 0;
    }, "the good message");
    expect(last.handler.messages.every(({ payload }) => payload[0] === 65)).toBe(true);
  },
  2 * LIMIT_MS,
);

test(
  "a stranger with another isolation key gets no link and hears nothing",
  async () => {
    const member = await start();
    const other = await start();
    const stranger = await start({ isolationKey: new Uint8Array(32).fill(2) });
    stranger.gossip.setPeers([member.peer]);
    member.gossip.setPeers([stranger.peer, other.peer]);
    await until(() => member.gossip.peerCount() === 1, "the member's link");
    await until(async () => {
      await member.gossip.publish("spores", Uint8Array.of(1));
      return other.handler.messages.length > 0;
    }, "a message to the member");
    expect(stranger.gossip.peerCount()).toBe(0);
    expect(stranger.handler.messages).toEqual([]);
  },
  2 * LIMIT_MS,
);

test(
  "a node that is no longer allowed loses its link",
  async () => {
    const removed = await start();
    let allowed = true;
    const member = await start({ allows: () => allowed });
    member.gossip.setPeers([removed.peer]);
    await until(() => member.gossip.peerCount() === 1, "link");
    allowed = false;
    await until(() => removed.gossip.peerCount() === 0, "the link's end");
  },
  2 * LIMIT_MS,
);

test(
  "who dials in is found, with addresses that hold its id",
  async () => {
    const a = await start();
    const b = await start();
    b.gossip.setPeers([a.peer]);
    await until(() => a.handler.found.has(b.id), "discovery");
    expect(a.handler.found.get(b.id)).toContain(`/ip4/127.0.0.1/tcp/${b.port}/p2p/${b.id}`);
  },
  2 * LIMIT_MS,
);

test("a taken port and a host that has no address are told apart; a host name is resolved", async () => {
  const a = await start();
  const codes: (string | undefined)[] = [];
  for (const wrong of [{ port: a.port }, { host: "no-such-host.invalid" }]) {
    await start(wrong).catch((error: unknown) => codes.push(errorCodeOf(error)));
  }
  expect(codes).toEqual(["PORT_TAKEN", "BAD_CONFIG"]);
  expect((await start({ host: "localhost" })).port).toBeGreaterThan(0);
});

test(
  "peers killed with -9 and garbage on the port leave a node working, with no stray rejection",
  async () => {
    const stray: unknown[] = [];
    const note = (reason: unknown) => stray.push(reason);
    process.on("unhandledRejection", note);
    process.on("uncaughtException", note);
    const hub = await start();
    for (let life = 0; life < 3; life++) {
      const child = Bun.spawn([process.execPath, "-e", childProgram(hub.peer)], {
        stdout: "ignore",
        stderr: "inherit",
      });
      await until(() => hub.gossip.peerCount() === 1, "the child's link");
      for (let i = 0; i < 20; i++) await hub.gossip.publish("spores", randomBytes(50_000));
      child.kill("SIGKILL");
      for (const size of [1, 24, 100, 5_000]) {
        const stranger = await Bun.connect({
          hostname: "127.0.0.1",
          port: hub.port,
          socket: { data: () => {} },
        });
        stranger.write(randomBytes(size));
        if (size !== 100) stranger.end();
      }
      await until(() => hub.gossip.peerCount() === 0, "the loss of the child");
      await child.exited;
    }
    const member = await start();
    member.gossip.setPeers([hub.peer]);
    await until(async () => {
      await hub.gossip.publish("spores", Uint8Array.of(7));
      await new Promise((resolve) => setTimeout(resolve, 50));
      return member.handler.messages.length > 0;
    }, "a message after all that");
    process.off("unhandledRejection", note);
    process.off("uncaughtException", note);
    expect(stray).toEqual([]);
  },
  2 * LIMIT_MS,
);

/** A process that gossips with `peer` until it is killed. */
function childProgram(peer: { readonly node: NodeId; readonly multiaddrs: readonly string[] }) {
  const at = (path: string) => JSON.stringify(import.meta.resolve(path));
  return `
    const { Libp2pGossip } = await import(${at("./libp2p-gossip.ts")});
    const { nodeKeyFromSeed } = await import(${at("../../domain/identity/index.ts")});
    const { SeededRandom } = await import(${at("../../base/index.ts")});
    const quiet = { debug() {}, count() {}, gauge() {} };
    const clock = { after: (ms, run) => ({ timer: setTimeout(run, ms), cancel() {} }) };
    const gossip = new Libp2pGossip({
      key: nodeKeyFromSeed(crypto.getRandomValues(new Uint8Array(32))),
      networkId: "ab".repeat(32), isolationKey: new Uint8Array(32).fill(1),
      host: "127.0.0.1", port: 0, mdns: false, allows: () => true,
      clock, random: new SeededRandom(1), logger: quiet, metrics: quiet,
    });
    await gossip.start({ message: () => true, peerFound() {} }, ["spores"]);
    gossip.setPeers([${JSON.stringify(peer)}]);
    setInterval(() => gossip.publish("spores", crypto.getRandomValues(new Uint8Array(9_000))), 5);`;
}

test("publish() refuses what is too large, and a closed adapter", async () => {
  const { gossip } = await start();
  await expect(gossip.publish("spores", new Uint8Array(300_000))).rejects.toThrow("at most");
  await gossip.close();
  await expect(gossip.publish("spores", Uint8Array.of(1))).rejects.toThrow("not running");
});

/** Whether a multicast datagram sent here comes back: mDNS needs it. */
async function multicastWorks(): Promise<boolean> {
  const group = "224.0.0.250";
  const socket = createSocket({ type: "udp4", reuseAddr: true });
  try {
    return await new Promise((resolve) => {
      socket.on("error", () => resolve(false));
      socket.on("message", () => resolve(true));
      socket.bind(0, () => {
        try {
          socket.addMembership(group);
          socket.send("x", socket.address().port, group);
        } catch {
          // No route for multicast here: that is the answer.
          resolve(false);
        }
      });
      setTimeout(() => resolve(false), 2_000);
    });
  } finally {
    socket.close();
  }
}

const hasMulticast = await multicastWorks();
if (!hasMulticast) {
  const interfaces = Object.keys(networkInterfaces()).join(", ");
  console.log(`skipped: mDNS, no multicast datagram comes back on this machine (${interfaces})`);
}

test.skipIf(!hasMulticast)(
  "nodes of one network find each other by mDNS, those of another do not",
  async () => {
    const host = "0.0.0.0";
    const a = await start({ mdns: true, host });
    const b = await start({ mdns: true, host });
    const foreign = await start({ mdns: true, host, networkId: asNetworkId("cd".repeat(32)) });
    await until(() => a.handler.found.has(b.id) || b.handler.found.has(a.id), "discovery");
    await until(() => a.gossip.peerCount() === 1 && b.gossip.peerCount() === 1, "link");
    expect(foreign.handler.found.size).toBe(0);
    expect(a.handler.found.has(foreign.id)).toBe(false);
  },
  2 * LIMIT_MS,
);
