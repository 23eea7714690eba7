/**
 * Raft's rules for single steps, judged where they are kept or broken, so that a mistake shows before a rare schedule
 * makes it lose anything. Commit indexes are looked at after every step, messages when they are handed to a link and
 * when they arrive. Complements `invariants.ts`, which judges what is agreed on in the end.
 */

import {
  type GroupId,
  type LogIndex,
  type NodeId,
  nodeOfReplica,
  type ReplicaId,
  type Term,
} from "../../src/base/index.ts";
import { BOOTSTRAP_INDEX, type Message, type RaftNode } from "../../src/domain/raft/index.ts";
import type { LogWrite, SnapshotMeta } from "../../src/ports/index.ts";
import { readFrame } from "../../src/runtime/consensus/frame.ts";
import { ConfigurationRules } from "./configuration-rules.ts";
import type { Machine } from "./machine.ts";

/** What a replica was when it was last looked at. */
interface Seen {
  readonly replica: RaftNode;
  readonly term: Term;
  readonly isLeader: boolean;
  readonly commitIndex: LogIndex;
}

interface Shown {
  readonly replica: RaftNode;
  readonly term: Term;
  readonly upTo: number;
}

type Granted = Message & { readonly kind: "voteResponse" | "voteRequest" };

export class RaftRules {
  readonly #group: GroupId;
  readonly #machines: readonly Machine[];
  readonly #violated: (what: string) => void;
  readonly #configurations: ConfigurationRules;
  readonly #seen = new Map<Machine, Seen>();
  /** Terms of the entries that leaders have committed, by index. */
  readonly #committed = new Map<LogIndex, Term>();
  #committedUpTo = BOOTSTRAP_INDEX;
  /** How far the leader of a term has shown a replica that their logs are equal. */
  readonly #shown = new Map<Machine, Shown>();
  /** Whom a node voted for, by "replica/term". */
  readonly #votes = new Map<string, ReplicaId>();
  #commitCount = 0;
  #askedCount = 0;
  /** The latest question for a read index that was answered. */
  #confirmed = 0;

  constructor(group: GroupId, machines: readonly Machine[], violated: (what: string) => void) {
    this.#group = group;
    this.#machines = machines;
    this.#violated = violated;
    this.#configurations = new ConfigurationRules(violated);
  }

  /** After every step. */
  look(): void {
    for (const machine of this.#machines) this.lookAt(machine);
  }

  lookAt(machine: Machine): void {
    const replica = machine.process?.replica(this.#group) ?? null;
    if (replica === null) return;
    const { commitIndex, role, term } = replica;
    const before = this.#seen.get(machine);
    const seen = before?.replica === replica ? before : null;
    const isLeader = role === "leader";
    const isSame = seen !== null && seen.term === term && seen.isLeader === isLeader;
    if (isSame && seen.commitIndex === commitIndex) return;
    if (seen === null || commitIndex > seen.commitIndex) this.#commits(machine, replica, seen);
    else if (commitIndex < seen.commitIndex) {
      this.#violated(
        `commit index: ${machine.name} fell from ${seen.commitIndex} to ${commitIndex}`,
      );
    }
    this.#seen.set(machine, { replica, term, isLeader, commitIndex });
  }

  /** What a node hands to its log. Only a leader's is never cut, so that what is before it is certain. */
  appends(machine: Machine, write: LogWrite): void {
    const { group } = write;
    if (group !== this.#group) return;
    const leads = machine.process?.replica(group)?.role === "leader";
    const before = leads ? (machine.process?.loggedConfigurations(group)[0] ?? null) : null;
    this.#configurations.appends(machine.name, write, before);
  }

  /** A snapshot takes the place of a log or of its beginning. */
  cuts(machine: Machine, snapshot: SnapshotMeta): void {
    this.look();
    this.#configurations.cuts(machine.name, snapshot);
  }

  /** What a node hands to a link. */
  sends(machine: Machine, to: NodeId, frame: Uint8Array): void {
    const replica = machine.process?.replica(this.#group) ?? null;
    // A leader neither acknowledges nor votes.
    if (replica === null || replica.role === "leader") return;
    for (const { group, message } of readFrame(frame, machine.node, to)) {
      if (group !== this.#group) continue;
      const { kind } = message;
      if (kind === "appendResponse" && !message.rejected) {
        this.#checkShown(machine, replica, message);
        this.#acknowledges(machine, nodeOfReplica(message.to), message.term, message.index);
      } else if (kind === "voteResponse" && message.granted) {
        this.#grants(machine, replica, message);
      } else if (kind === "voteRequest" && !message.preVote) {
        this.#stands(machine, message);
      }
    }
  }

  /** A frame arrives and is taken by `receive`: it commits no more than it shows to be equal (Raft thesis 3.5). */
  receives(machine: Machine, from: NodeId, frame: Uint8Array, receive: () => void): void {
    const replica = machine.process?.replica(this.#group) ?? null;
    const before = replica?.commitIndex ?? 0;
    const isLeader = replica?.role === "leader";
    receive();
    if (replica === null || replica.role === "leader") return;
    let allowed: number = before;
    for (const { group, message } of readFrame(frame, from, machine.node)) {
      if (group !== this.#group) continue;
      allowed = Math.max(allowed, allowedBy(message));
      if (message.kind === "append") this.#isShown(machine, replica, message);
    }
    if (isLeader || replica.commitIndex <= allowed) return;
    this.#violated(
      `commit index: ${machine.name} commits up to ${replica.commitIndex} by a message that shows ` +
        `its log to be the leader's only up to ${allowed}`,
    );
  }

  /**
   * Begins to watch whether a quorum is asked: the answer tells whether a read index was asked for and confirmed, or
   * an entry committed, since now. Without either nobody knows that no other leader has been elected meanwhile.
   */
  watchQuorum(): () => boolean {
    this.look();
    const [asked, commits] = [this.#askedCount, this.#commitCount];
    return () => {
      this.look();
      return this.#confirmed > asked || this.#commitCount > commits;
    };
  }

  /**
   * A read index is asked for; call the result with it when it is there. It holds all that any leader had committed
   * when it was asked for (Raft thesis 6.4).
   */
  asksForRead(machine: Machine): (index: LogIndex) => void {
    this.look();
    const number = ++this.#askedCount;
    const least = this.#committedUpTo;
    return (index) => {
      this.#confirmed = Math.max(this.#confirmed, number);
      if (index >= least) return;
      this.#violated(
        `read index: ${machine.name} was told ${index}, ${least} was committed when it asked`,
      );
    };
  }

  #commits(machine: Machine, replica: RaftNode, seen: Seen | null): void {
    const { commitIndex } = replica;
    if (commitIndex <= BOOTSTRAP_INDEX) return;
    const term = replica.termOf(commitIndex);
    if (seen?.isLeader === true) {
      const wasLeading = replica.term === seen.term;
      if (wasLeading && term !== seen.term) {
        this.#violated(
          `commitment: ${machine.name} leads term ${seen.term} and commits entry ${commitIndex} of ` +
            `term ${term} by counting (Raft thesis 3.6.2)`,
        );
      }
      if (term === seen.term) this.#leaderCommits(machine, replica);
    }
    const committed = this.#committed.get(commitIndex);
    if (committed === term) return;
    this.#violated(
      `commitment: ${machine.name} takes entry ${commitIndex} of term ${term} for committed, ` +
        `leaders have committed ${committed === undefined ? "none" : `term ${committed}`} there`,
    );
  }

  #leaderCommits(machine: Machine, replica: RaftNode): void {
    this.#commitCount++;
    for (let index = this.#committedUpTo + 1; index <= replica.commitIndex; index++) {
      const term = replica.termOf(index as LogIndex);
      if (term === null) {
        this.#violated(`commitment: ${machine.name} commits entry ${index} without having it`);
        return;
      }
      this.#committed.set(index as LogIndex, term);
      this.#configurations.commits(machine.name, index as LogIndex, term, (node) =>
        this.#isDurable(node, index as LogIndex, term),
      );
    }
    this.#committedUpTo = Math.max(this.#committedUpTo, replica.commitIndex) as LogIndex;
  }

  /** An append that was accepted. */
  #isShown(
    machine: Machine,
    replica: RaftNode,
    append: Message & { readonly kind: "append" },
  ): void {
    const { entries, prevIndex, prevTerm, term } = append;
    const last = (prevIndex + entries.length) as LogIndex;
    const lastTerm = entries.at(-1)?.term ?? prevTerm;
    if (term !== replica.term || replica.termOf(last) !== lastTerm) return;
    const shown = this.#shown.get(machine);
    const isFirst = shown?.replica !== replica || shown.term !== term;
    const upTo = Math.max(isFirst ? 0 : shown.upTo, last);
    this.#shown.set(machine, { replica, term, upTo });
  }

  /** What a log holds beyond the last entry of the append may be another leader's. */
  #checkShown(
    machine: Machine,
    replica: RaftNode,
    { index, term }: Message & { readonly kind: "appendResponse" },
  ): void {
    // Written while it followed an earlier leader: that one has no use for it any more.
    if (term !== replica.term) return;
    const shown = this.#shown.get(machine);
    const upTo = shown?.replica === replica && shown.term === term ? shown.upTo : 0;
    if (index <= Math.max(upTo, replica.commitIndex)) return;
    this.#violated(
      `acknowledgement: ${machine.name} acknowledges ${index}, was shown to be equal up to ${upTo}`,
    );
  }

  /** The log equals the leader's up to `index` and is synced: what the leader takes as its match index (3.5). */
  #acknowledges(machine: Machine, to: NodeId, term: Term, index: LogIndex): void {
    const other = this.#machines.find(({ node }) => node === to);
    const leader = other?.process?.replica(this.#group) ?? null;
    if (leader?.role !== "leader" || leader.term !== term) return;
    if (index > leader.lastIndex) {
      this.#violated(
        `acknowledgement: ${machine.name} acknowledges ${index}, past the end of the leader's log`,
      );
      return;
    }
    const wanted = leader.termOf(index) ?? this.#committed.get(index);
    if (wanted === undefined || machine.logDisk.holds(this.#group, index, wanted)) return;
    this.#violated(
      `acknowledgement: ${machine.name} acknowledges ${index} without having the leader's entry of ` +
        `term ${wanted} synced`,
    );
  }

  #isDurable(node: NodeId, index: LogIndex, term: Term): boolean {
    const holder = this.#machines.find((machine) => machine.node === node);
    return holder?.logDisk.holds(this.#group, index, term) === true;
  }

  /** One vote a term, durable, and none by a log that lost synced entries. */
  #grants(machine: Machine, replica: RaftNode, message: Granted): void {
    const { damagedUpTo } = replica.status();
    if (damagedUpTo !== null) {
      this.#violated(`vote: ${machine.name} votes with a log that is damaged up to ${damagedUpTo}`);
    }
    if (!message.preVote) this.#votesFor(machine, message.from, message.term, message.to);
  }

  /** A candidate has voted for itself, and for a log that it has synced. */
  #stands(machine: Machine, message: Granted & { readonly kind: "voteRequest" }): void {
    this.#votesFor(machine, message.from, message.term, message.from);
    const { lastIndex, lastTerm } = message;
    if (machine.logDisk.holds(this.#group, lastIndex, lastTerm)) return;
    this.#violated(`vote: ${machine.name} stands with entry ${lastIndex} that it has not synced`);
  }

  #votesFor(machine: Machine, voter: ReplicaId, term: Term, candidate: ReplicaId): void {
    const key = `${voter}/${term}`;
    const other = this.#votes.get(key);
    if (other !== undefined && other !== candidate) {
      this.#violated(`vote: ${machine.name} votes in term ${term} for ${other}, then ${candidate}`);
    }
    this.#votes.set(key, candidate);
    const durable = machine.logDisk.synced.get(this.#group)?.hardState;
    if (durable === undefined || durable.term > term) return;
    if (durable.term === term && durable.votedFor === candidate) return;
    this.#violated(
      `vote: ${machine.name} votes in term ${term} for ${candidate}, and has not synced that`,
    );
  }
}

/** How far a follower's log is known to be the leader's and committed once it has taken the message. */
function allowedBy(message: Message): number {
  switch (message.kind) {
    case "append":
      return Math.min(message.commit, message.prevIndex + message.entries.length);
    case "heartbeat":
      return message.commit;
    case "snapshotOffer":
      return message.snapshot.index;
    default:
      return 0;
  }
}
