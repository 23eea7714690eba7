/**
 * A node's own check of a plan, before it takes anything of it: the network decided it (certificate), and for an
 * update the metadata that this node verified names the very cores. Neither the leader nor a peer is believed.
 */

import { errorCodeOf, type NetworkId, type NodeId } from "../../base/index.ts";
import { decodeCertificate, verifyCertificate } from "../../domain/trust/index.ts";
import {
  type Architecture,
  type NodeProblem,
  type Release,
  type RolloutPlan,
  rollbackDigest,
  wantedCore,
} from "../../domain/update/index.ts";

export interface ReleaseCheckOptions {
  readonly network: NetworkId;
  readonly arch: Architecture;
  /** Whether this node can check releases at all. */
  readonly hasSource: boolean;
  readonly release: (version: string) => Promise<Release | null>;
  /** Vote weights of the members as this node knows them. */
  readonly weights: () => ReadonlyMap<NodeId, number>;
}

/** `release` is null where the plan names only what is in the slots already. */
export type CheckVerdict =
  | { readonly ok: true; readonly release: Release | null }
  | { readonly ok: false; readonly problem: NodeProblem };

export class ReleaseCheck {
  readonly #options: ReleaseCheckOptions;
  #passed: { readonly id: string; readonly release: Release | null } | null = null;

  constructor(options: ReleaseCheckOptions) {
    this.#options = options;
  }

  async check(plan: RolloutPlan, standbyCore: string | null): Promise<CheckVerdict> {
    if (this.#passed?.id === plan.id) return { ok: true, release: this.#passed.release };
    const undecided = this.#undecided(plan);
    if (undecided !== null) return failed(undecided);
    const release = await this.#options.release(plan.version);
    if (plan.kind === "rollback") {
      const isHeld = standbyCore !== null && standbyCore === wantedCore(plan, this.#options.arch);
      if (!isHeld && !names(release, plan)) {
        return failed(
          `it has no core of ${plan.version} in its slots, and no release names it`,
          true,
        );
      }
      return this.#pass(plan, isHeld ? null : release);
    }
    if (release === null) return failed(this.#unknown(plan));
    if (release.digest !== plan.digest || !names(release, plan)) {
      return failed("the plan names other cores than the release's signed metadata");
    }
    return this.#pass(plan, release);
  }

  #pass(plan: RolloutPlan, release: Release | null): CheckVerdict {
    this.#passed = { id: plan.id, release };
    return { ok: true, release };
  }

  #unknown({ version }: RolloutPlan): string {
    return this.#options.hasSource
      ? `the signed metadata of ${version} has not been found yet`
      : "it has no trusted root to check releases with: set UPDATE_ROOT";
  }

  #undecided(plan: RolloutPlan): string | null {
    const { certificate, cores, digest, only, version } = plan;
    if (certificate === null) return "the plan has no certificate of its decision";
    const isRollback = plan.kind === "rollback";
    if (isRollback && rollbackDigest(version, cores, only) !== digest) {
      return "the plan is not what was decided";
    }
    try {
      const verdict = verifyCertificate(decodeCertificate(certificate), {
        network: this.#options.network,
        kind: isRollback ? "rollback" : "release",
        value: digest,
        weights: this.#options.weights(),
      });
      return verdict.ok ? null : `the certificate of its decision does not hold: ${verdict.reason}`;
    } catch (error) {
      if (errorCodeOf(error) === undefined) throw error;
      return "the certificate of its decision cannot be read";
    }
  }
}

function names(release: Release | null, plan: RolloutPlan): boolean {
  return plan.cores.every(({ arch, coreSha256 }) =>
    release?.targets.some((one) => one.arch === arch && one.coreSha256 === coreSha256),
  );
}

function failed(reason: string, isFinal = false): CheckVerdict {
  return { ok: false, problem: { reason, isFinal } };
}
