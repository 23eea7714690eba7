/** A peer under the test's full control: TLS and frames by hand, and a proxy that stalls, cuts and corrupts. */

import { randomBytes } from "node:crypto";
import { concatBytes, type NodeId, present } from "../../base/index.ts";
import { type NodeKey, nodeKeyFromSeed } from "../../domain/identity/index.ts";
import {
  encodeFrame,
  encodeHello,
  FRAME_KIND,
  type Frame,
  FrameDecoder,
  MIN_PROTOCOL_VERSION,
  makeIsolationProof,
  OWN_FEATURES,
  PROTOCOL_VERSION,
} from "../../domain/wire/index.ts";
import { makeLinkCredentials } from "./certificate.ts";
import { BINDING_LABEL } from "./connection.ts";
import { TEST_ISOLATION_KEY, until } from "./testbed.ts";

export class RawPeer {
  readonly key: NodeKey;
  readonly frames: Frame[] = [];
  receivedBytes = 0;
  closed = false;
  #socket: Bun.Socket<undefined> | null = null;
  readonly #decoder = new FrameDecoder(1 << 20);

  constructor(key: NodeKey = nodeKeyFromSeed(new Uint8Array(randomBytes(32)))) {
    this.key = key;
  }

  /** Resolves when TLS is up. `certificate: false` shows none. */
  async connect(port: number, options: { certificate?: boolean } = {}): Promise<void> {
    const { certificate, privateKey } = makeLinkCredentials(this.key);
    let secured = false;
    await Bun.connect({
      hostname: "127.0.0.1",
      port,
      tls: {
        rejectUnauthorized: false,
        ...(options.certificate === false ? {} : { cert: certificate, key: privateKey }),
      },
      socket: {
        binaryType: "uint8array",
        open: (socket) => {
          this.#socket = socket;
        },
        handshake: () => {
          secured = true;
        },
        data: (_socket, chunk) => {
          this.receivedBytes += chunk.length;
          this.#decoder.push(new Uint8Array(chunk), (frame) => this.frames.push(frame) > 0);
        },
        close: () => {
          this.closed = true;
        },
        error: () => {},
      },
    });
    await until(() => secured || this.closed, "TLS");
  }

  write(bytes: Uint8Array): void {
    this.#socket?.write(bytes);
  }

  send(kind: number, body: Uint8Array, name = ""): void {
    this.write(encodeFrame({ kind, id: 1, name, body }));
  }

  proofFor(to: NodeId, key: Uint8Array = TEST_ISOLATION_KEY, wallMs = Date.now()): Uint8Array {
    const socket = present(this.#socket, "the raw peer's socket");
    const binding = socket.exportKeyingMaterial(32, BINDING_LABEL, Buffer.alloc(0));
    const nonce = new Uint8Array(randomBytes(16));
    return makeIsolationProof(key, { from: this.key.nodeId, to, binding }, nonce, wallMs);
  }

  hello(instance = "raw"): Uint8Array {
    return encodeHello({
      instance,
      protocolVersion: PROTOCOL_VERSION,
      minProtocolVersion: MIN_PROTOCOL_VERSION,
      features: OWN_FEATURES,
      grant: new Uint8Array(1),
      wallMs: Date.now(),
      addresses: [],
      release: "",
    });
  }

  /** The whole handshake; resolves with the link up. */
  async link(port: number, to: NodeId): Promise<void> {
    await this.connect(port);
    this.send(FRAME_KIND.proof, this.proofFor(to));
    this.send(FRAME_KIND.hello, this.hello());
    await until(() => this.has(FRAME_KIND.welcome), "welcome");
  }

  has(kind: number): boolean {
    return this.frames.some((frame) => frame.kind === kind);
  }

  stopReading(): void {
    this.#socket?.pause();
  }

  end(): void {
    this.#socket?.terminate();
  }
}

/** Forwards TCP to `targetPort` until told to stall (both ways), cut, or flip a bit of the next bytes. */
export class StallingProxy {
  stalled = false;
  flipNext = false;
  readonly #targetPort: number;
  #listener: Bun.TCPSocketListener<Pair> | null = null;
  readonly #pairs = new Set<Pair>();

  constructor(targetPort: number) {
    this.#targetPort = targetPort;
  }

  start(): number {
    this.#listener = Bun.listen<Pair>({
      hostname: "127.0.0.1",
      port: 0,
      socket: {
        binaryType: "uint8array",
        open: (near) => {
          near.data = { near, far: null, early: [] };
          this.#pairs.add(near.data);
          void this.#connectFar(near.data);
        },
        data: (near, chunk: Uint8Array) => {
          const out = this.#pass(chunk);
          if (out === null) return;
          if (near.data.far === null) near.data.early.push(out);
          else near.data.far.write(out);
        },
        close: (near) => {
          if (!this.stalled) near.data.far?.end();
        },
      },
    });
    return this.#listener.port;
  }

  stop(): void {
    this.#listener?.stop(true);
    for (const { near, far } of this.#pairs) {
      near.terminate();
      far?.terminate();
    }
  }

  async #connectFar(pair: Pair): Promise<void> {
    pair.far = await Bun.connect<undefined>({
      hostname: "127.0.0.1",
      port: this.#targetPort,
      socket: {
        binaryType: "uint8array",
        data: (_far, chunk: Uint8Array) => {
          const out = this.#pass(chunk);
          if (out !== null) pair.near.write(out);
        },
        close: () => {
          if (!this.stalled) pair.near.end();
        },
      },
    });
    pair.far.write(concatBytes(...pair.early));
  }

  #pass(chunk: Uint8Array): Uint8Array | null {
    if (this.stalled) return null;
    if (!this.flipNext) return chunk;
    this.flipNext = false;
    const flipped = chunk.slice();
    const last = flipped.length - 1;
    flipped[last] = (flipped[last] ?? 0) ^ 1;
    return flipped;
  }
}

interface Pair {
  readonly near: Bun.Socket<Pair>;
  far: Bun.Socket<undefined> | null;
  readonly early: Uint8Array[];
}
