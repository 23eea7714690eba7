/**
 * How a node reaches the rollout: validators have it in their replica of shard `system`; all others ask one that has,
 * and believe it only what they check themselves (the certificate, the release's metadata).
 */

import { errorCodeOf, MyceliumError, type NodeId } from "../../base/index.ts";
import { type SignedPart, signedPartShape } from "../../domain/identity/index.ts";
import { decodePlan, encodePlan } from "../../domain/update/index.ts";
import {
  bytes,
  decodeCbor,
  encodeCbor,
  integer,
  nullable,
  object,
  type Shape,
  text,
} from "../../domain/wire/index.ts";
import type {
  PlanRevision,
  ReadLevel,
  RolloutRows,
  RolloutStore,
  SignedReport,
} from "./rollout-store.ts";

export interface RolloutAccess {
  /** `strong`: with all that was written before, where this node can know. */
  read(level?: ReadLevel): Promise<RolloutRows | null>;
  report(report: SignedReport): Promise<void>;
  /** False when the plan is another now. */
  claim(report: SignedReport, revision: PlanRevision): Promise<boolean>;
  file(path: string): Promise<Uint8Array | null>;
}

const METHODS = {
  plan: "update.plan",
  report: "update.report",
  claim: "update.claim",
  file: "update.file",
} as const;
const ASK_TIMEOUT_MS = 5_000;
/** A claim or report waits for the leader as long as any write. */
const WRITE_TIMEOUT_MS = 15_000;
const ANSWER_SIZE_BYTES_MAX = 8_388_608;

const reportShape = object({
  seq: integer(0),
  part: signedPartShape(4_096),
});
const revisionShape = object({ operation: integer(1), revision: integer(1) });
const claimShape = object({ report: reportShape, at: revisionShape });
const planAnswerShape = object({
  at: nullable(revisionShape),
  plan: bytes(ANSWER_SIZE_BYTES_MAX),
  own: nullable(reportShape),
});

export interface Peers {
  request(to: NodeId, method: string, payload: Uint8Array, timeoutMs: number): Promise<Uint8Array>;
  /** Linked validators, best first. */
  validators(): readonly NodeId[];
}

/** For nodes that hold no replica of `system`. */
export class RemoteRollout implements RolloutAccess {
  readonly #self: NodeId;
  readonly #peers: Peers;

  constructor(self: NodeId, peers: Peers) {
    this.#self = self;
    this.#peers = peers;
  }

  async read(): Promise<RolloutRows | null> {
    const answer = await this.#ask(METHODS.plan, new Uint8Array(0), ASK_TIMEOUT_MS);
    const { at, plan, own } = decoded(answer, planAnswerShape, "the rollout");
    if (at === null) return null;
    const reports = own === null ? [] : [{ node: this.#self, ...own }];
    return { ...at, plan: decodePlan(plan), reports };
  }

  async report({ seq, part }: SignedReport): Promise<void> {
    await this.#ask(METHODS.report, encodeCbor({ seq, part: { ...part } }), WRITE_TIMEOUT_MS);
  }

  async claim({ seq, part }: SignedReport, at: PlanRevision): Promise<boolean> {
    const { operation, revision } = at;
    const payload = encodeCbor({ report: { seq, part: { ...part } }, at: { operation, revision } });
    return (await this.#ask(METHODS.claim, payload, WRITE_TIMEOUT_MS))[0] === 1;
  }

  async file(path: string): Promise<Uint8Array | null> {
    const answer = await this.#ask(METHODS.file, encodeCbor({ path }), ASK_TIMEOUT_MS);
    return answer[0] === 1 ? answer.slice(1) : null;
  }

  async #ask(method: string, payload: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
    let last: unknown = null;
    for (const node of this.#peers.validators()) {
      try {
        return await this.#peers.request(node, method, payload, timeoutMs);
      } catch (error) {
        if (errorCodeOf(error) === undefined) throw error;
        last = error;
      }
    }
    throw new MyceliumError(
      "UNREACHABLE",
      "Cannot reach the network's rollout: no validator answers; see `mycelium status`",
      { cause: last },
    );
  }
}

/** The other side, on validators. */
export class RolloutServer {
  readonly #store: RolloutStore;

  constructor(store: RolloutStore) {
    this.#store = store;
  }

  serves(method: string): boolean {
    return Object.values<string>(METHODS).includes(method);
  }

  /** Throws MALFORMED and what the store throws. What is not signed by `from` is for readers to drop. */
  async handle(from: NodeId, method: string, payload: Uint8Array): Promise<Uint8Array> {
    switch (method) {
      case METHODS.plan:
        return this.#plan(from);
      case METHODS.report: {
        const report = decoded(payload, reportShape, "an update report");
        await this.#store.report({ node: from, ...report });
        return new Uint8Array(0);
      }
      case METHODS.claim: {
        const { report, at } = decoded(payload, claimShape, "an update claim");
        const claimed = await this.#store.claim({ node: from, ...report }, at);
        return Uint8Array.of(claimed ? 1 : 0);
      }
      default: {
        const { path } = decoded(payload, object({ path: text(1_024) }), "a file request");
        const content = await this.#store.file(path);
        return content === null ? Uint8Array.of(0) : withMark(content);
      }
    }
  }

  async #plan(from: NodeId): Promise<Uint8Array> {
    const rows = await this.#store.read();
    if (rows === null) return encodeCbor({ at: null, plan: new Uint8Array(0), own: null });
    const { operation, revision, plan, reports } = rows;
    const own = reports.find(({ node }) => node === from);
    return encodeCbor({
      at: { operation, revision },
      plan: encodePlan(plan),
      own: own === undefined ? null : { seq: own.seq, part: partOf(own.part) },
    });
  }
}

function partOf({ payload, signature }: SignedPart) {
  return { payload, signature };
}

function withMark(content: Uint8Array): Uint8Array {
  const marked = new Uint8Array(content.length + 1);
  marked[0] = 1;
  marked.set(content, 1);
  return marked;
}

function decoded<T>(payload: Uint8Array, shape: Shape<T>, what: string): T {
  if (payload.length <= ANSWER_SIZE_BYTES_MAX) return shape(decodeCbor(payload), what);
  throw new MyceliumError(
    "MALFORMED",
    `Cannot read ${what}: found ${payload.length} bytes, needed at most ${ANSWER_SIZE_BYTES_MAX}`,
  );
}
