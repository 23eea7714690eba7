/**
 * Raft's invariants (thesis, figure 3.2) watched at the ports, after every step and apart from the code they judge:
 * what goes into logs, what state machines are given, who says that it leads. Besides: whatever is given to a state
 * machine is durable on more than half of the weight (by arithmetic of its own).
 */

import {
  equalBytes,
  type GroupId,
  type LogIndex,
  type NodeId,
  nodeOfReplica,
  type Term,
} from "../../src/base/index.ts";
import { type Configuration, decodeConfiguration } from "../../src/domain/raft/index.ts";
import { readBatchTimeMs } from "../../src/domain/replication/index.ts";
import type { LogEntry, LogWrite } from "../../src/ports/index.ts";

/** What the checks may look at. */
export interface Evidence {
  /** The term of an entry in a node's live log, null when it is not there; "cut" when it is within the snapshot. */
  termIn(node: NodeId, group: GroupId, index: LogIndex): Term | null | "cut";
  /** Whether the entry is synced on the node's disk, running or not. */
  isDurable(node: NodeId, group: GroupId, index: LogIndex, term: Term): boolean;
  termOf(node: NodeId, group: GroupId): Term | null;
  /** What a clock that is right shows. */
  trueWallMs(): number;
  /** Configurations in a node's live log, latest first. */
  configurationsIn(node: NodeId, group: GroupId): readonly Uint8Array[];
}

/** What the network tolerates, and as much again as clocks here may be off at most. */
const TIME_AHEAD_MAX_MS = 300_000 + 200_000;

interface SeenEntry {
  readonly entry: LogEntry;
  readonly previousTerm: Term | null;
}

interface GroupFacts {
  readonly leaders: Map<Term, NodeId>;
  /** Every entry that was ever in a log, by "index/term". */
  readonly entries: Map<string, SeenEntry>;
  /** What state machines were given, by index. */
  readonly applied: Map<LogIndex, LogEntry>;
  highest: LogEntry | null;
  /** The latest time in what state machines were given. */
  pinnedMs: number;
}

export class Invariants {
  readonly #evidence: Evidence;
  readonly #violated: (what: string) => void;
  readonly #groups = new Map<GroupId, GroupFacts>();
  #checkCount = 0;

  constructor(evidence: Evidence, violated: (what: string) => void) {
    this.#evidence = evidence;
    this.#violated = violated;
  }

  get checkCount(): number {
    return this.#checkCount;
  }

  /** Committed entries known of a group: how many indexes were applied somewhere. */
  appliedCount(group: GroupId): number {
    return this.#facts(group).applied.size;
  }

  /** The last command up to an index, of all that state machines were given; 0 when there is none. */
  lastCommand(group: GroupId, upTo: LogIndex): number {
    const { applied } = this.#facts(group);
    let index = upTo;
    while (index > 0 && applied.get(index)?.kind !== "command") index--;
    return index;
  }

  /** What a replica says is applied is in its database: a read rests on it. */
  reads(name: string, group: GroupId, said: LogIndex, held: LogIndex): void {
    const command = this.lastCommand(group, said);
    if (held >= command) return;
    this.#violated(
      `applied index: ${name} reads ${group} as of ${said}, its database lacks ${command}, it holds ${held}`,
    );
  }

  highestApplied(group: GroupId): number {
    return this.#facts(group).highest?.index ?? 0;
  }

  /** Election safety: a term has one leader. Leader completeness: it holds all that was committed before. */
  leads(node: NodeId, group: GroupId, term: Term): void {
    this.#checkCount++;
    const { leaders, highest } = this.#facts(group);
    const other = leaders.get(term);
    if (other !== undefined && other !== node) {
      this.#violated(`election safety: ${other} and ${node} both lead ${group} in term ${term}`);
    }
    if (other !== undefined) return;
    leaders.set(term, node);
    if (highest === null || highest.term >= term) return;
    const held = this.#evidence.termIn(node, group, highest.index);
    if (held === "cut" || held === highest.term) return;
    this.#violated(
      `leader completeness: ${node} leads ${group} in term ${term} without committed entry ` +
        `${highest.index} of term ${highest.term} (it has ${held ?? "nothing"} there)`,
    );
  }

  /** Log matching: entries of one index and term are the same, and so is all before them. */
  appends(node: NodeId, write: LogWrite): void {
    const { entries } = this.#facts(write.group);
    let previousTerm: Term | null = null;
    write.entries.forEach((entry, i) => {
      this.#checkCount++;
      if (i === 0) {
        const before = this.#evidence.termIn(node, write.group, (entry.index - 1) as LogIndex);
        previousTerm = before === "cut" ? null : before;
      }
      const key = `${entry.index}/${entry.term}`;
      const seen = entries.get(key);
      if (seen === undefined) entries.set(key, { entry, previousTerm });
      else if (!sameEntry(seen.entry, entry)) {
        this.#violated(`log matching: ${node} has another entry ${key} in ${write.group}`);
      } else if (differ(seen.previousTerm, previousTerm)) {
        this.#violated(`log matching: ${node} has another entry before ${key} in ${write.group}`);
      }
      previousTerm = entry.term;
    });
  }

  /** State machine safety, and durability on a quorum. */
  applies(node: NodeId, group: GroupId, entries: readonly LogEntry[]): void {
    const facts = this.#facts(group);
    for (const entry of entries) {
      this.#checkCount++;
      const seen = facts.applied.get(entry.index);
      if (seen !== undefined) {
        if (seen.term === entry.term && sameEntry(seen, entry)) continue;
        this.#violated(
          `state machine safety: ${node} is given entry ${entry.index} of term ${entry.term} in ` +
            `${group}, another was given term ${seen.term}`,
        );
        continue;
      }
      facts.applied.set(entry.index, entry);
      if (facts.highest === null || entry.index > facts.highest.index) facts.highest = entry;
      this.#checkDurable(node, group, entry);
      this.#checkTime(node, group, entry);
    }
  }

  /**
   * A time that is far ahead never falls again: no quorum may take it from who made it. A later leader may have it in
   * its log, uncommitted, and be the only one who can lead; and all go on from it then.
   */
  #checkTime(node: NodeId, group: GroupId, { index, kind, payload, term }: LogEntry): void {
    if (kind !== "command") return;
    const facts = this.#facts(group);
    const timeMs = readBatchTimeMs(payload);
    const aheadMs = timeMs - Math.max(this.#evidence.trueWallMs(), facts.pinnedMs);
    facts.pinnedMs = Math.max(facts.pinnedMs, timeMs);
    if (aheadMs <= TIME_AHEAD_MAX_MS || term !== this.#evidence.termOf(node, group)) return;
    this.#violated(`pinned time: ${node} is given entry ${index}, ${aheadMs} ms ahead of time`);
  }

  #checkDurable(node: NodeId, group: GroupId, entry: LogEntry): void {
    // The leader counts with the latest configuration in its log, or just did with the one before.
    const latest = this.#evidence
      .configurationsIn(node, group)
      .slice(0, 3)
      .map(decodeConfiguration);
    const isDurable = (holder: NodeId) =>
      this.#evidence.isDurable(holder, group, entry.index, entry.term);
    if (latest.some((configuration) => isQuorum(configuration, isDurable))) return;
    const holders = latest[0]?.voters.filter(({ replica }) => isDurable(nodeOfReplica(replica)));
    this.#violated(
      `durability: ${node} is given entry ${entry.index} of term ${entry.term} in ${group}, which ` +
        `only ${holders?.map(({ replica }) => replica).join(", ") || "nobody"} has synced`,
    );
  }

  #facts(group: GroupId): GroupFacts {
    let facts = this.#groups.get(group);
    if (facts === undefined) {
      facts = {
        leaders: new Map(),
        entries: new Map(),
        applied: new Map(),
        highest: null,
        pinnedMs: 0,
      };
      this.#groups.set(group, facts);
    }
    return facts;
  }
}

function sameEntry(a: LogEntry, b: LogEntry): boolean {
  return a.kind === b.kind && (a.payload === b.payload || equalBytes(a.payload, b.payload));
}

/** An unknown term (it was cut away) contradicts nothing. */
function differ(a: Term | null, b: Term | null): boolean {
  return a !== null && b !== null && a !== b;
}

export function isQuorum(configuration: Configuration, has: (node: NodeId) => boolean): boolean {
  return [configuration.voters, configuration.outgoing].every((voters) => {
    const total = voters.reduce((sum, { weight }) => sum + weight, 0);
    const held = voters
      .filter(({ replica }) => has(nodeOfReplica(replica)))
      .reduce((sum, { weight }) => sum + weight, 0);
    return total === 0 || held * 2 > total;
  });
}
