/** Garbage, giants and strangers on every port: the node survives, serves on, and gives nothing away. */

import { afterAll, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { createConnection } from "node:net";
import { join } from "node:path";
import { RawPeer } from "../../../src/adapters/link/testbed-raw-peer.ts";
import { asNodeId } from "../../../src/base/index.ts";
import { FRAME_KIND } from "../../../src/domain/wire/index.ts";
import { until } from "../../cluster/processes.ts";
import { Lab } from "./lab.ts";

const MIB = 1_048_576;

const lab = new Lab("hostile");
const node = await lab.network("home", { MYCELIUM_GOSSIP: "on" });
const { httpPort, peerPort } = node.place;
const url = `http://127.0.0.1:${httpPort}`;
const token = await node.command("token", "create", "--sql", "rw");
const gossipPort = await until("the gossip port", async () => {
  const { listen } = await node.status();
  return listen.gossip === null ? null : Number(listen.gossip.split(":").at(-1));
});
afterAll(() => lab.close());

async function serves(): Promise<void> {
  expect((await fetch(`${url}/healthz`)).status).toBe(200);
  expect((await fetch(`${url}/readyz`)).status).toBe(200);
  const told = await lab.sql(token)(node, "SELECT 42");
  expect(told).toMatchObject({ kind: "ok", results: [[["42"]]] });
  expect(lab.deaths).toEqual([]);
}

/** Sends it, ends, and resolves when the other side has closed. */
function send(port: number, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    const socket = createConnection({ port, host: "127.0.0.1" }, () => socket.end(bytes));
    socket.on("error", () => {});
    socket.on("data", () => {});
    socket.once("close", () => resolve());
  });
}

test("random bytes and other protocols on every port do no harm", async () => {
  const words = [
    "\0".repeat(4_096),
    "GET / HTTP/1.1\r\n\r\n",
    "SSH-2.0-OpenSSH_9.2\r\n",
    "POST /v3/pipeline HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    "/multistream/1.0.0\n",
    "\x16\x03\x01\x02\x00",
  ].map((text) => Buffer.from(text, "latin1"));
  for (const port of [httpPort, peerPort, gossipPort]) {
    const random = Array.from({ length: 20 }, (_, i) => randomBytes(1 + i * 997));
    await Promise.all([...words, ...random].map((bytes) => send(port, bytes)));
  }
  await serves();
});

test("connections that are opened and say nothing keep nobody out", async () => {
  const silent = await Promise.all(
    [httpPort, peerPort, gossipPort].flatMap((port) =>
      Array.from({ length: 50 }, () => {
        const { promise, resolve } = Promise.withResolvers<ReturnType<typeof createConnection>>();
        const socket = createConnection({ port, host: "127.0.0.1" }, () => resolve(socket));
        socket.on("error", () => resolve(socket));
        return promise;
      }),
    ),
  );
  await serves();
  const second = await lab.machine("second");
  await second.command("join", await node.command("token", "create"), ...second.portFlags);
  second.start();
  await second.untilHealthy(1);
  for (const socket of silent) socket.destroy();
  expect(await second.run(["leave", "--wipe"])).toMatchObject({ status: 0 });
  await until("its end", async () => (second.isUp ? null : true));
  lab.deaths.length = 0;
});

test("bodies that are too large are refused, whole or in chunks, and cost no memory", async () => {
  const { memoryBytes: before } = await node.status();
  const headers = { Authorization: `Bearer ${token}` };
  for (const [path, sizeBytes] of [
    ["/v3/pipeline", 33 * MIB],
    ["/enrol", 1 * MIB],
  ] as const) {
    const whole = await fetch(url + path, {
      method: "POST",
      headers,
      body: new Uint8Array(sizeBytes),
    }).then(
      ({ status }) => status,
      () => 413,
    );
    expect({ path, whole }).toEqual({ path, whole: 413 });
    const chunk = new Uint8Array(MIB / 4);
    let left = sizeBytes / chunk.length;
    const body = new ReadableStream<Uint8Array>({
      pull: (controller) => (left-- > 0 ? controller.enqueue(chunk) : controller.close()),
    });
    const chunked = await fetch(url + path, { method: "POST", headers, body }).then(
      ({ status }) => status,
      () => 413,
    );
    expect({ path, chunked }).toEqual({ path, chunked: 413 });
  }
  expect((await node.status()).memoryBytes - before).toBeLessThan(200 * MIB);
  await serves();
});

test("requests that make no sense are answered with what was needed", async () => {
  const headers = { Authorization: `Bearer ${token}` };
  for (const body of ["", "{", "[]", '{"requests":7}', '{"requests":[{"type":"nonsense"}]}']) {
    const answer = await fetch(`${url}/v3/pipeline`, { method: "POST", headers, body });
    const text = await answer.text();
    expect({ body, text }).toMatchObject({ text: expect.stringMatching(/"message":"[^"]{10,}/) });
    expect(answer.status).toBeLessThan(500);
  }
  const enrol = await fetch(`${url}/enrol`, { method: "POST", body: randomBytes(300) });
  expect(enrol.status).toBe(400);
  for (const path of ["/v1/status", "/v1/tokens", "/../mycelium.sock", "/%00"]) {
    expect((await fetch(url + path)).status).toBe(404);
  }
  await serves();
});

test("a peer that knows the network's key and is no member is told so and gets no link", async () => {
  const isolationKey = new Uint8Array(readFileSync(join(node.state, "isolation.key")));
  const peer = new RawPeer();
  await peer.connect(peerPort);
  peer.send(FRAME_KIND.proof, peer.proofFor(asNodeId(node.id), isolationKey));
  peer.send(FRAME_KIND.hello, peer.hello());
  await until("the refusal", async () => peer.has(FRAME_KIND.refusal) || peer.closed || null);
  expect(peer.has(FRAME_KIND.welcome)).toBe(false);
  peer.end();
  const stranger = new RawPeer();
  await stranger.connect(peerPort);
  stranger.send(FRAME_KIND.proof, stranger.proofFor(asNodeId(node.id), new Uint8Array(32)));
  stranger.send(FRAME_KIND.hello, stranger.hello());
  await until("its end", async () => stranger.closed || null);
  expect(stranger.receivedBytes).toBe(0);
  const giant = new RawPeer();
  await giant.connect(peerPort);
  giant.write(new Uint8Array(8).fill(0xff));
  giant.write(new Uint8Array(64 * 1_024));
  await until("its end", async () => giant.closed || null);
  expect((await node.status()).peers).toEqual([]);
  await serves();
});
