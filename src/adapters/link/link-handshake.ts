/**
 * How two nodes that share a TLS session come to trust it, in this order:
 * dialler: proof · acceptor: proof, hello · dialler: hello · acceptor: welcome.
 * Nothing but the key in the certificate is told to a peer that has not proved the isolation key; a wrong proof is
 * answered by closing without a word. Every later refusal is told with its reason.
 */

import { randomBytes } from "node:crypto";
import { EMPTY_BYTES, MyceliumError, type NodeId, present } from "../../base/index.ts";
import {
  agreeOnProtocol,
  decodeError,
  decodeHello,
  encodeError,
  encodeHello,
  FRAME_KIND,
  type Frame,
  type Hello,
  isErrorCode,
  makeIsolationProof,
  PROOF_NONCE_SIZE_BYTES,
  type ProofChecker,
  type ProofContext,
} from "../../domain/wire/index.ts";
import type { Admission, PeerHello } from "../../ports/index.ts";
import type { Connection, ConnectionListener } from "./connection.ts";

export interface HandshakeContext {
  readonly own: NodeId;
  readonly checker: ProofChecker;
  isolationKeys(): readonly Uint8Array[];
  hello(): Omit<Hello, "wallMs">;
  wallMs(): number;
  admit(hello: PeerHello): Admission;
  /** The acceptor's last word, after admission: calls `welcome` or `refuse` on the handshake, now or later. */
  arrived(handshake: LinkHandshake, hello: PeerHello): void;
  established(handshake: LinkHandshake, hello: PeerHello): void;
  failed(handshake: LinkHandshake, error: MyceliumError): void;
}

type Step = "securing" | "proof" | "hello" | "deciding" | "welcome" | "done";

export class LinkHandshake implements ConnectionListener {
  readonly connection: Connection;
  /** The node that was dialled; null on accepted connections, where it is known once TLS is up. */
  readonly expected: NodeId | null;
  readonly startedMs: number;
  readonly #context: HandshakeContext;
  #step: Step = "securing";
  #hello: PeerHello | null = null;

  constructor(
    connection: Connection,
    expected: NodeId | null,
    startedMs: number,
    context: HandshakeContext,
  ) {
    this.connection = connection;
    this.expected = expected;
    this.startedMs = startedMs;
    this.#context = context;
    connection.listener = this;
  }

  /** Whether the peer answered in TLS: a dial this far will come to an end by itself soon. */
  get secure(): boolean {
    return this.#step !== "securing";
  }

  secured(): void {
    if (this.expected === null) {
      this.#step = "proof";
      return;
    }
    if (this.connection.peer !== this.expected) {
      const message =
        `Cannot link with ${this.expected}: ${this.connection.address} is ` +
        `${this.connection.peer ?? "unknown"}; correct the address`;
      this.connection.terminate(message, new MyceliumError("WRONG_NETWORK", message));
      return;
    }
    this.#step = "proof";
    this.#sendProof();
  }

  frame(frame: Frame): void {
    switch (this.#step) {
      case "proof":
        this.#onProof(frame);
        return;
      case "hello":
        this.#onHello(frame);
        return;
      case "welcome":
        this.#onWelcome(frame);
        return;
      default:
        throw new MyceliumError("MALFORMED", "Cannot link: the peer spoke out of turn");
    }
  }

  closed(reason: string, error: MyceliumError | null): void {
    const step = this.#step;
    this.#step = "done";
    if (step !== "done") this.#context.failed(this, error ?? this.#explain(step, reason));
  }

  /** Acceptor: the link is on. */
  welcome(): void {
    if (this.connection.ended) return;
    this.#step = "done";
    this.connection.sendUrgent(control(FRAME_KIND.welcome, EMPTY_BYTES));
    this.#context.established(this, present(this.#hello, "the peer's hello"));
  }

  /** Tells the peer why not, and closes. */
  refuse(error: MyceliumError): void {
    this.connection.end(
      `refused: ${error.message}`,
      error,
      control(FRAME_KIND.refusal, encodeError(error)),
    );
  }

  #onProof(frame: Frame): void {
    const keys = this.#context.isolationKeys();
    const context = this.#proofContext(false);
    const good =
      frame.kind === FRAME_KIND.proof &&
      this.#context.checker.accept(keys, context, frame.body, this.#context.wallMs());
    if (!good) {
      const message = "Cannot link: the peer did not prove this network's isolation key";
      this.connection.terminate(message, new MyceliumError("WRONG_NETWORK", message));
      return;
    }
    this.#step = "hello";
    if (this.expected === null) {
      this.#sendProof();
      this.#sendHello();
    }
  }

  #onHello(frame: Frame): void {
    if (frame.kind !== FRAME_KIND.hello) throw outOfTurn(frame, "hello");
    const hello = this.#judge(decodeHello(frame.body));
    if (hello === null) return;
    this.#hello = hello;
    if (this.expected === null) {
      this.#step = "deciding";
      this.#context.arrived(this, hello);
    } else {
      this.#step = "welcome";
      this.#sendHello();
    }
  }

  #onWelcome(frame: Frame): void {
    if (frame.kind !== FRAME_KIND.welcome) throw outOfTurn(frame, "welcome");
    this.#step = "done";
    this.#context.established(this, present(this.#hello, "the peer's hello"));
  }

  /** The peer's hello with what both agreed on; null when it was refused. */
  #judge(said: Hello): PeerHello | null {
    try {
      const agreement = agreeOnProtocol(this.#context.hello(), said);
      const node = present(this.connection.peer, "the peer's key");
      const admission = this.#context.admit({ ...said, node });
      if (!admission.ok) throw refusalOf(admission);
      return { ...said, node, features: agreement.features };
    } catch (error) {
      if (!(error instanceof MyceliumError)) throw error;
      this.refuse(error);
      return null;
    }
  }

  #proofContext(ours: boolean): ProofContext {
    const own = this.#context.own;
    const peer = present(this.connection.peer, "the peer's key");
    const binding = this.connection.binding();
    return ours ? { from: own, to: peer, binding } : { from: peer, to: own, binding };
  }

  #sendProof(): void {
    const key = present(this.#context.isolationKeys()[0], "the isolation key");
    const nonce = new Uint8Array(randomBytes(PROOF_NONCE_SIZE_BYTES));
    const proof = makeIsolationProof(key, this.#proofContext(true), nonce, this.#context.wallMs());
    this.connection.sendUrgent(control(FRAME_KIND.proof, proof));
  }

  #sendHello(): void {
    const hello = { ...this.#context.hello(), wallMs: Math.floor(this.#context.wallMs()) };
    this.connection.sendUrgent(control(FRAME_KIND.hello, encodeHello(hello)));
  }

  #explain(step: Step, reason: string): MyceliumError {
    const silent = step === "proof" && this.expected !== null;
    return new MyceliumError(
      silent ? "WRONG_NETWORK" : "UNREACHABLE",
      silent
        ? `Cannot link: ${this.connection.address} closed without a word after our proof; it holds ` +
            "another isolation key, or the two clocks differ by more than a minute"
        : `Cannot link: ${this.connection.address} ${reason} during the handshake`,
    );
  }
}

function control(kind: number, body: Uint8Array): Frame {
  return { kind, id: 0, name: "", body };
}

function refusalOf(admission: { readonly code: string; readonly message: string }): MyceliumError {
  const code = isErrorCode(admission.code) ? admission.code : "FORBIDDEN";
  return new MyceliumError(code, admission.message);
}

/** What a frame other than the awaited one means: a refusal is passed on as the peer's own error. */
function outOfTurn(frame: Frame, awaited: string): MyceliumError {
  if (frame.kind === FRAME_KIND.refusal) return decodeError(frame.body);
  return new MyceliumError("MALFORMED", `Cannot link: the peer sent no ${awaited}`);
}
