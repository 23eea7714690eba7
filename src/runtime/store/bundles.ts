/**
 * Signing and checking bundles. A gateway signs what it accepted; the leader and every replica check author,
 * signature, shard and time again. What every replica must judge alike rests on the log alone (key, signature,
 * shard, times); who is a member just now is judged by the leader, before it proposes.
 */

import { type GroupId, MyceliumError, type NodeId } from "../../base/index.ts";
import {
  type Bundle,
  decodeBundle,
  encodeBundle,
  type Request,
  readBundleHead,
  type SignedBundle,
} from "../../domain/replication/index.ts";
import type { Clock } from "../../ports/index.ts";
import type { Authority } from "./options.ts";
import type { OpenedBundle } from "./write-task.ts";

/** A bundle older than this, by its author's clock, is a replay: results of requests are kept as long. */
export const BUNDLE_AGE_MAX_MS = 10 * 60_000;
/** How far an author's clock may be ahead of the leader's. */
const BUNDLE_AHEAD_MAX_MS = 5 * 60_000;

/**
 * Signs this node's bundles with a hybrid time that never falls, and never lies behind the shard's pinned time
 * (Kulkarni et al., Logical Physical Clocks): a clock that was set back makes no bundle that looks like a replay. Only
 * after a clock that was wrong by more than any leader takes it falls: else nothing of this node were taken until then.
 */
export class BundleSigner {
  readonly #authority: Authority;
  readonly #clock: Clock;
  readonly #shard: GroupId;
  readonly #pinnedTimeMs: () => number;
  #hybridTimeMs = 0;

  constructor(authority: Authority, clock: Clock, shard: GroupId, pinnedTimeMs: () => number) {
    this.#authority = authority;
    this.#clock = clock;
    this.#shard = shard;
    this.#pinnedTimeMs = pinnedTimeMs;
  }

  sign(requests: readonly Request[]): SignedBundle {
    const nowMs = Math.max(this.#pinnedTimeMs(), this.#clock.wallMs());
    const wasWrong = this.#hybridTimeMs - nowMs > BUNDLE_AHEAD_MAX_MS;
    this.#hybridTimeMs = wasWrong ? nowMs : Math.max(this.#hybridTimeMs, nowMs);
    const payload = encodeBundle({
      author: this.#authority.node,
      shard: this.#shard,
      hybridTimeMs: this.#hybridTimeMs,
      requests,
    });
    return { payload, signature: this.#authority.sign(payload) };
  }
}

/**
 * What every replica decides alike about a bundle in the log: how many requests it holds, or null when it is void.
 * `timeMs` is the batch's pinned time. The requests themselves are decoded where they are executed.
 */
export function requestCountOfCommitted(
  signed: SignedBundle,
  shard: GroupId,
  timeMs: number,
  authority: Authority,
): number | null {
  const head = readBundleHead(signed.payload);
  const genuine = authority.verify(head.author, signed.payload, signed.signature);
  const current = head.hybridTimeMs >= timeMs - BUNDLE_AGE_MAX_MS;
  return genuine && current && head.shard === shard ? head.requestCount : null;
}

/** The leader's check of what `from` sent. Throws FORBIDDEN, CLOCK_OFF or MALFORMED, and nothing was done. */
export function openBundle(
  signed: SignedBundle,
  expected: { readonly from: NodeId; readonly shard: GroupId; readonly timeMs: number },
  authority: Authority,
): OpenedBundle {
  const bundle = decodeBundle(signed.payload);
  const refusal = refusalOf(bundle, signed, expected, authority);
  if (refusal !== null) throw refusal;
  return { signed, requests: bundle.requests };
}

function refusalOf(
  bundle: Bundle,
  signed: SignedBundle,
  expected: { readonly from: NodeId; readonly shard: GroupId; readonly timeMs: number },
  authority: Authority,
): MyceliumError | null {
  const refuse = (found: string) =>
    new MyceliumError("FORBIDDEN", `Cannot accept a bundle of requests: ${found}`);
  if (bundle.author !== expected.from) return refuse("its author is not its sender");
  if (bundle.shard !== expected.shard) return refuse(`it is for another shard, ${bundle.shard}`);
  if (!authority.mayWrite(bundle.author)) return refuse("its author is no validator");
  if (!authority.verify(bundle.author, signed.payload, signed.signature)) {
    return refuse("its signature does not match");
  }
  const aheadMs = bundle.hybridTimeMs - expected.timeMs;
  if (aheadMs > BUNDLE_AHEAD_MAX_MS || -aheadMs > BUNDLE_AGE_MAX_MS / 2) {
    return new MyceliumError(
      "CLOCK_OFF",
      `Cannot accept a write: its validator's clock is ${Math.round(aheadMs / 1_000)} s off the leader's; ` +
        "needed at most 300 s; set the clock (timedatectl set-ntp true)",
    );
  }
  return null;
}
