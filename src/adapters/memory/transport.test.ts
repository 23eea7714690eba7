import { expect, test } from "bun:test";
import { asNodeId, EMPTY_BYTES, MyceliumError, type NodeId, utf8 } from "../../base/index.ts";
import type { PeerHello, TransportHandler } from "../../ports/index.ts";
import { MemoryHost } from "./host.ts";
import { MemoryNetwork } from "./network.ts";
import { Scheduler } from "./scheduler.ts";
import { MemoryTransport } from "./transport.ts";

function makePair(seed = 5) {
  const scheduler = new Scheduler(seed);
  const network = new MemoryNetwork(scheduler);
  const names = ["a", "b"].map(asNodeId);
  const events: string[] = [];
  const nodes = names.map((node) => makeNode(node, network, events));
  for (const { transport } of nodes) {
    transport.setPeers(names.map((node) => ({ node, addresses: [] })));
  }
  scheduler.runUntil(500);
  const [a, b] = nodes as [(typeof nodes)[0], (typeof nodes)[0]];
  return { scheduler, network, events, a, b };
}

function makeNode(node: NodeId, network: MemoryNetwork, events: string[]) {
  const host = new MemoryHost(node, network.scheduler);
  host.start();
  const hello: PeerHello = {
    node,
    instance: node,
    protocolVersion: "1",
    minProtocolVersion: "1",
    features: [],
    grant: EMPTY_BYTES,
    wallMs: 0,
    addresses: [],
  };
  const transport = new MemoryTransport({ network, host, hello });
  const handler: TransportHandler = {
    admit: () => ({ ok: true }),
    linkUp: (peer) => {
      events.push(`${node} up ${peer.node}`);
      transport.send(peer.node, "greeting", utf8("hello"), 0);
    },
    linkDown: (peer) => void events.push(`${node} down ${peer}`),
    message: (from, channel, payload) =>
      void events.push(`${node} ${channel} ${new TextDecoder().decode(payload)} of ${from}`),
    request: async (from, method) => {
      if (method === "refuse") throw new MyceliumError("FORBIDDEN", "Cannot do that");
      if (method === "hang") await host.delay(60_000);
      return utf8(`${method} for ${from}`);
    },
  };
  void transport.start(handler);
  return { node, host, transport };
}

const upOf = (events: readonly string[]) => events.filter((event) => event.includes(" up "));

test("two nodes that want each other get one link and both hear of it", () => {
  const { events } = makePair();
  expect(upOf(events).sort()).toEqual(["a up b", "b up a"]);
});

test.each([1, 2, 3, 4, 5, 6])(
  "what is sent the moment a link is up arrives after it is up there: %d",
  (seed) => {
    const { events } = makePair(seed);
    const of = (node: string) => events.filter((event) => event.startsWith(node));
    expect(of("a")).toEqual(["a up b", "a greeting hello of b"]);
    expect(of("b")).toEqual(["b up a", "b greeting hello of a"]);
  },
);

test("messages on a link arrive in order", () => {
  const { scheduler, events, a } = makePair();
  for (let i = 0; i < 50; i++) a.transport.send(asNodeId("b"), "raft", utf8(String(i)), 0);
  scheduler.runUntil(1_000);
  const arrived = events.filter((event) => event.startsWith("b raft"));
  expect(arrived).toEqual(Array.from({ length: 50 }, (_, i) => `b raft ${i} of a`));
});

test("a link that drops loses a tail, and another follows", () => {
  const { scheduler, network, events, a } = makePair();
  for (let i = 0; i < 50; i++) a.transport.send(asNodeId("b"), "raft", utf8(String(i)), 0);
  network.dropLink(asNodeId("a"), asNodeId("b"), false);
  scheduler.runUntil(3_000);
  expect(events.filter((event) => event.startsWith("b raft"))).toEqual([]);
  expect(events.filter((event) => event.includes(" down ")).sort()).toEqual([
    "a down b",
    "b down a",
  ]);
  expect(upOf(events).length).toBe(4);
});

test("a short block holds messages back, a long one breaks the link", () => {
  const { scheduler, network, events, a } = makePair();
  network.block(asNodeId("a"), asNodeId("b"));
  a.transport.send(asNodeId("b"), "raft", utf8("held"), 0);
  scheduler.runUntil(scheduler.nowMs + 1_000);
  expect(events).not.toContain("b raft held of a");
  network.unblock(asNodeId("a"), asNodeId("b"));
  scheduler.runUntil(scheduler.nowMs + 100);
  expect(events).toContain("b raft held of a");
  network.block(asNodeId("b"), asNodeId("a"));
  scheduler.runUntil(scheduler.nowMs + 6_000);
  expect(events).toContain("a down b");
});

test("hostile links lose, double and reorder one channel and leave the others alone", () => {
  const { scheduler, network, events, a } = makePair();
  network.hostility = { channel: "raft", lossRate: 0.2, duplicateRate: 0.2, delayMaxMs: 50 };
  for (let i = 0; i < 200; i++) {
    a.transport.send(asNodeId("b"), "raft", utf8(String(i)), 0);
    a.transport.send(asNodeId("b"), "other", utf8(String(i)), 0);
  }
  scheduler.runUntil(2_000);
  const numbers = (channel: string) =>
    events.filter((event) => event.startsWith(`b ${channel}`)).map((e) => Number(e.split(" ")[2]));
  const raft = numbers("raft");
  expect(new Set(raft).size).toBeLessThan(200);
  expect(raft.length).toBeGreaterThan(new Set(raft).size);
  expect(raft).not.toEqual(raft.toSorted((x, y) => x - y));
  expect(numbers("other")).toEqual(Array.from({ length: 200 }, (_, i) => i));
});

test("requests are answered, refused with the peer's error, or time out", async () => {
  const { scheduler, a } = makePair();
  const ask = (method: string) =>
    scheduler.settle(a.transport.request(asNodeId("b"), method, EMPTY_BYTES, 1_000));
  expect(new TextDecoder().decode(await ask("hello"))).toBe("hello for a");
  expect(ask("refuse")).rejects.toMatchObject({ code: "FORBIDDEN", message: "Cannot do that" });
  expect(ask("hang")).rejects.toMatchObject({ code: "TIMEOUT" });
});

test("a request over a link that breaks, or without one, is UNREACHABLE", async () => {
  const { scheduler, network, a, b } = makePair();
  const asked = a.transport.request(asNodeId("b"), "hang", EMPTY_BYTES, 60_000);
  b.host.kill();
  network.detach(asNodeId("b"), false);
  expect(scheduler.settle(asked)).rejects.toMatchObject({ code: "UNREACHABLE" });
  const again = a.transport.request(asNodeId("b"), "hello", EMPTY_BYTES, 1_000);
  expect(scheduler.settle(again)).rejects.toMatchObject({ code: "UNREACHABLE" });
});
