/**
 * How this node votes on rollouts: for a release that it verified itself and that may run here, for a rollback that
 * does not contradict what it holds; at once or when its operator says so.
 */

import {
  type Architecture,
  isTowards,
  type NodeUpdateView,
  type Release,
  type RolloutPlan,
  rollbackDigest,
  versionProblem,
} from "../../domain/update/index.ts";

/** What is asked: a decision's kind and subject. */
export interface Question {
  readonly operation: number;
  readonly kind: "release" | "rollback";
  /** The version. */
  readonly subject: string;
}

/** Null value: against it. */
export interface Answer {
  readonly value: string | null;
  readonly reason: string;
}

export interface RolloutVoterOptions {
  readonly arch: Architecture;
  readonly approval: "auto" | "operator";
  /** Verified by this node. */
  readonly release: (version: string) => Promise<Release | null>;
  readonly plan: () => RolloutPlan | null;
  readonly view: () => NodeUpdateView;
  /** What the channel is at, as this node verified it; null while it does not know. `asked` is the version voted on. */
  readonly channelVersion: (asked: string) => string | null;
  /** Versions that members run. */
  readonly running: () => readonly string[];
}

export class RolloutVoter {
  readonly #options: RolloutVoterOptions;
  readonly #approved = new Set<string>();

  constructor(options: RolloutVoterOptions) {
    this.#options = options;
  }

  /** The operator's word on this node, for decisions about this version that are open or come. */
  approve(version: string): void {
    this.#approved.add(version);
  }

  /** Null while it cannot tell, or its operator has not said. */
  async vote(question: Question): Promise<Answer | null> {
    const answer =
      question.kind === "release"
        ? await this.#onRelease(question.subject)
        : this.#onRollback(question);
    if (answer === null || answer.value === null) return answer;
    const agrees = this.#approved.has(question.subject) || this.#agreesByItself(question);
    return agrees ? answer : null;
  }

  /** Never away from what the channel is at: nobody is talked into an old version by one who lies. */
  #agreesByItself({ kind, subject }: Question): boolean {
    const { approval, channelVersion, running } = this.#options;
    if (approval !== "auto") return false;
    if (kind === "rollback") return true;
    const channel = channelVersion(subject);
    return channel !== null && isTowards(subject, running(), channel);
  }

  async #onRelease(version: string): Promise<Answer | null> {
    const { arch, release, running, view } = this.#options;
    const found = await release(version);
    if (found === null) return null;
    const apart = versionProblem(version, running());
    if (apart !== null) return against(apart);
    const target = found.targets.find((one) => one.arch === arch);
    const { floor } = view();
    if (target !== undefined && target.stateFormat < floor) {
      return against(`its state format is ${target.stateFormat}, below ${floor} that is in use`);
    }
    return { value: found.digest, reason: "" };
  }

  #onRollback({ operation, subject }: Question): Answer | null {
    const { arch, plan: latest, view } = this.#options;
    const plan = latest();
    if (plan?.operation !== operation || plan.kind !== "rollback") return null;
    const { version, cores, only } = plan;
    const digest = rollbackDigest(version, cores, only);
    if (version !== subject || digest !== plan.digest)
      return against("the plan is not what it says");
    const named = cores.find((one) => one.arch === arch)?.coreSha256;
    const { running, standby } = view();
    for (const held of [running, standby]) {
      if (held?.version !== version || held.coreSha256 === null || named === undefined) continue;
      if (held.coreSha256 !== named) return against(`this node has another core of ${version}`);
    }
    return { value: digest, reason: "" };
  }
}

function against(reason: string): Answer {
  return { value: null, reason: reason.slice(0, 300) };
}
