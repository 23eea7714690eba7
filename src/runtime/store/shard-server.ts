/** Answers other replicas' requests on a shard. */

import { MyceliumError, type NodeId } from "../../base/index.ts";
import type { SignedBundle } from "../../domain/replication/index.ts";
import { decodeProgram, encodeProgramResult } from "../../domain/sql/index.ts";
import { encodeCbor } from "../../domain/wire/index.ts";
import type { ShardOptions } from "./options.ts";
import type { ComparisonState } from "./replica-comparison.ts";
import {
  type DigestVerdict,
  decodeSigned,
  digestCompare,
  digestGet,
  digestReport,
  digestVerdict,
  encodeAnswers,
  encodeComparison,
  encodeSnapshotInfo,
  encodeVerdict,
  methodPrefixOf,
  type StoreVerb,
  type SubmitAnswer,
  snapshotOpen,
  snapshotRead,
  txBegin,
  txClose,
  txSeal,
  txStep,
} from "./rpc.ts";
import type { ShardLoop } from "./shard-loop.ts";
import { SnapshotServer } from "./snapshot-server.ts";
import { notLeader } from "./write-task.ts";

const DONE = encodeCbor({});

export class ShardServer {
  readonly #loop: ShardLoop;
  readonly #prefix: string;
  readonly #snapshots: SnapshotServer;

  constructor(options: ShardOptions, loop: ShardLoop) {
    this.#loop = loop;
    this.#prefix = methodPrefixOf(options.shard);
    this.#snapshots = new SnapshotServer(loop.context, () => loop.recordApplied());
  }

  /** Whether `method` is one of this shard's. */
  serves(method: string): boolean {
    return method.startsWith(this.#prefix);
  }

  async handle(from: NodeId, method: string, payload: Uint8Array): Promise<Uint8Array> {
    switch (method.slice(this.#prefix.length) as StoreVerb) {
      case "submit":
        return this.#submit(from, decodeSigned(payload));
      case "tx-begin": {
        const { role } = txBegin.decode(payload);
        return encodeCbor({ id: await this.#loop.interactive.begin(from, role) });
      }
      case "tx-step": {
        const { id, program, deadlineMs } = txStep.decode(payload);
        const decoded = decodeProgram(program);
        return encodeProgramResult(
          await this.#loop.interactive.step(id, from, decoded, deadlineMs),
        );
      }
      case "tx-seal": {
        const { id, signed } = txSeal.decode(payload);
        await this.#loop.interactive.seal(id, from, signed);
        return DONE;
      }
      case "tx-close":
        this.#loop.interactive.close(txClose.decode(payload).id, from);
        return DONE;
      case "snapshot-open":
        return encodeSnapshotInfo(
          await this.#loop.mending(this.#snapshots.open(snapshotOpen.decode(payload).atLeast)),
        );
      case "snapshot-read": {
        const { id, offset, sizeBytes } = snapshotRead.decode(payload);
        return this.#snapshots.read(id, offset, sizeBytes);
      }
      case "digest-get": {
        const { index } = digestGet.decode(payload);
        const answer = this.#loop.digests.answer(index);
        const digest = typeof answer === "string" ? null : answer;
        return encodeCbor({ digest, isComing: answer === "later" });
      }
      case "digest-report": {
        const { index, digest } = digestReport.decode(payload);
        return encodeVerdict(await this.#loop.digests.judge(index, from, digest));
      }
      case "digest-verdict":
        this.#receiveVerdict(from, digestVerdict.decode(payload));
        return DONE;
      case "digest-compare":
        return encodeComparison(this.#compare(payload));
      default:
        throw new MyceliumError("BAD_ARGUMENT", `Cannot answer ${method}: unknown to this version`);
    }
  }

  #compare(payload: Uint8Array): ComparisonState {
    const { node, occasion } = digestCompare.decode(payload);
    return this.#loop.checks.compare(node, occasion);
  }

  #receiveVerdict(from: NodeId, verdict: DigestVerdict): void {
    if (from !== this.#loop.context.leadership.leader) throw notLeader();
    this.#loop.digests.receive(verdict);
  }

  async #submit(from: NodeId, signed: SignedBundle): Promise<Uint8Array> {
    const results = this.#loop.submit(from, signed);
    const answers = await Promise.all(
      results.map((result) =>
        result.then(
          (value): SubmitAnswer => ({ ok: true, result: value }),
          (error): SubmitAnswer => ({ ok: false, error }),
        ),
      ),
    );
    return encodeAnswers(answers);
  }
}
