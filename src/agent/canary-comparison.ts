/** Whether one node's data is the majority's, asked of the leaders of all shards that it holds. */

import { errorCodeOf, type GroupId, messageOf, type NodeId, nodeOfReplica } from "../base/index.ts";
import type { Configuration } from "../domain/raft/index.ts";
import type { Comparison } from "../domain/update/index.ts";
import {
  type ComparisonState,
  decodeComparison,
  encodeCompare,
  methodOf,
} from "../runtime/store/index.ts";
import type { Core } from "./core.ts";
import { GROUPS } from "./groups.ts";

const ASK_TIMEOUT_MS = 5_000;

interface Told {
  readonly node: NodeId;
  readonly leader: NodeId;
  readonly plan: string;
  readonly state: ComparisonState;
}

export class CanaryComparison {
  readonly #core: Pick<Core, "consensus" | "grant" | "host" | "shards" | "transport">;
  readonly #onChange: () => void;
  readonly #told = new Map<GroupId, Told>();
  readonly #asking = new Set<GroupId>();

  /** `onChange` is called when an answer changes what `of` says. */
  constructor(
    core: Pick<Core, "consensus" | "grant" | "host" | "shards" | "transport">,
    onChange: () => void,
  ) {
    this.#core = core;
    this.#onChange = onChange;
  }

  /** As far as is known now. What is not is asked for; shards begin to compare when a plan's is asked for first. */
  of(node: NodeId, plan: string): Comparison {
    const { consensus } = this.#core;
    const states = GROUPS.filter((group) => holds(consensus.configuration(group), node)).map(
      (group) => this.#stateOf(group, node, plan),
    );
    const difference = states.find((state) => (state?.difference ?? null) !== null)?.difference;
    if (difference !== undefined && difference !== null)
      return { result: "differs", why: difference };
    const all = states.length > 0 && states.every((state) => state?.agrees === true);
    return { result: all ? "agrees" : "open" };
  }

  #stateOf(group: GroupId, node: NodeId, plan: string): ComparisonState | null {
    const { consensus, grant, shards } = this.#core;
    const status = consensus.groupStatus(group);
    const leader = status?.leader ?? null;
    if (leader === null) return null;
    if (leader === grant.member) {
      const shard = shards.find(({ id }) => id === group)?.shard;
      return status?.isReady === true && shard !== undefined ? shard.compare(node, plan) : null;
    }
    void this.#ask(group, leader, node, plan);
    const told = this.#told.get(group);
    const isCurrent = told?.node === node && told.leader === leader && told.plan === plan;
    return isCurrent ? told.state : null;
  }

  async #ask(group: GroupId, leader: NodeId, node: NodeId, plan: string): Promise<void> {
    if (this.#asking.has(group)) return;
    this.#asking.add(group);
    const { host, transport } = this.#core;
    try {
      const method = methodOf(group, "digest-compare");
      const question = encodeCompare(node, plan);
      const answer = await transport.request(leader, method, question, ASK_TIMEOUT_MS);
      const state = decodeComparison(answer);
      const before = this.#told.get(group);
      this.#told.set(group, { node, leader, plan, state });
      const isSame = before?.node === node && before.leader === leader && before.plan === plan;
      if (!isSame || !equal(before.state, state)) this.#onChange();
    } catch (error) {
      if (errorCodeOf(error) === undefined) return host.onFatal(error);
      host.logger.debug("no comparison was told", { group, leader, reason: messageOf(error) });
    } finally {
      this.#asking.delete(group);
    }
  }
}

function holds(configuration: Configuration | null, node: NodeId): boolean {
  if (configuration === null) return false;
  const { learners, voters } = configuration;
  const replicas = [...voters.map(({ replica }) => replica), ...learners];
  return replicas.some((replica) => nodeOfReplica(replica) === node);
}

function equal(a: ComparisonState, b: ComparisonState): boolean {
  return a.agrees === b.agrees && a.difference === b.difference;
}
