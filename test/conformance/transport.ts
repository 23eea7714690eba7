/** The cases every implementation of the Transport port must pass. */

import { expect, test } from "bun:test";
import { errorCodeOf, MyceliumError, type NodeId, utf8 } from "../../src/base/index.ts";
import type { Admission, PeerHello, Transport, TransportHandler } from "../../src/ports/index.ts";

export interface TransportUnderTest {
  readonly node: NodeId;
  readonly transport: Transport;
  /** Where others reach it, given the port `start` resolved with. */
  address(port: number): string;
}

export interface TransportFixture {
  /** Not started, not linked. */
  readonly nodes: readonly TransportUnderTest[];
  /** Lets time pass until the condition holds; throws when it does not within a generous limit. */
  until(condition: () => boolean): Promise<void>;
  /** Lets time pass until the promise settles. */
  settle<T>(promise: Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/** A handler that writes down what it hears. */
export class RecordingHandler implements TransportHandler {
  readonly up: NodeId[] = [];
  readonly down: NodeId[] = [];
  readonly hellos: PeerHello[] = [];
  readonly messages: { from: NodeId; channel: string; text: string }[] = [];
  admission: (hello: PeerHello) => Admission = () => ({ ok: true });
  answer: (from: NodeId, method: string, payload: Uint8Array) => Promise<Uint8Array> = async (
    _from,
    _method,
    payload,
  ) => payload;

  admit(hello: PeerHello): Admission {
    return this.admission(hello);
  }
  linkUp(hello: PeerHello): void {
    this.up.push(hello.node);
    this.hellos.push(hello);
  }
  linkDown(node: NodeId): void {
    this.down.push(node);
  }
  message(from: NodeId, channel: string, payload: Uint8Array): void {
    this.messages.push({ from, channel, text: Buffer.from(payload).toString("latin1") });
  }
  request(from: NodeId, method: string, payload: Uint8Array): Promise<Uint8Array> {
    return this.answer(from, method, payload);
  }
}

interface Net {
  readonly fixture: TransportFixture;
  readonly handlers: readonly RecordingHandler[];
  readonly addresses: readonly string[];
  id(i: number): NodeId;
  transport(i: number): Transport;
  /** Names all of `peers` to node `i`. */
  link(i: number, ...peers: readonly number[]): void;
  isUp(i: number, j: number): boolean;
}

async function startNet(fixture: TransportFixture): Promise<Net> {
  const handlers = fixture.nodes.map(() => new RecordingHandler());
  const addresses: string[] = [];
  for (const [i, { transport, address }] of fixture.nodes.entries()) {
    const { port } = await fixture.settle(transport.start(handlers[i]!));
    addresses.push(address(port));
  }
  const net: Net = {
    fixture,
    handlers,
    addresses,
    id: (i) => fixture.nodes[i]!.node,
    transport: (i) => fixture.nodes[i]!.transport,
    link: (i, ...peers) =>
      net
        .transport(i)
        .setPeers(peers.map((j) => ({ node: net.id(j), addresses: [addresses[j]!] }))),
    isUp: (i, j) =>
      net
        .transport(i)
        .links()
        .some(({ node, state }) => node === net.id(j) && state === "up"),
  };
  return net;
}

async function linked(net: Net, i: number, j: number): Promise<void> {
  net.link(i, j);
  net.link(j, i);
  await net.fixture.until(() => net.isUp(i, j) && net.isUp(j, i));
}

async function codeOfRejection(promise: Promise<unknown>): Promise<string | undefined> {
  return promise.then(
    () => "resolved",
    (error: unknown) => errorCodeOf(error) ?? String(error),
  );
}

/** Runs the cases over `makeTransports(count)`, which yields that many nodes of one network. */
export function transportConformance(
  name: string,
  makeTransports: (count: number) => Promise<TransportFixture>,
): void {
  const check = (sentence: string, count: number, body: (net: Net) => Promise<void>) =>
    test(`${name}: ${sentence}`, async () => {
      const fixture = await makeTransports(count);
      try {
        await body(await startNet(fixture));
      } finally {
        await fixture.close();
      }
    });

  check(
    "two that name each other have one link, and both handlers hear of it once",
    2,
    async (net) => {
      await linked(net, 0, 1);
      expect(net.handlers[0]!.up).toEqual([net.id(1)]);
      expect(net.handlers[1]!.up).toEqual([net.id(0)]);
      expect(net.handlers[0]!.down).toEqual([]);
      expect(net.transport(0).links()).toHaveLength(1);
    },
  );

  check("a message arrives with its sender and channel, in the order sent", 2, async (net) => {
    await linked(net, 0, 1);
    for (let i = 0; i < 500; i++) {
      expect(net.transport(0).send(net.id(1), "raft", utf8(`m${i}`), 0)).toBe(true);
    }
    await net.fixture.until(() => net.handlers[1]!.messages.length === 500);
    const expected = Array.from({ length: 500 }, (_, i) => ({
      from: net.id(0),
      channel: "raft",
      text: `m${i}`,
    }));
    expect(net.handlers[1]!.messages).toEqual(expected);
  });

  check("a request is answered, many at once each with its own", 2, async (net) => {
    await linked(net, 0, 1);
    net.handlers[1]!.answer = async (from, method, payload) =>
      utf8(`${from === net.id(0)} ${method} ${payload.length}`);
    const asked = Array.from({ length: 100 }, (_, i) =>
      net.transport(0).request(net.id(1), "size", new Uint8Array(i), 5_000),
    );
    const answers = await net.fixture.settle(Promise.all(asked));
    expect(answers.map((answer) => Buffer.from(answer).toString())).toEqual(
      asked.map((_, i) => `true size ${i}`),
    );
  });

  check("an expected error of the handler crosses with its code and message", 2, async (net) => {
    await linked(net, 0, 1);
    net.handlers[1]!.answer = async () => {
      throw new MyceliumError("NOT_LEADER", "Cannot write: node x leads");
    };
    const asked = net.transport(0).request(net.id(1), "write", utf8("x"), 5_000);
    const error = await net.fixture.settle(asked.catch((reason: unknown) => reason));
    expect(errorCodeOf(error)).toBe("NOT_LEADER");
    expect((error as Error).message).toBe("Cannot write: node x leads");
  });

  check("a request without an answer ends with TIMEOUT", 2, async (net) => {
    await linked(net, 0, 1);
    net.handlers[1]!.answer = () => new Promise(() => {});
    const asked = net.transport(0).request(net.id(1), "never", utf8("x"), 200);
    expect(await net.fixture.settle(codeOfRejection(asked))).toBe("TIMEOUT");
  });

  check(
    "without a link, send() is false and request() rejects with UNREACHABLE",
    2,
    async (net) => {
      expect(net.transport(0).send(net.id(1), "raft", utf8("x"), 0)).toBe(false);
      const asked = net.transport(0).request(net.id(1), "a", utf8("x"), 1_000);
      expect(await net.fixture.settle(codeOfRejection(asked))).toBe("UNREACHABLE");
    },
  );

  check("a link that closes ends its requests with UNREACHABLE", 2, async (net) => {
    await linked(net, 0, 1);
    net.handlers[1]!.answer = () => new Promise(() => {});
    const asked = codeOfRejection(net.transport(0).request(net.id(1), "a", utf8("x"), 60_000));
    net.transport(0).cut(net.id(1), "test");
    expect(await net.fixture.settle(asked)).toBe("UNREACHABLE");
  });

  check("setPeers() closes the link of a node it no longer names", 3, async (net) => {
    net.link(0, 1, 2);
    await net.fixture.until(() => net.isUp(0, 1) && net.isUp(0, 2));
    net.link(0, 1);
    await net.fixture.until(() => !net.isUp(0, 2) && !net.isUp(2, 0));
    expect(net.isUp(0, 1)).toBe(true);
    expect(net.handlers[0]!.down).toEqual([net.id(2)]);
  });

  check(
    "cut() closes a link and refuses the peer until setPeers() names it again",
    2,
    async (net) => {
      await linked(net, 0, 1);
      net.transport(0).cut(net.id(1), "test");
      expect(net.isUp(0, 1)).toBe(false);
      await net.fixture.until(() => net.handlers[1]!.down.length === 1);
      await net.fixture.until(() =>
        net
          .transport(1)
          .links()
          .some(({ state, lastError }) => state !== "up" && lastError !== null),
      );
      expect(net.handlers[0]!.up).toHaveLength(1);
      net.link(0, 1);
      await net.fixture.until(() => net.isUp(0, 1) && net.isUp(1, 0));
    },
  );

  check("a peer the handler does not admit gets no link", 2, async (net) => {
    net.handlers[1]!.admission = () => ({ ok: false, code: "NOT_A_MEMBER", message: "no grant" });
    net.link(0, 1);
    await net.fixture.until(() =>
      net
        .transport(0)
        .links()
        .some(({ lastError }) => lastError?.includes("no grant") === true),
    );
    expect(net.handlers[0]!.up).toEqual([]);
    expect(net.handlers[1]!.up).toEqual([]);
  });

  check("after a peer closed, the link comes down on the other side", 2, async (net) => {
    await linked(net, 0, 1);
    await net.fixture.settle(net.transport(1).close());
    await net.fixture.until(() => net.handlers[0]!.down.length === 1);
    expect(net.transport(0).send(net.id(1), "raft", utf8("x"), 0)).toBe(false);
  });
}
