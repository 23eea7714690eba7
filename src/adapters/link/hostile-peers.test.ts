import { afterEach, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { RecordingHandler } from "../../../test/conformance/transport.ts";
import { utf8 } from "../../base/index.ts";
import { encodeFrame, FRAME_KIND } from "../../domain/wire/index.ts";
import type { LinkTransport } from "./link-transport.ts";
import { CountingMetrics, makeTestNode, type TestNodeOptions, until } from "./testbed.ts";
import { RawPeer } from "./testbed-raw-peer.ts";

const open: LinkTransport[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((transport) => transport.close()));
});

async function startNode(options: TestNodeOptions = {}) {
  const metrics = new CountingMetrics();
  const { key, transport } = makeTestNode({ metrics, ...options });
  const handler = new RecordingHandler();
  const { port } = await transport.start(handler);
  open.push(transport);
  return { id: key.nodeId, key, transport, handler, port, metrics };
}

type Node = Awaited<ReturnType<typeof startNode>>;

function dial(from: Node, to: Node, port = to.port): void {
  from.transport.setPeers([{ node: to.id, addresses: [`127.0.0.1:${port}`] }]);
}

async function link(from: Node, to: Node): Promise<void> {
  dial(from, to);
  await until(() => from.handler.up.includes(to.id) && to.handler.up.includes(from.id), "link");
}

/** What a node says is wrong with its only peer. */
function complaint(node: Node): string {
  const status = node.transport.links()[0];
  return `${status?.lastErrorCode} ${status?.lastError}`;
}

test("garbage on the port is closed, and members still get in", async () => {
  const node = await startNode();
  let closed = 0;
  for (let i = 0; i < 20; i++) {
    const stranger = await Bun.connect({
      hostname: "127.0.0.1",
      port: node.port,
      socket: { data: () => {}, close: () => void closed++ },
    });
    stranger.write(i % 2 === 0 ? randomBytes(2_000) : utf8("GET / HTTP/1.1\r\n\r\n"));
  }
  await until(() => closed === 20, "closing of garbage");
  await link(await startNode(), node);
  expect(node.handler.up).toHaveLength(1);
});

test("silent connections are closed at the handshake's deadline", async () => {
  const node = await startNode({ limits: { handshakeTimeoutMs: 200 } });
  const tcpOnly = { closed: false };
  await Bun.connect({
    hostname: "127.0.0.1",
    port: node.port,
    socket: {
      data: () => {},
      close: () => {
        tcpOnly.closed = true;
      },
    },
  });
  const tlsOnly = new RawPeer();
  await tlsOnly.connect(node.port);
  await until(() => tcpOnly.closed && tlsOnly.closed, "closing of silent ones");
  expect(tlsOnly.receivedBytes).toBe(0);
});

test("strangers that hold handshakes open cannot keep members out", async () => {
  const node = await startNode({ limits: { halfOpenCountMax: 4, handshakeTimeoutMs: 60_000 } });
  const strangers = Array.from({ length: 12 }, () => new RawPeer());
  for (const stranger of strangers) await stranger.connect(node.port);
  await until(() => strangers.filter(({ closed }) => closed).length >= 8, "eviction");
  await link(await startNode(), node);
});

test("beyond the connection limit a connection is closed at once", async () => {
  const node = await startNode({ limits: { connectionCountMax: 1 } });
  await link(await startNode(), node);
  const extra = new RawPeer();
  await extra.connect(node.port);
  await until(() => extra.closed, "closing");
  expect(node.metrics.counts.get("mycelium_peer_errors_total link connection_limit")).toBe(1);
});

test("connections that failed leave no trace in the limits", async () => {
  const node = await startNode({ limits: { connectionCountMax: 4 } });
  for (let i = 0; i < 30; i++) {
    const peer = new RawPeer();
    await peer.connect(node.port);
    if (i % 3 === 0) peer.end();
    else peer.write(new Uint8Array(randomBytes(100)));
    await until(() => peer.closed, "closing");
  }
  await link(await startNode(), node);
});

test("a member that sends random frames never harms more than its own link", async () => {
  const node = await startNode();
  const good = await startNode();
  await link(good, node);
  for (let round = 0; round < 25; round++) {
    const peer = new RawPeer();
    await peer.link(node.port, node.id);
    for (let i = 0; i < 20 && !peer.closed; i++) {
      const [kind = 0, size = 0] = randomBytes(2);
      peer.send(kind % 16, new Uint8Array(randomBytes(size)), i % 2 === 0 ? "raft" : "");
    }
    peer.end();
    await until(() => node.handler.up.length === node.handler.down.length + 1, "the link's end");
  }
  const answer = await good.transport.request(node.id, "echo", utf8("still here"), 5_000);
  expect(Buffer.from(answer).toString()).toBe("still here");
});

test("a TLS client without a certificate is closed without a word", async () => {
  const node = await startNode();
  const peer = new RawPeer();
  await peer.connect(node.port, { certificate: false });
  await until(() => peer.closed, "closing");
  expect(peer.receivedBytes).toBe(0);
});

test("whoever does not prove the isolation key is closed without a word", async () => {
  const node = await startNode();
  const wrongKey = new Uint8Array(32).fill(1);
  const firstFrames: ((peer: RawPeer) => void)[] = [
    (peer) => peer.send(FRAME_KIND.proof, peer.proofFor(node.id, wrongKey)),
    (peer) => peer.send(FRAME_KIND.proof, peer.proofFor(peer.key.nodeId)),
    (peer) => peer.send(FRAME_KIND.proof, peer.proofFor(node.id, undefined, Date.now() - 200_000)),
    (peer) => peer.send(FRAME_KIND.proof, new Uint8Array(0)),
    (peer) => peer.send(FRAME_KIND.hello, peer.hello()),
    (peer) => peer.send(FRAME_KIND.message, utf8("x"), "raft"),
    (peer) => peer.write(new Uint8Array(randomBytes(4_096))),
    (peer) => peer.write(Uint8Array.of(0xff, 0xff, 0xff, 0xff)),
  ];
  for (const sendFirst of firstFrames) {
    const peer = new RawPeer();
    await peer.connect(node.port);
    sendFirst(peer);
    await until(() => peer.closed, "closing");
    expect(peer.receivedBytes).toBe(0);
  }
  expect(node.handler.up).toEqual([]);
  expect(node.handler.messages).toEqual([]);
});

test("a proof replayed in another session is refused", async () => {
  const node = await startNode();
  const peer = new RawPeer();
  await peer.connect(node.port);
  const proof = peer.proofFor(node.id);
  peer.send(FRAME_KIND.proof, proof);
  await until(() => peer.has(FRAME_KIND.hello), "the node's hello");
  const replaying = new RawPeer(peer.key);
  await replaying.connect(node.port);
  replaying.send(FRAME_KIND.proof, proof);
  await until(() => replaying.closed, "closing");
  expect(replaying.receivedBytes).toBe(0);
  peer.end();
});

test("a member that speaks out of turn, too large or malformed loses its link, and it is counted", async () => {
  const node = await startNode({ limits: { bodySizeMax: 100_000 } });
  const badBytes: [string, Uint8Array][] = [
    ["too_large", Uint8Array.of(0x10, 0, 0, 0, FRAME_KIND.message, 0, 0, 0, 0, 0)],
    ["malformed", Uint8Array.of(0, 0, 0, 1, FRAME_KIND.message)],
    ["malformed", encodeFrame({ kind: FRAME_KIND.failure, id: 1, name: "", body: utf8("x") })],
  ];
  for (const [counted, bytes] of badBytes) {
    const peer = new RawPeer();
    await peer.link(node.port, node.id);
    const before = node.metrics.counts.get(`mycelium_peer_errors_total link ${counted}`) ?? 0;
    // A failure is read only for a request that waits.
    void node.transport.request(peer.key.nodeId, "a", utf8("x"), 10_000).catch(() => {});
    await until(() => peer.has(FRAME_KIND.request), "request");
    peer.write(bytes);
    await until(() => peer.closed, "closing");
    expect(node.metrics.counts.get(`mycelium_peer_errors_total link ${counted}`)).toBe(before + 1);
  }
});

test("frames of an unknown kind are ignored", async () => {
  const node = await startNode();
  const peer = new RawPeer();
  await peer.link(node.port, node.id);
  peer.send(200, utf8("from a newer version"), "future");
  peer.send(FRAME_KIND.message, utf8("known"), "raft");
  await until(() => node.handler.messages.length === 1, "message");
  expect(node.handler.messages[0]?.text).toBe("known");
  peer.end();
});

test("a link takes a large message behind its welcome, and bodies of every size unchanged", async () => {
  const a = await startNode();
  const b = await startNode();
  await link(a, b);
  for (const size of [0, 1, 16_384, 16_385, 65_526, 65_536, 1_000_003, 20_000_000]) {
    const payload = new Uint8Array(size);
    for (let i = 0; i < size; i += 997) payload[i] = i % 251;
    const echoed = await a.transport.request(b.id, "echo", payload, 20_000);
    expect(Buffer.compare(echoed, payload)).toBe(0);
  }
});

test("a payload over the limit is TOO_LARGE for the sender, and a reply over it for who asked", async () => {
  const a = await startNode({ limits: { bodySizeMax: 1_000 } });
  const b = await startNode({ limits: { bodySizeMax: 1_000 } });
  await link(a, b);
  expect(() => a.transport.send(b.id, "raft", new Uint8Array(1_001), 0)).toThrow("at most 1000");
  const tooLarge = a.transport.request(b.id, "m", new Uint8Array(1_001), 1_000);
  await expect(tooLarge).rejects.toThrow("1000");
  b.handler.answer = async () => new Uint8Array(2_000);
  const asked = a.transport.request(b.id, "m", utf8("x"), 1_000);
  await expect(asked).rejects.toThrow("send it in parts");
});

test("requests beyond the limit are OVERLOADED on either side", async () => {
  const a = await startNode({ limits: { requestCountMax: 3 } });
  const b = await startNode({ limits: { servedCountMax: 2 } });
  await link(a, b);
  let answerAll: () => void = () => {};
  const gate = new Promise<void>((resolve) => {
    answerAll = resolve;
  });
  b.handler.answer = async () => {
    await gate;
    return utf8("done");
  };
  const asked = [1, 2, 3, 4].map((i) => a.transport.request(b.id, `m${i}`, utf8("x"), 10_000));
  await expect(asked[3]!).rejects.toThrow("too much is under way");
  await expect(asked[2]!).rejects.toThrow("too much is under way");
  answerAll();
  expect(await Promise.all(asked.slice(0, 2))).toHaveLength(2);
});

test("a member that does not read loses its link, and what waits for it is bounded", async () => {
  const sizeBytesMax = 1_000_000;
  const node = await startNode({
    limits: { queueSizeBytesMax: sizeBytesMax, pingTimeoutMs: 60_000, slowPeerTimeoutMs: 300 },
  });
  const peer = new RawPeer();
  await peer.link(node.port, node.id);
  peer.stopReading();
  let refused = false;
  const payload = new Uint8Array(60_000);
  await until(() => {
    refused ||= !node.transport.send(peer.key.nodeId, "bulk", payload, 2);
    return refused;
  }, "a full queue");
  await until(() => node.handler.down.length === 1, "the slow peer's end");
  peer.end();
});

test("Raft overtakes bulk that waits", async () => {
  const a = await startNode();
  const b = await startNode();
  await link(a, b);
  for (let i = 0; i < 20; i++) a.transport.send(b.id, "bulk", new Uint8Array(500_000), 2);
  a.transport.send(b.id, "seed", utf8("second"), 1);
  a.transport.send(b.id, "raft", utf8("first"), 0);
  await until(() => b.handler.messages.length === 22, "messages");
  expect(b.handler.messages.slice(0, 2).map(({ channel }) => channel)).toEqual(["raft", "seed"]);
});

test("another isolation key is told to who dials as what it may be, and to nobody else", async () => {
  const a = await startNode();
  const b = await startNode({ isolationKey: new Uint8Array(32).fill(1) });
  dial(a, b);
  await until(() => complaint(a).includes("another isolation key"), "complaint");
  expect(complaint(a)).toStartWith("WRONG_NETWORK");
  expect(b.handler.hellos).toEqual([]);
});

test("an address where another node answers is refused by who dials", async () => {
  const a = await startNode();
  const b = await startNode();
  const c = await startNode();
  dial(a, b, c.port);
  await until(() => complaint(a).includes(`is ${c.id}`), "complaint");
  expect(c.handler.up).toEqual([]);
});

test("nodes with no version or no feature in common refuse each other and say so", async () => {
  const a = await startNode();
  const newer = await startNode({
    hello: { protocolVersion: "2.0.0", minProtocolVersion: "2.0.0" },
  });
  const odd = await startNode({ hello: { features: ["future"] } });
  for (const [other, words] of [
    [newer, "needs at least 2.0.0"],
    [odd, "no feature in common"],
  ] as const) {
    dial(a, other);
    await until(() => complaint(a).includes(words), words);
    expect(complaint(a)).toStartWith("VERSION_UNSUPPORTED");
  }
});

test("linkUp() tells the features both have", async () => {
  const a = await startNode({ hello: { features: ["consensus", "replication"] } });
  const b = await startNode({ hello: { features: ["sharding", "replication"] } });
  await link(a, b);
  expect(a.handler.hellos[0]?.features).toEqual(["replication"]);
  expect(b.handler.hellos[0]?.features).toEqual(["replication"]);
});

test("a taken port is PORT_TAKEN with what to do", async () => {
  const a = await startNode();
  const { transport } = makeTestNode({ port: a.port });
  await expect(transport.start(new RecordingHandler())).rejects.toThrow(
    "another program uses the port",
  );
});
