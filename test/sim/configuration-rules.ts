/**
 * What holds of changes of membership (Raft thesis 4): no quorum of a configuration misses one of the configuration
 * before it in the log, and a configuration is committed under itself, before another follows it.
 */

import { type LogIndex, type NodeId, nodeOfReplica, type Term } from "../../src/base/index.ts";
import {
  type Configuration,
  decodeConfiguration,
  describeConfiguration,
  equalConfigurations,
  replicasOf,
} from "../../src/domain/raft/index.ts";
import type { LogWrite, SnapshotMeta } from "../../src/ports/index.ts";
import { isQuorum } from "./invariants.ts";

export class ConfigurationRules {
  readonly #violated: (what: string) => void;
  /** Every configuration that was ever in a log, by "index/term". */
  readonly #known = new Map<string, Configuration>();
  /** Those that leaders have committed, in order. */
  readonly #committed: { readonly index: LogIndex; readonly configuration: Configuration }[] = [];

  constructor(violated: (what: string) => void) {
    this.#violated = violated;
  }

  /** `before` is the configuration in the log before the write, null where that cannot be told. */
  appends(name: string, write: LogWrite, before: Uint8Array | null): void {
    let previous = before;
    for (const { index, kind, payload, term } of write.entries) {
      if (kind !== "configuration") continue;
      const next = decodeConfiguration(payload);
      this.#known.set(`${index}/${term}`, next);
      if (previous !== null) this.#mustOverlap(name, decodeConfiguration(previous), next);
      previous = payload;
    }
  }

  /** A leader commits an entry by counting. */
  commits(name: string, index: LogIndex, term: Term, isDurable: (node: NodeId) => boolean): void {
    const configuration = this.#known.get(`${index}/${term}`);
    if (configuration === undefined) return;
    this.#committed.push({ index, configuration });
    if (isQuorum(configuration, isDurable)) return;
    this.#violated(
      `configuration: ${name} commits ${describeConfiguration(configuration)} at ${index}, which no ` +
        "quorum of it has synced",
    );
  }

  /** A log is cut: the snapshot in place of its beginning names the configuration of its end (Raft thesis 5.1). */
  cuts(name: string, { configuration, index }: SnapshotMeta): void {
    const inForce = this.#committed.findLast((committed) => committed.index <= index);
    if (inForce === undefined) return;
    const named = decodeConfiguration(configuration);
    if (equalConfigurations(named, inForce.configuration)) return;
    this.#violated(
      `configuration: ${name} cuts its log at ${index} and names ${describeConfiguration(named)}, ` +
        `there it is ${describeConfiguration(inForce.configuration)}`,
    );
  }

  #mustOverlap(name: string, previous: Configuration, next: Configuration): void {
    const nodes = [...new Set([...replicasOf(previous), ...replicasOf(next)])].map(nodeOfReplica);
    for (let set = 0; set < 2 ** nodes.length; set++) {
      const isIn = (node: NodeId) => ((set >> nodes.indexOf(node)) & 1) === 1;
      if (!isQuorum(previous, isIn) || !isQuorum(next, (node) => !isIn(node))) continue;
      this.#violated(
        `configuration: ${name} goes from ${describeConfiguration(previous)} to ` +
          `${describeConfiguration(next)}: ${nodes.filter(isIn).join(", ")} and the rest decide apart`,
      );
      return;
    }
  }
}
