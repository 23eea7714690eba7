import { afterEach, expect, test } from "bun:test";
import { RecordingHandler } from "../../../test/conformance/transport.ts";
import { utf8 } from "../../base/index.ts";
import { nodeKeyFromSeed } from "../../domain/identity/index.ts";
import type { LinkTransport } from "./link-transport.ts";
import { makeTestNode, type TestNodeOptions, until } from "./testbed.ts";
import { StallingProxy } from "./testbed-raw-peer.ts";

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((resource) => resource.close()));
});

async function startNode(options: TestNodeOptions = {}) {
  const { key, transport } = makeTestNode(options);
  const handler = new RecordingHandler();
  const { port } = await transport.start(handler);
  open.push(transport);
  return { id: key.nodeId, key, transport, handler, port };
}

type Node = Awaited<ReturnType<typeof startNode>>;

function startProxy(node: Node): { proxy: StallingProxy; port: number } {
  const proxy = new StallingProxy(node.port);
  open.push({ close: async () => proxy.stop() });
  return { proxy, port: proxy.start() };
}

function dial(from: Node, to: Node, port = to.port): void {
  from.transport.setPeers([{ node: to.id, addresses: [`127.0.0.1:${port}`] }]);
}

function isUp(transport: LinkTransport, to: Node): boolean {
  return transport.links().some(({ node, state }) => node === to.id && state === "up");
}

const QUICK_PINGS = { pingIntervalMs: 100, pingTimeoutMs: 300 };

test("two that dial each other at the same time end with one link", async () => {
  for (let round = 0; round < 20; round++) {
    const a = await startNode();
    const b = await startNode();
    dial(a, b);
    dial(b, a);
    await until(() => isUp(a.transport, b) && isUp(b.transport, a), "link");
    const answer = await a.transport.request(b.id, "echo", utf8("x"), 5_000);
    expect(Buffer.from(answer).toString()).toBe("x");
    expect([a.handler.up.length, b.handler.up.length]).toEqual([1, 1]);
    expect([a.handler.down.length, b.handler.down.length]).toEqual([0, 0]);
  }
});

test("a full mesh of ten nodes comes up with one link a pair", async () => {
  const nodes = await Promise.all(Array.from({ length: 10 }, () => startNode()));
  for (const node of nodes) {
    node.transport.setPeers(
      nodes.map((other) => ({ node: other.id, addresses: [`127.0.0.1:${other.port}`] })),
    );
  }
  const whole = () => nodes.every((a) => nodes.every((b) => a === b || isUp(a.transport, b)));
  await until(whole, "mesh");
  for (const { handler } of nodes) expect(handler.up.length - handler.down.length).toBe(9);
});

test("a second process with a linked node's id is refused by name", async () => {
  const key = nodeKeyFromSeed(new Uint8Array(32).fill(5));
  const b = await startNode({ limits: QUICK_PINGS });
  const first = await startNode({ key, instance: "one" });
  const copy = await startNode({ key, instance: "two" });
  dial(first, b);
  await until(() => isUp(b.transport, first), "link");
  dial(copy, b);
  await until(() => copy.transport.links()[0]?.lastErrorCode === "STATE_COPIED", "refusal");
  expect(copy.transport.links()[0]?.lastError).toContain("node id already present");
  expect(isUp(b.transport, first)).toBe(true);
  expect(b.handler.down).toEqual([]);
});

test("a restarted process takes the place of its dead link", async () => {
  const key = nodeKeyFromSeed(new Uint8Array(32).fill(6));
  // Long pings: the dead link is not noticed by itself before the new process comes.
  const limits = { pingIntervalMs: 60_000, pingTimeoutMs: 300 };
  const b = await startNode({ limits });
  const before = await startNode({ key, instance: "before", limits });
  const { proxy, port } = startProxy(b);
  dial(before, b, port);
  await until(() => isUp(b.transport, before), "link");
  proxy.stalled = true;
  const after = await startNode({ key, instance: "after" });
  dial(after, b);
  await until(() => isUp(after.transport, b), "link of the restarted process");
  await until(() => b.handler.hellos.at(-1)?.instance === "after", "the new hello");
  expect(b.handler.down).toEqual([key.nodeId]);
});

test("a link that goes silent is lost on both sides, and comes back", async () => {
  const a = await startNode({ limits: QUICK_PINGS });
  const b = await startNode({ limits: QUICK_PINGS });
  const { proxy, port } = startProxy(b);
  dial(a, b, port);
  await until(() => isUp(a.transport, b) && isUp(b.transport, a), "link");
  await until(() => a.transport.links()[0]?.roundTripMs !== null, "round trip");
  const asked = a.transport.request(b.id, "echo", utf8("x"), 60_000);
  await asked;
  proxy.stalled = true;
  const lost = a.transport.request(b.id, "echo", utf8("x"), 60_000);
  await expect(lost).rejects.toThrow("closed");
  await until(() => !isUp(b.transport, a), "loss on the other side");
  proxy.stalled = false;
  await until(() => isUp(a.transport, b) && isUp(b.transport, a), "the link's return");
});

test("a flipped bit on the way ends the link and is never delivered", async () => {
  const a = await startNode();
  const b = await startNode();
  const { proxy, port } = startProxy(b);
  dial(a, b, port);
  await until(() => isUp(a.transport, b) && isUp(b.transport, a), "link");
  proxy.flipNext = true;
  a.transport.send(b.id, "raft", utf8("flipped"), 0);
  await until(() => a.handler.down.length > 0 && b.handler.down.length > 0, "the link's end");
  await until(() => isUp(a.transport, b), "the link's return");
  expect(b.handler.messages).toEqual([]);
});

test("a peer killed with -9 is seen down, and linked again when it is back", async () => {
  const key = nodeKeyFromSeed(new Uint8Array(32).fill(7));
  const node = await startNode();
  const program = `
    const { makeTestNode } = await import(${JSON.stringify(import.meta.resolve("./testbed.ts"))});
    const { nodeKeyFromSeed } = await import(${JSON.stringify(
      import.meta.resolve("../../domain/identity/index.ts"),
    )});
    const { transport } = makeTestNode({ key: nodeKeyFromSeed(new Uint8Array(32).fill(7)) });
    const handler = { admit: () => ({ ok: true }), linkUp() {}, linkDown() {}, message() {},
      request: async (_from, _method, payload) => payload };
    const { port } = await transport.start(handler);
    console.log(port);
    setInterval(() => {}, 1_000);`;
  const spawn = async () => {
    const child = Bun.spawn([process.execPath, "-e", program], {
      stdout: "pipe",
      stderr: "inherit",
    });
    const { value } = await child.stdout.getReader().read();
    const port = Number(new TextDecoder().decode(value));
    node.transport.setPeers([{ node: key.nodeId, addresses: [`127.0.0.1:${port}`] }]);
    return child;
  };
  for (let life = 1; life <= 3; life++) {
    const child = await spawn();
    await until(() => node.handler.up.length === life, "link");
    child.kill("SIGKILL");
    await until(() => node.handler.down.length === life, "loss");
    await child.exited;
  }
});

test("when one address fails the next is tried", async () => {
  const a = await startNode();
  const b = await startNode();
  a.transport.setPeers([
    { node: b.id, addresses: ["nonsense", "127.0.0.1:1", `127.0.0.1:${b.port}`] },
  ]);
  await until(() => isUp(a.transport, b), "link");
});

test("close() says goodbye, so that the other side knows at once and nothing is left listening", async () => {
  const a = await startNode();
  const b = await startNode();
  dial(a, b);
  await until(() => isUp(a.transport, b) && isUp(b.transport, a), "link");
  await b.transport.close();
  await until(() => a.handler.down.length === 1, "loss");
  expect(a.transport.links()[0]?.lastError).toContain("shutting down");
  const again = await startNode({ port: b.port });
  expect(again.port).toBe(b.port);
});
